"""The reranker of small blocks."""

from __future__ import annotations

import pytest

import prompts
from agent.deadline import Deadline
from agent.errors import ConfigError
from agent.rerank.setwise import Setwise
from tests.rerank_contract import HISTORY, RerankContract, by_length, many, number_of
from tests.support.judging import judge

NEVER = Deadline.never()
PROMPT = prompts.load("rank-setwise")


class TestSetwise(RerankContract):
    strategy = "setwise"


def test_all_rounds_are_one_call() -> None:
    model = judge(lambda line: number_of(line) / 10)
    ranking = Setwise(model, PROMPT).rank(HISTORY, many(12), None, NEVER)
    (call,) = model.calls
    assert len(call.texts) == 12
    assert {text.count("\n") for text in call.texts} == {5}
    assert len(call.options) == 4
    assert ranking.counts == {"calls": 1, "blocks": 12, "unseen": 0}


def test_blocks_are_enough_to_order_a_list() -> None:
    model = judge(lambda line: -number_of(line) / 10, label_bias=0.4)
    scores = Setwise(model, PROMPT, rounds=6).rank(HISTORY, many(30), None, NEVER).scores
    order = sorted(range(30), key=lambda n: -scores[n])
    assert set(order[:5]) <= set(range(8))
    assert set(order[-5:]) <= set(range(22, 30))


def test_whatever_the_prior_the_blocks_are_the_same() -> None:
    models = [judge(lambda line: number_of(line) / 10) for _ in range(2)]
    films = many(40)
    first = Setwise(models[0], PROMPT).rank(HISTORY, films, None, NEVER)
    again = Setwise(models[1], PROMPT).rank(HISTORY, films[::-1], None, NEVER)
    assert models[0].calls[0].texts == models[1].calls[0].texts
    assert first.scores == pytest.approx(again.scores[::-1])


@pytest.mark.parametrize("size", [0, 1, 27])
def test_a_size_that_labels_do_not_reach_is_refused(size: int) -> None:
    with pytest.raises(ConfigError, match="Choose 2 to 26"):
        Setwise(judge(by_length), PROMPT, size=size)
