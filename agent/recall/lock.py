"""One process at a time in a folder of vectors."""

from __future__ import annotations

import os
from pathlib import Path

from filelock import FileLock, Timeout

from agent.errors import StoreError, StoreLocked

__all__ = ["Lock", "locked"]

Lock = FileLock


def locked(home: Path, timeout_s: float) -> FileLock:
    """The folder, locked for this process; it is made if there is none.

    Raises StoreLocked when another process has not let go of it in time, StoreError where it cannot be written.
    """
    holder = home / "holder"
    lock = FileLock(home / "lock", thread_local=False)
    try:
        home.mkdir(parents=True, exist_ok=True)
        lock.acquire(timeout=timeout_s, poll_interval=0.05)
        holder.write_text(str(os.getpid()))
    except Timeout as error:
        who = _holder(holder)
        raise StoreLocked(
            f"the index in {home} is in use by process {who}",
            "Wait for that process to end, or use another data folder",
        ) from error
    except OSError as error:
        lock.release()
        raise StoreError(
            f"cannot lock the index in {home}: {error.strerror or error}", "Make the folder writable"
        ) from error
    return lock


def _holder(path: Path) -> str:
    """The process that last said it holds the folder, as far as that can be read."""
    try:
        said = path.read_bytes().decode("ascii", "replace").strip()
    except OSError:
        return "unknown"
    return said if said.isdecimal() else "unknown"
