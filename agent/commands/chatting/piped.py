"""A chat without a terminal: a message or a slash command a line, the answer as text or as JSON lines."""

from __future__ import annotations

import io
import sys
from collections.abc import Iterator

from rich.console import Console, RenderableType

from agent.commands import render
from agent.commands.chatting import slash
from agent.commands.chatting.drawing import Drawn
from agent.commands.chatting.talk import Talk
from agent.commands.lines import numbered_lines
from agent.errors import ConfigError, PalateError


def answer_lines(talk: Talk, *, as_json: bool) -> int:
    """Answer every line of stdin on stdout, in order; how many failed. Blank lines are skipped."""
    failed = 0
    for number, line in numbered_lines(sys.stdin.buffer):
        try:
            said = _text(number, line)
            if slash.ends(said):
                break
            _heed(talk, said, as_json)
        except PalateError as error:
            failed += 1
            _tell(number, error, as_json)
    return failed


def _text(number: int, line: bytes | None) -> str:
    try:
        return (line or b"").decode("utf-8-sig").strip() or _too_long(number)
    except UnicodeDecodeError as error:
        raise ConfigError(f"line {number} is not UTF-8", "Write messages in UTF-8, one a line") from error


def _too_long(number: int) -> str:
    raise ConfigError(f"line {number} is too long", "Write shorter messages")


def _heed(talk: Talk, said: str, as_json: bool) -> None:
    if said.startswith(slash.SLASH):
        _obey(slash.run(talk, said), said, as_json)
    elif as_json:
        for piece in talk.reply(said):
            talk.hear(piece)
            render.write_json(piece.model_dump(mode="json"), indent=None)
    else:
        console = render.out()
        with Drawn(console) as drawn:
            for piece in talk.reply(said):
                talk.hear(piece)
                drawn.show(piece)
        console.print()


def _obey(blocks: Iterator[RenderableType], said: str, as_json: bool) -> None:
    written = io.StringIO()
    console = Console(file=written, highlight=False, emoji=False, markup=False, width=80) if as_json else render.out()
    for block in blocks:
        console.print(block)
    if as_json:
        render.write_json({"piece": "command", "command": said, "text": written.getvalue().rstrip()}, indent=None)
    else:
        console.print()


def _tell(number: int, error: PalateError, as_json: bool) -> None:
    if as_json:
        told = {"piece": "error", "line": number, "error": render.plain(error.message), "hint": error.hint}
        render.write_json(told, indent=None)
    else:
        render.note(f"line {number}: {render.plain(error)}")
