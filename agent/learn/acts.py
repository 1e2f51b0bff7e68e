"""Which acts count as taking an item up, and what is learned from them by name. Pure, and light to import."""

from __future__ import annotations

from collections.abc import Iterable

from agent.types import Event, EventKind

TOGETHER, FACTORS, POPULARITY = "together", "factors", "popularity"
TAKEN_UP = frozenset({EventKind.LIKE, EventKind.RATE, EventKind.PURCHASE, EventKind.REVIEW, EventKind.VIEW})


def taken_up(events: Iterable[Event]) -> list[str]:
    """The items that these events of one person, oldest first, say they took up.

    A rating counts however low it is: it tells what a person comes across. Clicks, skips and dislikes do not count.
    """
    return [event.item_id for event in events if event.item_id is not None and event.kind in TAKEN_UP]
