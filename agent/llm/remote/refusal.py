"""Reads what a server that refuses a request means: an error for people, and whether asking once more may help."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

from agent.errors import ModelError, ModelUnavailable, PromptError

MAX_SAID_CHARS = 200
_PAUSE_S = 0.25
_LIMITED_PAUSE_S = 0.5
_OF_ONE_REQUEST = (400, 422)
_TOO_LONG = re.compile(
    r"context.{0,9}(length|size|window)|exceeds?.{0,40}context|prompt is too long|too many tokens", re.IGNORECASE
)


class Refused(ModelUnavailable):
    """A status that is not success. `verdict` is the message without the server's own words."""

    def __init__(self, verdict: str, said: str, hint: str) -> None:
        super().__init__(f"{verdict}: {said}" if said else verdict, hint)
        self.verdict = verdict


class Declined(Refused):
    """One request was refused, or one kind of question cannot be answered: that tells nothing of others."""


@dataclass(frozen=True, slots=True)
class Refusal:
    """An HTTP status that is not success. `said` is the server's reason on one line, at most 200 characters.

    `pause_s` is how long to wait before asking once more, None where that cannot help.
    """

    status: int
    said: str
    pause_s: float | None

    def error(self, where: str, model: str) -> ModelError | PromptError:
        """The error to raise for it: PromptError where the prompt is too long, else ModelUnavailable."""
        said = self.said.rstrip(".")
        if self.status == 413 or (self.status < 500 and _TOO_LONG.search(self.said)):
            because = f": {said}" if said else ""
            return PromptError(f"the prompt is too long for {model} at {where}{because}", "Rank fewer candidates")
        verdict, hint = self._verdict(model)
        kind = Declined if self.status in _OF_ONE_REQUEST else Refused
        return kind(f"{where} {verdict} (HTTP {self.status})", said, hint)

    def _verdict(self, model: str) -> tuple[str, str]:
        if self.status in (401, 403):
            return "does not accept the API key", "Set OPENAI_API_KEY, or endpoint.api_key, to a valid key"
        if self.status == 404:
            return (
                f"does not know the model {model}, or this path",
                "Check the model name and the end of base_url (/v1)",
            )
        if self.status == 429:
            return "limits how often it may be asked", "Wait, or raise the limit of your account"
        if self.status >= 500:
            return "failed", "Try again later, or look into the server's log"
        if self.status < 400:
            return "points to another address", "Set base_url to the final address"
        return "refused the request", "Check the model name and what the server supports"


def refusal_of(status: int, body: str, headers: Mapping[str, str]) -> Refusal:
    """What a reply with this status says. `headers` are looked up in lower case."""
    wait_s = _retry_after_s(headers)
    pause_s = None
    if status == 429:
        pause_s = _LIMITED_PAUSE_S if wait_s is None else wait_s
    elif status >= 500:
        pause_s = _PAUSE_S if wait_s is None else wait_s
    return Refusal(status, _said(body), pause_s)


def _said(body: str) -> str:
    try:
        reply = json.loads(body)
    except (ValueError, RecursionError):
        return "" if body.lstrip().startswith("<") else _one_line(body)
    for key in ("error", "message", "detail"):
        if isinstance(reply, dict) and key in reply:
            reply = reply[key]
    return _one_line(reply if isinstance(reply, str) else json.dumps(reply, ensure_ascii=False))


def _one_line(text: str) -> str:
    text = " ".join("".join(char if char.isprintable() else " " for char in text[:10_000]).split())
    return text if len(text) <= MAX_SAID_CHARS else f"{text[: MAX_SAID_CHARS - 3]}..."


def _retry_after_s(headers: Mapping[str, str]) -> float | None:
    """Seconds to wait, from `retry-after-ms` or `retry-after` (seconds or a date); None where there is none to read."""
    for name, unit_s in (("retry-after-ms", 0.001), ("retry-after", 1.0)):
        try:
            wait_s = float(headers.get(name, "")) * unit_s
        except ValueError:
            continue
        if math.isfinite(wait_s):
            return max(0.0, wait_s)
    try:
        at = parsedate_to_datetime(headers.get("retry-after", ""))
    except (ValueError, IndexError, TypeError, OverflowError):
        return None
    at = at if at.tzinfo else at.replace(tzinfo=UTC)
    return max(0.0, (at - datetime.now(UTC)).total_seconds())
