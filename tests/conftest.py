"""What tests share: the real default model, opened once, and a store folder of their own."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

os.environ.setdefault("OMP_WAIT_POLICY", "passive")  # two OpenMP runtimes on two cores: let idle threads sleep

if TYPE_CHECKING:
    from agent.llm.local.llama import Llama
    from tests.support.llama_server import LlamaServer


@pytest.fixture(scope="session")
def llama() -> Iterator[Llama]:
    """The default model, as a user gets it."""
    from agent.llm.registry import open_model
    from agent.settings import Settings

    model = open_model(Settings())
    yield model  # type: ignore[misc]  # the default reference is a local file
    model.close()


@pytest.fixture(scope="session")
def llama_server() -> Iterator[LlamaServer]:
    """A real llama-server with the default model, started when a test first asks for it."""
    from tests.support.llama_server import LlamaServer

    with LlamaServer() as server:
        yield server


@pytest.fixture(autouse=True)
def _own_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """No setting of the person running the tests reaches them, and nothing is written beside the project."""
    for name in [n for n in os.environ if n.startswith(("PALATE_", "OPENAI_", "CHROMA_"))]:
        monkeypatch.delenv(name)
    monkeypatch.chdir(tmp_path)
