"""The command `palate eval simulate`."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Protocol

import typer

from agent.commands import render
from agent.commands.options import JsonOption, NoModelOption
from agent.errors import ConfigError
from eval.options import (
    DEFAULT_SEED,
    LimitOption,
    ModelOption,
    PlannedDataOption,
    PlannedSeedOption,
    PlanOption,
    settings_of,
    single_of,
    watch,
)

if TYPE_CHECKING:
    from agent.settings import Settings
    from agent.types import Item
    from eval.cases import DataSet
    from eval.runs import Told, Watch
    from eval.simulating.dialogue import Talk
    from eval.simulating.guide import OpenedGuide
    from eval.simulating.partner import OpenedPartners
    from eval.simulating.report import Found

TurnsOption = Annotated[int, typer.Option("--turns", min=1, max=50, metavar="N", help="Turns of a dialogue, at most.")]
KOption = Annotated[int, typer.Option("-k", "--k", min=1, max=50, metavar="N", help="Items shown at a turn.")]


TalkOption = Annotated[
    bool, typer.Option("--talk", help="Whole conversations, also with Palate never asking back; needs no --data.")
]
ReticentOption = Annotated[
    bool, typer.Option("--reticent", help="With --talk: after the first message they only complain and answer.")
]
FILM_SEEKERS = 100


class Opener(Protocol):
    """Gives the recommender that seekers talk to."""

    def __call__(
        self, items: Mapping[str, Item], settings: Settings, watch: Watch, told: Told, *, llm: bool
    ) -> AbstractContextManager[OpenedGuide]:
        """The guide over these items; the model has a say where `llm` is true."""
        ...


class PartnersOpener(Protocol):
    """Gives those that seekers hold whole conversations with."""

    def __call__(
        self, items: Mapping[str, Item], settings: Settings, watch: Watch, told: Told, *, llm: bool
    ) -> AbstractContextManager[OpenedPartners]:
        """The partners over these items, by name; the model has a say where `llm` is true."""
        ...


def simulate_with(open_guide: Opener, open_partners: PartnersOpener | None = None) -> Callable[..., None]:
    """The command, with the recommenders that the openers give."""

    def _simulate(
        ctx: typer.Context,
        folder: PlannedDataOption = None,
        plan: PlanOption = None,
        limit: LimitOption = None,
        turns: TurnsOption = 5,
        k: KOption = 5,
        talk: TalkOption = False,
        reticent: ReticentOption = False,
        model: ModelOption = None,
        no_llm: NoModelOption = False,
        seed: PlannedSeedOption = None,
        as_json: JsonOption = False,
    ) -> None:
        """Talk to the recommender as people who have an item in mind and never name it.

        Each seeker wants a relevant item of a case. They say what it is like, a little more each turn, reject what is
        shown, and say what was wrong. Reported are how many found their item, by its id, and after how many turns;
        beside it stand recommenders that hear nothing: the most popular items, and a random order. With --talk they
        speak in sentences and answer what Palate asks, and a search by vectors alone hears the same messages; without
        --data they seek films of palate demo.
        """
        from eval.simulating import drawing
        from eval.simulating.dialogue import Talk
        from eval.simulating.report import as_json as shaped
        from eval.simulating.report import report

        if reticent and not talk:
            raise ConfigError("only seekers who talk can be reticent", "Give --talk too")
        films = talk and folder is None and plan is None
        with _asked(ctx, folder, plan, model, limit, seed, films=films) as (dataset, settings, most, lot):
            about = Talk(turns, k, settings.language, lot, reticent)
            held = _Held(dataset, about, most, settings, llm=not no_llm)
            found, facts = held.talks(open_partners or _palates_partners) if talk else held.wishes(open_guide)
            _note_troubles(found)
            done = report(found, about)
            if as_json:
                render.write_json(shaped(done, dataset, {"task": "simulate", "limit": limit, "model": dict(facts)}))
            else:
                drawing.draw(done, dataset, facts)

    return _simulate


@contextmanager
def _asked(
    ctx: typer.Context,
    folder: Path | None,
    plan: Path | None,
    model: str | None,
    limit: int | None,
    seed: int | None,
    *,
    films: bool,
) -> Iterator[tuple[DataSet, Settings, int | None, int]]:
    """The data set, the settings, how many cases and the seed that flags and plan ask for."""
    from eval.cases import DataSet
    from eval.conversing.films import sought_films

    if not films:
        of = single_of(ctx, plan, data=folder, model=model, limit=limit, seed=seed)
        yield DataSet.open(of.data, ()), of.settings, of.limit, of.seed
        return
    lot = DEFAULT_SEED if seed is None else seed
    settings = settings_of(ctx, model=model).model_copy(update={"noun": "films"})
    with sought_films(limit or FILM_SEEKERS, lot) as dataset:
        yield dataset, settings, None, lot


@dataclass(frozen=True)
class _Held:
    """Dialogues to be held."""

    dataset: DataSet
    talk: Talk
    limit: int | None
    settings: Settings
    llm: bool

    def wishes(self, open_guide: Opener) -> tuple[Found, Mapping[str, object]]:
        """With the recommender, in wishes and complaints."""
        from eval.simulating.play import play

        n = self.dataset.n_run(self.limit)
        with open_guide(self.dataset.items, self.settings, watch, render.told, llm=self.llm) as opened:
            with watch("Holding dialogues") as show:
                found = play(self.dataset, opened.guide, self.talk, self.limit, progress=lambda done: show(done, n))
            return found, opened.model

    def talks(self, open_partners: PartnersOpener) -> tuple[Found, Mapping[str, object]]:
        """With each partner, in sentences."""
        from eval.simulating.play import play_all
        from eval.simulating.talking import dialogues_with

        n, items = self.dataset.n_run(self.limit), self.dataset.items
        with open_partners(items, self.settings, watch, render.told, llm=self.llm) as opened:
            systems = {name: dialogues_with(one, items, self.talk) for name, one in opened.partners.items()}
            with watch("Holding conversations") as show:
                found = play_all(self.dataset, systems, self.talk, self.limit, progress=lambda done: show(done, n))
            return found, opened.model


def _palates_own(
    items: Mapping[str, Item], settings: Settings, watch: Watch, told: Told, *, llm: bool
) -> AbstractContextManager[OpenedGuide]:
    from eval.simulating.guide import open_palate

    return open_palate(items, settings, watch, told, llm=llm)


def _palates_partners(
    items: Mapping[str, Item], settings: Settings, watch: Watch, told: Told, *, llm: bool
) -> AbstractContextManager[OpenedPartners]:
    from eval.simulating.partner import open_partners

    return open_partners(items, settings, watch, told, llm=llm)


def _note_troubles(found: Found) -> None:
    for reason, n in found.degraded.most_common(3):
        render.note(f"{render.count(n, 'dialogue')} degraded: {reason}")
    for case_id, reason in list(found.failed.items())[:1]:
        render.note(
            f"{render.count(len(found.failed), 'dialogue')} failed and count as not found, such as {case_id}: {reason}"
        )


simulate = simulate_with(_palates_own)
