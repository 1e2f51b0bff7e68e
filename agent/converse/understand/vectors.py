"""The vectors of the examples: those that come with Palate, else from the cache, else computed.

`python -m agent.converse.understand.vectors` writes the file that comes with Palate anew, after examples were changed.
"""

from __future__ import annotations

import hashlib
import zipfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from agent.embed.base import Embedder
from agent.store.cache import Cache
from agent.types import Vector

SHIPPED = Path(__file__).parent / "vectors.npz"


def vectors_of(texts: Sequence[str], embedder: Embedder, cache: Cache) -> Vector:
    """Unit vectors of what people say, shape (len(texts), dimensions); those not known before are kept in the cache."""
    namespace, width = f"examples/{embedder.name}", 4 * embedder.dimensions
    keys = list(map(key_of, texts))
    known = shipped(embedder)
    wanted = [key for key in keys if key not in known]
    kept = cache.get_many(namespace, wanted)
    known.update((key, np.frombuffer(value, np.float32)) for key, value in kept.items() if len(value) == width)
    fresh = {key: text for key, text in zip(keys, texts, strict=True) if key not in known}
    if fresh:
        computed = dict(zip(fresh, embedder.queries(list(fresh.values())), strict=True))
        cache.put_many(namespace, {key: np.asarray(row, np.float32).tobytes() for key, row in computed.items()})
        known.update(computed)
    return np.stack([known[key] for key in keys])


def key_of(text: str) -> str:
    """The name under which the vector of a text is kept, which does not tell the text."""
    return hashlib.sha256(text.encode()).hexdigest()[:32]


def shipped(embedder: Embedder, path: Path = SHIPPED) -> dict[str, Vector]:
    """The vectors in the file, by key; none where it is missing, damaged or of another embedder."""
    try:
        with np.load(path, allow_pickle=False) as held:
            if str(held["embedder"]) != embedder.name or held["codes"].shape[1] != embedder.dimensions:
                return {}
            rows = held["codes"].astype(np.float32)
            return dict(zip(held["keys"].tolist(), _unit(rows), strict=True))
    except (OSError, ValueError, KeyError, IndexError, EOFError, zipfile.BadZipFile):
        return {}


def write(texts: Sequence[str], embedder: Embedder, path: Path = SHIPPED) -> None:
    """Write the vectors of these texts to the file, a byte a number."""
    vectors = embedder.queries(texts)
    codes = np.round(127 * vectors / np.abs(vectors).max(axis=1, keepdims=True)).astype(np.int8)
    with path.open("wb") as file:
        np.savez_compressed(file, embedder=embedder.name, keys=np.array(list(map(key_of, texts))), codes=codes)


def _unit(rows: Vector) -> Vector:
    return np.asarray(rows / np.linalg.norm(rows, axis=1, keepdims=True), dtype=np.float32)


if __name__ == "__main__":
    from agent.converse.understand.examples import load_examples
    from agent.converse.understand.intents import plain
    from agent.embed.e5 import E5

    write([plain(example.text) for example in load_examples()], E5())
