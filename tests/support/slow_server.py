"""A real server whose conversations are slow on purpose.

`python -m tests.support.slow_server FOLDER LOG [SETTING=VALUE]`: a reply is heard, then writes a word every few
hundredths of a second for as long as the message says; the log tells what began, ended, or was closed before its end,
and how many seconds were given to reasons.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from agent import Item, Recommender
from agent.converse.pieces import Heard, Piece, Reply, Words
from agent.converse.state import Intent, State, Understood
from agent.deadline import Deadline
from agent.parts.parts import Parts
from agent.serve.app import create_app
from agent.serve.running import bound, run
from agent.settings import load_settings
from agent.slate.making import unranked
from agent.types import Slate

STEP_S = 0.02


class Slow:
    """Conversations of that many seconds; a deaf one looks at nothing but its deadline, a stuck one at nothing."""

    def __init__(self, log: Path) -> None:
        self._log = log

    def reply(self, user_id: str, message: str, *, timeout_s: float, **_: Any) -> Iterator[Piece]:
        seconds, _, kind = message.partition(" ")
        understood = Understood(message=message, language="en", intent=Intent.TALK, intents={Intent.TALK: 1.0})
        self._note(f"began {message}")
        ended = "closed"
        try:
            yield Heard(understood=understood)
            time.sleep(float(seconds) if kind == "stuck" else 0)
            deadline, until = Deadline(timeout_s), time.monotonic() + float(seconds)
            while time.monotonic() < until and not (kind == "deaf" and deadline.expired):
                time.sleep(STEP_S)
                if kind != "deaf":
                    yield Words(text="word ")
            ended = "expired" if deadline.expired else "ended"
            state = State(conversation_id="c", user_id=user_id)
            yield Reply(conversation_id="c", user_id=user_id, understood=understood, text="word", state=state)
        finally:
            self._note(f"{ended} {message}")

    def _note(self, line: str) -> None:
        with self._log.open("a", encoding="utf-8") as log:
            log.write(f"{line}\n")


class Clocked(Recommender):
    """A recommender whose reasons are none; the log tells which time they had."""

    def __init__(self, parts: Parts, log: Path) -> None:
        super().__init__(parts)
        self._log = log

    def why(self, user_id: str, title: str | Item, **given: Any) -> Slate:
        """An empty slate."""
        return self._noted("why", user_id, given.get("timeout_s"))

    def explain(self, user_id: str, titles: Sequence[str | Item], **given: Any) -> Slate:
        """An empty slate."""
        return self._noted("explain", user_id, given.get("timeout_s"))

    def _noted(self, kind: str, user_id: str, timeout_s: float | None) -> Slate:
        with self._log.open("a", encoding="utf-8") as log:
            log.write(f"{kind} given {timeout_s}\n")
        return unranked(user_id, [], None)


def main(folder: str, log: str, *given: str) -> None:
    overrides: dict[str, object] = {"folder": folder, "serve.port": "0", "serve.llm": "false"}
    overrides |= dict(one.split("=", 1) for one in given)
    settings = load_settings(environment={}, overrides=overrides).settings
    with Clocked(Parts(settings), Path(log)) as recommender, bound("127.0.0.1", 0) as here:
        app = create_app(recommender, Slow(Path(log)))  # type: ignore[arg-type]  # what the server needs of it
        run(app, here, settings, announce)


def announce(address: str) -> None:
    sys.stdout.write(f"Slow at {address}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main(*sys.argv[1:])
