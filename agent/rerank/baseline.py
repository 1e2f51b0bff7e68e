"""Scores that do not depend on the person, kept in the cache: what a score is worth when nothing is known.

Source: contextual calibration with content-free input, Zhao et al., "Calibrate Before Use" (ICML 2021).
"""

from __future__ import annotations

import hashlib
import struct
from collections.abc import Callable, Sequence

from agent.deadline import Deadline
from agent.llm.base import Model
from agent.store.cache import Cache


class Baseline:
    """Scores of texts by what produced them: `kind` says how, `fingerprint` by which model, after `prefix`."""

    def __init__(self, cache: Cache, kind: str, fingerprint: str, prefix: str) -> None:
        self._cache = cache
        self._namespace = f"{kind}/{fingerprint}/{_digest(prefix)}"

    def scores(self, texts: Sequence[str], ask: Callable[[list[str]], list[float]]) -> list[float]:
        """The score of each text; `ask` is called once with those that the cache does not hold, unless it holds all."""
        keys = [_digest(text) for text in texts]
        known = {key: _unpacked(raw) for key, raw in self._cache.get_many(self._namespace, keys).items()}
        missing = {key: text for key, text in zip(keys, texts, strict=True) if key not in known}
        if missing:
            fresh = dict(zip(missing, ask(list(missing.values())), strict=True))
            self._cache.put_many(self._namespace, {key: struct.pack("<d", score) for key, score in fresh.items()})
            known |= fresh
        return [known[key] for key in keys]


def likelihoods(
    model: Model, cache: Cache, kind: str, prefix: str, lines: Sequence[str], deadline: Deadline
) -> list[float]:
    """The log-probability (nats) of each line after a prefix that no person changes; only new lines ask the model.

    `kind` keeps apart what is kept for different ends. Raises as `Model.score` does.
    """

    def _ask(missing: list[str]) -> list[float]:
        return [score.logprob for score in model.score(prefix, missing, deadline)]

    return Baseline(cache, kind, model.fingerprint, prefix).scores(lines, _ask)


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def _unpacked(raw: bytes) -> float:
    return float(struct.unpack("<d", raw)[0])
