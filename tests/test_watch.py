"""`palate watch` in a process of its own: what another process writes appears, and Ctrl-C ends it cleanly."""

from __future__ import annotations

import json
import os
import select
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from agent.commands.watch import View, moved
from agent.profile.ledger import Background, Ledger
from agent.store.store import Store
from agent.types import Event, EventKind, Item, Reaction
from tests.test_cli_terminal import COLOUR, FILMS, ROOT, Terminal, hears_interruption

WITHIN_S = 1.0
NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)
SLACK_S = 2.0  # a test machine is busy


class Watching:
    """`palate watch --json` and its lines."""

    def __init__(self, folder: Path, *arguments: str) -> None:
        self.child = subprocess.Popen(
            [sys.executable, "-m", "agent.cli", "watch", *arguments, "--json"],
            cwd=folder,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env={**os.environ, "PYTHONPATH": str(ROOT)},
            preexec_fn=hears_interruption,
        )
        self._rest = b""

    def line(self, timeout_s: float) -> dict[str, Any]:
        """The next line."""
        assert self.child.stdout is not None
        end = time.monotonic() + timeout_s
        while b"\n" not in self._rest:
            left = end - time.monotonic()
            assert left > 0, "no line in time"
            if select.select([self.child.stdout], [], [], left)[0]:
                self._rest += os.read(self.child.stdout.fileno(), 65536)
        line, _, self._rest = self._rest.partition(b"\n")
        found: dict[str, Any] = json.loads(line)
        return found

    def interrupt(self) -> tuple[int, str]:
        """End it by Ctrl-C; its exit code and what it said."""
        self.child.send_signal(signal.SIGINT)
        _, said = self.child.communicate(timeout=30)
        return self.child.returncode, said.decode()


@pytest.fixture(scope="module")
def films(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("watch")
    done = Terminal(folder, "load", FILMS)
    assert done.finish() == 0, done.text
    return folder


@pytest.fixture
def store(films: Path) -> Iterator[Store]:
    with Store.open(films / "data") as opened:
        yield opened


def test_events_of_another_process_appear_within_a_second(films: Path, store: Store) -> None:
    watching = Watching(films, "ada")
    first = watching.line(60)
    assert (first["events"], first["newest"], first["interests"], first["moved"]) == (0, None, {}, {})
    assert [place["was"] for place in first["slate"]] == [None] * 5
    time.sleep(0.5)
    store.put_events(
        Event(user_id=who, kind=EventKind.LIKE, item_id=what) for who, what in [("ada", "f01"), ("b", "f02")]
    )
    second = watching.line(WITHIN_S + SLACK_S)
    assert (second["events"], second["newest"]["kind"], second["newest"]["item_id"]) == (1, "like", "f01")
    assert second["moved"]["Animation"] > 0
    assert second["intervals"]["Animation"][0] < second["interests"]["Animation"] < second["intervals"]["Animation"][1]
    assert "f01" not in {place["item_id"] for place in second["slate"]}
    ranks = {place["item_id"]: place["rank"] for place in first["slate"]}
    assert all(place["was"] == ranks.get(place["item_id"]) for place in second["slate"])
    store.forget("ada")
    assert watching.line(WITHIN_S + SLACK_S)["events"] == 0
    assert watching.interrupt() == (130, "palate: interrupted\n")


def test_on_a_terminal_the_view_is_drawn_in_one_place_and_left_whole(films: Path, store: Store) -> None:
    terminal = Terminal(films, "watch", "eve", "-k", "0")
    terminal.read_until("nothing is known yet")
    store.put_events([Event(user_id="eve", kind=EventKind.RATE, item_id="f02", value=5)])
    terminal.read_until("Comedy +")
    store.put_events([Event(user_id="eve", kind=EventKind.SEARCH, text="a \x1b[31mred\x1b[0m one")])
    terminal.read_until("search")
    terminal.child.send_signal(signal.SIGINT)
    assert terminal.finish() == 130
    seen = COLOUR.sub("", terminal.text)
    assert "rate Ratatouille (2007) 5" in seen
    assert "2 events" in seen
    assert "\x1b[31mred" not in terminal.text, "words of a person cannot colour the terminal"
    assert "\x1b[?25h" in terminal.text, "the cursor is back"
    assert "palate: interrupted" in seen
    assert "Traceback" not in seen


def test_nobody_and_nothing_are_told_in_one_line(tmp_path: Path) -> None:
    for arguments, told in ((["ada"], "the catalogue is empty"), (["a\tb"], "cannot name a person")):
        watching = Watching(tmp_path, *arguments)
        _, said = watching.child.communicate(timeout=60)
        assert watching.child.returncode in (1, 2)
        assert told in said.decode()
        assert len(said.decode().splitlines()) == 1


def test_moves_are_the_largest_first() -> None:
    def standing(*liked: str) -> View:
        ledger = Ledger(Background({"War": 0.5, "Noir": 0.3, "Comedy": 0.2}))
        for n, tag in enumerate(liked):
            item = Item(item_id=f"i{n}", title="I", tags=(tag,))
            reaction = Reaction(item_id=item.item_id, event_id=f"e{n}", strength=1.0, at=NOON)
            ledger.react(reaction, item, chosen=True)
        return View("ada", len(liked), None, "", ledger.interests(), None)

    moves = moved(standing("Noir"), standing())
    assert [tag for tag, _ in moves] == ["Noir", "War", "Comedy"]
    assert moves[0][1] > 0 > moves[1][1]
    assert sum(by for _, by in moves) == pytest.approx(0)
    assert moved(standing("Noir"), None) == []
