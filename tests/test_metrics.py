from __future__ import annotations

import math
import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agent.errors import ConfigError
from eval.beyond import FORMULAS, Shelf
from eval.metrics import DEFAULT, described, named, own_library, per_case
from eval.results import beyond_method


def ndcg(order: list[str], relevant: set[str], k: int) -> float:
    """The same formula, written once more from the textbook (Järvelin and Kekäläinen 2002, binary gains)."""
    gain = sum(1 / math.log2(place + 1) for place, item in enumerate(order[:k], start=1) if item in relevant)
    ideal = sum(1 / math.log2(place + 1) for place in range(1, min(len(relevant), k) + 1))
    return gain / ideal


def test_a_hand_worked_example() -> None:
    found = per_case({"q": ["a", "b", "c", "d"]}, {"q": ["b", "d"]}, ["ndcg@1", "ndcg@3", "ndcg@4", "rr", "success@1"])
    # places 2 and 4 of 4: 1/log2(3) + 1/log2(5) = 0.63093 + 0.43068; the best order has 1 + 0.63093
    assert found["ndcg@1"]["q"] == 0
    assert found["ndcg@3"]["q"] == pytest.approx(0.63093 / 1.63093, abs=1e-5)
    assert found["ndcg@4"]["q"] == pytest.approx((0.63093 + 0.43068) / 1.63093, abs=1e-5)
    assert found["rr"]["q"] == 0.5
    assert found["success@1"]["q"] == 0
    one = per_case({"q": ["x", "y", "hit"]}, {"q": ["hit"]}, ["ndcg@10", "success@5"])
    assert one["ndcg@10"]["q"] == pytest.approx(1 / math.log2(4))
    assert one["success@5"]["q"] == 1


@settings(deadline=None)
@given(
    st.permutations([f"i{n}" for n in range(12)]),
    st.sets(st.sampled_from([f"i{n}" for n in range(12)]), min_size=1),
    st.integers(1, 15),
)
def test_ndcg_agrees_with_an_independent_formula(order: list[str], relevant: set[str], k: int) -> None:
    found = per_case({"q": order}, {"q": relevant}, [f"ndcg@{k}", "rr", f"success@{k}"])
    first = next(place for place, item in enumerate(order, start=1) if item in relevant)
    assert found[f"ndcg@{k}"]["q"] == pytest.approx(ndcg(order, relevant, k))
    assert found["rr"]["q"] == pytest.approx(1 / first)
    assert found[f"success@{k}"]["q"] == (first <= k)


def test_a_hand_worked_example_of_the_metrics_at_k() -> None:
    """Five places, hits at 1, 3 and 5, four relevant items of which one is not given."""
    names = ["recall@3", "precision@3", "f1@3", "map@3", "map@5", "hr@2", "success@2", "mrr", "rr@2", "precision@10"]
    found = per_case({"q": ["a", "x", "b", "y", "c"]}, {"q": ["a", "b", "c", "d"]}, names)
    values = {name: by_case["q"] for name, by_case in found.items()}
    assert values == pytest.approx(
        {
            "recall@3": 2 / 4,
            "precision@3": 2 / 3,
            "f1@3": 2 * (2 / 3) * (2 / 4) / (2 / 3 + 2 / 4),
            "map@3": (1 / 1 + 2 / 3) / 4,
            "map@5": (1 / 1 + 2 / 3 + 3 / 5) / 4,
            "hr@2": 1,
            "success@2": 1,
            "mrr": 1,
            "rr@2": 1,
            "precision@10": 3 / 10,
        }
    )


@settings(deadline=None)
@given(
    st.permutations([f"i{n}" for n in range(9)]),
    st.sets(st.sampled_from([f"i{n}" for n in range(12)]), min_size=1),
    st.integers(1, 12),
)
def test_metrics_at_k_agree_with_sets(order: list[str], relevant: set[str], k: int) -> None:
    """The same figures counted with sets: precision, recall and F1 have one hit count, MAP one precision a hit."""
    families = ("recall", "precision", "f1", "map", "hr", "rr")
    found = {name: per_case({"q": order}, {"q": relevant}, [f"{name}@{k}"])[f"{name}@{k}"]["q"] for name in families}
    hits = len(set(order[:k]) & relevant)
    places = [place for place, item in enumerate(order[:k], start=1) if item in relevant]
    assert found["recall"] == pytest.approx(hits / len(relevant))
    assert found["precision"] == pytest.approx(hits / k)
    assert found["f1"] == pytest.approx(2 * hits / (k + len(relevant)))
    assert found["map"] == pytest.approx(sum(len(set(order[:p]) & relevant) / p for p in places) / len(relevant))
    assert found["hr"] == (hits > 0)
    assert found["rr"] == pytest.approx(1 / places[0] if places else 0)


def test_two_names_of_one_metric_have_one_value_each() -> None:
    found = per_case({"q": ["x", "a"]}, {"q": ["a"]}, ["hr@2", "success@2", "mrr", "rr", "recall@2", "f1@2"])
    assert list(found) == ["hr@2", "success@2", "mrr", "rr", "recall@2", "f1@2"]
    assert found["hr@2"] == found["success@2"] == {"q": 1.0}
    assert found["mrr"] == found["rr"] == {"q": 0.5}


def test_metrics_are_named_in_a_list_with_commas() -> None:
    assert named("ndcg@10, recall@5,mrr,ndcg@10,") == ("ndcg@10", "recall@5", "mrr")
    with pytest.raises(ConfigError, match="there is no metric 'recal@5'") as caught:
        named("ndcg@10,recal@5")
    assert "recall@K" in caught.value.hint
    with pytest.raises(ConfigError, match="no metric is named"):
        named(" , ")


def test_a_case_without_an_answer_scores_zero_and_stays() -> None:
    found = per_case({"q1": ["a"], "q2": []}, {"q1": ["a"], "q2": ["a"], "q3": ["a"]})
    for name in DEFAULT:
        assert found[name] == {"q1": 1.0, "q2": 0.0, "q3": 0.0}
    assert per_case({}, {"q": ["a"]}, ["rr"]) == {"rr": {"q": 0.0}}
    assert per_case({}, {}, ["rr"]) == {"rr": {}}


def test_orders_of_unjudged_cases_count_nothing() -> None:
    assert per_case({"q": ["a"], "other": ["a"]}, {"q": ["a"]}, ["rr"]) == {"rr": {"q": 1.0}}


def test_ties_never_decide_in_a_long_order() -> None:
    """Libraries read scores as 32-bit floats and break ties by id: every place must stay distinct."""
    order = [f"i{n}" for n in range(3_000)]
    random.Random(1).shuffle(order)
    found = per_case({"q": order}, {"q": [order[2_999]]}, ["rr"])
    assert found["rr"]["q"] == pytest.approx(1 / 3_000)


def test_an_id_given_twice_counts_once_at_its_first_place() -> None:
    assert per_case({"q": ["x", "x", "a"]}, {"q": ["a"]}, ["rr"])["rr"]["q"] == 0.5
    assert per_case({"q": ["a", "x", "a"]}, {"q": ["a"]}, ["ndcg@10"])["ndcg@10"]["q"] == 1


def test_values_keep_the_order_of_the_cases() -> None:
    relevant = {f"q{n}": ["a"] for n in range(40)}
    found = per_case({case: ["a"] for case in reversed(relevant)}, relevant, ["rr"])
    assert list(found["rr"]) == list(relevant)


@pytest.mark.parametrize(
    "name",
    [
        "",
        "ndcg",
        "ndcg@0",
        "ndcg@-1",
        "NDCG@10",
        "rr@0",
        "map",
        "success@",
        "ndcg@10 ",
        "hr",
        "recall",
        "f1",
        "mrr@",
        "auc@5",
        "ndcg@10000",
        "rr@5@5",
    ],
)
def test_an_unknown_metric_is_refused_by_name(name: str) -> None:
    with pytest.raises(ConfigError, match="there is no metric") as caught:
        per_case({}, {"q": ["a"]}, [name])
    assert "ndcg@K" in caught.value.hint


def test_each_metric_names_its_formula_library_and_version() -> None:
    for name in DEFAULT:
        metric = described(name)
        assert metric.formula
        assert metric.library.startswith("ir-measures 0.")
    assert "first 20 places" in described("ndcg@20").formula
    assert described("rr@5").library.endswith("(its MS MARCO scorer)")
    assert "in the first 5 places" in described("mrr@5").formula
    assert "places" not in described("mrr").formula
    assert described("f1@10").formula.startswith("2 P R / (P + R)")


def test_our_own_figures_name_their_formula_and_us() -> None:
    rows = beyond_method(Shelf({}))["metrics"]
    assert isinstance(rows, dict)
    assert set(rows) == set(FORMULAS)
    for row in rows.values():
        assert "{k}" not in row["formula"]
        assert row["library"] == own_library()
    assert own_library().startswith("Palate")
