"""The field's tables: what was published, what is measured beside it, drawn and as JSON."""

from __future__ import annotations

import dataclasses
import gzip
import json
import shutil
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

import pytest
from typer import Typer
from typer.testing import CliRunner

from agent.commands.options import Options
from agent.errors import ConfigError
from agent.types import Slate
from eval.cases import EVENTS, Case, DataSet
from eval.metrics import named
from eval.plan.cells import Cell
from eval.running.opening import CellOpener, OpenedCell, Surroundings
from eval.tables.command import table_with
from eval.tables.drawing import draw
from eval.tables.measure import Wanted, measured
from eval.tables.published import published, table_named
from eval.tasks import TASKS
from tests.support.fake_ranker import FILMS, MODEL, FakeRanker

SEED = 7


@contextmanager
def fakes(_: Surroundings) -> Iterator[CellOpener]:
    """Cells that the fake ranker answers, each counted once."""

    @contextmanager
    def _open(cell: Cell, dataset: DataSet) -> Iterator[OpenedCell]:
        ranker = FakeRanker()

        def answer(case: Case) -> Slate:
            items = dataset.items
            return ranker.rank([items[i] for i in case.history], [items[i] for i in case.candidates], case.wish)

        yield OpenedCell(answer, {**MODEL, "strategy": cell.strategy})

    def opener(cell: Cell, dataset: DataSet) -> AbstractContextManager[OpenedCell]:
        return _open(cell, dataset)

    yield opener


def wanted(folder: Path = FILMS, output: Path | None = None, strategies: tuple[str, ...] = ("likelihood",)) -> Wanted:
    return Wanted("llmrank", folder, ("smollm2-135m",), strategies, None, SEED, output)


def test_every_published_value_is_a_share_of_a_known_metric_on_a_known_task() -> None:
    assert list(published()) == ["llmrank", "redial", "ml-100k"]
    for table in published().values():
        assert table.task in TASKS
        assert named(",".join(table.metrics)) == table.metrics
        assert table.headline in table.metrics
        for section in table.sections:
            assert all(set(row.values) <= set(table.metrics) for row in section.rows)
            assert len({(row.system, row.where) for row in section.rows}) == len(section.rows)


def test_published_rows_are_those_of_the_source() -> None:
    movies, games = table_named("llmrank").sections
    assert {row.system: row.values["ndcg@10"] for row in movies.rows}["SASRec"] == 0.7889
    assert {row.system: row.values["ndcg@1"] for row in games.rows}["GPT-4"] == 0.395
    assert len([row for row in movies.rows if row.where == "Table 2"]) == 9
    (redial,) = table_named("redial").sections
    assert {row.system: row.values["recall@10"] for row in redial.rows}["UniCRS"] == 0.215


def test_rows_go_with_the_folder_that_follows_the_protocol_or_are_all_shown() -> None:
    table = table_named("llmrank")
    assert [section.name for section in table.sections_for("llmrank-games")] == ["Amazon Video Games"]
    assert len(table.sections_for("my-own")) == 2
    with pytest.raises(ConfigError, match=r"no table 'llmrnk'.*llmrank"):
        table_named("llmrnk")


def test_three_defects_are_told() -> None:
    told = " ".join(table_named("llmrank").notes)
    for word in ("First defect", "Second", "Third"):
        assert word in told


def test_what_is_measured_stands_beside_it(tmp_path: Path) -> None:
    with measured(wanted(output=tmp_path / "run"), Options(), fakes) as found:
        shown = json.loads(json.dumps(found.as_json()))
    systems = {row["system"]: row for row in shown["run"]["results"]}
    assert {"random", "recall-only", "oracle", "model", "rival"} <= set(systems)
    assert set(systems["model"]["metrics"]) == {"ndcg@1", "ndcg@5", "ndcg@10", "ndcg@20"}
    assert systems["oracle"]["metrics"]["ndcg@10"]["value"] == pytest.approx(1)
    assert shown["published"][0]["data"] == "ML-1M"
    pairs = [(pair["system"], pair["against"]) for pair in shown["comparisons"]]
    assert pairs == [("model", "recall-only"), ("model", "popularity"), ("model", "rival")]
    assert shown["run"]["model"] == {**MODEL, "strategy": "likelihood"}
    assert shown["machine"]["cores"] >= 1
    assert (tmp_path / "run" / "answers.jsonl").exists()
    assert (tmp_path / "run" / "summary.json").exists()


def test_every_strategy_is_a_system_of_its_own() -> None:
    with measured(wanted(strategies=("likelihood", "pointwise")), Options(), fakes) as found:
        names = {result.system.name for result in found.summary.found.results.results}
    assert {"likelihood", "pointwise"} <= names


def test_a_kept_run_is_gone_on_with(tmp_path: Path) -> None:
    with measured(wanted(output=tmp_path / "run"), Options(), fakes) as first:
        lines = (tmp_path / "run" / "answers.jsonl").read_bytes()
    with measured(wanted(output=tmp_path / "run"), Options(), fakes) as again:
        assert (tmp_path / "run" / "answers.jsonl").read_bytes() == lines
        assert again.at == first.at
        assert again.summary.found.results.per_case == first.summary.found.results.per_case


def test_it_is_drawn_with_source_notes_and_machine(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = tmp_path / "llmrank-ml1m"
    shutil.copytree(FILMS, folder)
    with measured(wanted(folder), Options(), fakes) as found:
        draw(found)
    shown = capsys.readouterr().out
    for text in ("published, ML-1M", "SASRec", "Table 2", "0.789", "all ratings", "not measured here", "measured,"):
        assert text in shown
    assert "Amazon" not in shown.partition("measured,")[0]
    assert "Third: it finds items" in shown
    assert "cores of" in shown


def test_what_was_learned_from_is_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = tmp_path / "films"
    shutil.copytree(FILMS, folder)
    acts = [{"user_id": f"p{n % 4}", "item_id": f"f{n}", "kind": "like", "at": 1_000 + n} for n in range(1, 10)]
    with gzip.open(folder / EVENTS, "wt", encoding="utf-8") as file:
        file.writelines(json.dumps(act) + "\n" for act in acts)
    with measured(dataclasses.replace(wanted(folder), learn="events"), Options(), fakes) as found:
        draw(found)
    assert "learned from source events.jsonl.gz, folds 1" in " ".join(capsys.readouterr().out.split())
    unlearnable = dataclasses.replace(wanted(), learn="events")
    with pytest.raises(ConfigError, match="nothing to learn from"), measured(unlearnable, Options(), fakes):
        pass


def test_a_table_without_published_rows_is_drawn_too(capsys: pytest.CaptureFixture[str]) -> None:
    with measured(wanted(), Options(), fakes) as found:
        rows = found.published.model_copy(update={"sections": table_named("ml-100k").sections, "source": ""})
        draw(dataclasses.replace(found, published=rows))
    shown = capsys.readouterr().out
    assert "published, " not in shown
    assert "measured, films" in shown


def test_the_command_writes_json_and_refuses_unknown_tables() -> None:
    app = Typer()
    app.command()(table_with(fakes))
    done = CliRunner().invoke(app, ["llmrank", "--data", str(FILMS), "--models", "smollm2-135m", "--json"])
    assert done.exit_code == 0, done.output
    assert json.loads(done.stdout)["table"] == "llmrank"
    drawn = CliRunner().invoke(app, ["llmrank", "--data", str(FILMS), "--models", "smollm2-135m"])
    assert "SASRec" in drawn.stdout
    refused = CliRunner().invoke(app, ["nonsense", "--data", str(FILMS)])
    assert isinstance(refused.exception, ConfigError)
