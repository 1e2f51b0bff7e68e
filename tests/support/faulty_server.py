"""An HTTP server on a raw socket that answers as badly as it is told to, and remembers what it was asked.

    with FaultyServer(status(503), says("hello")) as server:     # one answer a request, the last one for all further
        server.base_url, server.requests

An answer is a function of the connection and of an event that is set when the server closes.
"""

from __future__ import annotations

import json
import socket
import ssl
import struct
import threading
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Self

_TLS_HELLO = 0x16
LOCALHOST_PEM = Path(__file__).with_name("localhost.pem")
Answer = Callable[[socket.socket, threading.Event], None]


@dataclass(frozen=True)
class Request:
    """What a client sent: header names in lower case, the JSON body, when it arrived (monotonic seconds)."""

    path: str
    headers: Mapping[str, str]
    body: dict[str, Any]
    at_s: float


class FaultyServer:
    """Serves one thread a connection. `max_at_once` is how many requests were under way together at most.

    With `tls` it speaks TLS, as localhost, with the certificate LOCALHOST_PEM.
    """

    def __init__(self, *answers: Answer, tls: bool = False) -> None:
        self._tls = _tls() if tls else None
        self._hang_up = 0
        self.requests: list[Request] = []
        self.max_at_once = 0
        self._at_once = 0
        self._lock = threading.Lock()
        self._closing = threading.Event()
        self._open: list[socket.socket] = []
        self._choose: Callable[[Request], Answer] = lambda _: answers[min(len(self.requests), len(answers) - 1)]
        self._listen(0)
        self._port = self._listener.getsockname()[1]
        self.base_url = f"http{'s' * tls}://127.0.0.1:{self._port}/v1"

    def answers(self, choose: Callable[[Request], Answer]) -> None:
        """Answer each request from now on as is chosen for it, one at a time."""
        self._choose = choose

    def hangs_up(self, times: int) -> None:
        """End so many connections as soon as they send anything, before a word of TLS."""
        self._hang_up = times

    def leave(self) -> None:
        """Listen no more: connections are refused until `come_back`."""
        with suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._accepting.join()

    def come_back(self) -> None:
        """Listen again, on the same port."""
        self._listen(self._port)

    @property
    def connections(self) -> int:
        """How many connections there have been."""
        return len(self._open)

    def close(self) -> None:
        """Close the listener and every connection."""
        self._closing.set()
        with suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        for connection in self._open:
            with suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _listen(self, port: int) -> None:
        self._listener = socket.create_server(("127.0.0.1", port), backlog=64)
        self._accepting = threading.Thread(target=self._accept, daemon=True)
        self._accepting.start()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                connection, _ = self._listener.accept()
                self._open.append(connection)
                threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection: socket.socket) -> None:
        with suppress(OSError):
            if self._hang_up > 0:
                self._hang_up -= 1
                connection.recv(65_536)
                connection.close()
                return
            if self._tls is not None:
                connection = self._tls.wrap_socket(connection, server_side=True)
            self._answer(connection)
        connection.close()

    def _answer(self, connection: socket.socket) -> None:
        with connection:
            while (request := _read(connection)) is not None:
                with self._lock:
                    answer = self._choose(request)
                    self.requests.append(request)
                    self._at_once += 1
                    self.max_at_once = max(self.max_at_once, self._at_once)
                try:
                    answer(connection, self._closing)
                finally:
                    with self._lock:
                        self._at_once -= 1
                if answer not in _KEEPS_OPEN:
                    return


def _tls() -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(LOCALHOST_PEM)
    return context


_KEEPS_OPEN: set[Answer] = set()


def _read(connection: socket.socket) -> Request | None:
    received = b""
    while b"\r\n\r\n" not in received:
        more = connection.recv(65_536)
        if more[:1] == bytes([_TLS_HELLO]):  # what servers of plain HTTP say to it
            connection.sendall(http(400, b"this is no HTTP"))
            return None
        if not more:
            return None
        received += more
    head, _, body = received.partition(b"\r\n\r\n")
    first, *lines = head.decode().split("\r\n")
    headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
    while len(body) < int(headers.get("content-length", 0)):
        body += connection.recv(65_536)
    return Request(first.split()[1], headers, json.loads(body or b"{}"), time.monotonic())


def http(status: int, body: bytes, headers: Mapping[str, str] | None = None) -> bytes:
    """A whole HTTP response."""
    fields = {
        "Content-Type": "application/json",
        "Content-Length": str(len(body)),
        "Connection": "close",
        **(headers or {}),
    }
    lines = "".join(f"{name}: {value}\r\n" for name, value in fields.items())
    return f"HTTP/1.1 {status} Because\r\n{lines}\r\n".encode() + body


def completion(content: object, finish_reason: object = "stop", **message: object) -> bytes:
    """The JSON body of a chat completion."""
    choice = {
        "index": 0,
        "message": {"role": "assistant", "content": content, **message},
        "finish_reason": finish_reason,
    }
    return json.dumps({"choices": [choice], "usage": {"prompt_tokens": 7, "completion_tokens": 3}}).encode()


def sends(raw: bytes, after_s: float = 0.0) -> Answer:
    """These bytes, after a while, and then the end of the connection."""

    def answer(connection: socket.socket, closing: threading.Event) -> None:
        closing.wait(after_s)
        connection.sendall(raw)

    return answer


def says(content: object, finish_reason: object = "stop", after_s: float = 0.0) -> Answer:
    """A proper completion."""
    return sends(http(200, completion(content, finish_reason)), after_s)


def ok(body: bytes, **headers: str) -> Answer:
    """HTTP 200 with this body."""
    return sends(http(200, body, {name.replace("_", "-"): value for name, value in headers.items()}))


def status(code: int, message: str = "no", headers: Mapping[str, str] | None = None) -> Answer:
    """An HTTP error in OpenAI's shape."""
    return sends(http(code, json.dumps({"error": {"message": message}}).encode(), headers))


def lists(*places: Mapping[str, object], content: object = "Yes", finish_reason: str = "length") -> Answer:
    """A completion with these places under `logprobs`."""
    reply = json.loads(completion(content, finish_reason))
    reply["choices"][0]["logprobs"] = {"content": list(places)}
    return ok(json.dumps(reply).encode())


def place(**logprobs: object) -> dict[str, object]:
    """One place of a reply where these tokens could stand, the first of them written."""
    listed = [{"token": token, "logprob": logprob} for token, logprob in logprobs.items()]
    return {**listed[0], "top_logprobs": listed}


def event(text: str | None = None, finish_reason: str | None = None, **more: object) -> bytes:
    """One event of a streamed completion; `more` is put beside its choices."""
    choice = {"index": 0, "delta": {} if text is None else {"content": text}, "finish_reason": finish_reason}
    return b"data: " + json.dumps({"choices": [choice], **more}).encode() + b"\n\n"


DONE = b"data: [DONE]\n\n"
_STREAM = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream; charset=utf-8\r\nConnection: close\r\n\r\n"


def streams(*events: bytes, after_s: float = 0.0) -> Answer:
    """A stream of these events, with a pause before each but the first, and then the end of the connection."""

    def answer(connection: socket.socket, closing: threading.Event) -> None:
        connection.sendall(_STREAM)
        for one in events:
            connection.sendall(one)
            closing.wait(after_s)

    return answer


def speaks(*pieces: str, finish_reason: str = "stop") -> Answer:
    """A whole streamed completion in these pieces."""
    return streams(*(event(piece) for piece in pieces), event(finish_reason=finish_reason), DONE)


def never_ends(heard_of_the_end: threading.Event, every_s: float = 0.01) -> Answer:
    """A stream that goes on until the client closes the connection, which sets the event."""

    def answer(connection: socket.socket, closing: threading.Event) -> None:
        with suppress(OSError):
            connection.sendall(_STREAM)
            while not closing.wait(every_s):
                connection.sendall(event(" more"))
        heard_of_the_end.set()

    return answer


def kept_open(content: str) -> Answer:
    """A proper completion on a connection that stays open for the next request."""
    answer = sends(http(200, completion(content), {"Connection": "keep-alive"}))
    _KEEPS_OPEN.add(answer)
    return answer


def hangs(connection: socket.socket, closing: threading.Event) -> None:
    """Never a byte."""
    closing.wait()


def drips(raw: bytes, every_s: float = 0.05) -> Answer:
    """These bytes, one at a time."""

    def answer(connection: socket.socket, closing: threading.Event) -> None:
        for i in range(len(raw)):
            if closing.wait(every_s):
                return
            connection.sendall(raw[i : i + 1])

    return answer


def stalls(raw: bytes) -> Answer:
    """These bytes, and then nothing, with the connection open."""

    def answer(connection: socket.socket, closing: threading.Event) -> None:
        connection.sendall(raw)
        closing.wait()

    return answer


def resets(connection: socket.socket, closing: threading.Event) -> None:
    """A reset of the connection instead of an answer."""
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    connection.close()


def refusing_base_url() -> str:
    """An address where nobody listens."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return f"http://127.0.0.1:{listener.getsockname()[1]}/v1"
