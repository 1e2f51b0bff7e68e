"""The commands `palate eval data`: data sets with known answers out of anybody's events."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from agent.commands import render
from agent.commands.options import JsonOption
from agent.errors import ConfigError
from eval.options import DEFAULT_SEED, FolderOption, SeedOption, watch

if TYPE_CHECKING:
    from eval.building.build import Parting

ALL = "all"
MOST_CANDIDATES = 100_000

SourceArgument = Annotated[
    Path, typer.Argument(metavar="SOURCE", help="A file of events, or the folder of a MovieLens, RecBole or other set.")
]
FormatOption = Annotated[
    str, typer.Option("--format", metavar="FORM", help="auto, movielens, recbole, amazon or events.")
]
ItemsOption = Annotated[
    Path | None, typer.Option("--items", metavar="FILE", help="The items, where they do not lie beside the events.")
]
SplitOption = Annotated[
    str, typer.Option("--split", metavar="KIND", help="temporal (one cut for all) or leave-last (of each person).")
]
QuantileOption = Annotated[
    float | None, typer.Option("--quantile", min=0, max=1, metavar="Q", help="Share of events before the cut; .8.")
]
LastOption = Annotated[
    int | None, typer.Option("--last", min=1, metavar="N", help="Events of each person to foresee with leave-last; 1.")
]
HistoryOption = Annotated[
    int, typer.Option("--history", min=1, max=10_000, metavar="N", help="A case's newest liked items.")
]
CandidatesOption = Annotated[
    str, typer.Option("--candidates", metavar="N", help="A case's candidates; all: the whole catalogue.")
]
RatingOption = Annotated[
    float | None, typer.Option("--min-rating", metavar="X", help="Only ratings from here on count as liked.")
]
UsersOption = Annotated[
    int | None, typer.Option("--limit-users", min=1, metavar="N", help="Cases for N people drawn by the seed.")
]

building = typer.Typer(help=__doc__, no_args_is_help=True, add_completion=False)


@building.callback()
def _group() -> None:
    """Make data sets with known answers out of anybody's events."""


@building.command("build")
def build(
    source: SourceArgument,
    output: FolderOption,
    form: FormatOption = "auto",
    items: ItemsOption = None,
    split: SplitOption = "temporal",
    quantile: QuantileOption = None,
    last: LastOption = None,
    history: HistoryOption = 50,
    candidates: CandidatesOption = "20",
    min_rating: RatingOption = None,
    limit_users: UsersOption = None,
    seed: SeedOption = DEFAULT_SEED,
    as_json: JsonOption = False,
) -> None:
    """Part events into a past and what is to be foreseen, one case a person, with frozen candidates and no leaks.

    A case's answers are what the person newly liked after the split. Events from the split on are kept nowhere, and the
    popularity of items counts the past alone. Equal sources, options and seeds give equal bytes.
    """
    from eval.building.build import build as write
    from eval.building.questions import Wanted

    wanted = Wanted(history, _number_of(candidates), min_rating, limit_users, seed)
    parting = _parting(split, quantile, last)
    with watch("Reading events") as meter:
        built = write(source, output, parting, wanted, items=items, form=form, progress=lambda taken: meter(taken, 0))
    if as_json:
        render.write_json({"folder": str(output), **built})
    else:
        _draw(built, output)


def _parting(split: str, quantile: float | None, last: int | None) -> Parting:
    from eval.building.build import LAST, QUANTILE, Parting
    from eval.building.splits import LEAVE_LAST, SPLITS, TEMPORAL

    if split not in SPLITS:
        raise ConfigError(f"there is no split {split!r}", f"Splits: {', '.join(SPLITS)}")
    if split == TEMPORAL and last is not None:
        raise ConfigError("--last does not concern a temporal split", f"Leave it out, or add --split {LEAVE_LAST}")
    if split == LEAVE_LAST and quantile is not None:
        raise ConfigError("--quantile does not concern a leave-last split", f"Leave it out, or add --split {TEMPORAL}")
    return Parting(split, QUANTILE if quantile is None else quantile, LAST if last is None else last)


def _number_of(candidates: str) -> int | None:
    """How many candidates; None for all. Raises ConfigError."""
    if candidates.strip().lower() == ALL:
        return None
    if not candidates.strip().isdecimal() or not 2 <= int(candidates) <= MOST_CANDIDATES:
        raise ConfigError(f"--candidates {candidates!r} is no number of candidates", f"Give 2 or more, or {ALL}")
    return int(candidates)


def _draw(built: Mapping[str, Any], output: Path) -> None:
    counts, options = built["counts"], built["options"]
    asked = "the whole catalogue" if options["candidates"] is None else f"{options['candidates']} candidates"
    rows = [
        ("written", f"{output}: {render.count(counts['cases'], 'case')}, {asked}"),
        ("source", f"{built['source']['format']}: {', '.join(file['file'] for file in built['source']['files'])}"),
        ("split", _split_text(built)),
        ("past", f"{render.count(counts['events'], 'event')}; {counts['events_withheld']:,} withheld"),
        ("items", f"{counts['items']:,}"),
        ("cases' hash", next(file["sha256"] for file in built["files"] if file["file"] == "cases.jsonl")),
    ]
    render.out().print(render.facts(rows))
    for part, reasons in built["left_out"].items():
        told = "; ".join(f"{n:,} {reason}" for reason, n in sorted(reasons.items(), key=lambda each: -each[1])[:4])
        if told:
            render.note(f"{part} left out: {told}")


def _split_text(built: Mapping[str, Any]) -> str:
    from datetime import UTC, datetime

    options = built["options"]
    if built["cut"] is None:
        return f"{options['split']}, {render.count(options['last'], 'event')} of each person"
    return f"{options['split']}, past before {datetime.fromtimestamp(built['cut'], UTC):%Y-%m-%d %H:%M:%S} UTC"
