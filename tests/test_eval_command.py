from __future__ import annotations

import gzip
import json
import os
import random
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pytest
from typer.testing import CliRunner, Result

import prompts
from agent.commands.options import Options
from agent.errors import CatalogueError, ConfigError, ModelUnavailable
from agent.types import Slate
from eval import systems
from eval.cases import DataSet
from eval.commands import app, commands_with
from eval.comparisons import Comparison, not_worse
from eval.options import watch
from eval.results import Results, not_worse_sentence, summarise, verdict
from eval.running.asked import Asked
from eval.running.folder import RunFolder
from eval.running.live import Progress
from eval.running.opening import CellOpener, Surroundings
from eval.running.runner import run
from eval.running.scoring import results_of
from eval.runs import Run
from eval.statistics import Difference, holm
from eval.systems import built_in
from tests.support.fake_ranker import FILMS, FakeRanker, opener_of, opens

ROOT = Path(__file__).parent.parent
FIGURES = {"value", "low", "high", "n"}
BETTER = "better on 30 cases, worse on 20"
NAMES = ["random", "popularity", "recall-only", "without-model", "likelihood-only", "model", "oracle", "rival"]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return Path(shutil.copytree(FILMS, tmp_path / "films"))


def palate_eval(*arguments: object, ranker: FakeRanker | None = None) -> Result:
    ranker = ranker or FakeRanker()
    app = commands_with(opener_of(ranker), opens(ranker))
    return CliRunner().invoke(app, [str(a) for a in arguments], env={"COLUMNS": "140"})


def films_run(ranker: FakeRanker | None = None) -> tuple[Results, Run]:
    """The films answered by a fake, with a clock that takes 10 ms for each."""
    ticks = iter(range(1_000))
    with TemporaryDirectory() as path:
        asked = Asked.of(None, {"data": str(FILMS)}, Options())
        folder = RunFolder.create(Path(path), asked.about())
        around = Surroundings(asked.settings_of, 0, watch, lambda _: None)
        with opens(ranker or FakeRanker())(around) as open_cell, Progress(None, "") as progress:
            run(asked.job(), folder, open_cell, progress, clock=lambda: next(ticks) / 100)
        results, found = results_of(folder)
        return results, replace(found, orders={name: dict(orders) for name, orders in found.orders.items()})


def test_the_json_has_the_documented_shape() -> None:
    result = palate_eval("run", "--data", FILMS, "--task", "rank", "--json")
    assert result.exit_code == 0, result.output
    found = json.loads(result.stdout)
    assert [row["system"] for row in found["results"]] == NAMES
    for row in found["results"]:
        for name in ("ndcg@1", "ndcg@5", "ndcg@10", "ndcg@20", "rr", "success@10"):
            figures = row["metrics"][name]
            assert set(figures) == FIGURES
            assert 0 <= figures["low"] <= figures["value"] <= figures["high"] <= 1
            assert figures["n"] == 6
    pair = found["comparisons"][0]
    assert (pair["system"], pair["against"]) == ("model", "recall-only")
    assert set(pair["metrics"]["ndcg@10"]) == FIGURES | {"p", "wins", "losses", "p_holm", "detectable"}
    assert found["task"] == "rank"
    assert found["model"]["fingerprint"] == "cd" * 32
    assert found["prompts"] == {"en/rank-likelihood": "ab" * 32}
    assert found["dataset"]["sha256"] == DataSet.open(FILMS).sha256
    assert found["dataset"]["n_run"] == found["dataset"]["n_cases"] == 6
    assert set(found["timings_ms"]) == {"p50", "p95", "n"}
    for trouble, named in (("degraded", "reasons"), ("failed", "cases")):
        assert (found[trouble]["count"], found[trouble][named]) == (0, {})
        assert found[trouble]["rate"]["high"] == pytest.approx(0.39, abs=0.005), "none of 6 may still be 39 in 100"
    assert found["dataset"]["n_users"] == 6
    assert found["method"]["metrics"]["ndcg@10"]["library"].startswith("ir-measures")


def test_a_run_repeats_but_for_the_clock() -> None:
    one, two = (json.loads(palate_eval("run", "--data", FILMS, "--json").stdout) for _ in range(2))
    for found in (one, two):
        found["timings_ms"] = found["cells"][0]["timings_ms"] = 0
    assert one == two
    other = json.loads(palate_eval("run", "--data", FILMS, "--json", "--seed", "5").stdout)
    assert other["results"][0]["metrics"] != one["results"][0]["metrics"]
    assert other["results"][1:] == one["results"][1:]


def test_the_table_shows_every_system_with_interval_and_n_and_says_who_wins() -> None:
    result = palate_eval("run", "--data", FILMS)
    assert result.exit_code == 0, result.output
    for name in NAMES:
        assert name in result.stdout
    assert "ndcg@10 [95 %]" in result.stdout
    assert "likelihood-only 2, rival 2 (they count as 0)" in result.stdout
    assert "model is not shown to differ from recall-only" in result.stdout
    assert "time a case" in result.stdout
    assert "en/rank-likelihood abababababab" in result.stdout
    assert result.stderr.startswith("model 6/6 live ndcg@10")


def test_each_system_orders_as_it_says() -> None:
    _, run = films_run()
    orders = {name: run.orders[name]["c2"] for name in run.orders}
    assert orders["oracle"][0] == "f6"
    assert orders["rival"] == ("f3", "f6")
    assert orders["model"][0] == "f6"
    assert sorted(orders["random"]) == sorted(orders["recall-only"]) == ["f3", "f6", "f7", "f9"]
    assert run.orders["rival"]["c4"] == run.orders["rival"]["c3"] == ()
    assert run.orders["likelihood-only"]["c1"][0] == "f4"
    assert run.orders["likelihood-only"]["c3"] == (), "all scores equal: the model has no opinion"
    assert run.answered("rival") == 4


def test_ties_in_a_stage_do_not_go_by_the_order_of_the_case() -> None:
    dataset = DataSet.open(FILMS)
    tied = {case.case_id: case for case in dataset.cases()}["c1"]
    ranker = FakeRanker()
    found = set()
    for n in range(20):
        case = tied.model_copy(update={"case_id": f"c{n}"})
        slate = ranker.rank([dataset.items["f3"]], [dataset.items[i] for i in case.candidates])
        order = systems.recall_order(case, slate)
        assert order[0] == "f4"
        found.add(order[1])
        turned = case.model_copy(update={"candidates": case.candidates[::-1]})
        assert systems.recall_order(turned, slate) == order
    assert found == {"f1", "f5", "f8"}


def test_a_slate_outside_the_candidates_earns_nothing() -> None:
    dataset = DataSet.open(FILMS)
    case = next(dataset.cases())
    slate = FakeRanker().rank([], [dataset.items["f9"], dataset.items["f4"]])
    assert systems.slate_order(case, slate) == ("f4",)
    assert systems.slate_order(case, Slate(user_id="", recommendations=())) == ()
    assert systems.recall_order(case, None) == ()


def test_the_wish_of_a_case_reaches_the_ranker() -> None:
    ranker = FakeRanker()
    films_run(ranker)
    assert ranker.wishes == [None, None, None, None, "a storm at sea", None]


def test_a_case_that_fails_or_degrades_stays_and_is_told() -> None:
    ranker = FakeRanker(fails=["f9"], degrades=["f3"])
    result = palate_eval("run", "--data", FILMS, "--json", ranker=ranker)
    assert result.exit_code == 0, result.output
    found = json.loads(result.stdout)
    assert found["failed"]["cases"] == {"c4": "the fake is down. Ask again"}
    assert found["degraded"]["reasons"] == {"rerank: no opinion today": 1}
    for trouble in ("failed", "degraded"):
        assert found[trouble]["count"] == 1
        assert found[trouble]["rate"]["value"] == pytest.approx(1 / 6)
    model = next(row for row in found["results"] if row["system"] == "model")
    assert model["answered"] == 5
    assert model["answered_rate"]["value"] == pytest.approx(5 / 6)
    assert 0.4 < model["answered_rate"]["low"] < 5 / 6 < model["answered_rate"]["high"] < 1
    assert model["metrics"]["ndcg@10"]["n"] == 6
    assert model["metrics"]["ndcg@10"]["value"] < 5 / 6 + 1e-9
    assert found["timings_ms"]["n"] == 5, "a failure is no answer to be timed"
    assert "1 case failed and count as 0, such as c4: the fake is down" in " ".join(result.stderr.split())
    assert "1 case degraded: rerank: no opinion today" in result.stderr


def test_a_leak_is_told(folder: Path) -> None:
    leak = {"case_id": "leak", "user_id": "u", "history": ["f2"], "candidates": ["f2", "f3"], "relevant": ["f2"]}
    with (folder / "cases.jsonl").open("a") as file:
        file.write(json.dumps(leak) + "\n")
    result = palate_eval("run", "--data", folder, "--json")
    assert json.loads(result.stdout)["dataset"]["leaked"] == {"count": 1, "cases": ["leak"]}
    assert "1 case of films give the answer away" in " ".join(result.stderr.split())


def test_limit_takes_the_first_cases() -> None:
    result = palate_eval("run", "--data", FILMS, "--limit", 2, "--json")
    found = json.loads(result.stdout)
    assert (found["limit"], found["dataset"]["n_run"], found["dataset"]["n_cases"]) == (2, 2, 6)
    assert found["results"][0]["metrics"]["rr"]["n"] == 2
    one = json.loads(palate_eval("run", "--data", FILMS, "--limit", 1, "--json").stdout)
    assert one["results"][0]["metrics"]["rr"]["low"] is None
    assert palate_eval("run", "--data", FILMS, "--limit", 1).exit_code == 0


@pytest.mark.parametrize("limit", ["0", "-3", "many"])
def test_a_limit_that_is_none_is_a_usage_error(limit: str) -> None:
    result = palate_eval("run", "--data", FILMS, "--limit", limit)
    assert result.exit_code == 2
    assert "--limit" in result.stderr
    assert result.stdout == ""


def test_an_unknown_task_lists_the_known_ones() -> None:
    result = palate_eval("run", "--data", FILMS, "--task", "rnak")
    assert isinstance(result.exception, ConfigError)
    assert "task should be one of rank, recommend, converse, explain, not 'rnak' (did you mean rank?)" in str(
        result.exception
    )


@pytest.mark.parametrize("command", ["run", "fit"])
def test_a_missing_or_broken_data_set_stops_before_any_work(folder: Path, command: str) -> None:
    ranker = FakeRanker()
    assert isinstance(palate_eval(command, "--data", folder / "none", ranker=ranker).exception, ConfigError)
    (folder / "cases.jsonl").write_text("{broken\n")
    result = palate_eval(command, "--data", folder, ranker=ranker)
    assert isinstance(result.exception, CatalogueError)
    assert "cases.jsonl, line 1: is not JSON" in str(result.exception)
    assert ranker.wishes == []
    nothing = palate_eval(command)
    assert isinstance(nothing.exception, ConfigError) or nothing.exit_code == 2


def test_the_model_flag_reaches_the_cell() -> None:
    ranker = FakeRanker()
    for flags in ([], ["--model", "gemma3-270m"]):
        assert palate_eval("run", "--data", FILMS, "--json", *flags, ranker=ranker).exit_code == 0
    assert [cell.model for cell in ranker.opened] == ["smollm2-135m", "gemma3-270m"]


def test_fit_writes_the_file_and_reports_unseen_cases(tmp_path: Path) -> None:
    path = tmp_path / "weights.toml"
    result = palate_eval("fit", "--data", FILMS, "--output", path, "--json")
    assert result.exit_code == 0, result.output
    found = json.loads(result.stdout)
    written = tomllib.loads(path.read_text())
    assert set(written) == {"prior", "blend", "fitted"}
    for table in ("prior", "blend"):
        assert found["weights"][table] == pytest.approx(written[table], abs=1e-6)
    assert [row["system"] for row in found["results"]][:3] == ["recall-only", "without-model", "model"]
    assert found["folds"] == 2
    assert set(found["fits"]) == {"all cases", "first half", "second half"}
    assert f"weights written to {path}" in "".join(result.stderr.splitlines())
    drawn = palate_eval("fit", "--data", FILMS)
    assert "blend: " in drawn.stdout
    assert "carried over: wish, listwise" in drawn.stdout


def test_fit_refuses_an_output_that_cannot_be_written_before_any_work(tmp_path: Path) -> None:
    ranker = FakeRanker()
    result = palate_eval("fit", "--data", FILMS, "--output", tmp_path / "no" / "w.toml", ranker=ranker)
    assert isinstance(result.exception, ConfigError)
    assert ranker.wishes == []


def test_a_verdict_needs_both_the_interval_and_the_test() -> None:
    results, _ = films_run()
    sentences = {pair.against: verdict(pair) for pair in results.comparisons if pair.system == "model"}
    assert sentences["rival"].startswith("model is not shown to differ from rival"), "six cases cannot show it"
    wins = {f"c{n}": ("a",) for n in range(20)}
    won = Run(relevant=wins, orders={"model": wins, "recall-only": dict.fromkeys(wins, ())})
    only = [s for s in built_in() if s.name in ("model", "recall-only")]
    assert verdict(summarise(won, only).comparisons[0]).startswith("model beats recall-only: ndcg@10 +1.000")
    lost = Run(relevant=wins, orders={"model": dict.fromkeys(wins, ()), "recall-only": wins})
    assert verdict(summarise(lost, only).comparisons[0]).startswith("model loses to recall-only")


def rows_of(result: Result) -> dict[str, dict[str, dict[str, dict[str, object]]]]:
    assert result.exit_code == 0, result.output
    return {row["system"]: row for row in json.loads(result.stdout)["results"]}


def test_a_run_tells_what_orders_do_besides_hitting(folder: Path) -> None:
    items = (folder / "items.jsonl").read_text()
    (folder / "items.jsonl").write_text(items.replace('"popularity"', '"seats"'))
    result = palate_eval("run", "--data", folder, "--json")
    for name, row in rows_of(result).items():
        assert set(row["beyond"]) == {"coverage", "gini", "novelty", "popularity", "tag_diversity", "calibration"}, name
        assert row["beyond"]["popularity"]["value"] is None
        assert "neither events.jsonl.gz" in str(row["beyond"]["novelty"]["reason"])
    oracle = rows_of(result)["oracle"]["beyond"]
    assert set(oracle["tag_diversity"]) == set(oracle["coverage"]) == FIGURES
    assert oracle["coverage"] == {"value": 1.0, "low": None, "high": None, "n": 6}
    told = json.loads(result.stdout)["method"]["beyond"]
    assert told["k"] == 10
    assert "first 10 places" in told["metrics"]["gini"]["formula"]
    assert told["metrics"]["calibration"]["better"] == "lower"
    drawn = palate_eval("run", "--data", folder).stdout
    assert "the first 10 places" in drawn
    assert "novelty, popular: the data set has neither events.jsonl.gz" in " ".join(drawn.split())


def test_events_make_novelty_and_popularity_known(folder: Path) -> None:
    with gzip.open(folder / "events.jsonl.gz", "wt") as file:
        file.writelines(json.dumps({"user_id": f"v{n}", "item_id": f"f{n % 3 + 1}", "at": n}) + "\n" for n in range(9))
    row = rows_of(palate_eval("run", "--data", folder, "--json"))["model"]["beyond"]
    assert set(row["popularity"]) == set(row["novelty"]) == FIGURES
    assert 0 < float(str(row["popularity"]["value"])) < 3
    assert "not given" not in palate_eval("run", "--data", folder).stdout


def test_the_metrics_asked_for_are_the_ones_given() -> None:
    names = ["recall@2", "f1@2", "map@4", "hr@1", "mrr"]
    result = palate_eval("run", "--data", FILMS, "--json", "--metrics", ",".join(names))
    assert list(rows_of(result)["model"]["metrics"]) == names
    assert list(json.loads(result.stdout)["method"]["metrics"]) == names
    drawn = palate_eval("run", "--data", FILMS, "--metrics", ",".join(names)).stdout
    assert "recall@2 [95 %]" in drawn
    assert "mrr" in drawn
    assert "ndcg" not in drawn
    assert "model is not shown to differ from recall-only: recall@2" in drawn


@pytest.mark.parametrize("names", ["ndcg@10,recal@5", "", "precision"])
def test_metrics_that_are_none_are_refused_with_the_list(names: str) -> None:
    ranker = FakeRanker()
    result = palate_eval("run", "--data", FILMS, "--metrics", names, ranker=ranker)
    assert isinstance(result.exception, ConfigError)
    assert "recall@K, precision@K, f1@K, map@K" in str(result.exception)
    assert ranker.wishes == []


def test_a_margin_gives_every_comparison_a_sentence() -> None:
    result = palate_eval("run", "--data", FILMS, "--not-worse-than", "0.01", "--json")
    for pair in json.loads(result.stdout)["comparisons"]:
        shown = pair["metrics"]["ndcg@10"]["low"] > -0.01
        assert pair["not_worse"] == {"metric": "ndcg@10", "margin": 0.01, "shown": shown}
    drawn = palate_eval("run", "--data", FILMS, "--not-worse-than", "0.999").stdout
    assert drawn.count("by more than 0.999 ndcg@10") == len(json.loads(result.stdout)["comparisons"])
    assert "by more than" not in palate_eval("run", "--data", FILMS).stdout
    assert "not_worse" not in json.loads(palate_eval("run", "--data", FILMS, "--json").stdout)["comparisons"][0]


def test_a_margin_that_is_none_is_refused() -> None:
    for margin in ("nan", "-1", "inf", "little"):
        result = palate_eval("run", "--data", FILMS, "--not-worse-than", margin)
        assert result.exit_code == 2
        assert "--not-worse-than" in result.stderr


def test_being_no_worse_is_read_off_the_interval() -> None:
    def pair(low: float | None, value: float, high: float | None) -> Comparison:
        found = Difference(value, low, high, 9, 0.5, 3, 3)
        return Comparison("new", "old", {"rr": found}, {"rr": 0.5}, {"rr": 0.1})

    cases = {
        "new is not worse than old by more than 0.02 rr": pair(-0.01, 0.0, 0.01),
        "new is not shown to be within 0.02 rr of old": pair(-0.05, 0.01, 0.06),
        "new is worse than old by more than 0.02 rr": pair(-0.09, -0.06, -0.03),
        "new against old: one case or one user says nothing": pair(None, 0.0, None),
    }
    for sentence, compared in cases.items():
        assert not_worse_sentence(compared, 0.02, "rr").startswith(sentence)
    assert [not_worse(compared, 0.02, "rr") for compared in cases.values()] == [True, False, False, None]
    assert not_worse(pair(-0.02, 0.0, 0.02), 0.02, "rr") is False, "the bound itself is not within it"


def test_a_verdict_needs_the_p_of_the_whole_family() -> None:
    found = Difference(0.1, 0.01, 0.2, 50, 0.03, 30, 20)
    alone = Comparison("a", "b", {"ndcg@10": found}, {"ndcg@10": 0.03}, {"ndcg@10": 0.1})
    among = Comparison("a", "b", {"ndcg@10": found}, {"ndcg@10": 0.12}, {"ndcg@10": 0.1}, family=4)
    assert verdict(alone) == "a beats b: ndcg@10 +0.100 [+0.010, +0.200], p = 0.03, n = 50; " + BETTER
    assert verdict(among).startswith("a is not shown to differ from b")
    assert "p = 0.12 (Holm, of 4), n = 50" in verdict(among)


def test_the_run_corrects_for_all_its_comparisons_and_tells_what_it_could_see() -> None:
    found, _ = films_run()
    raw = [pair.metrics["ndcg@10"].p for pair in found.comparisons]
    assert [pair.p_holm["ndcg@10"] for pair in found.comparisons] == holm(raw)
    assert {pair.family for pair in found.comparisons} == {len(raw)} == {4}
    drawn = " ".join(palate_eval("run", "--data", FILMS).stdout.split())
    assert "detectable model / recall-only" in drawn
    assert "80 % power, alpha .05" in drawn
    assert "0 of 6 cases [0.0 %, 39.0 %]" in drawn


def test_the_vectors_of_the_cell_tell_a_diversity_of_their_own(tmp_path: Path) -> None:
    """Of more candidates than ten: the first ten of fewer are the same in any order, and nothing is told of them."""
    items = DataSet.open(FILMS).items
    films = shutil.copytree(FILMS, tmp_path / "many")
    rows = [json.loads(line) for line in (films / "cases.jsonl").read_text().splitlines()]
    shown = [{**row, "candidates": list(items), "reference": {}} for row in rows]
    (films / "cases.jsonl").write_text("".join(json.dumps(row) + "\n" for row in shown))
    vectors = {item_id: np.eye(len(items), dtype=np.float32)[n] for n, item_id in enumerate(items)}

    def ran(*arguments: str) -> str:
        app = commands_with(opener_of(FakeRanker()), opens(FakeRanker(), vectors))
        return CliRunner().invoke(app, ["run", "--data", str(films), *arguments], env={"COLUMNS": "80"}).stdout

    found = [row["beyond"]["vector_diversity"] for row in json.loads(ran("--json"))["results"]]
    assert {round(one["value"], 9) for one in found if one["n"]} == {1}
    heading = next(line for line in ran().splitlines() if "coverage" in line)
    assert heading.split()[-3:] == ["diverse", "vectors", "off-mix"], "all of them on a terminal of 80 columns"
    assert "vectors" not in palate_eval("run", "--data", films).stdout


def test_cases_of_one_user_count_together(folder: Path) -> None:
    rows = [json.loads(line) for line in (folder / "cases.jsonl").read_text().splitlines()]
    again = [{**row, "case_id": f"{row['case_id']}-{n}"} for n in range(4) for row in rows]
    apart = [{**row, "user_id": row["case_id"]} for row in again]
    found = []
    for lines in (again, apart):
        (folder / "cases.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
        found.append(json.loads(palate_eval("run", "--data", folder, "--json").stdout))
    assert [run["dataset"]["n_users"] for run in found] == [6, 24]
    together, alone = (run["comparisons"][0]["metrics"]["ndcg@10"] for run in found)
    assert (together["n"], together["value"]) == (alone["n"], alone["value"]) == (24, pytest.approx(alone["value"]))
    assert together["detectable"] > alone["detectable"]
    assert together["p"] >= alone["p"]


def test_hostile_names_cannot_touch_the_terminal(folder: Path) -> None:
    text = (folder / "cases.jsonl").read_text()
    (folder / "cases.jsonl").write_text(text.replace('"rival"', '"\\u001b[31mrival [bold]x"'))
    result = palate_eval("run", "--data", folder)
    assert result.exit_code == 0, result.output
    assert "\x1b" not in result.stdout
    assert "rival [bold]x" in result.stdout


def test_an_unopenable_model_stops_the_run() -> None:
    @contextmanager
    def unopenable(_: Surroundings) -> Iterator[CellOpener]:
        raise ModelUnavailable("no such model", "Pull it")
        yield

    result = CliRunner().invoke(commands_with(opener_of(FakeRanker()), unopenable), ["run", "--data", str(FILMS)])
    assert isinstance(result.exception, ModelUnavailable)
    assert result.stdout == ""


def in_a_process(folder: Path, *arguments: object) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "eval", *map(str, arguments)]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    return subprocess.run(command, capture_output=True, text=True, env=environment, cwd=folder, timeout=300)


@pytest.mark.thorough
def test_the_real_ranker_runs_in_a_process_of_its_own(tmp_path: Path) -> None:
    """The embedder, the default model and its prompt, over the whole small catalogue."""
    done = in_a_process(tmp_path, "run", "--data", FILMS, "--fresh", "--json")
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    answered = {row["system"]: row["answered"] for row in found["results"]}
    assert answered == {**dict.fromkeys(NAMES, 6), "rival": 4}
    assert found["model"]["reference"] == "smollm2-135m"
    assert len(found["model"]["fingerprint"]) >= 32
    assert list(found["prompts"]) == ["en/rank-likelihood", "en/rank-renown"]
    assert found["degraded"]["count"] == found["failed"]["count"] == 0
    figures = {row["system"]: row["metrics"]["ndcg@10"]["value"] for row in found["results"]}
    assert figures["model"] > figures["random"]
    assert found["timings_ms"]["p95"] >= found["timings_ms"]["p50"] > 0
    assert list(tmp_path.iterdir()) == [], "nothing is written beside the data set"


def test_a_process_of_its_own_tells_mistakes_in_one_line(tmp_path: Path) -> None:
    done = in_a_process(tmp_path, "run", "--data", tmp_path / "none", "--json")
    assert done.returncode == 2
    assert done.stdout == ""
    assert done.stderr.startswith("palate: there is no data set folder")
    assert done.stderr.count("\n") == 1
    assert list(tmp_path.iterdir()) == []


def test_a_second_run_of_the_same_matrix_asks_the_real_model_nothing(tmp_path: Path) -> None:
    """Two prompts on the default model, opened once for both; the seed is new, so nothing is kept before."""
    (tmp_path / "second/en").mkdir(parents=True)
    text = prompts.load("rank-likelihood").text.replace("enjoyed", "loved")
    (tmp_path / "second/en/rank-likelihood.j2").write_text(text)
    flags = ["--data", str(FILMS), "--prompts", "built-in", "--prompts", "second", "--strategy", "likelihood"]
    arguments = ["run", *flags, "--seed", str(random.randrange(2**40)), "--json", "--output"]
    one, two = (CliRunner().invoke(app, [*arguments, name]) for name in ("one", "two"))
    first, again = json.loads(one.stdout), json.loads(two.stdout)
    assert (first["calls"]["kept"], again["calls"]["asked"]) == (0, 0)
    assert first["calls"]["asked"] >= again["calls"]["kept"] == 12
    assert again["results"] == first["results"]
    assert again["timings_ms"]["n"] == 0
    assert "0 asked, 12 kept" in CliRunner().invoke(app, ["score", "two"]).stdout
    plan = json.loads(CliRunner().invoke(app, ["plan", *arguments[1:-1]]).stdout)
    assert (plan["kept"], plan["seconds"]) == (12, 0.0)
    assert first["cells"][0]["facts"]["strategy"] == "likelihood"
