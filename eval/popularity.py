"""How well known a data set's items are: their events counted, or the popularity that the items carry."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from eval.beyond import Shelf
from eval.cases import EVENTS, DataSet
from eval.jsonlines import Fault, read_objects, refuse

UNKNOWN = f"the data set has neither {EVENTS} nor items with a popularity"


def shelf_of(dataset: DataSet) -> Shelf:
    """The data set's catalogue with tags and popularity: counted events where there are any, else what items carry.

    Events are streamed: memory is bounded by the items. Raises CatalogueError when a line of them is bad.
    """
    tags = {item_id: item.tags for item_id, item in dataset.items.items()}
    counts = event_counts(dataset.folder / EVENTS, tags)
    if any(counts.values()):
        return Shelf(tags, counts, f"events in {EVENTS}")
    carried = {i: item.popularity for i, item in dataset.items.items() if item.popularity is not None}
    source = f"the items' own popularity, known of {len(carried):,} of {len(tags):,}"
    return Shelf(tags, carried, source if carried else UNKNOWN)


def event_counts(path: Path, items: Mapping[str, object]) -> dict[str, float]:
    """How many events, of whatever kind, name each of the items; all 0 where there is no such file.

    Raises CatalogueError when a line is no JSON object.
    """
    counts = dict.fromkeys(items, 0.0)
    for found in read_objects(path) if path.is_file() else ():
        if isinstance(found, Fault):
            refuse([found])
        elif (item_id := str(found[1].get("item_id"))) in counts:
            counts[item_id] += 1
    return counts
