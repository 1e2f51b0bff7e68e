"""The command `palate eval understand`."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Protocol

import typer

from agent.commands import render
from agent.commands.options import JsonOption
from eval.options import settings_of, watch

if TYPE_CHECKING:
    from agent.converse.told import Reads
    from agent.settings import Settings
    from agent.titles import Titles
    from agent.types import Item
    from eval.runs import Told, Watch

LanguageOption = Annotated[
    str | None, typer.Option("--language", metavar="CODE", help="Only the messages in this language: en or zh.")
]
WrongOption = Annotated[
    bool, typer.Option("--wrong", help="List the messages that were misread, of the half for development.")
]


@dataclass(frozen=True)
class Opened:
    """A reader, and the catalogue that messages speak of."""

    reader: Reads
    titles: Titles
    items: Collection[Item]


class Opener(Protocol):
    """Gives the reader of messages."""

    def __call__(self, settings: Settings, watch: Watch, told: Told) -> AbstractContextManager[Opened]:
        """The reader over its catalogue. Raises PalateError."""
        ...


def understand_with(open_reader: Opener) -> Callable[..., None]:
    """The command, with the reader that the opener gives."""

    def _understand(
        ctx: typer.Context,
        language: LanguageOption = None,
        wrong: WrongOption = False,
        as_json: JsonOption = False,
    ) -> None:
        """Measure how well messages are understood: a hundred of each intent in English and in Chinese.

        They speak of the films of palate demo. Half of them, by lot, are for development; the other half is the figure.
        """
        from eval.understanding import drawing
        from eval.understanding.messages import languages, messages
        from eval.understanding.report import as_json as shaped
        from eval.understanding.report import report
        from eval.understanding.scoring import Shelf, scored

        wanted = languages(language)
        with open_reader(settings_of(ctx), watch, render.told) as opened:
            asked = [one for code in wanted for one in messages(code, opened.titles)]
            with watch("Reading messages") as show:
                outcomes = scored(asked, opened.reader, Shelf(opened.items), progress=show)
        done = report(outcomes)
        if as_json:
            render.write_json(shaped(done, {"task": "understand", "n_items": len(opened.items)}))
        else:
            drawing.draw(done)
        if wrong and not as_json:
            drawing.draw_wrong(outcomes)

    return _understand


@contextmanager
def _palates_own(settings: Settings, watch: Watch, told: Told) -> Iterator[Opened]:
    from agent.converse.understand.reader import Reader
    from eval.conversing.films import open_films

    with open_films(settings, watch, told, indexed=False) as parts:
        with watch("Preparing the reader"):
            reader = Reader.of(parts)
        yield Opened(reader, parts.titles, parts.items)


understand = understand_with(_palates_own)
