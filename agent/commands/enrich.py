"""`palate enrich`: a model describes items of which the catalogue says little, so that recall finds them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from agent.commands import render
from agent.commands.options import JsonOption, meter_of, open_recommender
from agent.errors import ConfigError

if TYPE_CHECKING:
    from agent.enrich.enrichment import Enrichment, Thin
    from agent.enrich.run import Outlook, Report
    from agent.recommender import Recommender

LimitOption = Annotated[int | None, typer.Option("--limit", min=1, metavar="N", help="At most so many items now.")]
DryOption = Annotated[bool, typer.Option("--dry-run", help="Only say how many items wait and how long it would take.")]
RemoveOption = Annotated[bool, typer.Option("--remove", help="Take back everything that was written.")]
ShowOption = Annotated[str | None, typer.Option("--show", metavar="TITLE", help="What was written about one item.")]
TextOption = Annotated[
    int | None, typer.Option("--min-text", min=0, metavar="N", help="A text of fewer characters is thin.")
]
TagsOption = Annotated[int | None, typer.Option("--min-tags", min=0, metavar="N", help="Fewer tags are thin.")]


def enrich(
    ctx: typer.Context,
    limit: LimitOption = None,
    dry_run: DryOption = False,
    remove: RemoveOption = False,
    show: ShowOption = None,
    min_text: TextOption = None,
    min_tags: TagsOption = None,
    as_json: JsonOption = False,
) -> None:
    """Let the model describe thin items, for recall alone.

    Items with little text or without tags get a description and tags out of the catalogue's own. They are kept beside
    the items, marked as generated, and only the vector index reads them: no reason, filter or answer rests on them. A
    run that is broken off goes on where it was; another model or prompt writes anew; --remove takes all of it back.
    """
    if sum((dry_run, remove, show is not None)) > 1:
        raise ConfigError("--dry-run, --remove and --show exclude each other", "Choose one of them")
    with open_recommender(ctx) as recommender:
        recommender.parts.require_items()
        if remove:
            _told(as_json, {"removed": recommender.store.remove_generated()})
        elif show is not None:
            _show(recommender, show, as_json)
        else:
            _enrich(ctx, recommender, _thin(min_text, min_tags), limit, dry_run, as_json)


def _thin(min_text: int | None, min_tags: int | None) -> Thin:
    from agent.enrich.enrichment import Thin

    given = {"min_text_chars": min_text, "min_tags": min_tags}
    return Thin.model_validate({key: value for key, value in given.items() if value is not None})


def _enrich(
    ctx: typer.Context, recommender: Recommender, thin: Thin, limit: int | None, dry_run: bool, as_json: bool
) -> None:
    from agent.enrich import run
    from agent.parts.enriched import writer_on

    store = recommender.store
    writer = writer_on(recommender.parts, thin)
    found = run.outlook(store, writer, thin, limit)
    if dry_run:
        seconds = run.estimate_s(writer, found.waiting)
        _told(as_json, _outlook(found) | {"estimate_s": round(seconds, 1)})
        return
    meter = meter_of(ctx, "Describing")
    try:
        report = run.enrich(store, writer, found.waiting, meter)
    finally:
        recommender.parts.catalogue_changed()
    meter.close()
    _told(as_json, _outlook(found) | _done(report, found))
    if not as_json and report.written:
        render.told("next: palate index (or the next recommendation brings it up to date)")
        render.told("small models make recall worse: measure it with palate eval recall --data DIR --enriched")


def _outlook(found: Outlook) -> dict[str, object]:
    return {"items": found.items, "thin": found.thin, "current": found.current, "waiting": len(found.waiting)}


def _done(report: Report, found: Outlook) -> dict[str, object]:
    left = found.thin - found.current - report.written
    return {"written": report.written, "empty": report.empty, "left": left, "seconds": round(report.seconds, 1)}


def _told(as_json: bool, rows: dict[str, object]) -> None:
    if as_json:
        render.write_json(rows)
    else:
        render.out().print(render.facts(list(rows.items())))


def _show(recommender: Recommender, title: str, as_json: bool) -> None:
    from agent.commands.ask import Finder
    from agent.enrich.enrichment import read

    item_id = Finder(recommender).id(title)
    found = read(recommender.store.generated()).get(item_id)
    if as_json:
        render.write_json(found.model_dump(mode="json") if found else {"item_id": item_id, "generated": None})
    elif found is None:
        render.told("nothing was written about it")
    else:
        _draw(found)


def _draw(found: Enrichment) -> None:
    rows = {"text": found.text or "–", "tags": ", ".join(found.tags) or "–", "by": found.name}
    render.out().print(render.facts({"generated": "not a fact: words of a model, for recall alone", **rows}))
