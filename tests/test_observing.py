"""What an operator sees: logs without people, counters by route, stage and cause, and spans for who asks for them."""

from __future__ import annotations

import json
import logging
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from agent import Recommender, Settings
from agent.cli import run
from agent.llm.remote.refusal import refusal_of
from agent.observe.logs import REQUESTS, configure, pseudonym, told
from agent.observe.sections import LogSettings
from agent.observe.stages import ended, watched_by
from agent.observe.tracing import Tracing
from agent.serve.meters import cause_of
from agent.types import Degradation
from tests.support.serving import Server, films_in, serving

WISH = "a quiet film about a lighthouse"
STAGES = {"recall wish", "recall taste", "fuse", "prior", "rerank", "slate", "reasons", "store write"}
Said = Callable[..., None]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    home = tmp_path_factory.mktemp("observed")
    films_in(home)
    return home


@pytest.fixture
def on_stderr(capsys: pytest.CaptureFixture[str]) -> Iterator[Callable[[], list[str]]]:
    """Whatever was written on stderr, by lines; the handlers of before come back."""
    before, levels = logging.getLogger().handlers[:], {n: logging.getLogger(n).level for n in ("agent", "palate")}
    yield lambda: capsys.readouterr().err.splitlines()
    logging.getLogger().handlers[:] = before
    for name, level in levels.items():
        logging.getLogger(name).setLevel(level)


def test_an_entry_is_one_line_of_text_or_of_json(on_stderr: Callable[[], list[str]]) -> None:
    configure(LogSettings(level="info"))
    told(REQUESTS, logging.INFO, "request", {"route": "/v1/recommend", "k": None, "degraded": ("model", "recall")})
    configure(LogSettings(level="info", format="json"))
    told(REQUESTS, logging.INFO, "two\nlines", {"ms": 1.5})
    text, as_json = on_stderr()
    assert text.partition(" ")[2] == "palate: request route=/v1/recommend degraded=model,recall"
    found = json.loads(as_json)
    assert (found["level"], found["logger"], found["message"], found["ms"]) == (
        *("info", "palate.requests", "two lines"),
        1.5,
    )


def test_levels_hold_for_ours_and_libraries_are_heard_from_warnings_on(on_stderr: Callable[[], list[str]]) -> None:
    configure(LogSettings(level="warning"))
    told(REQUESTS, logging.INFO, "request")
    logging.getLogger("agent.store.cache").warning("no cache")
    configure(LogSettings(level="debug"))
    logging.getLogger("openai").debug("a prompt")
    logging.getLogger("openai").warning("trouble")
    assert [line.partition("palate: ")[2] for line in on_stderr()] == ["no cache", "openai: trouble"]


def test_an_exception_is_logged_by_its_kind_alone(on_stderr: Callable[[], list[str]]) -> None:
    configure(LogSettings(format="json"))
    try:
        raise KeyError("what ada said")
    except KeyError:
        logging.getLogger("agent.x").warning("it failed", exc_info=True)
    (line,) = on_stderr()
    assert json.loads(line)["error"] == "KeyError"
    assert "ada" not in line


def test_a_person_is_a_hash_that_holds_in_one_process() -> None:
    assert pseudonym("ada") == pseudonym("ada") != pseudonym("bo")
    assert len(pseudonym("ada" * 1_000)) == 8


def test_stages_are_heard_by_who_watches_and_only_there() -> None:
    heard: list[str] = []

    class Ear:
        def stage(self, name: str, source: str, ms: float) -> None:
            heard.append(f"{name} {source} {ms:g}")

    ended("before", ms=1)
    with watched_by(Ear()):
        ended("recall", "wish", ms=2)
    ended("after", ms=3)
    assert heard == ["recall wish 2"]


def of_status(status: int) -> str:
    return str(refusal_of(status, "it came too late", {}).error("the endpoint http://x/v1", "m"))


def test_a_cause_is_one_of_a_few() -> None:
    reasons = {
        "out of time while scoring": "time",
        "m.gguf has the wrong hash: expected sha256 ...": "damaged",
        "the server at x cannot be reached: connection refused": "unreachable",
        "something else altogether, of ada": "other",
        **{of_status(status): "refused" for status in (307, 400, 401, 404, 429, 500, 503)},
        "the endpoint http://x/v1 cannot tell how likely an answer is: it answers without logprobs. Set y": "refused",
        "the endpoint http://x/v1 failed (HTTP 500); after 5 failures in a row it is left alone for 5 s": "breaker",
        "no connection to the endpoint http://x/v1 was free in time. Raise endpoint.concurrency": "time",
        "the endpoint http://x/v1 has a host name that is not known. Check base_url": "unreachable",
        "the endpoint http://x/v1 refuses the connection. Check base_url": "unreachable",
        "the endpoint http://x/v1: the reply was cut off at its token limit. Use a model that answers briefly": "reply",
    }
    assert {r: cause_of(Degradation(stage="model", reason=r)) for r in reasons} == reasons


# --- spans ------------------------------------------------------------------------------------------------------------


def test_an_answer_has_a_span_for_every_stage_and_none_holds_words(folder: Path, promise: Said) -> None:
    kept = InMemorySpanExporter()
    with Tracing(SimpleSpanProcessor(kept)) as tracing, Recommender.open(settings=Settings(folder=folder)) as palate:
        palate.tell("ada-span", likes=["Toy Story"])
        spans = tracing.answer("recommend")
        with watched_by(spans):
            palate.recommend("ada-span", WISH, k=3, llm=False)
        spans.ended(facts={"palate.k": 3})
    found = kept.get_finished_spans()
    names, outer = {span.name for span in found}, next(span for span in found if span.name == "recommend")
    inner = [span for span in found if span is not outer]
    assert names >= {*STAGES, "recommend"}, names
    assert all(span.parent and span.parent.span_id == outer.context.span_id for span in inner)
    assert all(outer.start_time - 1_000_000 <= s.start_time <= s.end_time <= outer.end_time for s in inner)
    text = "".join(span.to_json() for span in found)
    words = [word for word in ("ada-span", "lighthouse", "Toy Story", "toystory") if word in text]
    assert not words
    figure = f"{len(STAGES)} of {len(STAGES)} stages; {len(words)} words of a person in {len(found)} spans"
    promise("Operations", "a span for each stage of an answer, none of them with a person's words", figure, not words)


class Receiver:
    """An OTLP receiver on a socket of its own, which keeps what it is sent."""

    def __init__(self) -> None:
        self.bodies: list[bytes] = []
        self.paths: list[str] = []
        kept = self

        class Answers(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                kept.paths.append(self.path)
                kept.bodies.append(self.rfile.read(int(self.headers["content-length"])))
                self.send_response(200)
                self.end_headers()

            def log_message(self, *_: object) -> None:
                """Say nothing."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Answers)
        self.address = f"http://127.0.0.1:{self._server.server_address[1]}"
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def spans(self) -> list[Any]:
        requests = [ExportTraceServiceRequest.FromString(body) for body in self.bodies]
        scopes = [scope for request in requests for found in request.resource_spans for scope in found.scope_spans]
        return [span for scope in scopes for span in scope.spans]

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()


@pytest.mark.thorough
def test_a_server_sends_spans_to_a_real_receiver_when_told_to(folder: Path) -> None:
    receiver = Receiver()
    try:
        env = {"OTEL_EXPORTER_OTLP_ENDPOINT": receiver.address, "OTEL_EXPORTER_OTLP_COMPRESSION": "none"}
        with serving(folder, "--no-llm", env=env) as server:
            parent = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
            asked = {"user": "ada-otlp", "wish": WISH, "k": 2}
            assert server.ask("POST", "/v1/recommend", asked, traceparent=parent).status == 200
            assert server.end()[0] == 0
        found = receiver.spans()
    finally:
        receiver.close()
    assert set(receiver.paths) == {"/v1/traces"}
    outer = next(span for span in found if span.name == "POST /v1/recommend")
    assert outer.trace_id.hex() == "4bf92f3577b34da6a3ce929d0e0e4736", "the caller's trace goes on"
    inner = {span.name for span in found if span.parent_span_id == outer.span_id}
    assert inner >= {"recall wish", "fuse", "slate", "reasons", "store write"}, inner
    sent = b"".join(receiver.bodies)
    assert b"ada-otlp" not in sent
    assert b"lighthouse" not in sent


def test_a_command_is_a_span_too(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    receiver = Receiver()
    try:
        monkeypatch.setenv("PALATE_OTEL_ENDPOINT", receiver.address)
        arguments = ["--folder", str(folder), "recommend", "ada-cli", "--no-llm", "--json"]
        assert copy_context().run(run, arguments) == 0
        names = {span.name for span in receiver.spans()}
    finally:
        receiver.close()
    assert names >= {"palate recommend", "fuse", "slate", "reasons"}


def test_no_receiver_no_spans() -> None:
    assert Tracing.opened(Settings().otel) is None


# --- a server at work -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("n", [60, pytest.param(1_000, marks=pytest.mark.thorough)])
def test_requests_are_logged_without_people(folder: Path, n: int, promise: Said) -> None:
    marker = "zebra-7319"
    env = {"PALATE_LOG_LEVEL": "debug", "PALATE_LOG_FORMAT": "json"}
    with serving(folder, "--no-llm", env=env) as server:
        with ThreadPoolExecutor(4) as crowd:
            statuses = list(crowd.map(lambda i: _asked(server, f"{marker}-{i % 7}", i, marker), range(n)))
        counted = server.ask("GET", "/metrics").raw.decode()
        code, noted = server.end()
    lines = [json.loads(line) for line in noted.splitlines() if line.startswith("{")]
    requests = [line for line in lines if line["message"] == "request" and line["route"].startswith("/v1/")]
    assert code == 0
    assert len(requests) == n
    assert {line["status"] for line in requests} <= {*statuses, 200}
    wanted = {"id", "route", "method", "status", "ms", "user"}
    slates = [line for line in requests if line["route"] == "/v1/recommend" and line["status"] == 200]
    assert all(wanted <= line.keys() for line in slates)
    assert {line["k"] for line in slates} == {2}
    assert len({line["user"] for line in requests if "user" in line}) == 7
    held = noted.count(marker) + counted.count(marker)
    assert held == 0
    figure = f"{held} in {len(noted.splitlines()):,} lines of {n:,} requests"
    promise(
        "Operations", "logs and counters of 1,000 requests hold no user id and nothing that was said", figure, not held
    )


def _asked(server: Server, user: str, i: int, marker: str) -> int:
    calls: list[tuple[str, str, object]] = [
        ("POST", "/v1/recommend", {"user": user, "wish": f"{marker} wish", "k": 2}),
        ("POST", "/v1/events", {"user": user, "events": [{"kind": "like", "item_id": "toystory"}]}),
        ("GET", f"/v1/users/{user}/profile", None),
        ("POST", "/v1/recommend", {"user": user, "k": 2, "where": f"{marker} ="}),
        ("GET", f"/v1/conversations?user={user}", None),
    ]
    kind = 3 if i % 50 == 49 else (0, 1, 2, 4)[i % 4]
    return server.ask(*calls[kind]).status


def test_metrics_are_whole(folder: Path) -> None:
    with serving(folder, "--no-llm") as server:
        got = server.ask("POST", "/v1/recommend", {"user": "ada", "wish": WISH, "k": 2})
        assert len(got.headers["x-request-id"]) == 16
        server.ask("GET", "/nowhere")
        found = server.ask("GET", "/metrics").raw.decode()
        assert server.end() == (0, ""), "nothing is logged of a request unless asked for"
    for sample in (
        'palate_requests_total{method="POST",route="/v1/recommend",status="200"} 1.0',
        'palate_request_seconds_count{route="/v1/recommend"} 1.0',
        'palate_first_byte_seconds_count{route="/v1/recommend"} 1.0',
        'palate_stage_seconds_count{source="wish",stage="recall"} 1.0',
        'palate_stage_seconds_count{source="",stage="fuse"} 1.0',
        'palate_stage_seconds_count{source="write",stage="store"}',
        "palate_queue_length 0.0",
        "palate_shed_total 0.0",
        "palate_left_total 0.0",
        "# TYPE palate_degraded_total counter",
        "# TYPE palate_model_tokens_total counter",
    ):
        assert sample in found, sample
