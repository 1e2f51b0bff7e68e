"""Runs on disk: what is kept, gone on with, scored; and what a kill in the midst of it costs."""

from __future__ import annotations

import io
import json
from array import array
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest
from rich.console import Console
from typer.testing import CliRunner, Result

import prompts
from agent.deadline import Deadline
from agent.errors import ConfigError, ModelUnavailable
from agent.llm.scripted import Scripted
from agent.rerank.base import Ranking
from agent.store.cache import Cache
from agent.types import Degradation, Rationale, Recommendation, Slate
from eval.cases import Case, DataSet
from eval.commands import commands_with
from eval.metrics import per_case
from eval.plan.cells import Cell
from eval.running.answers import VALIDITY, Answer
from eval.running.folder import ANSWERS, RunFolder
from eval.running.kept import Kept
from eval.running.lines import BLOCK
from eval.running.live import Progress
from eval.running.opening import CellOpener, Noting, OpenedCell, Surroundings
from eval.running.packed import Cases, Firsts, Joined, Labels, Lists, Marks, Names, Picked, Sums, Values
from eval.running.scoring import reckon, results_of
from eval.running.summary import Summary
from eval.running.vectors import file_of, kept_vectors
from eval.statistics import holm
from tests.support.fake_ranker import FILMS, FakeRanker, opener_of, opens

CELL = Cell("model", Path("films"), "rank", "m", "auto", "built-in", "en", "films")
ABOUT = {"cells": [CELL.as_row()], "plan": {"data": ["films"], "metrics": ["rr"]}, "seed": 1, "at": "now"}


def answer(
    case: str = "c1", *, cell: str = "model", repeat: int = 0, order: Sequence[str] = "abc", **more: object
) -> Answer:
    found = Answer(
        cell=cell,
        case_id=case,
        user_id=f"user of {case}",
        repeat=repeat,
        relevant=("a",),
        history=("h",),
        n_candidates=3,
        orders={"model": tuple(order), "recall-only": ("b", "a", "c")} if order else {},
        ms=12.5,
        tokens={"in": 3},
        calls={"asked": 1, "kept": 0},
        failed=None if order else "down",
        degraded=(),
        validity=dict.fromkeys(VALIDITY, 0),
    )
    return replace(found, **more)  # type: ignore[arg-type]


def palate_eval(*arguments: object, ranker: FakeRanker | None = None) -> Result:
    ranker = ranker or FakeRanker()
    app = commands_with(opener_of(ranker), opens(ranker))
    return CliRunner().invoke(app, [str(a) for a in arguments], env={"COLUMNS": "140"})


@pytest.fixture
def second(tmp_path: Path) -> Path:
    """A folder with one prompt that stands in for a built-in one."""
    (tmp_path / "second/en").mkdir(parents=True)
    text = prompts.load("rank-likelihood").text.replace("enjoyed", "loved")
    (tmp_path / "second/en/rank-likelihood.j2").write_text(text)
    return tmp_path / "second"


def lines(path: Path) -> list[dict[str, object]]:
    return [json.loads(line) for line in (path / ANSWERS).read_text().splitlines()]


def test_an_answer_survives_its_line() -> None:
    whole = answer(
        rationales=({"item_id": "a", "sentence": "s", "evidence": [], "source": "composed"},),
        trace=({"method": "score", "prompt": "p", "reply": "r"},),
        degraded=("rerank: no",),
        failed="x",
    )
    for one in (whole, answer()):
        assert Answer.from_row(json.loads(json.dumps(one.as_row()))) == one
    assert "trace" not in answer().as_row()


@pytest.mark.parametrize(
    "change", [{"repeat": "0"}, {"orders": []}, {"relevant": "a"}, {"ms": None}, {"tokens": {"in": "x"}}]
)
def test_a_row_that_is_no_answer_is_refused(change: dict[str, object]) -> None:
    with pytest.raises((KeyError, TypeError, ValueError)):
        Answer.from_row({**answer().as_row(), **change})


def test_a_folder_keeps_answers_and_knows_what_is_done(tmp_path: Path) -> None:
    other = {**CELL.as_row(), "name": "other"}
    folder = RunFolder.create(tmp_path / "run", {**ABOUT, "cells": [CELL.as_row(), other]})
    for case in ("c1", "c2"):
        folder.append(answer(case))
    folder.append(answer("c1", cell="other", repeat=2))
    folder.close()
    found = RunFolder.open(tmp_path / "run")
    assert [cell.name for cell in found.cells()] == [CELL.name, "other"]
    assert [one.case_id for one in found.answers()] == ["c1", "c2", "c1"]
    assert [one.cell for one in found.answers("other")] == ["other"]
    assert found.done() == {("model", "c1", 0), ("model", "c2", 0), ("other", "c1", 2)}
    assert list(found.baselines()) == []


def test_a_line_that_was_cut_off_is_dropped_and_written_over(tmp_path: Path) -> None:
    folder = RunFolder.create(tmp_path / "run", ABOUT)
    folder.append(answer("c1"))
    folder.close()
    whole = (folder.path / ANSWERS).read_bytes()
    for cut in (b'{"cell":"mo', b"x" * (2 * BLOCK + 7)):
        (folder.path / ANSWERS).write_bytes(whole + cut)
        assert [one.case_id for one in folder.answers()] == ["c1"]
        folder.append(answer("c2"))
        folder.close()
        assert [one.case_id for one in folder.answers()] == ["c1", "c2"]
    (folder.path / ANSWERS).write_bytes(b"x" * 99)
    folder.append(answer("c3"))
    folder.close()
    assert [one.case_id for one in folder.answers()] == ["c3"]


@pytest.mark.parametrize("damage", [b"{broken}\n", b"[]\n", b'{"cell": "model"}\n'])
def test_any_other_damage_is_told(tmp_path: Path, damage: bytes) -> None:
    folder = RunFolder.create(tmp_path / "run", ABOUT)
    (folder.path / ANSWERS).write_bytes(damage)
    with pytest.raises(ConfigError, match="is damaged"):
        list(folder.answers())


def test_a_folder_of_something_else_is_refused(tmp_path: Path) -> None:
    RunFolder.create(tmp_path / "run", ABOUT)
    assert RunFolder.create(tmp_path / "run", {**ABOUT, "at": "later"}).about["at"] == "now"
    with pytest.raises(ConfigError, match="a run of something else: seed differ"):
        RunFolder.create(tmp_path / "run", {**ABOUT, "seed": 2})
    judged = {**ABOUT, "plan": {"data": ["films"], "metrics": ["ndcg@10"]}}
    RunFolder.create(tmp_path / "run", judged)
    assert RunFolder.open(tmp_path / "run").about["plan"] == judged["plan"], "how answers are judged may change"
    (tmp_path / "full").mkdir()
    (tmp_path / "full/file").write_text("")
    with pytest.raises(ConfigError, match="holds file and is no run"):
        RunFolder.create(tmp_path / "full", ABOUT)
    with pytest.raises(ConfigError, match="cannot write"):
        RunFolder.create(tmp_path / "full/file/run", ABOUT)


def test_a_run_that_is_none_is_told(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="there is no run in"):
        RunFolder.open(tmp_path)
    for text in ("{", "[]", "{}"):
        (tmp_path / "run.json").write_text(text)
        with pytest.raises(ConfigError, match=r"run\.json"):
            RunFolder.open(tmp_path)


def test_one_program_writes_at_a_time(tmp_path: Path) -> None:
    one = RunFolder.create(tmp_path / "run", ABOUT)
    other = RunFolder.open(tmp_path / "run")
    with one.writing():
        with pytest.raises(ConfigError, match="another program writes"):
            other.append(answer())
        assert list(other.answers()) == []
    other.append(answer())
    other.close()


def test_what_a_model_was_cannot_change_within_a_run(tmp_path: Path) -> None:
    folder = RunFolder.create(tmp_path / "run", ABOUT)
    folder.tell("models", "model", {"fingerprint": "a"})
    folder.tell("models", "model", {"fingerprint": "a"})
    assert RunFolder.open(folder.path).about["model"] == {"fingerprint": "a"}
    folder.tell("models", "other", {"fingerprint": "b"})
    assert RunFolder.open(folder.path).about["model"] is None
    with pytest.raises(ConfigError, match="the models of model are not those"):
        folder.tell("models", "model", {"fingerprint": "c"})


def test_packed_values_read_as_plain_ones() -> None:
    numbers, ids, lists, sums = Names(), Names(), Lists(Names()), Sums()
    firsts = Firsts(ids, 2)
    for case, order in (("x", "ab"), ("y", ""), ("z", "bcd")):
        lists.put(order)
        firsts.put(numbers.number(case), order)
    some, whole = Cases(numbers, [0, 2]), Cases(numbers)
    assert dict(Picked(whole, lists)) == {"x": ("a", "b"), "y": (), "z": ("b", "c", "d")}
    assert dict(Picked(some, firsts)) == {"x": ("a", "b"), "z": ("b", "c")}
    assert [firsts.has(n) for n in range(4)] == [True, False, True, False]
    for number in (2, 0, 2):
        sums.add(number, 0.5)
    assert dict(Values(whole, sums.of(whole))) == {"x": 0.5, "y": 0.0, "z": 1.0}
    values = Values(some, sums.of(some))
    assert dict(values) == {"x": 0.5, "z": 1.0}
    assert ("y" in values, "none" in values, 7 in values, len(values)) == (False, False, False, 2)
    assert dict(Labels(some, ids, array("I", [1, 0, 0]))) == {"x": "b", "z": "a"}
    assert (some == Cases(numbers, [0, 2]), some == whole, some == ["x", "z"]) == (True, False, False)
    both = Joined([values, {"q": 2.0}])
    assert (list(both), both["q"], both["z"], len(both)) == (["x", "z", "q"], 2.0, 1.0, 3)
    for found in (values, both):
        with pytest.raises(KeyError):
            found["none"]
    numbers.number("later")
    assert list(whole) == ["x", "y", "z"]
    assert "later" not in whole


def test_marks_are_counted_once_each() -> None:
    one, other = Marks(), Marks()
    for number in (3, 3, 0):
        one.add(number)
    other.add(9)
    other.update(one)
    assert (len(one), len(other), len(Marks())) == (2, 3, 0)


def test_repeats_are_averaged_and_failures_count_as_nothing(tmp_path: Path) -> None:
    folder = RunFolder.create(tmp_path / "run", ABOUT)
    for one in (
        answer("c1", order="abc"),
        answer("c1", order="bac", repeat=1),
        answer("c2", order="cba"),
        answer("c2", order="", repeat=1),
    ):
        folder.append(one)
    results, run = results_of(folder, ["rr"])
    rr = {name: dict(values["rr"]) for name, values in results.per_case.items()}
    assert rr == {"model": {"c1": 0.75, "c2": pytest.approx(1 / 6)}, "recall-only": {"c1": 0.5, "c2": 0.5}}
    assert dict(run.orders["model"]) == {"c1": ("a", "b", "c"), "c2": ("c", "b", "a")}
    assert (run.failed, run.n, run.users["c1"]) == ({"c2": "down"}, 2, "user of c1")
    assert [pair.system for pair in results.comparisons] == ["model"]
    assert results.headline == "rr"
    summary = Summary.of(folder).as_json()
    assert summary["failed"]["rate"]["n"] == 2  # type: ignore[index]
    with pytest.raises(ConfigError, match="no metric"):
        results_of(folder, ["nothing"])


def test_a_run_without_answers_cannot_be_scored(tmp_path: Path) -> None:
    folder = RunFolder.create(tmp_path / "run", ABOUT)
    with pytest.raises(ConfigError, match="has no answers yet"):
        results_of(folder)
    with pytest.raises(ConfigError, match="cannot be read"):
        results_of(RunFolder.create(tmp_path / "other", {**ABOUT, "plan": {}}))


def test_two_prompts_are_run_compared_and_told(tmp_path: Path, second: Path) -> None:
    ran = palate_eval("run", "--data", FILMS, "--prompts", "built-in", "--prompts", second, "--output", "out", "--json")
    assert ran.exit_code == 0, ran.output
    found = json.loads(ran.stdout)
    names = [row["system"] for row in found["results"]]
    assert names[:5] == ["random", "popularity", "recall-only", "oracle", "rival"]
    assert names[5:8] == ["built-in", "built-in/without-model", "built-in/likelihood-only"]
    pairs = [(row["system"], row["against"]) for row in found["comparisons"]]
    assert pairs == [
        ("built-in", "recall-only"),
        ("second", "recall-only"),
        ("second", "built-in"),
        ("second/likelihood-only", "built-in/likelihood-only"),
        ("built-in", "rival"),
        ("second", "rival"),
    ]
    assert [cell["n"] for cell in found["cells"]] == [6, 6]
    assert found["cells"][1]["rates"]["failed"]["high"] == pytest.approx(0.39, abs=0.005)
    folder = RunFolder.open(tmp_path / "out")
    assert json.loads((tmp_path / "out/summary.json").read_text()) == json.loads(json.dumps(found))
    about = folder.about
    assert set(about["prompts"]) == {"built-in", "second"}  # type: ignore[call-overload]
    assert about["prompt_files"][str(second)] == {  # type: ignore[index]
        "en/rank-likelihood": prompts.load("rank-likelihood", folder=second).fingerprint
    }
    drawn = palate_eval("score", "out")
    assert drawn.exit_code == 0, drawn.output
    assert "second is not shown to differ from built-in" in drawn.stdout
    assert "0 of 12 cases" in drawn.stdout


def test_the_same_run_again_asks_nothing_and_another_is_refused(tmp_path: Path, second: Path) -> None:
    ranker = FakeRanker()
    one = palate_eval("run", "--data", FILMS, "--output", "out", "--limit", 4, "--json", ranker=ranker)
    assert len(ranker.wishes) == 4
    again = palate_eval("run", "--data", FILMS, "--output", "out", "--limit", 4, "--resume", "--json", ranker=ranker)
    assert len(ranker.wishes) == 4
    assert json.loads(again.stdout) == json.loads(one.stdout)
    other = palate_eval("run", "--data", FILMS, "--output", "out", "--limit", 5)
    assert isinstance(other.exception, ConfigError)
    assert "datasets, limit differ" in str(other.exception)
    for flags in (["--output", "none"], []):
        missing = palate_eval("run", "--data", FILMS, "--resume", *flags)
        assert isinstance(missing.exception, ConfigError)
    by_others = palate_eval("run", "--data", FILMS, "--output", "out", "--limit", 4, "--metrics", "recall@1", "--json")
    assert list(json.loads(by_others.stdout)["results"][0]["metrics"]) == ["recall@1"]


def test_a_prompt_that_was_edited_is_another_run(second: Path) -> None:
    arguments = ("run", "--data", FILMS, "--prompts", second, "--output", "out")
    assert palate_eval(*arguments).exit_code == 0
    file = second / "en/rank-likelihood.j2"
    file.write_text(file.read_text().replace("loved", "liked"))
    assert "prompt_files differ" in str(palate_eval(*arguments).exception)


def test_a_broken_off_run_is_scored_on_what_every_cell_has(tmp_path: Path, second: Path) -> None:
    arguments = ("run", "--data", FILMS, "--prompts", "built-in", "--prompts", second, "--output", "out")
    assert palate_eval(*arguments).exit_code == 0
    path = tmp_path / "out" / ANSWERS
    kept = path.read_text().splitlines(keepends=True)
    path.write_text("".join(kept[:9]))
    results, run = results_of(RunFolder.open(tmp_path / "out"))
    assert (run.n, {row.metrics["ndcg@10"].n for row in results.results}) == (3, {3})
    path.write_text("".join(kept[:5]))
    results, _ = results_of(RunFolder.open(tmp_path / "out"))
    assert [s for s in results.per_case if s.startswith("second")] == []
    ranker = FakeRanker()
    assert palate_eval(*arguments, ranker=ranker).exit_code == 0
    assert len(ranker.wishes) == 7
    assert [row["case_id"] for row in lines(tmp_path / "out")] == [json.loads(line)["case_id"] for line in kept]


def test_several_data_sets_are_told_apart(tmp_path: Path) -> None:
    other = tmp_path / "games"
    other.mkdir()
    for name in ("items.jsonl", "cases.jsonl"):
        (other / name).write_bytes((FILMS / name).read_bytes())
    ran = palate_eval("run", "--data", FILMS, "--data", other, "--output", "out", "--json")
    assert ran.exit_code == 0, ran.output
    found = json.loads(ran.stdout)
    assert list(found["datasets"]) == ["films", "games"]
    assert found["dataset"] is None
    names = [row["system"] for row in found["results"]]
    assert {"films random", "games random", "films", "games", "games/without-model"} <= set(names)
    pairs = {(row["system"], row["against"]): row["metrics"]["ndcg@10"] for row in found["comparisons"]}
    assert set(pairs) == {
        ("films", "films recall-only"),
        ("games", "games recall-only"),
        ("films", "films rival"),
        ("games", "games rival"),
    }
    assert sorted(holm([row["p"] for row in pairs.values()])) == sorted(row["p_holm"] for row in pairs.values())
    _, run = results_of(RunFolder.open(tmp_path / "out"))
    assert set(run.relevant) == {f"{name}/c{n}" for name in ("films", "games") for n in range(1, 7)}
    assert run.users["games/c1"] == run.users["films/c1"]


def test_a_data_set_that_is_gone_costs_what_needs_it_alone(tmp_path: Path) -> None:
    (tmp_path / "films").mkdir()
    for name in ("items.jsonl", "cases.jsonl"):
        (tmp_path / "films" / name).write_bytes((FILMS / name).read_bytes())
    assert palate_eval("run", "--data", "films", "--output", "out").exit_code == 0
    before, _ = results_of(RunFolder.open(tmp_path / "out"))
    (tmp_path / "films/cases.jsonl").open("a").write(" \n")
    changed = reckon(RunFolder.open(tmp_path / "out"))
    assert "has changed since the run" in changed.notes[0]
    (tmp_path / "films/items.jsonl").unlink()
    found = reckon(RunFolder.open(tmp_path / "out"))
    assert "no items.jsonl" in found.notes[0]
    assert found.results.shelf is None
    assert [row.metrics for row in found.results.results] == [row.metrics for row in before.results]


def test_scores_are_those_of_the_orders(tmp_path: Path) -> None:
    palate_eval("run", "--data", FILMS, "--output", "out", "--repeat", 2)
    results, run = results_of(RunFolder.open(tmp_path / "out"), ["ndcg@10", "f1@2"])
    dataset = DataSet.open(FILMS)
    relevant = {case.case_id: case.relevant for case in dataset.cases()}
    for name, values in results.per_case.items():
        expected = per_case(run.orders[name], relevant, ["ndcg@10", "f1@2"])
        assert {metric: dict(of) for metric, of in values.items()} == expected
    assert len(lines(tmp_path / "out")) == 12
    assert dict(run.histories) == {case.case_id: case.history for case in dataset.cases()}


def test_vectors_that_are_damaged_are_none(tmp_path: Path) -> None:
    assert kept_vectors(tmp_path, "films") == {}
    file_of(tmp_path, "films").parent.mkdir()
    file_of(tmp_path, "films").write_bytes(b"PK\x03\x04 not a zip")
    assert kept_vectors(tmp_path, "films") == {}


def test_a_terminal_sees_a_table_grow() -> None:
    drawn = io.StringIO()
    console = Console(file=drawn, force_terminal=True, width=160)
    with Progress("rr", "recall-only", live=True, console=console) as progress:
        progress.begin(CELL, 4)
        for n, order in enumerate(("abc", "bac", "cab")):
            progress.take(answer(f"c{n}", order=order), fresh=True)
        progress.take(answer("c3", order=""), fresh=False)
        progress.end()
        text = drawn.getvalue()
    parts = ("model", "4/4", "live rr 0.500", "to recall-only, p =", "1 failed", "p95 12 ms", "12 tokens", "3 asked")
    for part in parts:
        assert part in text, part


def test_what_is_known_beforehand_or_of_an_earlier_cell_is_compared_with() -> None:
    def gains(versus: str, against: Callable[[Cell], dict[str, float]] = lambda _: {}) -> list[float]:
        with Progress("rr", versus, against, live=False) as progress:
            for cell in (CELL, replace(CELL, name="other")):
                progress.begin(cell, 2)
                progress.take(answer(cell=cell.name, order="abc" if cell is CELL else "bac"), fresh=True)
                progress.end()
            return [gain for sofar in progress.cells for gain in sofar.gains]

    assert gains("model") == [-0.5]
    assert gains("random", lambda _: {"c1": 0.25}) == [0.75, 0.25]
    assert gains("nobody") == []


def test_reasons_are_judged_case_by_case(tmp_path: Path) -> None:
    """The task explain, answered by a fake: one reason is sound, one names a film that nobody spoke of."""

    @contextmanager
    def opener(around: Surroundings) -> Iterator[CellOpener]:
        @contextmanager
        def cell_opener(cell: Cell, dataset: DataSet) -> Iterator[OpenedCell]:
            def tell(case: Case) -> Slate:
                if case.case_id == "c3":
                    raise ModelUnavailable("the fake is down", "Ask again")
                item = dataset.items[case.candidates[0]]
                told = Rationale(sentence=f"It is from {item.year}.", evidence=(), source="composed")
                one = Recommendation(item=item, rank=1, score=0.0, rationale=told)
                lost = (Degradation(stage="explain", reason="late"),) if case.case_id == "c1" else ()
                return Slate(user_id="", recommendations=(one,), degraded=lost)

            yield OpenedCell(tell, {"fingerprint": "f"})

        yield cell_opener

    app = commands_with(opener_of(FakeRanker()), opener)
    arguments = ["run", "--data", str(FILMS), "--task", "explain", "--output", "out"]
    ran = CliRunner().invoke(app, [*arguments, "--json"])
    assert ran.exit_code == 0, ran.output
    found = json.loads(ran.stdout)
    assert found["headline"] == "grounding"
    assert [row["system"] for row in found["results"]] == ["model"]
    assert found["results"][0]["metrics"]["grounded"] == {**found["results"][0]["metrics"]["language"]}
    assert found["results"][0]["metrics"]["language"]["value"] == pytest.approx(5 / 6), "a failure is worth nothing"
    assert found["method"]["metrics"]["grounding"]["library"].startswith("Palate")
    assert found["comparisons"] == []
    cell = found["cells"][0]
    assert cell["rationales"]["unique_sentences"]["n"] == 5
    assert cell["rates"]["fallback"]["value"] == pytest.approx(1 / 6)
    drawn = CliRunner().invoke(app, arguments)
    assert drawn.exit_code == 0, drawn.output
    assert "model: unique_sentences" in drawn.stdout
    row = lines(tmp_path / "out")[0]
    assert row["orders"] == {}
    assert row["rationales"][0]["source"] == "composed"  # type: ignore[index]
    wrong = CliRunner().invoke(app, ["score", "out", "--metrics", "ndcg@10"])
    assert "explain has no metric 'ndcg@10'" in str(wrong.exception)
    missing = tmp_path / "films"
    folder = RunFolder.create(missing, {**ABOUT, "plan": {"data": ["x"], "task": "explain"}})
    folder.append(answer())
    with pytest.raises(ConfigError, match="the data set folder"):
        Summary.of(folder)


def test_replies_that_go_astray_are_noted(tmp_path: Path) -> None:
    class Astray:
        name = "listwise"

        def rank(self, *_: object) -> Ranking:
            return Ranking((1.0, 0.0), counts={"listwise.missing": 2, "listwise.foreign": 1, "calls": 3})

        def precompute(self, *_: object) -> None:
            asked.append("precomputed")

    asked: list[str] = []
    with Cache(tmp_path / "answers.sqlite") as cache:
        kept = Kept(Scripted([]), cache, seed=0)
        noted = kept.begin(0)
        noting = Noting(Astray(), kept)
        noting.rank([], [], None, Deadline.never())
        noting.precompute([], Deadline.never())
        assert noted.flaws == {"missing": 2, "foreign": 1}
        assert (asked, noting.name) == (["precomputed"], "listwise")


def test_a_command_line_without_anything_to_evaluate_says_so(tmp_path: Path) -> None:
    for arguments, told in (
        (["run"], "there is nothing to evaluate"),
        (["run", "--data", FILMS, "--metrics", " , "], "no metric is named"),
        (["run", "--data", FILMS, "--gate", "{rate: failed}"], "the flags: gate.1 holds rate"),
        (["score", tmp_path], "there is no run"),
    ):
        assert told in str(palate_eval(*arguments).exception)


def test_a_reference_can_be_what_cells_are_compared_with(tmp_path: Path) -> None:
    ran = palate_eval("run", "--data", FILMS, "--versus", "rival", "--output", "out")
    assert ran.exit_code == 0, ran.output
    assert "to rival, p =" in ran.stderr
    results, _ = results_of(RunFolder.open(tmp_path / "out"))
    assert (results.comparisons[0].system, results.comparisons[0].against) == ("model", "rival")


def test_a_task_over_the_catalogue_is_not_shown_the_candidates_of_another(tmp_path: Path) -> None:
    seen: list[Case] = []

    @contextmanager
    def opener(_: Surroundings) -> Iterator[CellOpener]:
        @contextmanager
        def cell_opener(cell: Cell, dataset: DataSet) -> Iterator[OpenedCell]:
            def tell(case: Case) -> Slate:
                seen.append(case)
                return FakeRanker().rank([], list(dataset.items.values()))

            yield OpenedCell(tell, {})

        yield cell_opener

    app = commands_with(opener_of(FakeRanker()), opener)
    ran = CliRunner().invoke(app, ["run", "--data", str(FILMS), "--task", "recommend", "--output", "out", "--json"])
    assert ran.exit_code == 0, ran.output
    assert {case.candidates for case in seen} == {()}
    assert json.loads(ran.stdout)["cells"][0]["rates"]["foreign"]["value"] == 0
    assert len(lines(tmp_path / "out")[0]["orders"]["model"]) == len(DataSet.open(FILMS).items)  # type: ignore[index]
