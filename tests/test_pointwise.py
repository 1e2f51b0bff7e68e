"""The reranker that asks yes or no."""

from __future__ import annotations

import math

import pytest

import prompts
from agent.deadline import Deadline
from agent.llm.local.llama import Llama
from agent.llm.scripted import Scripted
from agent.rerank.pointwise import SPELLINGS, Pointwise
from agent.store.cache import Cache
from tests.rerank_contract import CANDIDATES, HISTORY, RerankContract, by_length
from tests.support.judging import judge

NEVER = Deadline.never()
PROMPT = prompts.load("rank-pointwise")


class TestPointwise(RerankContract):
    strategy = "pointwise"


def test_the_score_is_how_far_the_person_moves_the_answer() -> None:
    def scores(text: str, continuation: str) -> float:
        if continuation not in (" yes", " no"):
            return -math.inf
        known = "Halloween" in text
        return {" yes": -1.0 if known else -2.0, " no": -3.0 if known else -2.5}[continuation]

    ranking = Pointwise(Scripted(scores=scores), PROMPT, Cache(None)).rank(HISTORY, CANDIDATES, None, NEVER)
    assert ranking.scores == pytest.approx([(-1 + 3) - (-2 + 2.5)] * len(CANDIDATES))
    assert ranking.counts == {"calls": 1, "questions": len(CANDIDATES)}


def test_one_call_asks_about_everyone_and_what_nobody_is_asked_is_kept() -> None:
    model, cache = judge(lambda line: len(line) / 10), Cache(None)
    ranker = Pointwise(model, PROMPT, cache, noun="films")
    first = ranker.rank(HISTORY, CANDIDATES, None, NEVER)
    assert [call.kind for call in model.calls] == ["choose", "choose"]
    assert "Halloween" not in model.calls[1].prefix
    again = ranker.rank(HISTORY, [*CANDIDATES, *HISTORY], "now", NEVER)
    assert [len(call.texts) for call in model.calls] == [4, 4, 6, 2]
    assert again.scores[:4] == pytest.approx(first.scores)


def test_what_the_model_sees() -> None:
    model = judge(by_length)
    Pointwise(model, PROMPT, Cache(None), noun="films").rank(HISTORY, CANDIDATES, "a scare", NEVER)
    call = model.calls[0]
    assert call.prefix.endswith(
        "- Halloween (1978), Horror\n- The Exorcist (1973), Horror\nNow they ask for: a scare\n"
    )
    assert call.texts[0] == "Would they enjoy Scream (1999), Horror? Answer:"
    assert call.options == SPELLINGS["en"]


@pytest.mark.parametrize("language", ["en", "zh"])
def test_yes_and_no_share_no_spelling(language: str) -> None:
    yes, no = SPELLINGS[language]
    assert not set(yes) & set(no)


def test_an_answer_that_is_ruled_out_counts_as_very_unlikely() -> None:
    model = Scripted(scores=lambda _text, more: 0.0 if "yes" in more.lower() else -math.inf)
    scores = Pointwise(model, PROMPT, Cache(None)).rank(HISTORY, CANDIDATES, None, NEVER).scores
    assert all(math.isfinite(score) for score in scores)


def test_a_real_model_answers_yes_or_no(llama: Llama) -> None:
    prefix = PROMPT.prefix(noun="films", history=HISTORY, wish=None)
    chosen = llama.choose(prefix, [PROMPT.candidate(item=CANDIDATES[0])], SPELLINGS["en"], NEVER)
    assert sum(math.exp(one) for one in chosen[0]) > 0.1
