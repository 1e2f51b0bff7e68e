"""Whether people are all alike: then their interval is Wilson's, and only more of them would make it narrower. Pure."""

from __future__ import annotations

from collections.abc import Collection


def is_flat(values: Collection[float]) -> bool:
    """Whether all values are one."""
    return len(set(values)) == 1
