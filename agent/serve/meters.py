"""What the server counts, in Prometheus's text form. Nothing in it names a person, an item or what was said."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.exposition import CONTENT_TYPE_LATEST

from agent.types import Degradation

CONTENT_TYPE = CONTENT_TYPE_LATEST
OTHER = "other"  # the route of what is none, and the method of what no route takes
METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
BUCKETS_S = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 1.5, 2.5, 5.0, 10.0, 30.0)


class Meters:
    """Counters of one server, in a registry of its own."""

    def __init__(self, waiting: Callable[[], int]) -> None:
        self._registry = CollectorRegistry()
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
            "palate_degraded", "Answers in which a stage did less than asked", ["stage"], registry=kept
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

    def answered(self, degraded: Iterable[Degradation], tokens: Mapping[str, int] | None = None) -> None:
        """Count what an answer lacks, and what it cost."""
        for stage in {one.stage for one in degraded}:
            self._degraded.labels(stage).inc()
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
