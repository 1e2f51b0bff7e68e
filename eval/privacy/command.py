"""The command `palate eval privacy`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from agent.commands import render
from agent.commands.options import JsonOption
from agent.errors import ConfigError
from agent.privacy.sections import MIN_EPSILON
from eval.options import DataOption, LimitOption, listed, watch

if TYPE_CHECKING:
    from eval.privacy.measure import Report

EpsilonsOption = Annotated[str, typer.Option("--epsilon", metavar="LIST", help="What a release costs, several times.")]
MostOption = Annotated[int, typer.Option("--items", min=1, max=10_000, metavar="N", help="Items of a person at most.")]
DrawsOption = Annotated[int, typer.Option("--draws", min=1, max=1_000, metavar="N", help="Draws of the noise.")]


def privacy(
    folder: DataOption,
    epsilons: EpsilonsOption = "0.1,0.3,1,3,10",
    most: MostOption = 20,
    draws: DrawsOption = 20,
    limit: LimitOption = None,
    as_json: JsonOption = False,
) -> None:
    """Measure what differential privacy costs: rankings by noisy counts beside those by exact ones.

    Popularity and the tag prior are released as palate learn does with privacy.epsilon, and rank the whole catalogue
    for the people of the cases. Nothing is spent and no model is asked.
    """
    from eval.cases import DataSet
    from eval.privacy.measure import measured

    asked = [_epsilon(text) for text in listed(epsilons)]
    with watch("Releasing") as show:
        dataset = DataSet.open(folder, needs=())
        report = measured(dataset, asked, most=most, draws=draws, limit=limit, show=show)
    if as_json:
        render.write_json(report.as_json())
    else:
        _draw(report)


def _epsilon(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = 0.0
    if not MIN_EPSILON <= value < float("inf"):
        raise ConfigError(
            f"--epsilon {render.plain(text)!r} is no number of at least {MIN_EPSILON:g}",
            "Write for example: --epsilon 0.3,1",
        )
    return value


def _draw(report: Report) -> None:
    from rich import box
    from rich.table import Table

    from eval.privacy.measure import HEADLINE
    from eval.results import interval_text

    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, header_style="bold")
    table.add_column("ranked by", no_wrap=True)
    table.add_column("released", no_wrap=True)
    for name in (f"{HEADLINE} [95 %]", "less exact [95 %]", "p"):
        table.add_column(name, justify="right", no_wrap=True)
    against = {pair.system: pair for pair in report.comparisons}
    for row in report.rows:
        value, pair = row.metrics[HEADLINE], against.get(f"{row.system}, {row.release}")
        told = f"{value.value:.3f}{interval_text(value)}"
        if pair is None:
            table.add_row(row.system, row.release, told)
            continue
        change = pair.metrics[HEADLINE]
        gap, p = f"{change.value:+.3f}{interval_text(change)}", f"{pair.p_holm[HEADLINE]:.3f}"
        table.add_row(row.system, row.release, told, gap, p)
    console = render.out()
    console.print(table)
    counts = (
        f"p after Holm; {report.people:,} people, {report.items_per_person} items of each at most, {report.draws} draws"
    )
    console.print(f"{render.count(report.cases, 'case')}; {counts}", soft_wrap=True)
