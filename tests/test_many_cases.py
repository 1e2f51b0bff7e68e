"""Runs of many cases: what scoring them holds in memory, what it reads, what it imports."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from agent.errors import ConfigError
from eval.cases import Stock
from eval.running.folder import RunFolder
from eval.running.standing import Catalogues
from eval.running.summary import Summary
from eval.statistics import rate
from tests.support.stored_run import data_set, failing, stored_run

MEASURE = """
import sys, tracemalloc
from pathlib import Path
from eval.running.folder import RunFolder
from eval.running.summary import Summary
Summary.of(RunFolder.open(Path(sys.argv[1])))
tracemalloc.start()
held = Summary.of(RunFolder.open(Path(sys.argv[2])))
print(tracemalloc.get_traced_memory()[0], held.n)
"""
BYTES_A_CASE = 1_200  # six systems of two metrics, ids of cases and people, first places: about 700 held


@pytest.fixture(scope="module")
def films(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return data_set(tmp_path_factory.mktemp("data") / "films", 20)


def longer(run: Path, times: int) -> RunFolder:
    """The run with as many times its cases, each of a person of their own."""
    for name in ("answers.jsonl", "baselines.jsonl"):
        rows = [json.loads(line) for line in (run / name).read_text().splitlines()]
        with (run / name).open("w") as file:
            for n in range(times):
                for row in rows:
                    user = {"user_id": f"{row['user_id']} {n}"} if "user_id" in row else {}
                    file.write(json.dumps({**row, "case_id": f"{row['case_id']} {n}", **user}) + "\n")
    return RunFolder.open(run)


@pytest.mark.thorough
def test_what_is_held_of_a_case_is_little(films: Path, tmp_path: Path) -> None:
    few, many = (stored_run(tmp_path / name, films, {"model": 0.5}) for name in ("few", "many"))
    longer(many, 100)
    found = subprocess.run([sys.executable, "-c", MEASURE, few, many], capture_output=True, text=True, check=True)
    held, n = map(int, found.stdout.split())
    assert n == 2_000
    assert held / n < BYTES_A_CASE


def test_figures_of_a_run_told_again_and_again_are_those_of_the_run(films: Path, tmp_path: Path) -> None:
    one_run, many = (stored_run(tmp_path / name, films, {"model": 0.5}) for name in ("one", "many"))
    before = Summary.of(RunFolder.open(one_run)).found
    after = Summary.of(longer(many, 3)).found
    for one, other in zip(before.results.results, after.results.results, strict=True):
        assert one.system.name == other.system.name
        assert {name: found.value for name, found in other.metrics.items()} == pytest.approx(
            {name: found.value for name, found in one.metrics.items()}
        )
        assert other.answered == 3 * one.answered
    assert after.run.orders["model"]["c7 2"] == before.run.orders["model"]["c7"]
    assert after.run.orders["oracle"]["c7 1"] == before.run.orders["oracle"]["c7"]
    assert after.run.histories["c9 0"] == before.run.histories["c9"]
    assert after.run.users["c9 2"] == f"{before.run.users['c9']} 2"
    (many / "answers.jsonl").write_text((one_run / "answers.jsonl").read_text())
    with pytest.raises(ConfigError, match="cannot read an order"):
        after.run.orders["model"]["c7 0"]


def test_answered_are_people_all_of_whose_cases_are(films: Path, tmp_path: Path) -> None:
    def shared(folder: RunFolder) -> RunFolder:
        path = folder.path / "answers.jsonl"
        rows = [json.loads(line) for line in path.read_text().splitlines()]
        path.write_text(
            "".join(json.dumps({**row, "user_id": f"u{int(row['case_id'][1:]) // 4}"}) + "\n" for row in rows)
        )
        return RunFolder.open(folder.path)

    run = stored_run(tmp_path / "run", films, {"model": 1.0}, edit=failing("c1", "c2", "c9"))
    row = next(r for r in Summary.of(shared(RunFolder.open(run))).found.results.results if r.system.name == "model")
    assert (row.answered, row.answered_rate) == (17, rate(3, 5))


def test_a_data_set_is_read_once(films: Path) -> None:
    catalogues = Catalogues()
    assert catalogues.stock(films) is catalogues.stock(films)
    known = Stock.of(films)
    assert Catalogues({films: known}).stock(films) is known


def test_scoring_imports_nothing_heavy() -> None:
    code = "import eval.running.summary, eval.running.drawing, sys; print(*sys.modules)"
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    heavy = {"scipy", "pandas", "chromadb", "sqlalchemy", "matplotlib", "llama_cpp", "implicit"}
    assert not heavy & {name.partition(".")[0] for name in found.stdout.split()}
