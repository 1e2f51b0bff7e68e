"""Disks that are full or may not be written, clocks that go back, folders of odd names and folders that move."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from agent import Recommender
from agent.errors import StoreError, StoreLocked
from agent.parts.learning import learn_now
from agent.recall.index import Index
from agent.store.store import Store
from agent.types import Event
from tests.support.promises import Say
from tests.support.settings_of import settings
from tests.support.vectors import HashEmbedder, catalogue

ROOT = Path(__file__).parents[1]
N_ITEMS, K = 40, 10


def filled(folder: Path, cache: Path) -> list[str]:
    """Make a data folder of forty items, and what it recommends to ada."""
    with Recommender.open(settings=settings(folder, cache)) as palate:
        palate.put_items(items := catalogue(N_ITEMS))
        for n in range(12):
            palate.tell(f"p{n}", likes=[items[(n + 3 * k) % N_ITEMS] for k in range(6)])
        palate.tell("ada", likes=items[:3])
        learn_now(palate.parts)
        answer(palate)
    with Recommender.open(settings=settings(folder, cache)) as palate:
        return answer(palate)


def answer(palate: Recommender) -> list[str]:
    return [r.item.item_id for r in palate.recommend("ada", k=K, llm=False)]


def reads(palate: Recommender, expected: list[str]) -> int:
    """How many kinds of reading go on: a slate, a reason, a profile, interests, events, a title."""
    slate = palate.recommend("ada", k=K, llm=False)
    assert [r.item.item_id for r in slate] == expected
    assert any(one.stage == "store" and "was not kept" in one.reason for one in slate.degraded)
    assert palate.why("ada", "Title 9", llm=False).recommendations
    assert len(palate.profile("ada").liked) == 3
    assert palate.interests("ada").posterior.tags
    assert len(palate.events("ada")) == 3
    assert palate.find("Title 9").item_id == "i0009"
    return 6


def refused(palate: Recommender) -> int:
    """How many kinds of writing are refused by name, each saying what to do."""
    n = 0
    for write in (
        lambda: palate.tell("ada", likes=["Title 9"]),
        lambda: palate.put_items(catalogue(N_ITEMS + 5)),
        lambda: palate.correct("ada", "Comedy", 0.2),
        lambda: palate.forget("ada"),
    ):
        with pytest.raises(StoreError) as caught:
            write()
        assert caught.value.hint
        assert "\n" not in str(caught.value)
        n += 1
    return n


@contextmanager
def small_disk(at: Path, size: str) -> Iterator[Path]:
    """A file system of its own in memory. Skips the test where none may be mounted."""
    at.mkdir()
    mounting = ["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", str(at)]
    if not shutil.which("mount") or subprocess.run(mounting, capture_output=True, check=False).returncode:
        pytest.skip("mounting a small disk needs root")
    try:
        yield at
    finally:
        subprocess.run(["umount", "-l", str(at)], check=False)


def fill(disk: Path) -> Path:
    """Write until nothing more fits."""
    filler = disk / "filler"
    descriptor = os.open(filler, os.O_WRONLY | os.O_CREAT)
    for block in (1 << 16, 1):
        try:
            while True:
                os.write(descriptor, b"x" * block)
        except OSError:
            continue
    os.close(descriptor)
    return filler


def test_a_full_disk_stops_writing_and_nothing_else(tmp_path: Path, promise: Say) -> None:
    with small_disk(tmp_path / "disk", "24m") as disk:
        expected = filled(disk / "data", tmp_path / "cache")
        with Recommender.open(settings=settings(disk / "data", tmp_path / "cache")) as palate:
            assert answer(palate) == expected
            filler = fill(disk)
            read, stopped = reads(palate, expected), refused(palate)
        with Recommender.open(settings=settings(disk / "data", tmp_path / "cache")) as palate:
            assert (reads(palate, expected), refused(palate)) == (read, stopped)
        filler.unlink()
        with Recommender.open(settings=settings(disk / "data", tmp_path / "cache")) as palate:
            palate.store.check()
            assert len(palate.events("ada")) == 3
            assert answer(palate) == expected
            assert len(palate.tell("ada", likes=["Title 9"])) == 1
    figure = f"{read} kinds of reading go on, {stopped} of writing are refused, filled while open and before; 0 lost"
    promise("Durability", "on a full disk reads go on, writes fail by name, nothing acknowledged is lost", figure, True)


READ_ONLY = """
import os, sys
from pathlib import Path
from agent import Recommender
from tests.support.settings_of import settings
from tests.test_disks import filled, reads, refused
home, told = Path(sys.argv[1]), []
expected = filled(home / "data", home / "cache")  # which loads what another user may not
for path in [home, *home.rglob("*")]:
    path.chmod(0o555 if path.is_dir() else 0o444)
before = {path: path.read_bytes() for path in home.rglob("*") if path.is_file()}
if os.geteuid() == 0:
    os.setuid(65534)
with Recommender.open(settings=settings(home / "data", home / "cache"), told=told.append) as palate:
    print(reads(palate, expected), refused(palate), *told, sep="\\n")
assert {path: path.read_bytes() for path in home.rglob("*") if path.is_file()} == before
"""


def test_a_folder_that_may_not_be_written_is_read(promise: Say) -> None:
    home = Path(tempfile.mkdtemp())  # whose parents others may enter, unlike tmp_path's
    try:
        home.chmod(0o755)
        command = [sys.executable, "-c", READ_ONLY, str(home)]
        ran = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    finally:
        for path in [home, *home.rglob("*")]:
            path.chmod(0o755)
        shutil.rmtree(home)
    assert ran.returncode == 0, ran.stderr[-1500:]
    read, stopped, *told = ran.stdout.splitlines()
    assert any("vectors are kept in memory" in line for line in told)
    figure = f"as another user: {read} kinds of reading go on, {stopped} of writing are refused; no byte changed"
    promise("Durability", "in a read-only folder reads go on with the same answer, writes fail by name", figure, True)


LIMITED = """
import resource, signal, sys
from pathlib import Path
from agent.errors import StoreError
from agent.store.store import Store
from agent.types import Event
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
with Store.open(Path(sys.argv[1])) as store:
    resource.setrlimit(resource.RLIMIT_FSIZE, (2_000_000, 2_000_000))
    try:
        for n in range(100_000):
            store.put_events([Event(event_id=f"e{n}", user_id="ada", kind="like", item_id="i", text="x" * 200)])
            print(f"e{n}", flush=True)
    except StoreError as error:
        print(error)
    print(len(store.events_of("ada")))
"""


def test_a_file_that_may_not_grow_loses_nothing_acknowledged(tmp_path: Path, promise: Say) -> None:
    command = [sys.executable, "-c", LIMITED, str(tmp_path)]
    ran = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stderr[-500:]
    *acknowledged, error, readable = ran.stdout.splitlines()
    assert error.startswith("cannot write to the store")
    assert "disk" in error
    assert int(readable) == len(acknowledged) > 100
    with Store.open(tmp_path) as store:
        store.check()
        assert {event.event_id for event in store.events_of("ada")} == set(acknowledged)
        assert store.put_events([]) == 0
    figure = f"{len(acknowledged)} acknowledged, {readable} readable after the refusal and after reopening"
    promise("Durability", "a file-size limit: what was acknowledged is kept, the journal reopens", figure, True)


HOLDER = """
import sys, time
from pathlib import Path
from agent.recall.index import Index
from tests.support.vectors import HashEmbedder, catalogue
with Index.open(Path(sys.argv[1]), HashEmbedder()) as index:
    index.sync(catalogue(20))
    print("held", flush=True)
    time.sleep(600)
"""


@pytest.mark.thorough
def test_a_second_process_is_refused_at_once_and_a_dead_one_does_not_block(tmp_path: Path, promise: Say) -> None:
    command = [sys.executable, "-c", HOLDER, str(tmp_path)]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "held\n"
        took_s = []
        for spoilt in (b"", b"\xff\xfe not a number", str(holder.pid).encode()):
            (tmp_path / "index" / "holder").write_bytes(spoilt)
            began = time.monotonic()
            with pytest.raises(StoreLocked, match=r"is in use by process (unknown|\d+)\. Wait for that process"):
                Index.open(tmp_path, HashEmbedder())
            took_s.append(time.monotonic() - began)
        holder.kill()
    assert (tmp_path / "index" / "lock").exists()
    with Index.open(tmp_path, HashEmbedder()) as index:
        assert index.sync(catalogue(20)).rebuilt == ""
    assert max(took_s) < 10
    text = "a second process is refused by name within 1 s; the lock of a killed one does not block"
    promise("Durability", text, f"refused after {max(took_s):.2f} s; opened after the kill", max(took_s) < 1)


def test_a_clock_moved_back_a_day_changes_no_answer(tmp_path: Path, promise: Say) -> None:
    ahead = datetime.now(UTC) + timedelta(days=1)  # as it was when those acts were told
    with Recommender.open(settings=settings(tmp_path)) as palate:
        palate.put_items(items := catalogue(N_ITEMS))
        palate.tell("bob", likes=items[:3], dislikes=items[5:6], at=ahead - timedelta(days=1))
        palate.tell("ada", likes=items[:3], dislikes=items[5:6], at=ahead)
        assert answer(palate) == [r.item.item_id for r in palate.recommend("bob", k=K, llm=False)]
        means = dict(palate.interests("bob").posterior.means)
        assert dict(palate.interests("ada").posterior.means) == pytest.approx(means, abs=0.02)
        palate.store.add_turn("ada", "c", "user", "before", at=ahead)
        palate.store.add_turn("ada", "c", "assistant", "after")
        assert [turn.content for turn in palate.store.turns_of("ada", "c")] == ["before", "after"]
        (event,) = palate.tell("ada", dislikes=items[7:8])
        assert event in palate.events("ada")
        assert items[7].item_id in palate.profile("ada").seen
        assert len(answer(palate)) == K
    promise("Durability", "a clock moved back one day: no act is lost, no answer is short", f"{K} of {K} items", True)


@pytest.mark.parametrize("name", ["with some spaces", "ä ö 千と千尋 🎬", "per%20cent?#&;'", "x" * 200])
def test_a_folder_may_be_called_anything(tmp_path: Path, name: str) -> None:
    folder = tmp_path / name
    items = catalogue(20)
    with Store.open(folder) as store, Index.open(folder, HashEmbedder()) as index:
        store.put_items(items)
        index.sync(items)
        found = [c.item_id for c in index.search(index.centre(HashEmbedder().queries(["a"]))[0], 20, source="s")]
    with Store.open(folder, read_only=True) as store, Index.open(folder, HashEmbedder()) as index:
        assert store.count_items() == 20
        assert index.sync(items).rebuilt == ""
        again = index.search(index.centre(HashEmbedder().queries(["a"]))[0], 20, source="s")
        assert [c.item_id for c in again] == found


def test_a_folder_moved_while_open_loses_nothing(tmp_path: Path, promise: Say) -> None:
    here, there, acknowledged = tmp_path / "here", tmp_path / "there", set()
    items = catalogue(20)
    with Store.open(here) as store, Index.open(here, HashEmbedder()) as index:
        store.put_items(items)
        index.sync(items)
        here.rename(there)
        for n in range(5):
            with suppress(StoreError):
                store.put_events([event_of(n)])
                acknowledged.add(f"e{n}")
        with suppress(StoreError):
            index.sync(catalogue(21))
    assert not (here / "palate.sqlite").exists()
    with Store.open(there) as store, Index.open(there, HashEmbedder()) as index:
        store.check()
        assert {event.event_id for event in store.events_of("ada")} >= acknowledged
        index.sync(items)
        assert index.health().ok
    figure = f"{len(acknowledged)} of 5 acknowledged after the move, all of them kept; the index opens"
    promise("Durability", "a data folder moved while it is open loses nothing acknowledged", figure, True)


def event_of(n: int) -> Event:
    return Event(event_id=f"e{n}", user_id="ada", kind="like", item_id="i0001")
