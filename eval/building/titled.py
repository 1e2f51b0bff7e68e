"""Items out of a file of events whose rows name the item's title: that, its tags and its year, and no other column.

The others may be the event's (who, when, how much, in which words), and would tell of it to whoever is to foresee it.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

from agent.catalogue import Columns, read_events, read_items
from agent.errors import PalateError
from agent.types import Item

AGAIN = "duplicate of"  # how the reason of a row begins whose item was met before


@dataclass
class Titled:
    """The items in the order in which they were met, rows read, and rows left out by reason."""

    items: dict[str, Item] = field(default_factory=dict)
    read: int = 0
    left_out: Counter[str] = field(default_factory=Counter)


def names_titles(path: Path) -> bool:
    """Whether the first row of a file of events names an item with its title."""
    if not path.is_file():
        return False
    try:
        with read_items(path, limit=1) as rows:
            found = isinstance(next(rows, None), Item)
            return found and rows.columns is not None and rows.columns.fields["title"] not in _of_events(path)
    except PalateError:
        return False


def items_in_events(path: Path) -> Titled:
    """The items that the events are about, each as the first row names it.

    Raises CatalogueError and ConfigError as `read_items` does.
    """
    found = Titled()
    with read_items(path, Columns(text="", popularity="", language="", image="")) as rows:
        for row in rows:
            found.read += 1
            if isinstance(row, Item):
                year = {} if row.year is None else {"year": row.year}
                found.items[row.item_id] = row.model_copy(update={"attributes": year})
            elif not row.reason.startswith(AGAIN):
                found.left_out["names no item with a title"] += 1
    return found


def _of_events(path: Path) -> set[str]:
    """The columns that make up an event, but for the item's."""
    with read_events(path, limit=1) as rows:
        next(rows, None)
        return {column for field_, column in rows.columns.fields.items() if field_ != "id"} if rows.columns else set()
