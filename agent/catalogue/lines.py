"""Files as lines of bytes, in constant memory: plain or gzip, any line ending, UTF-8 or UTF-16."""

from __future__ import annotations

import codecs
import gzip
import stat
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO

from agent.catalogue.rows import MAX_SHOWN_CHARS, BrokenOffError, Refusal, RowError, shown
from agent.errors import CatalogueError, ConfigError

MAX_LINE_BYTES = 1 << 20
MAX_EXPANSION = 200
MAX_UNCHECKED_BYTES = 64 << 20
BLOCK_BYTES = 1 << 16

ENCODINGS = ("utf-8", "latin-1", "cp1252")
Decoder = Callable[[bytes], str]

_PACKED = {
    b"PK\x03\x04": "a zip archive or a spreadsheet",
    b"BZh": "bzip2",
    b"\xfd7zXZ": "xz",
    b"\x28\xb5\x2f\xfd": "zstd",
}


@dataclass(frozen=True, slots=True)
class Line:
    """One physical line without its ending. A line over 1 MiB is `too_long` and `raw` holds only its beginning."""

    number: int
    raw: bytes
    too_long: bool = False

    @property
    def blank(self) -> bool:
        """Whether nothing but white space stands on it."""
        return not self.raw.strip()

    def refused(self, reason: str) -> Refusal:
        """The line as a refusal."""
        return Refusal(self.number, reason, shown(self.raw))


TOO_LONG = f"the line is longer than {MAX_LINE_BYTES:,} bytes"


def regular_file(path: Path) -> Path:
    """The path again, once it is known to be a readable file with something in it. Raises CatalogueError."""
    try:
        status = path.stat()
        if stat.S_ISDIR(status.st_mode):
            raise CatalogueError(f"{path} is a folder", "Name a file, or a folder of a known data set")
        if not stat.S_ISREG(status.st_mode):
            raise CatalogueError(f"{path} is a pipe or a device, not a file", "Write its content to a file first")
        with path.open("rb"):
            pass
    except (OSError, ValueError) as error:
        raise CatalogueError(
            f"cannot open {str(path)!r}: {_cause(error)}", "Check the path and its permissions"
        ) from error
    if status.st_size == 0:
        raise CatalogueError(f"{path} is empty", "Give a file with at least one row")
    return path


def beginning(path: Path, size: int = 16) -> bytes:
    """The first `size` bytes of a file, for telling formats apart."""
    with regular_file(path).open("rb") as file:
        return file.read(size)


def read_lines(path: Path) -> Iterator[Line]:
    """Every physical line in order, numbered from 1, ended by LF, CRLF or (throughout the file) CR.

    gzip is recognised by its first bytes; a byte-order mark is dropped and UTF-16 becomes UTF-8. Raises
    CatalogueError at once when the file cannot be read as text, and BrokenOffError later when it breaks off.
    """
    start = beginning(path)
    for mark, name in _PACKED.items():
        if start.startswith(mark):
            raise CatalogueError(
                f"{path} is packed ({name})", "Unpack it first; gzip is the only packing read directly"
            )
    return _split(_as_text(path, _blocks(path, packed=start.startswith(b"\x1f\x8b"))))


def decoder(encoding: str = "utf-8") -> Decoder:
    """A function from bytes to text that raises RowError on what is not in `encoding`. Raises ConfigError."""
    if encoding not in ENCODINGS:
        raise ConfigError(f"unknown encoding {encoding!r}", f"Choose one of {', '.join(ENCODINGS)}")
    return lambda raw: _decode(raw, encoding)


def decode_utf8_or_latin1(raw: bytes) -> str:
    """The text of a MovieLens line: older sets are Latin-1, newer ones UTF-8. Never fails."""
    try:
        return raw.decode("utf-8")
    except UnicodeDecodeError:
        return raw.decode("latin-1")


def _decode(raw: bytes, encoding: str) -> str:
    try:
        return raw.decode(encoding)
    except UnicodeDecodeError as error:
        byte = raw[error.start]
        raise RowError(f"not {encoding.upper()} text: byte 0x{byte:02X} at position {error.start + 1}") from error


def _cause(error: Exception) -> str:
    return (error.strerror if isinstance(error, OSError) else None) or str(error)


def _blocks(path: Path, *, packed: bool) -> Iterator[bytes]:
    """Raw blocks of the unpacked file; one that cannot be had raises BrokenOffError (at line 0: not known here)."""
    try:
        with path.open("rb") as file:
            yield from _unpacked(file) if packed else iter(lambda: file.read(BLOCK_BYTES), b"")
    except EOFError as error:
        raise BrokenOffError(0, "the gzip stream is cut off here; the rest of the file is missing") from error
    except (gzip.BadGzipFile, zlib.error) as error:
        raise BrokenOffError(0, f"the gzip stream is damaged here ({error}); the rest cannot be read") from error
    except OSError as error:
        raise BrokenOffError(0, f"reading failed here: {_cause(error)}") from error


def _unpacked(file: IO[bytes]) -> Iterator[bytes]:
    total = 0
    with gzip.GzipFile(fileobj=file) as stream:
        while block := stream.read1(BLOCK_BYTES):
            total += len(block)
            if total > MAX_UNCHECKED_BYTES and total > MAX_EXPANSION * file.tell():
                raise BrokenOffError(
                    0, f"the gzip stream grows more than {MAX_EXPANSION} times: refused as a gzip bomb"
                )
            yield block


def _as_text(path: Path, blocks: Iterator[bytes]) -> Iterator[bytes]:
    """Blocks of UTF-8 (or of the 8-bit encoding the caller knows), LF line ends, without a byte-order mark."""
    try:
        first = next(blocks, b"")
    except BrokenOffError as error:
        raise CatalogueError(f"{path} cannot be read: {error.reason}", "Fetch or write the file again") from error
    if not first:
        raise CatalogueError(f"{path} is empty", "Give a file with at least one row")
    if first.startswith((b"\xff\xfe\0\0", b"\0\0\xfe\xff")):
        raise CatalogueError(f"{path} is UTF-32", "Save it as UTF-8")
    if first.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return _line_feeds(_from_utf16(first, blocks))
    if first[:BLOCK_BYTES].count(0) * 3 > len(first):
        raise CatalogueError(f"{path} is not text (UTF-16 without a byte-order mark, or binary)", "Save it as UTF-8")
    return _line_feeds(_chain(first.removeprefix(codecs.BOM_UTF8), blocks))


def _chain(first: bytes, rest: Iterator[bytes]) -> Iterator[bytes]:
    yield first
    yield from rest


def _from_utf16(first: bytes, rest: Iterator[bytes]) -> Iterator[bytes]:
    """UTF-8 bytes. Broken pairs stay broken, so that the row they stand in is refused rather than mended."""
    decode = codecs.getincrementaldecoder("utf-16")(errors="surrogatepass").decode
    for block in _chain(first, rest):
        yield decode(block).encode("utf-8", errors="surrogatepass")
    try:
        yield decode(b"", True).encode("utf-8", errors="surrogatepass")
    except UnicodeDecodeError:
        yield b"\xff"


def _line_feeds(blocks: Iterator[bytes]) -> Iterator[bytes]:
    first = next(blocks, b"")
    carriage_returns_only = b"\r" in first and b"\n" not in first
    for block in _chain(first, blocks):
        yield block.replace(b"\r", b"\n") if carriage_returns_only else block


@dataclass(slots=True)
class _Gathered:
    """The pieces of one line so far; of a line that is too long only the beginning is kept."""

    pieces: list[bytes] = field(default_factory=list)
    size: int = 0

    def add(self, piece: bytes) -> None:
        """Take one more piece."""
        self.size += len(piece)
        self.pieces.append(piece)
        if self.size > MAX_LINE_BYTES:
            self.pieces = [b"".join(self.pieces)[: 4 * MAX_SHOWN_CHARS]]

    def line(self, number: int) -> Line:
        """The whole line; starts over for the next one."""
        raw = b"".join(self.pieces)
        too_long = self.size > MAX_LINE_BYTES
        self.pieces, self.size = [], 0
        return Line(number, raw if too_long else raw.removesuffix(b"\r"), too_long)


def _split(blocks: Iterator[bytes]) -> Iterator[Line]:
    gathered = _Gathered()
    number = 1
    try:
        for block in blocks:
            *whole, rest = block.split(b"\n")
            for piece in whole:
                gathered.add(piece)
                yield gathered.line(number)
                number += 1
            gathered.add(rest)
    except BrokenOffError as error:
        raise BrokenOffError(number, error.reason) from error
    if gathered.size:
        yield gathered.line(number)
