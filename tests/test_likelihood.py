import pytest

import prompts
from agent.deadline import Deadline
from agent.llm.local.llama import Llama
from agent.llm.scripted import Scripted
from agent.rerank.likelihood import PMI_WEIGHT, Likelihood
from agent.store.cache import Cache
from agent.types import Item
from tests.rerank_contract import RerankContract

NEVER = Deadline.never()
PROMPT = prompts.load("rank-likelihood")
TOLERANCE = 0.05 * 16  # nats per token of a line


def film(n: int, title: str, *tags: str, year: int = 1999) -> Item:
    return Item(item_id=str(n), title=title, tags=tags, attributes={"year": year})


HISTORY = [film(1, "Halloween", "Horror", year=1978), film(2, "The Exorcist", "Horror", year=1973)]
CANDIDATES = [
    film(3, "Scream", "Horror"),
    film(4, "Bambi", "Animation", year=1942),
    film(5, "Alien", "Horror", year=1979),
]


class TestLikelihood(RerankContract):
    strategy = "likelihood"


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


def worded(text: str, line: str) -> float:
    """Minus a nat for each word of the line, and one more of a person of whom nothing is known."""
    return -float(len(line.split())) - ("Halloween" not in text)


def test_the_mean_is_per_token_of_the_line() -> None:
    ranking = Likelihood(Scripted(scores=worded), PROMPT, Cache(None), per="mean", pmi_weight=0.5).rank(
        HISTORY, CANDIDATES, None, NEVER
    )
    assert ranking.scores == pytest.approx([(-3 + 0.5 * 4) / 3] * 3)


def test_without_a_pmi_weight_the_unconditional_part_is_not_asked_for() -> None:
    model = Scripted(scores=worded)
    ranking = Likelihood(model, PROMPT, Cache(None), pmi_weight=0).rank(HISTORY, CANDIDATES, None, NEVER)
    assert ranking.scores == (-3.0, -3.0, -3.0)
    assert len(model.calls) == 1


def test_mean_and_sum_share_what_is_kept() -> None:
    model, cache = Scripted(scores=worded), Cache(None)
    for per in ("sum", "mean"):
        Likelihood(model, PROMPT, cache, per=per).rank(HISTORY, CANDIDATES, None, NEVER)
    assert len(model.calls) == 3
