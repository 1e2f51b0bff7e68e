"""The endpoint against a real llama-server, and against a server that fails in every way we know of."""

from __future__ import annotations

import gzip
import json
import re
import socket
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from types import SimpleNamespace

import pytest
from pydantic import SecretStr

from agent.deadline import Deadline
from agent.errors import (
    ModelError,
    ModelReplyInvalid,
    ModelTimeout,
    ModelUnavailable,
    PromptError,
)
from agent.llm.base import Completion, Model
from agent.llm.remote.endpoint import Endpoint
from agent.llm.remote.lane import Call, Sockets
from agent.llm.remote.refusal import refusal_of
from agent.llm.thoughts import without_thoughts
from tests.support.asking import GRACE_S, KEY, SCHEMA, ask, failure
from tests.support.faulty_server import (
    LOCALHOST_PEM,
    Answer,
    FaultyServer,
    completion,
    drips,
    hangs,
    http,
    kept_open,
    ok,
    refusing_base_url,
    resets,
    says,
    sends,
    stalls,
    status,
)
from tests.support.llama_server import LlamaServer

PATIENCE_S = 120.0  # for a real model on a busy machine


# ---- a real server ---------------------------------------------------------------------------------------------------


@pytest.fixture
def real(llama_server: LlamaServer) -> Iterator[Endpoint]:
    endpoint = Endpoint("smollm2-135m", base_url=llama_server.base_url, timeout_s=PATIENCE_S)
    yield endpoint
    endpoint.close()


def test_llama_server_answers_every_suffix(real: Endpoint) -> None:
    replies = real.complete(
        "Answer in one word.", ["Say yes.", "Say no."], Deadline(PATIENCE_S), max_tokens=60, stop=["\n"]
    )
    assert len(replies) == 2
    for reply in replies:
        assert reply.text
        assert reply.finish_reason == "stop"
        assert 0 < reply.tokens_out <= 60
        assert reply.tokens_in > 5


def test_llama_server_is_greedy(real: Endpoint) -> None:
    first, second = (
        real.complete("Be brief.", ["Name a film."], Deadline(PATIENCE_S), max_tokens=60) for _ in range(2)
    )
    assert first[0].text == second[0].text


def test_llama_server_follows_the_schema(real: Endpoint) -> None:
    reply = json.loads(ask(real, "Put 1, 2, 3 in an order.", timeout_s=PATIENCE_S, schema=SCHEMA)[0])
    assert set(reply) == {"order"}
    assert set(reply["order"]) <= {1, 2, 3}


def test_llama_server_is_cut_at_the_deadline_and_serves_on(real: Endpoint) -> None:
    start = time.monotonic()
    with pytest.raises(ModelTimeout):
        real.complete("Write.", ["Write a very long story."], Deadline(0.2), max_tokens=2_000)
    assert time.monotonic() - start < 0.2 + GRACE_S
    assert ask(real, "Say yes.", timeout_s=PATIENCE_S)


def test_llama_server_says_that_a_prompt_is_too_long(real: Endpoint) -> None:
    with pytest.raises(PromptError, match="too long for smollm2-135m"):
        real.complete("x " * 6_000, ["hi"], Deadline(PATIENCE_S), max_tokens=10)


def test_llama_server_cuts_at_max_tokens_and_that_is_invalid(real: Endpoint) -> None:
    with pytest.raises(ModelReplyInvalid, match="token limit"):
        real.complete("Write.", ["Write a very long story."], Deadline(PATIENCE_S), max_tokens=4)


# ---- what is sent and what comes back --------------------------------------------------------------------------------


def test_a_request_is_a_greedy_chat_with_system_and_user() -> None:
    with FaultyServer(says("fine")) as server:
        endpoint: Model = Endpoint("the-model", base_url=server.base_url + "/", api_key=SecretStr(KEY))
        replies = endpoint.complete("rules", ["question"], Deadline(5), max_tokens=9, stop=["\n"], schema=SCHEMA)
        assert replies == [Completion("fine", "stop", 7, 3)]
        request = server.requests[0]
    assert request.path == "/v1/chat/completions"
    assert request.headers["authorization"] == f"Bearer {KEY}"
    assert request.body["model"] == "the-model"
    assert request.body["messages"] == [
        {"role": "system", "content": "rules"},
        {"role": "user", "content": "question"},
    ]
    assert (request.body["temperature"], request.body["max_tokens"], request.body["stop"]) == (0, 9, ["\n"])
    assert request.body["response_format"]["json_schema"]["schema"] == SCHEMA


def test_every_suffix_gets_its_own_reply_and_few_are_asked_at_once() -> None:
    with FaultyServer(says("fine", after_s=0.03)) as server:
        endpoint = Endpoint("m", base_url=server.base_url, concurrency=3)
        assert ask(endpoint, *(f"q{i}" for i in range(10))) == ["fine"] * 10
        assert sorted(r.body["messages"][1]["content"] for r in server.requests) == [f"q{i}" for i in range(10)]
        assert server.max_at_once == 3


def test_replies_come_in_the_order_of_the_suffixes() -> None:
    with FaultyServer(says("slow", after_s=0.2), says("fast")) as server:
        endpoint = Endpoint("m", base_url=server.base_url)
        texts = ask(endpoint, "a", "b")
        first = server.requests[0].body["messages"][1]["content"]
    assert texts == (["slow", "fast"] if first == "a" else ["fast", "slow"])


def test_no_suffix_asks_nothing() -> None:
    with FaultyServer(hangs) as server:
        assert Endpoint("m", base_url=server.base_url).complete("p", [], Deadline(1), max_tokens=1) == []
        assert server.requests == []


@pytest.mark.parametrize(
    ("content", "text"),
    [
        ("<think>1, 2, 3?</think>\n[2]", "[2]"),
        ("[2]<THINK>was that right</THINK>", "[2]"),
        ("yes, so\n</think>[2]", "[2]"),
        ("  spaced \n", "spaced"),
        ("before END after", "before"),
        ("\ud83c lone \0nul", "\ufffd lone nul"),
    ],
)
def test_the_text_is_what_the_model_answered(content: str, text: str) -> None:
    with FaultyServer(says(content)) as server:
        endpoint = Endpoint("m", base_url=server.base_url)
        replies = endpoint.complete("p", ["s"], Deadline(5), max_tokens=9, stop=["END", " after"])
    assert replies[0].text.strip() == text


def test_thoughts_are_cut_in_one_pass() -> None:
    assert without_thoughts("a<think>b</think>c<reasoning>d</reasoning>e") == "ace"
    assert without_thoughts("a<think>b<think>c</think>d") == "ad"
    assert without_thoughts("<think>never ends") == ""
    start = time.monotonic()
    assert without_thoughts("<think>" * 200_000) == ""
    assert time.monotonic() - start < 2


def test_a_connection_is_used_again_and_a_stale_one_is_replaced() -> None:
    unannounced = sends(http(200, completion("three"), {"Connection": "keep-alive"}))
    with FaultyServer(kept_open("one"), kept_open("two"), unannounced, says("four")) as server:
        endpoint = Endpoint("m", base_url=server.base_url)
        for text in ("one", "two", "three", "four"):
            assert ask(endpoint) == [text]
            time.sleep(0.05)
        assert (len(server.requests), server.connections) == (4, 2)


# ---- faults: the right error, in time, after the right number of requests --------------------------------------------

GOOD = http(200, completion("too late"))


@pytest.mark.parametrize(
    "answer",
    [
        hangs,
        drips(GOOD),
        drips(b"HTTP/1.1 200 " + b"f" * 10_000),
        stalls(GOOD[:20]),
        stalls(GOOD[:-9]),
        says("late", after_s=3),
    ],
    ids=["hang", "drip", "drip before the status", "stalled header", "stalled body", "late"],
)
def test_a_server_out_of_time_is_a_timeout_at_the_deadline(answer: Answer) -> None:
    with FaultyServer(answer) as server:
        assert type(failure(server, timeout_s=0.3)) is ModelTimeout
        assert len(server.requests) == 1


@pytest.mark.parametrize("answer", [hangs, drips(GOOD), stalls(GOOD[:-9])], ids=["hang", "drip", "stall"])
def test_no_thread_stays_behind_a_timeout(answer: Answer) -> None:
    before = set(threading.enumerate())
    with FaultyServer(answer) as server:
        endpoint = Endpoint("m", base_url=server.base_url, concurrency=3)
        with pytest.raises(ModelTimeout):
            ask(endpoint, "a", "b", "c", "d", timeout_s=0.15)
        endpoint.close()
        assert workers_left(before) == set()


def workers_left(before: set[threading.Thread]) -> set[threading.Thread]:
    """The worker threads begun since, that do not end within a second."""
    end = time.monotonic() + 1
    while True:
        began = set(threading.enumerate()) - before
        workers = {thread for thread in began if thread.name.startswith("palate-endpoint")}
        if not workers or time.monotonic() > end:
            return workers
        time.sleep(0.01)


def test_the_endpoint_answers_again_after_a_timeout() -> None:
    with FaultyServer(drips(GOOD), says("back")) as server:
        endpoint = Endpoint("m", base_url=server.base_url, concurrency=1)
        with pytest.raises(ModelTimeout):
            ask(endpoint, timeout_s=0.2)
        assert ask(endpoint, timeout_s=1) == ["back"]


def test_the_endpoints_own_timeout_bounds_a_call_without_deadline() -> None:
    with FaultyServer(hangs) as server:
        endpoint = Endpoint("m", base_url=server.base_url, timeout_s=0.2)
        start = time.monotonic()
        with pytest.raises(ModelTimeout):
            endpoint.complete("p", ["s"], Deadline.never(), max_tokens=1)
        assert time.monotonic() - start < 0.2 + GRACE_S


def test_an_expired_deadline_asks_nothing() -> None:
    with FaultyServer(says("fine")) as server:
        assert type(failure(server, timeout_s=0.0)) is ModelTimeout
        assert server.requests == []


@pytest.mark.parametrize(
    ("answer", "error", "text", "n_requests"),
    [
        (status(400), ModelUnavailable, "refused the request", 1),
        (status(401), ModelUnavailable, "does not accept the API key", 1),
        (status(403), ModelUnavailable, "does not accept the API key", 1),
        (status(404), ModelUnavailable, "does not know the model m", 1),
        (status(413), PromptError, "too long", 1),
        (status(400, "maximum context length is 4096 tokens"), PromptError, "too long", 1),
        (status(307, "", {"Location": "/v2"}), ModelUnavailable, "another address", 1),
        (status(429), ModelUnavailable, "limits how often", 2),
        (status(429, "", {"Retry-After": "0"}), ModelUnavailable, "limits how often", 2),
        (status(429, "", {"Retry-After": "60"}), ModelUnavailable, "asked again in 60.0 s", 1),
        (status(500, "out of memory"), ModelUnavailable, "failed .HTTP 500.: out of memory", 2),
        (sends(http(502, b"<html>Bad Gateway</html>")), ModelUnavailable, "failed .HTTP 502.. Try", 2),
        (sends(http(500, b"x" * 1_000_000)), ModelUnavailable, "failed", 2),
        (resets, ModelUnavailable, "broke off the connection", 2),
        (sends(b""), ModelUnavailable, "broke off the connection", 2),
        (sends(b"SSH-2.0-OpenSSH\r\n"), ModelUnavailable, "broke off the connection", 2),
        (sends(GOOD[:-20]), ModelUnavailable, "broke off the connection", 2),
        (ok(completion("fine")[:-30]), ModelReplyInvalid, "not whole JSON", 1),
        (ok(b""), ModelReplyInvalid, "not whole JSON", 1),
        (ok(b"[" * 100_000), ModelReplyInvalid, "not whole JSON", 1),
        (ok(b'{"n": ' + b"9" * 5_000 + b"}"), ModelReplyInvalid, "not whole JSON", 1),
        (ok(b"\xff\xfe\xff"), ModelReplyInvalid, "not whole JSON", 1),
        (ok(b"<!doctype html><title>Welcome</title>", Content_Type="text/html"), ModelReplyInvalid, "a web page", 1),
        (ok(b"[]"), ModelReplyInvalid, "a JSON list", 1),
        (ok(b"{}"), ModelReplyInvalid, "no choices", 1),
        (ok(b'{"choices": []}'), ModelReplyInvalid, "no choices", 1),
        (ok(b'{"choices": [null]}'), ModelReplyInvalid, "no choices", 1),
        (ok(b'{"choices": [{"finish_reason": "stop"}]}'), ModelReplyInvalid, "no text .content is NoneType", 1),
        (says(None), ModelReplyInvalid, "no text .content is NoneType", 1),
        (says(7), ModelReplyInvalid, "no text .content is int", 1),
        (says(" "), ModelReplyInvalid, "an empty text", 1),
        (says("<think>hm"), ModelReplyInvalid, "only thoughts", 1),
        (says("cut o", "length"), ModelReplyInvalid, "token limit", 1),
        (says("cut o", "content_filter"), ModelReplyInvalid, "content_filter", 1),
        (says("cut o", None), ModelReplyInvalid, "finish_reason not given", 1),
        (ok(completion(None, "stop", refusal="no")), ModelReplyInvalid, "refused to answer", 1),
        (says("x" * 1_000_000), ModelReplyInvalid, "exceeds 262,144 bytes", 1),
        (ok(gzip.compress(completion("x" * 10_000_000)), Content_Encoding="gzip"), ModelReplyInvalid, "compressed", 1),
    ],
)
def test_a_fault(answer: Answer, error: type[ModelError], text: str, n_requests: int) -> None:
    with FaultyServer(answer) as server:
        raised = failure(server, timeout_s=3)
        assert isinstance(raised, error)
        assert re.search(text, str(raised)), str(raised)
        assert len(server.requests) == n_requests


@pytest.mark.parametrize(
    "answer",
    [
        resets,
        status(429),
        status(429, "", {"Retry-After": "0.1"}),
        status(503),
        status(503, "", {"retry-after-ms": "5"}),
    ],
)
def test_one_fault_is_overcome(answer: Answer) -> None:
    with FaultyServer(answer, says("fine")) as server:
        assert ask(Endpoint("m", base_url=server.base_url)) == ["fine"]
        assert len(server.requests) == 2


def test_retry_after_is_honoured() -> None:
    with FaultyServer(status(429, "", {"Retry-After": "0.4"}), says("fine")) as server:
        assert ask(Endpoint("m", base_url=server.base_url)) == ["fine"]
        first, second = server.requests
    assert second.at_s - first.at_s >= 0.4


def test_retry_after_may_be_a_date() -> None:
    for zone in ("GMT", "-0000"):
        at = format_datetime(datetime.now(UTC) + timedelta(seconds=60)).replace("+0000", zone)
        pause_s = refusal_of(429, "", {"retry-after": at}).pause_s
        assert pause_s is not None
        assert 50 < pause_s <= 60
    assert refusal_of(503, "", {"retry-after": "Wed, 21 Oct 2015 07:28:00 GMT"}).pause_s == 0


@pytest.mark.parametrize("value", ["soon", "nan", "inf", "-5", ""])
def test_a_senseless_retry_after_is_no_trouble(value: str) -> None:
    with FaultyServer(status(429, "", {"Retry-After": value}), says("fine")) as server:
        assert ask(Endpoint("m", base_url=server.base_url)) == ["fine"]


@pytest.mark.parametrize(
    ("name", "value"),
    [
        *(("Content-Type", f"text/plain; charset={codec}") for codec in ("undefined", "idna", "hex", "rot13", "none")),
        ("Content-Type", "application/json; charset=base64"),
        ("Content-Encoding", "gzip"),
        ("Retry-After", "Mon, 01 Jan 2026 00:00:00 +99999999999999999999"),
        ("Retry-After", "9" * 400),
        ("Location", "http://[::1"),
    ],
)
@pytest.mark.parametrize("code", [307, 400, 429, 503])
def test_an_odd_header_is_no_trouble(code: int, name: str, value: str) -> None:
    with FaultyServer(status(code, "no", {"retry-after-ms": "5", name: value})) as server:
        assert isinstance(failure(server), ModelUnavailable)
        assert len(server.requests) == 1 + (code in (429, 503))
    assert (refusal_of(429, "", {"retry-after": value}).pause_s or 0) < 1


def test_a_header_in_capitals_means_the_same() -> None:
    with FaultyServer(ok(completion("fine"), Content_Encoding="Identity")) as server:
        assert ask(Endpoint("m", base_url=server.base_url)) == ["fine"]


@pytest.mark.parametrize("count", ["1" + "0" * 400, str(2**53), "-1", "1e9", "null", '"7"'])
def test_a_senseless_count_of_tokens_counts_nothing(count: str) -> None:
    with FaultyServer(ok(completion("fine").replace(b": 7", b": " + count.encode()))) as server:
        endpoint = Endpoint("m", base_url=server.base_url)
        assert ask(endpoint) == ["fine"]
        assert endpoint.used == {"in": 0, "out": 3, "cached": 0}


def test_no_retries_where_none_are_wanted() -> None:
    with FaultyServer(status(503)) as server:
        with pytest.raises(ModelUnavailable):
            ask(Endpoint("m", base_url=server.base_url, retries=0))
        assert len(server.requests) == 1


def test_a_reset_and_a_refusal_share_one_retry() -> None:
    with FaultyServer(resets, status(503), says("fine")) as server:
        assert isinstance(failure(server), ModelUnavailable)
        assert len(server.requests) == 2


def test_nobody_listens() -> None:
    start = time.monotonic()
    with pytest.raises(ModelUnavailable, match="refuses the connection"):
        ask(Endpoint("m", base_url=refusing_base_url()))
    assert time.monotonic() - start < 1


def test_a_host_that_does_not_exist() -> None:
    with pytest.raises(ModelUnavailable, match="host name that is not known"):
        ask(Endpoint("m", base_url="http://no-such-host.invalid/v1", api_key=KEY), timeout_s=20)


def test_tls_where_plain_http_is_spoken() -> None:
    with FaultyServer(says("fine")) as server, pytest.raises(ModelUnavailable, match="does not speak TLS"):
        ask(Endpoint("m", base_url=server.base_url.replace("http:", "https:")))


def test_a_server_that_hangs_up_on_tls_is_asked_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(LOCALHOST_PEM))
    with FaultyServer(says("fine"), tls=True) as server:
        server.hangs_up(2)
        with pytest.raises(ModelUnavailable, match="broke off the connection"):
            ask(Endpoint("m", base_url=server.base_url))
        server.hangs_up(1)
        assert ask(Endpoint("m", base_url=server.base_url)) == ["fine"]


def test_a_certificate_that_nobody_vouches_for_is_refused() -> None:
    with FaultyServer(says("fine"), tls=True) as server, pytest.raises(ModelUnavailable, match="no valid certificate"):
        ask(Endpoint("m", base_url=server.base_url))


def test_tls_is_spoken_and_cut_like_anything_else(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(LOCALHOST_PEM))
    before = set(threading.enumerate())
    with FaultyServer(says("fine"), drips(GOOD), tls=True) as server:
        endpoint = Endpoint("m", base_url=server.base_url)
        assert ask(endpoint) == ["fine"]
        start = time.monotonic()
        with pytest.raises(ModelTimeout):
            ask(endpoint, timeout_s=0.3)
        assert time.monotonic() - start < 0.3 + GRACE_S
        endpoint.close()
        assert workers_left(before) == set()


def test_a_socket_opened_after_the_cut_is_cut_too() -> None:
    sockets = Sockets()
    request = SimpleNamespace(extensions={})
    sockets.hooks()["request"][0](request)
    near, far = socket.socketpair()
    with near, far:
        far.settimeout(1)
        sockets.cut()
        stream = SimpleNamespace(get_extra_info=lambda _name: near)
        request.extensions["trace"]("connection.connect_tcp.complete", {"return_value": stream})
        assert far.recv(1) == b""


def test_no_request_of_a_call_begins_after_its_end() -> None:
    call = Call(5)
    call.end()
    with pytest.raises(ModelTimeout), call.holding(Sockets()):
        pass
    with pytest.raises(ModelTimeout):
        call.pause(1)


def test_one_failed_suffix_ends_the_call_at_once() -> None:
    with FaultyServer(status(401), hangs) as server:
        start = time.monotonic()
        with pytest.raises(ModelUnavailable, match="API key"):
            ask(Endpoint("m", base_url=server.base_url), "a", "b", "c", timeout_s=5)
        assert time.monotonic() - start < 2


def test_one_call_that_is_cut_leaves_the_others_alone() -> None:
    with FaultyServer(says("fine", after_s=0.4)) as server:
        endpoint = Endpoint("m", base_url=server.base_url)
        with ThreadPoolExecutor(2) as pool:
            patient = pool.submit(ask, endpoint, timeout_s=5)
            hasty = pool.submit(ask, endpoint, timeout_s=0.1)
            assert isinstance(hasty.exception(), ModelTimeout)
            assert patient.result() == ["fine"]


def test_closing_ends_what_is_under_way_and_refuses_what_comes() -> None:
    with FaultyServer(hangs) as server:
        endpoint = Endpoint("m", base_url=server.base_url, concurrency=1)
        with ThreadPoolExecutor(1) as pool:
            call = pool.submit(ask, endpoint, "a", "b", timeout_s=10)
            while not server.requests:
                time.sleep(0.005)
            start = time.monotonic()
            endpoint.close()
            endpoint.close()
            assert isinstance(call.exception(), ModelError)
        assert time.monotonic() - start < 1
        with pytest.raises(ModelUnavailable, match="is closed"):
            ask(endpoint)


def test_faults_on_a_third_of_the_calls() -> None:
    answers = [resets if i % 3 == 0 else says("fine") for i in range(120)]
    with FaultyServer(*answers) as server:
        endpoint = Endpoint("m", base_url=server.base_url)
        assert all(ask(endpoint) == ["fine"] for _ in range(40))
