"""The head of a GGUF file: enough to tell a model from something else, whole from cut off, and how it is quantised.

Format: the GGUF specification of ggml. Written for hostile files: every count and length is held against the size of
the file before it is believed. No more is kept of a text, and no more read of a head, than any model needs: a file that
is mostly holes holds any length.
"""

from __future__ import annotations

import math
import struct
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO, TypeVar

from agent.errors import ModelUnavailable

T = TypeVar("T")

MAGIC = b"GGUF"
VERSIONS = (2, 3)
ALIGNMENT = 32
MAX_DIMENSIONS = 4
MAX_NAME_BYTES = 65_535  # of a key or a tensor
MAX_TEXT_CHARS = 200  # that are kept of a value
MAX_NUMBERS = 2_000_000  # in a head: counts, lengths and values; a vocabulary of 250,000 words takes two fifths

# value types: struct code by number; 8 is a string, 9 an array
_SCALARS = {0: "B", 1: "b", 2: "H", 3: "h", 4: "I", 5: "i", 6: "f", 7: "?", 10: "Q", 11: "q", 12: "d"}
_FLOATS = (6, 12)
_STRING, _ARRAY = 8, 9

FILE_TYPES = {
    0: "F32", 1: "F16", 2: "Q4_0", 3: "Q4_1", 7: "Q8_0", 8: "Q5_0", 9: "Q5_1", 10: "Q2_K", 11: "Q3_K_S", 12: "Q3_K_M",
    13: "Q3_K_L", 14: "Q4_K_S", 15: "Q4_K_M", 16: "Q5_K_S", 17: "Q5_K_M", 18: "Q6_K", 32: "BF16",
}  # fmt: skip

# ggml tensor types: (values in a block, bytes of a block)
_BLOCKS = {
    0: (1, 4), 1: (1, 2), 2: (32, 18), 3: (32, 20), 6: (32, 22), 7: (32, 24), 8: (32, 34), 9: (32, 36),
    10: (256, 84), 11: (256, 110), 12: (256, 144), 13: (256, 176), 14: (256, 210), 15: (256, 292),
    24: (1, 1), 25: (1, 2), 26: (1, 4), 27: (1, 8), 28: (1, 8), 30: (1, 2),
}  # fmt: skip


@dataclass(frozen=True)
class Header:
    """What the head of a file says. `file_type` is a name such as Q4_K_M, empty where it is not said."""

    version: int
    tensors: int
    architecture: str
    name: str
    license: str
    file_type: str
    context_tokens: int
    chat_template: bool


@dataclass(frozen=True)
class Sizes:
    """What the work of a transformer depends on. `body`: weights of the matrices in its layers.

    `vocabulary` x `width` is the output matrix; `heads` query heads of `head_size` numbers each in every layer.
    """

    body: int
    vocabulary: int
    width: int
    layers: int
    heads: int
    head_size: int


def read_header(path: Path) -> Header:
    """The head of a GGUF file. Raises ModelUnavailable for anything that is not one, or is cut off."""
    return _read(path, _Reader.header)


def read_sizes(path: Path) -> Sizes:
    """The sizes of the model in a GGUF file. Raises ModelUnavailable as `read_header` does, or where one is not said.

    All experts of a mixture count, though few of them work on one token.
    """
    return _read(path, _Reader.sizes)


def _read(path: Path, how: Callable[[_Reader], T]) -> T:
    check_kind(path)
    try:
        size = path.stat().st_size
        with path.open("rb") as file:
            return how(_Reader(path, file, size))
    except OSError as error:
        raise ModelUnavailable(f"{path} cannot be read: {error.strerror}", "Check the permissions") from error


def check_kind(path: Path) -> None:
    """Nothing where a file is there and begins as a GGUF does; raises ModelUnavailable saying what it is instead."""
    if path.is_dir():
        raise ModelUnavailable(f"{path} is a folder", "Give the path of a .gguf file in it")
    if not path.exists():
        raise ModelUnavailable(
            f"there is no file {path}", "Give the path of a .gguf file, or a name from: palate models list"
        )
    if not path.is_file():
        raise ModelUnavailable(f"{path} is not a regular file", "Give the path of a .gguf file")
    try:
        with path.open("rb") as file:
            start = file.read(len(MAGIC))
    except OSError as error:
        raise ModelUnavailable(f"{path} cannot be read: {error.strerror}", "Check the permissions") from error
    if not start:
        raise ModelUnavailable(f"{path} is empty", "Fetch the file again")
    if start != MAGIC:
        raise ModelUnavailable(f"{path} is not a GGUF file: it begins with {start!r}", "Give the path of a .gguf file")


@dataclass
class _Reader:
    path: Path
    file: BinaryIO
    size: int
    values: dict[str, object] = field(default_factory=dict)
    matrices: dict[str, int] = field(default_factory=dict)  # weights of each tensor of two or more dimensions
    numbers: int = 0  # read so far

    def header(self) -> Header:
        """Read the whole head, from the beginning."""
        self.file.seek(len(MAGIC))
        version = self.number("I")
        if version not in VERSIONS:
            raise ModelUnavailable(
                f"{self.path} is GGUF version {version}", f"Versions {VERSIONS[0]} and {VERSIONS[1]} are read"
            )
        tensors, pairs = self.number("Q"), self.number("Q")
        self.believe(tensors * 24 + pairs * 13)
        for _ in range(pairs):
            key = self.key()
            self.values[key] = self.value(self.number("I"))
        end = self.end_of_tensors(tensors)
        if end > self.size:
            raise self.cut_off(f"{self.size:,} of {end:,} bytes are there")
        return self.summary(version, tensors)

    def summary(self, version: int, tensors: int) -> Header:
        """What the metadata says, as far as it is of the types it should be."""
        architecture = self.said("general.architecture")
        context = self.values.get(f"{architecture}.context_length")
        kind = self.values.get("general.file_type")
        return Header(
            version=version,
            tensors=tensors,
            architecture=architecture,
            name=self.said("general.name"),
            license=self.said("general.license"),
            file_type=FILE_TYPES.get(kind, f"type {kind}") if isinstance(kind, int) else "",
            context_tokens=context if isinstance(context, int) else 0,
            chat_template=bool(self.said("tokenizer.chat_template")),
        )

    def sizes(self) -> Sizes:
        """Read the head, and from it the sizes."""
        architecture = self.header().architecture
        layers, width, heads = (
            self.counted(f"{architecture}.{key}") for key in ("block_count", "embedding_length", "attention.head_count")
        )
        head_size = self.values.get(f"{architecture}.attention.key_length")
        return Sizes(
            body=sum(weights for name, weights in self.matrices.items() if name.startswith("blk.")),
            vocabulary=self.matrices.get("token_embd.weight", 0) // width,
            width=width,
            layers=layers,
            heads=heads,
            head_size=head_size if isinstance(head_size, int) and head_size > 0 else width // heads,
        )

    def counted(self, key: str) -> int:
        """A metadata number above 0. Raises ModelUnavailable where there is none."""
        value = self.values.get(key)
        if not isinstance(value, int) or value < 1:
            raise ModelUnavailable(f"{self.path} does not say its {key}", "Choose a model with plain attention")
        return value

    def said(self, key: str) -> str:
        """A metadata text, at most 200 characters; empty where there is none."""
        value = self.values.get(key)
        return value if isinstance(value, str) else ""

    def end_of_tensors(self, tensors: int) -> int:
        """Where the last tensor ends in the file, in bytes; a tensor of an unknown type counts one byte."""
        spans = []
        for _ in range(tensors):
            name = self.key()
            dimensions = self.number("I")
            if dimensions > MAX_DIMENSIONS:
                raise self.broken(f"a tensor of {dimensions} dimensions")
            values = math.prod(self.number("Q") for _ in range(dimensions))
            if dimensions > 1:
                self.matrices[name] = values
            block, block_bytes = _BLOCKS.get(self.number("I"), (values or 1, 1))
            spans.append(self.number("Q") + values // block * block_bytes)
        alignment = self.values.get("general.alignment", ALIGNMENT)
        if not isinstance(alignment, int) or not 0 < alignment <= 1 << 20:
            raise self.broken(f"an alignment of {alignment!r}")
        start = -(-self.file.tell() // alignment) * alignment
        return start + max(spans, default=0)

    def value(self, kind: int, depth: int = 0) -> object:
        """One metadata value; None for what is skipped (arrays, fractions)."""
        if kind == _STRING:
            return self.text()
        if kind in _FLOATS:
            self.skip(struct.calcsize(_SCALARS[kind]))
            return None
        if kind in _SCALARS:
            return self.number(_SCALARS[kind])
        if kind != _ARRAY or depth > 2:
            raise self.broken(f"a value of type {kind}")
        inner, count = self.number("I"), self.number("Q")
        if inner in _SCALARS:
            self.skip(count * struct.calcsize(_SCALARS[inner]))
            return None
        self.believe(count * 8)
        for _ in range(count):
            if inner == _STRING:
                self.skip(self.number("Q"))
            else:
                self.value(inner, depth + 1)
        return None

    def key(self) -> str:
        """The name of a value or a tensor, with its length before it."""
        length = self.number("Q")
        self.believe(length)
        if length > MAX_NAME_BYTES:
            raise self.broken(f"a name of {length:,} bytes")
        return self.take(length).decode("utf-8", "replace")

    def text(self) -> str:
        """The beginning of one text, with its length before it."""
        length = self.number("Q")
        self.believe(length)
        kept = min(length, 4 * MAX_TEXT_CHARS)
        begun = self.take(kept).decode("utf-8", "replace")
        self.skip(length - kept)
        return begun[:MAX_TEXT_CHARS]

    def number(self, code: str) -> int:
        """One whole number, by its struct code."""
        self.numbers += 1
        if self.numbers > MAX_NUMBERS:
            raise self.broken(f"more than {MAX_NUMBERS:,} numbers")
        return int(struct.unpack(f"<{code}", self.take(struct.calcsize(f"<{code}")))[0])

    def take(self, count: int) -> bytes:
        """The next bytes, all of them."""
        taken = self.file.read(count)
        if len(taken) < count:
            raise self.cut_off("its head ends early")
        return taken

    def skip(self, count: int) -> None:
        """Go past some bytes."""
        self.believe(count)
        self.file.seek(count, 1)

    def believe(self, count: int) -> None:
        """Refuse a length that the file cannot hold."""
        if self.file.tell() + count > self.size:
            raise self.cut_off("its head names more bytes than there are")

    def cut_off(self, how: str) -> ModelUnavailable:
        """The error of a file that ends too early."""
        return ModelUnavailable(f"{self.path} is cut off or damaged: {how}", "Fetch the file again")

    def broken(self, what: str) -> ModelUnavailable:
        """The error of a head that cannot be."""
        return ModelUnavailable(f"{self.path} is damaged: its head names {what}", "Fetch the file again")
