"""Where requests enter: who may come in, how much they may bring, what every answer bears, and what goes wrong."""

from __future__ import annotations

import asyncio
import secrets
import sys
import time
import traceback
from collections.abc import Callable, Collection
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from starlette.datastructures import MutableHeaders
from starlette.requests import HTTPConnection
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from agent.errors import PalateError
from agent.serve.callers import Door
from agent.serve.meters import OTHER, Meters
from agent.serve.problems import Refused, answer_of

LOOPBACK = ("127.0.0.1", "localhost", "::1")
SAFE = ("GET", "HEAD", "OPTIONS")
OTHER_SITES = ("cross-site", "same-site")  # what a browser says of a request that another site's page makes
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


def stderr_line(line: str) -> None:
    """A line in the server's log."""
    sys.stderr.write(f"palate: {line}\n")
    sys.stderr.flush()


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
        self, app: ASGIApp, *, gate: Gate, meters: Meters, max_bytes: int, note: Callable[[str], None]
    ) -> None:
        self._app = app
        self._gate = gate
        self._meters = meters
        self._max_bytes = max_bytes
        self._note = note

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One request, whichever way it ends."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        sent = _Sent(send)
        try:
            await self._answer(scope, receive, sent)
        except PalateError as error:
            await self._refuse(error, scope, receive, sent)
        except Left:
            self._meters.left()
            sent.status = LEFT
        except Exception as error:  # noqa: BLE001  # the one place where nothing may get through
            await self._refuse(self._noted(error), scope, receive, sent)
        finally:
            self._count(scope, sent)

    async def _answer(self, scope: Scope, receive: Receive, sent: _Sent) -> None:
        self._gate.admit(scope)
        if scope["method"] not in SAFE:
            receive = _again(await _body(scope, receive, self._max_bytes), receive)
        await self._app(scope, receive, sent)

    async def _refuse(self, error: PalateError, scope: Scope, receive: Receive, sent: _Sent) -> None:
        if not sent.status:
            await answer_of(error, scope["path"])(scope, receive, sent)

    def _noted(self, error: Exception) -> Refused:
        """A line in the log, by where and what kind the error is: its words may be a person's."""
        reference, last = secrets.token_hex(4), traceback.extract_tb(error.__traceback__)[-1:]
        where = f" in {Path(last[0].filename).name}:{last[0].lineno}" if last else ""
        self._note(f"internal error {reference}: {type(error).__name__}{where}")
        return Refused(500, "something is wrong with this server", f"Its log has more, under {reference}")

    def _count(self, scope: Scope, sent: _Sent) -> None:
        route = getattr(scope.get("route"), "path", None) or OTHER
        self._meters.request(str(route), scope["method"], sent.status or LEFT, *sent.times_s())


class _Sent:
    """What was sent of an answer, with the headers that every answer bears."""

    def __init__(self, send: Send) -> None:
        self._send = send
        self._begun = time.perf_counter()
        self._first: float | None = None
        self.status = 0

    async def __call__(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.status = message["status"]
            headers = MutableHeaders(scope=message)
            for name, value in HEADERS.items():
                headers.setdefault(name, value)
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


def _guarded(path: str) -> bool:
    """Whether a key is asked for, where there are keys."""
    return path.startswith(("/metrics", "/v1/")) and path != "/v1/page"


def _name(host: str) -> str:
    """The host of a Host header, in lower case, without its port."""
    try:
        return (urlsplit(f"//{host}").hostname or "").rstrip(".")
    except ValueError:
        return ""
