"""Files that are never seen half-written: they take their place when all of them is on the disk, or never."""

from __future__ import annotations

import json
import os
import secrets
import shutil
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path

from agent.errors import ConfigError


@contextmanager
def whole(path: Path) -> Iterator[Path]:
    """A place beside `path` for a file or folder: it becomes `path` when all went well, and vanishes when not.

    Raises OSError where it cannot be put there, such as a folder in the place of one that holds anything.
    """
    part = path.with_name(f".{path.name}.{secrets.token_hex(4)}.part")
    try:
        yield part
        part.replace(path)
    finally:
        shutil.rmtree(part, ignore_errors=True)
        with suppress(OSError):
            part.unlink()


def write_text(path: Path, lines: Iterable[str], hint: str = "Give another file") -> None:
    """Write these pieces of text to the file, whole or not at all. Raises ConfigError when it cannot be written."""
    try:
        with whole(path) as part, part.open("w", encoding="utf-8", newline="") as file:
            file.writelines(lines)
            file.flush()
            os.fsync(file.fileno())
    except OSError as error:
        raise ConfigError(f"cannot write {path}: {error.strerror or error}", hint) from error


def write_json(path: Path, value: Mapping[str, object]) -> None:
    """Write one JSON object so that the file is never seen half-written. Raises OSError."""
    with whole(path) as part, part.open("w", encoding="utf-8") as file:
        json.dump(value, file, ensure_ascii=False, indent=1, allow_nan=False)
        file.write("\n")
        file.flush()
        os.fsync(file.fileno())
