"""How one server likes to be asked: the body of a chat request, and what to change once the server refuses a part."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace

THINKING_TOKENS = 4_096
MAX_STOPS = 4

_REFUSED_SCHEMA = re.compile(r"response_format|json_schema|schema|grammar|structured|guided", re.IGNORECASE)
_REFUSED_SYSTEM = re.compile(r"system (role|message|prompt)|role\W+system|roles must alternate", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Question:
    """What is asked of a chat model, whatever the server. At most `max_tokens` tokens may answer it."""

    prefix: str
    suffix: str
    max_tokens: int
    stop: tuple[str, ...] = ()
    schema: dict[str, object] | None = None


@dataclass(frozen=True, slots=True)
class Dialect:
    """Which parts of a chat request a server takes; at first, all.

    `newer_limit`: it wants `max_completion_tokens`, as OpenAI's reasoning models do, which counts their thoughts too:
    4,096 tokens are allowed for these on top.
    """

    takes_schema: bool = True
    takes_temperature: bool = True
    takes_system: bool = True
    newer_limit: bool = False

    def body(self, model: str, question: Question) -> dict[str, object]:
        """The request's JSON body. At most four stop strings are sent, as OpenAI takes no more: cut at all yourself."""
        body: dict[str, object] = {"model": model, "messages": self._messages(question), "stream": False}
        if self.newer_limit:
            body["max_completion_tokens"] = question.max_tokens + THINKING_TOKENS
        else:
            body["max_tokens"] = question.max_tokens
        if self.takes_temperature:
            body["temperature"] = 0
        if question.stop:
            body["stop"] = list(question.stop[:MAX_STOPS])
        if self.takes_schema and question.schema is not None:
            form = {"name": "reply", "strict": True, "schema": question.schema}
            body["response_format"] = {"type": "json_schema", "json_schema": form}
        return body

    def after(self, refusal: str, body: dict[str, object]) -> Dialect | None:
        """The dialect without the part of `body` that the server's refusal names; None where it names none."""
        if "max_tokens" in body and "max_completion_tokens" in refusal:
            return replace(self, newer_limit=True)
        if "temperature" in body and "temperature" in refusal:
            return replace(self, takes_temperature=False)
        if "response_format" in body and _REFUSED_SCHEMA.search(refusal):
            return replace(self, takes_schema=False)
        if self.takes_system and _REFUSED_SYSTEM.search(refusal):
            return replace(self, takes_system=False)
        return None

    def _messages(self, question: Question) -> list[dict[str, str]]:
        if self.takes_system and question.prefix.strip() and question.suffix.strip():
            return [_message("system", question.prefix), _message("user", question.suffix)]
        return [_message("user", f"{question.prefix}\n{question.suffix}".strip())]


def _message(role: str, content: str) -> dict[str, str]:
    return {"role": role, "content": content}


def cut_at(text: str, stop: Sequence[str]) -> str:
    """The text before the first of the stop strings; empty ones do not count."""
    for end in stop:
        text = text.split(end, 1)[0] if end else text
    return text
