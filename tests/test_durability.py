"""What was acknowledged stays: through kills, damaged files, full and read-only disks, clocks and folders that move."""

from __future__ import annotations

import random
import sqlite3
import time
from contextlib import closing
from pathlib import Path

import pytest

from agent import Recommender, Settings
from agent.store.database import Database
from agent.store.store import FILE_NAME, Store
from tests.support.appending import Told, killed_together
from tests.support.promises import Say
from tests.support.vectors import catalogue


def settings(folder: Path) -> Settings:
    return Settings(folder=folder, cache_folder=folder / "cache")


KILLS = [pytest.param(20, id="some"), pytest.param(1_000, id="all", marks=pytest.mark.thorough)]
WRITERS = ("ada", "bob", "cy", "di")


@pytest.mark.parametrize("kills", KILLS)
def test_nothing_acknowledged_is_lost_when_four_writers_are_killed(tmp_path: Path, kills: int, promise: Say) -> None:
    with Recommender.open(settings=settings(tmp_path)) as palate:
        palate.put_items(catalogue(20))
        palate.tell("eve", likes=["i0001"])  # what that imports, the writers need not
    told, chance, done, began = {name: Told() for name in WRITERS}, random.Random(1), 0, time.monotonic()
    while done < kills:
        killed = killed_together(tmp_path, told, chance.uniform(0, 0.05))
        assert killed == len(WRITERS), "a writer gave up by itself"
        done += killed
    took_s = time.monotonic() - began
    with Store.open(tmp_path) as store:
        store.check()
        events = [event for name in WRITERS for event in store.events_of(name)]
        assert store.count_events() == len(events) + 1
    acknowledged = {event_id for one in told.values() for event_id in one.ids}
    lost = acknowledged - {event.event_id for event in events}
    numbers = [(event.user_id, int(event.text)) for event in events if event.text]
    twice = len(numbers) - len(set(numbers))
    for name in WRITERS[1:]:  # each sends its next one once the last is acknowledged
        theirs = {n for writer, n in numbers if writer == name}
        assert theirs == set(range(len(theirs)))
    figure = f"{len(acknowledged):,} acknowledged in {done:,} kills: {len(lost)} lost, {twice} twice; {took_s:.0f} s"
    promise(
        "Durability",
        "1,000 kill -9 of four writers lose no acknowledged event and double none",
        figure,
        not (lost or twice),
    )
    assert not lost
    assert not twice
    assert len(acknowledged) >= done


def test_every_commit_of_the_journal_is_synced(tmp_path: Path) -> None:
    Store.open(tmp_path).close()
    database = Database.in_file(tmp_path / FILE_NAME, read_only=False)
    with closing(database), database.writing() as connection:
        assert connection.exec_driver_sql("PRAGMA synchronous").scalar_one() == 2, "FULL"
        assert connection.exec_driver_sql("PRAGMA journal_mode").scalar_one() == "wal"
    with closing(sqlite3.connect(tmp_path / FILE_NAME)) as raw:
        assert raw.execute("PRAGMA journal_mode").fetchone() == ("wal",)
