"""The table of promises is written from what the tests said."""

import json
import os
import subprocess
import sys
from pathlib import Path

from tests.support.promises import BEGIN, END, ROOT, publish, said_by


def home(tmp_path: Path) -> Path:
    (tmp_path / "docs").mkdir()
    (tmp_path / "README.md").write_text(f"before\n\n{BEGIN}\nold\n{END}\n\nafter\n", encoding="utf-8")
    return tmp_path


def test_a_run_replaces_the_rows_of_its_tests_and_leaves_the_others(tmp_path: Path) -> None:
    root = home(tmp_path)
    first: dict = {}
    said_by("tests/a.py::one", first)("Store", "nothing is lost", "0 of 10 lost", True)
    said_by("tests/b.py::two", first)("Edge", "shed in 50 ms", "71 ms", False)
    publish(first, root)
    again: dict = {}
    said_by("tests/a.py::one", again)("Store", "nothing at all is lost", "0 of 1,000 lost", True)
    publish(again, root)
    written = (root / "README.md").read_text(encoding="utf-8")
    assert written.startswith("before\n")
    assert written.endswith("after\n")
    assert "old" not in written
    assert "| Edge | shed in 50 ms | **missed**: 71 ms | `tests/b.py::two`" in written
    assert "0 of 1,000 lost" in written
    assert "0 of 10 lost" not in written


TRIAL = """
import pytest

def test_it(promise):
    promise("Store", "nothing is lost", "0 of 10 lost", True)
    promise("Store", "all is quick", "71 ms", False)
    assert {holds}

@pytest.mark.parametrize("n", [1, 2])
def test_before_it_measures(n, promise):
    assert {holds} or n == 1
    promise("Edge", "shed in 50 ms", "7 ms", True)
"""


def test_a_test_that_fails_leaves_no_promise_met(tmp_path: Path) -> None:
    root = home(tmp_path)
    (root / "pytest.ini").write_text("[pytest]\n")
    command = [sys.executable, "-m", "pytest", "-q", "-p", "tests.conftest", "-p", "no:cacheprovider", "--promises"]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    for holds in (True, False):
        (root / "test_trial.py").write_text(TRIAL.format(holds=holds), encoding="utf-8")
        done = subprocess.run(command, cwd=root, env=environment, capture_output=True, text=True, check=False)
        assert done.returncode == (0 if holds else 1), done.stdout
        told = {row["promise"]: row for row in json.loads((root / "docs" / "reliability.json").read_text())}
        assert len(told) == 3
        figures = {promise: (row["met"], row["figure"]) for promise, row in told.items()}
        failed = (False, "the test failed")
        assert figures["nothing is lost"] == ((True, "0 of 10 lost") if holds else failed)
        assert figures["shed in 50 ms"] == ((True, "7 ms") if holds else failed)
        assert figures["all is quick"] == (False, "71 ms")
