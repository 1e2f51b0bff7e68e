"""Traces of somebody in files: their words and id, as they stand, in other encodings, escaped, or compressed."""

from __future__ import annotations

import base64
import gzip
import io
import json
import zipfile
import zlib
from collections.abc import Iterable, Iterator
from pathlib import Path

MAGIC_OF_ZIP = b"PK\x03\x04"
SURE_CHARS = 8  # fewer may stand there by chance


def traces(marker: str, *folders: Path) -> list[str]:
    """The files under the folders, whatever their names, that hold the marker in any spelling."""
    sought = tuple(spellings(marker))
    files = (path for folder in folders for path in sorted(folder.rglob("*")) if path.is_file())
    return [str(path) for path in files if any(one in body for body in bodies(path) for one in sought)]


def spellings(marker: str) -> Iterator[bytes]:
    """The marker in UTF-8, UTF-16, UTF-32, as JSON escapes it, and in base 64 at each of its three offsets."""
    for encoding in ("utf-8", "utf-16-le", "utf-16-be", "utf-32-le"):
        yield marker.encode(encoding)
    yield json.dumps(marker)[1:-1].encode()
    for offset in range(3):
        inner = base64.b64encode(b"\0" * offset + marker.encode())[4 if offset else 0 : -4]
        if len(inner) >= SURE_CHARS:
            yield inner


def bodies(path: Path) -> Iterator[bytes]:
    """What a file holds: its bytes, and what they are when they are compressed as a whole or are an archive."""
    raw = path.read_bytes()
    yield raw
    yield str(path).encode()
    for plain in (zlib.decompress, gzip.decompress):
        try:
            yield plain(raw)
        except (OSError, EOFError, zlib.error):
            continue
    if raw.startswith(MAGIC_OF_ZIP):
        with zipfile.ZipFile(io.BytesIO(raw)) as archive:
            yield from (archive.read(name) for name in archive.namelist())


def without_times(texts: Iterable[str]) -> list[object]:
    """Answers as JSON without what the clock says of them, to be compared."""
    return [_timeless(json.loads(text)) for text in texts]


def _timeless(value: object) -> object:
    if isinstance(value, dict):
        return {k: _timeless(v) for k, v in value.items() if k not in ("timings_ms", "at", "event_id")}
    return [_timeless(one) for one in value] if isinstance(value, list) else value
