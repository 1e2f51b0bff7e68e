"""The listwise reranker for models that list labels under a grammar."""

from __future__ import annotations

import prompts
from agent.deadline import Deadline
from agent.rerank.arranged import Arranged
from tests.rerank_contract import HISTORY, RerankContract, by_length, many, number_of
from tests.support.judging import judge

NEVER = Deadline.never()
PROMPT = prompts.load("rank-arrange")


class TestArranged(RerankContract):
    strategy = "listwise"
    label_bias = 0.5  # labels in the order of the alphabet, whatever stands there, would tell nothing


def test_one_call_lists_the_window_four_times() -> None:
    model = judge(lambda line: -number_of(line) / 10)
    ranking = Arranged(model, PROMPT).rank(HISTORY, many(8), None, NEVER)
    (call,) = model.calls
    assert call.kind == "arrange"
    assert len(set(call.texts)) == 4
    assert call.options == tuple((f" {label}",) for label in "ABCDEFGH")
    assert sorted(range(8), key=lambda n: -ranking.scores[n]) == list(range(8))
    assert ranking.counts == {"calls": 1, "blocks": 4, "unseen": 0}


def test_windows_of_two_lengths_take_two_calls() -> None:
    model = judge(lambda line: 5.0 if number_of(line) in (4, 19) else 0.0)
    ranking = Arranged(model, PROMPT).rank(HISTORY, many(21), None, NEVER)
    assert [(len(call.texts), len(call.options)) for call in model.calls] == [(4, 10), (4, 11)]
    assert sorted(sorted(range(21), key=lambda n: -ranking.scores[n])[:2]) == [4, 19]


def test_a_model_that_lists_by_label_alone_has_next_to_no_opinion() -> None:
    model = judge(lambda _line: 0.0, label_bias=1.0)
    ranking = Arranged(model, PROMPT).rank(HISTORY, many(8), None, NEVER)
    assert max(ranking.scores) - min(ranking.scores) < 0.1
    assert ranking.extras["bias.A"] > 0.4 > -0.4 > ranking.extras["bias.H"]


def test_what_the_model_sees() -> None:
    model = judge(by_length)
    Arranged(model, PROMPT, noun="films").rank(HISTORY, many(2), "a scare", NEVER)
    call = model.calls[0]
    assert call.prefix.startswith("Put all candidates in order for this person")
    assert call.texts[0].endswith(" first:")
