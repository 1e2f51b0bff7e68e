"""What is noted of the request under way, for the log and for its span: counts, times, and a person only as a hash."""

from __future__ import annotations

import logging
import secrets
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from agent.observe.logs import REQUESTS, pseudonym, told
from agent.types import Degradation

if TYPE_CHECKING:
    from agent.observe.tracing import Fact


@dataclass
class Noted:
    """One request: `request_id` is ours, so that it holds nothing that a client chose; `user` is a hash."""

    request_id: str = field(default_factory=lambda: secrets.token_hex(8))
    user: str = ""
    k: int | None = None
    degraded: tuple[str, ...] = ()

    def about(self, user_id: str) -> None:
        """Whom it is about."""
        self.user = pseudonym(user_id)

    def answered(self, degraded: Iterable[Degradation], k: int | None) -> None:
        """What the answer lacks, by stage, and how many items it holds."""
        self.degraded = tuple(dict.fromkeys(one.stage for one in degraded))
        self.k = k if k is not None else self.k

    def log(self, route: str, method: str, status: int, first_s: float, whole_s: float) -> None:
        """Write the line of the request."""
        if not REQUESTS.isEnabledFor(logging.INFO):
            return
        times = {"first_ms": round(first_s * 1e3, 1), "ms": round(whole_s * 1e3, 1)}
        asked = {"id": self.request_id, "route": route, "method": method, "status": status, **times}
        told(
            REQUESTS,
            logging.INFO,
            "request",
            {**asked, "k": self.k, "user": self.user or None, "degraded": self.degraded},
        )

    def facts(self, route: str, method: str, status: int) -> dict[str, Fact | None]:
        """What a span tells of it, by OpenTelemetry's names where there are any."""
        return {
            "http.route": route,
            "http.request.method": method,
            "http.response.status_code": status,
            "palate.request_id": self.request_id,
            "palate.k": self.k,
            "palate.degraded": self.degraded or None,
        }


_noted: ContextVar[Noted | None] = ContextVar("noted", default=None)


@contextmanager
def noting(noted: Noted) -> Iterator[None]:
    """Within, `under_way` is this."""
    token = _noted.set(noted)
    try:
        yield
    finally:
        _noted.reset(token)


def under_way() -> Noted:
    """What is noted of the request under way; outside of one, a note that nobody reads."""
    return _noted.get() or Noted("")
