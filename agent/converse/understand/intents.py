"""What a message is for: how probable each intent is, by the examples that it resembles.

    likeness(a, b) = vectors * cos(a - centre, b - centre) + cues * exp(-steepness * differing cues)
    scores         = kernel ridge regression of the examples' intents on their likeness
    probabilities  = softmax(sharpness * scores)

Centres are of one language each. Every example has a say, the nearest the most, and one that
is said word for word nearly the only one; adding examples takes effect at once.
"""

from __future__ import annotations

import tomllib
import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from agent.converse.state import Intent
from agent.converse.understand.cues import cues_of
from agent.converse.understand.examples import Example
from agent.converse.understand.message import MAX_READ
from agent.converse.understand.vectors import vectors_of
from agent.embed.base import Embedder
from agent.errors import ConfigError
from agent.language import LANGUAGES, Language, language_of
from agent.store.cache import Cache
from agent.types import Vector

CALIBRATION = Path(__file__).parent / "calibration.toml"
ORDER = tuple(Intent)
AS_SAID = 4.0  # log-odds of the intent of an example that a message repeats word for word


@dataclass(frozen=True)
class Calibration:
    """The numbers of `calibration.toml`."""

    vectors: float
    cues: float
    steepness: float
    ridge: float
    sharpness: float

    @classmethod
    def shipped(cls) -> Calibration:
        """The fitted ones."""
        numbers = tomllib.loads(CALIBRATION.read_text(encoding="utf-8"))
        return cls(**{each.name: float(numbers[each.name]) for each in fields(cls)})


@dataclass(frozen=True)
class Seen:
    """Messages as they are compared: centred unit vectors and cues, a row each."""

    vectors: Vector
    cues: Vector

    def likeness(self, other: Seen, by: Calibration) -> NDArray[np.float64]:
        """How alike each of these is to each of the others, shape (len(self), len(other))."""
        differing = self.cues.sum(1)[:, None] + other.cues.sum(1)[None] - 2 * _product(self.cues, other.cues.T)
        alike = by.vectors * _product(self.vectors, other.vectors.T) + by.cues * np.exp(-by.steepness * differing)
        return np.asarray(alike, dtype=np.float64)


class Intents:
    """The intents of messages by these examples, `seen` as they are compared `by` some calibration. Thread-safe."""

    def __init__(
        self,
        embedder: Embedder,
        examples: Sequence[Example],
        cache: Cache | None = None,
        calibration: Calibration | None = None,
    ) -> None:
        """Embeds the examples whose vectors are not known. Raises ConfigError where an intent has no example."""
        missing = sorted(set(Intent) - {example.intent for example in examples})
        if missing:
            raise ConfigError(f"no example shows the intent {missing[0]}", "Add one to a file of examples")
        self._embedder, self.by = embedder, calibration or Calibration.shipped()
        texts = [plain(example.text) for example in examples]
        vectors = vectors_of(texts, embedder, cache or Cache(None))
        self._known = {text.casefold(): example.intent for text, example in zip(texts, examples, strict=True)}
        languages = np.array([language_of(text) or "en" for text in texts])
        overall = vectors.mean(axis=0)
        self._centres: dict[Language, Vector] = {
            name: vectors[languages == name].mean(axis=0) if (languages == name).any() else overall
            for name in LANGUAGES
        }
        centred = vectors - np.stack([self._centres[name] for name in languages])
        self.seen = Seen(_unit(centred), _cues_of(tuple(texts)))
        self._weights, self._prior = self._fitted([ORDER.index(example.intent) for example in examples])

    def probabilities(self, said: str, language: Language) -> dict[Intent, float]:
        """How probable each intent of the message is, in the order of `Intent`; they sum to 1."""
        text = plain(said)
        vector = self._embedder.queries([text]) - self._centres[language]
        scores = self.scores(Seen(_unit(vector), cues_of(text)[None]))[0]
        found = dict(zip(ORDER, softmax(self.by.sharpness * scores).tolist(), strict=True))
        known = self._known.get(text.casefold())
        return found if known is None else shifted(found, {known: AS_SAID})

    def scores(self, messages: Seen) -> NDArray[np.float64]:
        """The scores of intents for messages, shape (messages, intents)."""
        return np.asarray(_product(messages.likeness(self.seen, self.by), self._weights) + self._prior)

    def _fitted(self, intents: Sequence[int]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        wanted = np.eye(len(ORDER))[np.asarray(intents)]
        prior = wanted.mean(axis=0)
        likeness = self.seen.likeness(self.seen, self.by)
        weights = np.linalg.solve(likeness + self.by.ridge * np.eye(len(wanted)), wanted - prior)
        return weights, prior


def _product(a: NDArray[Any], b: NDArray[Any]) -> NDArray[Any]:
    """The matrix product; of one row without the threads of the linear algebra, which wait long on a busy machine."""
    return np.asarray(np.einsum("ij,jk->ik", a, b) if len(a) == 1 else a @ b)


@lru_cache(maxsize=2)
def _cues_of(texts: tuple[str, ...]) -> Vector:
    """The cues of the examples, a row each, kept: another catalogue changes nothing about them."""
    return np.stack([cues_of(text) for text in texts])


def softmax(scores: NDArray[np.float64]) -> NDArray[np.float64]:
    """Positive numbers in the ratio of exp(score), summing to 1."""
    powers = np.exp(scores - scores.max())
    return np.asarray(powers / powers.sum())


def shifted(probabilities: Mapping[Intent, float], log_odds: Mapping[Intent, float]) -> dict[Intent, float]:
    """The probabilities after evidence of these log-odds for some intents."""
    scores = np.log(np.maximum(list(probabilities.values()), 1e-9))
    return dict(
        zip(probabilities, softmax(scores + [log_odds.get(one, 0.0) for one in probabilities]).tolist(), strict=True)
    )


def plain(text: str) -> str:
    """What of a message is embedded: its beginning, in compatibility form."""
    return unicodedata.normalize("NFKC", text[:MAX_READ]).strip()


def _unit(vectors: Vector) -> Vector:
    lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
    return np.asarray(vectors / np.maximum(lengths, 1e-9), dtype=np.float32)
