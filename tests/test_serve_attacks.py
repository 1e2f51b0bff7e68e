"""Bad input over real sockets: whatever is sent, the answer is a refusal in words, and the server stays well."""

from __future__ import annotations

import json
import socket
from collections.abc import Iterator

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.support.serving import Got, Server, films_in, serving

LONE = "\ud800"
POSTS = (
    "/v1/converse",
    "/v1/recommend",
    "/v1/events",
    "/v1/explain",
    "/v1/rerank",
    "/v1/chat/completions",
    "/v1/conversations/c/undo",
)
GETS = ("/v1/profile", "/v1/why", "/v1/items", "/v1/conversations", "/v1/conversations/x", "/v1/models/x", "/v1/page")
DEEP = 100_000


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    folder = tmp_path_factory.mktemp("attacked")
    films_in(folder)
    with serving(folder, "--no-llm") as server:
        yield server
        assert server.noted == ""  # no internal error came up in any of these tests


def refused(got: Got, *statuses: int) -> None:
    assert got.status in (statuses or (400,)), (got.status, got.raw[:300])
    body = got.json
    detail = body["error"]["message"] if "error" in body else body["detail"]
    assert detail
    assert "Traceback" not in got.raw.decode()
    assert len(got.raw) < 10_000


@pytest.mark.parametrize("path", POSTS[:-1])
@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"{",
        b"null",
        b"[]",
        b'"text"',
        b"1e999",
        b"[" * DEEP,
        b'{"a":' * DEEP,
        b'{"user": ' + b"9" * DEEP + b"}",
        b"\xff\xfe",
        b'{"user": "\xff"}',
        b'{"k": NaN}',
        b'{"k": Infinity}',
        b"\x00",
    ],
    ids=lambda raw: str(raw[:12]),
)
def test_what_is_no_request_is_refused(server: Server, path: str, raw: bytes) -> None:
    refused(server.ask("POST", path, raw=raw))


BAD_FIELDS = [
    ("/v1/recommend", {"user": value})
    for value in ("", " ada", "a\nb", "a\0b", LONE, "x" * 129, 1, True, [], {}, "\x7f", "\ufdd0")
] + [
    ("/v1/recommend", {"user": "ada", name: value})
    for name, values in {
        "k": (0, -1, 101, 10**30, 1.5, "many", [], 1e308, "1e3"),
        "wish": (LONE, "a\0b", "x" * 2_001, 1, {}),
        "where": ("year>", "(" * 1_500, "year>=1990 and " * 100, "not " * 400, LONE, "x" * 2_001),
        "timeout_s": (0, -1, 1e9, "soon", [], "inf", "nan"),
        "llm": ("perhaps", 2, []),
        "unknown": (1,),
    }.items()
    for value in values
] + [
    ("/v1/events", {"events": value})
    for value in (
        [], {}, "x", [1], [{}], [{"user": "ada"}],
        [{"user": "ada", "kind": "like"}],
        [{"user": "ada", "kind": "like", "item_id": "f01", "title": "Alien"}],
        [{"user": "ada", "kind": "like", "item_id": LONE}],
        [{"user": "ada", "kind": "rate", "item_id": "f01", "value": "many"}],
        [{"user": "ada", "kind": "rate", "item_id": "f01", "value": "NaN"}],
        [{"user": "ada", "kind": "search", "text": LONE}],
        [{"user": "ada", "kind": "search", "text": "x" * 20_001}],
        [{"user": "ada", "kind": "like", "item_id": "f01", "at": "0001-01-01T00:00:00+23:59"}],
        [{"user": "ada", "kind": "like", "item_id": "f01", "at": "9999-12-31T23:59:59-23:59"}],
        [{"user": "ada", "kind": "like", "item_id": "f01", "at": "2026-01-01T00:00:00"}],
        [{"user": "ada", "kind": "like", "item_id": "f01", "at": 1e300}],
        [{"user": "ada", "kind": "like", "item_id": "f01", "event_id": "x" * 129}],
        [{"user": "ada", "kind": "view", "item_id": "f01"}] * 1_001,
    )
] + [
    ("/v1/explain", {"user": "ada", "items": value}) for value in ([], "Alien", [1], [""], ["x"] * 101, [LONE], {})
] + [
    ("/v1/converse", {"user": "ada", "message": value}) for value in ("", "  ", LONE, "x\0", "x" * 50_000, 1, None)
] + [
    ("/v1/converse", {"user": "ada", "message": "hello", name: value})
    for name, value in (
        ("language", "xx"), ("k", 0), ("conversation_id", "a\nb"), ("conversation_id", ""), ("where", "x>"),
        ("timeout_s", 0),
    )
] + [
    ("/v1/rerank", {"query": "x", "documents": value})
    for value in ([], "x", [1], [{}], [{"text": 1}], [{"text": LONE}], [LONE], ["x\0"], ["x"] * 257, [None])
] + [
    ("/v1/rerank", {"query": value, "documents": ["x"]}) for value in ("", LONE, 1, "x" * 2_001)
] + [
    ("/v1/rerank", {"query": "x", "documents": ["x"], "top_n": value}) for value in (0, -1, "x", 1.5)
]  # fmt: skip


@pytest.mark.parametrize(("path", "body"), BAD_FIELDS, ids=lambda v: json.dumps(v)[:60])
def test_what_is_out_of_bounds_is_refused(server: Server, path: str, body: object) -> None:
    refused(server.ask("POST", path, body))


@pytest.mark.parametrize(
    "change",
    [
        {"messages": []},
        {"messages": "hi"},
        {"messages": [{"role": "pirate", "content": "x"}]},
        {"messages": [{"role": "user", "content": LONE}]},
        {"messages": [{"role": "user", "content": [{"type": "image_url", "image_url": {"url": "x"}}]}]},
        {"messages": [{"role": "assistant", "content": "x"}]},
        {"messages": [{"role": "user", "content": None}]},
        {"messages": [{"role": "user", "content": "x"}] * 2_001},
        {"n": 2},
        {"n": 0},
        {"temperature": 3},
        {"temperature": "NaN"},
        {"max_tokens": 0},
        {"logprobs": True},
        {"stream_options": {"include_usage": True}},
        {"response_format": {"type": "json_object"}},
        {"user": LONE},
        {"user": "x" * 129},
    ],
    ids=lambda change: json.dumps(change)[:60],
)
def test_what_no_chat_can_do_is_refused_as_openai_does(server: Server, change: dict[str, object]) -> None:
    asked = {"model": "palate", "messages": [{"role": "user", "content": "a film"}], **change}
    got = server.ask("POST", "/v1/chat/completions", asked)
    refused(got)
    assert set(got.json["error"]) == {"message", "type", "param", "code"}
    assert got.json["error"]["type"] == "invalid_request_error"


def test_a_wrong_model_is_not_found(server: Server) -> None:
    for name in ("gpt-5", LONE, "x" * 5_000, "../../etc/passwd"):
        asked = {"model": name, "messages": [{"role": "user", "content": "a film"}]}
        refused(server.ask("POST", "/v1/chat/completions", asked), 404)


@pytest.mark.parametrize(
    "path",
    [
        "/v1/profile",
        "/v1/profile?user=",
        "/v1/profile?user=%00",
        "/v1/profile?user=a%0Ab",
        "/v1/profile?user=" + "x" * 129,
        "/v1/profile?user=ada&why=%ED%A0%80",
        "/v1/profile?user=ada&why=Nothing",
        "/v1/why?user=ada",
        "/v1/why?user=ada&item=",
        "/v1/why?user=ada&item=%00",
        "/v1/why?user=ada&item=" + "x" * 1_001,
        "/v1/items?limit=0",
        "/v1/items?limit=1e9",
        "/v1/items?q=" + "x" * 1_001,
        "/v1/conversations/x?user=ada&limit=-1",
        "/v1/conversations/%00?user=ada",
        "/v1/conversations/a/b/c?user=ada",
        "/../../../etc/passwd",
        "/%2e%2e/%2e%2e/%2e%2e/etc/passwd",
        "/..%5c..%5capp.py",
        "/js/../../app.py",
        "/%00",
        "/" + "x" * 5_000,
        "/v1//profile?user=ada",
        "/v1/conversations/..%2f..%2fx/undo",
    ],
    ids=lambda path: path[:50],
)
def test_odd_addresses_are_refused(server: Server, path: str) -> None:
    refused(server.ask("GET", path), 400, 404, 405)


def test_names_with_odd_signs_are_names_like_others(server: Server) -> None:
    for name in ("a/b", "a?b", "..", "%2e", "名字", "ada'--", '"; drop table events; --', "<script>", "🎬" * 128):
        sent = {"events": [{"user": name, "kind": "like", "item_id": "f01"}]}
        assert server.ask("POST", "/v1/events", sent).json["written"] == 1
        got = server.ask("POST", "/v1/recommend", {"user": name, "k": 1, "wish": "<script>alert(1)</script>"})
        assert got.json["user"] == name


def test_large_and_broken_requests_are_refused(server: Server) -> None:
    refused(server.ask("POST", "/v1/events", raw=b" " * (2**20 + 1)), 413)
    refused(server.ask("POST", "/v1/chat/completions", raw=b" " * (2**20 + 1)), 413)
    for head in (
        b"GARBAGE\r\n\r\n",
        b"GET / HTTP/9.9\r\n\r\n",
        b"POST /v1/events HTTP/1.1\r\nhost: localhost\r\ncontent-length: -1\r\n\r\n",
        b"POST /v1/events HTTP/1.1\r\nhost: localhost\r\ncontent-length: 99999999999999999999999\r\n\r\n",
        b"GET / HTTP/1.1\r\nhost: localhost\r\nx: " + b"y" * 200_000 + b"\r\n\r\n",
        b"POST /v1/events HTTP/1.1\r\nhost: localhost\r\ntransfer-encoding: chunked\r\n\r\nzz\r\n",
    ):
        with socket.create_connection((server.host, server.port), timeout=30) as line:
            line.sendall(head)
            assert line.recv(1_000).startswith((b"HTTP/1.1 4", b"")), head[:60]
    with socket.create_connection((server.host, server.port), timeout=30) as line:
        line.sendall(b"POST /v1/events HTTP/1.1\r\nhost: localhost\r\ncontent-length: 100\r\n\r\n{")
    assert server.ask("GET", "/healthz").status == 200


_anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(st.characters(), max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=8,
)
_fields = st.sampled_from(
    ["user", "message", "wish", "k", "where", "events", "items", "query", "documents", "messages", "model", "stream"]
)


def is_sent_away(got: Got) -> bool:
    """Whether others came first: no other 503 says when to come back."""
    return got.status == 503 and "retry-after" in got.headers


@settings(max_examples=120, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
@given(path=st.sampled_from(POSTS), body=st.dictionaries(_fields, _anything, max_size=5) | _anything)
def test_nothing_that_can_be_sent_breaks_it(server: Server, path: str, body: object) -> None:
    got = server.ask("POST", path, body)
    assert got.status < 500 or is_sent_away(got), got.raw[:300]


@settings(max_examples=60, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
@given(
    path=st.sampled_from(GETS), query=st.text(st.characters(codec="latin-1", exclude_characters=" \r\n"), max_size=30)
)
def test_no_query_breaks_it(server: Server, path: str, query: str) -> None:
    from urllib.parse import quote

    got = server.ask("GET", f"{path}?user=ada&{quote(query, safe='=&%')}")
    assert got.status < 500 or is_sent_away(got), got.raw[:300]
