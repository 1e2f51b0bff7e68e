"""A plugin for pytest: a test marked `palate_eval("eval.yaml")` fails where the evaluation does not pass its gate.

The marker also takes the folder of a stored run, which is then judged as it stands. The fixture `palate_eval` is the
finished run of the marked test, for whatever else the test wants to know of it. Equal evaluations are run once in a
session; answers are kept, so that a second session asks no model.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from eval.finished import Finished

MARKER = "palate_eval"
DESCRIBED = (
    f"{MARKER}(path, **changes): run the evaluation in a file such as eval.yaml, relative to the test's folder, with"
    " these keys changed, or take the stored run in a folder, and fail where it does not pass its gate"
)
_RUNS = pytest.StashKey[dict[str, "Finished | str"]]()


def pytest_configure(config: pytest.Config) -> None:
    """Make the marker known."""
    config.addinivalue_line("markers", DESCRIBED)
    config.stash[_RUNS] = {}


@pytest.fixture
def palate_eval(request: pytest.FixtureRequest) -> Finished:
    """The finished run of the test's marker. Raises UsageError where the test is not marked."""
    if not isinstance(request.node, pytest.Item) or request.node.get_closest_marker(MARKER) is None:
        raise pytest.UsageError(f"{request.node.name} uses the fixture {MARKER} without the marker of this name")
    return _finished(request.node)


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_call(item: pytest.Item) -> None:
    """Fail a marked test with the sentence of the gate, before its own assertions, where it is not passed."""
    if item.get_closest_marker(MARKER) is None:
        return
    from agent.errors import PalateError

    finished = _finished(item)
    try:
        gate = finished.gate()
    except PalateError as error:
        pytest.fail(f"{finished.path}: {error}", pytrace=False)
    if gate.exit_code:
        pytest.fail(gate.sentence, pytrace=False)


def _finished(item: pytest.Item) -> Finished:
    """The run of the test's marker, made when it is first needed. A PalateError fails the test with its line."""
    path, changes = _asked(item.get_closest_marker(MARKER), item.path.parent)
    runs = item.config.stash[_RUNS]
    key = json.dumps([str(path), changes], sort_keys=True, default=str)
    found = runs[key] = runs[key] if key in runs else _read(path, changes)
    if isinstance(found, str):
        pytest.fail(found, pytrace=False)
    return found


def _read(path: Path, changes: dict[str, Any]) -> Finished | str:
    """The run of a folder or a plan, or why there is none."""
    from agent.errors import ConfigError, PalateError
    from eval import load, run

    try:
        if changes and path.is_dir():
            raise ConfigError(f"a stored run cannot be changed: {', '.join(changes)}", "Name the plan's file")
        return load(path) if path.is_dir() else run(path, **changes)
    except PalateError as error:
        return f"{path}: {error}"


def _asked(marker: pytest.Mark | None, folder: Path) -> tuple[Path, dict[str, Any]]:
    """The file or folder, and what is changed of it. Raises UsageError for a marker without one."""
    if marker is None or len(marker.args) != 1 or not isinstance(marker.args[0], str | Path):
        raise pytest.UsageError(f"the marker takes one path: @pytest.mark.{DESCRIBED}")
    return folder / marker.args[0], dict(marker.kwargs)
