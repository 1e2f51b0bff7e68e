"""Whether a context fits into memory: llama.cpp asks for all of it at once, and a full machine ends processes."""

from __future__ import annotations

import sys
from pathlib import Path

from agent.errors import ModelUnavailable

_BYTES = {  # of one number in the cache, by its type
    **{"f32": 4.0, "f16": 2.0, "bf16": 2.0, "q8_0": 34 / 32},
    **{"q5_1": 24 / 32, "q5_0": 22 / 32, "q4_1": 20 / 32, "q4_0": 18 / 32},
}
_GROUP = Path("/sys/fs/cgroup")
_PROC = Path("/proc")


def check_fits(cells: int, layers: int, width: int, cache_type: str, *, available: int | None) -> None:
    """Do nothing where the keys and values of so many cells fit; `width`: numbers a cell keeps in a layer.

    Raises ModelUnavailable where they take more than is `available`; None means that nobody knows.
    """
    needed = int(cells * layers * width * _BYTES[cache_type])
    if available is not None and needed > available:
        raise ModelUnavailable(
            f"a context of {cells:,} tokens takes {needed / 1e9:,.1f} GB of memory, {available / 1e9:,.1f} GB are free",
            "Lower model.context_tokens, free memory, or set model.cache_type = q8_0",
        )


def available_bytes() -> int | None:
    """Memory, swap included, that this process may still take; None where the system does not say."""
    said = [_of_machine(), _of_group(), _of_limit()]
    return min((max(0, free) for free in said if free is not None), default=None)


def _of_machine() -> int | None:
    told = _fields(_PROC / "meminfo")
    return (told["MemAvailable"] + told.get("SwapFree", 0)) * 1024 if "MemAvailable" in told else None


def _of_group() -> int | None:
    """What the container has left: its limit less what cannot be given back."""
    try:
        most = int((_GROUP / "memory.max").read_text(encoding="ascii"))
    except (OSError, ValueError):  # no such limit, or the word "max"
        return None
    return most - _fields(_GROUP / "memory.stat").get("anon", 0)


def _of_limit() -> int | None:
    if sys.platform == "win32":
        return None
    import resource

    most, _ = resource.getrlimit(resource.RLIMIT_AS)
    if most == resource.RLIM_INFINITY:
        return None
    return most - _fields(_PROC / "self" / "status").get("VmSize", 0) * 1024


def _fields(path: Path) -> dict[str, int]:
    """The numbers of a file of names and numbers, by name; empty where there is none."""
    try:
        rows = [line.replace(":", " ").split() for line in path.read_text(encoding="utf-8").splitlines()]
    except OSError:
        return {}
    return {row[0]: int(row[1]) for row in rows if len(row) > 1 and row[1].isdecimal()}
