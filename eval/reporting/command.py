"""Stored runs compared, looked into, reported and gated. No model is asked."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from agent.commands import render
from agent.commands.options import JsonOption

if TYPE_CHECKING:
    from eval.reporting.gating import Gate

RunArgument = Annotated[Path, typer.Argument(metavar="RUN", help="Folder of a run.")]
BaseArgument = Annotated[Path, typer.Argument(metavar="BASE", help="Folder of the run to compare with.")]
NewArgument = Annotated[Path | None, typer.Argument(metavar="NEW", help="Folder of the new run; none: BASE's cells.")]
RunsArgument = Annotated[list[Path], typer.Argument(metavar="RUN...", help="Folders of runs.")]
CaseArgument = Annotated[str, typer.Argument(metavar="CASE", help="Id of a case.")]
CellOption = Annotated[str | None, typer.Option("--cell", metavar="NAME", help="Only this cell of the run.")]
BaseCellOption = Annotated[str | None, typer.Option("--base-cell", metavar="NAME", help="The cell of BASE.")]
NewCellOption = Annotated[str | None, typer.Option("--new-cell", metavar="NAME", help="The cell of NEW.")]
MetricsOption = Annotated[
    str | None, typer.Option("--metrics", metavar="LIST", help="Metrics with commas, such as ndcg@10,recall@5,mrr.")
]
NamedOption = Annotated[int, typer.Option("--cases", min=0, metavar="N", help="How many wins and losses to list.")]
FailOption = Annotated[bool, typer.Option("--fail-on-worse", help="Exit with 1 where NEW is shown to be worse.")]
FileOption = Annotated[
    Path,
    typer.Option("-o", "--output", metavar="FILE", help="Ends in .html, .md, .csv, .json, .xml (JUnit) or .trec."),
]
JunitOption = Annotated[Path | None, typer.Option("--junit", metavar="FILE", help="Also write JUnit XML there.")]
ConfigOption = Annotated[
    Path | None, typer.Option("-c", "--config", metavar="FILE", help="Take the conditions from this eval.yaml.")
]


def add_to(app: typer.Typer) -> None:
    """Give the commands diff, show, report and gate to the app."""
    for command in (diff, show, report, gate):
        app.command(command.__name__)(command)


def diff(
    base: BaseArgument,
    new: NewArgument = None,
    base_cell: BaseCellOption = None,
    new_cell: NewCellOption = None,
    metrics: MetricsOption = None,
    named: NamedOption = 10,
    fail_on_worse: FailOption = False,
    as_json: JsonOption = False,
) -> None:
    """Compare two runs, or the cells of one, on the cases that they share.

    Cells of the same name are compared; without one, every cell of NEW with the first of BASE. All p are corrected for
    all metrics and cells (Holm). Lists the cases won and lost, and what differs between the texts of the prompts.
    """
    from eval.metrics import named as metrics_named
    from eval.reporting import diffing, drawing
    from eval.reporting.reading import Reading

    wanted = metrics_named(metrics) if metrics else None
    one = Reading.of(base, wanted)
    other = Reading.of(new, wanted) if new else one
    pairs = None
    if base_cell or new_cell:
        pairs = [(base_cell or one.cells[0].name, new_cell or other.cells[0].name)]
    found = diffing.diff(one, other, pairs)
    if as_json:
        render.write_json(found.as_json())
    else:
        drawing.draw_diff(found, named)
    if fail_on_worse and found.worse:
        raise typer.Exit(1)


def show(run: RunArgument, case: CaseArgument, cell: CellOption = None, as_json: JsonOption = False) -> None:
    """Look into one case: prompts, replies, where the relevant items came, what the reasons claim."""
    from eval.reporting import drawing, showing
    from eval.running.folder import RunFolder

    found = showing.show(RunFolder.open(run), case, cell)
    if as_json:
        render.write_json({"run": run.resolve().name, "answers": [one.as_row() for one in found]})
    else:
        drawing.draw_shown(found)


def report(runs: RunsArgument, output: FileOption) -> None:
    """Write a report of runs into one file: a page to read offline, Markdown, CSV, JSON, JUnit or TREC.

    The page needs no network. TREC comes with what is relevant beside it, in a file that ends in .qrels.
    """
    from eval.reporting.writing import write_report

    for path in write_report(runs, output):
        render.note(f"written: {path}")


def gate(
    run: RunArgument,
    config: ConfigOption = None,
    cell: CellOption = None,
    junit: JunitOption = None,
    as_json: JsonOption = False,
) -> None:
    """Judge a run by the conditions of its plan, each on an interval: exit 0 passed, 1 failed, 3 too few.

    No metric passes below 10 people, nothing before the run is finished; without conditions the exit code is 2.
    """
    from eval.reporting import drawing
    from eval.reporting.junit import junit as junit_of
    from eval.reporting.writing import write_lines

    found = _gate(run, config, cell)
    if junit:
        write_lines(junit, [junit_of([found])])
    if as_json:
        render.write_json(found.as_json())
    else:
        drawing.draw_gate(found)
    raise typer.Exit(found.exit_code)


def _gate(run: Path, config: Path | None, cell: str | None) -> Gate:
    from eval.plan.config import load
    from eval.reporting.gating import gate_of, gate_of_run

    return gate_of_run(run, gate_of(load(config).as_plan()) if config else None, cell)
