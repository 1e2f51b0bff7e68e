"""An optimisation drawn in a terminal: what was tried, the verdict on the test, and the diff."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from rich import box
from rich.table import Table

from agent.commands.render import count, facts, out, plain
from eval.cases import DataSet
from eval.drawing import about_rows
from eval.metrics import HEADLINE
from eval.optimising.report import Report
from eval.results import interval_text, verdict

UNCHANGED = (
    "no other prompt did better on the cases to choose by: the prompt stays as it was, and the test stays sealed"
)


def draw(done: Report, dataset: DataSet, model: Mapping[str, object]) -> None:
    """Draw the whole report; the diff last."""
    console = out()
    console.print(_table(done))
    console.print(plain(sentence(done)), soft_wrap=True)
    n_run = sum(map(len, (done.parts.train, done.parts.val, done.parts.test)))
    about = (row for row in about_rows(model, {}, dataset, n_run) if row[0] != "prompts")
    console.print(facts([*_facts(done), *about]))
    for line in done.diff().splitlines():
        console.print(plain(line) if line.strip() else "", soft_wrap=True)


def sentence(done: Report) -> str:
    """The verdict in one plain sentence, on the sealed test, or that there is none."""
    if done.tested is None:
        return UNCHANGED
    return f"on {count(len(done.parts.test), 'case')} kept aside, {verdict(done.tested.comparison, HEADLINE)}"


def _table(done: Report) -> Table:
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, header_style="bold")
    table.add_column("", justify="right", no_wrap=True)
    table.add_column("tried", overflow="fold", min_width=20)
    table.add_column("from", justify="right", no_wrap=True)
    table.add_column(f"{HEADLINE} on val [95 %]", justify="right", no_wrap=True)
    for n, (tried, val) in enumerate(zip(done.searched.tried, done.val, strict=True)):
        parent = "" if tried.parent is None else str(tried.parent)
        style = "bold" if n == done.searched.best else None
        table.add_row(str(n), plain(tried.change), parent, f"{val.value:.3f}{interval_text(val)}", style=style)
    return table


def _facts(done: Report) -> Iterator[tuple[str, object]]:
    parts, searched = done.parts, done.searched
    yield "prompt", f"{done.subject.name}, strategy {done.subject.strategy} alone"
    yield "cases", f"{len(parts.train)} to learn from, {len(parts.val)} to choose by, {len(parts.test)} kept aside"
    yield "asked", f"{count(searched.asked, 'question')} of {done.budget}, in {count(searched.steps, 'step')}"
    for reason, n in done.refused.items():
        yield "refused", f"{count(n, 'proposal')}: {reason}"
    if done.tested is not None:
        before, after = done.tested.before, done.tested.after
        yield (
            "on the test",
            f"{before.value:.3f}{interval_text(before)} before, {after.value:.3f}{interval_text(after)}",
        )
        detectable = done.tested.comparison.detectable[HEADLINE]
        if detectable is not None:
            yield "detectable", f"{detectable:.3f} ({HEADLINE}, 80 % power, alpha .05)"
