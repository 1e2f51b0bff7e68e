"""The command `palate eval talk`."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Protocol

import typer

from agent.commands import render
from agent.commands.options import JsonOption
from eval.options import DEFAULT_SEED, ModelOption, SeedOption, settings_of, watch

if TYPE_CHECKING:
    from agent.settings import Settings
    from agent.titles import Titles
    from agent.types import Item
    from eval.conversing.holding import Held, Talks
    from eval.runs import Told, Watch

RepliesOption = Annotated[int, typer.Option("--replies", min=1, metavar="N", help="So many messages are answered.")]
KOption = Annotated[int, typer.Option("-k", "--k", min=1, max=50, metavar="N", help="Items of a slate.")]
CandidatesOption = Annotated[
    int | None,
    typer.Option("--candidates", min=1, max=200, metavar="N", help="The model ranks so many items: fewer are quicker."),
]
WriterOption = Annotated[
    str | None, typer.Option("--writer", metavar="NAME", help="Who writes reasons, as explain.writer: write, compose.")
]
LanguageOption = Annotated[
    str | None, typer.Option("--language", metavar="CODE", help="Only conversations in this language: en or zh.")
]


@dataclass(frozen=True)
class Opened:
    """Somebody who answers, the catalogue that is talked of, and the facts of the model."""

    talker: Talks
    titles: Titles
    items: Collection[Item]
    model: Mapping[str, object]


class Opener(Protocol):
    """Gives somebody who answers."""

    def __call__(self, settings: Settings, watch: Watch, told: Told) -> AbstractContextManager[Opened]:
        """Somebody over a catalogue. Raises PalateError."""
        ...


def talk_with(open_talker: Opener) -> Callable[..., None]:
    """The command, with whoever answers that the opener gives."""

    def _talk(
        ctx: typer.Context,
        replies: RepliesOption = 30,
        k: KOption = 5,
        language: LanguageOption = None,
        candidates: CandidatesOption = None,
        writer: WriterOption = None,
        model: ModelOption = None,
        seed: SeedOption = DEFAULT_SEED,
        as_json: JsonOption = False,
    ) -> None:
        """Hold conversations over 3,000 films: when words and slates come, and whether replies invent titles.

        The messages are those of palate eval understand, drawn by lot: a wish, then what people say about what they are
        shown. The first conversation warms up and is not timed.
        """
        from eval.conversing import drawing
        from eval.conversing.naming import Known
        from eval.conversing.report import as_json as shaped
        from eval.conversing.report import report

        given = {"recall.n_candidates": candidates, "explain.writer": writer}
        with open_talker(settings_of(ctx, model=model, others=given), watch, render.told) as opened:
            held = _held(opened, replies, k, language, seed)
            done = report(held, Known(opened.items))
            about = {"n_items": len(opened.items), "k": k, "seed": seed, **_keyed(given), "model": dict(opened.model)}
        if as_json:
            render.write_json(shaped(done, {"task": "talk", **about}))
        else:
            drawing.draw(done, {"model": opened.model.get("reference"), "films": f"{len(opened.items):,}"})

    return _talk


def _keyed(given: Mapping[str, object]) -> dict[str, object]:
    return {name.rpartition(".")[2]: value for name, value in given.items()}


def _held(opened: Opened, replies: int, k: int, language: str | None, seed: int) -> list[Held]:
    from eval.conversing.holding import hold
    from eval.conversing.script import conversations, shelf_of
    from eval.understanding.messages import languages, messages

    shelf = shelf_of([one for code in languages(language) for one in messages(code, opened.titles)])
    with watch("Talking") as show:
        asked = conversations(shelf, replies, seed)
        return list(hold(asked, opened.talker, k, progress=lambda done: show(done, replies)))


@contextmanager
def _palates_own(settings: Settings, watch: Watch, told: Told) -> Iterator[Opened]:
    from agent.converse.conversations import Conversations
    from agent.recommender import Recommender
    from eval.conversing.films import open_films
    from eval.rankers import about_model

    with open_films(settings, watch, told) as parts:
        model = about_model(parts)
        yield Opened(Conversations(Recommender(parts)), parts.titles, parts.items, model)


talk = talk_with(_palates_own)
