"""The command `palate eval simulate`."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, Annotated, Protocol

import typer

from agent.commands import render
from agent.commands.options import JsonOption, NoModelOption
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
    from eval.cases import DataSet
    from eval.runs import Told, Watch
    from eval.simulating.dialogue import Guide, Talk
    from eval.simulating.guide import OpenedGuide
    from eval.simulating.report import Found

TurnsOption = Annotated[int, typer.Option("--turns", min=1, max=50, metavar="N", help="Turns of a dialogue, at most.")]
KOption = Annotated[int, typer.Option("-k", "--k", min=1, max=50, metavar="N", help="Items shown at a turn.")]


class Opener(Protocol):
    """Gives the recommender that seekers talk to."""

    def __call__(
        self, items: Mapping[str, Item], settings: Settings, watch: Watch, told: Told, *, llm: bool
    ) -> AbstractContextManager[OpenedGuide]:
        """The guide over these items; the model has a say where `llm` is true."""
        ...


def simulate_with(open_guide: Opener) -> Callable[..., None]:
    """The command, with the recommender that the opener gives."""

    def _simulate(
        ctx: typer.Context,
        folder: PlannedDataOption = None,
        plan: PlanOption = None,
        limit: LimitOption = None,
        turns: TurnsOption = 5,
        k: KOption = 5,
        model: ModelOption = None,
        no_llm: NoModelOption = False,
        seed: PlannedSeedOption = None,
        as_json: JsonOption = False,
    ) -> None:
        """Talk to the recommender as people who have an item in mind and never name it.

        Each seeker wants a relevant item of a case. They say what it is like, a little more each turn, reject what is
        shown, and say what was wrong. Reported are how many found their item, by its id, and after how many turns;
        beside it stand recommenders that hear nothing: the most popular items, and a random order.
        """
        from eval.cases import DataSet
        from eval.simulating import drawing
        from eval.simulating.dialogue import Talk
        from eval.simulating.report import as_json as shaped
        from eval.simulating.report import report

        of = single_of(ctx, plan, data=folder, model=model, limit=limit, seed=seed)
        settings, limit = of.settings, of.limit
        dataset = DataSet.open(of.data, ())
        talk = Talk(turns, k, settings.language, of.seed)
        with open_guide(dataset.items, settings, watch, render.told, llm=not no_llm) as opened:
            found = _play(dataset, opened.guide, talk, limit)
            about = opened.model
        _note_troubles(found)
        done = report(found, talk)
        if as_json:
            render.write_json(shaped(done, dataset, {"task": "simulate", "limit": limit, "model": dict(about)}))
        else:
            drawing.draw(done, dataset, about)

    return _simulate


def _palates_own(
    items: Mapping[str, Item], settings: Settings, watch: Watch, told: Told, *, llm: bool
) -> AbstractContextManager[OpenedGuide]:
    from eval.simulating.guide import open_palate

    return open_palate(items, settings, watch, told, llm=llm)


def _play(dataset: DataSet, guide: Guide, talk: Talk, limit: int | None) -> Found:
    from eval.simulating.play import play

    n = dataset.n_run(limit)
    with watch("Holding dialogues") as show:
        return play(dataset, guide, talk, limit, progress=lambda done: show(done, n))


def _note_troubles(found: Found) -> None:
    for reason, n in found.degraded.most_common(3):
        render.note(f"{render.count(n, 'dialogue')} degraded: {reason}")
    for case_id, reason in list(found.failed.items())[:1]:
        render.note(
            f"{render.count(len(found.failed), 'dialogue')} failed and count as not found, such as {case_id}: {reason}"
        )


simulate = simulate_with(_palates_own)
