"""`from eval import load, run, diff`: stored runs as objects, as tables, in notebooks and behind gates in pytest."""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

import eval
from agent.errors import ConfigError
from agent.types import Slate
from eval import diff, load, run
from eval.cases import Case, DataSet
from eval.evaluating import evaluate
from eval.finished import Compared, Finished
from eval.frames import frame
from eval.plan.cells import Cell
from eval.reporting.reading import Reading
from eval.running.opening import CellOpener, OpenedCell, Surroundings
from tests.support.fake_ranker import FILMS, MODEL, FakeRanker
from tests.support.stored_run import data_set, failing, stored_run

pytest_plugins = ["pytester"]

BASE, NEW = {"v1": 0.3}, {"v1": 0.9}
PLUGIN = ("-p", "no:palate_eval", "-p", "eval.pytest_plugin", "--strict-markers")


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return data_set(tmp_path_factory.mktemp("data") / "films", bare=True)


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory, data: Path) -> Path:
    return stored_run(tmp_path_factory.mktemp("runs") / "base", data, BASE)


# Runs


def test_importing_it_is_light() -> None:
    heavy = ["numpy", "scipy", "ir_measures", "pandas", "rich", "chromadb", "llama_cpp", "openai", "yaml"]
    code = f"import eval, sys; from eval import load, run, diff; print([m for m in {heavy!r} if m in sys.modules])"
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "[]"
    assert set(eval.__all__) == {"load", "run", "diff"}


def test_a_stored_run_is_read_back(base: Path) -> None:
    finished = load(base)
    assert isinstance(finished, Finished)
    assert finished.path == base
    assert finished.cells == ("v1",)
    assert finished.results.headline == "ndcg@10"
    assert repr(finished) == f"Finished({str(base)!r}, cells=['v1'])"
    assert any("recall-only" in verdict for verdict in finished.verdicts)


def test_its_tables_hold_every_figure(base: Path) -> None:
    finished = load(str(base))
    systems = finished.to_pandas()
    assert list(systems.columns) == ["system", "kind", "metric", "value", "low", "high", "n", "answered"]
    model = next(r for r in finished.results.results if r.system.kind == "whole")
    row = systems[(systems.system == model.system.name) & (systems.metric == "ndcg@10")].iloc[0]
    assert row.value == model.metrics["ndcg@10"].value
    assert (row.n, row.answered) == (40, 40)
    cases = finished.cases_to_pandas()
    assert list(cases.columns) == ["case_id", "user_id", "system", "ndcg@10", "recall@5"]
    means = cases.groupby("system")["ndcg@10"].mean()
    assert means[model.system.name] == pytest.approx(row.value)
    pairs = finished.comparisons_to_pandas()
    assert {"system", "against", "metric", "value", "low", "high", "p", "p_holm", "n", "detectable"} <= set(
        pairs.columns
    )
    assert len(pairs) == len(finished.results.comparisons) * 2


def test_other_metrics_can_be_asked_for(base: Path) -> None:
    assert load(base, metrics=["mrr", "ndcg@5"]).results.metrics == ("mrr", "ndcg@5")
    with pytest.raises(ConfigError, match="there is no metric 'best'"):
        load(base, metrics=["best"])


def test_a_notebook_shows_figures_and_verdicts(base: Path) -> None:
    shown = load(base)._repr_html_()
    assert shown.startswith("<table>")
    assert "<th>ndcg@10</th>" in shown
    assert "<p>" in shown
    assert "recall-only" in shown


def test_what_is_no_run_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="there is no run in"):
        load(tmp_path / "nowhere")


def test_a_table_without_rows_keeps_its_columns() -> None:
    assert list(frame([], ("a", "b")).columns) == ["a", "b"]


def test_without_pandas_a_table_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pandas", None)
    with pytest.raises(ConfigError, match=r"pandas is not installed.*palate\[eval\]"):
        frame([], ("a",))


# Gates


def test_a_run_is_judged_by_its_plan_or_by_other_conditions(tmp_path: Path, data: Path) -> None:
    finished = load(stored_run(tmp_path / "r", data, NEW, gate=[{"metric": "ndcg@10", "at_least": 0.5}]))
    assert finished.gate().exit_code == 0
    failed = finished.gate([{"metric": "ndcg@10", "at_least": 0.99}])
    assert failed.exit_code == 1
    assert "0.99" in failed.sentence


def test_a_run_is_scored_again_only_for_metrics_that_it_was_not_read_with(tmp_path: Path, data: Path) -> None:
    finished = load(stored_run(tmp_path / "r", data, NEW, gate=[{"metric": "ndcg@10", "at_least": 0.5}]))
    (finished.path / "answers.jsonl").unlink()
    assert finished.gate().exit_code == 0
    with pytest.raises(ConfigError, match="no answers"):
        finished.gate([{"metric": "rr", "at_least": 0.1}])
    with pytest.raises(ConfigError, match="no cell 'v9'"):
        finished.gate(cell="v9")
    with pytest.raises(ConfigError, match="nothing to judge"):
        finished.gate([])


# Running


@contextmanager
def fake(around: Surroundings) -> Iterator[CellOpener]:
    @contextmanager
    def _open(cell: Cell, dataset: DataSet) -> Iterator[OpenedCell]:
        def _answer(case: Case) -> Slate:
            history, candidates = ([dataset.items[i] for i in ids] for ids in (case.history, case.candidates))
            return FakeRanker().rank(history, candidates, case.wish)

        with around.watch("Opening") as show:
            show(1, 1)
        around.told("opened")
        yield OpenedCell(_answer, MODEL)

    yield _open


def test_a_plan_is_run_and_gone_on_with(tmp_path: Path) -> None:
    plan = tmp_path / "eval.yaml"
    plan.write_text(f"data: {FILMS}\nbaselines: [random]\nmetrics: [ndcg@10, mrr]\n", encoding="utf-8")
    scored = evaluate(plan, tmp_path / "run", {"limit": 4}, opens=fake)
    path, finished = scored.folder.path, Finished(Reading(scored))
    assert load(path).results.comparisons == finished.results.comparisons
    assert finished.results.metrics == ("ndcg@10", "mrr")
    assert len(finished.cases_to_pandas().case_id.unique()) == 4
    before = (path / "answers.jsonl").read_bytes()
    assert evaluate(plan, tmp_path / "run", {"limit": 4}, opens=fake).folder.path == path
    assert (path / "answers.jsonl").read_bytes() == before
    assert (path / "summary.json").is_file()
    beside = evaluate(plan, None, {"limit": 1}, opens=fake)
    assert beside.folder.path.parent == tmp_path / "runs"


def test_without_a_place_a_run_lies_among_temporary_files() -> None:
    path = evaluate(None, None, {"data": str(FILMS), "limit": 2, "baselines": ["random"]}, opens=fake).folder.path
    assert path.name.startswith("palate-run-")
    assert load(path).results.headline == "ndcg@10"
    shutil.rmtree(path)


@pytest.mark.thorough
def test_the_default_model_is_run_with_the_settings_of_a_file(tmp_path: Path) -> None:
    (tmp_path / "own.toml").write_text(f'cache_folder = "{tmp_path / "cache"}"\n', encoding="utf-8")
    finished = run(
        data=str(FILMS), limit=2, baselines=["random"], output=tmp_path / "run", config=tmp_path / "own.toml"
    )
    assert finished.path == tmp_path / "run"
    assert finished.cells == ("model",)
    assert (tmp_path / "cache" / "answers.sqlite").is_file()


def test_a_key_that_is_none_is_refused() -> None:
    with pytest.raises(ConfigError, match="there is no key 'limits'"):
        run(data=str(FILMS), limits=3)


# Diffs


def test_two_runs_are_compared(tmp_path: Path, data: Path, base: Path) -> None:
    new = stored_run(tmp_path / "new", data, NEW)
    found = diff(base, load(new))
    assert isinstance(found, Compared)
    assert not found.worse
    assert "beats" in found.sentences[0]
    assert repr(found) == found.sentences[0]
    rows = found.to_pandas()
    assert list(rows.metric) == ["ndcg@10", "recall@5"]
    assert rows.value.iloc[0] > 0
    cases = found.cases_to_pandas()
    assert set(cases.columns) == {"base_cell", "new_cell", "case_id", "base", "new", "by"}
    assert ((cases.new - cases.base) == cases.by).all()
    assert "v1 against v1" in found._repr_html_()
    assert diff(str(new), str(base)).worse


def test_the_cells_of_one_run_are_compared(tmp_path: Path, data: Path) -> None:
    two = stored_run(tmp_path / "two", data, {"v1": 0.3, "v2": 0.9}, edit=failing("c1"))
    assert [(cell.base, cell.new) for cell in diff(two).diff.cells] == [("v1", "v2")]


# In pytest


def test_a_marked_test_fails_with_the_sentence_of_the_gate(
    tmp_path: Path, data: Path, pytester: pytest.Pytester
) -> None:
    stored_run(pytester.path / "good", data, NEW, gate=[{"metric": "ndcg@10", "at_least": 0.5}])
    stored_run(pytester.path / "bad", data, BASE, gate=[{"metric": "ndcg@10", "at_least": 0.9}])
    pytester.makepyfile(
        """
        import pytest

        @pytest.mark.palate_eval("good")
        def test_good(palate_eval):
            assert palate_eval.cells == ("v1",)

        @pytest.mark.palate_eval("good")
        def test_again(palate_eval):
            assert palate_eval.to_pandas().value.min() > 2

        @pytest.mark.palate_eval("bad")
        def test_bad():
            raise SystemError("never reached")

        @pytest.mark.palate_eval("nowhere.yaml")
        def test_nowhere():
            pass

        @pytest.mark.palate_eval()
        def test_of_nothing():
            pass

        def test_unmarked(palate_eval):
            pass

        def test_of_something_else():
            pass
        """
    )
    result = pytester.runpytest_inprocess(*PLUGIN)
    result.assert_outcomes(passed=2, failed=4, errors=1)
    text = result.stdout.str()
    assert "the gate failed: 1 of 1 condition: v1 is below 0.9: ndcg@10" in text
    assert "nowhere.yaml: cannot read" in text
    assert "the marker takes one path: @pytest.mark.palate_eval(path, **changes)" in text
    assert "uses the fixture palate_eval without the marker" in text
    assert "never reached" not in text.replace('raise SystemError("never reached")', "")


def test_a_mark_that_judges_nothing_fails(tmp_path: Path, data: Path, pytester: pytest.Pytester) -> None:
    stored_run(pytester.path / "ungated", data, NEW)
    stored_run(pytester.path / "good", data, NEW, gate=[{"metric": "ndcg@10", "at_least": 0.5}])
    stored_run(pytester.path / "alone", data, NEW, gate=[{"metric": "rr", "versus": "v1", "not_worse_than": 0.1}])
    pytester.makepyfile(
        """
        import pytest

        @pytest.mark.palate_eval("ungated")
        def test_ungated():
            pass

        @pytest.mark.palate_eval("good", limit=3)
        def test_changed():
            pass

        @pytest.mark.palate_eval("alone")
        def test_alone():
            pass
        """
    )
    result = pytester.runpytest_inprocess(*PLUGIN)
    result.assert_outcomes(failed=3)
    text = result.stdout.str()
    assert "ungated: there is nothing to judge" in text
    assert "a stored run cannot be changed: limit" in text
    assert "no cell is judged: v1 is the cell itself" in text


def test_the_marker_is_listed(pytester: pytest.Pytester) -> None:
    result = pytester.runpytest_inprocess(*PLUGIN, "--markers")
    assert "@pytest.mark.palate_eval(path, **changes): run the evaluation" in result.stdout.str()
