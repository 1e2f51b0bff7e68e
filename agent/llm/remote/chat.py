"""Reads the body of a chat completion, whoever sent it. Pure; says in one line what is wrong with it."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from typing import NoReturn

from agent.errors import ModelReplyInvalid
from agent.llm.base import Completion
from agent.llm.remote.dialect import cut_at
from agent.llm.thoughts import without_thoughts

_ENDED = ("stop", "eos", "eos_token", "end_turn", "stop_sequence")
_WORD = re.compile(r"\A[a-z_]{1,40}\Z")
_TRY_AGAIN = "Try again, or use another model"


def completion_from(body: bytes, stop: Sequence[str] = ()) -> Completion:
    """The completion in a server's reply, without thoughts, cut at the first stop string; token counts 0 if not told.

    Raises ModelReplyInvalid: not JSON, no choice, no text, or not ended by the model itself (length, content_filter,
    no finish_reason, ...).
    """
    reply = _json_object(body)
    choices = reply.get("choices")
    choice = choices[0] if isinstance(choices, list) and choices else None
    if not isinstance(choice, dict):
        _invalid(
            "the reply holds no choices", "Check that base_url is an OpenAI-compatible API, as a rule ending in /v1"
        )
    message = choice.get("message")
    text = _text_of(message if isinstance(message, dict) else {}, choice.get("finish_reason"))
    usage = reply.get("usage")
    counts = usage if isinstance(usage, dict) else {}
    return Completion(cut_at(text, stop), "stop", _count(counts, "prompt_tokens"), _count(counts, "completion_tokens"))


def _json_object(body: bytes) -> Mapping[str, object]:
    if body.lstrip()[:1] == b"<":
        _invalid("the reply is a web page, not JSON", "Check base_url, as a rule it ends in /v1")
    try:
        reply = json.loads(body)
    except (ValueError, RecursionError) as error:
        raise ModelReplyInvalid(f"the reply is not whole JSON ({len(body):,} bytes)", _TRY_AGAIN) from error
    if not isinstance(reply, dict):
        _invalid(f"the reply is a JSON {type(reply).__name__}, not an object", "Check base_url")
    return reply


def _text_of(message: Mapping[str, object], finish_reason: object) -> str:
    if finish_reason == "length":
        _invalid(
            "the reply was cut off at its token limit", "Use a model that answers briefly, or switch its thinking off"
        )
    if message.get("refusal"):
        _invalid("the model refused to answer", "Use another model")
    if finish_reason not in _ENDED:
        known = finish_reason if isinstance(finish_reason, str) and _WORD.match(finish_reason) else "not given"
        _invalid(f"the reply did not end by itself (finish_reason {known})", _TRY_AGAIN)
    content = message.get("content")
    if not isinstance(content, str):
        _invalid(f"the reply holds no text (content is {type(content).__name__})", _TRY_AGAIN)
    text = without_thoughts(_storable(content))
    if not text:
        _invalid(f"the reply holds {'only thoughts' if content.strip() else 'an empty text'}", _TRY_AGAIN)
    return text


def _storable(text: str) -> str:
    """The text with lone surrogates replaced and NUL dropped."""
    return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace").replace("\0", "")


def _count(counts: Mapping[str, object], name: str) -> int:
    count = counts.get(name)
    return count if isinstance(count, int) and count >= 0 else 0


def _invalid(message: str, hint: str) -> NoReturn:
    raise ModelReplyInvalid(message, hint)
