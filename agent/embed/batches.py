"""Many texts to vectors: the embedder's own weights, run by ONNX Runtime over texts of about the same length together.

One text after the other costs two to three times as much: the weights are unpacked for each anew.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import onnxruntime
from numpy.typing import NDArray
from onnxruntime.capi import onnxruntime_pybind11_state as faults

from agent.cores import available_cores
from agent.embed.graph import LENGTHS, OUT, VECTORS, encoder
from agent.embed.model_file import ModelFile, codes_of, scales_of
from agent.errors import ModelUnavailable
from agent.types import Vector

_TOKENS_PER_BATCH = 512  # padding included: more gain nothing and leave the processor's cache
_PAD = 1
QUERY, PASSAGE = "query: ", "passage: "  # what the model has been taught to see before either
_FAULTS = (faults.Fail, faults.InvalidArgument, faults.InvalidGraph, faults.NotImplemented, faults.RuntimeException)


class Batches:
    """The encoder, a batch a core. Vectors differ from the engine's by rounding alone. Safe for several threads.

    Raises OSError and ValueError for a file that cannot be read or run; `encode` raises ModelUnavailable.
    """

    def __init__(self, path: Path) -> None:
        file = ModelFile(path)
        self._sizes = file.sizes
        self._tokeniser = file.tokeniser
        self._words = file.packed("emb.word", file.sizes.words)
        self._places = file.numbers("emb.pos").reshape(-1, file.sizes.width)
        self._places = self._places + file.numbers("emb.type")[: file.sizes.width]
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        options.log_severity_level = 3
        try:
            self._session = onnxruntime.InferenceSession(encoder(file), options, providers=["CPUExecutionProvider"])
        except _FAULTS as error:
            raise ValueError(f"ONNX Runtime cannot run {path.name}: {error}") from error
        self._threads = ThreadPoolExecutor(available_cores(), thread_name_prefix="e5-batches")

    def token_count(self, text: str) -> int:
        """How many tokens a passage is, begin and end among them."""
        return len(self._tokeniser.ids(f"{PASSAGE}{text}"))

    def encode(self, texts: Sequence[str], *, is_query: bool) -> Vector:
        """Unit vectors, shape (len(texts), width); tokens beyond the model's positions are cut off."""
        most, kind = self._sizes.positions, QUERY if is_query else PASSAGE
        tokens = [self._tokeniser.ids(f"{kind}{text}") for text in texts]
        tokens = [ids if len(ids) <= most else [*ids[: most - 1], ids[-1]] for ids in tokens]
        order = sorted(range(len(tokens)), key=lambda at: len(tokens[at]))
        vectors = np.empty((len(texts), self._sizes.width), dtype=np.float32)
        groups = list(_groups([len(tokens[at]) for at in order]))
        batches = [[tokens[at] for at in order[group]] for group in groups]
        aside = self._threads.map if len(batches) > 1 else map
        for group, found in zip(groups, aside(self._pooled, batches), strict=True):
            vectors[order[group]] = found
        return vectors

    def _pooled(self, tokens: Sequence[Sequence[int]]) -> Vector:
        lengths = np.array([len(ids) for ids in tokens], dtype=np.int32)
        padded = np.full((len(tokens), lengths.max()), _PAD)
        for row, ids in zip(padded, tokens, strict=True):
            row[: len(ids)] = ids
        vectors = self._embeddings(padded)
        try:
            (states,) = self._session.run([OUT], {VECTORS: vectors, LENGTHS: lengths})
        except _FAULTS as error:
            raise ModelUnavailable(f"ONNX Runtime failed to embed: {error}", "Free some memory") from error
        real = np.arange(padded.shape[1]) < lengths[:, None]
        sums = np.where(real[..., None], states, 0.0).sum(axis=1)
        return np.asarray(sums / np.linalg.norm(sums, axis=1, keepdims=True), dtype=np.float32)

    def _embeddings(self, padded: NDArray[np.int64]) -> Vector:
        """Word, place and type of each token, added up."""
        packed = self._words[padded]
        words = (codes_of(packed).astype(np.float32) - 8.0) * scales_of(packed)[..., None]
        return np.asarray(words.reshape(*padded.shape, -1) + self._places[: padded.shape[1]], dtype=np.float32)


def _groups(lengths: Sequence[int]) -> Iterator[slice]:
    """Runs of ascending lengths that, each padded to its longest, hold so many tokens at most; at least one each."""
    start = 0
    for at, length in enumerate(lengths):
        if at > start and (at + 1 - start) * length > _TOKENS_PER_BATCH:
            yield slice(start, at)
            start = at
    if lengths:
        yield slice(start, len(lengths))
