"""What tests share: the real default model, opened once, and a store folder of their own."""

from __future__ import annotations

import os
from collections.abc import Generator, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.support import promises

os.environ.setdefault("OMP_WAIT_POLICY", "passive")  # two OpenMP runtimes on two cores: let idle threads sleep

if TYPE_CHECKING:
    from agent.llm.local.llama import Llama
    from tests.support.llama_server import LlamaServer


_KEPT = pytest.StashKey[dict[tuple[str, str], promises.Promise]]()
_FAILED = pytest.StashKey[set[str]]()


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--promises", action="store_true", help="write what the tests measured into README.md")


def pytest_configure(config: pytest.Config) -> None:
    config.stash[_KEPT], config.stash[_FAILED] = {}, set()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    report = yield
    if report.failed:
        item.config.stash[_FAILED].add(promises.named(item.nodeid))
    return report


def pytest_sessionfinish(session: pytest.Session) -> None:
    if session.config.getoption("--promises"):
        stash, root = session.config.stash, session.config.rootpath
        promises.publish(stash[_KEPT], root, failed=stash[_FAILED])


@pytest.fixture
def promise(request: pytest.FixtureRequest) -> promises.Say:
    """`promise(room, text, figure, met)`: what this test has measured, for the table of README.md."""
    return promises.said_by(promises.named(request.node.nodeid), request.config.stash[_KEPT])


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
    for name in [n for n in os.environ if n.startswith(("PALATE_", "OPENAI_", "CHROMA_", "OTEL_"))]:
        monkeypatch.delenv(name)
    monkeypatch.chdir(tmp_path)
