"""The listwise reranker that reads one token."""

from __future__ import annotations

import pytest

import prompts
from agent.deadline import Deadline
from agent.errors import ConfigError
from agent.rerank.first_token import FirstToken
from agent.store.cache import Cache
from tests.rerank_contract import HISTORY, RerankContract, by_length, many, number_of
from tests.support.judging import judge

NEVER = Deadline.never()
PROMPT = prompts.load("rank-first-token")


class TestFirstToken(RerankContract):
    strategy = "first-token"


def test_one_call_shows_the_window_in_four_orders() -> None:
    model = judge(lambda line: number_of(line) / 10)
    ranking = FirstToken(model, PROMPT, noun="films").rank(HISTORY, many(20), "clever", NEVER)
    (call,) = model.calls
    assert call.kind == "choose"
    assert len(call.texts) == len(set(call.texts)) == 4
    assert call.options[0] == (" A", "A")
    assert len(call.options) == 20
    assert call.texts[0].splitlines()[1:-1] != call.texts[2].splitlines()[1:-1]
    assert ranking.counts == {"calls": 1, "blocks": 4, "unseen": 0}


def test_what_the_model_sees() -> None:
    model = judge(by_length)
    FirstToken(model, PROMPT, noun="films").rank(HISTORY, many(2), "a scare", NEVER)
    call = model.calls[0]
    assert call.prefix.startswith("Which of the candidates would this person enjoy most?")
    assert call.prefix.endswith("Now they ask for: a scare\n")
    assert sorted(call.texts[0].splitlines()[1:3])[0].startswith("A. Film 0000")
    assert call.texts[0].endswith(":")


def test_position_bias_is_measured_and_taken_away() -> None:
    model = judge(lambda line: -number_of(line) / 10, label_bias=0.5)
    ranking = FirstToken(model, PROMPT).rank(HISTORY, many(10), None, NEVER)
    assert sorted(range(10), key=lambda n: -ranking.scores[n]) == list(range(10))
    assert list(ranking.extras) == [f"bias.{label}" for label in "ABCDEFGHIJ"]
    assert ranking.extras["bias.A"] > 1 > 0 > -1 > ranking.extras["bias.J"]


def test_more_than_a_window_are_dealt_over_several() -> None:
    liked = {3: 5.0, 17: 4.0, 44: 3.0}
    model = judge(lambda line: liked.get(number_of(line), 0.0), label_bias=0.3)
    ranking = FirstToken(model, PROMPT).rank(HISTORY, many(50), None, NEVER)
    assert sorted(range(50), key=lambda n: -ranking.scores[n])[:3] == [3, 17, 44]
    assert ranking.counts == {"calls": 1, "blocks": 12, "unseen": 0}


def test_those_beyond_the_depth_tie_below() -> None:
    model = judge(lambda line: 5.0 if number_of(line) > 29 else number_of(line) / 10)
    scores = FirstToken(model, PROMPT, depth=30).rank(HISTORY, many(40), None, NEVER).scores
    assert set(scores[30:]) == {min(scores)}
    assert min(scores[:30]) > scores[30]


def test_other_seeds_show_other_orders() -> None:
    shown = []
    for seed in (0, 1):
        model = judge(by_length)
        FirstToken(model, PROMPT, seed=seed).rank(HISTORY, many(20), None, NEVER)
        shown.append(model.calls[0].texts)
    assert not set(shown[0]) & set(shown[1])


@pytest.mark.parametrize("window", [0, 1, 27])
def test_a_window_that_labels_do_not_reach_is_refused(window: int) -> None:
    with pytest.raises(ConfigError, match="Choose 2 to 26"):
        FirstToken(judge(by_length), PROMPT, window=window)


def test_no_cache_is_needed() -> None:
    assert FirstToken(judge(lambda line: number_of(line) / 10), PROMPT).rank(HISTORY, many(3), None, NEVER).scores
    Cache(None).close()
