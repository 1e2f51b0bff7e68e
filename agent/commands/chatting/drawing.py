"""How a reply looks at a terminal: words as they come, the list with its reasons filling in, what degraded, dim."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Self

from rich.cells import cell_len
from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from agent.commands.chatting.words import Flow
from agent.commands.render import harmless, plain
from agent.converse.pieces import Heard, Mention, Piece, Reasoned, Reply, Slated, Words

if TYPE_CHECKING:
    from agent.types import Degradation, Rationale, Recommendation, Slate

WIDTH = 100  # longer lines are hard to read
TITLE_STYLE = "bold cyan"
_INDENT = 4
_WITH_TAGS = 60  # columns from which on tags stand beside the title
_ROOM = 3  # lines kept free below a list that changes


class Drawn:
    """One reply on the console, piece by piece. Use it as a context: what is left open is drawn to its end."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._width = min(console.width, WIDTH) if console.is_terminal else console.width
        self._flow = Flow(console, self._width if console.is_terminal else None)
        self._list: Listed | None = None
        self._live: Live | None = None
        self._after = Text()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._settle()

    def show(self, piece: Piece) -> None:
        """Draw one more piece."""
        match piece:
            case Words(text=text):
                self._say(text, "")
            case Mention(item=item):
                self._say(plain(item.name), TITLE_STYLE)
            case Slated(slate=slate):
                self._begin_list(slate)
            case Reasoned(place=place, rationale=rationale):
                self._reason(place, rationale)
            case Reply():
                self._settle()
                self._tell(piece.degraded)
            case Heard():
                pass

    def pauses(self) -> bool:
        """Whether the reply rests between sentences, so that something else may be drawn below it for a while."""
        if self._list is not None or (self._flow.inside_line and not self._flow.ends_sentence):
            return False
        if self._flow.inside_line:
            self._flow.end()
        return True

    def _say(self, text: str, style: str) -> None:
        if self._list is None:
            self._flow.add(text, style)
        else:
            self._after.append(harmless(text) if self._after else harmless(text).lstrip(), style)
            self._refresh()

    def _begin_list(self, slate: Slate) -> None:
        self._settle()
        self._list = Listed(slate, self._width)
        if self._console.is_terminal and self._list.height(self._console) + _ROOM <= self._console.height:
            self._live = Live(self._list, console=self._console, auto_refresh=False, vertical_overflow="visible")
            self._live.start(refresh=True)
        else:
            self._list.waits = False
            self._console.print()

    def _reason(self, place: int, rationale: Rationale) -> None:
        if self._list is None:
            return
        self._list.take(place, rationale)
        if self._live is None:
            for part in self._list.next_up_to(place):
                self._console.print(part)
        self._refresh()

    def _refresh(self) -> None:
        if self._live is not None and self._list is not None:
            self._live.update(Group(self._list, self._after) if self._after else self._list, refresh=True)

    def _settle(self) -> None:
        """End the line or the list that is open."""
        if self._list is None:
            if self._flow.inside_line:
                self._flow.end()
            return
        self._list.waits = False
        if self._live is not None:
            self._refresh()
            self._live.stop()
        else:
            for part in (*self._list.next_up_to(len(self._list)), "", *([self._after] if self._after else [])):
                self._console.print(part)
        self._live, self._list, self._after = None, None, Text()

    def _tell(self, degraded: Sequence[Degradation]) -> None:
        for one in degraded:
            self._console.print(Text(f"· {plain(one.stage)}: {plain(one.reason)}", style="dim"))


class Listed:
    """A slate as a list: number, title, tags, and below them the reason as soon as it is there."""

    def __init__(self, slate: Slate, width: int) -> None:
        self._slate = slate
        self._width = width
        self._reasons: dict[int, Rationale] = {}
        self._given = 0
        self.waits = True

    def __len__(self) -> int:
        return len(self._slate)

    def take(self, place: int, rationale: Rationale) -> None:
        """The reason of the item at that place."""
        self._reasons[place] = rationale

    def height(self, console: Console) -> int:
        """How many lines it may come to: the title, and two of a reason, for each item."""
        return sum(len(console.render_lines(self._head(one))) + 2 for one in self._slate) + 2

    def next_up_to(self, place: int) -> Iterator[RenderableType]:
        """What was not given yet of the places up to this one, line by line."""
        for one in self._slate.recommendations[self._given : place]:
            yield from self._block(one)
        self._given = max(self._given, place)

    def __rich__(self) -> RenderableType:
        return Group("", *(part for one in self._slate for part in self._block(one)), "")

    def _block(self, one: Recommendation) -> Iterator[RenderableType]:
        yield self._head(one)
        rationale = self._reasons.get(one.rank, one.rationale)
        if rationale is not None:
            yield self._below(Text(plain(rationale.sentence)))
        elif self.waits:
            yield self._below(Text("…", style="dim"))
        if one.explored:
            yield self._below(Text("tried out: what you think of it tells more", style="dim"))

    def _head(self, one: Recommendation) -> RenderableType:
        head = Table.grid(padding=(0, 1))
        head.width = self._width
        head.add_column(width=_INDENT - 1, justify="right", style="bold")
        head.add_column(ratio=1)
        cells = [Text(str(one.rank)), Text(plain(one.item.name), style=TITLE_STYLE)]
        if tags := self._tags(one.item.tags):
            head.add_column(justify="right", no_wrap=True)
            cells.append(Text(tags, style="dim"))
        head.add_row(*cells)
        return head

    def _tags(self, tags: Sequence[str]) -> str:
        """The first tags, as many as there is room for beside a title."""
        line = ""
        for tag in map(plain, tags):
            longer = f"{line} · {tag}" if line else tag
            if cell_len(longer) > self._width * 2 // 5:
                break
            line = longer
        return line if self._width >= _WITH_TAGS else ""

    def _below(self, text: Text) -> RenderableType:
        below = Table.grid()
        below.width = self._width
        below.add_column()
        below.add_row(Padding(text, (0, 0, 0, _INDENT)))
        return below


@contextmanager
def waiting(console: Console, words: str) -> Iterator[None]:
    """A sign that something is on its way, wiped at the end; nothing where it is no terminal."""
    if not console.is_terminal:
        yield
        return
    with console.status(Text(plain(words), style="dim"), spinner="dots", spinner_style="dim"):
        yield
