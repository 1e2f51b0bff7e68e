"""Chance that repeats: draws that depend on what they are drawn for, never on order, process or machine. Pure."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping

SEED = 20_260_101


def drawn(*parts: object) -> str:
    """A fixed draw for these parts: 64 hexadecimal digits, as good as random, equal for equal parts."""
    return hashlib.sha256("\x1f".join(str(part) for part in parts).encode()).hexdigest()


def part_of(n: int, *parts: object) -> int:
    """Which of n equal parts, from 0, these fall into by lot, such as a person into one of two halves."""
    return int(drawn(*parts), 16) % n


def best_first(scores: Mapping[str, float], lot: str) -> tuple[str, ...]:
    """The ids by their score, highest first; ties are drawn by lot, alike for equal lots."""
    return tuple(sorted(scores, key=lambda item_id: (-scores[item_id], drawn(lot, item_id))))
