"""The task `converse` through Palate's conversation: messages are heard one by one, what is known then is ranked."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from datetime import UTC, datetime, timedelta

from agent.converse.conversations import Conversations
from agent.converse.kept import Said
from agent.converse.pieces import Piece, Reply, Slated
from agent.converse.state import State
from agent.converse.told import newest
from agent.errors import ModelReplyInvalid
from agent.parts.parts import Parts
from agent.parts.pictures import Shown
from agent.path.asked import Asked, Ranked, passing_over
from agent.path.ranker import Place
from agent.recommender import Recommender
from agent.types import Event, EventKind, Slate
from eval.cases import Case, DataSet, Message
from eval.systems import PLACES
from eval.tasks.base import Answerer, Opening
from eval.tasks.catalogue import OverCatalogue, open_catalogue

_START = datetime(2000, 1, 1, tzinfo=UTC)


class Whole(Recommender):
    """A recommender whose slates are the first 100 items of the catalogue, ranked as the path `recommend` does it.

    What the case names is not shown.
    """

    def __init__(self, parts: Parts, over: OverCatalogue, case: Case) -> None:
        super().__init__(parts)
        self._over = over
        self._case = case

    def ranked(self, asked: Asked, *, image: Shown | None = None) -> Ranked:
        """See `Recommender.ranked`; pictures are no part of cases."""
        _ = image
        person = passing_over(asked.person, {*self._case.history, *self._case.mentioned})
        slate = self._over.answer(self._case, person, asked.seeking, asked.where, asked.leaning)
        return Ranked(slate, [Place(one.item, one.score, one.path) for one in slate])


class Talked:
    """Answers cases as conversations. `without` counts, by intent, those whose last message got no slate."""

    def __init__(self, parts: Parts, over: OverCatalogue) -> None:
        self._parts = parts
        self._over = over
        self.without: Counter[str] = Counter()
        self.answered = 0

    def answer(self, case: Case) -> Slate:
        """The slate that the last message brings; where it brings none, what would be shown with what is known then."""
        self.answered += 1
        whole = Whole(self._parts, self._over, case)
        self._meet(case)
        before, message = split(case.messages)
        if not message:
            return _now(whole, State(user_id=case.case_id, conversation_id=case.case_id))
        pieces = Conversations(whole).reply(case.case_id, message, before=before, k=PLACES, llm=False)
        with closing(pieces):  # at the slate: reasons are not asked for
            found = first_of(pieces)
        if isinstance(found, Slate):
            return found
        self.without[found.understood.intent.value] += 1
        return _now(whole, found.state, message)

    def _meet(self, case: Case) -> None:
        """What is named counts as liked, as by the other path, until the person says otherwise."""
        self._parts.store.put_events(
            Event(user_id=case.case_id, kind=EventKind.LIKE, item_id=item_id, at=_START + timedelta(seconds=n))
            for n, item_id in enumerate(dict.fromkeys((*case.history, *case.mentioned)))
        )


def _now(whole: Whole, state: State, message: str = "") -> Slate:
    """What would be shown with what is known."""
    like = [item.name for item in whole.store.items(state.like)]
    words = newest(f"{state.told}\n{message}") if state.told else state.wish
    sought = "; ".join([*([words] if words else []), *like]) or None
    asked = whole.asked(state.user_id, state.wish, k=PLACES, where=state.where, llm=False, sought=sought)
    return whole.ranked(asked).slate


def split(messages: Sequence[Message]) -> tuple[list[Said], str]:
    """What was said before the person's last message, and that one; empty where the person said nothing."""
    said = [Said(one.role, one.content) for one in messages]
    places = [n for n, one in enumerate(said) if one.role == "user" and one.text.strip()]
    return (said[: places[-1]], said[places[-1]].text) if places else (said, "")


def first_of(pieces: Iterator[Piece]) -> Slate | Reply:
    """The first slate among the pieces of a reply, else the whole of it. Raises ModelReplyInvalid without an end."""
    for piece in pieces:
        if isinstance(piece, Slated):
            return piece.slate
        if isinstance(piece, Reply):
            return piece
    raise ModelReplyInvalid("a reply has no end")


@contextmanager
def open_talk(dataset: DataSet, opening: Opening) -> Iterator[Answerer]:
    """Answers with up to 100 items that were not named yet, through Palate's conversation.

    Wishes, constraints, likes and dislikes are those that its reader makes out in what the person says; items named so
    far of which nothing is said count as liked, as by the path `recommend`, and the ranking is that path's.
    """
    with open_catalogue(dataset, opening) as (parts, over):
        talked = Talked(parts, over)
        yield talked.answer
        if talked.without:
            told = ", ".join(f"{intent} {n}" for intent, n in talked.without.most_common())
            n, of = talked.without.total(), talked.answered
            opening.told(f"{n} of {of} last messages got no slate ({told}): what was known then is ranked")
