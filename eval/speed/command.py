"""The commands `palate eval speed` and `palate eval quantise`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from agent.commands import render
from agent.commands.options import JsonOption
from eval.options import LimitOption, ModelOption, listed, settings_of, watch

FolderOption = Annotated[
    Path | None,
    typer.Option("--data", metavar="DIR", help="Rank the cases of this folder; without it, made-up films."),
]
CandidatesOption = Annotated[
    str, typer.Option("--candidates", metavar="N,N", help="Numbers of candidates, such as 20,50,100.")
]
UsersOption = Annotated[
    int, typer.Option("--users", min=1, max=1_000, metavar="N", help="Repetitions, each with somebody new.")
]
RowsOption = Annotated[
    str,
    typer.Option(
        "--rows",
        metavar="NAMES",
        help="Only these rows, or kinds: ours, peers, limits, writing. Only by name: embedding, recall, vectors.",
    ),
]
VectorsOption = Annotated[
    int, typer.Option("--vectors", min=1_000, metavar="N", help="So many made-up vectors for the row `vectors`.")
]
QuestionsOption = Annotated[
    int, typer.Option("--questions", min=20, max=10_000, metavar="N", help="People who ask in `recall` and `vectors`.")
]
CasesOption = Annotated[
    int, typer.Option("--cases", min=0, metavar="N", help="Rank so many cases of the data set more, for NDCG alone.")
]
KindsOption = Annotated[
    str, typer.Option("--kinds", metavar="KIND,KIND", help="llama.cpp's file types; by default its quick ones.")
]


def speed(
    ctx: typer.Context,
    folder: FolderOption = None,
    candidates: CandidatesOption = "20,50,100",
    users: UsersOption = 10,
    rows: RowsOption = "",
    cases: CasesOption = 0,
    vectors: VectorsOption = 100_000,
    questions: QuestionsOption = 200,
    model: ModelOption = None,
    as_json: JsonOption = False,
) -> None:
    """Time every way of ranking beside its peers and the limit of this machine: a benchmark, over minutes.

    All rows read one model file with the same number of threads and take turns. A row whose library is missing says
    how to install it, and the others go on.
    """
    from eval.speed import drawing
    from eval.speed.finding import drawing as finding_drawing
    from eval.speed.finding import run as finding
    from eval.speed.report import as_json as shaped
    from eval.speed.run import Wanted, candidates_of, folder_of, run
    from eval.speed.table import chosen

    names = listed(rows)
    others = tuple(name for name in names if name not in finding.ROWS)
    wanted = Wanted(candidates_of(candidates), users, others, cases)
    chosen(others)
    settings, dataset = settings_of(ctx, model=model), folder_of(folder)
    asked = finding.Wanted(tuple(name for name in finding.ROWS if name in names), users, questions, vectors)
    found = finding.run(settings, dataset, asked, watch, render.told) if asked.rows else None
    report = run(settings, dataset, wanted, watch, render.told) if others or not names else None
    for one in report.measured if report else ():
        if one.failed:
            render.note(f"{one.row.name}, {one.candidates or 'any number of'} candidates: {one.failed}")
    if as_json:
        render.write_json({**(shaped(report) if report else {}), **(found.as_json() if found else {})})
        return
    if report:
        drawing.draw(report)
    if found:
        finding_drawing.draw(found)


def quantise(
    ctx: typer.Context,
    folder: FolderOption = None,
    kinds: KindsOption = "",
    limit: LimitOption = None,
    model: ModelOption = None,
    as_json: JsonOption = False,
) -> None:
    """Compare a model file in several quantisations: size, speed, and how well it ranks the cases of a data set."""
    from eval.speed import drawing
    from eval.speed.quantised import KINDS, compare
    from eval.speed.run import folder_of

    found = compare(settings_of(ctx, model=model), folder_of(folder), listed(kinds) or KINDS, limit, watch, render.told)
    if as_json:
        render.write_json({"rows": [row.as_json() for row in found]})
    else:
        drawing.draw_quantised(found)
