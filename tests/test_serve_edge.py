"""The edge alone: what goes wrong inside becomes an answer and one line that names nobody."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from agent.serve.callers import Door
from agent.serve.edge import LEFT, Edge, Gate
from agent.serve.keys import Keys
from agent.serve.lane import Overloaded
from agent.serve.meters import Meters

Message = dict[str, Any]


def has_room() -> None:
    pass


def asked(
    app: Any, folder: Path, messages: list[Message], room: Callable[[], None] = has_room, **scope: Any
) -> tuple[list[Message], list[str], str]:
    """What was sent for a request whose body comes in these messages, what was noted, and what was counted."""
    sent: list[Message] = []
    notes: list[str] = []
    meters = Meters(lambda: 0)
    gate = Gate(Door(Keys(folder), open_without=True), None)
    edge = Edge(app, gate=gate, meters=meters, max_bytes=10, note=notes.append, has_room=room)
    whole = {"type": "http", "method": "POST", "path": "/v1/x", "headers": [], "query_string": b"", **scope}

    async def receive() -> Message:
        return messages.pop(0) if messages else {"type": "http.disconnect"}

    async def send(message: Message) -> None:
        sent.append(message)

    asyncio.run(edge(whole, receive, send))
    return sent, notes, meters.text().decode()


async def fails(_scope: Any, receive: Any, _send: Any) -> None:
    await receive()
    raise KeyError("what ada said in private")


async def begins_and_fails(_scope: Any, _receive: Any, send: Any) -> None:
    await send({"type": "http.response.start", "status": 200, "headers": []})
    raise KeyError("what ada said in private")


async def echoes(_scope: Any, receive: Any, send: Any) -> None:
    body = (await receive())["body"]
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": body})


def part(body: bytes, more: bool = False) -> Message:
    return {"type": "http.request", "body": body, "more_body": more}


def test_an_internal_error_is_one_line_and_one_problem(tmp_path: Path) -> None:
    sent, notes, counts = asked(fails, tmp_path, [part(b"{}")])
    assert sent[0]["status"] == 500
    problem = json.loads(sent[1]["body"])
    reference = problem["hint"].rsplit(" ", 1)[-1]
    assert (problem["title"], len(reference)) == ("Internal Server Error", 16)
    (note,) = notes
    assert note.startswith(f"internal error {reference}: KeyError in test_serve_edge.py:")
    assert "ada" not in note + str(sent)
    assert 'status="500"' in counts


def test_methods_that_are_none_are_counted_as_one(tmp_path: Path) -> None:
    for method, counted in (("ADA-WAS-HERE", "other"), ("get", "other"), ("PATCH", "PATCH")):
        _, _, counts = asked(echoes, tmp_path, [part(b"")], method=method)
        assert f'method="{counted}",route="other",status="200"' in counts
        assert "ADA" not in counts


def test_an_error_after_the_answer_began_adds_nothing_to_it(tmp_path: Path) -> None:
    sent, notes, _ = asked(begins_and_fails, tmp_path, [part(b"{}")])
    assert [message["type"] for message in sent] == ["http.response.start"]
    assert len(notes) == 1


def test_a_body_is_put_together_and_every_answer_bears_the_headers(tmp_path: Path) -> None:
    sent, notes, _ = asked(echoes, tmp_path, [part(b"12345", more=True), part(b"67890")])
    assert sent[1]["body"] == b"1234567890"
    assert (b"x-content-type-options", b"nosniff") in sent[0]["headers"]
    assert notes == []


@pytest.mark.parametrize(
    ("messages", "headers", "status"),
    [
        ([part(b"12345", more=True), part(b"678901")], [], 413),
        ([part(b"")], [(b"content-length", b"11")], 413),
        ([part(b"")], [(b"content-length", b"9" * 5_000)], 413),
    ],
)
def test_a_body_that_is_too_large_is_refused(
    tmp_path: Path, messages: list[Message], headers: list[Any], status: int
) -> None:
    sent, _, _ = asked(echoes, tmp_path, messages, headers=headers)
    assert sent[0]["status"] == status


def test_a_client_that_leaves_in_the_midst_of_its_request_is_counted(tmp_path: Path) -> None:
    sent, notes, counts = asked(echoes, tmp_path, [part(b"1", more=True)])
    assert (sent, notes) == ([], [])
    assert f'status="{LEFT}"' in counts
    assert "palate_left_total 1.0" in counts


def test_who_would_wait_in_vain_is_sent_away_before_the_request_is_read(tmp_path: Path) -> None:
    def full() -> None:
        raise Overloaded("17 answers come first", 9)

    unread = [part(b"{}")]
    sent, _, counts = asked(echoes, tmp_path, unread, full, path="/v1/recommend")
    assert sent[0]["status"] == 503
    assert (b"retry-after", b"9") in sent[0]["headers"]
    assert unread == [part(b"{}")]
    assert "palate_shed_total 1.0" in counts
    for method, path in (("GET", "/healthz"), ("POST", "/v1/events"), ("GET", "/v1/profile")):  # these never wait
        sent, _, counts = asked(echoes, tmp_path, [part(b"{}")], full, method=method, path=path)
        assert sent[0]["status"] == 200
