"""Items and acts out of the sources, with a count of every row that was left out, and why."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from agent.catalogue import Columns, Report, load_events, load_items, read_events, read_items
from agent.errors import CatalogueError, ConfigError
from agent.types import Event, Item
from eval.building.acts import UNDATED, Acts, Recorder
from eval.building.sources import Sources
from eval.building.titled import items_in_events

REFUSED_ITEMS, REFUSED_EVENTS = "refused-items.jsonl", "refused-events.jsonl"

Progress = Callable[[int], None]


@dataclass(frozen=True)
class Gathered:
    """The whole catalogue in its file's order, all acts on it, rows read, and rows left out by reason.

    `read` and `left_out` have the keys `items` and `events`.
    """

    items: Sequence[Item]
    acts: Acts
    read: Mapping[str, int]
    left_out: Mapping[str, Mapping[str, int]]


def gather(sources: Sources, folder: Path, progress: Progress = lambda _: None) -> Gathered:
    """What the sources hold. Rows that cannot be read are written to `refused-*.jsonl` in `folder`, with the reason.

    Raises CatalogueError when a file cannot be read to its end or nothing in it can be used, ConfigError when a column
    is missing.
    """
    items, items_read, items_left_out = _items(sources, folder / REFUSED_ITEMS)
    recorder = Recorder({item.item_id: place for place, item in enumerate(items)})
    from_events = _events(sources.events, recorder, folder / REFUSED_EVENTS, progress)
    acts = recorder.acts()
    if not len(acts):
        raise CatalogueError(f"no event of {sources.events} can be used", _most(recorder.left_out))
    left_out = {"items": items_left_out, "events": {**dict(from_events.reasons), **recorder.left_out}}
    return Gathered(items, acts, {"items": items_read, "events": from_events.read}, left_out)


def _items(sources: Sources, refused: Path) -> tuple[Sequence[Item], int, Mapping[str, int]]:
    """The items, how many rows were read for them, and those left out by reason."""
    path = sources.items
    try:
        if path == sources.events and path.is_file():
            found = items_in_events(path)
            return tuple(found.items.values()), found.read, found.left_out
        items: list[Item] = []
        with read_items(path) as rows:
            report = _whole(load_items(rows, items.extend, refused), path)
        return items, report.read, dict(report.reasons)
    except ConfigError as error:
        raise _about_columns(path, error) from error


def _events(path: Path, recorder: Recorder, refused: Path, progress: Progress) -> Report:
    taken = 0

    def _take(batch: Sequence[Event]) -> None:
        nonlocal taken
        for event in batch:
            recorder.add(event)
        taken += len(batch)
        progress(taken)

    try:
        with read_events(path, Columns(text=""), clock=lambda: UNDATED) as rows:
            return _whole(load_events(rows, _take, refused), path)
    except ConfigError as error:
        raise _about_columns(path, error) from error


def _whole(report: Report, path: Path) -> Report:
    """The report again. Raises CatalogueError for a file that breaks off and for one of which nothing was accepted."""
    if report.broke_off:
        raise CatalogueError(f"the end of {path} was not read: {report.broke_off}", "Fetch or write the file again")
    if not report.accepted:
        raise CatalogueError(f"no row of {path} can be used", _most(dict(report.reasons)))
    return report


def _about_columns(path: Path, error: ConfigError) -> ConfigError:
    return ConfigError(f"{path}: {error.message}", "Give its columns names such as user_id, item_id, rating, timestamp")


def _most(reasons: Mapping[str, int]) -> str:
    if not reasons:
        return "Check that it is the right file"
    return f"The most frequent reason: {max(reasons, key=lambda reason: reasons[reason])}"
