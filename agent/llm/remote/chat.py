"""Reads the body of a chat completion, whoever sent it. Pure; says in one line what is wrong with it."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from typing import NoReturn

from agent.errors import ModelReplyInvalid
from agent.llm.base import Completion
from agent.llm.thoughts import without_thoughts

ENDED = ("stop", "eos", "eos_token", "end_turn", "stop_sequence")
_MOST_TOKENS = 2**53  # no reply took as many, and a float still counts them one by one
_WORD = re.compile(r"\A[a-z_]{1,40}\Z")
TRY_AGAIN = "Try again, or use another model"


def completion_from(body: bytes, stop: Sequence[str] = ()) -> Completion:
    """The completion in a server's reply, without thoughts, cut at the first stop string; token counts 0 if not told.

    Raises ModelReplyInvalid: not JSON, no choice, no text, or not ended by the model itself (length, content_filter,
    no finish_reason, ...).
    """
    reply = json_object(body)
    choice = only_choice(reply)
    message = message_of(choice)
    check_ended(message, choice.get("finish_reason"))
    return Completion(cut_at(_text_of(message.get("content")), stop), "stop", *counts_of(reply))


def json_object(body: bytes) -> Mapping[str, object]:
    """The JSON object that a reply, or an event of one, is. Raises ModelReplyInvalid where it is something else."""
    if body.lstrip()[:1] == b"<":
        _invalid("the reply is a web page, not JSON", "Check base_url, as a rule it ends in /v1")
    try:
        reply = json.loads(body)
    except (ValueError, RecursionError) as error:
        raise ModelReplyInvalid(f"the reply is not whole JSON ({len(body):,} bytes)", TRY_AGAIN) from error
    if not isinstance(reply, dict):
        _invalid(f"the reply is a JSON {type(reply).__name__}, not an object", "Check base_url")
    return reply


def first_choice(reply: Mapping[str, object]) -> Mapping[str, object] | None:
    """The first of the choices, None where there is none."""
    choices = reply.get("choices")
    choice = choices[0] if isinstance(choices, list) and choices else None
    return choice if isinstance(choice, dict) else None


def only_choice(reply: Mapping[str, object]) -> Mapping[str, object]:
    """The first of the choices. Raises ModelReplyInvalid where there is none."""
    choice = first_choice(reply)
    if choice is None:
        _invalid(
            "the reply holds no choices", "Check that base_url is an OpenAI-compatible API, as a rule ending in /v1"
        )
    return choice


def message_of(choice: Mapping[str, object]) -> Mapping[str, object]:
    """The message of a choice, empty where it has none."""
    message = choice.get("message")
    return message if isinstance(message, dict) else {}


def check_ended(message: Mapping[str, object], finish_reason: object) -> None:
    """Do nothing for a reply that the model ended itself. Raises ModelReplyInvalid for any other."""
    if finish_reason == "length":
        _invalid(
            "the reply was cut off at its token limit", "Use a model that answers briefly, or switch its thinking off"
        )
    check_allowed(message, finish_reason)
    if finish_reason not in ENDED:
        known = finish_reason if isinstance(finish_reason, str) and _WORD.match(finish_reason) else "not given"
        _invalid(f"the reply did not end by itself (finish_reason {known})", TRY_AGAIN)


def check_allowed(message: Mapping[str, object], finish_reason: object) -> None:
    """Do nothing for a reply that neither model nor filter withholds. Raises ModelReplyInvalid for any other."""
    if message.get("refusal"):
        _invalid("the model refused to answer", "Use another model")
    if finish_reason == "content_filter":
        _invalid("the reply was withheld (finish_reason content_filter)", "Use another model")


def counts_of(reply: Mapping[str, object]) -> tuple[int, int]:
    """The tokens of the prompt and of the reply, each 0 where not told."""
    usage = reply.get("usage")
    counts = usage if isinstance(usage, dict) else {}
    return _count(counts, "prompt_tokens"), _count(counts, "completion_tokens")


def usage_in(body: bytes) -> dict[str, int]:
    """The tokens that a reply says it took: "in", of them "cached", and "out"; each 0 where not told."""
    try:
        reply = json_object(body)
    except ModelReplyInvalid:
        return {}
    usage = reply.get("usage")
    details = usage.get("prompt_tokens_details") if isinstance(usage, dict) else None
    cached = _count(details, "cached_tokens") if isinstance(details, dict) else 0
    return {**dict(zip(("in", "out"), counts_of(reply), strict=True)), "cached": cached}


def storable(text: str) -> str:
    """The text with lone surrogates replaced and NUL dropped."""
    return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace").replace("\0", "")


def cut_at(text: str, stop: Sequence[str]) -> str:
    """The text before the first of the stop strings; empty ones do not count."""
    for end in stop:
        text = text.split(end, 1)[0] if end else text
    return text


def refuse_empty(content: object) -> NoReturn:
    """Never anything but ModelReplyInvalid, for a reply with this content, which holds no answer."""
    if not isinstance(content, str):
        _invalid(f"the reply holds no text (content is {type(content).__name__})", TRY_AGAIN)
    _invalid(f"the reply holds {'only thoughts' if content.strip() else 'an empty text'}", TRY_AGAIN)


def _text_of(content: object) -> str:
    text = without_thoughts(storable(content)) if isinstance(content, str) else ""
    return text or refuse_empty(content)


def _count(counts: Mapping[str, object], name: str) -> int:
    count = counts.get(name)
    return count if isinstance(count, int) and 0 <= count < _MOST_TOKENS else 0


def _invalid(message: str, hint: str) -> NoReturn:
    raise ModelReplyInvalid(message, hint)
