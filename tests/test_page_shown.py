"""What the page shows after acts is what the next message speaks of, though the server gave another order before."""

from __future__ import annotations

from pathlib import Path

from agent.converse.pieces import Heard
from tests.support.talking import done, talking


def test_places_are_those_that_the_person_sees(tmp_path: Path) -> None:
    with talking(tmp_path, plain=False) as talk:
        first = done([*talk.reply("ona", "an animated film for children", k=3, llm=False)])
        given = [one.item.item_id for one in first.slate or ()]
        seen = [*reversed(given), "nothing of the catalogue"]
        pieces = talk.reply(
            "ona", "I loved the first one", conversation_id=first.conversation_id, shown=seen, llm=False
        )
        heard = next(piece for piece in pieces if isinstance(piece, Heard))
        assert [event.item_id for event in heard.events if event.item_id] == [given[-1]]
