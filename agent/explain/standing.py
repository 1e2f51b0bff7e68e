"""How well an item stands with others: awards, ratings and reviews that the catalogue records, never more. Pure."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal

from agent.types import Attribute, Item

_OSCARS = re.compile(r"^(oscars?|academy_?awards?)(_won)?$")
_AWARDS = re.compile(r"^(awards?|prizes?|奖项|获奖)$")
_REVIEWS = re.compile(r"(^|_)(reviews?|review_count|num_?reviews?|votes?|num_?votes|ratings?_count|num_?ratings)$")
_HUNDRED = re.compile(r"^(meter|tomato_?meter|metacritic|metascore|critic_score)$")
_RATING = re.compile(r"(^|_)(rating|average_rating|avg_rating|stars|score|评分)$")
MANY_REVIEWS = 50


@dataclass(frozen=True, slots=True)
class Standing:
    """One figure that speaks for an item: `ref` is its field, `value` the field's text, `shown` how it is printed.

    `label` is the field's name in plain words, such as `average rating`.
    """

    kind: Literal["oscars", "awards", "rating", "reviews"]
    ref: str
    value: str
    shown: str
    label: str


def standing_of(item: Item) -> Standing | None:
    """The best figure that speaks for the item; None where the catalogue has none, or none that flatters.

    Awards first, then a rating in the upper quarter of its scale (5, 10 or 100, the smallest that holds it), then a
    number of reviews of at least 50.
    """
    found = [s for name, value in item.attributes.items() if (s := _standing(name, value)) is not None]
    order = ("oscars", "awards", "rating", "reviews")
    return min(found, key=lambda s: order.index(s.kind), default=None)


def _standing(name: str, value: Attribute) -> Standing | None:
    snake = re.sub(r"\W+", "_", re.sub(r"(?<=[a-z])(?=[A-Z])", "_", name)).lower()
    label = snake.replace("_", " ")
    if isinstance(value, tuple):
        return None
    if isinstance(value, str):
        good = _AWARDS.match(snake) and 0 < len(value.strip()) <= 60 and value.strip() not in ("0", "N/A")
        shown = re.sub(r"[.。]\s+", "; ", value.strip().rstrip(" .!?。！？"))
        return Standing("awards", name, value, shown, label) if good else None
    if _OSCARS.match(snake) and value >= 1:
        return Standing("oscars", name, f"{value:g}", f"{value:g}", label)
    if _REVIEWS.search(snake) and value >= MANY_REVIEWS:
        return Standing("reviews", name, str(int(value)), f"{int(value):,}", label)
    if (_HUNDRED.match(snake) and 75 <= value <= 100) or (_RATING.search(snake) and _upper_quarter(value)):
        return Standing("rating", name, str(value), str(value), label)
    return None


def _upper_quarter(value: float) -> bool:
    scale = next((top for top in (5, 10, 100) if value <= top), None)
    return scale is not None and value >= 0.75 * scale
