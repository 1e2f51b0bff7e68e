"""A conversation with the real default model and the real reader, from the first wish to goodbye."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import TYPE_CHECKING

from agent.converse.conversations import Conversations
from agent.converse.pieces import Heard, Piece, Words
from tests.support.talking import done, talking

if TYPE_CHECKING:
    from agent.llm.local.llama import Llama


def say(talk: Conversations, message: str, conversation: str | None) -> list[Piece]:
    return list(talk.reply("ada", message, conversation_id=conversation, k=3, timeout_s=300))


def test_with_the_real_model_people_are_understood_and_answered(tmp_path: Path, llama: Llama) -> None:
    with talking(tmp_path, llama, plain=False) as talk:
        talk.recommender.tell("ada", likes=["Toy Story (1995)"])
        conversation = None
        for message, intent in (
            ("I would like something funny for the whole family", "wish"),
            ("nothing older than 2000", "critique"),
            ("I loved the first one", "reaction"),
            ("who directed the second one?", "about"),
            ("why did you pick the first one?", "why"),
            ("thank you, goodbye", "bye"),
        ):
            pieces = say(talk, message, conversation)
            reply = done(pieces)
            conversation = reply.conversation_id
            assert reply.understood.intent == intent, message
            assert reply.text
            assert not [d for d in reply.degraded if d.stage != "slate"]
            assert (reply.slate is not None) == (intent in ("wish", "critique", "reaction"))
            if reply.slate is not None:
                assert all(r.rationale and r.rationale.evidence for r in reply.slate)
                assert {"rerank", "blend"} <= {step.stage for step in reply.slate[0].path}
        assert talk.state("ada", conversation or "").where == "year>=2000"
        assert len(talk.history("ada")) == 12


def test_closing_stops_the_real_model_at_once(tmp_path: Path, llama: Llama) -> None:
    with talking(tmp_path, llama, plain=False) as talk:
        talk.recommender.tell("ada", likes=["Toy Story (1995)"])
        pieces = talk.reply("ada", "something quiet", conversation_id="cut", k=10, timeout_s=600)
        assert isinstance(next(pieces), Heard)
        assert isinstance(next(pieces), Words)
        consumer = threading.Thread(target=lambda: list(pieces))
        consumer.start()
        pieces.close()
        consumer.join(120)
        assert not consumer.is_alive()
        assert talk.state("ada", "cut").wishes == ("something quiet",)
        assert all(one.slate is None for one in talk.history("ada"))
        again = done(list(talk.reply("ada", "something quiet", conversation_id="cut", k=3, timeout_s=300)))
        assert not [d for d in again.degraded if d.stage != "slate"]
