"""What looks at pictures: any model that makes a vector of one."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import numpy as np

from agent.deadline import Deadline
from agent.errors import ModelReplyInvalid
from agent.images.picture import Picture
from agent.store.cache import Cache
from agent.types import Vector


class Reason(str):
    """Why a model would have nothing to do with a picture, in a few words."""

    __slots__ = ()


Seen = Vector | Reason
"""The unit vector of a picture, or why there is none."""


class Eye(Protocol):
    """Turns pictures into vectors. Equal names give equal vectors; `at_once` is how many it likes to be shown."""

    name: str
    at_once: int

    def look(self, pictures: Sequence[Picture], deadline: Deadline) -> list[Seen]:
        """What it sees in each. Raises ModelError where it cannot look at any: absent, down, out of time."""
        ...

    def close(self) -> None:
        """Let go of what it holds. Calling it twice is harmless."""
        ...


class Remembering:
    """An eye that looks at each content once: vectors are kept in the cache by the eye's name and the bytes' hash.

    What a person shows is looked at by `glancing`, by default the same eye, and nothing of it is kept.
    """

    def __init__(self, eye: Eye, cache: Cache, glancing: Eye | None = None) -> None:
        self.name = eye.name
        self._glancing = glancing or eye
        self.at_once = eye.at_once
        self._eye = eye
        self._cache = cache
        self._namespace = f"pictures/{eye.name}"

    def look(self, pictures: Sequence[Picture], deadline: Deadline) -> list[Seen]:
        """See `Eye.look`; what is known costs nothing."""
        found = self.known([picture.mark for picture in pictures])
        missing = list({p.mark: p for p in pictures if p.mark not in found}.values())
        seen: dict[str, Seen] = {**found}
        for start in range(0, len(missing), self.at_once):
            some = missing[start : start + self.at_once]
            fresh = dict(zip((p.mark for p in some), self._eye.look(some, deadline), strict=True))
            vectors = {mark: one for mark, one in fresh.items() if not isinstance(one, Reason)}
            self._cache.put_many(self._namespace, {mark: one.tobytes() for mark, one in vectors.items()})
            seen |= fresh
        return [seen[picture.mark] for picture in pictures]

    def glance(self, picture: Picture, deadline: Deadline) -> Seen:
        """What it sees in a picture that a person shows; a picture of an item is known. Raises ModelError."""
        known = self.known([picture.mark]).get(picture.mark)
        return known if known is not None else self._glancing.look([picture], deadline)[0]

    def known(self, marks: Sequence[str]) -> dict[str, Vector]:
        """The vectors of contents that were looked at before, by hash."""
        kept = self._cache.get_many(self._namespace, list(dict.fromkeys(marks)))
        vectors = {mark: np.frombuffer(value, np.float32) for mark, value in kept.items() if len(value) % 4 == 0}
        return {mark: vector for mark, vector in vectors.items() if abs(float(np.linalg.norm(vector)) - 1.0) < 1e-3}

    def close(self) -> None:
        """See `Eye.close`."""
        self._eye.close()


def unit(numbers: object, whose: str) -> Vector:
    """A model's numbers as a vector of length 1. Raises ModelReplyInvalid: none, not finite, or all 0."""
    try:
        vector = np.asarray(numbers, dtype=np.float32)
    except (TypeError, ValueError):
        vector = np.empty(0, np.float32)
    length = float(np.linalg.norm(vector)) if vector.ndim == 1 else 0.0
    if not np.isfinite(length) or length == 0:
        raise ModelReplyInvalid(f"{whose} gave no vector for a picture", "Check that images.model embeds pictures")
    return np.asarray(vector / length, dtype=np.float32)
