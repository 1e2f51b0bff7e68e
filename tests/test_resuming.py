"""Runs gone on with: what is asked again, what is refused, and what a model that is down costs."""

from __future__ import annotations

import gzip
import json
import shutil
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from agent.commands.options import Options
from agent.deadline import Deadline
from agent.errors import ConfigError, ModelUnavailable
from agent.rerank.base import Ranking
from agent.types import Degradation, Slate
from eval.cases import Case, DataSet
from eval.commands import commands_with
from eval.plan.cells import Cell
from eval.running.answers import Answer
from eval.running.asked import Asked
from eval.running.folder import ABOUT, ANSWERS, RunFolder
from eval.running.kept import UNAVAILABLE, Noted
from eval.running.opening import CellOpener, OpenedCell, Opens, Surroundings
from eval.running.provenance import mark
from eval.running.runner import OUTAGE
from eval.running.scoring import results_of
from eval.running.sparing import Quiet, Sparing
from tests.support.fake_ranker import FILMS, FakeRanker, opener_of, opens

SECOND = {"en/rank-likelihood": "ab" * 32, "en/rank-renown": "ef" * 32}


@pytest.fixture
def films(tmp_path: Path) -> Path:
    return Path(shutil.copytree(FILMS, tmp_path / "films"))


def palate_eval(*arguments: object, opened: Opens | None = None, ranker: FakeRanker | None = None) -> Result:
    ranker = ranker or FakeRanker()
    app = commands_with(opener_of(ranker), opened or opens(ranker))
    return CliRunner().invoke(app, [str(a) for a in arguments], env={"COLUMNS": "140"})


def opens_with(answer: Callable[[Case, DataSet], Slate], noted: Noted | None = None) -> Opens:
    """Cells that answer so; one answer a call, its notes those given."""

    @contextmanager
    def opener(_: Surroundings) -> Iterator[CellOpener]:
        @contextmanager
        def cell_opener(cell: Cell, dataset: DataSet) -> Iterator[OpenedCell]:
            yield OpenedCell(lambda case: answer(case, dataset), {"fingerprint": "f"}, lambda _: noted or Noted())

        yield cell_opener

    return opener


def slate_of(case: Case, dataset: DataSet) -> Slate:
    history, candidates = ([dataset.items[i] for i in ids] for ids in (case.history, case.candidates))
    return FakeRanker().rank(history, candidates, case.wish)


def rows(folder: Path) -> list[dict[str, object]]:
    return [json.loads(line) for line in (folder / ANSWERS).read_text().splitlines()]


class Down:
    """A reranker whose model is not there."""

    name = "likelihood"

    def rank(self, *_: object) -> Ranking:
        raise ModelUnavailable("the fake is down", "Ask again")

    def precompute(self, *_: object) -> None:
        raise ModelUnavailable("the fake is down", "Ask again")


def test_a_case_on_which_the_model_fails_keeps_the_orders_that_need_none() -> None:
    @contextmanager
    def opener(_: Surroundings) -> Iterator[CellOpener]:
        @contextmanager
        def cell_opener(cell: Cell, dataset: DataSet) -> Iterator[OpenedCell]:
            quiet = Quiet(Down())

            def answer(case: Case) -> Slate:
                if case.case_id in ("c2", "c4"):
                    quiet.rank([], [dataset.items[i] for i in case.candidates], None, Deadline.never())
                return slate_of(case, dataset)

            yield OpenedCell(Sparing(answer, quiet), {})

        yield cell_opener

    assert palate_eval("run", "--data", FILMS, "--output", "whole").exit_code == 0
    ran = palate_eval("run", "--data", FILMS, "--output", "out", opened=opener)
    assert ran.exit_code == 0, ran.output
    whole = {answer.case_id: answer for answer in RunFolder.open(Path("whole")).answers()}
    for answer in RunFolder.open(Path("out")).answers():
        failed = answer.case_id in ("c2", "c4")
        assert (answer.failed is not None) == failed
        parts = ("recall-only", "without-model")
        assert {part: answer.orders[part] for part in parts} == {p: whole[answer.case_id].orders[p] for p in parts}
        assert ("model" in answer.orders) is not failed
    before, after = (results_of(RunFolder.open(Path(name)))[0].per_case for name in ("whole", "out"))
    for part in ("recall-only", "without-model"):
        assert dict(after[part]["ndcg@10"]) == dict(before[part]["ndcg@10"])
    assert after["model"]["ndcg@10"]["c2"] == 0 < before["model"]["ndcg@10"]["c2"]


def test_where_all_else_fails_too_there_are_no_orders() -> None:
    def fail(case: Case, _: DataSet) -> Slate:
        raise ConfigError(f"no {case.case_id}")

    @contextmanager
    def opener(around: Surroundings) -> Iterator[CellOpener]:
        with opens_with(fail)(around) as inner:

            @contextmanager
            def cell_opener(cell: Cell, dataset: DataSet) -> Iterator[OpenedCell]:
                with inner(cell, dataset) as opened:
                    yield OpenedCell(Sparing(opened.answer, Quiet(Down())), {})

            yield cell_opener

    assert palate_eval("run", "--data", FILMS, "--output", "out", opened=opener).exit_code == 0
    assert [(row["orders"], row["failed"]) for row in rows(Path("out"))] == [({}, f"no c{n}") for n in range(1, 7)]
    quiet = Quiet(Down())
    with pytest.raises(ModelUnavailable):
        quiet.precompute([], Deadline.never())


def test_a_failed_answer_is_asked_for_again_and_the_last_line_stands() -> None:
    arguments = ("run", "--data", FILMS, "--output", "out", "--json")
    broken = palate_eval(*arguments, ranker=FakeRanker(fails=["f9"]))
    assert json.loads(broken.stdout)["failed"]["count"] == 1
    ranker = FakeRanker(fails=["f9"])
    assert json.loads(palate_eval(*arguments, ranker=ranker).stdout)["failed"]["count"] == 1
    assert len(ranker.wishes) == 1
    ranker = FakeRanker()
    mended = json.loads(palate_eval(*arguments, "--resume", ranker=ranker).stdout)
    assert len(ranker.wishes) == 1
    assert mended["failed"]["count"] == 0
    whole = json.loads(palate_eval("run", "--data", FILMS, "--json").stdout)
    for mine, theirs in zip(mended["results"], whole["results"], strict=True):
        values = [{name: found["value"] for name, found in row["metrics"].items()} for row in (mine, theirs)]
        assert values[0] == pytest.approx(values[1]), mine["system"]
    assert [row["case_id"] for row in rows(Path("out"))].count("c4") == 3
    folder = RunFolder.open(Path("out"))
    assert [(one.case_id, one.failed) for one in folder.answers()][-1] == ("c4", None)
    assert len(list(folder.answers("model"))) == len(folder.done()) == 6


def test_fresh_answers_belong_in_a_new_folder() -> None:
    arguments = ("run", "--data", FILMS, "--output", "out")
    assert palate_eval(*arguments, "--fresh").exit_code == 0
    before = rows(Path("out"))
    ranker = FakeRanker()
    refused = palate_eval(*arguments, "--fresh", ranker=ranker)
    assert isinstance(refused.exception, ConfigError)
    assert str(refused.exception) == (
        "out holds answers, which --fresh would not ask for again. Give --output a new folder"
    )
    assert (rows(Path("out")), ranker.wishes) == (before, [])


def test_a_model_that_is_down_stops_the_run_and_costs_no_answer() -> None:
    def down(case: Case, dataset: DataSet) -> Slate:
        if case.case_id != "c1":
            raise ModelUnavailable("the fake is down", "Start it")
        return slate_of(case, dataset)

    stopped = palate_eval("run", "--data", FILMS, "--output", "out", opened=opens_with(down))
    assert isinstance(stopped.exception, ModelUnavailable)
    assert stopped.exception.exit_code == 1
    assert str(stopped.exception) == (
        "model: 5 cases in a row had no model, the last of them c6: the fake is down. Start it."
        " When it is there again, the same command goes on with the rest"
    )
    assert [row["case_id"] for row in rows(Path("out"))] == ["c1"]
    assert stopped.stdout == ""


def test_an_answer_that_lacks_the_model_is_part_of_an_outage() -> None:
    """What a reranker makes of a model that is down is no failure, but the order of the other signals."""

    def degraded(case: Case, dataset: DataSet) -> Slate:
        lost = (Degradation(stage="rerank", reason="the server is down"),)
        return slate_of(case, dataset).model_copy(update={"degraded": lost})

    arguments = ("run", "--data", FILMS, "--output")
    noted = Noted()
    assert palate_eval(*arguments, "one", opened=opens_with(degraded, noted)).exit_code == 0
    noted.flaws[UNAVAILABLE] = 1
    stopped = palate_eval(*arguments, "two", opened=opens_with(degraded, noted))
    assert "the last of them c5: rerank: the server is down. When" in str(stopped.exception)
    assert list(RunFolder.open(Path("two")).answers()) == []


def test_a_short_outage_is_kept_as_it_was() -> None:
    def away(case: Case, dataset: DataSet) -> Slate:
        if case.case_id in ("c1", "c2", "c5", "c6"):
            raise ModelUnavailable("the fake is down")
        return slate_of(case, dataset)

    assert palate_eval("run", "--data", FILMS, "--output", "out", opened=opens_with(away)).exit_code == 0
    assert [row["case_id"] for row in rows(Path("out"))] == [f"c{n}" for n in range(1, 7)]
    assert OUTAGE == 5


def test_prompts_that_were_told_before_stay() -> None:
    def answers(prompts: Mapping[str, str], fails: bool) -> Opens:
        def answer(case: Case, dataset: DataSet) -> Slate:
            if fails and case.case_id == "c6":
                raise ConfigError("not now")
            return slate_of(case, dataset).model_copy(update={"prompts": dict(prompts)})

        return opens_with(answer)

    arguments = ("run", "--data", FILMS, "--output", "out")
    assert palate_eval(*arguments, opened=answers(SECOND, True)).exit_code == 0
    told = RunFolder.open(Path("out")).told("prompts")
    assert palate_eval(*arguments, opened=answers({"en/rank-renown": SECOND["en/rank-renown"]}, False)).exit_code == 0
    assert RunFolder.open(Path("out")).told("prompts") == told
    assert set(told["model"]) == set(SECOND)  # type: ignore[call-overload]


def about_with(films: Path, settings: Mapping[str, object], **flags: object) -> dict[str, object]:
    return Asked.of(None, {"data": [str(films)], **flags}, Options(None, overrides=settings)).about()


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("recall.n_candidates", 7),
        ("model.context_tokens", 2048),
        ("model.cache_type", "q4_0"),
        ("explain.writer", "compose"),
    ],
)
def test_a_setting_that_answers_depend_on_is_another_run(tmp_path: Path, films: Path, key: str, value: object) -> None:
    one, other = about_with(films, {}), about_with(films, {key: value})
    assert mark(one) != mark(other)
    RunFolder.create(tmp_path / "run", one)
    with pytest.raises(ConfigError, match=f"a run of something else: {key} differ"):
        RunFolder.create(tmp_path / "run", other)


def test_other_settings_are_the_same_run(tmp_path: Path, films: Path) -> None:
    aside = {
        "model.timeout_s": 1,
        "endpoint.timeout_s": 2,
        "model.threads": 1,
        "endpoint.api_key": "secret-key",
        "endpoint.base_url": "http://127.0.0.1:9/v1",
        "cache_folder": str(tmp_path / "cache"),
        "chroma.host": "nowhere",
    }
    found = about_with(films, aside)
    assert mark(found) == mark(about_with(films, {}))
    assert "secret-key" not in json.dumps(found)


def test_the_server_and_the_weights_are_told(tmp_path: Path, films: Path) -> None:
    def remote(address: str) -> dict[str, object]:
        return about_with(films, {"endpoint.base_url": address}, models=["openai:m"])

    one = remote("http://127.0.0.1:9/v1?key=hidden")
    assert one["settings"]["endpoint.base_url"] == "http://127.0.0.1:9/v1"  # type: ignore[index]
    assert "hidden" not in json.dumps(one)
    assert mark(one) != mark(remote("http://127.0.0.1:8/v1"))
    with pytest.raises(ConfigError, match="a user name or a password"):
        remote("http://me:secret@127.0.0.1/v1")
    weights, marks = tmp_path / "w.toml", []
    for taste in (1.0, 2.0):
        weights.write_text(f"[prior]\ntaste = {taste}\n[blend]\nprior = 1.0\n")
        marks.append(mark(about_with(films, {"rerank.weights": str(weights)})))
    assert len({*marks, mark(about_with(films, {}))}) == 3
    weights.unlink()
    with pytest.raises(ConfigError, match="the weights file"):
        about_with(films, {"rerank.weights": str(weights)})


@pytest.mark.parametrize("name", ["events.jsonl.gz", "train-histories.jsonl.gz"])
def test_other_events_are_another_run(films: Path, name: str) -> None:
    found = [about_with(films, {})]
    for item in ("f1", "f2"):
        with gzip.open(films / name, "wt") as file:
            file.write(json.dumps({"user_id": "u1", "item_id": item, "at": 1, "history": [item]}) + "\n")
        found.append(about_with(films, {}))
    assert len({mark(one) for one in found}) == 3
    assert found[0]["events"] == {"films": None}


def answer(case: str) -> Answer:
    return Answer("model", case, "u", 0, ("a",), (), 1, {"model": ("a",)}, 1.0, {}, {}, None, (), {})


def test_a_run_begun_meanwhile_erases_nothing(tmp_path: Path) -> None:
    """Two runs open the same new folder; the one that comes second reads what the first has told."""
    cell = Cell("model", FILMS, "rank", "m", "auto", "built-in", "en", "films")
    about = {"cells": [cell.as_row()], "plan": {}, "seed": 1}
    first, second = (RunFolder.create(tmp_path / "run", about) for _ in range(2))
    with first.writing():
        first.tell("models", "model", {"fingerprint": "a"})
        first.tell("systems", "films", [])
        with pytest.raises(ConfigError, match="another program writes"):
            RunFolder.create(tmp_path / "run", {**about, "plan": {"metrics": ["rr"]}})
        with pytest.raises(ConfigError, match="another program writes"):
            second.tell("prompts", "model", {})
    with second.writing():
        second.tell("prompts", "model", {"p": {}})
    assert set(json.loads((tmp_path / "run" / ABOUT).read_text())) >= {"models", "systems", "prompts"}


def test_a_folder_that_cannot_be_written_still_shows_the_figures() -> None:
    assert palate_eval("run", "--data", FILMS, "--output", "out").exit_code == 0
    Path("out/summary.json").unlink()
    Path("out/summary.json").mkdir()
    for command in (("score", "out"), ("run", "--data", FILMS, "--output", "out")):
        shown = palate_eval(*command)
        assert "cannot write to out" in str(shown.exception)
        assert isinstance(shown.exception, ConfigError)
        assert "recall-only" in shown.stdout


def test_answers_that_cannot_be_read_are_told(tmp_path: Path) -> None:
    cell = Cell("model", FILMS, "rank", "m", "auto", "built-in", "en", "films")
    folder = RunFolder.create(tmp_path / "run", {"cells": [cell.as_row()], "plan": {}})
    (folder.path / ANSWERS).mkdir()
    with pytest.raises(ConfigError, match=r"cannot read .*answers\.jsonl"):
        list(folder.answers())
    with pytest.raises(ConfigError, match="cannot write to"):
        folder.append(answer("c1"))
    folder.close()
