"""Words as they come, broken between words at the edge of the terminal; Chinese between any two signs."""

from __future__ import annotations

from rich.cells import cell_len
from rich.console import Console
from rich.text import Text

from agent.commands.render import harmless

_ENDS = frozenset(".!?:…。！？：")
_WIDE = 2  # columns of a sign that may stand at either side of a line break


class Flow:
    """Writes on a console what is added, word by word. `width` None: lines are as long as they come."""

    def __init__(self, console: Console, width: int | None) -> None:
        self._console = console
        self._width = width
        self._column = 0
        self._word = Text()
        self._last = ""

    @property
    def inside_line(self) -> bool:
        """Whether something stands on the line already."""
        return bool(self._column or self._word)

    @property
    def ends_sentence(self) -> bool:
        """Whether what was written last ends a sentence."""
        return self._last in _ENDS

    def add(self, text: str, style: str = "") -> None:
        """Words to write; the last one waits until it is known to be whole."""
        for sign in harmless(text):
            self._last = sign if sign != " " else self._last
            if sign == "\n":
                self.end()
            elif sign == " ":
                self._put_word()
                self._put_space()
            elif cell_len(sign) == _WIDE:
                self._put_word()
                self._word.append(sign, style)
            else:
                self._word.append(sign, style)

    def end(self) -> None:
        """End the line, where there is one."""
        self._put_word()
        self._console.print()
        self._column = 0

    def _put_word(self) -> None:
        if not self._word:
            return
        length = self._word.cell_len
        if self._width is not None and self._column and self._column + length > self._width:
            self._console.print()
            self._column = 0
        self._console.print(self._word, end="", soft_wrap=True)
        self._column += length
        self._word = Text()

    def _put_space(self) -> None:
        if self._column and (self._width is None or self._column < self._width):
            self._console.print(" ", end="", soft_wrap=True)
            self._column += 1
