"""Sums and cascades of strategies."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from agent.deadline import Deadline
from agent.llm.base import Model
from agent.rerank.base import Ranking
from agent.rerank.blend import zscores
from agent.rerank.combined import Cascaded, Summed, places
from agent.types import Degradation, Item
from tests.rerank_contract import HISTORY, RerankContract, many

NEVER = Deadline.never()


class Fixed:
    """A reranker that gives each film the score that its number has in a table, and keeps who it saw."""

    def __init__(self, name: str, scores: Sequence[float], reason: str = "") -> None:
        self.name = name
        self.seen: list[int] = []
        self._scores = scores
        self._degraded = (Degradation(stage="rerank", reason=reason),) if reason else ()

    def rank(
        self, history: Sequence[Item], candidates: Sequence[Item], wish: str | None, deadline: Deadline
    ) -> Ranking:
        self.seen = [int(item.item_id.removeprefix("id-")) for item in candidates]
        scores = tuple(self._scores[n] for n in self.seen)
        return Ranking(scores, self._degraded, {f"en/{self.name}": "f"}, {"calls": 1}, {"bias.A": 0.5})


class TestSummed(RerankContract):
    strategy = "2*likelihood+0.1*pointwise"  # what rounds differently in a small spread weighs little


class TestCascaded(RerankContract):
    strategy = "likelihood>pairwise"


class TestCascadeOfSums(RerankContract):
    strategy = "likelihood+pointwise>first-token>setwise"

    @pytest.fixture
    def any_model(self) -> Model:
        return self.model()


def test_a_sum_is_of_weighted_z_scores() -> None:
    a, b = [1.0, 2.0, 6.0], [0.3, 0.1, 0.2]
    ranking = Summed("0.5*a+b", [(0.5, Fixed("a", a)), (1.0, Fixed("b", b))]).rank(HISTORY, many(3), None, NEVER)
    assert ranking.scores == pytest.approx(list(0.5 * zscores(a) + zscores(b)))
    assert ranking.prompts == {"en/a": "f", "en/b": "f"}
    assert ranking.counts == {"a.calls": 1, "b.calls": 1}
    assert ranking.extras == {"a.bias.A": 0.5, "b.bias.A": 0.5}


def test_a_part_without_an_opinion_is_left_out_of_a_sum_and_named() -> None:
    parts = [(1.0, Fixed("a", [1.0, 2.0, 6.0])), (1.0, Fixed("b", [0.0] * 3, "out of time"))]
    ranking = Summed("a+b", parts).rank(HISTORY, many(3), None, NEVER)
    assert ranking.scores == pytest.approx(list(zscores([1.0, 2.0, 6.0])))
    assert [one.reason for one in ranking.degraded] == ["b: out of time"]


def test_a_cascade_reorders_the_best_and_lets_nobody_else_climb() -> None:
    first, then = Fixed("a", [6.0, 5.0, 4.0, 3.0, 2.0]), Fixed("b", [0.0, 1.0, 9.0, 99.0, 99.0])
    ranking = Cascaded("a>b", first, then, best=3).rank(HISTORY, many(5), None, NEVER)
    assert then.seen == [0, 1, 2]
    assert ranking.scores == (2.0, 3.0, 4.0, 1.0, 0.0)


def test_the_best_are_handed_on_best_first() -> None:
    first, then = Fixed("a", [1.0, 3.0, 2.0, 3.0]), Fixed("b", [0.0] * 4)
    Cascaded("a>b", first, then, best=3).rank(HISTORY, many(4), None, NEVER)
    assert then.seen == [1, 3, 2]


def test_where_the_second_ties_the_first_decides_and_after_it_nobody() -> None:
    first, then = Fixed("a", [6.0, 5.0, 5.0, 3.0, 3.0]), Fixed("b", [1.0, 1.0, 1.0, 2.0, 2.0])
    ranking = Cascaded("a>b", first, then).rank(HISTORY, many(5), None, NEVER)
    assert ranking.scores == (2.0, 0.5, 0.5, 3.5, 3.5)


def test_without_an_opinion_of_the_second_the_first_stands_as_it_is() -> None:
    first, then = Fixed("a", [6.0, 5.5, 1.0]), Fixed("b", [0.0] * 3, "down")
    ranking = Cascaded("a>b", first, then).rank(HISTORY, many(3), None, NEVER)
    assert ranking.scores == (6.0, 5.5, 1.0)
    assert [one.reason for one in ranking.degraded] == ["b: down"]


def test_without_an_opinion_of_the_first_the_best_of_the_prior_are_polished() -> None:
    first, then = Fixed("a", [0.0] * 4, "down"), Fixed("b", [1.0, 2.0, 3.0, 4.0])
    ranking = Cascaded("a>b", first, then, best=2).rank(HISTORY, many(4), None, NEVER)
    assert ranking.scores == (2.0, 3.0, 0.5, 0.5)


def test_parts_of_parts_keep_their_own_names() -> None:
    inner = Summed("a+b", [(1.0, Fixed("a", [1.0, 2.0])), (1.0, Fixed("b", [1.0, 2.0], "slow"))])
    ranking = Cascaded("a+b>c", inner, Fixed("c", [2.0, 1.0])).rank(HISTORY, many(2), None, NEVER)
    assert set(ranking.counts) == {"a.calls", "b.calls", "c.calls"}
    assert [one.reason for one in ranking.degraded] == ["b: slow"]


def test_places_count_those_below_and_halve_ties() -> None:
    assert places([(1.0,), (3.0,), (1.0,), (2.0,)]) == (0.5, 3.0, 0.5, 2.0)
    assert places([]) == ()
