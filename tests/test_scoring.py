"""What stored answers come to where they are unfinished, repeated, partly kept, or of several data sets."""

import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import pytest

from agent.commands.options import Options
from eval.running.asked import Asked
from eval.running.folder import RunFolder
from eval.running.planning import estimate_of
from eval.running.scoring import reckon
from eval.running.summary import Summary
from eval.statistics import rate
from tests.support.stored_run import data_set, failing, stored_run

Row = dict[str, object]


@pytest.fixture(scope="module")
def films(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return data_set(tmp_path_factory.mktemp("data") / "films", 20)


def changed(run: Path, change: Callable[[list[Row]], Sequence[Mapping[str, object]]], **plan: object) -> RunFolder:
    """The run with other answers, and perhaps another plan."""
    path = run / "answers.jsonl"
    rows = change([json.loads(line) for line in path.read_text().splitlines()])
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    about = json.loads((run / "run.json").read_text())
    (run / "run.json").write_text(json.dumps({**about, "plan": {**about["plan"], **plan}}))
    return RunFolder.open(run)


def test_a_run_that_is_not_finished_says_so(films: Path, tmp_path: Path) -> None:
    run = stored_run(tmp_path / "run", films, {"v1": 1.0, "v2": 1.0})
    assert reckon(RunFolder.open(run)).missing == 0
    folder = changed(run, lambda rows: rows[:26])
    found = reckon(folder)
    assert found.missing == 14
    told = "14 answers still to come; figures are of 6 cases that every cell has answered"
    assert any(told in note for note in found.notes)
    assert any(told in line for line in Summary.of(folder).troubles())
    assert reckon(changed(run, lambda rows: rows, repeat=2)).missing == 54
    assert reckon(changed(run, lambda rows: rows[:20], repeat=1)).missing == 20


def test_rates_are_of_people_however_often_each_is_asked(films: Path, tmp_path: Path) -> None:
    run = stored_run(tmp_path / "run", films, {"v1": 1.0, "v2": 1.0}, edit=failing("c3", cell="v2"))
    folder = changed(run, lambda rows: [{**row, "repeat": n} for n in range(10) for row in rows], repeat=10)
    summary = Summary.of(folder)
    assert (summary.n, summary.flawed("failed")) == (400, 10)
    assert summary.rate("failed") == rate(1, 20)
    assert summary.as_json()["failed"]["rate"]["n"] == 20  # type: ignore[index]  # the shape of the documentation
    assert summary.rate("degraded").high == rate(0, 20).high


def test_equal_names_in_two_data_sets_are_two_people(films: Path, tmp_path: Path) -> None:
    books = data_set(tmp_path / "books", 20)
    run = stored_run(tmp_path / "run", [films, books], {"v1": 1.0}, edit=failing("c3", cell="books v1"))
    assert Summary.of(RunFolder.open(run)).rate("failed") == rate(1, 40)


def test_only_whole_answers_made_just_now_are_timed(films: Path, tmp_path: Path) -> None:
    run = stored_run(tmp_path / "run", films, {"model": 1.0}, edit=failing("c2"))
    asked = [{"asked": 1, "kept": int(n < 2)} for n in range(20)]
    folder = changed(run, lambda rows: [{**row, "calls": calls} for row, calls in zip(rows, asked, strict=False)])
    assert len(Summary.of(folder).tallies["model"].times_ms) == 17


def test_the_spread_of_a_run_of_two_data_sets_is_that_of_each(films: Path, tmp_path: Path) -> None:
    books = data_set(tmp_path / "books", 20)
    cases = books / "cases.jsonl"
    cases.write_text(cases.read_text().replace('"user_id": "u', '"user_id": "reader '))
    asked = Asked.of(None, {"data": [str(films)], "models": ["openai:fake"]}, Options())
    cells = {"v1": 0.5, "v2": 0.6}
    alone, both = (
        estimate_of(asked, stored_run(tmp_path / f"run{len(data)}", data, cells)).detectable[0]
        for data in ([films], [films, books])
    )
    assert both.spread == pytest.approx(alone.spread)
