"""The command `palate watch`: what is known of a person, moving as their events arrive."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any

import typer

from agent.commands import render
from agent.commands.options import JsonOption, UserArgument, open_recommender, person

if TYPE_CHECKING:
    from rich.console import Console, Group

    from agent.profile.interests import Interests
    from agent.recommender import Recommender
    from agent.types import Event, Slate

POLL_S = 0.25
MAX_BARS, OTHER_LINES = 12, 7  # tags that are drawn, and lines beside them and the places
MAX_MOVED = 4  # tags whose shares moved most
_STILL = 0.0005  # a share that moved less stands still

PlacesOption = Annotated[int, typer.Option("-k", min=0, max=100, metavar="N", help="How many places; 0: none.")]


@dataclass(frozen=True)
class View:
    """How things stand after `n_events` events, the newest of which is named `newest`; None for no slate."""

    user_id: str
    n_events: int
    event: Event | None
    newest: str
    interests: Interests
    slate: Slate | None

    @property
    def places(self) -> Mapping[str, int]:
        """The rank of each item of the slate."""
        return {r.item.item_id: r.rank for r in self.slate} if self.slate is not None else {}


def watch(ctx: typer.Context, user: UserArgument, k: PlacesOption = 5, as_json: JsonOption = False) -> None:
    """Watch interests and recommendations move as events arrive.

    Whichever process writes them, they appear within a second. The order is that of the signals without the language
    model. Other processes may tell and load meanwhile, but only this one may use the index, unless it shows no places
    (-k 0). With --json it writes a line a change. Ends with Ctrl-C.
    """
    user_id = person(user)
    with open_recommender(ctx) as recommender, _shown(as_json) as show:
        before: View | None = None
        for after in _views(recommender, user_id, k):
            show(after, before)
            before = after


def _views(recommender: Recommender, user_id: str, k: int) -> Iterator[View]:
    """How things stand now, and again after every change, for ever."""
    known: object = None
    while True:
        mark = recommender.standing(user_id)
        if mark != known:
            known = mark
            yield _view(recommender, user_id, k)
        time.sleep(POLL_S)


def _view(recommender: Recommender, user_id: str, k: int) -> View:
    events = recommender.events(user_id)
    event = events[-1] if events else None
    item = recommender.store.item(event.item_id) if event is not None and event.item_id is not None else None
    words = None if event is None else item.name if item is not None else event.text or event.item_id
    value = "" if event is None or event.value is None else f"  {event.value:g}"
    newest = "" if event is None else f"{event.kind.value}  {words}{value}"
    slate = recommender.order(user_id, k=k) if k else None
    return View(user_id, len(events), event, newest, recommender.interests(user_id), slate)


@contextmanager
def _shown(as_json: bool) -> Iterator[Callable[[View, View | None], None]]:
    """Where views are drawn: JSON lines, one place on a terminal, or one below the other elsewhere."""
    if as_json:
        yield lambda after, before: render.write_json(_as_json(after, before), indent=None)
        return
    console = render.out()
    if not sys.stdout.isatty():
        yield lambda after, before: console.print(_drawn(after, before, MAX_BARS))
        return
    from rich.live import Live

    with Live(console=console, auto_refresh=False) as live:
        yield lambda after, before: live.update(_drawn(after, before, _room(console, after)), refresh=True)


def moved(after: View, before: View | None) -> list[tuple[str, float]]:
    """How far each tag's share has moved, largest move first, ties by name; nothing without a before.

    Before the first act, shares are those of the catalogue.
    """
    old, new = (before or after).interests.posterior.means, after.interests.posterior.means
    moves = [(tag, new.get(tag, 0.0) - old.get(tag, 0.0)) for tag in {**old, **new}]
    kept = [(tag, by) for tag, by in moves if abs(by) >= _STILL]
    return sorted(kept, key=lambda move: (-abs(move[1]), move[0]))


def _as_json(after: View, before: View | None) -> dict[str, Any]:
    from agent.profile.posterior import LEVEL

    means, old = after.interests.means, before.places if before else {}
    intervals = after.interests.posterior.intervals() if means else {}
    event = after.event
    return {
        "user": after.user_id,
        "events": after.n_events,
        "newest": None
        if event is None
        else {
            "event_id": event.event_id,
            "kind": event.kind.value,
            "item_id": event.item_id,
            "text": event.text,
            "value": event.value,
            "at": event.at.isoformat(),
        },
        "interests": dict(means),
        "level": LEVEL,
        "intervals": {tag: list(intervals[tag]) for tag in means},
        "moved": dict(moved(after, before)),
        "slate": [
            {"rank": r.rank, "was": old.get(r.item.item_id), "item_id": r.item.item_id, "title": r.item.name}
            for r in after.slate or ()
        ],
        "degraded": [one.model_dump() for one in (after.slate.degraded if after.slate else ())],
    }


def _room(console: Console, after: View) -> int:
    """How many tags the terminal has lines for."""
    return max(3, min(MAX_BARS, console.height - len(after.places) - OTHER_LINES))


def _drawn(after: View, before: View | None, most: int) -> Group:
    from rich.console import Group
    from rich.text import Text

    from agent.commands.profile import interest_table

    name = render.plain(after.user_id)
    heading = Text.assemble((f"Watching {name}", "bold"), (f"  {render.count(after.n_events, 'event')}", "dim"))
    newest = Text(render.plain(after.newest) or "nothing is known yet", style="" if after.newest else "dim")
    parts: list[Any] = [heading, newest, Text()]
    if after.interests.means:
        parts += [interest_table(after.interests, most), _moves(after, before), Text()]
    if after.slate is not None:
        parts.append(_places(after, before))
    return Group(*parts)


def _moves(after: View, before: View | None) -> Any:
    from rich.text import Text

    moves = moved(after, before)[:MAX_MOVED]
    line = Text("moved  " if moves else "", style="dim")
    for tag, by in moves:
        line.append(f"{render.plain(tag)} {by:+.1%}  ", style="green" if by > 0 else "red")
    return line


def _places(after: View, before: View | None) -> Any:
    from rich.table import Table
    from rich.text import Text

    table = Table.grid(padding=(0, 2))
    table.add_column(justify="right", style="dim")
    table.add_column(no_wrap=True, width=3)
    table.add_column(no_wrap=True, overflow="ellipsis")
    for r in after.slate or ():
        was = before.places.get(r.item.item_id) if before else r.rank
        table.add_row(str(r.rank), Text(*_step(r.rank, was)), Text(render.plain(r.item.name), style="bold cyan"))
    return table


def _step(rank: int, was: int | None) -> Sequence[str]:
    """How a place was reached, and its colour."""
    if was is None:
        return "new", "yellow"
    if was == rank:
        return "", ""
    return (f"▲{was - rank}", "green") if was > rank else (f"▼{rank - was}", "red")
