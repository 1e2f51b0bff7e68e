"""Small PNG files of one colour, written and read with the standard library alone."""

from __future__ import annotations

import struct
import zlib

RED, ORANGE, GREEN, BLUE = (200, 20, 20), (220, 90, 10), (20, 180, 30), (20, 30, 210)


def png(colour: tuple[int, int, int], size: int = 4, comment: str = "") -> bytes:
    """A square of one colour; another comment makes another file of the same picture."""
    row = b"\0" + bytes(colour) * size
    header = struct.pack(">IIBBBBB", size, size, 8, 2, 0, 0, 0)
    chunks = (
        (b"IHDR", header),
        (b"tEXt", b"c\0" + comment.encode()),
        (b"IDAT", zlib.compress(row * size)),
        (b"IEND", b""),
    )
    return b"\x89PNG\r\n\x1a\n" + b"".join(_chunk(kind, body) for kind, body in chunks)


def pixels_of(content: bytes) -> list[tuple[int, int, int]]:
    """The pixels of such a file. Raises ValueError for any other."""
    place, size, packed = 8, 0, b""
    if not content.endswith(b"IEND\xaeB`\x82"):
        raise ValueError("not a whole picture")
    while place < len(content):
        length, kind = struct.unpack(">I4s", content[place : place + 8])
        body = content[place + 8 : place + 8 + length]
        if kind == b"IHDR":
            size = struct.unpack(">I", body[:4])[0]
        packed += body if kind == b"IDAT" else b""
        place += length + 12
    rows = zlib.decompress(packed)
    width = 1 + 3 * size
    lines = [rows[start + 1 : start + width] for start in range(0, len(rows), width)]
    return [(line[n], line[n + 1], line[n + 2]) for line in lines for n in range(0, len(line), 3)]


def _chunk(kind: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))
