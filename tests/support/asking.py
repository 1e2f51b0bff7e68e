"""Asks an endpoint one thing, and checks what every failure of it promises."""

from __future__ import annotations

import time

import pytest

from agent.deadline import Deadline
from agent.errors import PalateError
from agent.llm.base import Model
from agent.llm.remote.endpoint import Endpoint
from tests.support.faulty_server import FaultyServer

GRACE_S = 0.25
KEY = "sk-secret-0123456789abcdef"
SCHEMA: dict[str, object] = {
    "type": "object",
    "properties": {"order": {"type": "array", "items": {"type": "integer", "enum": [1, 2, 3]}, "maxItems": 3}},
    "required": ["order"],
    "additionalProperties": False,
}


def ask(endpoint: Model, *suffixes: str, timeout_s: float = 5.0, schema: dict[str, object] | None = None) -> list[str]:
    """The texts of the replies."""
    replies = endpoint.complete("prefix", suffixes or ("hi",), Deadline(timeout_s), max_tokens=50, schema=schema)
    return [reply.text for reply in replies]


def failure(server: FaultyServer, *, timeout_s: float = 5.0, api_key: str | None = None) -> PalateError:
    """The error that one call raises, which must come no later than the deadline and a little."""
    endpoint = Endpoint("m", base_url=server.base_url, api_key=api_key)
    start = time.monotonic()
    with pytest.raises(PalateError) as caught:
        ask(endpoint, timeout_s=timeout_s)
    assert time.monotonic() - start < timeout_s + GRACE_S
    endpoint.close()
    assert "\n" not in str(caught.value)
    assert caught.value.hint
    return caught.value
