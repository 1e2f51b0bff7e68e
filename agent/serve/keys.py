"""API keys: who may ask a server, for whom, and how often. Only hashes are kept.

A key is 32 random bytes, so one round of SHA-256 hides it as well as a slow hash would: there is nothing to guess. (A
slow hash protects what people think up; here it would only make every request slow.)
"""

from __future__ import annotations

import hashlib
import hmac
import json
import os
import re
import secrets
import threading
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, TypeAdapter, ValidationError

from agent.errors import ConfigError, NotFound, StoreError
from agent.recall.lock import Lock
from agent.types import Identifier

FILE_NAME = "keys.json"
PREFIX = "palate_"
RANDOM_BYTES = 32
MAX_RATE = 100_000

_RATE = re.compile(r"(\d{1,6})\s*/\s*(s|sec|second|min|minute|h|hour)s?")
_PER_MINUTE = {"s": 60.0, "m": 1.0, "h": 1 / 60}


class Key(BaseModel):
    """What is kept of a key: its name, the hash, the one user that it may speak for, requests a minute."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$")]
    sha256: Annotated[str, StringConstraints(pattern="^[0-9a-f]{64}$")]
    user: Identifier | None = None
    per_minute: Annotated[float, Field(gt=0, le=MAX_RATE)] | None = None
    added: datetime


_KEYS = TypeAdapter(tuple[Key, ...])


class Keys:
    """The keys of a data folder, read again whenever their file changes. Safe for several threads and processes."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / FILE_NAME
        self._known: tuple[Key, ...] = ()
        self._mark: tuple[int, int] | None = None
        self._lock = threading.Lock()

    def all(self) -> tuple[Key, ...]:
        """Every key, in the order in which they were added. Raises StoreError where the file cannot be read."""
        with self._lock:
            mark = self._standing()
            if mark != self._mark:
                self._known, self._mark = (self._read() if mark else ()), mark
            return self._known

    def find(self, secret: str) -> Key | None:
        """The key that this is, or None; how long it takes tells nothing of the keys there are."""
        asked, found = _hashed(secret), None
        for key in self.all():
            if hmac.compare_digest(key.sha256, asked):
                found = key
        return found

    def add(self, name: str, *, user: str | None = None, per_minute: float | None = None) -> str:
        """A new key, to be shown once: nobody can read it again. Raises ConfigError where the name is taken or bad."""
        secret = PREFIX + secrets.token_urlsafe(RANDOM_BYTES)
        fields = {"name": name, "sha256": _hashed(secret), "user": user, "per_minute": per_minute}
        try:
            key = Key.model_validate({**fields, "added": datetime.now(UTC)})
        except ValidationError as error:
            raise ConfigError(f"a key cannot be made: {_reason(error)}", "Name it as in: webui, phone-2") from error
        with self._changing():
            known = self.all()
            if any(other.name == name for other in known):
                raise ConfigError(
                    f"there is a key {name!r} already", f"Remove it first: palate serve keys remove {name}"
                )
            self._write((*known, key))
        return secret

    def remove(self, name: str) -> None:
        """Take a key away, at once also from a server that runs. Raises NotFound."""
        with self._changing():
            known = self.all()
            left = tuple(key for key in known if key.name != name)
            if len(left) == len(known):
                names = ", ".join(key.name for key in known)
                raise NotFound(f"there is no key {name!r}", f"There are: {names}" if names else "There are none")
            self._write(left)

    def forget(self, user: str) -> int:
        """Let the keys that are bound to a person speak for nobody known, under a name drawn at random; how many.

        They stay keys, so that a server which asked for one does not open to everybody.
        """
        if not any(_speaks_of(key, user) for key in self.all()):
            return 0
        with self._changing():
            known = self.all()
            kept = tuple(_nobodys(key, user) if _speaks_of(key, user) else key for key in known)
            self._write(kept)
        return sum(_speaks_of(key, user) for key in known)

    def _standing(self) -> tuple[int, int] | None:
        try:
            found = self.path.stat()
        except FileNotFoundError:
            return None
        return found.st_mtime_ns, found.st_ino

    def _read(self) -> tuple[Key, ...]:
        try:
            return _KEYS.validate_json(self.path.read_bytes())
        except (OSError, ValidationError) as error:
            hint = "Make it readable, or delete it and add keys anew"
            raise StoreError(f"the keys in {self.path} cannot be read", hint) from error

    def _changing(self) -> Lock:
        self.path.parent.mkdir(parents=True, exist_ok=True)
        return Lock(self.path.with_suffix(".lock"), timeout=5)

    def _write(self, keys: Sequence[Key]) -> None:
        """The file, whole or not at all, readable by this user alone."""
        fresh = self.path.with_suffix(f".{secrets.token_hex(4)}")
        descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            json.dump([key.model_dump(mode="json") for key in keys], file, indent=1)
            file.flush()
            os.fsync(file.fileno())
        fresh.replace(self.path)


def _speaks_of(key: Key, user: str) -> bool:
    return user in (key.user, key.name)


def _nobodys(key: Key, user: str) -> Key:
    drawn = f"forgotten-{secrets.token_hex(4)}"
    return key.model_copy(update={"user": drawn if key.user else None, "name": drawn if key.name == user else key.name})


def rate_in(text: str) -> float:
    """Requests a minute, from `30/min`, `2/s` or `500/h`. Raises ConfigError."""
    found = _RATE.fullmatch(text.strip())
    rate = int(found[1]) * _PER_MINUTE[found[2][0]] if found else 0.0
    if not 0 < rate <= MAX_RATE:
        raise ConfigError(f"{text[:40]!r} is no rate", "Write for example: --rate 30/min")
    return rate


def _hashed(secret: str) -> str:
    return hashlib.sha256(secret.encode("utf-8", "surrogatepass")).hexdigest()


def _reason(error: ValidationError) -> str:
    first = error.errors(include_url=False)[0]
    return f"{'.'.join(map(str, first['loc']))}: {first['msg']}".removeprefix("Value error, ")
