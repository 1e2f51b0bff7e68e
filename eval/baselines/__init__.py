"""Systems to be beaten, by name: chance, popularity, the best order possible, and those that learn from events."""

from __future__ import annotations

from collections.abc import Sequence
from importlib.util import find_spec

import numpy as np

from agent.errors import ConfigError
from eval.baselines.ease import LAMBDA, MAX_ITEMS, ease_weights
from eval.baselines.interactions import Interactions
from eval.baselines.orders import Scorer, by_chance, by_score, ideal
from eval.baselines.seeds import SEEDS, seed_order
from eval.cases import EVENTS, DataSet
from eval.popularity import popularity_of
from eval.systems import ORACLE, RANDOM, RECALL_ONLY, System

POPULARITY, ALS, EASE = "popularity", "als", "ease"
USUAL = (RANDOM, POPULARITY, RECALL_ONLY, ORACLE, ALS, EASE)
BASELINES = (*USUAL, *SEEDS)
LEARNING = (ALS, EASE)
MOST_ITEMS = {ALS: 20_000, EASE: MAX_ITEMS}  # of the catalogue, for those that learn
NEEDS = {ALS: "implicit"}  # the libraries of some


def usual(dataset: DataSet) -> tuple[str, ...]:
    """The names of the baselines that this data set and what is installed allow.

    Those that learn do so only where it tells what people did, ALS up to 20,000 items and where its library is there,
    EASE up to 8,000 items, whose square would fill the memory.
    """
    return tuple(name for name in USUAL if name not in LEARNING or _why_not(name, dataset) is None)


def left_out(names: Sequence[str] | None, dataset: DataSet) -> dict[str, str]:
    """The baselines of these names (None: the usual) that the data set has no orders of, each with the reason."""
    found = {name: _why_not(name, dataset) for name in (USUAL if names is None else names)}
    return {name: reason for name, reason in found.items() if reason is not None}


def _why_not(name: str, dataset: DataSet) -> str | None:
    """Why this data set, or what is installed, does not allow a baseline; None where they do."""
    if name == POPULARITY and not popularity_of(dataset)[0]:
        return f"neither events nor items with a popularity in {dataset.name}"
    if name not in LEARNING:
        return None
    if not len(dataset.past):
        return f"no events in {dataset.name}"
    if len(dataset.items) > MOST_ITEMS[name]:
        return f"{len(dataset.items):,} items in {dataset.name}, and it takes {MOST_ITEMS[name]:,} at most"
    missing = name in NEEDS and find_spec(NEEDS[name]) is None
    return f"{NEEDS[name]} is not installed, see: pip install 'palate[eval]'" if missing else None


def baselines(names: Sequence[str], dataset: DataSet, task: str, seed: int) -> tuple[System, ...]:
    """The baselines of these names, in their order. `order(case, None)` gives item ids best first.

    They order the case's candidates for `rank`, and give the first 100 of the unseen catalogue for `recommend` and
    `converse`; there are none for `explain`. Passed over are `recall-only`, which is no system of its own but read off
    the answers, and `popularity` where nothing tells it. Raises ConfigError for a name that is none, and for one that
    learns from events where the data set has none.
    """
    for name in names:
        if name not in BASELINES:
            raise ConfigError(f"there is no baseline {name!r}", f"Baselines: {', '.join(BASELINES)}")
        if name in LEARNING and not len(dataset.past):
            raise ConfigError(
                f"the baseline {name} learns from what people did, and {dataset.name} does not tell it",
                f"Leave it out, or give the data set {EVENTS}",
            )
    of = Interactions(dataset.past)
    found = (_system(name, of, dataset, task, seed) for name in names) if task != "explain" else ()
    return tuple(system for system in found if system is not None)


def _system(name: str, of: Interactions, dataset: DataSet, task: str, seed: int) -> System | None:
    what = "candidates" if task == "rank" else "unseen catalogue"
    if name == RANDOM:
        return System(name, "floor", f"the {what} shuffled, seed {seed}", by_chance(of, task, seed))
    if name == ORACLE:
        return System(name, "ceiling", f"relevant {'candidates' if task == 'rank' else 'items'} first", ideal(of, task))
    if name == RECALL_ONLY:
        return None
    if name in SEEDS:
        return System(name, "baseline", SEEDS[name][0], seed_order(name, of, dataset, task))
    learned = _popularity(dataset) if name == POPULARITY else _learned(name, of, seed)
    return learned and System(name, "baseline", learned[0], by_score(of, task, learned[1]))


def _popularity(dataset: DataSet) -> tuple[str, Scorer] | None:
    known, source = popularity_of(dataset)
    scores = np.array([known.get(item_id, 0.0) for item_id in dataset.items], dtype=np.float32)
    return (source, lambda _: scores) if known else None


def _learned(name: str, of: Interactions, seed: int) -> tuple[str, Scorer]:
    """The scores of someone of whom nothing is known are the counts of people."""
    counts = of.counts.astype(np.float32)
    if name == ALS:
        from eval.baselines.als import ALPHA, FACTORS, REGULARISATION, als_scorer

        scores = als_scorer(of.matrix, seed)
        about = f"implicit ALS, {FACTORS} factors, regularisation {REGULARISATION:g}, alpha {ALPHA:g}"
        return about, lambda known: scores(of.row(known)) if known else counts
    weights = ease_weights(of.matrix)
    return f"EASE, lambda {LAMBDA:g}", lambda known: weights[list(known)].sum(axis=0) if known else counts
