"""Every strategy that an endpoint can do, on a real llama-server; and what says so where it cannot."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import pytest

from agent.deadline import Deadline
from agent.errors import ConfigError
from agent.llm.remote.endpoint import Endpoint
from agent.rerank.base import Ranking
from agent.rerank.strategies import Workshop
from agent.store.cache import Cache
from agent.types import Item
from tests.rerank_contract import CANDIDATES, HISTORY, ROUNDING
from tests.support.faulty_server import FaultyServer, says, status
from tests.support.llama_server import LlamaServer
from tests.support.relay import Relay

PATIENCE_S = 180.0  # for a real model on a busy machine
FILMS = CANDIDATES[:3]


@pytest.fixture
def relay(llama_server: LlamaServer) -> Iterator[Relay]:
    with Relay(llama_server.base_url) as relay:
        yield relay


def rank(base_url: str, strategy: str, films: Sequence[Item] = FILMS) -> Ranking:
    endpoint = Endpoint("smollm2-135m", base_url=base_url, timeout_s=PATIENCE_S)
    reranker = Workshop(endpoint, Cache(None), noun="films").reranker(strategy)
    ranking = reranker.rank(HISTORY, films, "a scare", Deadline(PATIENCE_S))
    endpoint.close()
    return ranking


@pytest.mark.parametrize(
    ("strategy", "films"), [("pointwise", FILMS), ("first-token", FILMS), ("pairwise", FILMS), ("setwise", FILMS[:2])]
)
def test_a_real_server_ranks_by_what_comes_next(relay: Relay, strategy: str, films: list[Item]) -> None:
    ranking = rank(relay.base_url, strategy, films)
    assert ranking.degraded == ()
    assert len(ranking.scores) == len(films)
    assert len(set(ranking.scores)) > 1
    for exchange in relay.exchanges:
        assert (exchange.body["max_tokens"], exchange.body["logprobs"]) == (1, True)
        assert exchange.answer["usage"]["completion_tokens"] == 1


def test_a_real_server_gives_each_film_its_score_wherever_it_stands(relay: Relay) -> None:
    there = rank(relay.base_url, "pointwise").scores
    back = rank(relay.base_url, "pointwise", FILMS[::-1]).scores
    assert list(there) == pytest.approx(list(back)[::-1], abs=ROUNDING)


def test_a_real_server_writes_an_order_under_a_schema(relay: Relay) -> None:
    ranking = rank(relay.base_url, "auto")
    assert ranking.degraded == ()
    assert ranking.counts["foreign"] == 0
    assert ranking.counts["named"] >= 2
    order = relay.exchanges[0].body["response_format"]["json_schema"]["schema"]["properties"]["order"]
    assert order["items"]["enum"] == [1, 2, 3]


def test_a_combination_is_a_strategy_too(relay: Relay) -> None:
    ranking = rank(relay.base_url, "pointwise+listwise", FILMS[:2])
    assert ranking.degraded == ()
    assert {"response_format", "logprobs"} <= {part for exchange in relay.exchanges for part in exchange.body}


def test_likelihood_is_refused_and_a_strategy_that_works_is_named(relay: Relay) -> None:
    with pytest.raises(ConfigError, match=r"cannot do the strategy 'likelihood'.*rerank\.strategy = 'listwise'"):
        rank(relay.base_url, "likelihood")
    assert relay.exchanges == []


@pytest.mark.parametrize("strategy", ["pointwise", "first-token", "pairwise", "setwise"])
def test_a_server_without_log_probabilities_degrades_and_names_one_that_works(strategy: str) -> None:
    with FaultyServer(status(400, "logprobs is not supported"), says('{"order": [2, 3, 1]}')) as server:
        ranking = rank(server.base_url, strategy)
        assert len(set(ranking.scores)) == 1
        assert "rerank.strategy = 'listwise'" in ranking.degraded[0].reason
        assert rank(server.base_url, "listwise").scores == (0.0, 2.0, 1.0)
