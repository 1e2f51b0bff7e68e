import math

import pytest

import prompts
from agent.cache import Cache
from agent.deadline import Deadline
from agent.errors import ModelTimeout
from agent.llm.local.llama import Llama
from agent.llm.scripted import Scripted
from agent.rerank.likelihood import PMI_WEIGHT, Likelihood
from agent.types import Item

NEVER = Deadline.never()
TOLERANCE = 0.05 * 16  # nats per token of a line


def film(n: int, title: str, *tags: str, year: int = 1999) -> Item:
    return Item(item_id=str(n), title=title, tags=tags, attributes={"year": year})


HISTORY = [film(1, "Halloween", "Horror", year=1978), film(2, "The Exorcist", "Horror", year=1973)]
CANDIDATES = [
    film(3, "Scream", "Horror"),
    film(4, "Bambi", "Animation", year=1942),
    film(5, "Alien", "Horror", year=1979),
]


def reranker(model: Llama, cache: Cache) -> Likelihood:
    return Likelihood(model, prompts.load("rank-likelihood", control_tokens=model.control_tokens), cache, noun="films")


def test_the_score_is_given_less_weighted_unconditional(llama: Llama) -> None:
    prompt = prompts.load("rank-likelihood", control_tokens=llama.control_tokens)
    lines = [prompt.candidate(item=item) for item in CANDIDATES]
    given = llama.score(prompt.prefix(noun="films", history=HISTORY, wish=None), lines, NEVER)
    alone = llama.score(prompt.prefix(noun="films", history=[], wish=None), lines, NEVER)
    expected = [g.logprob - PMI_WEIGHT * a.logprob for g, a in zip(given, alone, strict=True)]
    assert reranker(llama, Cache(None)).rank(HISTORY, CANDIDATES, None, NEVER).scores == pytest.approx(
        expected, abs=TOLERANCE
    )


def test_horror_follows_horror(llama: Llama) -> None:
    scream, bambi, alien = reranker(llama, Cache(None)).rank(HISTORY, CANDIDATES, None, NEVER).scores
    assert min(scream, alien) > bambi


def test_unconditional_scores_are_kept_by_item(llama: Llama) -> None:
    cache = Cache(None)
    ranker = reranker(llama, cache)
    first = ranker.rank(HISTORY, CANDIDATES, None, NEVER)
    before = llama.tokens_decoded
    again = ranker.rank(HISTORY, CANDIDATES, None, NEVER)
    lines = sum(len(llama.tokenise(prompts.load("rank-likelihood").candidate(item=i))) for i in CANDIDATES)
    assert llama.tokens_decoded - before <= lines
    assert again.scores == pytest.approx(first.scores, abs=TOLERANCE)


def test_without_history_and_wish_there_is_no_opinion(llama: Llama) -> None:
    assert reranker(llama, Cache(None)).rank([], CANDIDATES, None, NEVER).scores == (0.0, 0.0, 0.0)


def test_no_candidates_and_one_candidate(llama: Llama) -> None:
    ranker = reranker(llama, Cache(None))
    assert ranker.rank(HISTORY, [], None, NEVER).scores == ()
    assert len(ranker.rank(HISTORY, CANDIDATES[:1], "scary", NEVER).scores) == 1


def test_equal_texts_under_different_ids_get_equal_scores(llama: Llama) -> None:
    twin = [film(7, "Scream", "Horror"), film(8, "Scream", "Horror")]
    a, b = reranker(llama, Cache(None)).rank(HISTORY, twin, None, NEVER).scores
    assert a == pytest.approx(b, abs=TOLERANCE)


def test_a_failing_model_has_no_opinion_and_says_why() -> None:
    def fail(_prefix: str, _line: str) -> float:
        raise ModelTimeout("out of time")

    broken = Scripted(scores=fail)
    ranking = Likelihood(broken, prompts.load("rank-likelihood"), Cache(None)).rank(HISTORY, CANDIDATES, None, NEVER)
    assert ranking.scores == (0.0, 0.0, 0.0)
    assert "out of time" in ranking.degraded[0].reason


def test_a_huge_item_text_never_reaches_the_prompt(llama: Llama) -> None:
    huge = [film(9, "A" * 1000, "Horror"), film(10, "Scream", "Horror")]
    scores = reranker(llama, Cache(None)).rank(HISTORY, huge, None, NEVER).scores
    assert all(math.isfinite(s) for s in scores)
