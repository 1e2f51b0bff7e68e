"""Bad requests one by one, as the reliability of the server is promised: each ends in the answer written beside it."""

from __future__ import annotations

import json
import socket
from collections.abc import Iterator, Sequence
from contextlib import suppress

import pytest

from tests.support.promises import Say
from tests.support.serving import Server, films_in, serving

MOST = 2**20  # bytes of a body, by default
HOST = "host: localhost\r\nconnection: close\r\n"
HEAD = f"{HOST}content-type: application/json\r\n"
FINE = {"user": "ada", "k": 1}
VIEW = {"user": "ada", "kind": "view", "item_id": "f01"}


def recommend(**fields: object) -> bytes:
    """A question for recommendations as the bytes of HTTP."""
    return posted("/v1/recommend", json.dumps({**FINE, **fields}).encode())


def posted(path: str, body: bytes, head: str = HEAD, version: str = "1.1") -> bytes:
    line = f"POST {path} HTTP/{version}\r\n{head}content-length: {len(body)}\r\n\r\n"
    return line.encode() + body


def got(path: str, head: str = HEAD, version: str = "1.1") -> bytes:
    return f"GET {path} HTTP/{version}\r\n{head}\r\n".encode()


def event(**fields: object) -> bytes:
    return posted("/v1/events", json.dumps({"events": [{**VIEW, **fields}]}).encode())


def chunked(total: int, size: int = 65_536) -> bytes:
    """A body without a length, in chunks."""
    head = f"POST /v1/recommend HTTP/1.1\r\n{HEAD}transfer-encoding: chunked\r\n\r\n".encode()
    return head + (f"{size:x}\r\n".encode() + b" " * size + b"\r\n") * (total // size) + b"0\r\n\r\n"


def nested(depth: int) -> bytes:
    return b'{"user": ' + b"[" * depth + b"]" * depth + b"}"


BODY = json.dumps(FINE).encode()
ROWS: dict[str, tuple[bytes, Sequence[int]]] = {
    "no body": (posted("/v1/recommend", b""), [400]),
    "no body and no length": (f"POST /v1/recommend HTTP/1.1\r\n{HEAD}\r\n".encode(), [400]),
    "null": (posted("/v1/recommend", b"null"), [400]),
    "an array": (posted("/v1/recommend", b"[]"), [400]),
    "a wrong content type": (posted("/v1/recommend", BODY, f"{HOST}content-type: text/xml\r\n"), [400]),
    "a form": (
        posted("/v1/recommend", b"user=ada", f"{HOST}content-type: application/x-www-form-urlencoded\r\n"),
        [400],
    ),
    "64 KiB and a byte": (posted("/v1/recommend", BODY + b" " * (65_537 - len(BODY))), [200]),
    "as much as may be": (posted("/v1/recommend", BODY + b" " * (MOST - len(BODY))), [200]),
    "a byte more": (posted("/v1/recommend", BODY + b" " * (MOST + 1 - len(BODY))), [413]),
    "10 MB in chunks": (chunked(10_000_000), [413]),
    "two lengths": (posted("/v1/recommend", BODY, f"{HEAD}content-length: 3\r\n"), [400]),
    "a length and chunks": (
        posted("/v1/recommend", b"0\r\n\r\n", f"{HEAD}transfer-encoding: chunked\r\n"),
        [400],
    ),
    **{f"k {k!r}": (recommend(k=k), [400]) for k in (0, -1, 10**9, "5", 2.5, True, None, [5], 10**400)},
    "k 5.0": (recommend(k=5.0), [200]),
    **{f"llm {llm!r}": (recommend(llm=llm), [400]) for llm in (0, 1, "true", None)},
    **{f"timeout_s {s!r}": (recommend(timeout_s=s), [400]) for s in (0, -1, "5", True, 86_401)},
    "next to no time": (recommend(timeout_s=5e-324), [200, 503]),
    "a user not met before": (recommend(user="who is this"), [200]),
    "no user": (posted("/v1/recommend", b'{"k": 1}'), [400]),
    "an empty user": (recommend(user=""), [400]),
    "a user of spaces": (recommend(user="  "), [400]),
    "a user with a slash": (recommend(user="a/b/../c"), [200]),
    "a user with NUL": (recommend(user="a\0b"), [400]),
    "a user of 10 KB": (recommend(user="x" * 10_000), [400]),
    "a user that is an emoji family": (recommend(user="👩‍👩‍👧‍👦"), [200]),
    "a user in an address with a slash": (got("/v1/profile?user=a%2Fb"), [200]),
    "a user in an address with NUL": (got("/v1/profile?user=a%00b"), [400]),
    "a user in an address of 10 KB": (got("/v1/profile?user=" + "x" * 10_000), [400]),
    "a parameter twice": (got("/v1/profile?user=ada&user=eve"), [200]),
    "a parameter twice, the last one bad": (got("/v1/items?limit=3&limit=x"), [400]),
    "a parameter that is not known": (got("/v1/items?nothing=1"), [200]),
    "a field that is not known": (recommend(colour="red"), [400]),
    "a key twice, the last one bad": (posted("/v1/recommend", b'{"user": "ada", "k": 1, "k": 0}'), [400]),
    "1970": (event(at="1970-01-01T00:00:00Z"), [200]),
    "9999": (event(at="9999-12-31T23:59:59Z"), [200]),
    "9999 beyond UTC": (event(at="9999-12-31T23:59:59-12:00"), [400]),
    "a date without a zone": (event(at="2026-01-01T00:00:00"), [400]),
    "a date that is a number": (event(at=1_700_000_000), [400]),
    "a date that is none": (event(at="2026-02-30T00:00:00Z"), [400]),
    "an item that is not known": (event(item_id="nobody knows it"), [200]),
    "a value that is a text": (event(kind="rate", value="4"), [400]),
    "HTTP/1.0": (got("/v1/items", version="1.0"), [200]),
    "HTTP/1.0 with a body": (posted("/v1/recommend", BODY, version="1.0"), [200]),
    "no host": (got("/healthz", head=""), [400]),
    "a header of 1 MB": (got("/healthz", head=f"{HEAD}x-much: {'y' * 2**20}\r\n"), [400, 431]),
    "10,000 headers": (got("/healthz", head=HEAD + "x-many: y\r\n" * 10_000), [200, 400, 431]),
    "an address of 100 KB": (got("/v1/items?q=" + "x" * 100_000), [400, 414]),
    "JSON 10,000 deep": (posted("/v1/recommend", nested(10_000)), [400]),
    "JSON 400,000 deep": (posted("/v1/recommend", nested(400_000)), [400]),
    "a number of 5,000 digits": (posted("/v1/recommend", b'{"user": "ada", "k": ' + b"9" * 5_000 + b"}"), [400]),
    "a lone surrogate": (posted("/v1/recommend", rb'{"user": "ada", "wish": "\ud800"}'), [400]),
    "UTF-16": (posted("/v1/recommend", json.dumps(FINE).encode("utf-16")), [200, 400]),
    "a method of its own": (f"BREW /v1/items HTTP/1.1\r\n{HEAD}\r\n".encode(), [404, 405]),
    "another protocol": (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", [400]),
}


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    folder = tmp_path_factory.mktemp("asked")
    films_in(folder)
    with serving(folder, "--no-llm") as server:
        yield server
        assert "internal error" not in server.noted


def exchanged(server: Server, sent: bytes) -> tuple[int, bytes]:
    """The status and the body of the answer to these bytes; status 0 where the server hung up without one."""
    with socket.create_connection((server.host, server.port), timeout=60) as line:
        answer = b""
        with suppress(ConnectionError):  # it may answer before it has read all
            line.sendall(sent)
        with suppress(ConnectionError):
            while some := line.recv(65_536):
                answer += some
    head, _, body = answer.partition(b"\r\n\r\n")
    return (int(head.split(b" ", 2)[1]) if head else 0), body


def is_fault(status: int, body: bytes) -> bool:
    """Whether it is a 503 for another reason than want of time."""
    return status == 503 and json.loads(body)["type"] != "urn:palate:Overloaded"


def test_each_bad_request_has_its_answer(server: Server, promise: Say) -> None:
    found = {name: exchanged(server, sent) for name, (sent, _) in ROWS.items()}
    wrong = {name: answer for name, answer in found.items() if answer[0] not in ROWS[name][1] or is_fault(*answer)}
    figure = f"{len(ROWS) - len(wrong)} of {len(ROWS)}"
    text = "Every request of the list (bodies, sizes, numbers, users, dates, headers) has the answer written beside it"
    promise("Bad input", text, figure, not wrong)
    assert not wrong
    assert all(b"Traceback" not in body for _, body in found.values())
    assert server.ask("GET", "/healthz").status == 200


def test_one_event_sent_a_thousand_times_is_one_event(server: Server) -> None:
    act = {"user": "often", "kind": "rate", "item_id": "f02", "value": 4, "event_id": "the-same"}
    first = server.ask("POST", "/v1/events", {"events": [act]}).json["written"]
    at_once = server.ask("POST", "/v1/events", {"events": [act] * 999})
    assert (first, at_once.status, at_once.json["written"]) == (1, 200, 0)
    assert len(server.ask("GET", "/v1/profile?user=often").json["liked"]) == 1


def test_what_a_path_takes_is_told_where_another_method_is_tried(server: Server) -> None:
    for path, method, allowed in [
        ("/v1/profile?user=ada", "PUT", "GET, PATCH"),
        ("/v1/recommend", "GET", "POST"),
        ("/v1/conversations/c/undo", "PUT", "POST"),
        ("/v1/recommend", "OPTIONS", "POST"),
    ]:
        answer = server.ask(method, path)
        assert (answer.status, answer.headers.get("allow")) == (405, allowed), (method, path)
