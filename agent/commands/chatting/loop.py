"""The chat itself: a line is asked for, answered or obeyed, until the person ends it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from typing import Any, TypeVar

from rich.console import Console
from rich.text import Text

from agent.commands import render
from agent.commands.ahead import open_ahead
from agent.commands.chatting import slash
from agent.commands.chatting.drawing import Drawn, waiting
from agent.commands.chatting.line import Line
from agent.commands.chatting.running import Running, Stopped, stopping_at_ctrl_c
from agent.commands.chatting.standing import Standing
from agent.commands.chatting.talk import Talk
from agent.errors import PalateError

QUIET_S = 0.3  # so long nothing is shown while one waits
STOPPING_S = 30.0  # so long a reply that was left may take to its end before the next begins
LEAVING_S = 5.0  # and before the chat ends
MAX_HISTORY = 200

_T = TypeVar("_T")


class Loop:
    """A chat at a terminal. Ctrl-C leaves a reply; on an empty line, twice, the chat."""

    def __init__(self, talk: Talk, console: Console, standing: Standing) -> None:
        self._talk = talk
        self._console = console
        self._standing = standing
        self._running: Running[Any] | None = None
        self._asked_twice = False

    def run(self) -> None:
        """Talk until the person ends it."""
        line = Line(self._said_before(), partial(slash.offers, self._talk), self._standing)
        self._standing.changed, self._talk.forgotten = line.redraw, line.forget
        open_ahead(self._talk.recommender, llm=self._talk.llm, then=self._standing.ready)
        self._greet()
        with stopping_at_ctrl_c(self._stop):
            while (said := self._ask(line)) is not None:
                self._heed(said)
            if self._running is not None:
                self._running.join(LEAVING_S)

    def _greet(self) -> None:
        talk, show = self._talk, self._console.print
        begun = talk.conversations.conversations(talk.user_id)
        titles = f"{talk.recommender.store.count_items():,} {talk.recommender.settings.noun}"
        show(Text.assemble(("Palate", "bold"), (f"  {titles} · with {render.plain(talk.user_id)}", "dim")))
        show(Text("Say what you are in the mood for. /help lists the commands.", style="dim"))
        if begun and begun[0].conversation_id == talk.conversation_id:
            for block in slash.run(talk, "/open"):
                show(block)
            return
        if begun:
            show(Text(f"Last time: “{render.plain(begun[0].words)}”. /open goes on with it.", style="dim"))
        show()

    def _said_before(self) -> list[str]:
        turns = self._talk.conversations.history(self._talk.user_id, limit=2 * MAX_HISTORY)
        return [turn.text for turn in turns if turn.role == "user"][-MAX_HISTORY:]

    def _ask(self, line: Line) -> str | None:
        """The next line; None when the chat is to end."""
        try:
            said = line.ask()
        except EOFError:
            return None
        except KeyboardInterrupt:
            if not line.typed and self._asked_twice:
                return None
            self._asked_twice = not line.typed
            if self._asked_twice:
                self._console.print(Text("Ctrl-C again, or Ctrl-D, ends the chat.", style="dim"))
            return ""
        self._asked_twice = False
        return None if slash.ends(said) else said

    def _heed(self, said: str) -> None:
        if not said:
            return
        self._console.print()
        try:
            if said.startswith(slash.SLASH):
                self._obey(said)
            else:
                self._answer(said)
        except Stopped:
            self._console.print(Text("stopped", style="dim"))
        except PalateError as error:
            self._console.print(Text.assemble(("! ", "yellow"), render.plain(error)))
        self._console.print()

    def _answer(self, message: str) -> None:
        pieces = self._talk.reply(message)
        with Drawn(self._console) as drawn:
            for piece in self._each(lambda: pieces, pieces.close, drawn.pauses):
                self._talk.hear(piece)
                drawn.show(piece)
        self._standing.ready()

    def _obey(self, line: str) -> None:
        for block in self._each(lambda: slash.run(self._talk, line)):
            self._console.print(block)

    def _each(
        self,
        begin: Callable[[], Iterator[_T]],
        leave: Callable[[], None] = lambda: None,
        pauses: Callable[[], bool] = lambda: True,
    ) -> Iterator[_T]:
        """What is made on another thread, as it comes; Ctrl-C leaves it. One at a time.

        While nothing comes, a sign is drawn, wherever it `pauses`.
        """
        if self._running is not None and not self._running.join(0):
            with waiting(self._console, "stopping"):
                self._running.join(STOPPING_S)
        running: Running[_T] = Running(begin, leave)
        self._running = running
        while not running.over:
            one = running.next_within(QUIET_S)
            if one is None and not running.over and pauses():
                with waiting(self._console, self._standing.waited):
                    one = running.next_within()
            if one is not None:
                yield one

    def _stop(self) -> None:
        if self._running is not None:
            self._running.stop()
