"""Loading: values in batches into a sink, refused rows into a file, and the counts of both."""

from __future__ import annotations

import json
import os
import re
import tempfile
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, TypeVar

from agent.catalogue.columns import Resolved
from agent.catalogue.reading import Reading
from agent.catalogue.rows import Refusal
from agent.errors import StoreError
from agent.types import Event, Item

BATCH = 500
FIRST = 5
_MAX_REASONS = 1_000
_ESCAPED = re.compile(r"\\(?:u([0-9a-fA-F]{4})|[bfnrt])")

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Report:
    """What became of a file's rows: `read == accepted + refused`, always.

    `refused_path` is the JSON lines file of refused rows (`line`, `reason`, `row`), None when there were none.
    `first` holds the first few of them, `reasons` counts them by reason, most frequent first. `broke_off` says why
    the end of the file was never read, None when all of it was. `columns` is None when no row could be read.
    """

    read: int
    accepted: int
    refused: int
    refused_path: Path | None
    first: tuple[Refusal, ...] = ()
    reasons: tuple[tuple[str, int], ...] = ()
    broke_off: str | None = None
    format: str = ""
    columns: Resolved | None = None

    def as_json(self) -> dict[str, object]:
        """The documented JSON shape of `palate load --json`."""
        return {
            "read": self.read,
            "accepted": self.accepted,
            "refused": self.refused,
            "refused_path": None if self.refused_path is None else str(self.refused_path),
            "first_refused": [refusal.as_json() for refusal in self.first],
            "reasons": dict(self.reasons),
            "broke_off": self.broke_off,
            "format": self.format,
            "columns": None if self.columns is None else self.columns.as_json(),
        }


def load_items(
    rows: Iterable[Item | Refusal], sink: Callable[[Sequence[Item]], object], refused_path: Path, *, batch: int = BATCH
) -> Report:
    """Give the items to `sink` in batches, in order, and write every refused row to `refused_path`.

    That file appears whole or not at all; when nothing is refused, one left there by an earlier load is removed. What
    the sink raises is passed on, and then no file is written. Raises StoreError when the file cannot be written.
    """
    return _load(rows, sink, refused_path, batch)


def load_events(
    rows: Iterable[Event | Refusal],
    sink: Callable[[Sequence[Event]], object],
    refused_path: Path,
    *,
    batch: int = BATCH,
    words: bool = True,
) -> Report:
    """The same for events; without `words`, the file tells the lines of refused rows, and nothing of what they say."""
    return _load(rows, sink, refused_path, batch, words=words)


def _load(
    rows: Iterable[T | Refusal],
    sink: Callable[[Sequence[T]], object],
    refused_path: Path,
    batch: int,
    *,
    words: bool = True,
) -> Report:
    counts = _Counts(words=words)
    with _refused_file(refused_path) as file:
        for chunk in _batches(_accepted(rows, counts, file), batch):
            sink(chunk)
            counts.accepted += len(chunk)
    reading = rows if isinstance(rows, Reading) else None
    return Report(
        read=counts.accepted + counts.refused,
        accepted=counts.accepted,
        refused=counts.refused,
        refused_path=refused_path if counts.refused else None,
        first=tuple(counts.first),
        reasons=tuple(counts.reasons.most_common()),
        broke_off=counts.broke_off,
        format=reading.format if reading else "",
        columns=reading.columns if reading else None,
    )


@dataclass(slots=True)
class _Counts:
    words: bool = True
    accepted: int = 0
    refused: int = 0
    first: list[Refusal] = field(default_factory=list)
    reasons: Counter[str] = field(default_factory=Counter)
    broke_off: str | None = None

    def refuse(self, refusal: Refusal) -> None:
        """Count one refusal."""
        self.refused += 1
        if len(self.first) < FIRST:
            self.first.append(refusal)
        reason = _general(refusal.reason)
        self.reasons[reason if reason in self.reasons or len(self.reasons) < _MAX_REASONS else "other reasons"] += 1
        if refusal.ends_file:
            self.broke_off = f"line {refusal.line}: {refusal.reason}"


def _general(reason: str) -> str:
    """A reason without what differs from row to row."""
    return "duplicate of an earlier line" if reason.startswith("duplicate of line") else reason


def _accepted(rows: Iterable[T | Refusal], counts: _Counts, file: IO[str]) -> Iterator[T]:
    for row in rows:
        if isinstance(row, Refusal):
            counts.refuse(row)
            told = row.as_json() if counts.words else {"line": row.line}
            file.write(json.dumps(told, ensure_ascii=False) + "\n")
        else:
            yield row


def _batches(values: Iterator[T], size: int) -> Iterator[list[T]]:
    batch: list[T] = []
    for value in values:
        batch.append(value)
        if len(batch) >= size:
            yield batch
            batch = []
    if batch:
        yield batch


@contextmanager
def _refused_file(path: Path) -> Iterator[IO[str]]:
    """A temporary file beside `path` that takes its place at the end if anything was written to it."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        descriptor, name = tempfile.mkstemp(prefix=f".{path.name[:100]}.", suffix=".part", dir=path.parent)
    except OSError as error:
        raise StoreError(f"cannot write {path}: {error.strerror}", "Choose another place for refused rows") from error
    part = Path(name)
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8", newline="\n") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        _settle(part, path)
    finally:
        with suppress(FileNotFoundError):
            part.unlink()


def _settle(part: Path, path: Path) -> None:
    try:
        if part.stat().st_size:
            part.replace(path)
        else:
            path.unlink(missing_ok=True)
    except OSError as error:
        raise StoreError(f"cannot write {path}: {error.strerror}", "Choose another place for refused rows") from error


def forget_refused(folder: Path, user_id: str) -> int:
    """Drop the rows that are a person's or name them from all files of refused rows in the folder; how many.

    A row of nobody known whose end is cut off goes too: the name may have stood there. Each file changes as a whole.
    """
    files = [*folder.glob("*.jsonl"), *folder.glob(".*.part")] if folder.is_dir() else []
    return sum(_without(path, user_id) for path in sorted(files))


def silence_refused(folder: Path) -> None:
    """Leave of all refused rows in the folder their lines alone."""
    for path in [*folder.glob("*.jsonl"), *folder.glob(".*.part")] if folder.is_dir() else ():
        lines = filter(None, path.read_bytes().decode("utf-8", "replace").split("\n"))
        silent = path.with_name(f".{path.name}.silent")
        silent.write_text("".join(f"{_silent(line)}\n" for line in lines), encoding="utf-8")
        silent.replace(path)


def _silent(line: str) -> str:
    try:
        return json.dumps({"line": json.loads(line)["line"]})
    except (ValueError, KeyError, TypeError):
        return json.dumps({"line": None})


def refused_of(folder: Path, user_id: str) -> Iterator[object]:
    """The refused rows that are known to be a person's own, as they are kept."""
    for path in sorted(folder.glob("*.jsonl")) if folder.is_dir() else ():
        for line in path.read_bytes().decode("utf-8", "replace").split("\n"):
            if (told := _told(line)).get("user") == user_id:
                yield told


def _without(path: Path, user_id: str) -> int:
    lines = path.read_bytes().decode("utf-8", "replace").split("\n")
    kept = [line for line in lines if not _names(line, user_id)]
    if len(kept) < len(lines):
        part = path.with_name(f".{path.name}.forgetting")
        part.write_bytes("\n".join(kept).encode())
        part.replace(path)
    return len(lines) - len(kept)


def _names(line: str, user_id: str) -> bool:
    """Whether a refused row is the person's or names them, however the id is spelled in it, or may have.

    In the row of somebody else the id counts as a word of its own: `a` is not named by every row that has an `a`.
    """
    told = _told(line)
    user, row = told.get("user"), str(told.get("row", ""))
    if user is None and (row.endswith("…") or (line and not told)):
        return True
    spellings = {user_id, json.dumps(user_id)[1:-1], json.dumps(user_id, ensure_ascii=False)[1:-1]}
    named = "|".join(map(re.escape, spellings))
    word = re.compile(named if user is None else rf"(?<![\w-])(?:{named})(?![\w-])")
    return user == user_id or any(word.search(text) for text in (row, _decoded(row)))


def _told(line: str) -> dict[str, object]:
    """A line of a file of refused rows; empty where it is none."""
    try:
        told = json.loads(line)
    except ValueError:
        return {}
    return told if isinstance(told, dict) else {}


def _decoded(row: str) -> str:
    """A row with its escapes resolved, such as JSON writes them."""
    return _ESCAPED.sub(lambda found: chr(int(found[1], 16)) if found[1] else " ", row)
