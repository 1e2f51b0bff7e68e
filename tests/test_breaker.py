"""The breaker: on a clock of its own, and in front of a server that fails."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from types import SimpleNamespace
from typing import Any

import pytest

from agent.deadline import Deadline
from agent.errors import ConfigError, ModelError, ModelReplyInvalid, ModelTimeout, ModelUnavailable, PromptError
from agent.llm.registry import open_model
from agent.llm.remote.breaker import FAILURES, PROBE_S, Breaker
from agent.llm.remote.endpoint import Endpoint
from agent.llm.remote.refusal import Declined, Refused
from agent.llm.remote.workers import Unsent
from agent.serve.meters import Meters
from agent.serve.serving import Serving
from agent.settings import Settings, load_settings
from tests.support.asking import ask
from tests.support.faulty_server import (
    Answer,
    FaultyServer,
    hangs,
    lists,
    ok,
    place,
    refusing_base_url,
    resets,
    says,
    status,
)
from tests.support.serving import wait_for

DOWN = ModelUnavailable("the endpoint is down", "Start it")


class Clock:
    def __init__(self) -> None:
        self.now_s = 100.0

    def __call__(self) -> float:
        return self.now_s


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def breaker(clock: Clock) -> Breaker:
    return Breaker(clock=clock)


def fails(breaker: Breaker, error: Exception = DOWN, *, after_s: float = 0.0, timeout_s: float = 10.0) -> None:
    """One call that is made and ends with the error."""
    made = False
    with pytest.raises(type(error)) as raised, breaker.watching(timeout_s):  # noqa: PT012
        made = True
        if after_s:
            breaker._clock.now_s += after_s  # type: ignore[attr-defined]
        raise error
    assert made, raised.value


def succeeds(breaker: Breaker) -> None:
    with breaker.watching(10):
        pass


def spared(breaker: Breaker) -> ModelUnavailable:
    """Why a call is not made."""
    with pytest.raises(ModelUnavailable) as raised, breaker.watching(10):
        pytest.fail("the call was made")
    return raised.value


def opened(breaker: Breaker) -> Breaker:
    for _ in range(FAILURES):
        fails(breaker)
    return breaker


def test_five_failures_in_a_row_open_it(breaker: Breaker) -> None:
    for _ in range(FAILURES - 1):
        fails(breaker)
    succeeds(breaker)
    for _ in range(FAILURES - 1):
        fails(breaker)
    assert (breaker.standing.state, breaker.standing.trouble) == ("closed", "")
    fails(breaker)
    assert breaker.standing.state == "open"
    assert breaker.standing.probe_in_s == PROBE_S
    why = spared(breaker)
    assert why.message == "the endpoint is down; after 5 failures in a row it is left alone for 5 s"
    assert why.hint == "Start it"
    assert breaker.standing.calls == {"answered": 1, "failed": 9, "neither": 0, "spared": 1}


def test_one_call_in_five_seconds_tries_it(breaker: Breaker, clock: Clock) -> None:
    opened(breaker)
    made = 0
    for _ in range(200):  # twenty seconds
        clock.now_s += 0.1
        try:
            with breaker.watching(10):
                made += 1
                raise DOWN
        except ModelUnavailable:
            pass
    assert made in (3, 4)


def test_half_open_lets_one_call_through(breaker: Breaker, clock: Clock) -> None:
    opened(breaker)
    clock.now_s += PROBE_S
    with breaker.watching(60):
        assert breaker.standing.state == "half-open"
        assert "while one call tries it" in str(spared(breaker))
        clock.now_s += 3 * PROBE_S  # however long it takes
        spared(breaker)
    assert breaker.standing.state == "closed"
    assert breaker.standing.failures == 0
    succeeds(breaker)


def test_a_probe_that_fails_or_tells_nothing_leaves_it_open(breaker: Breaker, clock: Clock) -> None:
    opened(breaker)
    clock.now_s += PROBE_S
    fails(breaker, after_s=2)
    assert breaker.standing.probe_in_s == PROBE_S
    spared(breaker)
    clock.now_s += PROBE_S
    fails(breaker, PromptError("too long"))
    assert breaker.standing.state == "open"
    clock.now_s += PROBE_S
    succeeds(breaker)
    assert breaker.standing.state == "closed"


def test_a_call_from_before_does_not_put_the_probe_off(breaker: Breaker, clock: Clock) -> None:
    with pytest.raises(ModelUnavailable), breaker.watching(10):  # noqa: PT012
        opened(breaker)
        clock.now_s += 3
        raise DOWN
    assert breaker.standing.probe_in_s == 2
    clock.now_s += 2
    succeeds(breaker)
    assert breaker.standing.state == "closed"


@pytest.mark.parametrize(
    ("error", "after_s", "timeout_s", "counts"),
    [
        (DOWN, 0, 10, True),
        (Refused("the endpoint does not accept the API key (HTTP 401)", "no", "Set it"), 0, 10, True),
        (ModelReplyInvalid("the reply holds no choices"), 0, 10, True),
        (ModelTimeout("late"), 10, 10, True),
        (ModelTimeout("late"), 1, 1, True),
        (ModelTimeout("the caller was in a hurry"), 0.9, 0.9, False),
        (ModelTimeout("the caller left"), 4, 10, False),
        (Declined("the endpoint refused the request (HTTP 400)", "no", "Ask otherwise"), 0, 10, False),
        (PromptError("too long"), 0, 10, False),
        (Unsent("no connection was free"), 10, 10, False),
        (KeyError("ours"), 0, 10, False),
    ],
)
def test_what_counts_as_a_failure(
    breaker: Breaker, error: Exception, after_s: float, timeout_s: float, counts: bool
) -> None:
    fails(breaker, error, after_s=after_s, timeout_s=timeout_s)
    assert breaker.standing.failures == int(counts)


def test_it_never_opens_where_no_number_of_failures_is_set(clock: Clock) -> None:
    breaker = Breaker(0, clock=clock)
    for _ in range(1_000):
        fails(breaker)
    assert breaker.standing.state == "closed"


@pytest.mark.parametrize(("failures", "probe_s"), [(-1, 5), (5, 0), (5, float("nan")), (5, float("inf"))])
def test_senseless_bounds_are_refused(failures: int, probe_s: float) -> None:
    with pytest.raises(ConfigError):
        Breaker(failures, probe_s)


def test_many_threads_probe_once(breaker: Breaker, clock: Clock) -> None:
    opened(breaker)
    clock.now_s += PROBE_S
    made, ready, go = [], threading.Barrier(16), threading.Event()

    def calls() -> None:
        ready.wait()
        try:
            with breaker.watching(10):
                made.append(1)
                go.wait(30)
        except ModelUnavailable:
            if breaker.standing.calls["spared"] == 15:
                go.set()

    threads = [threading.Thread(target=calls) for _ in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert made == [1]


# ---- in front of a server --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("answer", [resets, status(500), status(401), ok(b"{}")])
def test_a_server_that_fails_is_left_alone_and_taken_back(answer: Answer, clock: Clock) -> None:
    with FaultyServer(answer) as server:
        endpoint = Endpoint("m", base_url=server.base_url, breaker=Breaker(clock=clock), retries=0)
        for _ in range(20):
            with pytest.raises(ModelError):
                ask(endpoint)
        asked = len(server.requests)
        server.answers(lambda _: says("back"))
        clock.now_s += PROBE_S
        assert ask(endpoint) == ["back"]
        assert ask(endpoint) == ["back"]
        assert (asked, len(server.requests)) == (FAILURES, FAILURES + 2)


def test_a_request_that_is_refused_does_not_open_it() -> None:
    with FaultyServer(status(400)) as server:
        endpoint = Endpoint("m", base_url=server.base_url)
        for _ in range(8):
            with pytest.raises(Declined):
                ask(endpoint)
        assert len(server.requests) == 8


def test_many_suffixes_are_one_call() -> None:
    endpoint = Endpoint("m", base_url=refusing_base_url(), concurrency=8)
    with pytest.raises(ModelUnavailable):
        ask(endpoint, *"abcdefgh")
    assert endpoint.breaker.standing.failures == 1


def test_a_caller_that_leaves_is_no_failure() -> None:
    with FaultyServer(hangs) as server:
        endpoint, deadline = Endpoint("m", base_url=server.base_url), Deadline(20)
        leaving = threading.Timer(0.2, deadline.cut)
        leaving.start()
        with pytest.raises(ModelTimeout):
            endpoint.complete("p", ["s"], deadline, max_tokens=1)
        assert endpoint.breaker.standing.calls == {"answered": 0, "failed": 0, "neither": 1, "spared": 0}


def test_a_queue_of_our_own_is_no_failure_of_the_server() -> None:
    with FaultyServer(hangs) as server:
        endpoint = Endpoint("m", base_url=server.base_url, concurrency=1)
        with ThreadPoolExecutor(1) as pool:
            first = pool.submit(ask, endpoint, timeout_s=60)
            wait_for(lambda: bool(server.requests))
            with pytest.raises(ModelTimeout, match=r"no connection to the endpoint .* was free in time"):
                ask(endpoint, timeout_s=1.1)
            assert endpoint.breaker.standing.calls == {"answered": 0, "failed": 0, "neither": 1, "spared": 0}
            endpoint.close()
            assert isinstance(first.exception(), ModelError)


def test_what_a_server_said_to_one_is_not_told_to_another(clock: Clock) -> None:
    with FaultyServer(status(500, "cannot answer 'a film for my sister ada'")) as server:
        endpoint = Endpoint("m", base_url=server.base_url, breaker=Breaker(1, clock=clock), retries=0)
        with pytest.raises(ModelUnavailable, match="sister"):
            ask(endpoint)
        with pytest.raises(ModelUnavailable, match=r"failed \(HTTP 500\); after 1 failures in a row") as raised:
            ask(endpoint)
        assert "ada" not in str(raised.value) + endpoint.breaker.standing.cause


def test_a_refusal_of_logprobs_is_told_in_our_words() -> None:
    with FaultyServer(status(400, "logprobs cannot be given for 'a film for my sister ada'")) as server:
        endpoint = Endpoint("m", base_url=server.base_url)
        for _ in range(2):
            with pytest.raises(Declined) as raised:
                endpoint.choose("p", ["s"], [["Yes"], ["No"]], Deadline(5))
            assert "it refuses logprobs" in str(raised.value)
            assert "ada" not in str(raised.value)


def test_what_a_model_wrote_to_one_is_not_told_to_another(clock: Clock) -> None:
    with FaultyServer(lists(place(ada=-0.1)), status(500)) as server:
        endpoint = Endpoint("m", base_url=server.base_url, breaker=Breaker(1, clock=clock), retries=0)
        with pytest.raises(ModelReplyInvalid, match="first 'ada'"):
            endpoint.choose("p", ["s"], [["Yes"], ["No"]], Deadline(5))
        with pytest.raises(ModelUnavailable, match="HTTP 500") as raised:
            ask(endpoint)
        assert "ada" not in str(raised.value) + endpoint.breaker.standing.trouble


def test_its_bounds_are_settings() -> None:
    url = refusing_base_url()
    overrides = {"model.reference": "openai:m", "endpoint.base_url": url, "endpoint.breaker_failures": "2"}
    model = open_model(load_settings(environment={}, overrides=overrides).settings)
    assert isinstance(model, Endpoint)
    for _ in range(2):
        with pytest.raises(ModelUnavailable):
            ask(model)
    assert model.breaker.standing.state == "open"


def test_metrics_tell_how_it_stands(breaker: Breaker, clock: Clock) -> None:
    meters = Meters(lambda: 0, breaker=lambda: breaker.standing)
    succeeds(breaker)
    opened(breaker)
    spared(breaker)
    told = meters.text().decode()
    for line in (
        'palate_endpoint_breaker{state="closed"} 0.0',
        'palate_endpoint_breaker{state="open"} 1.0',
        'palate_endpoint_breaker{state="half-open"} 0.0',
        'palate_endpoint_calls_total{end="answered"} 1.0',
        'palate_endpoint_calls_total{end="failed"} 5.0',
        'palate_endpoint_calls_total{end="spared"} 1.0',
    ):
        assert line in told
    assert "palate_endpoint_breaker{state=" not in Meters(lambda: 0).text().decode()


def test_a_server_tells_how_the_breaker_of_its_model_stands(breaker: Breaker) -> None:
    endpoint = Endpoint("m", base_url=refusing_base_url(), breaker=opened(breaker))
    recommender: Any = SimpleNamespace(settings=Settings(), model=endpoint)
    nothing: Any = None
    here = Serving(recommender, nothing, nothing, nothing, nothing, opened=True)
    assert here.breaker is not None
    assert here.breaker.trouble.startswith("the endpoint is down; after 5 failures")
    recommender.model = object()  # a local one
    assert here.breaker is None
    assert Serving(recommender, nothing, nothing, nothing, nothing).breaker is None
