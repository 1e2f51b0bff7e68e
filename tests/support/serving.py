"""A real `palate serve` in a process of its own, and the plainest of clients."""

from __future__ import annotations

import http.client
import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from agent import Recommender, Settings
from agent.catalogue import load_items, read_items

ROOT = Path(__file__).parents[2]
FILMS = Path(__file__).parent / "films.csv"
PATIENCE_S = 180.0  # on a cold and busy machine


@dataclass(frozen=True)
class Got:
    """One answer: its status, headers in lower case, and body."""

    status: int
    headers: Mapping[str, str]
    raw: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.raw)

    def events(self) -> list[tuple[str, Any]]:
        """The server-sent events of the body, each with its name."""
        blocks = [block for block in self.raw.decode().split("\n\n") if block.strip()]
        fields = [dict(line.split(": ", 1) for line in block.splitlines()) for block in blocks]
        return [(one.get("event", "message"), json.loads(one["data"])) for one in fields]


class Server:
    """A server process over a data folder, begun at once; `address` is what it said. Use it as a context."""

    def __init__(self, arguments: Sequence[str], env: Mapping[str, str] | None = None) -> None:
        self.process = subprocess.Popen(
            [sys.executable, *_measured(arguments)],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env={**_environment(), **(env or {})},
        )
        self._said: list[str] = []
        self._listening = threading.Thread(target=self._listen, daemon=True)
        self._listening.start()
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        assert line, f"no address: {self.end()[1]}"
        self.line = line.strip()
        self.address = self.line.rsplit(" ", 1)[-1]
        self.host, self.port = str(urlsplit(self.address).hostname), int(urlsplit(self.address).port or 0)

    def __enter__(self) -> Server:
        return self

    def __exit__(self, *_: object) -> None:
        self.end()

    def end(self, number: int = signal.SIGTERM) -> tuple[int, str]:
        """Stop it by a signal; its exit code, and all that it wrote on stderr."""
        if self.process.poll() is None:
            self.process.send_signal(number)
        try:
            code = self.process.wait(PATIENCE_S)
        finally:
            self.process.kill()
        self._listening.join(PATIENCE_S)
        return code, self.noted

    @property
    def noted(self) -> str:
        """What it wrote on stderr so far."""
        return "".join(self._said)

    def ask(self, method: str, path: str, body: object = None, *, raw: bytes | None = None, **headers: str) -> Got:
        """One request on a connection of its own; `headers` with _ for -."""
        connection = http.client.HTTPConnection(self.host, self.port, timeout=PATIENCE_S)
        try:
            sent = raw if raw is not None else None if body is None else json.dumps(body).encode()
            given = {"content-type": "application/json"} if sent is not None else {}
            given |= {name.replace("_", "-"): value for name, value in headers.items()}
            connection.request(method, path, sent, given)
            answer = connection.getresponse()
            return Got(answer.status, {k.lower(): v for k, v in answer.getheaders()}, answer.read())
        finally:
            connection.close()

    def hang_up(self, path: str, body: object, after: bytes = b"") -> None:
        """Send a request, read until `after` was in what came, and close the socket without a word."""
        sent = json.dumps(body).encode()
        with socket.create_connection((self.host, self.port), timeout=PATIENCE_S) as line:
            head = f"POST {path} HTTP/1.1\r\nhost: {self.host}\r\ncontent-type: application/json\r\n"
            line.sendall(f"{head}content-length: {len(sent)}\r\n\r\n".encode() + sent)
            got = b""
            while after and after not in got:
                some = line.recv(65_536)
                assert some, got
                got += some

    def _listen(self) -> None:
        assert self.process.stderr is not None
        for line in self.process.stderr:
            self._said.append(line)


def films_in(folder: Path) -> None:
    """Put the fifteen films into a data folder."""
    with Recommender.open(settings=Settings(folder=folder)) as palate, read_items(FILMS) as rows:
        load_items(rows, palate.put_items, folder / "refused.jsonl")
        palate.sync_index()


def serving(folder: Path, *flags: str, env: Mapping[str, str] | None = None) -> Server:
    """`palate serve` over a data folder, on any free port, ready for questions."""
    server = Server(["-m", "agent.cli", "--folder", str(folder), "serve", "--port", "0", *flags], env)
    wait_for(lambda: server.ask("GET", "/readyz").status == 200)
    return server


def wait_for(holds: Callable[[], bool], patience_s: float = PATIENCE_S) -> None:
    """Return once it holds; asked again and again, at most so long."""
    until = time.monotonic() + patience_s
    while not holds():
        assert time.monotonic() < until, "waited in vain"
        time.sleep(0.05)


def palate(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """One command on a data folder, to its end."""
    return subprocess.run(
        [sys.executable, *_measured(["-m", "agent.cli", "--folder", str(folder), *arguments])],
        capture_output=True,
        text=True,
        timeout=PATIENCE_S,
        env=_environment(),
        check=False,
    )


def _environment() -> dict[str, str]:
    clean = {k: v for k, v in os.environ.items() if not k.startswith(("PALATE_", "OPENAI_", "CHROMA_"))}
    return {**clean, "PYTHONPATH": str(ROOT), "OMP_WAIT_POLICY": "passive"}


def _measured(arguments: Sequence[str]) -> Sequence[str]:
    """The arguments of a Python, with its lines counted where those of the tests are."""
    if "coverage" not in sys.modules or sys.modules["coverage"].Coverage.current() is None:
        return arguments
    where = [f"--rcfile={ROOT / 'pyproject.toml'}", f"--data-file={ROOT / '.coverage'}"]
    return ["-m", "coverage", "run", "--parallel-mode", "--source=agent", *where, *arguments]
