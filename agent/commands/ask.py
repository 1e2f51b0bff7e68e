"""Questions to the person at the terminal. Without one nothing is asked: the command fails and lists the choices.

Questions are written on stderr and answers read from stdin, so results on stdout stay clean.
"""

from __future__ import annotations

import os
import re
import select
import sys
from collections.abc import Iterable
from typing import TYPE_CHECKING

import typer

from agent.commands.render import plain
from agent.errors import Ambiguous, ConfigError

if TYPE_CHECKING:
    from agent.recommender import Recommender
    from agent.types import Item

_ID = re.compile(r"\[id (.+)\]\Z")
_WAIT_S = 0.2


def at_a_terminal() -> bool:
    """Whether a question could be read and answered."""
    return sys.stdin.isatty() and sys.stderr.isatty()


def confirm(act: str, flag: str) -> None:
    """Return when the person agrees to the act; anything else than yes ends the command.

    Raises ConfigError without a terminal, naming the flag that answers, and typer.Abort for a no.
    """
    if not at_a_terminal():
        raise ConfigError(f"not confirmed: {act}", f"Add {flag} where no one can be asked")
    if _answer(f"{act[:1].upper()}{act[1:]}? [y/N] ").lower() not in ("y", "yes"):
        raise typer.Abort


class Finder:
    """Finds items by title, asking at a terminal which one is meant; `found` holds them by item_id."""

    def __init__(self, recommender: Recommender) -> None:
        self._recommender = recommender
        self.found: dict[str, Item] = {}

    def id(self, text: str) -> str:
        """The id of the one item that is meant. Raises NotFound, or Ambiguous where no one can be asked."""
        try:
            item = self._recommender.find(text)
        except Ambiguous as error:
            if not (error.choices and at_a_terminal()):
                raise
            item = self._recommender.find(_chosen(error))
        self.found[item.item_id] = item
        return item.item_id

    def ids(self, texts: Iterable[str]) -> list[str]:
        """The ids of several, in the order given."""
        return [self.id(text) for text in texts]


def headline(error: Ambiguous) -> str:
    """What is ambiguous, without the choices, which are listed below it."""
    return error.message.removesuffix("; ".join(error.choices)).rstrip(": ")


def _chosen(error: Ambiguous) -> str:
    sys.stderr.write(f"{plain(headline(error))}:\n")
    for number, choice in enumerate(error.choices, 1):
        sys.stderr.write(f"{number:>3}  {plain(choice)}\n")
    while True:
        answer = _answer(f"Which one, 1 to {len(error.choices)}? ")
        if answer.isdecimal() and 1 <= int(answer) <= len(error.choices):
            return _id_in(error.choices[int(answer) - 1])


def _id_in(choice: str) -> str:
    found = _ID.search(choice)
    return found[1] if found else choice


def _answer(question: str) -> str:
    sys.stderr.write(question)
    sys.stderr.flush()
    _await_line()
    line = sys.stdin.readline()
    if not line:
        raise typer.Abort
    return line.strip()


def _await_line() -> None:
    """Return when a line can be read. A Ctrl-C just before a wait does not end that wait, so no wait is long."""
    while os.name == "posix" and not select.select([sys.stdin], [], [], _WAIT_S)[0]:
        pass
