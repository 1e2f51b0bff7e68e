"""How well known a data set's items are: how many people met each, or the popularity that the items carry."""

from __future__ import annotations

from collections.abc import Mapping

from eval.beyond import Shelf
from eval.cases import EVENTS, Stock

UNKNOWN = f"the data set has neither {EVENTS} nor items with a popularity"


def shelf_of(dataset: Stock) -> Shelf:
    """The data set's catalogue with tags and popularity. Raises CatalogueError when a line of its past is bad."""
    tags = {item_id: item.tags for item_id, item in dataset.items.items()}
    return Shelf(tags, *popularity_of(dataset))


def popularity_of(dataset: Stock) -> tuple[Mapping[str, float], str]:
    """The popularity of items by id, and where it comes from; empty, and why, where nothing tells it.

    It is how many people did anything with an item before the cases, where the data set tells that; else what items
    carry, of those that carry any. Raises CatalogueError when a line of the past is bad.
    """
    past = dataset.past
    if len(past):
        counts = past.met_by.tolist()
        return dict(zip(past.items, map(float, counts), strict=True)), f"how many people met it, by {past.source}"
    carried = {i: item.popularity for i, item in dataset.items.items() if item.popularity is not None}
    source = f"the items' own popularity, known of {len(carried):,} of {len(dataset.items):,}"
    return carried, source if carried else UNKNOWN
