"""What is known of candidates without a language model: one number per candidate and signal, higher is better. Pure.

Sums run in the order of the tags as an item has them, never in that of a set, which is another one in every process:
the same inputs give the same digits everywhere.
"""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence

import numpy as np

from agent.types import Item, Vector

TAG_PRIOR = 2.0  # how many items' worth of the catalogue's tag rates stand behind a person's own
YEAR_SCALE = 8.0  # years at which closeness has fallen to 1/e


def tag_rates(items: Iterable[Item]) -> dict[str, float]:
    """The share of items that carry each tag, smoothed away from 0 and 1; empty without items."""
    counts: Counter[str] = Counter()
    n = 0
    for item in items:
        counts.update(set(item.tags))
        n += 1
    return {tag: (counts[tag] + 0.5) / (n + 1) for tag in sorted(counts)}


def cosine(query: Vector, vectors: Sequence[Vector]) -> list[float]:
    """The cosine of each vector with the query; 0 for a zero vector, empty for none."""
    if not len(vectors):
        return []
    matrix = np.stack(vectors)
    lengths = np.linalg.norm(matrix, axis=1) * float(np.linalg.norm(query))
    return [float(x) for x in matrix @ query / np.maximum(lengths, 1e-9)]


def tag_affinity(
    liked: Sequence[Item], weights: Sequence[float], candidates: Sequence[Item], rates: Mapping[str, float]
) -> list[float]:
    """How much likelier each candidate's tags are for this person than for the catalogue, in nats.

    Naive Bayes over the tags as independent yes/no features: a tag's rate among the liked items (weighted, `weights`
    summing to 1), shrunk towards the catalogue's rate. 0 for every candidate where nothing is liked.
    """
    if not liked:
        return [0.0] * len(candidates)
    effective = 1.0 / max(sum(w * w for w in weights), 1e-9)  # how many equal weights these are worth (Kish)
    mass: Counter[str] = Counter()
    for item, weight in zip(liked, weights, strict=True):
        for tag in dict.fromkeys(item.tags):
            mass[tag] += weight * effective  # type: ignore[assignment]  # Counter holds any number
    own = {tag: (mass[tag] + TAG_PRIOR * rate) / (effective + TAG_PRIOR) for tag, rate in rates.items()}
    absent = sum(math.log((1 - own[t]) / (1 - rates[t])) for t in rates)
    gain = {t: math.log(own[t] / rates[t]) - math.log((1 - own[t]) / (1 - rates[t])) for t in rates}
    return [absent + sum(gain.get(tag, 0.0) for tag in dict.fromkeys(c.tags)) for c in candidates]


def corrected(candidates: Sequence[Item], told: Mapping[str, float], rates: Mapping[str, float]) -> list[float]:
    """How much likelier each candidate is by the person's own word on tags than by the catalogue, in nats.

    `told` holds how often items for them carry the tags they corrected, `rates` how often the catalogue's items do,
    both within (0, 1). 0 for every candidate where nothing was corrected.
    """
    absent = {tag: math.log((1 - rate) / (1 - rates[tag])) for tag, rate in told.items()}
    present = {tag: math.log(rate / rates[tag]) for tag, rate in told.items()}
    return [sum(present[tag] if tag in set(c.tags) else absent[tag] for tag in told) for c in candidates]


def tags_named(wish: str, candidates: Sequence[Item], rates: Mapping[str, float]) -> list[float]:
    """How much of what the wish names by tag each candidate is: the sum of -log(rate) over those tags, in nats.

    A tag is named where its words stand in the wish in a row, without regard to case or a plural s.
    """
    words = _words(wish)
    worth = {tag: -math.log(rate) for tag, rate in rates.items() if _stands_in(_words(tag), words)}
    return [sum(worth.get(tag, 0.0) for tag in dict.fromkeys(c.tags)) for c in candidates]


def _words(text: str) -> list[str]:
    return [word.removesuffix("s") for word in re.findall(r"\w+", text.casefold())]


def _stands_in(part: Sequence[str], whole: Sequence[str]) -> bool:
    return bool(part) and any(whole[n : n + len(part)] == part for n in range(len(whole) - len(part) + 1))


def year_closeness(liked: Sequence[Item], weights: Sequence[float], candidates: Sequence[Item]) -> list[float]:
    """How near each candidate's year is to the years of liked items: the weighted mean of exp(-|years apart| / scale).

    A candidate without a year gets the mean of the others; 0 for all where no year is known.
    """
    years = [(item.year, weight) for item, weight in zip(liked, weights, strict=True) if item.year is not None]
    near = [
        None if c.year is None else sum(w * math.exp(-abs(c.year - y) / YEAR_SCALE) for y, w in years)
        for c in candidates
    ]
    known = [x for x in near if x is not None]
    mean = sum(known) / len(known) if known else 0.0
    return [mean if x is None else x for x in near]
