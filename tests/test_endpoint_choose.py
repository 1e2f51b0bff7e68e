"""What comes next, asked of an endpoint: of a real llama-server, and of servers that refuse, ignore or mangle it."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

import pytest

from agent.deadline import Deadline
from agent.errors import ModelReplyInvalid, ModelTimeout, ModelUnavailable, PalateError, PromptError
from agent.llm.registry import open_model
from agent.llm.remote.endpoint import Endpoint
from agent.settings import EndpointSettings, ModelSettings, Settings
from tests.support.faulty_server import (
    Answer,
    FaultyServer,
    completion,
    hangs,
    lists,
    ok,
    place,
    says,
    status,
)
from tests.support.llama_server import LlamaServer
from tests.support.relay import Relay

PATIENCE_S = 120.0  # for a real model on a busy machine
SYSTEM = "You answer every question with yes or no and with nothing else, whatever the question is about."
YES_NO = [[" yes", "yes", "Yes"], ["No", "no"]]


def choose(
    endpoint: Endpoint, *suffixes: str, options: Sequence[Sequence[str]] = YES_NO, timeout_s: float = 5.0
) -> list[tuple[float, ...]]:
    return endpoint.choose(SYSTEM, suffixes or ("Is it?",), options, Deadline(timeout_s))


# ---- a real server ---------------------------------------------------------------------------------------------------


@pytest.fixture
def relay(llama_server: LlamaServer) -> Iterator[Relay]:
    with Relay(llama_server.base_url) as relay:
        yield relay


def real(relay: Relay, concurrency: int = 4) -> Endpoint:
    return Endpoint("smollm2-135m", base_url=relay.base_url, timeout_s=PATIENCE_S, concurrency=concurrency)


def test_it_is_what_the_server_lists(relay: Relay) -> None:
    chosen = choose(real(relay), "Is a cat an animal?", "Is a stone alive?", timeout_s=PATIENCE_S)
    assert len(chosen) == len(relay.exchanges) == 2
    n_summed = 0
    by_question = {exchange.body["messages"][1]["content"]: exchange for exchange in relay.exchanges}
    for question, row in zip(("Is a cat an animal?", "Is a stone alive?"), chosen, strict=True):
        exchange = by_question[question]
        assert {name: exchange.body[name] for name in ("max_tokens", "temperature", "logprobs", "top_logprobs")} == {
            "max_tokens": 1,
            "temperature": 0,
            "logprobs": True,
            "top_logprobs": 20,
        }
        listed = exchange.answer["choices"][0]["logprobs"]["content"][0]["top_logprobs"]
        assert len(listed) == 20
        likely = {entry["token"]: math.exp(entry["logprob"]) for entry in listed}
        for logprob, option in zip(row, YES_NO, strict=True):
            found = [likely[spelling] for spelling in option if spelling in likely]
            assert found
            n_summed = max(n_summed, len(found))
            assert logprob == pytest.approx(math.log(sum(found)), abs=1e-9)
    assert n_summed > 1


def test_an_option_that_is_not_listed_counts_as_the_least_listed_token(relay: Relay) -> None:
    row = choose(real(relay), "Is a cat an animal?", options=[["No"], ["zebra"], ["umbrella"]], timeout_s=PATIENCE_S)[0]
    listed = relay.exchanges[0].answer["choices"][0]["logprobs"]["content"][0]["top_logprobs"]
    assert row[1] == row[2] == min(entry["logprob"] for entry in listed) < row[0]


def test_the_same_twice_is_the_same(relay: Relay) -> None:
    first, second = (choose(real(relay), "Is a cat an animal?", timeout_s=PATIENCE_S) for _ in range(2))
    assert first[0] == pytest.approx(second[0], abs=1e-3)  # the server's cache may change how its batches are cut


def test_the_first_is_asked_alone_and_warms_the_prefix_for_the_others(relay: Relay) -> None:
    system = "Here is a list of what this person has seen. " + " ".join(f"Film number {n}." for n in range(20))
    questions = [f"Will they like film {n}?" for n in range(6)]
    real(relay, concurrency=2).choose(system, questions, YES_NO, Deadline(PATIENCE_S))
    first, *others = relay.exchanges
    assert first.body["messages"][1]["content"] == questions[0]
    assert all(other.began_s >= first.ended_s for other in others)
    counts = [exchange.answer["usage"] for exchange in relay.exchanges]
    processed = [count["prompt_tokens"] - count["prompt_tokens_details"]["cached_tokens"] for count in counts]
    assert processed[0] > 100
    assert all(0 < n < 30 for n in processed[1:])


def test_all_bodies_of_a_call_begin_alike(relay: Relay) -> None:
    choose(real(relay), "Is it the first?", "Is it the second?", timeout_s=PATIENCE_S)
    one, other = (exchange.sent for exchange in relay.exchanges)
    assert one.replace(b"the first", b"the second") == other or other.replace(b"the first", b"the second") == one
    assert one.index(b"Is it") == other.index(b"Is it") > one.index(b"whatever the question")


# ---- what is summed and compared -------------------------------------------------------------------------------------


def listing(*places: object, **logprobs: float) -> Answer:
    return lists(*(places or (place(**logprobs),)))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("option", "probability"),
    [
        (["Yes"], 0.5 + 0.125),
        ([" Yes"], 0.5 + 0.125),
        (["Yes", " Yes", "Yes "], 0.5 + 0.125),
        (["Yes", "yes"], 0.5 + 0.125 + 0.25),
        (["y e s", "yes"], 0.25),
        (["\n"], 0.0625),
    ],
)
def test_spellings_are_summed_and_white_space_around_them_does_not_count(option: list[str], probability: float) -> None:
    tokens = {"Yes": 0.5, " Yes": 0.125, "yes": 0.25, "\n": 0.0625}
    with FaultyServer(lists(place(**{token: math.log(p) for token, p in tokens.items()}))) as server:
        row = choose(Endpoint("m", base_url=server.base_url), options=[["Yes "], ["yes"]])[0]
        assert row == pytest.approx((math.log(0.625), math.log(0.25)))
        row = choose(Endpoint("m", base_url=server.base_url), options=[option])[0]
    assert math.exp(row[0]) == pytest.approx(probability)


def test_what_is_no_log_probability_is_passed_over() -> None:
    entries = [
        {"token": "Yes", "logprob": 0.0000001},
        {"token": "Yes", "logprob": "-1"},
        {"token": "No", "logprob": None},
        {"token": "No", "logprob": float("nan")},
        {"token": "No", "logprob": float("-inf")},
        {"token": None, "logprob": -1},
        {"logprob": -1},
        {"token": "No", "logprob": True},
        None,
        "No",
        {"token": "No", "logprob": -9999},
    ]
    with FaultyServer(lists({"token": "Yes", "top_logprobs": entries})) as server:
        assert choose(Endpoint("m", base_url=server.base_url)) == [(0.0, -9999.0)]


def test_no_suffix_and_no_option_ask_nothing() -> None:
    with FaultyServer(hangs) as server:
        endpoint = Endpoint("m", base_url=server.base_url)
        assert endpoint.choose("p", [], YES_NO, Deadline(1)) == []
        assert endpoint.choose("p", ["a", "b"], [], Deadline(1)) == [(), ()]
        assert server.requests == []


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ([["yes"], []], "has no spelling"),
        ([["yes"], [""]], "has no spelling"),
        ([["yes"], ["no", " yes"]], "share the spelling 'yes'"),
    ],
)
def test_options_that_cannot_be_told_apart_are_refused(options: list[list[str]], text: str) -> None:
    with FaultyServer(hangs) as server:
        with pytest.raises(PromptError, match=text):
            choose(Endpoint("m", base_url=server.base_url), options=options)
        assert server.requests == []


def test_a_model_that_answers_with_something_else_is_invalid() -> None:
    says_none = pytest.raises(ModelReplyInvalid, match=r"none of the options .* first 'Sure'.*'listwise'")
    with FaultyServer(listing(Sure=-0.1, Well=-3.0)) as server, says_none:
        choose(Endpoint("m", base_url=server.base_url), "a", "b")
    with FaultyServer(listing(Sure=-0.1), listing(Yes=-0.2, No=-2.0)) as server:
        rows = choose(Endpoint("m", base_url=server.base_url), "a", "b")
    assert sorted(rows) == [(-0.2, -2.0), (-0.1, -0.1)]


# ---- servers that cannot ---------------------------------------------------------------------------------------------


def refusal(endpoint: Endpoint) -> PalateError:
    with pytest.raises(ModelUnavailable) as caught:
        choose(endpoint)
    assert "rerank.strategy = 'listwise'" in caught.value.hint
    return caught.value


@pytest.mark.parametrize(
    ("answers", "text"),
    [
        ([status(400, "Unknown parameter: 'logprobs'.")], "refuses logprobs"),
        ([status(422, "logprobs: extra inputs are not permitted")], "refuses logprobs"),
        ([status(403, "You are not allowed to request logprobs from this model")], "refuses logprobs"),
        ([status(501, "top_logprobs is not implemented")], "refuses logprobs"),
        ([says("Yes")], "answers without logprobs"),
        ([lists(finish_reason="length")], "answers without logprobs"),
        ([lists({"token": "Yes", "logprob": -0.1})], "answers without top_logprobs"),
        ([lists({"token": "Yes", "logprob": -0.1, "top_logprobs": []})], "answers without top_logprobs"),
        ([ok(completion("", "length", reasoning_content="Okay, so"))], "thinks before it answers"),
        ([lists({"token": "<think>", "top_logprobs": [{"token": "<think>", "logprob": 0}]})], "thinks before"),
    ],
)
def test_a_server_that_cannot_is_remembered_and_the_way_out_is_named(answers: list[Answer], text: str) -> None:
    with FaultyServer(*answers, hangs) as server:
        endpoint = Endpoint("m", base_url=server.base_url)
        first, second = refusal(endpoint), refusal(endpoint)
        assert text in first.message
        assert first.message == second.message
        assert len(server.requests) == 1


def test_a_failing_server_that_speaks_of_logprobs_is_believed_the_second_time() -> None:
    with FaultyServer(status(500, "log probabilities are not available")) as server:
        endpoint = Endpoint("m", base_url=server.base_url)
        with pytest.raises(ModelUnavailable, match=r"failed \(HTTP 500\)"):
            choose(endpoint)
        assert len(server.requests) == 2
        assert "refuses logprobs" in refusal(endpoint).message
        assert refusal(endpoint).message == refusal(endpoint).message
        assert len(server.requests) == 3


def test_a_reasoning_model_says_that_it_is_one() -> None:
    limit = status(400, "Unsupported parameter: 'max_tokens'. Use 'max_completion_tokens' instead.")
    heat = status(400, "Unsupported value: 'temperature' does not support 0 with this model.")
    full = status(400, "Could not finish the message because the output limit was reached.")
    with FaultyServer(limit, heat, full) as server:
        assert (
            "it is a reasoning model, which thinks before it answers"
            in refusal(Endpoint("m", base_url=server.base_url)).message
        )
        assert server.requests[-1].body["max_completion_tokens"] == 1


def test_the_newer_name_of_the_limit_alone_is_no_reason() -> None:
    limit = status(400, "Unsupported parameter: 'max_tokens'. Use 'max_completion_tokens' instead.")
    with FaultyServer(limit, listing(Yes=-0.5, No=-1.5)) as server:
        assert choose(Endpoint("m", base_url=server.base_url)) == [(-0.5, -1.5)]


@pytest.mark.parametrize(
    "text",
    [
        "top_logprobs must be between 0 and 5",
        "Requested sample logprobs of 20, which is greater than max allowed: 5",
        "Invalid value for 'top_logprobs': 20. Range: [0, 5]. (gpt-4, v1.3)",
    ],
)
def test_a_server_that_lists_fewer_is_asked_for_fewer(text: str) -> None:
    with FaultyServer(status(400, text), listing(Yes=-0.5, No=-1.5)) as server:
        endpoint = Endpoint("m", base_url=server.base_url)
        assert choose(endpoint) == choose(endpoint) == [(-0.5, -1.5)]
        assert [request.body["top_logprobs"] for request in server.requests] == [20, 5, 5]


def test_a_server_that_refuses_ever_fewer_is_given_up() -> None:
    with FaultyServer(status(400, "top_logprobs: at most 5"), status(400, "logprobs: at most 5")) as server:
        refusal(Endpoint("m", base_url=server.base_url))
        assert len(server.requests) == 2


def test_a_key_that_is_refused_is_no_matter_of_log_probabilities() -> None:
    with FaultyServer(status(403, "no access")) as server:
        endpoint = Endpoint("m", base_url=server.base_url)
        for _ in range(2):
            with pytest.raises(ModelUnavailable, match="does not accept the API key"):
                choose(endpoint)
        assert len(server.requests) == 2


@pytest.mark.parametrize(
    ("answer", "error", "text"),
    [
        (lists(finish_reason="stop", content=""), ModelReplyInvalid, "ended before its first token"),
        (lists(place(Yes=-0.1), finish_reason="content_filter"), ModelReplyInvalid, "withheld"),
        (ok(b"{}"), ModelReplyInvalid, "no choices"),
        (status(400, "the context length is exceeded"), PromptError, "too long"),
        (hangs, ModelTimeout, "in time"),
    ],
)
def test_one_bad_reply_says_nothing_about_the_next(answer: Answer, error: type[PalateError], text: str) -> None:
    with FaultyServer(answer, listing(Yes=-0.5, No=-1.5)) as server:
        endpoint = Endpoint("m", base_url=server.base_url)
        with pytest.raises(error, match=text):
            choose(endpoint, timeout_s=0.3)
        assert choose(endpoint) == [(-0.5, -1.5)]


def test_chatting_goes_on_where_choosing_cannot() -> None:
    with FaultyServer(status(400, "logprobs is not supported"), says("fine")) as server:
        endpoint = Endpoint("m", base_url=server.base_url)
        refusal(endpoint)
        assert endpoint.complete("p", ["s"], Deadline(5), max_tokens=5)[0].text == "fine"


# ---- the order of the requests ---------------------------------------------------------------------------------------


def test_where_the_first_fails_the_others_are_not_asked() -> None:
    with FaultyServer(status(401), says("fine")) as server:
        with pytest.raises(ModelUnavailable, match="API key"):
            choose(Endpoint("m", base_url=server.base_url, concurrency=2), "a", "b", "c")
        assert [request.body["messages"][1]["content"] for request in server.requests] == ["a"]


def test_few_enough_go_at_once() -> None:
    with FaultyServer(says("fine", after_s=0.1)) as server:
        Endpoint("m", base_url=server.base_url, concurrency=3).complete("p", ["a", "b", "c"], Deadline(5), max_tokens=5)
        assert server.max_at_once == 3


def test_the_setting_says_how_many_go_at_once() -> None:
    with FaultyServer(says("fine", after_s=0.05)) as server:
        settings = Settings(
            model=ModelSettings(reference="openai:m"),
            endpoint=EndpointSettings(base_url=server.base_url, concurrency=2),
        )
        model = open_model(settings)
        model.complete("p", ["a", "b", "c", "d"], Deadline(5), max_tokens=5)
        model.close()
        assert server.max_at_once == 2


def test_the_deadline_holds_for_the_first_and_for_the_others() -> None:
    for answers in ([hangs], [listing(Yes=-0.5, No=-1.5), hangs]):
        with FaultyServer(*answers) as server, pytest.raises(ModelTimeout):
            choose(Endpoint("m", base_url=server.base_url, concurrency=1), "a", "b", timeout_s=0.2)


def test_arranging_is_refused_with_the_strategy_that_works() -> None:
    endpoint = Endpoint("m", base_url="http://localhost/v1")
    with pytest.raises(ModelUnavailable, match=r"cannot write under a grammar.*'listwise'"):
        endpoint.arrange("p", ["s"], ["A", "B"], Deadline(1))
    with pytest.raises(ModelUnavailable, match=r"cannot score.*'listwise'"):
        endpoint.score("p", ["s"], Deadline(1))
