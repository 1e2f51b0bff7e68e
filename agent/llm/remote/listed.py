"""Reads which tokens a server lists for the first one of a reply, and how likely they make each option. Pure."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from agent.errors import ModelReplyInvalid, PromptError
from agent.llm.remote.chat import ENDED, TRY_AGAIN, check_allowed, json_object, message_of, only_choice
from agent.llm.thoughts import begins_a_thought

Listed = tuple[tuple[str, float], ...]
Spellings = tuple[frozenset[str], ...]


class NotListed(Exception):
    """The server listed no tokens, or not those of an answer; the text says why."""


def spellings_of(options: Sequence[Sequence[str]]) -> Spellings:
    """The spellings of each option, as `bare` has them.

    Raises PromptError for an option without a spelling, and for a spelling that two options share.
    """
    bared = tuple(frozenset(bare(spelling) for spelling in option if spelling) for option in options)
    seen: set[str] = set()
    for option in bared:
        if not option:
            raise PromptError("an option has no spelling", "Give each option at least one")
        if shared := option & seen:
            raise PromptError(f"two options share the spelling {min(shared)!r}", "Give each option its own")
        seen |= option
    return bared


def bare(token: str) -> str:
    """The token without white space around it; a token of white space alone stays as it is.

    A chat's answer begins a turn of its own, and it depends on the template and the vocabulary alone whether its first
    token carries a space: " Yes" and "Yes" are one answer.
    """
    return token.strip() or token


def listed_in(body: bytes) -> Listed:
    """The tokens listed for the first one of a reply, with their log-probabilities, at most 0; never empty.

    Raises NotListed; ModelReplyInvalid for a reply that is no completion, or one withheld.
    """
    choice = only_choice(json_object(body))
    message = message_of(choice)
    check_allowed(message, choice.get("finish_reason"))
    place = _first_place(choice)
    listed = _entries(place.get("top_logprobs"))
    if message.get("reasoning_content") or message.get("reasoning") or begins_a_thought(str(place.get("token"))):
        raise NotListed("it thinks before it answers")
    if not listed:
        raise NotListed("it answers without top_logprobs" if place else "it answers without logprobs")
    return listed


def logprobs_of(listed: Listed, options: Spellings) -> tuple[float, ...]:
    """The log-probability of each option: of its listed spellings, summed.

    An option of which none is listed counts as the least likely token that is: it is not likelier than that.
    """
    least = min(logprob for _, logprob in listed)
    return tuple(_summed(found) if (found := _found(listed, option)) else least for option in options)


def lists_any(listed: Listed, options: Spellings) -> bool:
    """Whether any option is listed."""
    return any(_found(listed, option) for option in options)


def likeliest(listed: Listed) -> str:
    """The likeliest token listed, at most 40 characters of it."""
    return max(listed, key=lambda entry: entry[1])[0][:40]


def _first_place(choice: Mapping[str, object]) -> Mapping[str, object]:
    """What is listed for the first token of the reply; empty where nothing is."""
    logprobs = choice.get("logprobs")
    places = logprobs.get("content") if isinstance(logprobs, dict) else None
    if places == [] and choice.get("finish_reason") in ENDED:
        raise ModelReplyInvalid("the reply ended before its first token", TRY_AGAIN)
    return places[0] if isinstance(places, list) and places and isinstance(places[0], dict) else {}


def _found(listed: Listed, option: frozenset[str]) -> list[float]:
    return [logprob for token, logprob in listed if bare(token) in option]


def _summed(logprobs: Sequence[float]) -> float:
    most = max(logprobs)
    return min(0.0, most + math.log(math.fsum(math.exp(logprob - most) for logprob in logprobs)))


def _entries(listed: object) -> Listed:
    entries = listed if isinstance(listed, list) else []
    return tuple(entry for one in entries if isinstance(one, dict) and (entry := _entry(one)) is not None)


def _entry(one: Mapping[str, object]) -> tuple[str, float] | None:
    token, logprob = one.get("token"), one.get("logprob")
    if not isinstance(token, str) or isinstance(logprob, bool) or not isinstance(logprob, int | float):
        return None
    return (token, min(0.0, float(logprob))) if math.isfinite(logprob) else None
