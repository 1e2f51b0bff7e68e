"""Files that only grow, by whole lines: read, mended at the end, put on the disk."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import IO

from agent.errors import ConfigError

BLOCK = 65_536


def whole_lines(path: Path) -> Iterator[tuple[int, bytes]]:
    """The lines of a file, each with its number from 1, but for one that was cut off; none where there is no file.

    Raises ConfigError where the file cannot be read.
    """
    try:
        with path.open("rb") as file:
            yield from ((number, line) for number, line in enumerate(file, start=1) if line.endswith(b"\n"))
    except FileNotFoundError:
        return
    except OSError as error:
        raise ConfigError(f"cannot read {path}: {error.strerror or error}", "Check the file and its rights") from error


def line_at(file: IO[bytes], start: int) -> bytes:
    """The line that begins at this byte. Raises OSError."""
    file.seek(start)
    return file.readline()


def sync(file: IO[bytes]) -> None:
    """Put all that was written on the disk. Raises OSError."""
    file.flush()
    os.fsync(file.fileno())


def end_of_lines(file: IO[bytes]) -> int:
    """Where the last whole line ends, in bytes; 0 where there is none."""
    end = file.seek(0, os.SEEK_END)
    while end:
        start = max(0, end - BLOCK)
        file.seek(start)
        found = file.read(end - start).rfind(b"\n")
        if found >= 0:
            return start + found + 1
        end = start
    return 0
