"""The folder of a data set: written whole or not at all, every file with its hash, and its past read back."""

from __future__ import annotations

import gzip
import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from agent.errors import CatalogueError, ConfigError
from agent.types import Item
from eval import files

BUILT = "built.json"


@dataclass(frozen=True)
class Written:
    """A file of the folder: its name, its size in bytes and its SHA-256 in hexadecimal."""

    file: str
    bytes: int
    sha256: str

    @classmethod
    def of(cls, path: Path) -> Written:
        """What stands in a file now."""
        with path.open("rb") as file:
            return cls(path.name, path.stat().st_size, hashlib.file_digest(file, "sha256").hexdigest())

    def as_json(self) -> dict[str, object]:
        """The same as a plain object."""
        return {"file": self.file, "bytes": self.bytes, "sha256": self.sha256}


@contextmanager
def whole(output: Path) -> Iterator[Path]:
    """A folder to write to, which becomes `output` when all went well and vanishes when anything did not.

    Raises ConfigError when `output` is there already or cannot be written.
    """
    if output.exists():
        raise ConfigError(f"{output} is there already", "Give --output a folder that is not there yet")
    try:
        with files.whole(output) as part:
            part.mkdir(parents=True)
            yield part
    except OSError as error:
        raise ConfigError(f"cannot write {output}: {error.strerror or error}", "Give another --output") from error


def write_lines(path: Path, rows: Iterable[Mapping[str, object]]) -> int:
    """Write rows as JSON lines with sorted keys, and how many; packed where the name ends in .gz, without a date."""
    n = 0
    with path.open("wb") as file, _packing(file, path) as lines:
        for row in rows:
            lines.write(f"{json.dumps(row, ensure_ascii=False, sort_keys=True)}\n".encode())
            n += 1
    return n


@contextmanager
def _packing(file: IO[bytes], path: Path) -> Iterator[IO[bytes] | gzip.GzipFile]:
    if path.suffix != ".gz":
        yield file
        return
    with gzip.GzipFile(filename="", mode="wb", compresslevel=6, fileobj=file, mtime=0) as packed:
        yield packed


def row_of(item: Item, popularity: int) -> dict[str, object]:
    """An item as a line of `items.jsonl`, with this popularity in the place of its own.

    Attributes stand beside the item's own fields; those that bear the name of one stand under `attributes`.
    """
    own = item.model_dump(mode="json", exclude={"attributes"}, exclude_defaults=True)
    named = {name: list(value) if isinstance(value, tuple) else value for name, value in item.attributes.items()}
    clashing = {name: value for name, value in named.items() if name in Item.model_fields}
    free = {name: value for name, value in named.items() if name not in clashing}
    return {**free, **own, "tags": list(item.tags), "popularity": popularity} | (
        {"attributes": clashing} if clashing else {}
    )


@dataclass(frozen=True)
class Act:
    """One line of the past: `at` in Unix seconds."""

    user_id: str
    item_id: str
    at: float


def read_past(path: Path) -> Iterator[Act]:
    """The acts in a data set's file of events, in its order, streamed. Raises CatalogueError on a bad line."""
    try:
        with gzip.open(path, "rt", encoding="utf-8") as file:
            for line in file:
                act = json.loads(line)
                yield Act(str(act["user_id"]), str(act["item_id"]), float(act["at"]))
    except (OSError, EOFError, ValueError, KeyError, TypeError) as error:
        raise CatalogueError(f"cannot read events from {path}: {error!r}", "It holds one JSON object a line") from error


def refused_files(folder: Path) -> list[Path]:
    """The files of refused rows that reading left in the folder, by name."""
    return sorted(folder.glob("refused-*.jsonl"))
