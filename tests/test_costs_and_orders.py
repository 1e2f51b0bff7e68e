"""What answers cost, whether they stay when candidates are shown in another order, and what a report says of both."""

from __future__ import annotations

import csv
import gzip
import json
import random
from collections import Counter
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats
from typer.testing import CliRunner

from agent.commands.options import Options
from agent.deadline import Deadline
from agent.errors import ConfigError
from agent.llm.remote.chat import usage_in
from agent.llm.scripted import Scripted
from agent.rerank.base import Ranking
from agent.settings import Settings
from agent.store.cache import Cache
from agent.types import Item
from eval.agreement import kendall_tau, slope
from eval.baselines import left_out
from eval.cases import EVENTS, Case, DataSet
from eval.commands import app
from eval.plan.estimate import answer_key
from eval.plan.prices import FREE, Price, money, price_for, prices_in
from eval.plan.single import single
from eval.plan.weighing import Scales, tokens_a_case
from eval.reporting.diffing import diff
from eval.reporting.fronts import front
from eval.reporting.gating import gate_of_run
from eval.reporting.page import page
from eval.reporting.report import report_of
from eval.running.answers import Answer, Permuted
from eval.running.asked import Asked
from eval.running.kept import FILE, Kept
from eval.running.opening import OpenedCell
from eval.running.permuting import Permuting, permuted
from eval.running.spending import Spending
from eval.running.stability import Stability
from eval.running.timings import timings_for
from eval.systems import LIKELIHOOD_ONLY, MODEL
from tests.support.llama_server import LlamaServer
from tests.support.stored_run import data_set, stored_run

NEVER = Deadline.never()
PRICE = Price.model_validate({"in": 1.0, "out": 4.0, "cached": 0.5})
IDS = tuple("abcdef")


class Metered(Scripted):
    """A script that counts its tokens, as an endpoint does: each choice takes 30, 10 of them cached, and writes 2."""

    def __init__(self) -> None:
        super().__init__(scores=lambda *_: -1.0, fingerprint="f" * 64)
        self.used = Counter({"in": 5})  # of before

    def choose(self, *args: Any) -> list[tuple[float, ...]]:
        self.used += Counter({"in": 30, "cached": 10, "out": 2})
        return super().choose(*args)


def item(item_id: str) -> Item:
    return Item(item_id=item_id, title=f"Title {item_id}")


class FirstIsBest:
    """A reranker that keeps the order it is shown, with weight `bias`, and else likes ids early in the alphabet."""

    name = "first is best"

    def __init__(self, bias: float) -> None:
        self._bias = bias

    def rank(self, history: object, candidates: list[Item], wish: object, deadline: Deadline) -> Ranking:
        merit = sorted(one.item_id for one in candidates)
        scores = [-self._bias * n - (1 - self._bias) * merit.index(one.item_id) for n, one in enumerate(candidates)]
        return Ranking(tuple(scores), parts={"part": tuple(scores)})

    def precompute(self, items: object, deadline: Deadline) -> None:
        """Nothing."""


def answer_of(bias: float, user: str = "u", orders: int = 4) -> Answer:
    """An answer to a case asked in several orders of six candidates, by such a reranker."""
    permuting = Permuting(FirstIsBest(bias), seed=7)
    rows = []
    for number in range(orders):
        with permuting.in_order(number):
            scores = permuting.rank([], [item(one) for one in IDS], None, NEVER).scores
        got = tuple(sorted(IDS, key=lambda one: -scores[IDS.index(one)]))
        rows.append(Permuted(permuting.shown, {MODEL: got, LIKELIHOOD_ONLY: got}))
    return Answer("v1", f"c-{user}", user, 0, ("a",), (), 6, {}, 1.0, {}, {}, None, (), {}, permuted=tuple(rows))


def test_tokens_are_priced_by_the_million_and_cached_ones_apart() -> None:
    assert PRICE.of({"in": 1_000_000, "cached": 400_000, "out": 100_000}) == pytest.approx(0.6 + 0.2 + 0.4)
    plain = Price.model_validate({"in": 1.0, "out": 4.0})
    assert plain.of({"in": 1_000_000, "cached": 400_000}) == pytest.approx(1.0), "cached ones cost as others do"
    assert price_for("smollm2-135m", {}) == FREE
    assert price_for("openai:x", {}) is None, "what a server takes is not known"
    assert prices_in(["openai:x=0.15/0.6", "a=b=1/2/0.5"]) == {
        "openai:x": {"in": 0.15, "out": 0.6},
        "a=b": {"in": 1, "out": 2, "cached": 0.5},
    }
    for bad in ("x", "x=1", "x=1/y", "=1/2", "x=1/2/3/4"):
        with pytest.raises(ConfigError, match="is no price"):
            prices_in([bad])
    assert [money(one, "EUR") for one in (0, 0.0000648, 0.109, 1234.5, None)] == [
        "0.00 EUR", "0.0000648 EUR", "0.109 EUR", "1,234.50 EUR", "–",
    ]  # fmt: skip


def test_a_reply_tells_what_it_took() -> None:
    usage = {"prompt_tokens": 9, "completion_tokens": 2, "prompt_tokens_details": {"cached_tokens": 4}}
    assert usage_in(json.dumps({"usage": usage}).encode()) == {"in": 9, "out": 2, "cached": 4}
    assert usage_in(b"{}") == {"in": 0, "out": 0, "cached": 0}
    assert usage_in(b"no json") == {}


def test_tokens_that_a_model_counts_are_noted_and_kept(tmp_path: Path) -> None:
    with Cache(tmp_path / FILE) as cache:
        for asked in (True, False):
            inner = Metered()
            kept = Kept(inner, cache, seed=1)
            noted = kept.begin(0)
            kept.choose("p", ["x", "y"], [[" yes"], [" no"]], NEVER)
            assert noted.tokens == {"in": 30, "cached": 10, "out": 2}, "those of a kept call are told, too"
            assert len(inner.calls) == asked


def test_what_answers_cost_has_an_interval_over_people_or_is_not_known() -> None:
    spending, draw = Spending(), random.Random(1)
    for n in range(40):
        tokens = {"in": 1_000 + draw.randrange(100), "out": 10}
        other = Permuted((), {}, {"in": 500})
        row = replace(answer_of(0.0, f"u{n // 2}", 1), tokens=tokens, calls={"asked": 1}, permuted=(other, other))
        spending.take(row)
    cost = spending.cost(PRICE)
    assert cost is not None
    assert cost.total == pytest.approx(sum(spending.tokens["in"]) / 1e6 + 40 * 10 * 4 / 1e6)
    assert cost.per_1000.value == pytest.approx(1_000 * cost.total / 40)
    assert cost.per_1000.low is not None
    assert cost.per_1000.low < cost.per_1000.value < (cost.per_1000.high or 0)
    assert cost.orders == pytest.approx(40 * 2 * 500 / 1e6), "apart: figures are those of one order"
    assert spending.cost(None) is None
    spending.take(replace(answer_of(0.0, "u", 1), calls={"asked": 1}))
    assert spending.cost(PRICE) is None, "an answer that tells no tokens is not free"
    assert spending.cost(FREE) is not None


@settings(deadline=None, max_examples=50)
@given(st.permutations(IDS), st.permutations(IDS))
def test_tau_is_that_of_a_second_library(one: list[str], other: list[str]) -> None:
    ranks = [other.index(item_id) for item_id in one]
    assert kendall_tau(tuple(one), tuple(other)) == pytest.approx(stats.kendalltau(range(6), ranks).statistic)


def test_slopes_need_two_places() -> None:
    assert slope([1, 2, 3], [5, 7, 9]) == pytest.approx(2)
    assert slope([1, 1], [2, 3]) is None


def test_a_strategy_that_no_order_moves_is_stable_and_one_that_repeats_it_is_biased() -> None:
    steady, parrot = Stability(), Stability()
    for n in range(30):
        steady.take(answer_of(0.0, f"u{n}"))
        parrot.take(answer_of(1.0, f"u{n}"))
    one, other = steady.found, parrot.found
    assert one is not None
    assert other is not None
    assert (one.tau.value, one.same_top.value) == (1, 1)
    assert (one.same_top.low or 0) < 1, "30 people do not show that all are alike"
    assert other.bias is not None
    assert other.bias.value == pytest.approx(1)
    assert [found.value for found in other.by_slot] == [1, 2, 3, 4, 5, 6]
    assert all(slot == place for slot, place in other.slots)
    assert sum(other.slots.values()) == 30 * 3 * 6, "the first order, where merit and slot go together, is left out"
    assert Stability().found is None


def test_orders_are_drawn_by_seed_and_scores_come_back_in_place() -> None:
    items = [item(one) for one in IDS]
    permuting, again = Permuting(FirstIsBest(0.0), seed=1), Permuting(FirstIsBest(0.0), seed=1)
    plain = permuting.rank([], items, None, NEVER)
    assert permuting.shown == IDS
    with permuting.in_order(1), again.in_order(1):
        assert permuting.rank([], items, None, NEVER) == plain
        again.rank([], items, None, NEVER)
    assert permuting.shown == again.shown != IDS
    assert Permuting(FirstIsBest(0.0), seed=2).shown == ()
    cell = OpenedCell(lambda _: None, {})  # type: ignore[arg-type,return-value]
    assert permuted(cell, Case(case_id="c", user_id="u", relevant=("a",)), {}, 0, 3) == (), "it cannot"


def test_an_answer_in_several_orders_is_read_back() -> None:
    answer = answer_of(0.5)
    row = json.loads(json.dumps(answer.as_row()))
    assert Answer.from_row(row) == answer
    assert "permuted" not in replace(answer, permuted=()).as_row()


def test_the_front_holds_what_none_beats() -> None:
    assert front([(0.8, 3.0), (0.6, 1.0), (0.7, 9.0), (0.6, 2.0), (0.8, 3.0)]) == [1, 0, 4]
    assert front([]) == []


@pytest.fixture(scope="module")
def priced(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of two cells with prices: v1 is dear and good, v2 repeats the order it is shown."""
    root = tmp_path_factory.mktemp("priced")

    def edit(answer: Answer) -> Answer:
        is_first = answer.cell == "v1"
        tokens = {"in": 900 if is_first else 300, "cached": 0, "out": 10}
        rows = answer_of(0.0 if is_first else 1.0, answer.user_id).permuted
        return replace(answer, tokens=tokens, ms=answer.ms * (3 if is_first else 1), permuted=rows)

    gate = [{"cost_per_1000": 0.5}, {"order_stability": 0.5}]
    run = stored_run(root / "run", data_set(root / "films", 30), {"v1": 0.9, "v2": 0.4}, edit=edit, gate=gate)
    about = json.loads((run / "run.json").read_text())
    about["plan"]["prices"] = {"made-up": {"in": 1.0, "out": 4.0}}
    about["left_out"] = {"films": {"als": "no events in films", "ease": "no events in films"}}
    (run / "run.json").write_text(json.dumps(about))
    return run


def test_cost_and_stability_stand_in_all_that_is_told_of_a_run(priced: Path, tmp_path: Path) -> None:
    report = report_of(priced)
    text = page([report])
    for words in (
        "Quality against cost", "Pareto front of ndcg@10 and p95", "The same candidates in other orders",
        "als, ease: left out, no events in films", "Not shown: coverage", 'class="heat"', 'class="front"',
    ):  # fmt: skip
        assert words in text, words
    first, second = report.reading.summary.as_json()["cells"]  # type: ignore[misc]
    assert first["cost"]["per_1000"]["value"] == pytest.approx(0.94)
    assert second["stability"]["alone"]["bias"]["value"] == pytest.approx(1)
    found = diff(report.reading, report.reading)
    assert found.sentence(found.cells[0]).startswith("v2 loses to v1: "), "one run needs no name"
    assert found.cost(found.cells[0]) == "0.340 USD for 1,000 answers, 0.940 USD before"
    CliRunner().invoke(app, ["report", str(priced), "-o", str(tmp_path / "r.csv")])
    rows = list(csv.DictReader((tmp_path / "r.csv").open()))
    assert {row["cost"] for row in rows if row["system"] == "v1"} == {"0.00094"}
    assert {row["cost"] for row in rows if row["system"] == "random"} == {""}
    shown = CliRunner().invoke(app, ["show", str(priced), "c3", "--json"])
    assert json.loads(shown.stdout)["answers"][0]["cost"] == pytest.approx(0.00094)


def test_a_gate_bounds_cost_and_stability_by_the_interval(priced: Path) -> None:
    outcomes = {(one.cell, one.condition): one.outcome for one in gate_of_run(priced).judgements}
    assert outcomes == {
        ("v1", "cost of 1,000 answers at most 0.5"): "failed",
        ("v2", "cost of 1,000 answers at most 0.5"): "passed",
        ("v1", "order stability at least 0.5"): "passed",
        ("v2", "order stability at least 0.5"): "failed",
    }
    high = gate_of_run(priced, [{"order_stability": 0.99}], "v1").judgements[0]
    assert (high.outcome, "so few who are all alike" in high.sentence) == ("too few", True)


def test_what_a_case_takes_is_weighed_without_a_model(tmp_path: Path) -> None:
    dataset = DataSet.open(data_set(tmp_path / "films", 3))
    remote = Settings.model_validate({"model": {"reference": "openai:x"}, "rerank": {"strategy": "pointwise"}})
    tokens = tokens_a_case(remote, dataset, dataset.cases())
    local = tokens_a_case(remote.model_copy(update={"model": Settings().model}), dataset, dataset.cases())
    assert tokens["in"] > 2 * local["in"], "a server reads the prefix with each of eight candidates"
    scales = Scales(remote=True)
    scales.complete("four", ["four", "four"], NEVER, max_tokens=9)
    assert scales.used == {"in": 4, "out": 18}


def test_what_a_person_did_is_weighed_where_the_case_tells_no_history(tmp_path: Path) -> None:
    folder = data_set(tmp_path / "films", 3)
    rows = [json.loads(line) for line in (folder / "cases.jsonl").read_text().splitlines()]
    acts = [{"user_id": rows[0]["user_id"], "item_id": item, "kind": "like", "at": 1} for item in rows[0]["candidates"]]
    with gzip.open(folder / EVENTS, "wt", encoding="utf-8") as file:
        file.writelines(json.dumps(act) + "\n" for act in acts)
    (folder / "cases.jsonl").write_text(json.dumps({**rows[0], "history": [], "candidates": []}) + "\n")
    dataset = DataSet.open(folder)
    remote = Settings.model_validate({"model": {"reference": "openai:x"}, "rerank": {"strategy": "listwise"}})
    assert tokens_a_case(remote, dataset, dataset.cases())["in"] > 0


def test_times_of_answers_that_stand_on_other_ground_are_not_taken(tmp_path: Path) -> None:
    folder = data_set(tmp_path / "films", 3)
    (folder / EVENTS).write_bytes(gzip.compress(b'{"user_id": "x", "item_id": "f1", "kind": "like", "at": 1}\n'))
    options = Options(overrides={"cache_folder": str(tmp_path / "cache")})
    plain, taught = (
        Asked.of(None, {"task": "rank", "data": [str(folder)], "learn": learn}, options) for learn in ("none", "events")
    )
    (cell,) = plain.cells
    answer = Answer(
        cell=cell.name, case_id="c1", user_id="u1", repeat=0, relevant=("i1",), history=(), n_candidates=2,
        orders={MODEL: ("i1", "i2")}, ms=12.0, tokens={}, calls={}, failed=None, degraded=(), validity={},
    )  # fmt: skip
    key = answer_key("c1", 0)
    with closing(timings_for(plain)) as timings:
        timings.keep(cell, answer)
        assert timings.timed(cell, [key]) == [12.0]
    with closing(timings_for(taught)) as others:
        assert others.timed(cell, [key]) == []


def test_baselines_that_are_left_out_say_why(tmp_path: Path) -> None:
    dataset = DataSet.open(data_set(tmp_path / "films", 3, bare=True))
    assert left_out(None, dataset) == {
        "popularity": "neither events nor items with a popularity in films",
        "als": "no events in films",
        "ease": "no events in films",
    }
    assert left_out(["random"], dataset) == {}


def test_one_model_of_a_plan_is_taken_and_flags_go_before_it(tmp_path: Path) -> None:
    from agent.commands.options import Options

    plan = tmp_path / "eval.yaml"
    plan.write_text(
        "data: [d1, d2]\nmodels: [m1]\nstrategies: [pointwise, likelihood]\n"
        "language: zh\nnoun: books\nlimit: 5\nseed: 3\n"
    )
    found = single(Options(), plan)
    assert (found.data, found.limit, found.seed) == (tmp_path / "d1", 5, 3)
    given = found.settings
    assert (given.model.reference, given.rerank.strategy, given.language, given.noun) == (
        "m1", "pointwise", "zh", "books",
    )  # fmt: skip
    assert len(found.notes) == 2
    other = single(Options(), plan, data=Path("d3"), strategy="likelihood", limit=1, seed=0)
    assert (other.data, other.limit, other.seed, other.settings.rerank.strategy) == (Path("d3"), 1, 0, "likelihood")
    assert other.notes == ()
    with pytest.raises(ConfigError, match="nothing to ask about"):
        single(Options(), None)


def test_a_run_reads_back_prices_from_flags(tmp_path: Path) -> None:
    films = Path(__file__).parent / "support" / "films"
    asked = ["plan", "--data", str(films), "--price", "openai:x=1/2", "--currency", "EUR", "--orders", "2", "--json"]
    told = CliRunner().invoke(app, asked)
    assert told.exit_code == 0, told.output
    shown = json.loads(told.stdout)
    assert shown["plan"]["prices"] == {"openai:x": {"in": 1.0, "out": 2.0, "cached": None}}
    assert (shown["plan"]["currency"], shown["plan"]["orders"], shown["cost"]) == ("EUR", 2, 0.0)
    assert any("no cell has such a model" in note for note in shown["notes"])


@pytest.mark.thorough
def test_what_a_real_server_counts_is_paid_for(
    llama_server: LlamaServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A run on a real llama-server tells what its tokens cost: those that the server says it read and wrote."""
    monkeypatch.setenv("PALATE_ENDPOINT_BASE_URL", llama_server.base_url)
    monkeypatch.setenv("PALATE_ENDPOINT_TIMEOUT_S", "180")
    films, kept = Path(__file__).parent / "support" / "films", tmp_path / "run"
    asked = ["run", "--data", str(films), "--model", "openai:smollm2-135m", "--strategy", "listwise", "--limit", "1"]
    asked += ["--baselines", "random"]
    paid = ["--price", "openai:smollm2-135m=10/40", "--currency", "EUR", "--output", str(kept)]
    done = CliRunner().invoke(app, [*asked, *paid, "--json"])
    assert done.exit_code == 0, done.output
    (cell,) = json.loads(done.stdout)["cells"]
    assert cell["tokens"]["in"] > 50, cell["tokens"]
    assert cell["tokens"]["out"] > 0
    fresh = cell["tokens"]["in"] - cell["tokens"].get("cached", 0)
    least = (fresh * 10 + cell["tokens"]["out"] * 40) / 1e6
    assert cell["cost"]["total"] >= least > 0
    assert cell["cost"]["per_1000"]["value"] == pytest.approx(1_000 * cell["cost"]["total"])
    drawn = CliRunner().invoke(app, ["score", str(kept)])
    assert drawn.exit_code == 0, drawn.output
    line = next(line for line in drawn.stdout.splitlines() if line.strip().startswith("cost"))
    assert "EUR" in line
    assert "0.000 EUR" not in line
    again = CliRunner().invoke(app, [*asked, *paid[:-1], str(tmp_path / "again"), "--json"])
    (kept_cell,) = json.loads(again.stdout)["cells"]
    assert kept_cell["cost"]["total"] == cell["cost"]["total"], "kept answers cost as much as asked ones"
