"""Items that people are known not to like: counted, compared, judged and told as what it is, a metric to be low."""

from __future__ import annotations

import csv
import json
import math
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest
from typer.testing import CliRunner

from agent.commands.options import Options
from agent.errors import CatalogueError, ConfigError
from eval.building.build import Parting, build
from eval.building.questions import Wanted
from eval.cases import CASES, DataSet
from eval.commands import app
from eval.metrics import described, named, per_case
from eval.plan.config import checked
from eval.plan.estimate import observed_spread
from eval.reporting.diffing import diff
from eval.reporting.gating import gate_of_run
from eval.reporting.page import page
from eval.reporting.reading import Reading
from eval.reporting.report import report_of
from eval.running.answers import Answer
from eval.running.asked import Asked
from eval.running.folder import RunFolder
from eval.running.live import Progress
from eval.running.planning import estimate_of
from eval.running.scoring import reckon
from eval.statistics import mean
from tests.support.stored_run import data_set, failing, stored_run

METRICS = ("negatives@3", "ndcg@10")


@pytest.fixture
def films(tmp_path: Path) -> Path:
    """40 cases; all but every fourth carry two items that their person does not like, the first of their candidates."""
    folder = data_set(tmp_path / "films")
    rows = [json.loads(line) for line in (folder / CASES).read_text().splitlines()]
    for n, row in enumerate(rows):
        if n % 4:
            row["disliked"] = [i for i in row["candidates"] if i not in row["relevant"]][:2]
    (folder / CASES).write_text("".join(json.dumps(row) + "\n" for row in rows))
    return folder


def spiteful(answer: Answer) -> Answer:
    """v1 begins with what is disliked, v2 ends with it."""
    order = answer.orders["model"]
    others = [i for i in order if i not in answer.disliked]
    orders = {"v1": (*answer.disliked, *others), "v2": (*others, *answer.disliked)}
    return replace(answer, orders={**answer.orders, "model": orders.get(answer.cell, order)})


def test_negatives_by_hand() -> None:
    orders = {"q1": list("abcde"), "q2": list("abba"), "q3": [], "q4": list("ab")}
    disliked = {"q1": ["a", "c", "z"], "q2": ["b"], "q3": ["a"], "q4": []}
    names = ["negatives@3", "negatives@1", "ndcg@5"]
    found = per_case(orders, {case: ["e"] for case in orders}, names, disliked)
    assert found["negatives@3"] == pytest.approx({"q1": 2 / 3, "q2": 1 / 3, "q3": 1 / 3, "q4": math.nan}, nan_ok=True)
    assert found["negatives@1"] == pytest.approx({"q1": 1, "q2": 0, "q3": 1, "q4": math.nan}, nan_ok=True)
    assert list(found) == names
    assert named("negatives@5") == ("negatives@5",)
    assert "the first 3 that hold an item which the person is known not to like / 3" in described("negatives@3").formula
    with pytest.raises(ConfigError, match="there is no metric 'negatives'"):
        named("negatives")


def test_a_run_tells_negatives_of_those_who_have_any_and_less_is_better(tmp_path: Path, films: Path) -> None:
    run = stored_run(tmp_path / "run", films, {"v1": 0.5, "v2": 0.5}, metrics=METRICS, edit=spiteful)
    reading = Reading.of(run)
    figures = {r.system.name: r.metrics["negatives@3"] for r in reading.results.results}
    assert (figures["v1"].value, figures["v2"].value) == pytest.approx((2 / 3, 0))
    assert {figure.n for figure in figures.values()} == {30}
    assert next(r for r in reading.results.results if r.system.name == "v1").metrics["ndcg@10"].n == 40
    found = diff(reading, reading)
    (cell,) = found.cells
    assert cell.metrics["negatives@3"].value == pytest.approx(2 / 3), "a gain"
    assert (cell.metrics["negatives@3"].wins, cell.metrics["negatives@3"].n) == (30, 30)
    assert found.sentence(cell).startswith("v2 beats v1: negatives@3 (lower is better) gain +0.667 [")
    assert not found.worse
    assert {round(change.by, 6) for change in cell.wins} == {round(2 / 3, 6)}
    assert diff(reading, reading, [("v2", "v1")]).worse


def test_an_answer_that_fails_is_as_bad_as_can_be(tmp_path: Path, films: Path) -> None:
    run = stored_run(tmp_path / "run", films, {"v2": 0.5}, metrics=METRICS, edit=lambda a: failing("c1")(spiteful(a)))
    values = Reading.of(run).results.per_case
    assert values["v2"]["negatives@3"]["c1"] == pytest.approx(2 / 3)
    assert values["v2"]["negatives@3"]["c2"] == 0
    assert values["v2"]["ndcg@10"]["c1"] == 0


def test_a_gate_bounds_negatives_from_above(tmp_path: Path, films: Path) -> None:
    run = stored_run(tmp_path / "run", films, {"v1": 0.5, "v2": 0.5}, metrics=METRICS, edit=spiteful)

    def outcomes(**condition: object) -> list[str]:
        gate = gate_of_run(run, [{"metric": "negatives@3", **condition}])
        return [f"{one.cell} {one.outcome}: {one.sentence}" for one in gate.judgements]

    first, second = outcomes(at_most=0.2)
    assert first.startswith("v1 failed: v1 is above 0.2: negatives@3 0.667")
    assert second.startswith("v2 passed: v2 stays within 0.2: negatives@3 0.000")
    assert outcomes(at_most=0.01)[1].startswith("v2 too few")
    assert outcomes(versus="v2", not_worse_than=0.1)[0].startswith("v1 failed: v1 is worse than v2 by more than 0.1")
    assert outcomes(versus="v1", not_worse_than=0.1)[0].startswith("v2 passed: v2 is not worse than v1 by more than")
    assert "negatives@3 (lower is better)" in outcomes(versus="v1", not_worse_than=0.1)[0]
    for wrong in ({"metric": "negatives@3", "at_least": 0.1}, {"metric": "ndcg@10", "at_most": 0.1}):
        with pytest.raises(ConfigError, match="is no condition"):
            gate_of_run(run, [wrong])
        with pytest.raises(ConfigError, match=r"(less|more) \S+ is better: it takes at_(most|least)"):
            checked({"data": [str(films)], "gate": [wrong]}, "eval.yaml")


def test_a_report_says_that_less_is_better(tmp_path: Path, films: Path) -> None:
    run = stored_run(tmp_path / "run", films, {"v1": 0.5, "v2": 0.5}, metrics=METRICS, edit=spiteful)
    report = report_of(run)
    text = page([report])
    assert "Difference to recall-only: negatives@3 (lower is better) gain" in text
    assert "to the right is how much less" in text
    assert "Pareto front of negatives@3 and p95, by the figures as they stand: v2; beaten in both: v1" in text
    assert {loss.cell for loss in report.losses} == {"v1"}
    assert all(loss.value > loss.baseline and loss.change < 0 for loss in report.losses)
    method = report.reading.summary.as_json()["method"]
    assert method["metrics"]["negatives@3"]["better"] == "lower"  # type: ignore[index]
    CliRunner().invoke(app, ["report", str(run), "-o", str(tmp_path / "r.csv")])
    rows = [row for row in csv.DictReader((tmp_path / "r.csv").open()) if row["system"] == "v1"]
    assert {row["case_id"] for row in rows if not row["negatives@3"]} == {f"c{n}" for n in range(0, 40, 4)}
    json.dumps(report.reading.summary.as_json(), allow_nan=False)


def test_runs_of_other_dislikes_are_not_compared(tmp_path: Path, films: Path) -> None:
    def more(answer: Answer) -> Answer:
        return replace(answer, disliked=answer.disliked[:1]) if answer.case_id == "c1" else answer

    base, new = (
        Reading.of(stored_run(tmp_path / name, films, {"v1": 0.5}, metrics=METRICS, edit=edit))
        for name, edit in (("base", spiteful), ("new", more))
    )
    (cell,) = diff(base, new).cells
    assert (cell.n, cell.changed) == (39, 1)


def test_what_nobody_tells_is_asked_for_in_vain(tmp_path: Path, films: Path) -> None:
    plain = data_set(tmp_path / "plain")
    assert DataSet.open(films).first_disliked == 1
    assert DataSet.open(plain).first_disliked is None
    run = stored_run(tmp_path / "run", plain, {"v1": 0.5})
    with pytest.raises(ConfigError, match="negatives@3 has no value: no case that was answered carries disliked"):
        Reading.of(run, ["negatives@3"])
    command = ["run", "--data", str(plain), "--metrics", "negatives@5", "--strategy", "likelihood"]
    refused = CliRunner().invoke(app, command)
    assert isinstance(refused.exception, ConfigError)
    assert "negatives@5: no case of plain that is run carries disliked" in str(refused.exception)


@pytest.mark.parametrize(
    ("disliked", "words"),
    [(["nobody"], "disliked names the item 'nobody'"), (["i1", "i1"], "twice"), (None, "both relevant and disliked")],
)
def test_wrong_dislikes_are_refused(tmp_path: Path, disliked: list[str] | None, words: str) -> None:
    folder = data_set(tmp_path / "films", 1)
    row = json.loads((folder / CASES).read_text())
    (folder / CASES).write_text(json.dumps({**row, "disliked": disliked or row["relevant"]}))
    with pytest.raises(CatalogueError, match=words):
        DataSet.open(folder)


def test_an_answer_keeps_what_is_disliked(films: Path, tmp_path: Path) -> None:
    run = stored_run(tmp_path / "run", films, {"v1": 0.5}, metrics=METRICS)
    first, second = [answer for answer in RunFolder.open(run).answers()][:2]
    assert (first.disliked, len(second.disliked)) == ((), 2)
    assert "disliked" not in first.as_row()
    assert Answer.from_row(second.as_row()) == second


def test_live_figures_pass_over_those_who_tell_of_no_dislike(films: Path, tmp_path: Path) -> None:
    run = RunFolder.open(stored_run(tmp_path / "run", films, {"v1": 0.5, "v2": 0.5}, edit=spiteful))
    with followed("negatives@3") as progress:
        for cell in run.cells():
            progress.begin(cell, 40)
            for answer in run.answers():
                if answer.cell == cell.name:
                    progress.take(answer, fresh=True)
            progress.end()
        (one, two) = progress.cells
    assert (one.n_taken, len(one.values), len(two.gains)) == (40, 30, 30)
    line = two.line("negatives@3", "v1")
    assert line[0] == "40/40"
    assert line[1].startswith("live negatives@3 0.000 [0.000, 0.1")
    assert line[2].startswith("gain +0.667 [+0.")


@contextmanager
def followed(metric: str) -> Iterator[Progress]:
    with Progress(metric, "v1", live=False) as progress:
        yield progress


def test_ratings_below_the_middle_become_dislikes(tmp_path: Path) -> None:
    """Of the last four: 5 is liked, 3 is the middle, 2 and 1 lie below it; the 1 of an item met before counts not."""
    acts = [("a", 5, 1), ("b", 1, 2), ("c", 5, 3), ("d", 3, 4), ("e", 2, 5), ("f", 1, 6), ("b", 1, 7)]
    items = [{"item_id": each, "title": each} for each in "abcdefghijklmnop"]
    rows = [{"user_id": "u", "item_id": item, "rating": value, "timestamp": at} for item, value, at in acts]
    for name, some in (("items", items), ("log", rows)):
        (tmp_path / f"{name}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in some))

    def case_of(name: str, wanted: Wanted) -> dict[str, list[str]]:
        build(tmp_path / "log.jsonl", tmp_path / name, Parting("leave-last", last=5), wanted)
        found: dict[str, list[str]] = json.loads((tmp_path / name / CASES).read_text())
        return found

    whole = case_of("whole", Wanted(9, None, min_rating=4))
    assert (whole["relevant"], whole["disliked"]) == (["c"], ["e", "f"])
    asked = case_of("asked", Wanted(9, 8, min_rating=4))
    assert asked["disliked"] == ["e", "f"]
    assert {"c", "e", "f"} < set(asked["candidates"])
    assert len(asked["candidates"]) == 8
    few = case_of("few", Wanted(9, 4, min_rating=4))
    assert few["disliked"] == ["e"]
    built = json.loads((tmp_path / "few" / "built.json").read_text())
    assert built["left_out"]["answers"] == {"disliked, beyond a quarter of the candidates": 1}
    met = case_of("met", Wanted(9, 8))
    assert "disliked" not in met, "without --min-rating whatever is met counts as an answer"


def test_people_without_a_value_of_the_headline_do_not_count_for_its_spread(tmp_path: Path, films: Path) -> None:
    run = stored_run(tmp_path / "run", films, {"v1": 0.2, "v2": 0.9}, metrics=METRICS)
    results = reckon(RunFolder.open(run)).results
    assert results.headline == "negatives@3"
    smallest = [pair.detectable["negatives@3"] for pair in results.comparisons]
    asked = Asked.of(None, {"data": [str(films)], "models": ["openai:fake"]}, Options())
    spread = mean([observed_spread(one, 30) for one in smallest if one])
    assert estimate_of(asked, run).detectable[0].spread == pytest.approx(spread), "30 of the 40 have a value"
