"""Who is asking: the key of a request, whom it may speak for, and whether it asks too often."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import dataclass

from starlette.requests import HTTPConnection

from agent.errors import ConfigError
from agent.serve.keys import Key, Keys
from agent.serve.noting import under_way
from agent.serve.problems import Refused

SCHEME = "bearer "


@dataclass(frozen=True)
class Caller:
    """Whoever sent a request; without a key, someone on this machine, who may speak for anyone."""

    key: Key | None = None

    def user(self, asked: str | None, otherwise: str | None = None) -> str:
        """The person it is about: the one asked for, else the one of the key, else `otherwise`.

        Raises Refused where the key is another person's, ConfigError where nobody is named.
        """
        bound = self.key.user if self.key else None
        if bound is not None and asked not in (None, bound):
            raise Refused(403, "this key may not speak for that user", "Leave the user out, or use their key")
        user = bound or asked or otherwise
        if user is None:
            raise ConfigError("no user is named", 'Say whose taste is meant: "user": "ada"')
        under_way().about(user)
        return user

    @property
    def bound(self) -> bool:
        """Whether the key is one person's alone."""
        return self.key is not None and self.key.user is not None


class Door:
    """Lets requests in by their keys. Without keys anyone may ask, where only this machine can reach the server."""

    def __init__(self, keys: Keys, *, open_without: bool, clock: Callable[[], float] = time.monotonic) -> None:
        self._keys = keys
        self._open_without = open_without
        self._clock = clock
        self._buckets: dict[str, Bucket] = {}

    @property
    def locked(self) -> bool:
        """Whether a key is needed."""
        return not self._open_without or bool(self._keys.all())

    def caller(self, connection: HTTPConnection) -> Caller:
        """Who asks. Raises Refused: 401 without a key that is known, 429 where it asks too often."""
        if not self.locked:
            return Caller()
        header = connection.headers.get("authorization", "")
        secret = header[len(SCHEME) :].strip() if header.lower().startswith(SCHEME) else ""
        key = self._keys.find(secret) if secret else None
        if key is None:
            what = "this key is not known" if secret else "a key is needed"
            raise Refused(401, what, "Send it as: Authorization: Bearer KEY")
        self._count(key)
        return Caller(key)

    def _count(self, key: Key) -> None:
        if key.per_minute is None:
            return
        bucket = self._buckets.get(key.sha256)
        if bucket is None or bucket.per_minute != key.per_minute:
            bucket = self._buckets[key.sha256] = Bucket(key.per_minute, self._clock)
        wait_s = bucket.take()
        if wait_s > 0:
            again = max(1, math.ceil(wait_s))
            what = f"this key may ask {key.per_minute:g} times a minute"
            raise Refused(429, what, f"Try again in {again} s", retry_after_s=again)


class Bucket:
    """A token bucket: as many requests at once as a minute allows, at least 1, refilled evenly."""

    def __init__(self, per_minute: float, clock: Callable[[], float]) -> None:
        self.per_minute = per_minute
        self._most = max(1.0, per_minute)
        self._clock = clock
        self._held, self._at = self._most, clock()

    def take(self) -> float:
        """0 where a request may pass now, else the seconds until the next may."""
        now = self._clock()
        self._held = min(self._most, self._held + (now - self._at) * self.per_minute / 60)
        self._at = now
        if self._held >= 1:
            self._held -= 1
            return 0.0
        return (1 - self._held) * 60 / self.per_minute
