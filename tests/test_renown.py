from collections.abc import Callable

import pytest

import prompts
from agent.deadline import Deadline
from agent.llm.local.llama import Llama
from agent.llm.scripted import Scripted
from agent.rerank.renown import Renown
from agent.store.cache import Cache
from tests.rerank_contract import CANDIDATES, HISTORY, RerankContract, by_length, film

NEVER = Deadline.never()
LOWEST = -20.0


class TestRenown(RerankContract):
    strategy = "renown"

    def model(self, liking: Callable[[str], float] = by_length, *, label_bias: float = 0.0) -> Scripted:
        def known(prefix: str, line: str) -> float:
            return min(0.0, LOWEST + liking(line)) if "everyone knows" in prefix or "人人" in prefix else LOWEST

        return Scripted(scores=known)

    def test_a_wish_alone_is_enough(self) -> None:
        ranking = self.reranker(self.model()).rank([], CANDIDATES, "something quiet", NEVER)
        assert len(set(ranking.scores)) > 1


def renown(model: Llama | Scripted, cache: Cache) -> Renown:
    return Renown(model, prompts.load("rank-renown", control_tokens=model.control_tokens), cache, noun="films")


def test_what_is_likely_in_both_lists_cancels_out() -> None:
    model = Scripted(scores=lambda prefix, line: -len(line) / 10 - (0 if "Alien" in line or "Obscure" in prefix else 2))
    scores = renown(model, Cache(None)).rank(HISTORY, CANDIDATES, None, NEVER).scores
    assert scores == pytest.approx([0 if item.title == "Alien" else -2 for item in CANDIDATES])


def test_no_person_changes_it_and_known_items_ask_nothing(llama: Llama) -> None:
    cache = Cache(None)
    first = renown(llama, cache).rank(HISTORY, CANDIDATES, None, NEVER)
    before = llama.tokens_decoded
    again = renown(llama, cache).rank(HISTORY[:1], CANDIDATES, "something quiet", NEVER)
    assert again.scores == first.scores
    assert llama.tokens_decoded == before


def test_the_real_model_knows_a_famous_film(llama: Llama) -> None:
    films = [film(1, "Star Wars", year=1977), film(2, "Qvrxl Zzyn of the Ninth Shed", year=1931)]
    famous, unheard_of = renown(llama, Cache(None)).rank(HISTORY, films, None, NEVER).scores
    assert famous > unheard_of
