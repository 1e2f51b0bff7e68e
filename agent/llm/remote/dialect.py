"""How one server likes to be asked: the body of a chat request, and what to change once the server refuses a part."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace

from agent.llm.base import GREEDY, Sampling
from agent.llm.remote.chat import storable

THINKING_TOKENS = 4_096
MAX_STOPS = 4
MAX_LISTED = 20  # the most that OpenAI's API allows, and the most that vLLM does by default

_SEEDS = 2**31  # as many as every server takes; some read a negative one as "any"
_WILL_NOT = "support|allow|permit|enable|verified|unknown|unrecogni|unexpected|extra|invalid"
_REFUSED = {  # a part of the body -> how a refusal names it
    "response_format": re.compile(r"response_format|json_schema|schema|grammar|structured|guided", re.IGNORECASE),
    "stream_options": re.compile(r"stream_options|include_usage"),
    "stream": re.compile(rf"(?=.*\bstream(ing)?\b).*({_WILL_NOT})", re.IGNORECASE),
    "seed": re.compile(r"\bseed\b"),
    "top_p": re.compile(r"\btop_p\b"),
    "temperature": re.compile(r"temperature"),
}
_REFUSED_SYSTEM = re.compile(r"system (role|message|prompt)|role\W+system|roles must alternate", re.IGNORECASE)
_REFUSED_LOGPROBS = re.compile(r"log_?probs|log.probabilities", re.IGNORECASE)
_NUMBER = re.compile(r"(?<![\w.-])\d{1,2}(?![\w-]|\.\d)")


@dataclass(frozen=True, slots=True)
class Question:
    """What is asked of a chat model, whatever the server. At most `max_tokens` tokens may answer it.

    `wants_text`: the reply is to come in pieces. `wants_listed`: what counts is not the reply, but how likely its first
    token is, and those that could stand in its place.
    """

    prefix: str
    suffix: str
    max_tokens: int
    stop: tuple[str, ...] = ()
    schema: dict[str, object] | None = None
    sampling: Sampling = GREEDY
    wants_text: bool = False
    wants_listed: bool = False


@dataclass(frozen=True, slots=True)
class Dialect:
    """Which parts of a chat request a server takes; at first, all.

    `refused`: what is left out of the body. `newer_limit`: it wants `max_completion_tokens`, as OpenAI's reasoning
    models do, which counts their thoughts too: 4,096 tokens are allowed for these on top. `max_listed`: how many tokens
    it lists for each one it writes; 0 where it lists none, and `mute` says why, in our words: everyone will read them.
    """

    refused: frozenset[str] = frozenset()
    takes_system: bool = True
    newer_limit: bool = False
    max_listed: int = MAX_LISTED
    mute: str = ""

    def body(self, model: str, question: Question) -> dict[str, object]:
        """The request's JSON body. At most four stop strings are sent, as OpenAI takes no more: cut at all yourself.

        Questions with one prefix have bodies that begin alike, so that a server's prefix cache serves them: the prefix
        is the system message, the suffix the user's, and neither time nor chance nor a running number stands in them.
        """
        body: dict[str, object] = {"model": model, "messages": self._messages(question), **self._limit(question)}
        body |= _sampled(question.sampling)
        if question.stop:
            body["stop"] = list(question.stop[:MAX_STOPS])
        if question.schema is not None:
            form = {"name": "reply", "strict": True, "schema": question.schema}
            body["response_format"] = {"type": "json_schema", "json_schema": form}
        if question.wants_listed:
            body |= {"logprobs": True, "top_logprobs": self.max_listed}
        if question.wants_text:
            body |= {"stream": True, "stream_options": {"include_usage": True}}
        return {part: value for part, value in body.items() if part not in self.refused}

    def after(self, refusal: str, body: dict[str, object]) -> Dialect | None:
        """The dialect without the part of `body` that the server's refusal names; None where it names none."""
        if "max_tokens" in body and "max_completion_tokens" in refusal:
            return replace(self, newer_limit=True)
        if "logprobs" in body and _REFUSED_LOGPROBS.search(refusal):
            return self._listing_less(refusal, body)
        for part, name in _REFUSED.items():
            if part in body and name.search(refusal):
                return replace(self, refused=self.refused | _with_dependents(part))
        if self.takes_system and _REFUSED_SYSTEM.search(refusal):
            return replace(self, takes_system=False)
        if "logprobs" in body and "max_completion_tokens" in body:
            return self.muted("it is a reasoning model, which thinks before it answers")
        return None

    def joined(self, other: Dialect) -> Dialect:
        """The dialect of a server that takes no more than each of the two has it."""
        return Dialect(
            self.refused | other.refused,
            self.takes_system and other.takes_system,
            self.newer_limit or other.newer_limit,
            min(self.max_listed, other.max_listed),
            self.mute or other.mute,
        )

    def muted(self, why: str) -> Dialect:
        """The dialect of a server that does not list tokens, for the reason given."""
        return replace(self, max_listed=0, mute=why)

    def _listing_less(self, refusal: str, body: dict[str, object]) -> Dialect:
        """The dialect with as many listed tokens as the refusal allows, muted where it allows none."""
        asked = body["top_logprobs"]
        fewer = [n for n in map(int, _NUMBER.findall(refusal)) if isinstance(asked, int) and 1 < n < asked]
        return replace(self, max_listed=max(fewer)) if fewer else self.muted("it refuses logprobs")

    def _limit(self, question: Question) -> dict[str, object]:
        if not self.newer_limit:
            return {"max_tokens": question.max_tokens}
        return {"max_completion_tokens": question.max_tokens + THINKING_TOKENS * (not question.wants_listed)}

    def _messages(self, question: Question) -> list[dict[str, str]]:
        if self.takes_system and question.prefix.strip() and question.suffix.strip():
            return [_message("system", question.prefix), _message("user", question.suffix)]
        return [_message("user", f"{question.prefix}\n{question.suffix}".strip())]


def _sampled(sampling: Sampling) -> dict[str, object]:
    if sampling.temperature == 0:
        return {"temperature": 0}
    return {"temperature": sampling.temperature, "top_p": sampling.top_p, "seed": sampling.seed % _SEEDS}


def _with_dependents(part: str) -> frozenset[str]:
    return frozenset({part, "stream_options"} if part == "stream" else {part})


def _message(role: str, content: str) -> dict[str, str]:
    return {"role": role, "content": storable(content)}
