"""Chooses the places of a slate one by one, each the candidate that gains most beside those chosen before. Pure.

    gain = (1 - c)(1 - d)(1 - n) * (relevance + e * drawn affinity) - c * KL - d * nearest cosine + n * novelty

c, d, n and e are `slate.calibration`, `.diversity`, `.novelty` and `.exploration`. With c or d alone this is Steck's
calibration or maximal marginal relevance; with all at 0 it is the ranker's order.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from copy import copy
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from agent.sections import SlateSettings
from agent.slate.rules import Cap, Caps
from agent.slate.terms import Calibration, Diversity, Fixed, Floats, Term, novelty, scaled
from agent.types import Item, Vector

RELEVANCE, CALIBRATION, DIVERSITY, NOVELTY = "relevance", "calibration", "diversity", "novelty"
EXPLORATION, EXPLORED = "exploration", "explored"  # the latter where the draw decided


@dataclass(frozen=True)
class Pool:
    """The candidates as ranked, best first, with what the terms need to know; what no knob asks for may be left out.

    `interests` are shares of tags, `popularity` counts by item id, `drawn` how much more of an affinity a draw from
    the person's interests has found for each candidate than is expected, in the order of the candidates.
    """

    items: Sequence[Item]
    scores: Sequence[float]
    interests: Mapping[str, float] = field(default_factory=dict)
    vectors: Mapping[str, Vector] = field(default_factory=dict)
    popularity: Mapping[str, float] = field(default_factory=dict)
    drawn: Floats | None = None


@dataclass(frozen=True)
class Choice:
    """One place: the candidate by its number in the pool, its gain, and what each term in use had in it.

    `explored` says that it has its place among the first k only because of the draw.
    """

    at: int
    gain: float
    parts: Mapping[str, float]
    explored: bool = False


@dataclass(frozen=True)
class Chosen:
    """The choices, first place first; `refused` counts the candidates that each cap kept out of a place."""

    choices: Sequence[Choice]
    refused: Mapping[str, int]


def choose(pool: Pool, knobs: SlateSettings, k: int, caps: Sequence[Cap] = ()) -> Chosen:
    """Up to k choices; fewer where the caps keep candidates out or the pool is small.

    Of gains that are alike the candidate ranked higher has the place, and rankers settle ties by item_id. The first n
    of k choices are the same for every k, but for what is said to be explored.
    """
    terms, rules = _terms(pool, knobs), Caps(caps)
    chosen = _greedily(pool, terms, k, rules)
    if EXPLORATION not in terms:
        return chosen
    del terms[EXPLORATION]
    settled = _greedily(pool, terms, k, rules.anew())
    known = {choice.at for choice in settled.choices}
    return replace(chosen, choices=[replace(one, explored=one.at not in known) for one in chosen.choices])


def _terms(pool: Pool, knobs: SlateSettings) -> dict[str, Term]:
    """The terms in use, each with the weight of its knob in it."""
    rest = (1 - knobs.calibration) * (1 - knobs.diversity) * (1 - knobs.novelty)
    terms: dict[str, Term] = {RELEVANCE: Fixed(rest * scaled(np.asarray(pool.scores, dtype=np.float64)))}
    if knobs.exploration and pool.drawn is not None:
        terms[EXPLORATION] = Fixed(rest * knobs.exploration * pool.drawn)
    if knobs.calibration and pool.interests:
        terms[CALIBRATION] = Calibration(pool.interests, pool.items, knobs.calibration)
    if knobs.diversity:
        terms[DIVERSITY] = Diversity(pool.vectors, pool.items, knobs.diversity)
    if knobs.novelty:
        terms[NOVELTY] = Fixed(knobs.novelty * novelty(pool.popularity, pool.items))
    return terms


def _greedily(pool: Pool, terms: Mapping[str, Term], k: int, caps: Caps) -> Chosen:
    terms = {name: copy(term) for name, term in terms.items()}  # the caller's keep no place taken
    free, choices = np.ones(len(pool.items), dtype=bool), list[Choice]()
    while len(choices) < k:
        values = {name: term.values for name, term in terms.items()}
        gains = np.asarray(sum(values.values()))
        at = _best(gains, free, pool.items, caps)
        if at is None:
            break
        choices.append(Choice(at, float(gains[at]), {name: float(given[at]) for name, given in values.items()}))
        for term in terms.values():
            term.take(at)
    return Chosen(choices, dict(caps.refused))


def _best(gains: Floats, free: NDArray[np.bool_], items: Sequence[Item], caps: Caps) -> int | None:
    """The free candidate of the greatest gain that the caps admit; those they refuse are free no more."""
    for at in np.argsort(-gains, kind="stable").tolist():
        if free[at]:
            free[at] = False
            if caps.admit(items[at]):
                return int(at)
    return None
