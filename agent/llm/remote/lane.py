"""Connections that can be cut from another thread, replies that cannot grow without end, and the calls that hold them.

The only importer of httpx2, the HTTP client inside the openai client.
"""

from __future__ import annotations

import socket
import ssl
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from typing import Any, cast
from weakref import WeakSet

import httpx2

from agent.deadline import Deadline
from agent.errors import ModelReplyInvalid, ModelTimeout
from agent.llm.base import OnText
from agent.llm.remote.address import is_local

MAX_REPLY_BYTES = 262_144
MAX_STREAM_BYTES = 32 * MAX_REPLY_BYTES  # an event of a few hundred bytes for every token
Response = httpx2.Response
RequestError = httpx2.RequestError
_EVENTS = "text/event-stream"


class Broken(Exception):
    """The connection broke off in the middle of a reply."""


class Late(Exception):
    """The reply did not go on in time."""


class Reply:
    """The body of a successful reply, still to be read. `is_events`: it is a stream of events, not one JSON text."""

    def __init__(self, response: Response) -> None:
        self._response = response
        self.is_events = response.headers.get("content-type", "").lower().startswith(_EVENTS)

    def chunks(self) -> Iterator[bytes]:
        """The body as it arrives. Raises Broken, Late, and ModelReplyInvalid for one too large."""
        try:
            yield from self._response.iter_bytes()
        except httpx2.TimeoutException as error:
            raise Late from error
        except (httpx2.RequestError, ssl.SSLError) as error:
            raise Broken from error

    def whole(self) -> bytes:
        """The body once it is all there. Raises as `chunks` does."""
        return b"".join(self.chunks())


class Sockets:
    """The sockets one HTTP client has opened. `cut` wakes a thread that waits on any of them, at once.

    Closing a socket does not wake its reader, and a time-out between two bytes does not bound a server that drips;
    shutting the socket down from outside does both.
    """

    def __init__(self) -> None:
        self._open: WeakSet[socket.socket] = WeakSet()
        self._lock = threading.Lock()
        self._is_cut = False

    def renew(self) -> None:
        """Let new sockets live again after a cut."""
        with self._lock:
            self._is_cut = False

    def cut(self) -> None:
        """Shut down every socket, and every one that is still to be opened until `renew`."""
        with self._lock:
            self._is_cut = True
            for opened in self._open:
                _shut(opened)

    def hooks(self) -> dict[str, list[Callable[..., None]]]:
        """The event hooks for an HTTP client whose sockets these are; they also bound what it reads of a reply."""
        return {"request": [self._trace], "response": [_bound]}

    def _trace(self, request: httpx2.Request) -> None:
        request.extensions["trace"] = self._note

    def _note(self, event: str, facts: Mapping[str, Any]) -> None:
        if not event.endswith(("connect_tcp.complete", "start_tls.complete")):
            return
        opened = facts["return_value"].get_extra_info("socket")
        with self._lock:
            self._open.add(opened)
            if self._is_cut:
                _shut(opened)


def _shut(opened: socket.socket) -> None:
    with suppress(OSError):
        socket.socket.shutdown(opened, socket.SHUT_RDWR)


class Call:
    """One call to an endpoint, of one or many requests: its deadline, and the sockets its requests hold by now."""

    def __init__(self, timeout_s: float, wanted: Deadline | None = None) -> None:
        self.deadline = Deadline(timeout_s)
        self._wanted = wanted or self.deadline
        self._over = threading.Event()
        self._held: set[Sockets] = set()
        self._lock = threading.Lock()
        self._telling = threading.Lock()

    @property
    def remaining_s(self) -> float:
        """Seconds left; 0 too as soon as nobody wants it any more."""
        return min(self.deadline.remaining_s, self._wanted.remaining_s)

    def tell(self, on_text: OnText, place: int, text: str) -> bool:
        """What the listener answers, who hears of one text at a time. Raises ModelTimeout when the call is over."""
        with self._telling:
            self.pause(0)
            return on_text(place, text)

    @contextmanager
    def holding(self, sockets: Sockets) -> Iterator[None]:
        """Hold the sockets, so that `end` cuts them. Raises ModelTimeout when the call is over already."""
        with self._lock:
            if self._over.is_set():
                raise ModelTimeout("the call was given up")
            sockets.renew()
            self._held.add(sockets)
        try:
            yield
        finally:
            with self._lock:
                self._held.discard(sockets)

    def pause(self, wait_s: float) -> None:
        """Wait, at most until the call is over. Raises ModelTimeout when it is."""
        if self._over.wait(wait_s):
            raise ModelTimeout("the call was given up")

    def end(self) -> None:
        """Cut what the call still holds; no request of it begins any more."""
        with self._lock:
            self._over.set()
            for sockets in self._held:
                sockets.cut()


def tls_for(base_url: str) -> ssl.SSLContext | bool:
    """What an HTTP client for this address takes as `verify`; one context, slow to make, serves many clients.

    False where no TLS can be: a local http address, reached without a proxy and never redirected.
    """
    return False if base_url.startswith("http:") and is_local(base_url) else httpx2.create_ssl_context()


def _bound(response: httpx2.Response) -> None:
    """Let the client read only so much of a reply. A compressed one, which nobody asked for, could hide any size."""
    is_plain = response.headers.get("content-encoding", "identity").strip().lower() in ("identity", "")
    is_events = response.headers.get("content-type", "").lower().startswith(_EVENTS)
    limit = (MAX_STREAM_BYTES if is_events else MAX_REPLY_BYTES) if is_plain else 0
    if not response.is_success:  # the client decodes these itself, by any codec of Python's that the server names
        response.headers["content-type"] = "application/json; charset=utf-8"
    response.stream = _Bounded(cast(httpx2.SyncByteStream, response.stream), limit, strict=response.is_success)


class _Bounded(httpx2.SyncByteStream):
    """A stream that ends at `limit` bytes: with ModelReplyInvalid where `strict`, else as if it were complete.

    A limit of 0 is that of a compressed reply.
    """

    def __init__(self, stream: httpx2.SyncByteStream, limit: int, *, strict: bool) -> None:
        self._stream = stream
        self._limit = limit
        self._strict = strict

    def __iter__(self) -> Iterator[bytes]:
        left = self._limit
        for chunk in self._stream:
            left -= len(chunk)
            if left >= 0:
                yield chunk
            elif self._strict:
                fault = f"exceeds {self._limit:,} bytes" if self._limit else "came compressed, which nobody asked for"
                raise ModelReplyInvalid(f"the reply {fault}", "Use another server")
            else:
                return

    def close(self) -> None:
        """Close the stream within."""
        self._stream.close()
