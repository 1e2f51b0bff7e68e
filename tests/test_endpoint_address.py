"""How an endpoint adapts to a server, which addresses need a key, and that the key stays secret."""

from __future__ import annotations

import logging
import traceback

import pytest

from agent.deadline import Deadline
from agent.errors import ConfigError, ModelUnavailable
from agent.llm.remote.address import is_local
from agent.llm.remote.breaker import Breaker
from agent.llm.remote.endpoint import Endpoint
from tests.support.asking import KEY, SCHEMA, ask, failure
from tests.support.faulty_server import (
    Answer,
    FaultyServer,
    Request,
    completion,
    hangs,
    http,
    ok,
    resets,
    says,
    sends,
    status,
)

# ---- dialects --------------------------------------------------------------------------------------------------------


def test_a_refused_schema_is_left_out_once_and_for_all() -> None:
    with FaultyServer(status(400, "Unknown parameter: 'response_format'"), says("fine")) as server:
        endpoint = Endpoint("m", base_url=server.base_url)
        assert ask(endpoint, schema=SCHEMA) == ["fine"]
        assert ask(endpoint, schema=SCHEMA) == ["fine"]
        assert ["response_format" in r.body for r in server.requests] == [True, False, False]


def test_a_reasoning_models_wishes_are_met_one_by_one() -> None:
    limit = status(400, "Unsupported parameter: 'max_tokens'. Use 'max_completion_tokens' instead.")
    heat = status(400, "Unsupported value: 'temperature' does not support 0 with this model.")
    system = status(400, "System role not supported")
    with FaultyServer(limit, heat, system, says("fine")) as server:
        assert ask(Endpoint("m", base_url=server.base_url)) == ["fine"]
        body = server.requests[-1].body
    assert len(server.requests) == 4
    assert body["max_completion_tokens"] > 4_000
    assert not {"max_tokens", "temperature"} & set(body)
    assert body["messages"] == [{"role": "user", "content": "prefix\nhi"}]


def test_a_server_that_refuses_everything_is_asked_a_bounded_number_of_times() -> None:
    with FaultyServer(status(400, "response_format max_completion_tokens temperature system role")) as server:
        with pytest.raises(ModelUnavailable, match="refused the request"):
            ask(Endpoint("m", base_url=server.base_url), schema=SCHEMA)
        assert len(server.requests) == 5


CRASHED = "schema compiler crashed: temperature; system prompt; max_completion_tokens"


def test_a_server_that_fails_is_asked_twice_whatever_it_names() -> None:
    with FaultyServer(status(500, CRASHED)) as server:
        endpoint = Endpoint("m", base_url=server.base_url, breaker=Breaker(0))
        for n in range(1, 5):
            with pytest.raises(ModelUnavailable, match=r"failed \(HTTP 500\)"):
                ask(endpoint, schema=SCHEMA)
            assert len(server.requests) == 2 * n


def test_a_fault_that_passes_changes_nothing_to_come() -> None:
    crash, system = status(500, "bad schema"), status(500, "System role not supported")
    with FaultyServer(crash, says("a"), says("b"), crash, says("c"), system, says("d"), says("e")) as server:
        endpoint = Endpoint("m", base_url=server.base_url)
        assert [ask(endpoint, schema=SCHEMA) for _ in range(5)] == [["a"], ["b"], ["c"], ["d"], ["e"]]
        assert ["response_format" in r.body for r in server.requests] == [1, 0, 1, 1, 0, 1, 1, 1]
        assert [len(r.body["messages"]) for r in server.requests] == [2, 2, 2, 2, 2, 2, 1, 2]


def test_a_failing_server_that_names_the_same_part_again_is_believed() -> None:
    with FaultyServer() as server:
        wants = lambda request: status(500, "System role not supported") if is_system(request) else says("fine")  # noqa: E731
        server.answers(wants)
        endpoint = Endpoint("m", base_url=server.base_url)
        assert [ask(endpoint) for _ in range(4)] == [["fine"]] * 4
        assert [is_system(request) for request in server.requests] == [True, False, True, False, False, False]


def is_system(request: Request) -> bool:
    return bool(request.body["messages"][0]["role"] == "system")


def test_what_leads_nowhere_is_not_remembered() -> None:
    with FaultyServer(status(400, "no films of 'schema'"), status(400, "no such films"), says("fine")) as server:
        endpoint = Endpoint("m", base_url=server.base_url)
        with pytest.raises(ModelUnavailable, match="refused the request"):
            ask(endpoint, schema=SCHEMA)
        assert ask(endpoint, schema=SCHEMA) == ["fine"]
        assert ["response_format" in r.body for r in server.requests] == [True, False, True]


def test_a_schema_is_not_blamed_where_none_was_sent() -> None:
    with FaultyServer(status(400, "bad schema")) as server:
        failure(server)
        assert len(server.requests) == 1


# ---- addresses and keys ----------------------------------------------------------------------------------------------


def test_neither_address_nor_key_says_what_to_set() -> None:
    with pytest.raises(ConfigError, match=r"OPENAI_BASE_URL.*OPENAI_API_KEY"):
        Endpoint("m")


def test_a_key_alone_means_openai() -> None:
    assert "https://api.openai.com/v1" in repr(Endpoint("gpt", api_key=KEY))


@pytest.mark.parametrize(
    "base_url",
    [
        "http://127.0.0.1:8080/v1",
        "http://localhost:8080/v1",
        "http://[::1]:8080/v1",
        "http://192.168.1.20/v1",
        "http://10.0.0.3:1234",
        "http://[fd00::1]/v1",
        "http://desk.local:11434/v1",
        "http://llama:8080/v1",
        "http://host.docker.internal:8080/v1",
    ],
)
def test_a_local_address_needs_no_key(base_url: str) -> None:
    assert is_local(base_url)
    Endpoint("m", base_url=base_url)


@pytest.mark.parametrize("base_url", ["https://api.example.com/v1", "http://8.8.8.8/v1", "http://local.example.org"])
def test_any_other_address_needs_a_key(base_url: str) -> None:
    assert not is_local(base_url)
    with pytest.raises(ConfigError, match="needs an API key"):
        Endpoint("m", base_url=base_url)
    Endpoint("m", base_url=base_url, api_key=KEY)


@pytest.mark.parametrize(
    "base_url",
    [
        "localhost:8080",
        "ftp://localhost",
        "http://",
        "http://h:99999",
        "http://[::1",
        "http://me:pw@h/v1",
        "ftp://me:pw@h",
        "me:pw@h/v1",
        "",
    ],
)
def test_what_is_no_address_is_refused(base_url: str) -> None:
    with pytest.raises(ConfigError) as caught:
        Endpoint("m", base_url=base_url)
    assert "pw" not in str(caught.value)


def test_bad_arguments_are_refused() -> None:
    for timeout_s in (0.0, float("inf"), float("nan")):
        with pytest.raises(ConfigError):
            Endpoint("m", base_url="http://localhost", timeout_s=timeout_s)
    with pytest.raises(ConfigError):
        Endpoint("m", base_url="http://localhost", retries=-1)
    with pytest.raises(ConfigError):
        Endpoint("m", base_url="http://localhost", concurrency=0)
    with pytest.raises(ConfigError, match="no name"):
        Endpoint(" ", base_url="http://localhost")
    with pytest.raises(ConfigError, match="characters that no key has"):
        Endpoint("m", base_url="http://localhost", api_key="sk-\nx")


def test_the_fingerprint_names_address_and_model() -> None:
    one = Endpoint("m", base_url="http://localhost/v1")
    assert one.fingerprint == Endpoint("m", base_url="http://localhost/v1/", api_key=KEY).fingerprint
    assert one.fingerprint != Endpoint("n", base_url="http://localhost/v1").fingerprint
    assert one.fingerprint != Endpoint("m", base_url="http://localhost:1/v1").fingerprint


def test_an_endpoint_chats_and_does_not_score() -> None:
    endpoint = Endpoint("m", base_url="http://localhost/v1")
    assert endpoint.abilities == {"chat", "choose"}
    with pytest.raises(ModelUnavailable, match="cannot score"):
        endpoint.score("p", ["c"], Deadline(1))


@pytest.mark.parametrize(
    "answer",
    [
        status(401, f"Incorrect API key provided: {KEY}"),
        sends(http(500, KEY.encode())),
        status(429, f"slow down, {KEY}"),
        ok(KEY.encode()),
        ok(completion(KEY, KEY)),
        hangs,
        resets,
    ],
)
def test_the_key_is_in_no_error_and_in_no_log(answer: Answer, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    with FaultyServer(answer) as server:
        raised = failure(server, timeout_s=1, api_key=KEY)
        assert server.requests[0].headers["authorization"] == f"Bearer {KEY}"
    assert caplog.records
    assert KEY not in caplog.text
    assert KEY not in "".join(traceback.format_exception(raised))
    assert KEY not in repr(Endpoint("m", base_url="http://localhost", api_key=KEY))
