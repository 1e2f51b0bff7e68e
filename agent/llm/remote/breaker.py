"""Leaves a server alone that keeps failing: a circuit breaker. Source: Nygard, "Release It!" (2007), ch. 5."""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Literal, get_args

from agent.errors import ConfigError, ModelError, ModelTimeout, ModelUnavailable
from agent.llm.remote.refusal import Declined, Refused
from agent.llm.remote.workers import Unsent

FAILURES = 5
PROBE_S = 5.0
TELLING_S = 1.0  # a time-out after less says more of the caller's hurry than of the server

State = Literal["closed", "open", "half-open"]
Outcome = Literal["answered", "failed", "neither", "spared"]


@dataclass(frozen=True, slots=True)
class Standing:
    """How a breaker stands: its state, the failures in a row, why the last of them failed, and how calls ended so far.

    `probe_in_s`: the seconds until a call may try the server again, 0 where any may.
    """

    state: State
    failures: int
    cause: str
    probe_in_s: float
    calls: dict[Outcome, int]

    @property
    def trouble(self) -> str:
        """Why the server is not asked now; empty where it is."""
        if self.state == "closed":
            return ""
        until = f"for {math.ceil(self.probe_in_s)} s" if self.state == "open" else "while one call tries it"
        return f"{self.cause}; after {self.failures} failures in a row it is left alone {until}"


class Breaker:
    """Watches the calls to one server. Safe for several threads.

    *Closed*, it lets every call through. After `failures` that came in a row it is *open* and refuses calls at once,
    but for one in `probe_s` seconds: while that one is under way it is *half-open*. A success closes it, whichever
    call it comes from. 0 `failures` never open it.

    A failure is a call that gave nothing for a reason that will likely meet the next one too: no connection, 429 or
    5xx (the retries included), a wrong key or model (401, 403, 404: every call will fail), a reply of no use, or a
    time-out of a second at least. What tells nothing of the server is neither failure nor success: one request that it
    refused (400, 413, 422), a prompt that is too long, a call whose caller left, had less time or found no connection
    free.
    """

    def __init__(
        self, failures: int = FAILURES, probe_s: float = PROBE_S, clock: Callable[[], float] = time.monotonic
    ) -> None:
        if failures < 0 or not 0 < probe_s < math.inf:
            raise ConfigError(
                f"a breaker cannot have failures={failures}, probe_s={probe_s}", "Give failures >= 0 and probe_s > 0"
            )
        self._most = failures or math.inf
        self._probe_s = probe_s
        self._clock = clock
        self._lock = threading.Lock()
        self._failed = 0
        self._cause = self._hint = ""
        self._probe_at = 0.0
        self._probing = False
        self._calls: dict[Outcome, int] = dict.fromkeys(get_args(Outcome), 0)

    @property
    def standing(self) -> Standing:
        """How it stands now."""
        with self._lock:
            return self._standing()

    def _standing(self) -> Standing:
        is_open = self._failed >= self._most
        state: State = "closed" if not is_open else "half-open" if self._probing else "open"
        wait_s = max(0.0, self._probe_at - self._clock()) if is_open else 0.0
        return Standing(state, self._failed, self._cause, wait_s, dict(self._calls))

    @contextmanager
    def watching(self, timeout_s: float) -> Iterator[None]:
        """One call to the server, which has that much time. Raises ModelUnavailable where none is made now."""
        began, probes = self._clock(), self._admit()
        failure: ModelError | None = None
        outcome: Outcome = "neither"
        try:
            yield
            outcome = "answered"
        except ModelError as error:
            if tells(error, timeout_s, spent=self._clock() - began >= timeout_s):
                outcome, failure = "failed", error
            raise
        finally:
            self._note(outcome, failure, probes)

    def _admit(self) -> bool:
        """Whether the call probes the server. Raises ModelUnavailable."""
        with self._lock:
            if self._failed < self._most:
                return False
            if self._probing or self._probe_at > self._clock():
                self._calls["spared"] += 1
                raise ModelUnavailable(self._standing().trouble, self._hint)
            self._probing = True
            self._probe_at = self._clock() + self._probe_s
            return True

    def _note(self, outcome: Outcome, failure: ModelError | None, probes: bool) -> None:
        with self._lock:
            self._calls[outcome] += 1
            was_open = self._failed >= self._most
            if outcome == "answered":
                self._failed, self._cause, self._hint = 0, "", ""
            elif failure is not None:
                self._failed, self._cause, self._hint = self._failed + 1, cause_of(failure), failure.hint
            if self._failed >= self._most and (probes or not was_open):
                self._probe_at = self._clock() + self._probe_s
            self._probing = self._probing and not probes


def tells(error: ModelError, timeout_s: float, *, spent: bool) -> bool:
    """Whether an error tells that the next call will likely fail too. `spent`: all the time of the call went by."""
    if isinstance(error, Unsent):
        return False
    if isinstance(error, ModelTimeout):
        return spent and timeout_s >= TELLING_S
    return not isinstance(error, Declined)


def cause_of(error: ModelError) -> str:
    """What went wrong, without the server's own words: these may repeat what one person wrote, others will read it."""
    return error.verdict if isinstance(error, Refused) else error.message
