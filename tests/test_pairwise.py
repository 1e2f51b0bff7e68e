"""The reranker of comparisons in both orders."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import prompts
from agent.deadline import Deadline
from agent.rerank.pairwise import Pairwise, preferences
from agent.rerank.presentations import pairs_of
from tests.rerank_contract import HISTORY, RerankContract, many, number_of
from tests.support.judging import judge

NEVER = Deadline.never()
PROMPT = prompts.load("rank-pairwise")


class TestPairwise(RerankContract):
    strategy = "pairwise"


def test_every_pair_of_the_best_is_compared_in_both_orders_in_one_call() -> None:
    model = judge(lambda line: number_of(line) / 10)
    ranking = Pairwise(model, PROMPT).rank(HISTORY, many(9), None, NEVER)
    (call,) = model.calls
    assert len(set(call.texts)) == 30
    assert call.options == ((" A", "A"), (" B", "B"))
    assert sorted(range(6), key=lambda n: -ranking.scores[n]) == [5, 4, 3, 2, 1, 0]
    assert set(ranking.scores[6:]) == {min(ranking.scores)}
    assert ranking.scores[6] < ranking.scores[0]
    assert ranking.counts == {"calls": 1, "comparisons": 30, "contradictions": 0, "unseen": 3}


def test_what_the_first_place_gains_does_not_count() -> None:
    fair = Pairwise(judge(lambda line: number_of(line) / 10), PROMPT).rank(HISTORY, many(4), None, NEVER)
    unfair = Pairwise(judge(lambda line: number_of(line) / 10, label_bias=3), PROMPT).rank(
        HISTORY, many(4), None, NEVER
    )
    assert unfair.scores == pytest.approx(fair.scores)
    assert unfair.extras == pytest.approx({"bias.A": 1.5, "bias.B": -1.5})


def test_orders_that_contradict_each_other_are_a_tie() -> None:
    pairs = pairs_of(3)
    values = {pair: (-1.0, -1.0) for pair in pairs}
    values[0, 1], values[1, 0] = (-1.0, -3.0), (-3.0, -1.0)  # 0 before 1, twice
    values[1, 2], values[2, 1] = (-1.0, -2.0), (-1.0, -2.0)  # whoever comes first
    values[0, 2], values[2, 0] = (-2.0, -1.0), (-2.0, -1.0)  # whoever comes second
    scores, contradictions = preferences(pairs, [values[pair] for pair in pairs], 3)
    assert scores == pytest.approx([2.0, -2.0, 0.0])
    assert contradictions == 2


@settings(max_examples=50)
@given(st.lists(st.floats(-50, 0), min_size=40, max_size=40))
def test_preferences_add_up_to_nothing(drawn: list[float]) -> None:
    values = list(zip(drawn[::2], drawn[1::2], strict=True))
    scores, contradictions = preferences(pairs_of(5), values, 5)
    assert sum(scores) == pytest.approx(0, abs=1e-6)
    assert 0 <= contradictions <= 10
