"""What the server counts, in Prometheus's text form. Nothing in it names a person, an item or what was said."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import get_args

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.exposition import CONTENT_TYPE_LATEST
from prometheus_client.registry import Collector

from agent.llm.remote.breaker import Standing, State
from agent.serve.noting import under_way
from agent.types import Degradation

CONTENT_TYPE = CONTENT_TYPE_LATEST
OTHER = "other"  # the route of what is none, and the method of what no route takes
METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
STAGE_BUCKETS_S = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
CAUSES = (  # the first whose sign is in the reason: reasons themselves may hold addresses and file names
    ("breaker", ("left alone", "breaker")),
    ("refused", ("(http ", "how likely an answer is")),
    ("time", ("out of time", "in time", "given up", "timeout", "timed out", "not loaded within")),
    ("reply", ("reply", "answered", "label", "broke off", "json", "named")),
    ("damaged", ("hash", "damaged", "outdated", "magic", "truncated")),
    (
        "unreachable",
        ("reach", "refuse", "connect", "host", "certificate", "tls", "not there", "not found", "missing", "be read"),
    ),
    ("read-only", ("read-only", "readonly")),
    ("space", ("full", "space")),
)
BUCKETS_S = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 1.5, 2.5, 5.0, 10.0, 30.0)


class Meters:
    """Counters of one server, in a registry of its own."""

    def __init__(
        self,
        waiting: Callable[[], int],
        used: Callable[[], Mapping[str, int]] = dict,
        breaker: Callable[[], Standing | None] = lambda: None,
    ) -> None:
        """`waiting`: how many wait for the model now; `used`: the tokens that it has read and written so far.

        `breaker`: how that of an endpoint stands.
        """
        self._registry = CollectorRegistry()
        self._registry.register(_Used(used))
        self._registry.register(_Breaking(breaker))
        kept = self._registry
        self._requests = Counter(
            "palate_requests", "Requests by route, method and status", ["route", "method", "status"], registry=kept
        )
        self._seconds = Histogram(
            "palate_request_seconds",
            "Time until an answer was whole",
            ["route"],
            buckets=BUCKETS_S,
            registry=kept,
        )
        self._first = Histogram(
            "palate_first_byte_seconds", "Time until an answer began", ["route"], buckets=BUCKETS_S, registry=kept
        )
        self._tokens = Counter("palate_tokens", "Tokens that models read (in) and wrote (out)", ["kind"], registry=kept)
        self._degraded = Counter(
            "palate_degraded", "Answers in which a stage did less than asked", ["stage", "cause"], registry=kept
        )
        self._stages = Histogram(
            "palate_stage_seconds",
            "Time that a stage of an answer took, by its source; `store write`: a transaction that changed the store",
            ["stage", "source"],
            buckets=STAGE_BUCKETS_S,
            registry=kept,
        )
        self._shed = Counter("palate_shed", "Requests sent away because too many waited", registry=kept)
        self._left = Counter("palate_left", "Answers whose client left before they were whole", registry=kept)
        queue = Gauge("palate_queue_length", "Answers that wait for the model", registry=kept)
        queue.set_function(waiting)

    def request(self, route: str, method: str, status: int, first_s: float, whole_s: float) -> None:
        """Count a request and the time that it took."""
        self._requests.labels(route, method if method in METHODS else OTHER, str(status)).inc()
        self._seconds.labels(route).observe(whole_s)
        self._first.labels(route).observe(first_s)

    def stage(self, name: str, source: str, ms: float) -> None:
        """See `Watcher.stage`."""
        self._stages.labels(name, source).observe(ms / 1e3)

    def answered(
        self, degraded: Iterable[Degradation], tokens: Mapping[str, int] | None = None, k: int | None = None
    ) -> None:
        """Count what an answer lacks, and what it cost; `k` is how many items it holds."""
        lacking = list(degraded)
        under_way().answered(lacking, k)
        for stage, cause in {(one.stage, cause_of(one)) for one in lacking}:
            self._degraded.labels(stage, cause).inc()
        for kind, n in (tokens or {}).items():
            self._tokens.labels(kind).inc(n)

    def shed(self) -> None:
        """Count a request that was sent away."""
        self._shed.inc()

    def left(self) -> None:
        """Count an answer that nobody waited for."""
        self._left.inc()

    def text(self) -> bytes:
        """All of it, to be read by Prometheus."""
        return generate_latest(self._registry)


class _Used(Collector):
    """The tokens of a model, read off it when they are asked for."""

    def __init__(self, used: Callable[[], Mapping[str, int]]) -> None:
        self._used = used

    def collect(self) -> Iterator[CounterMetricFamily]:
        """See `Collector.collect`."""
        family = CounterMetricFamily(
            "palate_model_tokens",
            "Tokens that the model has read (in), written (out) or decoded so far",
            labels=["kind"],
        )
        for kind, n in self._used().items():
            family.add_metric([kind], n)
        yield family


class _Breaking(Collector):
    """The breaker of an endpoint, read off it when it is asked for; nothing for a local model."""

    def __init__(self, breaker: Callable[[], Standing | None]) -> None:
        self._breaker = breaker

    def collect(self) -> Iterator[CounterMetricFamily | GaugeMetricFamily]:
        """See `Collector.collect`."""
        about = "How the endpoint's breaker stands: 1 for one of closed, open and half-open"
        states = GaugeMetricFamily("palate_endpoint_breaker", about, labels=["state"])
        calls = CounterMetricFamily("palate_endpoint_calls", "Calls to the endpoint by how they ended", labels=["end"])
        standing = self._breaker()
        if standing is not None:
            for state in get_args(State):
                states.add_metric([state], float(standing.state == state))
            for end, n in standing.calls.items():
                calls.add_metric([end], n)
        yield from (states, calls)


def cause_of(degraded: Degradation) -> str:
    """The kind of cause, one of a few, that a reason speaks of."""
    reason = degraded.reason.lower()
    return next((cause for cause, signs in CAUSES if any(sign in reason for sign in signs)), OTHER)
