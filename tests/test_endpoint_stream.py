"""Streamed replies and drawn ones: from a real llama-server, and from servers that cut, mangle or refuse them."""

from __future__ import annotations

import json
import re
import threading
import time
from collections.abc import Iterator, Sequence

import pytest

from agent.deadline import Deadline
from agent.errors import ModelError, ModelReplyInvalid, ModelTimeout, ModelUnavailable
from agent.llm.base import Completion, Sampling
from agent.llm.remote.endpoint import Endpoint
from tests.support.asking import GRACE_S, KEY
from tests.support.faulty_server import (
    DONE,
    Answer,
    FaultyServer,
    event,
    hangs,
    lists,
    never_ends,
    ok,
    place,
    resets,
    says,
    speaks,
    status,
    streams,
)
from tests.support.llama_server import LlamaServer

PATIENCE_S = 120.0  # for a real model on a busy machine
DRAWN = Sampling(temperature=0.9, top_p=0.95, seed=7)


class Listener:
    """Keeps every piece it hears, by suffix, and wants at most `pieces` of each."""

    def __init__(self, pieces: int = 10_000) -> None:
        self.heard: list[tuple[int, str]] = []
        self.threads: set[int] = set()
        self._pieces = pieces

    def __call__(self, place: int, text: str) -> bool:
        self.heard.append((place, text))
        self.threads.add(threading.get_ident())
        return len(self.of(place)) < self._pieces

    def of(self, place: int) -> list[str]:
        return [text for where, text in self.heard if where == place]


def listen(
    server: FaultyServer,
    listener: Listener | None = None,
    *,
    stop: Sequence[str] = (),
    timeout_s: float = 5.0,
) -> tuple[Completion, list[str]]:
    """The completion, and the pieces heard before it."""
    listener = listener or Listener()
    endpoint = Endpoint("m", base_url=server.base_url, api_key=KEY)
    replies = endpoint.complete("p", ["s"], Deadline(timeout_s), max_tokens=50, stop=stop, on_text=listener)
    endpoint.close()
    return replies[0], listener.of(0)


# ---- a real server ---------------------------------------------------------------------------------------------------


@pytest.fixture
def real(llama_server: LlamaServer) -> Iterator[Endpoint]:
    endpoint = Endpoint("smollm2-135m", base_url=llama_server.base_url, timeout_s=PATIENCE_S)
    yield endpoint
    endpoint.close()


def test_llama_server_streams_what_it_would_have_answered(real: Endpoint) -> None:
    listener = Listener()
    asked = ("Be brief.", ["Say yes.", "Name a colour."], Deadline(PATIENCE_S))
    streamed = real.complete(*asked, max_tokens=60, stop=["\n"], on_text=listener)
    assert streamed == real.complete(*asked, max_tokens=60, stop=["\n"])
    for n, reply in enumerate(streamed):
        assert "".join(listener.of(n)) == reply.text
        assert len(listener.of(n)) > 2
        assert reply.tokens_out > 2
    assert threading.get_ident() not in listener.threads


def test_llama_server_draws_the_same_with_the_same_seed(real: Endpoint) -> None:
    def drawn(suffixes: list[str], sampling: Sampling) -> list[str]:
        replies = real.complete(
            "You are a poet.", suffixes, Deadline(PATIENCE_S), max_tokens=200, stop=["\n", "."], sampling=sampling
        )
        return [reply.text for reply in replies]

    one, other = drawn(["Begin a poem."] * 2, DRAWN)
    assert one != other  # the seed of each suffix is its own
    assert drawn(["Begin a poem."], DRAWN) == [one]
    assert drawn(["Begin a poem."], Sampling(0.9, 0.95, seed=8)) == [other]


def test_llama_server_is_free_at_once_when_a_text_is_ended(real: Endpoint) -> None:
    listener = Listener(pieces=3)
    start = time.monotonic()
    asked = ("Write.", ["Write a very long story."], Deadline(PATIENCE_S))
    reply = real.complete(*asked, max_tokens=2_000, on_text=listener)[0]
    assert reply.finish_reason == "cancelled"
    assert reply.text == "".join(listener.of(0))
    assert len(listener.of(0)) == 3
    real.complete("Be brief.", ["Say yes."], Deadline(PATIENCE_S), max_tokens=60, stop=["\n"])
    assert time.monotonic() - start < 15  # 2,000 tokens would take a minute


def test_llama_server_is_cut_at_the_deadline_in_the_middle_of_a_stream(real: Endpoint) -> None:
    listener = Listener()
    start = time.monotonic()
    with pytest.raises(ModelTimeout):
        real.complete("Write.", ["Write a very long story."], Deadline(1.5), max_tokens=2_000, on_text=listener)
    assert time.monotonic() - start < 1.5 + GRACE_S
    assert listener.heard


# ---- what is sent ----------------------------------------------------------------------------------------------------


def test_a_drawn_reply_says_how_and_each_suffix_has_its_own_seed() -> None:
    with FaultyServer(says("fine")) as server:
        endpoint = Endpoint("m", base_url=server.base_url)
        endpoint.complete("p", ["a", "b"], Deadline(5), max_tokens=5, sampling=DRAWN)
        sent = {r.body["messages"][1]["content"]: r.body for r in server.requests}
    assert [sent[suffix]["seed"] for suffix in "ab"] == [7, 8]
    assert (sent["a"]["temperature"], sent["a"]["top_p"]) == (0.9, 0.95)


def test_a_greedy_reply_has_neither_seed_nor_top_p() -> None:
    with FaultyServer(says("fine")) as server:
        Endpoint("m", base_url=server.base_url).complete("p", ["s"], Deadline(5), max_tokens=5)
        assert not {"seed", "top_p", "stream"} & set(server.requests[0].body)


@pytest.mark.parametrize("seed", [0, 2**31 - 1, 2**40])
def test_a_seed_is_one_that_every_server_takes(seed: int) -> None:
    with FaultyServer(says("fine")) as server:
        endpoint = Endpoint("m", base_url=server.base_url)
        endpoint.complete("p", ["a", "b"], Deadline(5), max_tokens=5, sampling=Sampling(1.0, seed=seed))
        assert all(0 <= request.body["seed"] < 2**31 for request in server.requests)
        assert len({request.body["seed"] for request in server.requests}) == 2


def test_what_is_refused_of_the_sampling_is_left_out() -> None:
    answers = [status(400, "unknown field seed"), status(422, "top_p is not supported"), says("fine")]
    with FaultyServer(*answers) as server:
        endpoint = Endpoint("m", base_url=server.base_url)
        for _ in range(2):
            endpoint.complete("p", ["s"], Deadline(5), max_tokens=5, sampling=DRAWN)
        assert len(server.requests) == 4
        assert server.requests[-1].body["temperature"] == 0.9
        assert not {"seed", "top_p"} & set(server.requests[-1].body)


@pytest.mark.parametrize(
    "refusal",
    [
        "Your organization must be verified to stream this model.",
        "Unsupported value: 'stream' does not support true with this model.",
        "Streaming is not supported",
        "Unknown parameter: 'stream'.",
    ],
)
def test_where_streaming_is_refused_the_whole_is_told_at_its_end(refusal: str) -> None:
    with FaultyServer(status(400, refusal), says("<think>hm</think> all of it")) as server:
        assert listen(server) == (Completion("all of it", "stop", 7, 3), ["all of it"])
        assert not {"stream", "stream_options"} & set(server.requests[-1].body)


def test_a_failure_upstream_is_no_refusal_of_streams() -> None:
    with FaultyServer(status(500, "upstream reset, stream closed"), speaks("fine")) as server:
        assert listen(server)[1] == ["fine"]
        assert server.requests[-1].body["stream"] is True


def test_where_the_count_of_tokens_is_refused_the_rest_is_streamed() -> None:
    with FaultyServer(status(400, "Unknown parameter: 'stream_options'"), speaks("a", "b")) as server:
        assert listen(server) == (Completion("ab", "stop", 0, 0), ["a", "b"])
        assert server.requests[-1].body["stream"] is True


def test_a_server_that_ignores_streaming_is_understood() -> None:
    with FaultyServer(says("all of it")) as server:
        assert listen(server) == (Completion("all of it", "stop", 7, 3), ["all of it"])


def test_text_that_cannot_be_encoded_is_sent_all_the_same() -> None:
    with FaultyServer(says("fine")) as server:
        Endpoint("m", base_url=server.base_url).complete("half a \ud83c", ["\ud83c s"], Deadline(5), max_tokens=5)
        assert server.requests[0].body["messages"][0]["content"] == "half a \ufffd"


# ---- what is heard ---------------------------------------------------------------------------------------------------

USAGE = b'data: {"choices": [], "usage": {"prompt_tokens": 5, "completion_tokens": 2}}\n\n'
STOP = event(finish_reason="stop")


@pytest.mark.parametrize(
    ("events", "pieces"),
    [
        ([event("a"), event(" b"), STOP, USAGE, DONE], ["a", " b"]),
        ([event("a"), event(" b", "stop"), USAGE, DONE], ["a", " b"]),
        ([event("a"), event(" b"), event(""), STOP, USAGE], ["a", " b"]),
        ([b": keep-alive\n\n", b"event: x\nid: 3\n", event("a"), event(" b"), STOP, USAGE, DONE], ["a", " b"]),
        ([event("a").replace(b"\n", b"\r\n"), event(" b"), STOP, USAGE, b"data:[DONE]"], ["a", " b"]),
        ([event("a b")[:25], event("a b")[25:], STOP, USAGE, DONE], ["a b"]),
        ([event("\n a"), event(" "), event("b\n"), STOP, USAGE, DONE], ["a", " b"]),
        ([event("<think>x"), event("y</think>\n\na"), event(" b"), STOP, USAGE, DONE], ["a", " b"]),
        ([event("a"), event(" <"), event("think>x</think>b"), STOP, USAGE, DONE], ["a", " b"]),
        ([event("a", error=None, usage=None), event(" b"), STOP, USAGE, DONE], ["a", " b"]),
        ([event("a"), event(" bEN"), event("D c"), event(" never")], ["a", " b"]),
    ],
)
def test_what_is_heard_is_the_answer(events: list[bytes], pieces: list[str]) -> None:
    with FaultyServer(streams(*events)) as server:
        reply, heard = listen(server, stop=["1", "2", "3", "4", "END"])
    assert heard == pieces
    assert (reply.text, reply.finish_reason) == ("a b", "stop")
    assert (reply.tokens_in, reply.tokens_out) == ((5, 2) if USAGE in events else (0, 0))


def test_thoughts_that_the_template_opens_are_heard_once_and_never_again() -> None:
    with FaultyServer(speaks("Let me see", ".</think>", "\n\nYes", ".")) as server:
        endpoint = Endpoint("m", base_url=server.base_url)
        for heard in (["Let me see", "Yes", "."], ["Yes", "."]):
            listener = Listener()
            reply = endpoint.complete("p", ["s"], Deadline(5), max_tokens=50, on_text=listener)[0]
            assert reply.text == "Yes."
            assert listener.of(0) == heard


def test_thoughts_that_stand_apart_are_not_heard() -> None:
    apart = b'data: {"choices": [{"delta": {"reasoning_content": "hm", "content": null}}]}\n\n'
    with FaultyServer(streams(apart, event("a"), STOP, DONE)) as server:
        assert listen(server)[1] == ["a"]


def test_one_listener_hears_one_piece_at_a_time() -> None:
    at_once, most = 0, 0

    def on_text(_place: int, _text: str) -> bool:
        nonlocal at_once, most
        at_once += 1
        most = max(most, at_once)
        time.sleep(0.002)
        at_once -= 1
        return True

    with FaultyServer(streams(*map(event, "abcdefgh"), STOP, DONE, after_s=0.005)) as server:
        endpoint = Endpoint("m", base_url=server.base_url)
        replies = endpoint.complete("p", ["s"] * 4, Deadline(5), max_tokens=50, on_text=on_text)
        assert [reply.text for reply in replies] == ["abcdefgh"] * 4
        assert server.max_at_once > 1
    assert most == 1


def test_a_text_that_is_ended_closes_its_connection_at_once_and_no_other() -> None:
    ended = threading.Event()
    listener = Listener(pieces=3)
    with FaultyServer(never_ends(ended), streams(event("a"), STOP, DONE, after_s=0.2)) as server:
        endpoint = Endpoint("m", base_url=server.base_url)
        start = time.monotonic()
        replies = endpoint.complete("p", ["s", "t"], Deadline(5), max_tokens=50, on_text=listener)
        assert ended.wait(1)
        assert time.monotonic() - start < 1
    cancelled = next(reply for reply in replies if reply.finish_reason == "cancelled")
    assert cancelled.text == "more more more"
    assert [reply.text for reply in replies if reply.finish_reason == "stop"] == ["a"]


def test_a_text_met_by_our_own_stop_string_closes_its_connection_too() -> None:
    ended = threading.Event()
    with FaultyServer(never_ends(ended)) as server:
        reply, heard = listen(server, stop=["1", "2", "3", "4", "e m"])
        assert ended.wait(1)
    assert (reply.text, reply.finish_reason, heard) == ("mor", "stop", ["mor"])


def test_a_listener_that_fails_ends_the_call() -> None:
    ended = threading.Event()

    def on_text(_place: int, _text: str) -> bool:
        raise BrokenPipeError("nobody reads on")

    with FaultyServer(never_ends(ended)) as server:
        with pytest.raises(BrokenPipeError, match="nobody reads on"):
            Endpoint("m", base_url=server.base_url).complete("p", ["s"], Deadline(5), max_tokens=5, on_text=on_text)
        assert ended.wait(1)
        assert len(server.requests) == 1


# ---- faults ----------------------------------------------------------------------------------------------------------

FAILED = b'data: {"error": {"message": "the slot is gone, ' + KEY.encode() + b'", "code": 503}}\n\n'
LONG = event("x" * 150_000)


@pytest.mark.parametrize(
    ("answer", "error", "text", "n_requests", "pieces"),
    [
        (streams(event("a")), ModelUnavailable, "broke off in the middle", 1, ["a"]),
        (streams(event("a"), event(" b")[:30]), ModelUnavailable, "broke off in the middle", 1, ["a"]),
        (streams(event("a"), FAILED), ModelUnavailable, "broke off in the middle", 1, ["a"]),
        (streams(), ModelUnavailable, "broke off the connection", 2, []),
        (streams(event("<think>a")), ModelUnavailable, "broke off the connection", 2, []),
        (streams(FAILED), ModelUnavailable, r"failed .HTTP 503.: the slot is gone, \*\*\*", 2, []),
        (streams(FAILED.replace(b"503", b'"odd"')), ModelUnavailable, "failed .HTTP 500.", 2, []),
        (streams(event("a"), DONE), ModelReplyInvalid, "finish_reason not given", 1, ["a"]),
        (speaks("a", finish_reason="length"), ModelReplyInvalid, "token limit", 1, ["a"]),
        (speaks("a", finish_reason="content_filter"), ModelReplyInvalid, "content_filter", 1, ["a"]),
        (speaks(" "), ModelReplyInvalid, "an empty text", 1, []),
        (speaks(), ModelReplyInvalid, "no text", 1, []),
        (speaks("<think>a"), ModelReplyInvalid, "only thoughts", 1, []),
        (streams(b'data: {"choices"\n\n'), ModelReplyInvalid, "not whole JSON", 1, []),
        (streams(b"data: []\n\n"), ModelReplyInvalid, "a JSON list", 1, []),
        (streams(LONG, LONG), ModelReplyInvalid, "exceeds 262,144 bytes", 1, ["x" * 150_000]),
        (streams(b"data: " + b"x" * 300_000), ModelReplyInvalid, "exceeds 262,144 bytes", 1, []),
        (streams(*[b": " + b"x" * 100_000 + b"\n"] * 100), ModelReplyInvalid, "exceeds 8,388,608 bytes", 1, []),
        (status(401), ModelUnavailable, "does not accept the API key", 1, []),
        (resets, ModelUnavailable, "broke off the connection", 2, []),
        (ok(b"{}"), ModelReplyInvalid, "no choices", 1, []),
        (lists(place(a=-1.0), content="cut"), ModelReplyInvalid, "token limit", 1, []),
    ],
)
def test_a_fault(answer: Answer, error: type[ModelError], text: str, n_requests: int, pieces: list[str]) -> None:
    listener = Listener()
    with FaultyServer(answer) as server:
        with pytest.raises(error) as caught:
            listen(server, listener, timeout_s=10)
        assert re.search(text, str(caught.value)), str(caught.value)
        assert KEY not in repr((caught.value, caught.value.__cause__))
        assert len(server.requests) == n_requests
    assert listener.of(0) == pieces


@pytest.mark.parametrize("answer", [resets, streams(), streams(FAILED), streams(event("<think>")), status(503)])
def test_a_fault_before_anything_was_heard_is_overcome(answer: Answer) -> None:
    with FaultyServer(answer, speaks("fine")) as server:
        assert listen(server) == (Completion("fine", "stop", 0, 0), ["fine"])


def test_a_connection_that_breaks_after_the_last_piece_loses_nothing() -> None:
    with FaultyServer(streams(event("a"), STOP, b'data: {"cho')) as server:
        assert listen(server)[0] == Completion("a", "stop", 0, 0)


@pytest.mark.parametrize("answer", [hangs, streams(event("a"), b"", after_s=1), streams(*[b":\n"] * 900, after_s=0.01)])
def test_the_deadline_holds_in_the_middle_of_a_stream(answer: Answer) -> None:
    with FaultyServer(answer) as server:
        start = time.monotonic()
        with pytest.raises(ModelTimeout):
            listen(server, timeout_s=0.3)
        assert time.monotonic() - start < 0.3 + GRACE_S


def test_nothing_is_heard_once_the_call_is_over() -> None:
    listener = Listener()
    with FaultyServer(streams(*[event(" more")] * 500, after_s=0.01)) as server:
        with pytest.raises(ModelTimeout):
            listen(server, listener, timeout_s=0.3)
        heard = len(listener.heard)
        time.sleep(0.1)
        assert 0 < heard == len(listener.heard)


def test_a_schema_is_followed_by_a_stream_too() -> None:
    with FaultyServer(speaks('{"a": ', "1}")) as server:
        endpoint = Endpoint("m", base_url=server.base_url)
        schema: dict[str, object] = {"type": "object"}
        reply = endpoint.complete("p", ["s"], Deadline(5), max_tokens=9, schema=schema, on_text=lambda _n, _t: True)[0]
        assert json.loads(reply.text) == {"a": 1}
        assert server.requests[0].body["response_format"]["json_schema"]["schema"] == schema
