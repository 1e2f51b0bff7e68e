"""Passes every request on to a real server, and keeps what was asked and answered, and when.

with Relay(server.base_url) as relay:
    relay.base_url, relay.exchanges
"""

from __future__ import annotations

import http.client
import json
import threading
import time
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any, Self
from urllib.parse import urlsplit


@dataclass(frozen=True)
class Exchange:
    """A request's JSON body as it was sent, its reply's body, and when it began and ended (monotonic seconds)."""

    sent: bytes
    reply: bytes
    began_s: float
    ended_s: float

    @property
    def body(self) -> dict[str, Any]:
        """The request's JSON."""
        body: dict[str, Any] = json.loads(self.sent)
        return body

    @property
    def answer(self) -> dict[str, Any]:
        """The reply's JSON."""
        answer: dict[str, Any] = json.loads(self.reply)
        return answer


class Relay:
    """A server of its own in front of another one. `exchanges` stand in the order in which they began."""

    def __init__(self, base_url: str) -> None:
        self.exchanges: list[Exchange] = []
        self._lock = threading.Lock()
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(self, urlsplit(base_url).netloc))
        self.base_url = f"http://127.0.0.1:{self._server.server_port}/v1"
        threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True).start()

    def keep(self, exchange: Exchange) -> None:
        """Add an exchange in its place."""
        with self._lock:
            self.exchanges.append(exchange)
            self.exchanges.sort(key=lambda one: one.began_s)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.shutdown()
        self._server.server_close()


def _handler(relay: Relay, netloc: str) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            began_s = time.monotonic()
            sent = self.rfile.read(int(self.headers["Content-Length"]))
            beyond = http.client.HTTPConnection(netloc)
            beyond.request("POST", self.path, sent, {"Content-Type": "application/json"})
            response = beyond.getresponse()
            reply = response.read()
            relay.keep(Exchange(sent, reply, began_s, time.monotonic()))
            self.send_response(response.status)
            self.send_header("Content-Type", response.headers["Content-Type"])
            self.send_header("Content-Length", str(len(reply)))
            self.end_headers()
            self.wfile.write(reply)
            beyond.close()

        def log_message(self, format: str, *args: object) -> None:
            pass

    return Handler
