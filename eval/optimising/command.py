"""The command `palate eval optimize`."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from agent.commands import render
from agent.commands.options import JsonOption
from eval.options import (
    LimitOption,
    ModelOption,
    PlannedDataOption,
    PlannedSeedOption,
    PlanOption,
    single_of,
    watch,
)

if TYPE_CHECKING:
    from agent.settings import Settings
    from agent.types import Item
    from eval.cases import Case, DataSet
    from eval.optimising.bench import OpenedBench
    from eval.optimising.report import Report
    from eval.optimising.subject import Subject
    from eval.runs import Told

    Opener = Callable[[Subject, Mapping[str, Item], Settings, str | None, Told], AbstractContextManager[OpenedBench]]

PromptArgument = Annotated[
    str, typer.Argument(metavar="PROMPT", help="A ranking prompt: rank-likelihood, or a file en/rank-likelihood.j2.")
]
BudgetOption = Annotated[
    int, typer.Option("--budget", min=10, metavar="N", help="Questions that the search may ask; the test comes after.")
]
OutputOption = Annotated[
    Path | None, typer.Option("--output", metavar="FILE", help="Write the new prompt to this .j2 file.")
]
ProposerOption = Annotated[
    str | None, typer.Option("--proposer", metavar="REF", help="A chat model that writes proposals, as for --model.")
]


def optimize_with(open_bench: Opener) -> Callable[..., None]:
    """The command, with the model that the opener gives."""

    def _optimize(
        ctx: typer.Context,
        prompt: PromptArgument,
        folder: PlannedDataOption = None,
        plan: PlanOption = None,
        budget: BudgetOption = 400,
        limit: LimitOption = None,
        output: OutputOption = None,
        model: ModelOption = None,
        proposer: ProposerOption = None,
        seed: PlannedSeedOption = None,
        as_json: JsonOption = False,
    ) -> None:
        """Look for better words of a ranking prompt, and report them once on cases kept aside.

        People are drawn into three parts. Changes are tried on the first and chosen on the second; the third stays
        sealed until the end, when the new prompt is compared with the old one on it. Without a chat model that writes
        proposals, changes are made by rule: lines left out, the history turned round, other fields, other wordings.
        """
        from eval.cases import DataSet
        from eval.optimising import drawing
        from eval.optimising.report import as_json as shaped
        from eval.optimising.splits import split
        from eval.optimising.subject import open_subject
        from eval.weights import writable

        of = single_of(ctx, plan, data=folder, model=model, limit=limit, seed=seed)
        settings = of.settings
        own = settings.prompts / settings.language / f"{prompt}.j2" if plan and settings.prompts else None
        subject = open_subject(str(own) if own and own.is_file() else prompt, settings.language)
        if output is not None:
            writable(output)
        dataset = DataSet.open(of.data)
        cases = list(dataset.cases(of.limit))
        split(cases, budget, of.seed)
        with open_bench(subject, dataset.items, settings, proposer, render.told) as opened:
            done, writes = _search(opened, dataset, cases, budget, of.seed), opened.writer
            about = dict(opened.model)
        _write(done, output)
        if as_json:
            wrote = writes.name if writes else None
            render.write_json(shaped(done, dataset, {"limit": of.limit, "model": about, "proposer": wrote}))
        else:
            drawing.draw(done, dataset, about)

    return _optimize


def _own_bench(
    subject: Subject, items: Mapping[str, Item], settings: Settings, proposer: str | None, told: Told
) -> AbstractContextManager[OpenedBench]:
    from eval.optimising.bench import open_bench

    return open_bench(subject, items, settings, proposer, told)


def _search(opened: OpenedBench, dataset: DataSet, cases: list[Case], budget: int, seed: int) -> Report:
    from eval.optimising.proposing import Proposing, Rules, Writer
    from eval.optimising.report import report
    from eval.optimising.search import search
    from eval.optimising.splits import split
    from eval.optimising.subject import Checks

    bench, parts = opened.bench, split(cases, budget, seed)
    writers = [Writer(opened.writer, seed)] if opened.writer else []
    checks = Checks(bench.subject, [item.title for item in dataset.items.values()], bench.folder / "checked")
    proposing = Proposing([*writers, Rules(bench.subject.language, seed)], checks.fault, bench.subject.body)
    with watch("Trying prompts") as show:
        searched = search(bench, proposing, parts, budget=budget, seed=seed, progress=lambda asked: show(asked, budget))
    with watch("Looking at the test") as show:
        done = report(bench, parts, searched, proposing, budget, seed)
    _note_troubles(bench.degraded.most_common(3), [failure for writer in writers for failure in writer.failures])
    return done


def _note_troubles(degraded: list[tuple[str, int]], failures: list[str]) -> None:
    for reason, n in degraded:
        render.note(f"{render.count(n, 'answer')} failed or degraded: {reason}")
    for failure in failures[:1]:
        render.note(f"proposals were made by rule, because the proposer failed: {failure}")


def _write(done: Report, output: Path | None) -> None:
    from eval.files import write_text

    if output is None:
        return
    if done.is_new:
        write_text(output, [done.text])
        render.note(f"the new prompt is written to {output}")
    else:
        render.note(f"nothing is written to {output}: the prompt stays as it was")


optimize = optimize_with(_own_bench)
