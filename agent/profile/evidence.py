"""What one act says about tags, in pseudo-counts, and how much of that is left with time and in a crowd. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

import numpy as np
from numpy.typing import NDArray

from agent.types import Event, EventKind, Item, Reaction

Floats = NDArray[np.float64]
Places = NDArray[np.int64]
Shares = tuple[tuple[str, float], ...]

CHOSEN = frozenset({EventKind.VIEW, EventKind.PURCHASE, EventKind.RATE, EventKind.REVIEW})
"""Acts that show that the person took the item up, whatever they thought of it afterwards."""

WORDS: Mapping[EventKind, float] = {EventKind.SEARCH: 0.5, EventKind.MESSAGE: 0.5, EventKind.REVIEW: 0.3}
"""What words count beside a liked item, by the act they came with. Judgements, not fits."""

_WINDOW_S = 60.0
_DAY_S = 86_400.0
_GRAIN = float(2**30)


@dataclass(frozen=True, slots=True)
class Hyperparameters:
    """What the posterior takes for granted, fitted by `palate eval interests` (docs/interests.md).

    `concentration`: how many liked items the catalogue's tag shares are worth. `half_life_days`: the age at which an
    act counts half. `chosen`: what taking an item up counts, whatever was thought of it; the rest follows the verdict.
    `against`: what a full dislike counts for all other tags. `burst`: acts a minute that count in full; more of them
    count as so many in sum. `steadiness`: how many acts' worth of certainty there can ever be, because tastes move.
    """

    concentration: float = 20.0
    half_life_days: float = 180.0
    chosen: float = 0.3
    against: float = 0.3
    burst: float = 20.0
    steadiness: float = 100.0


@dataclass(frozen=True, slots=True)
class Evidence:
    """What one event says: `toward` pseudo-counts for its tags by `shares` (summing to 1), `away` for all others."""

    event_id: str
    at: datetime
    toward: float
    away: float
    shares: Shares


def evenly(item: Item) -> Shares:
    """The item's tags with equal shares, each tag once; empty for an item without tags."""
    tags = dict.fromkeys(item.tags)
    return tuple((tag, 1 / len(tags)) for tag in tags)


def of_reaction(reaction: Reaction, shares: Shares, *, chosen: float, given: Hyperparameters) -> Evidence:
    """What a person's reaction to one item says of the tags among which the item is shared out.

    `chosen` is what taking it up counts, in [0, 1], beside `given.chosen`; 0 where it was not taken up.
    """
    rest = 1 - given.chosen if chosen else 1.0
    toward = given.chosen * chosen + rest * max(reaction.strength, 0.0)
    return Evidence(reaction.event_id, reaction.at, toward, given.against * max(-reaction.strength, 0.0), shares)


def of_words(
    event: Event, toward: Mapping[str, float], away: Mapping[str, float], counts: float = 1.0
) -> list[Evidence]:
    """What a text says of tags: shares of it for tags wanted and for tags refused, each at most 1 in sum.

    Shares that sum to less say that the text speaks of something else too, and count that much less. `counts` is what
    the event itself counts, in [0, 1].
    """
    weight = counts * WORDS.get(event.kind, 0.0)
    wanted, refused = sum(toward.values()), sum(away.values())
    found = []
    if weight and wanted:
        shares = tuple((tag, share / wanted) for tag, share in toward.items())
        found.append(Evidence(event.event_id, event.at, weight * min(wanted, 1.0), 0.0, shares))
    if weight and refused:
        shares = tuple((tag, share / refused) for tag, share in away.items())
        found.append(Evidence(event.event_id, event.at, 0.0, weight * min(refused, 1.0), shares))
    return found


def kept(at_s: Floats, amounts: Floats, now_s: float, given: Hyperparameters) -> Floats:
    """How much of each amount counts, in [0, 1]: halved with every half-life of age, thinned in bursts.

    All that falls into one minute of the clock counts at most `burst` in sum, before ageing; what is newer than `now_s`
    counts as new. Times are seconds since 1970. Depends on no order.
    """
    if not len(at_s):
        return np.zeros(0)
    _, minute = np.unique(np.floor(at_s / _WINDOW_S), return_inverse=True)
    crowd = exact_sums(minute, amounts, 0)[minute]
    thinned = np.minimum(1.0, given.burst / np.maximum(crowd, 1e-12))
    ages = np.maximum(now_s - at_s, 0.0) / _DAY_S
    return np.asarray(thinned * 0.5 ** (ages / given.half_life_days))


def exact_sums(places: Places, amounts: Floats, n: int) -> Floats:
    """The sum of the amounts at each place, at least n of them: the same to the last bit whatever their order.

    Amounts are rounded to a billionth or so, so that their sums are exact in 64 bits as far as 8 million.
    """
    return np.asarray(np.bincount(places, weights=np.rint(amounts * _GRAIN), minlength=n) / _GRAIN)
