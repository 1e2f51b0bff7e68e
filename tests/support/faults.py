"""The faults of a model's server, each by its name: what it answers, and what an answer of ours says of it then."""

from __future__ import annotations

from dataclasses import dataclass

from tests.support.faulty_server import (
    Answer,
    completion,
    drips,
    event,
    hangs,
    http,
    ok,
    resets,
    says,
    stalls,
    status,
    streams,
)

_GOOD = http(200, completion('{"order": [3, 2, 1]}'))
_STREAMED = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nConnection: close\r\n\r\n" + event('{"order": [3')


@dataclass(frozen=True)
class Fault:
    """`cause`: a pattern of the reason that is told. `gives`: the reply still names some candidates.

    `asked_again`: whether the one retry may follow. Without an `answer` nobody listens at all.
    """

    answer: Answer | None
    cause: str
    gives: bool = False
    asked_again: bool = False


FAULTS: dict[str, Fault] = {
    "hang": Fault(hangs, "did not answer in time"),
    "drip": Fault(drips(_GOOD), "did not answer in time"),
    "429": Fault(status(429), r"limits how often it may be asked \(HTTP 429\)", asked_again=True),
    "429 with Retry-After": Fault(
        status(429, "slower", {"Retry-After": "60"}), r"\(HTTP 429\).*asked again in 60\.0 s, but less time is left"
    ),
    "500": Fault(status(500), r"failed \(HTTP 500\)", asked_again=True),
    "401": Fault(status(401), r"does not accept the API key \(HTTP 401\)"),
    "400": Fault(status(400), r"refused the request \(HTTP 400\)"),
    "cut JSON": Fault(ok(completion('{"order": [3, 2, 1]}')[:-30]), "is not whole JSON"),
    "a web page": Fault(ok(b"<!doctype html><title>Welcome</title>", Content_Type="text/html"), "is a web page"),
    "{}": Fault(ok(b"{}"), "holds no choices"),
    "empty choices": Fault(ok(b'{"choices": []}'), "holds no choices"),
    "null content": Fault(says(None), "holds no text"),
    "half a stream": Fault(streams(event('{"order": [3'), event(", 2")), "is not whole JSON"),
    "a stall in a stream": Fault(stalls(_STREAMED), "did not answer in time"),
    "reset": Fault(resets, "broke off the connection", asked_again=True),
    "wrong labels": Fault(says('{"order": [101, 0, -7, 999]}'), "named 0 of the"),
    "repeated labels": Fault(says('{"order": [2, 2, 2, 2, 2]}'), "named 1 of the", gives=True),
    "another language": Fault(says("我推荐第三部和第一部电影，因为它们很好看。"), "named 0 of the"),
    "cut at its length": Fault(says('{"order": [3, 2', "length"), "cut off at its token limit"),
    "1 MB": Fault(says("x" * 1_000_000), "exceeds 262,144 bytes"),
    "nobody listens": Fault(None, "refuses the connection"),
}
