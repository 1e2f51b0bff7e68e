"""Runs that are killed or interrupted in the midst: real processes, real signals."""

from __future__ import annotations

import json
import multiprocessing
import os
import random
import signal
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest
from typer.testing import CliRunner

import prompts
from eval.commands import commands_with
from eval.running.folder import ANSWERS, RunFolder
from eval.running.scoring import results_of
from tests.support.fake_ranker import FILMS, FakeRanker, opener_of, opens
from tests.support.killed import command_slowly, run_slowly

N = 150
SERVER = multiprocessing.get_context("forkserver")
SERVER.set_forkserver_preload(["tests.support.killed"])


@pytest.fixture
def second(tmp_path: Path) -> Path:
    """A folder with one prompt that stands in for a built-in one."""
    (tmp_path / "second/en").mkdir(parents=True)
    (tmp_path / "second/en/rank-likelihood.j2").write_text(prompts.load("rank-likelihood").text)
    return tmp_path / "second"


@pytest.fixture
def large(tmp_path: Path) -> Path:
    """Films with 150 cases, each with a wish that names it."""
    row = json.loads((FILMS / "cases.jsonl").read_text().splitlines()[0])
    cases = ({**row, "case_id": f"k{n}", "user_id": f"u{n}", "wish": f"k{n}"} for n in range(N))
    folder = tmp_path / "large"
    folder.mkdir()
    (folder / "items.jsonl").write_bytes((FILMS / "items.jsonl").read_bytes())
    (folder / "cases.jsonl").write_text("".join(json.dumps(case) + "\n" for case in cases))
    return folder


def test_ten_kills_lose_nothing_and_repeat_nothing(tmp_path: Path, large: Path, second: Path) -> None:
    """Real processes, killed by signal 9 wherever they are."""
    output, log, draw = tmp_path / "out", tmp_path / "log", random.Random(9)
    kept: list[str] = []
    kills = 0
    while kills < 10:
        child = SERVER.Process(target=run_slowly, args=(large, second, output, log))
        child.start()
        child.join(draw.uniform(0.02, 0.28))
        os.kill(child.pid or 0, signal.SIGKILL) if child.exitcode is None else None
        child.join()
        kills += child.exitcode == -signal.SIGKILL
        now = (output / ANSWERS).read_text().splitlines() if (output / ANSWERS).exists() else []
        assert now[: len(kept) - 1] == kept[:-1], "what was kept stays"
        kept = now
        assert child.exitcode == -signal.SIGKILL, "finished before ten kills: give it more cases"
    before = len(kept)
    last = SERVER.Process(target=run_slowly, args=(large, second, output, log))
    last.start()
    last.join(60)
    assert last.exitcode == 0
    folder = RunFolder.open(output)
    found = Counter(one.key for one in folder.answers())
    assert set(found) == {(cell, f"k{n}", 0) for cell in ("built-in", "second") for n in range(N)}
    assert set(found.values()) == {1}
    assert sorted(row["case_id"] for row in folder.baselines()) == sorted(f"k{n}" for n in range(N))
    asked = len(log.read_text().splitlines())
    assert 2 * N <= asked <= 2 * N + 10, "but for the case at hand when it was killed, nothing is asked twice"
    assert before < 2 * N
    results, _ = results_of(folder)
    assert results.results[0].metrics["ndcg@10"].n == N


@pytest.mark.thorough
def test_ctrl_c_leaves_a_run_to_go_on_with(tmp_path: Path, large: Path, second: Path) -> None:
    arguments = ["run", "--data", str(large), "--output", str(tmp_path / "out")]
    child = SERVER.Process(target=command_slowly, args=(arguments, tmp_path / "log", tmp_path / "told"))
    child.start()
    until(lambda: (tmp_path / "log").exists() and len((tmp_path / "log").read_text()) > 50)
    os.kill(child.pid or 0, signal.SIGINT)
    child.join(30)
    assert child.exitcode == 130
    told = (tmp_path / "told").read_text()
    assert f"of {N} answers are kept; the same command goes on with the rest" in " ".join(told.split())
    assert "Traceback" not in told
    kept = len((tmp_path / "out" / ANSWERS).read_text().splitlines())
    assert 0 < kept < N
    ranker = FakeRanker()
    assert CliRunner().invoke(commands_with(opener_of(ranker), opens(ranker)), arguments).exit_code == 0
    assert len(ranker.wishes) == N - kept


def until(done: Callable[[], bool]) -> None:
    end = time.monotonic() + 30
    while not done():
        assert time.monotonic() < end
        time.sleep(0.01)
