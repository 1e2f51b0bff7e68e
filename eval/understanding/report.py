"""Outcomes as figures: accuracy by intent with Wilson's bounds, who is taken for whom, and whether certainty holds."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass

from agent.converse.state import Intent
from agent.language import Language
from eval.statistics import Estimate, percentile, rate
from eval.understanding.messages import HALVES
from eval.understanding.scoring import Outcome

BINS = 10
ALL = "all"
PARTS = ("where", "items", "feels", "skips")  # the attributes of an outcome
METHOD = {
    "accuracy": "share of messages whose likeliest intent is the one meant, 95 % Wilson score bounds",
    "halves": "by a hash of the message: what is changed is judged on `development`, `final` is the figure",
    "calibration": f"ece: mean distance of accuracy from certainty over {BINS} bins of equal width, weighed by messages"
    " (Naeini et al. 2015); log_loss: mean -ln of the probability of the intent meant, in nats",
    "where": "messages that state constraints: right if these, hard and soft, let just the films pass that should",
    "items": "messages that speak of films: right if just those were found",
    "feels": "messages that say something of every film they speak of: right if each has that feeling and no other has",
    "skips": "answers to a pending question: right if a refusal is taken for one, and nothing else is",
    "ms": "wall time of reading one message",
}


@dataclass(frozen=True)
class Bin:
    """Messages understood about as certainly: how certainly on average, and how often rightly."""

    low: float
    high: float
    certainty: float
    accuracy: Estimate


@dataclass(frozen=True)
class Figures:
    """What some outcomes come to. `by_intent` holds the intents that occur; `confusion[meant][found]` are counts.

    `parts` are the shares of rows that say what would be right in it, by its name.
    """

    accuracy: Estimate
    by_intent: Mapping[Intent, Estimate]
    confusion: Mapping[Intent, Mapping[Intent, int]]
    bins: Sequence[Bin]
    ece: float
    log_loss: float
    parts: Mapping[str, Estimate]
    ms: Mapping[str, float]


Report = Mapping[Language, Mapping[str, Figures]]
"""For each language the figures of each half, and of `all`."""


def report(outcomes: Sequence[Outcome]) -> Report:
    """The figures by language and half; a half without messages is left out."""
    found: dict[Language, dict[str, Figures]] = {}
    for language in dict.fromkeys(one.message.language for one in outcomes):
        own = [one for one in outcomes if one.message.language == language]
        parts: dict[str, list[Outcome]] = {half: [one for one in own if one.message.half == half] for half in HALVES}
        parts[ALL] = own
        found[language] = {name: figures(some) for name, some in parts.items() if some}
    return found


def figures(outcomes: Sequence[Outcome]) -> Figures:
    """The figures of these outcomes, of which there is at least one."""
    bins = _bins(outcomes)
    ece = math.fsum(one.accuracy.n * abs(one.accuracy.value - one.certainty) for one in bins) / len(outcomes)
    ms = [one.ms for one in outcomes]
    return Figures(
        accuracy=_share(outcomes, lambda one: one.right),
        by_intent={
            intent: _share(some, lambda one: one.right)
            for intent in Intent
            if (some := [one for one in outcomes if one.message.intent is intent])
        },
        confusion=_confusion(outcomes),
        bins=bins,
        ece=ece,
        log_loss=math.fsum(-math.log(max(one.likelihood, 1e-9)) for one in outcomes) / len(outcomes),
        parts=_parts(outcomes),
        ms={"p50": percentile(ms, 0.5), "p95": percentile(ms, 0.95), "n": len(ms)},
    )


def as_json(done: Report, about: Mapping[str, object]) -> dict[str, object]:
    """The documented JSON shape of `palate eval understand --json`; `about` joins it at the top."""
    languages = {language: {half: _as_json(one) for half, one in halves.items()} for language, halves in done.items()}
    return {**about, "languages": languages, "method": METHOD}


def _as_json(found: Figures) -> dict[str, object]:
    return {
        "accuracy": asdict(found.accuracy),
        "by_intent": {intent.value: asdict(one) for intent, one in found.by_intent.items()},
        "confusion": {meant.value: {f.value: n for f, n in row.items()} for meant, row in found.confusion.items()},
        "calibration": {
            "ece": found.ece,
            "log_loss": found.log_loss,
            "bins": [asdict(one) for one in found.bins],
        },
        "parts": {name: asdict(one) for name, one in found.parts.items()},
        "ms": dict(found.ms),
    }


def _share(outcomes: Sequence[Outcome], right: Callable[[Outcome], bool]) -> Estimate:
    return rate(sum(map(right, outcomes)), len(outcomes))


def _confusion(outcomes: Sequence[Outcome]) -> dict[Intent, dict[Intent, int]]:
    meant = [intent for intent in Intent if any(one.message.intent is intent for one in outcomes)]
    rows: dict[Intent, dict[Intent, int]] = {intent: dict.fromkeys(Intent, 0) for intent in meant}
    for one in outcomes:
        rows[one.message.intent][one.found] += 1
    return rows


def _bins(outcomes: Sequence[Outcome]) -> list[Bin]:
    """The bins that hold messages, from the least certain."""
    within: dict[int, list[Outcome]] = {}
    for one in outcomes:
        within.setdefault(min(BINS - 1, int(one.confidence * BINS)), []).append(one)
    return [_bin(place, some) for place, some in sorted(within.items())]


def _bin(place: int, some: Sequence[Outcome]) -> Bin:
    certainty = math.fsum(one.confidence for one in some) / len(some)
    return Bin(place / BINS, (place + 1) / BINS, certainty, _share(some, lambda one: one.right))


def _parts(outcomes: Sequence[Outcome]) -> dict[str, Estimate]:
    known = {part: [bool(v) for one in outcomes if (v := getattr(one, part)) is not None] for part in PARTS}
    return {part: rate(sum(values), len(values)) for part, values in known.items() if values}
