"""JSON lines in, objects with their line numbers out; every bad line becomes a fault that names file and line."""

from __future__ import annotations

import gzip
import io
import json
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Protocol

from agent.errors import CatalogueError

MAX_LINE_BYTES = 4_000_000
MAX_FAULTS_TOLD = 5
CHUNK_BYTES = 1_048_576


class Digest(Protocol):
    """What the bytes read are fed to, such as `hashlib.sha256()`."""

    def update(self, chunk: bytes, /) -> None:
        """Take in the next bytes."""
        ...


@dataclass(frozen=True, slots=True)
class Fault:
    """One line that cannot be used: `line` counts from 1."""

    path: Path
    line: int
    reason: str

    def __str__(self) -> str:
        return f"{self.path}, line {self.line}: {self.reason}"


def read_objects(path: Path, digest: Digest | None = None) -> Iterator[tuple[int, dict[str, object]] | Fault]:
    """The file's JSON objects with their line numbers, streamed; a line that holds none comes as a Fault.

    A name that ends in .gz is unpacked. Blank lines are passed over. Every byte read goes to `digest`. Raises
    CatalogueError when the file cannot be read.
    """
    try:
        with _opened(path) as file:
            for line, text in enumerate(_lines(file, digest), start=1):
                if text is None:
                    yield Fault(path, line, f"is longer than {MAX_LINE_BYTES:,} bytes")
                elif text.strip():
                    yield _object_of(path, line, text)
    except OSError as error:
        raise _unreadable(path, error) from error
    except (EOFError, zlib.error) as error:
        raise CatalogueError(f"cannot unpack {path}: {error}", "It is cut off or damaged: fetch it again") from error


def chunks(path: Path) -> Iterator[bytes]:
    """The bytes of a file, some at a time. Raises CatalogueError when it cannot be read."""
    try:
        with path.open("rb") as file:
            while chunk := file.read(CHUNK_BYTES):
                yield chunk
    except OSError as error:
        raise _unreadable(path, error) from error


def refuse(faults: Sequence[Fault]) -> None:
    """Do nothing when there are no faults. Raises CatalogueError naming the first five, and how many more there are."""
    if not faults:
        return
    told = "; ".join(str(fault) for fault in faults[:MAX_FAULTS_TOLD])
    more = f"; and {len(faults) - MAX_FAULTS_TOLD:,} more bad lines" if len(faults) > MAX_FAULTS_TOLD else ""
    raise CatalogueError(told + more, "Mend the data set: a score over part of it would mislead")


def _unreadable(path: Path, error: OSError) -> CatalogueError:
    return CatalogueError(f"cannot read {path}: {error.strerror or error}", "Check the file and its rights")


def _opened(path: Path) -> BinaryIO:
    return io.BufferedReader(gzip.open(path, "rb")) if path.suffix == ".gz" else path.open("rb")


def _lines(file: BinaryIO, digest: Digest | None) -> Iterator[bytes | None]:
    """Each line's bytes, or None for one over the limit (which is read past, never held)."""
    while chunk := file.readline(MAX_LINE_BYTES + 1):
        if digest:
            digest.update(chunk)
        if len(chunk) <= MAX_LINE_BYTES or chunk.endswith(b"\n"):
            yield chunk
            continue
        while (rest := file.readline(MAX_LINE_BYTES)) and not rest.endswith(b"\n"):
            if digest:
                digest.update(rest)
        if digest:
            digest.update(rest)
        yield None


def _object_of(path: Path, line: int, text: bytes) -> tuple[int, dict[str, object]] | Fault:
    try:
        found = json.loads(text.decode("utf-8-sig" if line == 1 else "utf-8"))
    except UnicodeDecodeError as error:
        return Fault(path, line, f"is not UTF-8 (byte {error.start + 1})")
    except json.JSONDecodeError as error:
        return Fault(path, line, f"is not JSON: {error.msg} at column {error.colno}")
    except (ValueError, RecursionError) as error:
        return Fault(path, line, f"is not usable JSON: {str(error)[:100]}")
    if not isinstance(found, dict):
        return Fault(path, line, f"holds a {type(found).__name__} where a JSON object belongs")
    return line, found
