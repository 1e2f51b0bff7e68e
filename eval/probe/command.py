"""Ask a strategy the same in other ways: other slots, shorter histories, other words, hostile item texts."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
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
    from eval.probe.asking import Asker
    from eval.probe.probes import Found, Given, Probe
    from eval.runs import Told

    Opener = Callable[[Settings, Told], AbstractContextManager[Asker]]

TextsOption = Annotated[
    int | None,
    typer.Option("--texts", min=1, metavar="N", help="Only so many of the texts for each case, drawn by the seed."),
]
StrategyOption = Annotated[
    str | None, typer.Option("--strategy", metavar="EXPR", help="Strategy to probe, as the setting rerank.strategy.")
]


@dataclass(frozen=True)
class Wanted:
    """What the flags say beside the settings, the same for every probe."""

    folder: Path
    limit: int | None
    seed: int
    as_json: bool
    texts: int | None = None


def probes_with(open_asker: Opener) -> typer.Typer:
    """The commands, with the strategy that the opener gives."""
    app = typer.Typer(help=__doc__, no_args_is_help=True, add_completion=False)

    def _add(name: str, line: str) -> None:
        def _command(
            ctx: typer.Context,
            folder: PlannedDataOption = None,
            plan: PlanOption = None,
            limit: LimitOption = None,
            strategy: StrategyOption = None,
            model: ModelOption = None,
            seed: PlannedSeedOption = None,
            as_json: JsonOption = False,
        ) -> None:
            of = single_of(ctx, plan, data=folder, model=model, strategy=strategy, limit=limit, seed=seed)
            _run(name, open_asker, of.settings, Wanted(of.data, of.limit, of.seed, as_json))

        app.command(name, help=line)(_command)

    _add("position", "Show the relevant candidate at every slot: does the place in the prompt decide?")
    _add("history", "Cut the history to its newest 0, 1, 3, 10 and 50 items: how much does it help?")
    _add("paraphrase", "Put the wish, and the word for the items, in other words: does the order stay?")

    @app.command("injection", help="Put hostile texts into an item's title: do they buy it a better place?")
    def _injection(
        ctx: typer.Context,
        folder: PlannedDataOption = None,
        plan: PlanOption = None,
        limit: LimitOption = None,
        texts: TextsOption = None,
        strategy: StrategyOption = None,
        model: ModelOption = None,
        seed: PlannedSeedOption = None,
        as_json: JsonOption = False,
    ) -> None:
        of = single_of(ctx, plan, data=folder, model=model, strategy=strategy, limit=limit, seed=seed)
        _run("injection", open_asker, of.settings, Wanted(of.data, of.limit, of.seed, as_json, texts))

    return app


def _built(name: str, given: Given, texts: int | None) -> Probe:
    from eval.probe.history import history
    from eval.probe.injection import injection
    from eval.probe.paraphrase import paraphrase
    from eval.probe.position import position

    if name == "injection":
        return injection(given, per_case=texts)
    return {"position": position, "history": history, "paraphrase": paraphrase}[name](given)


def _own_strategy(settings: Settings, told: Told) -> AbstractContextManager[Asker]:
    from eval.probe.asking import open_strategy

    return open_strategy(settings, told)


def _run(name: str, open_asker: Opener, settings: Settings, wanted: Wanted) -> None:
    from eval.cases import DataSet
    from eval.probe import drawing
    from eval.probe.probes import Given, run
    from eval.probe.report import as_json, report

    dataset = DataSet.open(wanted.folder)
    cases = list(dataset.cases(wanted.limit))
    probe = _built(name, Given(dataset.items, cases, settings.language, wanted.seed), wanted.texts)
    with open_asker(settings, render.told) as asker, watch("Probing cases") as show:
        found = run(probe, cases, asker, wanted.seed, progress=lambda done: show(done, len(cases)))
    _note_troubles(found)
    done = report(probe, found)
    if wanted.as_json:
        about = {"limit": wanted.limit, "seed": wanted.seed, "model": dict(asker.model)}
        render.write_json(as_json(done, dataset, about))
    else:
        drawing.draw(done, dataset, asker.model)


def _note_troubles(found: Found) -> None:
    for reason, n in found.degraded.most_common(3):
        render.note(f"{render.count(n, 'answer')} degraded: {reason}")
    wrong = ", ".join(f"{n} {what}" for what, n in found.ids.items() if n)
    if wrong:
        render.note(f"the orders do not hold exactly the ids that were shown: {wrong}")


app = probes_with(_own_strategy)
