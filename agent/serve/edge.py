"""Where requests enter: who may come in, how much they may bring, what every answer bears, and what goes wrong."""

from __future__ import annotations

import asyncio
import logging
import time
import traceback
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from starlette.datastructures import MutableHeaders
from starlette.requests import HTTPConnection
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from agent.errors import PalateError
from agent.observe.logs import SERVER, told
from agent.observe.stages import watched_by
from agent.serve.callers import Door
from agent.serve.lane import Overloaded
from agent.serve.meters import METHODS, OTHER, Meters
from agent.serve.noting import Noted, noting
from agent.serve.problems import Refused, answer_of

if TYPE_CHECKING:
    from agent.observe.tracing import Spans, Tracing

LOOPBACK = ("127.0.0.1", "localhost", "::1")
SAFE = ("GET", "HEAD", "OPTIONS")
OTHER_SITES = ("cross-site", "same-site")  # what a browser says of a request that another site's page makes
ANSWERED = frozenset(  # what waits for the model
    {("POST", f"/v1/{path}") for path in ("converse", "recommend", "explain", "rerank", "chat/completions")}
    | {("GET", "/v1/why")}
)
BODY_TIMEOUT_S = 30.0
LEFT = 499  # what is counted for a client that did not wait
HEADERS = {
    "content-security-policy": "default-src 'self'; img-src 'self' data:; object-src 'none'; base-uri 'none'; "
    "form-action 'none'; frame-ancestors 'none'",
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    "referrer-policy": "no-referrer",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
}


def log_line(line: str) -> None:
    """A line in the server's log."""
    told(SERVER, logging.ERROR, line)


class Left(Exception):
    """The client went away before its request was answered."""


@dataclass(frozen=True)
class Gate:
    """Which requests may come in. `hosts`: the names that the server answers to, any for None; `origins`: the sites,
    besides the page itself, whose scripts may ask it.
    """

    door: Door
    hosts: Collection[str] | None
    origins: Collection[str] = ()

    def admit(self, scope: Scope) -> None:
        """Leave the caller in the request's state. Raises Refused."""
        if any(ord(sign) < 0x20 or ord(sign) == 0x7F for sign in scope["path"]):
            raise Refused(400, "an address holds no control characters", "See /openapi.json")
        connection = HTTPConnection(scope)
        host = connection.headers.get("host", "")
        if self.hosts is not None and _name(host) not in self.hosts:
            hint = "Ask for it by one of its names, or add this one to serve.hosts"
            raise Refused(421, "this server does not go by that name", hint)
        origin = connection.headers.get("origin")
        foreign = origin is not None and not self._ours(origin, host) and scope["method"] not in SAFE
        if foreign or (connection.headers.get("sec-fetch-site") in OTHER_SITES and self._inner(scope, origin)):
            raise Refused(403, "another site may not ask this server", "Add it to serve.cors if it should")
        if _guarded(scope["path"]):
            scope.setdefault("state", {})["caller"] = self.door.caller(connection)

    def _inner(self, scope: Scope, origin: str | None) -> bool:
        """Whether it is no page that anyone may open or link to, and its site is none that may ask."""
        return str(scope["path"]).startswith("/v1/") and origin not in self.origins

    def _ours(self, origin: str, host: str) -> bool:
        return origin in self.origins or origin.partition("://")[2] == host


class Edge:
    """The outermost part of the app: lets in, bounds, counts, and turns whatever goes wrong into an answer."""

    def __init__(
        self,
        app: ASGIApp,
        *,
        gate: Gate,
        meters: Meters,
        max_bytes: int,
        note: Callable[[str], None],
        tracing: Tracing | None = None,
        has_room: Callable[[], None] = lambda: None,
    ) -> None:
        """`has_room` raises Overloaded where no answer of the model can be had now."""
        self._app = app
        self._gate = gate
        self._meters = meters
        self._max_bytes = max_bytes
        self._note = note
        self._tracing = tracing
        self._has_room = has_room

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One request, whichever way it ends."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        noted = Noted()
        sent = _Sent(send, noted.request_id)
        with noting(noted), self._watched(scope, sent, noted):
            try:
                await self._answer(scope, receive, sent)
            except PalateError as error:
                await self._refuse(error, scope, receive, sent)
            except Left:
                self._meters.left()
                sent.status = LEFT
            except Exception as error:  # noqa: BLE001  # the one place where nothing may get through
                await self._refuse(self._noted(error, noted), scope, receive, sent)

    @contextmanager
    def _watched(self, scope: Scope, sent: _Sent, noted: Noted) -> Iterator[None]:
        """Within, stages are counted and become spans; at the end the request is counted and has its line."""
        spans = self._spans(scope)
        try:
            with watched_by(self._meters, *([spans] if spans else [])):
                yield
        finally:
            route, method = _route(scope), scope["method"] if scope["method"] in METHODS else OTHER
            status, times = sent.status or LEFT, sent.times_s()
            self._meters.request(route, method, status, *times)
            noted.log(route, method, status, *times)
            if spans:
                spans.ended(f"{method} {route}", noted.facts(route, method, status))

    def _spans(self, scope: Scope) -> Spans | None:
        parent = dict(scope["headers"]).get(b"traceparent", b"").decode("latin-1")
        return self._tracing.answer("request", parent) if self._tracing else None

    async def _answer(self, scope: Scope, receive: Receive, sent: _Sent) -> None:
        self._gate.admit(scope)
        if (scope["method"], scope["path"]) in ANSWERED:
            self._has_room()  # before anything of it is read
        if scope["method"] not in SAFE:
            receive = _again(await _body(scope, receive, self._max_bytes), receive)
        await self._app(scope, receive, sent)

    async def _refuse(self, error: PalateError, scope: Scope, receive: Receive, sent: _Sent) -> None:
        if isinstance(error, Overloaded):
            self._meters.shed()
        if not sent.status:
            await answer_of(error, scope["path"])(scope, receive, sent)

    def _noted(self, error: Exception, noted: Noted) -> Refused:
        """A line in the log, by where and what kind the error is: its words may be a person's."""
        reference, last = noted.request_id, traceback.extract_tb(error.__traceback__)[-1:]
        where = f" in {Path(last[0].filename).name}:{last[0].lineno}" if last else ""
        self._note(f"internal error {reference}: {type(error).__name__}{where}")
        return Refused(500, "something is wrong with this server", f"Its log has more, under {reference}")


class _Sent:
    """What was sent of an answer, with the headers that every answer bears."""

    def __init__(self, send: Send, request_id: str) -> None:
        self._send = send
        self._request_id = request_id
        self._begun = time.perf_counter()
        self._first: float | None = None
        self.status = 0

    async def __call__(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.status = message["status"]
            headers = MutableHeaders(scope=message)
            for name, value in HEADERS.items():
                headers.setdefault(name, value)
            headers["x-request-id"] = self._request_id
        elif self._first is None and message.get("body"):
            self._first = time.perf_counter()
        await self._send(message)

    def times_s(self) -> tuple[float, float]:
        """Seconds until the first byte, and until now."""
        now = time.perf_counter()
        return (self._first or now) - self._begun, now - self._begun


async def _body(scope: Scope, receive: Receive, max_bytes: int) -> bytes:
    """The whole body. Raises Refused where it is too large or too slow, Left where it breaks off."""
    length = dict(scope["headers"]).get(b"content-length", b"0")
    too_large = Refused(413, f"a request holds at most {max_bytes:,} bytes", "Send less, or in several requests")
    if length.isdigit() and int(length[:20]) > max_bytes:
        raise too_large
    parts, size, more = [], 0, True
    try:
        async with asyncio.timeout(BODY_TIMEOUT_S):
            while more:
                message = await receive()
                if message["type"] == "http.disconnect":
                    raise Left
                parts.append(message.get("body", b""))
                size, more = size + len(parts[-1]), message.get("more_body", False)
                if size > max_bytes:
                    raise too_large
    except TimeoutError as error:
        raise Refused(408, f"the request did not arrive within {BODY_TIMEOUT_S:g} s", "Send it faster") from error
    return b"".join(parts)


def _again(body: bytes, receive: Receive) -> Receive:
    """What gives the body once more, then what comes after it."""
    waiting: list[Message] = [{"type": "http.request", "body": body, "more_body": False}]

    async def _given() -> Message:
        return waiting.pop() if waiting else await receive()

    return _given


def _route(scope: Scope) -> str:
    """The route by its pattern, so that it holds nothing that a client chose."""
    return str(getattr(scope.get("route"), "path", None) or OTHER)


def _guarded(path: str) -> bool:
    """Whether a key is asked for, where there are keys."""
    return path.startswith(("/metrics", "/v1/")) and path != "/v1/page"


def _name(host: str) -> str:
    """The host of a Host header, in lower case, without its port."""
    try:
        return (urlsplit(f"//{host}").hostname or "").rstrip(".")
    except ValueError:
        return ""
