"""A real HTTP server of files on this machine: ranges, broken connections, redirects, silence, a record of it all."""

from __future__ import annotations

import json
import re
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


@dataclass
class FileServer:
    """What is served, and how badly. `cut_after` bytes of a body the connection breaks, `cuts` times."""

    address: str = ""
    files: dict[str, bytes] = field(default_factory=dict)
    statuses: dict[str, int] = field(default_factory=dict)
    redirects: dict[str, str] = field(default_factory=dict)
    only_for: dict[str, str] = field(default_factory=dict)  # path -> what the User-Agent must begin with
    ranges: bool = True
    cut_after: int = 0
    cuts: int = 0
    cut_agent: str = ""  # what the User-Agent must begin with
    pause_s: float = 0.0
    asked: list[tuple[str, str, str]] = field(default_factory=list)  # path, Range, Authorization

    def asked_for(self, end: str) -> list[tuple[str, str, str]]:
        """The requests whose path ends so, in order."""
        return [row for row in self.asked if row[0].endswith(end)]

    def put_json(self, path: str, value: object) -> None:
        """Serve a value as JSON."""
        self.files[path] = json.dumps(value).encode()

    def put_index(self, name: str, wheels: dict[str, bytes]) -> None:
        """Serve the page of one package as a package index does."""
        links = "".join(f'<a href="/packages/{wheel}">{wheel}</a><br>' for wheel in wheels)
        self.files[f"/simple/{name}/"] = f"<!DOCTYPE html><html><body>{links}</body></html>".encode()
        self.files |= {f"/packages/{wheel}": body for wheel, body in wheels.items()}


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    said: FileServer


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: _Server

    def do_GET(self) -> None:
        said, path = self.server.said, self.path.partition("?")[0]
        said.asked.append((path, self.headers.get("Range", ""), self.headers.get("Authorization", "")))
        if path in said.redirects:
            self.answer(302, b"", Location=said.redirects[path])
        elif not self.headers.get("User-Agent", "").startswith(said.only_for.get(path, "")):
            self.answer(401, b"no")
        elif path in said.statuses or path not in said.files:
            self.answer(said.statuses.get(path, 404), b"no")
        else:
            self.serve(said.files[path])

    def serve(self, body: bytes) -> None:
        span = re.fullmatch(r"bytes=(\d+)-(\d*)", self.headers.get("Range", "")) if self.server.said.ranges else None
        if span is None:
            self.answer(200, body)
        elif int(span[1]) >= len(body):
            self.answer(416, b"", **{"Content-Range": f"bytes */{len(body)}"})
        else:
            end = min(int(span[2] or len(body) - 1), len(body) - 1)
            stood = f"bytes {span[1]}-{end}/{len(body)}"
            self.answer(206, body[int(span[1]) : end + 1], **{"Content-Range": stood})

    def answer(self, status: int, body: bytes, **headers: str) -> None:
        said = self.server.said
        time.sleep(said.pause_s)
        self.send_response(status)
        for name, value in {"Content-Length": str(len(body)), "Content-Type": "text/html", **headers}.items():
            self.send_header(name, value)
        self.end_headers()
        meant = self.headers.get("User-Agent", "").startswith(said.cut_agent) and status in (200, 206)
        cut = bool(said.cuts and said.cut_after and len(body) > said.cut_after and meant)
        self.wfile.write(body[: said.cut_after] if cut else body)
        if cut:
            said.cuts -= 1
            self.wfile.flush()
            self.connection.shutdown(socket.SHUT_RDWR)
            self.close_connection = True

    def log_message(self, *_: object) -> None:
        pass


@contextmanager
def serving() -> Iterator[FileServer]:
    """A server on a free port of this machine, until the end of the `with`."""
    server = _Server(("127.0.0.1", 0), _Handler)
    server.said = FileServer(f"http://127.0.0.1:{server.server_address[1]}")
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
    try:
        yield server.said
    finally:
        server.shutdown()
        server.server_close()


@contextmanager
def silence() -> Iterator[str]:
    """The address of a server that takes connections and never answers."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
