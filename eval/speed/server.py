"""A real llama-server in a child process, on a free port.

    with LlamaServer(path) as server:
        server.address              # http://127.0.0.1:PORT

Run as a module it is that child: it serves until its standard input closes, so it never outlives its parent.
"""

from __future__ import annotations

import json
import os
import select
import subprocess
import sys
import time
from dataclasses import asdict, dataclass
from importlib.util import find_spec
from pathlib import Path
from types import TracebackType
from typing import Self

from agent.errors import ModelUnavailable

START_S = 60.0


@dataclass(frozen=True)
class Serving:
    """How a server is run: `context_tokens` for all slots together; `most_tokens` ends a reply that has no end."""

    model: str
    context_tokens: int = 4096
    slots: int = 1
    threads: int = 1
    n_gpu_layers: int = 0
    most_tokens: int = -1


class LlamaServer:
    """llama.cpp's own HTTP server, from the package `xllamacpp`. Its OpenAI-compatible API asks for no key.

    Raises ModelUnavailable where the package is missing or the server does not come up.
    """

    def __init__(self, serving: Serving) -> None:
        if find_spec("xllamacpp") is None:
            raise ModelUnavailable("xllamacpp is not installed", "Install it with: pip install --editable '.[speed]'")
        command = [sys.executable, "-m", "eval.speed.server", json.dumps(asdict(serving))]
        self._child = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, cwd=_root()
        )
        self.address = self._told()

    @property
    def base_url(self) -> str:
        """Where its OpenAI-compatible API is."""
        return f"{self.address}/v1"

    def _told(self) -> str:
        out = self._child.stdout
        text = b""
        end = time.monotonic() + START_S
        while out is not None and b"\n" not in text.partition(b"ready ")[2]:
            left = end - time.monotonic()
            if left <= 0 or not select.select([out], [], [], left)[0] or not (more := os.read(out.fileno(), 4096)):
                self.close()
                raise ModelUnavailable(f"llama-server did not start: {text[-500:]!r}")
            text += more
        return text.partition(b"ready ")[2].split(b"\n")[0].decode()

    def close(self) -> None:
        """End the child. Calling it twice is harmless."""
        self._child.kill()
        self._child.wait()
        for pipe in (self._child.stdin, self._child.stdout):
            if pipe is not None:
                pipe.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def _root() -> Path:
    """The folder that holds the package, so that the child finds it wherever the parent works."""
    return Path(__file__).parents[2]


def serve(serving: Serving) -> None:
    """Serve the model until standard input closes."""
    import xllamacpp

    parameters = xllamacpp.CommonParams()
    parameters.model.path = serving.model
    parameters.hostnames = ["127.0.0.1"]
    parameters.port = 0
    parameters.n_ctx = serving.context_tokens
    parameters.n_parallel = serving.slots
    parameters.kv_unified = True
    parameters.n_gpu_layers = serving.n_gpu_layers
    parameters.n_predict = serving.most_tokens
    parameters.warmup = False
    parameters.cpuparams.n_threads = serving.threads
    parameters.cpuparams_batch.n_threads = serving.threads
    server = xllamacpp.Server(parameters)
    sys.stdout.write(f"ready {server.listening_address}\n")
    sys.stdout.flush()
    sys.stdin.read()


if __name__ == "__main__":
    serve(Serving(**json.loads(sys.argv[1])))
