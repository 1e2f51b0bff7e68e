"""`palate load` and `palate index`: files into the catalogue, and the catalogue into the vector index."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from agent.commands import render
from agent.commands.options import JsonOption, meter_of, open_recommender
from agent.errors import CatalogueError, ConfigError, NotFound

if TYPE_CHECKING:
    from agent.catalogue import Columns, Report
    from agent.parts.pictures import PictureReport
    from agent.recommender import Recommender
    from agent.types import Event, Item

_ITEM_FIELDS = frozenset({"id", "title", "tags", "text", "popularity", "language", "image", "platform"})
_EVENT_FIELDS = frozenset({"id", "user", "kind", "value", "at", "text", "event", "platform"})
_REFUSED_SHOWN = 5  # pictures of items
_MAX_KNOWN = 50_000  # item ids remembered while events are loaded
_BOTH, _ITEMS, _EVENTS = "Columns", "Columns of items", "Columns of events (with --events)"


def _column(flag: str, panel: str, what: str) -> Any:
    return typer.Option(f"--{flag}", metavar="COL", rich_help_panel=panel, help=what)


FileArgument = Annotated[Path, typer.Argument(metavar="FILE", help="A file, or the folder of a MovieLens data set.")]
EventsOption = Annotated[bool, typer.Option("--events", help="The rows are events: who did what with which item.")]
TableOption = Annotated[str | None, typer.Option(metavar="NAME", help="The table of a SQLite file.")]
SqlOption = Annotated[str | None, typer.Option(metavar="SELECT", help="A query on a SQLite file.")]
LimitOption = Annotated[int | None, typer.Option(min=1, metavar="N", help="Stop after so many rows.")]
IdColumn = Annotated[str | None, _column("id", _BOTH, "The item's id.")]
TextColumn = Annotated[str | None, _column("text", _BOTH, "What is said of the item, or by the person.")]
PlatformColumn = Annotated[str | None, _column("platform", _BOTH, "Where the row comes from.")]
TitleColumn = Annotated[str | None, _column("title", _ITEMS, "The title.")]
TagsColumn = Annotated[str | None, _column("tags", _ITEMS, "Genres, categories, keywords.")]
PopularityColumn = Annotated[str | None, _column("popularity", _ITEMS, "A count or score: how well known it is.")]
LanguageColumn = Annotated[str | None, _column("language", _ITEMS, "The language of the item.")]
ImageColumn = Annotated[str | None, _column("image", _ITEMS, "The address of a picture.")]
UserColumn = Annotated[str | None, _column("user", _EVENTS, "The person.")]
KindColumn = Annotated[str | None, _column("kind", _EVENTS, "What was done: like, view, rate, ...")]
ValueColumn = Annotated[str | None, _column("value", _EVENTS, "The rating.")]
AtColumn = Annotated[str | None, _column("at", _EVENTS, "When, in UTC.")]
EventColumn = Annotated[str | None, _column("event", _EVENTS, "The event's own id.")]


def load(
    ctx: typer.Context,
    file: FileArgument,
    events: EventsOption = False,
    table: TableOption = None,
    sql: SqlOption = None,
    limit: LimitOption = None,
    id: IdColumn = None,
    text: TextColumn = None,
    platform: PlatformColumn = None,
    title: TitleColumn = None,
    tags: TagsColumn = None,
    popularity: PopularityColumn = None,
    language: LanguageColumn = None,
    image: ImageColumn = None,
    user: UserColumn = None,
    kind: KindColumn = None,
    value: ValueColumn = None,
    at: AtColumn = None,
    event: EventColumn = None,
    as_json: JsonOption = False,
) -> None:
    """Load a file of items, or of events with --events.

    CSV, TSV, JSON lines, Parquet, SQLite, MovieLens folders and RecBole files are read. Columns are guessed from their
    names where no flag names them; the other columns of items become attributes. Every row that is refused is written
    to a file, with its line and the reason.
    """
    given = {"id": id, "text": text, "platform": platform, "title": title, "tags": tags, "popularity": popularity}
    given |= {"language": language, "image": image, "user": user, "kind": kind}
    given |= {"value": value, "at": at, "event": event}
    reading = {"columns": _columns(given, events), "table": table, "sql": sql, "limit": limit}
    with open_recommender(ctx) as recommender:
        sink = _Sink(recommender, meter_of(ctx, f"Reading {file.name}"))
        report = _load(recommender, sink, file, events, reading)
    sink.meter.close()
    if as_json:
        render.write_json(_as_json(report, sink, file, events))
    else:
        _show(report, sink, file, events)
    _refuse_unfit(report, sink, file)
    if not as_json:
        render.told(f"next: palate {'recommend USER' if events else 'index'}")


def _columns(given: Mapping[str, str | None], events: bool) -> Columns:
    from agent.catalogue import Columns

    named = {name: column for name, column in given.items() if column is not None}
    for name in sorted(set(named) - (_EVENT_FIELDS if events else _ITEM_FIELDS)):
        kind, remedy = ("events", "leave out --events") if events else ("items", "add --events")
        raise ConfigError(f"--{name} is no column of {kind}", f"Leave it out, or {remedy}")
    return Columns(**named)


class _Sink:
    """Puts batches into the store and counts: rows on the meter, events that are new, events of unknown items."""

    def __init__(self, recommender: Recommender, meter: render.Meter) -> None:
        self._recommender = recommender
        self.meter = meter
        self._known: dict[str, bool] = {}
        self._rows = 0
        self.new = 0
        self.strangers = 0

    def items(self, batch: Sequence[Item]) -> None:
        """Take a batch of items."""
        self._recommender.put_items(batch)
        self._count(len(batch))

    def events(self, batch: Sequence[Event]) -> None:
        """Take a batch of events."""
        self.new += self._recommender.put_events(batch)
        named = [event.item_id for event in batch if event.item_id]
        unsure = {item_id for item_id in named if item_id not in self._known}
        found = {item.item_id for item in self._recommender.store.items(unsure)}
        if len(self._known) > _MAX_KNOWN:
            self._known = {item_id: self._known[item_id] for item_id in named if item_id in self._known}
        self._known |= {item_id: item_id in found for item_id in unsure}
        self.strangers += sum(not self._known[item_id] for item_id in named)
        self._count(len(batch))

    def _count(self, rows: int) -> None:
        self._rows += rows
        self.meter(self._rows, 0)


def _load(recommender: Recommender, sink: _Sink, file: Path, events: bool, reading: Mapping[str, Any]) -> Report:
    from agent import catalogue

    refused = recommender.settings.folder / "refused" / f"{file.resolve().name}.{'events' if events else 'items'}.jsonl"
    if events:
        with catalogue.read_events(file, **reading) as rows:
            in_clear = recommender.settings.encryption_key is None
            return catalogue.load_events(rows, sink.events, refused, words=in_clear)
    with catalogue.read_items(file, **reading) as rows:
        return catalogue.load_items(rows, sink.items, refused)


def _as_json(report: Report, sink: _Sink, file: Path, events: bool) -> dict[str, object]:
    shape = {"file": str(file), "kind": "events" if events else "items"} | report.as_json()
    return shape | ({"new": sink.new, "unknown_items": sink.strangers} if events else {})


def _show(report: Report, sink: _Sink, file: Path, events: bool) -> None:
    from rich.text import Text

    console = render.out()
    counts = f"{render.count(report.read, 'row')} read, {report.accepted:,} accepted, {report.refused:,} refused"
    console.print(Text.assemble((render.plain(file), "bold"), f": {counts}"), soft_wrap=True)
    if report.columns:
        console.print(Text(render.plain(f"{report.format}; {report.columns.describe()}"), style="dim"))
    if events:
        console.print(f"{sink.new:,} of the events are new")
    for refusal in report.first:
        console.print(Text(f"  line {refusal.line}: {render.plain(refusal.reason)}"), soft_wrap=True)
    if report.refused:
        more = "all refused rows" if report.refused > len(report.first) else "refused rows"
        console.print(f"{more} are in {render.plain(report.refused_path)}", soft_wrap=True)


def _refuse_unfit(report: Report, sink: _Sink, file: Path) -> None:
    if report.broke_off:
        raise CatalogueError(f"the end of {file} was not read: {report.broke_off}", "Repair the file and load it again")
    if not report.accepted:
        what = f"no row of {file} was accepted" if report.read else f"{file} holds no rows"
        raise CatalogueError(
            what, f"See {report.refused_path}" if report.refused else "Check that it is the right file"
        )
    if sink.strangers:
        unknown = render.count(sink.strangers, "event")
        render.note(f"{unknown} name items that are not in the catalogue: load the items, or check --id")


RebuildOption = Annotated[bool, typer.Option("--rebuild", help="Build it anew instead of changing what differs.")]


def index(ctx: typer.Context, rebuild: RebuildOption = False, as_json: JsonOption = False) -> None:
    """Bring the vector index up to date with the catalogue.

    Only what changed is embedded. This also happens by itself at the next recommendation, save for pictures of items,
    which are brought in only here, where images.source names who looks at them.
    """
    with open_recommender(ctx) as recommender:
        if not recommender.store.count_items():
            raise NotFound("the catalogue is empty", "Load one with: palate load FILE")
        report = recommender.sync_index(rebuild=rebuild)
        meter = meter_of(ctx, "Looking at pictures")
        pictures = recommender.sync_pictures(rebuild=rebuild, progress=meter)
        meter.close()
    if as_json:
        shown = pictures.as_json() if pictures else None
        render.write_json(asdict(report) | {"rebuilt": report.rebuilt or None, "images": shown})
    else:
        changes = f"{report.added:,} added, {report.changed:,} changed, {report.removed:,} removed"
        render.out().print(f"index: {render.count(report.rows, 'row')}; {changes}")
        if report.rebuilt:
            render.told(f"built anew: {report.rebuilt}")
        if pictures and not pictures.problem:
            changes = f"{pictures.added:,} added, {pictures.changed:,} changed, {pictures.removed:,} removed"
            render.out().print(f"pictures: {render.count(pictures.rows, 'row')}; {changes}")
    if pictures:
        _note_pictures(pictures)


def _note_pictures(report: PictureReport) -> None:
    """What kept pictures out, on stderr: all of them, or the first few that were refused."""
    if report.problem:
        render.note(f"pictures are left out: {report.problem}")
    refused = list(report.refused.items())
    for item_id, reason in refused[:_REFUSED_SHOWN]:
        render.note(f"the picture of {item_id} {reason}")
    if len(refused) > _REFUSED_SHOWN:
        render.note(f"and {len(refused) - _REFUSED_SHOWN:,} more; palate index --json names all of them")
