from __future__ import annotations

import dataclasses
import tomllib
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import optimize, special

from agent.errors import ConfigError, PalateError
from agent.rerank.weights import load_weights
from eval.cases import DataSet
from eval.fit import Choice, Pair, conditional_logit, fit, ordered, split, two_fold
from eval.fitting import Report, report
from eval.runs import Opened, choice_from, run_choices
from eval.weights import as_toml, writable, write_weights
from tests.support.fake_ranker import FILMS, MODEL, FakeRanker

START = {"taste": 1.0}


def chosen(rng: np.random.Generator, weights: list[float], n: int) -> tuple[list[np.ndarray], list[np.ndarray]]:
    """Signals of n cases with 12 candidates, and a pick each by softmax of the weighted signals."""
    signals, hits = [], []
    for _ in range(n):
        rows = rng.normal(size=(12, len(weights)))
        picked = rng.choice(12, p=special.softmax(rows @ np.array(weights)))
        signals.append(rows)
        hits.append(np.arange(12) == picked)
    return signals, hits


def some_choices(
    n: int, weights: Mapping[str, float], *, seed: int = 0, likelihood: float | None = None
) -> list[Choice]:
    """Cases whose hit was picked by these weights of the signals, and, where given, of a model's opinion."""
    rng = np.random.default_rng(seed)
    names = [*weights, *(["likelihood"] if likelihood is not None else [])]
    signals, hits = chosen(rng, [*weights.values(), *([likelihood] if likelihood is not None else [])], n)
    choices = []
    for case, (rows, hit) in enumerate(zip(signals, hits, strict=True)):
        columns = {name: rows[:, column].tolist() for column, name in enumerate(names)}
        opinions = {name: columns.pop(name) for name in ["likelihood"] if name in columns}
        ids = tuple(f"i{place}" for place in range(12))
        choices.append(Choice(f"c{case}", f"u{case}", ids, (ids[int(hit.argmax())],), columns, opinions))
    return choices


def test_known_weights_are_recovered() -> None:
    signals, hits = chosen(np.random.default_rng(1), [1.5, -0.5, 0.0], 1_500)
    assert conditional_logit(signals, hits) == pytest.approx([1.5, -0.5, 0.0], abs=0.12)


def test_it_agrees_with_a_plain_likelihood_minimised_another_way() -> None:
    signals, hits = chosen(np.random.default_rng(2), [0.7, 0.2], 60)

    def loss(weights: np.ndarray) -> float:
        told = (special.log_softmax(rows @ weights)[hit].sum() for rows, hit in zip(signals, hits, strict=True))
        return float(-sum(told) + 0.5 * weights @ weights)

    expected = optimize.minimize(loss, np.zeros(2), method="Nelder-Mead", options={"xatol": 1e-6, "fatol": 1e-9}).x
    assert conditional_logit(signals, hits) == pytest.approx(expected, abs=1e-3)


def test_the_prior_shrinks_weights_where_cases_are_few() -> None:
    signals, hits = chosen(np.random.default_rng(3), [2.0], 8)
    loose, tight = conditional_logit(signals, hits, l2=0.01), conditional_logit(signals, hits, l2=50.0)
    assert 0 < tight[0] < loose[0]
    separable = conditional_logit([np.array([[1.0], [0.0]])], [np.array([True, False])])
    assert 0 < separable[0] < 5


@settings(max_examples=15, deadline=None)
@given(st.integers(0, 2**32), st.integers(1, 4))
def test_the_order_of_cases_and_candidates_does_not_matter(seed: int, n_signals: int) -> None:
    rng = np.random.default_rng(seed)
    signals, hits = chosen(rng, [1.0] * n_signals, 10)
    turned = [rows[::-1] for rows in reversed(signals)], [hit[::-1] for hit in reversed(hits)]
    assert conditional_logit(*turned) == pytest.approx(conditional_logit(signals, hits), abs=1e-3)


def test_cases_that_say_nothing_change_nothing() -> None:
    signals, hits = chosen(np.random.default_rng(4), [1.0], 30)
    silent = (
        [*signals, np.ones((5, 1)), np.ones((3, 1))],
        [*hits, np.zeros(5, dtype=bool), np.array([True, False, False])],
    )
    assert conditional_logit(*silent) == pytest.approx(conditional_logit(signals, hits), abs=1e-4)
    assert conditional_logit([np.ones((3, 2))], [np.zeros(3, dtype=bool)]).tolist() == [0, 0]
    assert conditional_logit([], []).tolist() == []


def test_shapes_that_disagree_are_refused() -> None:
    with pytest.raises(ValueError, match="one row of signals"):
        conditional_logit([np.ones((3, 1))], [np.ones(2, dtype=bool)])
    with pytest.raises(ValueError, match="one row of signals"):
        conditional_logit([np.ones((3, 1))], [])


def test_a_fit_finds_what_matters_and_beats_the_start() -> None:
    found = fit(some_choices(200, {"taste": 0.5, "tags": 1.5}, likelihood=1.5), START)
    assert found.weights.prior["tags"] > 2 * found.weights.prior["taste"] > 0
    assert found.weights.blend["likelihood"] > 0.5
    assert found.start < found.prior < found.blend
    assert found.kept == ()
    assert found.n == 200


def test_without_any_opinion_the_blend_is_the_prior() -> None:
    found = fit(some_choices(40, {"taste": 1.0, "tags": 1.0}), START)
    assert found.weights.blend == {"prior": 1.0}
    assert found.blend == found.prior


def test_a_blend_that_does_worse_than_the_prior_where_it_was_fitted_is_not_used() -> None:
    """Likelihood and ndcg may disagree on few cases: then the prior stays, and the fit says so."""
    fits = [fit(some_choices(8, {"taste": 2.0}, seed=seed, likelihood=0.0), START) for seed in range(20)]
    for found in fits:
        assert found.blend >= found.prior >= found.start
        assert ("blend" in found.kept) == ("likelihood" not in found.weights.blend)
        if "prior" in found.kept:
            assert found.weights.prior == START
    assert any(found.kept for found in fits)


def test_two_folds_never_judge_a_case_by_a_fit_that_saw_it() -> None:
    choices = some_choices(60, {"taste": 1.0, "year": 0.5}, likelihood=0.8)
    found = two_fold(choices, START, seed=7)
    first, second = split(choices, 7)
    assert {c.user_id for c in first}.isdisjoint(c.user_id for c in second)
    assert len(first) == len(second) == 30
    assert found.halves == (fit(first, START), fit(second, START))
    assert set(found.orders) == set(found.prior_orders) == {c.case_id for c in choices}
    for choice in first:
        assert found.orders[choice.case_id] == ordered(choice, found.halves[1].weights)
    changed = [dataclasses.replace(c, relevant=(c.ids[0],)) if c in first else c for c in choices]
    again = two_fold(changed, START, seed=7)
    assert all(again.orders[c.case_id] == found.orders[c.case_id] for c in first)


def test_halves_depend_on_users_not_on_the_order_of_cases() -> None:
    choices = [dataclasses.replace(c, user_id=f"u{n % 9}") for n, c in enumerate(some_choices(30, {"taste": 1.0}))]
    first, second = split(choices, 1)
    turned, _ = split(choices[::-1], 1)
    assert {c.user_id for c in first} == {c.user_id for c in turned}
    assert {c.user_id for c in first}.isdisjoint(c.user_id for c in second)
    assert split(choices, 2)[0] != first


def test_the_order_is_that_of_the_ranker_and_ties_go_by_lot() -> None:
    choice = Choice("c", "u", ("a", "b", "d"), ("a",), {"taste": [0.0, 2.0, 1.0]}, {"likelihood": [9.0, 0.0, 1.0]})
    assert ordered(choice, Pair({"taste": 1.0}, {"prior": 1.0})) == ("b", "d", "a")
    assert ordered(choice, Pair({"taste": 1.0}, {"prior": 0.1, "likelihood": 1.0})) == ("a", "d", "b")
    lots = {ordered(dataclasses.replace(choice, case_id=f"c{n}"), Pair({}, {}))[0] for n in range(30)}
    assert lots == {"a", "b", "d"}


def test_choices_are_read_off_the_path() -> None:
    dataset = DataSet.open(FILMS)
    choices, run = run_choices(dataset.cases(), dataset.items, FakeRanker())
    assert run.n == 6
    assert choices[0].ids == ("f1", "f4", "f5", "f8")
    assert choices[0].signals == {"taste": [0.0, 2.0, 0.0, 0.0], "year": [-10.0, -3.0, -3.0, -4.0]}
    assert choices[0].opinions == {"likelihood": [0.0, 2.0, 0.0, 0.0]}
    assert choices[5].relevant == ("f3", "f11")


def test_a_stage_that_scored_some_candidates_only_is_refused() -> None:
    dataset = DataSet.open(FILMS)
    case = next(dataset.cases())
    slate = FakeRanker().rank([], [dataset.items[i] for i in case.candidates])
    whole = slate.recommendations
    cut = slate.model_copy(update={"recommendations": (whole[0].model_copy(update={"path": ()}), *whole[1:])})
    with pytest.raises(ValueError, match="recall/taste scored 3 of 4"):
        choice_from(case, cut)


@pytest.mark.parametrize("ranker", [FakeRanker(fails=["f9"]), FakeRanker(degrades=["f9"])])
def test_a_fit_over_part_of_the_cases_is_refused(ranker: FakeRanker) -> None:
    dataset = DataSet.open(FILMS)
    with pytest.raises(PalateError, match="case c4: "):
        run_choices(dataset.cases(), dataset.items, ranker)


CURRENT = Pair({"taste": 9.0, "year": 9.0, "wish": 1.5}, {"prior": 9.0, "likelihood": 9.0, "listwise": 0.5})


def films_report() -> tuple[DataSet, Report]:
    dataset = DataSet.open(FILMS)
    ranker = FakeRanker()
    choices, run = run_choices(dataset.cases(), dataset.items, ranker)
    opened = Opened(ranker, MODEL, CURRENT)
    return dataset, report(choices, run, dataset, opened, seed=3, now=datetime(2026, 1, 2, tzinfo=UTC))


def test_a_report_becomes_a_weights_file_that_the_ranker_reads(tmp_path: Path) -> None:
    dataset, found = films_report()
    path = tmp_path / "weights.toml"
    write_weights(path, found.tables)
    read = load_weights(path)
    assert read.prior["wish"] == 1.5
    assert read.blend["listwise"] == 0.5
    assert set(read.prior) == {"taste", "year", "wish"}
    assert set(read.blend) == {"prior", "likelihood", "listwise"}
    assert 9.0 not in (*read.prior.values(), *read.blend.values())
    fitted = read.fitted
    assert fitted["carried"] == ["wish", "listwise"]
    assert fitted["dataset"]["sha256"] == dataset.sha256
    assert fitted["dataset"]["n_run"] == 6
    assert fitted["folds"] == 2
    assert fitted["at"] == "2026-01-02T00:00:00+00:00"
    assert fitted["model"]["fingerprint"] == MODEL["fingerprint"]
    assert fitted["prompts"] == {"en/rank-likelihood": "ab" * 32}
    now = {"without-model, weights now", "model, weights now"}
    assert set(fitted["unseen"]) == {"recall-only", "without-model", "model", *now}
    assert "p" in fitted["compared"]["model over model, weights now"]["ndcg@10"]
    assert fitted["unseen"]["model"]["ndcg@10"]["n"] == 6
    assert "p" in fitted["compared"]["model over recall-only"]["ndcg@10"]


def test_what_the_fit_kept_or_carried_is_said() -> None:
    _, found = films_report()
    assert any("carried over: wish, listwise" in note for note in found.notes)
    kept = [stage for fitted in (found.two_fold.whole, *found.two_fold.halves) for stage in fitted.kept]
    assert sum("in its place" in note for note in found.notes) == len(kept) > 0
    assert "optimistic" in found.results.results[-1].system.about


def test_one_user_cannot_be_folded() -> None:
    dataset = DataSet.open(FILMS)
    choices, run = run_choices(dataset.cases(1), dataset.items, FakeRanker())
    with pytest.raises(ConfigError, match="at least two users"):
        report(choices, run, dataset, Opened(FakeRanker(), MODEL, CURRENT), seed=0)
    bare = [dataclasses.replace(choice, signals={}) for choice in choices]
    with pytest.raises(ConfigError, match="nothing to go by"):
        report(bare, run, dataset, Opened(FakeRanker(), MODEL, CURRENT), seed=0)
    with pytest.raises(ValueError, match="needs cases"):
        fit([], START)


@settings(deadline=None)
@given(
    st.dictionaries(
        st.text(max_size=8),
        st.one_of(
            st.text(),
            st.integers(-(2**60), 2**60),
            st.booleans(),
            st.lists(st.text(max_size=5), max_size=3),
            st.dictionaries(st.text(max_size=5), st.text(max_size=5), max_size=2),
        ),
        max_size=5,
    )
)
def test_any_table_survives_the_way_to_toml_and_back(table: dict[str, object]) -> None:
    assert tomllib.loads(as_toml({"t": table})) == {"t": table}


def test_toml_floats_dates_and_what_has_no_form() -> None:
    text = as_toml({"t": {"a": 0.1234567, "b": 1e-9, "c": None, "d": datetime(2026, 1, 2, tzinfo=UTC), "e": {}}})
    assert tomllib.loads(text)["t"] == {"a": 0.123457, "b": 0.0, "d": datetime(2026, 1, 2, tzinfo=UTC), "e": {}}
    with pytest.raises(TypeError, match="no form for set"):
        as_toml({"t": {"a": {1}}})


def test_a_weights_file_lands_whole_or_not_at_all(tmp_path: Path) -> None:
    path = tmp_path / "w.toml"
    write_weights(path, {"prior": {"taste": 1.0}})
    with pytest.raises(TypeError):
        write_weights(path, {"prior": {"taste": object()}})
    assert tomllib.loads(path.read_text()) == {"prior": {"taste": 1.0}}
    assert [p.name for p in tmp_path.iterdir()] == ["w.toml"]
    assert writable(path) == path
    for bad in (tmp_path, tmp_path / "none" / "w.toml"):
        with pytest.raises(ConfigError, match="cannot write"):
            writable(bad)
    with pytest.raises(ConfigError, match="cannot write"):
        write_weights(tmp_path / "none" / "w.toml", {})


def test_few_cases_stay_close_to_the_weights_of_another_fit() -> None:
    signals = [np.array([[1.0], [-1.0]])] * 3
    hits = [np.array([True, False])] * 3
    centre = np.array([-5.0])
    near, far = (float(conditional_logit(signals, hits, l2, centre)[0]) for l2 in (1000.0, 0.1))
    assert near == pytest.approx(-5.0, abs=0.02)
    assert far > 0
    assert conditional_logit([], [], 1.0).shape == (0,)
    assert conditional_logit(signals, [np.array([False, False])] * 3, 1.0, centre).tolist() == [-5.0]
