"""The films of `palate demo` as a catalogue of its own, made for a measurement and thrown away."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from agent.catalogue import read_items
from agent.commands.demo import FILMS, films_file
from agent.parts.parts import Parts
from agent.settings import Settings
from agent.types import Item
from eval.apart import apart
from eval.building.folder import row_of
from eval.cases import CASES, ITEMS, DataSet
from eval.chance import drawn
from eval.files import write_text
from eval.runs import Told, Watch


def films() -> list[Item]:
    """The demo's films, the most reviewed first. Raises ConfigError where they are not installed."""
    with read_items(films_file(), sql=FILMS) as rows:
        return [row for row in rows if isinstance(row, Item)]


@contextmanager
def sought_films(n: int, seed: int) -> Iterator[DataSet]:
    """Those films as a data set of n cases: somebody unknown seeks one of them, drawn by lot. Raises as `films`."""
    items = films()
    sought = sorted(items, key=lambda item: drawn(seed, "sought", item.item_id))[:n]
    names = [f"seeker-{place}" for place in range(1, len(sought) + 1)]
    pairs = zip(names, sought, strict=True)
    cases = ({"case_id": name, "user_id": name, "relevant": [item.item_id]} for name, item in pairs)
    with TemporaryDirectory(prefix="films-of-palate-") as folder:
        rows = (row_of(item, int(item.popularity or 0)) for item in items)
        write_text(Path(folder) / ITEMS, map(_line, rows))
        write_text(Path(folder) / CASES, map(_line, cases))
        yield DataSet.open(Path(folder), ())


def _line(row: Mapping[str, object]) -> str:
    """A row with its keys as they come: their order is that of an item's fields, and part of what is embedded."""
    return json.dumps(row, ensure_ascii=False) + "\n"


@contextmanager
def open_films(settings: Settings, watch: Watch, told: Told, *, indexed: bool = True) -> Iterator[Parts]:
    """The parts over those films in a temporary data folder; vectors are kept in the cache of the settings.

    Raises as `films` and `Parts` do.
    """
    with ExitStack() as stack:
        own = stack.enter_context(apart(settings)).model_copy(update={"noun": "films"})
        with watch("Indexing the films") as show:
            parts = stack.enter_context(closing(Parts(own, progress=show, told=told)))
            parts.store.put_items(films())
            if indexed:
                parts.sync_index()
        yield parts
