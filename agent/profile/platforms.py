"""What an event counts by the platform it comes from. Pure."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from agent.types import Event, EventKind

Weigh = Callable[[Event], float]

UNWEIGHED = frozenset({EventKind.INTEREST})
"""A person's own word on their interests counts whole, wherever it was said."""


def alike(_: Event) -> float:
    """Every event counts whole."""
    return 1.0


def weigh_by(platforms: Mapping[str, Mapping[str, Any]]) -> Weigh:
    """What an event counts, in [0, 1]: the `weight` of its platform times what its `kinds` say of its kind.

    Whatever is not named counts whole; without any platform named, all do.
    """
    weights = {
        (name, kind): float(given.get("weight", 1.0)) * float(given.get("kinds", {}).get(kind.value, 1.0))
        for name, given in platforms.items()
        for kind in EventKind
        if kind not in UNWEIGHED
    }
    return (lambda event: weights.get((event.platform, event.kind), 1.0)) if weights else alike
