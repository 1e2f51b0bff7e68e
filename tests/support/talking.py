"""A recommender over fifteen films to talk with, on a model that is passed in."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from agent import Recommender, Settings
from agent.catalogue import load_items, read_items
from agent.converse.conversations import Conversations
from agent.converse.kept import Said
from agent.converse.pieces import Mention, Piece, Reply, Words
from agent.deadline import Deadline
from agent.errors import ModelError, ModelTimeout, ModelUnavailable
from agent.llm.base import Model, Score
from agent.llm.scripted import Scripted
from agent.parts.parts import Parts
from tests.support.reading import Plain

FILMS = Path(__file__).parent / "films.csv"


class On(Parts):
    """Parts on a model that was opened before, or that cannot be."""

    def __init__(self, settings: Settings, model: Model | ModelError) -> None:
        super().__init__(settings)
        self._given = model

    def _open_model(self) -> Model | ModelError:
        return self._given


class Waiting(Scripted):
    """A model that thinks about scores until its time is over, and says that it began."""

    def __init__(self) -> None:
        super().__init__(scores=lambda *_: -1.0)
        self.began = threading.Event()
        self.gave_up = threading.Event()

    def score(self, prefix: str, continuations: Sequence[str], deadline: Deadline) -> list[Score]:
        """Never in time."""
        self.began.set()
        while not deadline.expired:
            self.gave_up.wait(0.01)
        self.gave_up.set()
        raise ModelTimeout("out of time while thinking", "Give it longer")


GONE = ModelUnavailable("the model is not there", "Pull it")


@contextmanager
def talking(
    folder: Path, model: Model | ModelError = GONE, settings: Settings | None = None, *, plain: bool = True
) -> Iterator[Conversations]:
    """Conversations over the films in a folder, loaded when it has none yet; without `plain`, people are understood."""
    chosen = settings or Settings(folder=folder, noun="films")
    with Recommender(On(chosen, model)) as recommender:
        if not recommender.store.count_items():
            with read_items(FILMS) as rows:
                load_items(rows, recommender.put_items, folder / "refused.jsonl")
        yield Conversations(recommender, reader=Plain() if plain else None)


def text_of(pieces: Sequence[Piece]) -> str:
    """What the pieces say, items by their names."""
    return "".join(p.text if isinstance(p, Words) else p.item.name for p in pieces if isinstance(p, Words | Mention))


def done(pieces: Sequence[Piece]) -> Reply:
    """The last piece, which is the whole reply."""
    last = pieces[-1]
    if not isinstance(last, Reply):
        raise TypeError(f"the reply ends with {last!r}")
    return last


def told(*texts: str) -> list[Said]:
    """A conversation as a caller tells it, the person first, by turns."""
    return [Said("assistant" if n % 2 else "user", text) for n, text in enumerate(texts)]
