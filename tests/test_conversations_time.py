"""Replies end in their time, whatever a model does: remarks, whys and rankings made anew; then nothing is locked."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from agent import Recommender
from agent.converse.conversations import Conversations
from agent.converse.pieces import Piece, Reasoned, Reply, Words
from agent.converse.streaming import Pieces
from agent.deadline import Deadline
from agent.llm.base import Completion, Score
from agent.llm.scripted import Scripted
from agent.parts.parts import Parts
from agent.path.asked import Asked, Ranked
from tests.support.reading import Plain
from tests.support.talking import Waiting, done, talking

PATIENCE_S = 60.0


class Hung(Scripted):
    """A model that writes no remark and looks at no clock, until it is let go."""

    def __init__(self) -> None:
        super().__init__(lambda *_: "no", scores=lambda *_: -1.0)
        self.began, self.free = threading.Event(), threading.Event()
        self.deadline = Deadline.never()

    def complete(self, prefix: str, suffixes: Sequence[str], deadline: Deadline, **rest: object) -> list[Completion]:
        """Nothing, where it is asked for a remark."""
        if prefix.startswith("You introduce a list"):
            self.deadline = deadline
            self.began.set()
            self.free.wait()
        return super().complete(prefix, suffixes, deadline, **rest)  # type: ignore[arg-type]


class Clocked(Scripted):
    """A model that notes the time left whenever it is asked for scores."""

    def __init__(self) -> None:
        super().__init__(scores=lambda *_: -1.0)
        self.left_s: list[float] = []

    def score(self, prefix: str, continuations: Sequence[str], deadline: Deadline) -> list[Score]:
        """Scores that are all the same."""
        self.left_s.append(deadline.remaining_s)
        return super().score(prefix, continuations, deadline)


class Noted(Recommender):
    """A recommender that notes which time each ranking had."""

    def __init__(self, parts: Parts) -> None:
        super().__init__(parts)
        self.deadlines: list[Deadline] = []

    def ranked(self, asked: Asked, **rest: object) -> Ranked:
        """What is ranked."""
        self.deadlines.append(asked.deadline)
        return super().ranked(asked, **rest)  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("time")


@pytest.fixture
def hung() -> Iterator[Hung]:
    model = Hung()
    yield model
    model.free.set()


def in_a_thread(pieces: Pieces) -> tuple[threading.Thread, list[Piece]]:
    got: list[Piece] = []
    taking = threading.Thread(target=lambda: got.extend(pieces), daemon=True)
    taking.start()
    return taking, got


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_a_model_that_breaks_off_its_remark_holds_no_reply(folder: Path) -> None:
    def reply(prefix: str, _: str) -> str:
        if prefix.startswith("You introduce a list"):
            raise RuntimeError
        return "no"

    with talking(folder, Scripted(reply, scores=lambda *_: -1.0)) as talk:
        taking, got = in_a_thread(talk.reply("ann", "wish: an animated film", k=3, timeout_s=600))
        taking.join(PATIENCE_S)
    answer = done(got)
    assert answer.slate
    assert [d.reason for d in answer.degraded if d.stage == "remark"] == ["the model broke off while it wrote a remark"]


def test_a_remark_that_does_not_come_is_waited_for_no_longer_than_there_is_time(folder: Path, hung: Hung) -> None:
    with talking(folder, hung) as talk:
        taking, got = in_a_thread(talk.reply("bob", "wish: an animated film", k=3, timeout_s=600))
        assert hung.began.wait(PATIENCE_S)
        hung.deadline.cut()
        taking.join(PATIENCE_S)
        answer = done(got)
    assert answer.slate
    assert "out of time while the remark was written" in [d.reason for d in answer.degraded]


def test_a_reply_that_waits_for_a_remark_can_be_closed(folder: Path, hung: Hung) -> None:
    with talking(folder, hung) as talk:
        pieces = talk.reply("cem", "wish: an animated film", k=3, conversation_id="cut", timeout_s=600)
        taking, got = in_a_thread(pieces)
        assert hung.began.wait(PATIENCE_S)
        pieces.close()
        taking.join(PATIENCE_S)
        assert not taking.is_alive()
        assert not [piece for piece in got if isinstance(piece, Reasoned)]
        assert talk.answer("cem", "bye", conversation_id="cut", llm=False).text


def test_why_keeps_to_the_terms_of_its_message(folder: Path) -> None:
    model = Clocked()
    with talking(folder, model) as talk:
        assert talk.answer("dan", "why: f07", llm=False).text
        assert not model.left_s
        assert talk.answer("dan", "why: f07", timeout_s=5).text
    assert model.left_s
    assert max(model.left_s) <= 5


def test_closing_stops_a_model_that_looks_for_a_why(folder: Path) -> None:
    model = Waiting()
    with talking(folder, model) as talk:
        pieces = talk.reply("eve", "why: f07", timeout_s=600)
        taking, got = in_a_thread(pieces)
        assert model.began.wait(PATIENCE_S)
        pieces.close()
        taking.join(PATIENCE_S)
        assert not taking.is_alive()
        assert model.gave_up.is_set()
        assert not [piece for piece in got if isinstance(piece, Words)]


def test_ranking_anew_begins_no_new_time(folder: Path) -> None:
    with talking(folder) as parted:
        noted = Noted(parted.recommender.parts)
        talk = Conversations(noted, reader=Plain())
        reply = talk.answer("fay", "wish: a quiet film / only: year>=2090 | from the future", timeout_s=60)
    assert reply.slate
    assert len(noted.deadlines) > 1
    assert len(set(map(id, noted.deadlines))) == 1


def test_what_was_spoken_of_stays_so_when_the_list_is_ranked_anew(folder: Path) -> None:
    with talking(folder) as talk:
        first = talk.answer("gil", "wish: an animated film", k=3, llm=False)
        ids, talked = first.state.slate, first.conversation_id
        assert talk.answer("gil", "ask: 2", conversation_id=talked, llm=False).state.focus == ids[1]
        for seen in (ids, ids[::-1]):
            after = talk.answer("gil", "hello", conversation_id=talked, shown=seen, llm=False).state
            assert (after.slate, after.focus) == (seen, ids[1])
        assert talk.answer("gil", "hello", conversation_id=talked, shown=ids[::2], llm=False).state.focus is None


def test_whoever_has_the_reply_may_go_on_at_once(folder: Path) -> None:
    with talking(folder) as talk:
        pieces = talk.reply("hal", "wish: a quiet film", conversation_id="done", llm=False)
        while not isinstance(next(pieces), Reply):
            pass
        assert talk.undo("hal", "done").turn == 0
