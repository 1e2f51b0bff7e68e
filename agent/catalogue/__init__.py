"""Files of items and events in, Items and Events out, and a report of every refused row.

    with read_items(Path("films.csv")) as rows:                     # each row: an Item or a Refusal
        report = load_items(rows, store.put_items, Path("refused.jsonl"))

Formats: CSV, TSV and JSON lines (each also gzipped), Parquet, SQLite (a table or a SELECT), RecBole's .item and
.inter files, and folders: MovieLens 100k, 1m and latest, RecBole's, and data sets of `items.jsonl` and
`events.jsonl[.gz]`. Everything streams: memory does not grow with the file. Nothing is dropped silently: every row is
a value or a refusal with its line and its reason; blank lines are not rows.

What each column means is said by `Columns`, else guessed by the tables in `guesses`. All other columns of items become
attributes under their `plain_name` (see `columns`), one level of nested objects included:

- numbers stay numbers (in CSV, text that plainly writes one becomes one), truth values become "true" and "false",
- lists become tuples of text; text such as "A, B" under the name of a person's role or a country (`lists.PEOPLE`) too,
- a missing `year` is read from a release date or a MovieLens title ("Matrix, The (1999)" is "The Matrix" of 1999).

Tags in one text are parted by |, else by ;, else by commas. The first of several languages is `Item.language`, all of
them are the attribute `languages`. Identifiers are trimmed; numeric ones become digits.
"""

from __future__ import annotations

from pathlib import Path

from agent.catalogue.columns import Columns, Resolved
from agent.catalogue.events import Clock, EventBuilder, now_utc
from agent.catalogue.formats import KNOWN, Source, open_table
from agent.catalogue.guesses import EVENT_GUESSES, ITEM_GUESSES
from agent.catalogue.items import ItemBuilder
from agent.catalogue.reading import Plan, Reading
from agent.catalogue.report import Report, load_events, load_items
from agent.catalogue.rows import Refusal
from agent.errors import ConfigError
from agent.types import Event, Item

__all__ = [
    "KNOWN",
    "Columns",
    "Reading",
    "Refusal",
    "Report",
    "Resolved",
    "load_events",
    "load_items",
    "read_events",
    "read_items",
]


def read_items(
    path: str | Path,
    columns: Columns | None = None,
    *,
    table: str | None = None,
    sql: str | None = None,
    limit: int | None = None,
    encoding: str = "utf-8",
) -> Reading[Item]:
    """The items of a file or folder, row by row; at most `limit` rows are read.

    `table` or `sql` (one SELECT) choose the rows of an SQLite file. `encoding` is utf-8, latin-1 or cp1252 and
    concerns text files only. Raises CatalogueError when the file cannot be read at all, ConfigError when an option
    does not fit it.
    """
    opened = open_table(Source(Path(path), "items", table, sql, encoding))
    plan = Plan(
        ITEM_GUESSES,
        (("id",), ("title",)),
        lambda found, rows: ItemBuilder(found, typed=rows.typed, film_titles=rows.film_titles),
        keeps_attributes=True,
    )
    return Reading(opened, columns or Columns(), plan, _checked(limit))


def read_events(
    path: str | Path,
    columns: Columns | None = None,
    *,
    table: str | None = None,
    sql: str | None = None,
    limit: int | None = None,
    encoding: str = "utf-8",
    clock: Clock = now_utc,
) -> Reading[Event]:
    """The events of a file or folder, row by row, with identifiers that make a second load of the same rows a no-op.

    A row without a kind is a rating when it has a value (the file's scale is kept), a view when it names an item,
    else a message. `clock` dates rows that have no time. All else as in `read_items`.
    """
    opened = open_table(Source(Path(path), "events", table, sql, encoding))
    plan = Plan(
        EVENT_GUESSES,
        (("user",), ("id", "text")),
        lambda found, _: EventBuilder(found, clock=clock),
        keeps_attributes=False,
    )
    return Reading(opened, columns or Columns(), plan, _checked(limit))


def _checked(limit: int | None) -> int | None:
    if limit is not None and limit < 0:
        raise ConfigError(f"a limit of {limit} rows makes no sense", "Give 0 or more")
    return limit
