"""A data folder as one file and back, whoever is writing; older folders are upgraded, newer ones refused."""

from __future__ import annotations

import itertools
import json
import sqlite3
import stat
import subprocess
import sys
import threading
import time
import zipfile
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from agent import Recommender, Settings
from agent.backup.making import back_up
from agent.backup.manifest import STORE
from agent.backup.restoring import restore
from agent.cli import run
from agent.errors import ConfigError, PalateError, StoreError, StoreLocked
from agent.privacy.ledger import Ledger, Question
from agent.recall.shelf import prefix_for
from agent.serve.keys import Keys
from agent.store import sqlite_file
from agent.store.store import Store
from agent.types import Event, Item
from tests.support.serving import ROOT, films_in, palate, wait_for

Said = Callable[..., None]
WRITER = """
import sys
from pathlib import Path
from agent.privacy.ledger import Ledger, Question
from agent.serve.keys import Keys
from agent.store import sqlite_file
from agent.store.store import Store
from tests.test_backup import event
with Store.open(Path(sys.argv[1])) as store:
    for n in range(100_000):
        store.put_events([event(n)])
        print(n, flush=True)
"""


def event(n: int) -> Event:
    return Event.model_validate(
        {"event_id": f"e{n}", "user_id": "ada", "kind": "like", "item_id": "i", "at": "2026-01-02T03:04:05Z"}
    )


@pytest.fixture
def lived_in(tmp_path: Path) -> Path:
    """A data folder with films, a person, a key and a settings file beside it."""
    folder = tmp_path / "data"
    films_in(folder)
    with Recommender.open(settings=Settings(folder=folder)) as here:
        here.tell("ada", likes=["Toy Story"], dislikes=["Heat"])
        here.recommend("ada", "something funny", k=3, llm=False)
    (folder / "keys.json").write_text('{"keys": []}')
    (tmp_path / "palate.toml").write_text('noun = "films"\n')
    return folder


def answers(folder: Path) -> bytes:
    """What a folder answers: slates with their paths and reasons, a profile, and why; times left out."""
    with Recommender.open(settings=Settings(folder=folder, noun="films")) as here:
        slates = [
            here.recommend("ada", wish, k=5, llm=False).model_dump(mode="json", exclude={"timings_ms"})
            for wish in ("a war film", None)
        ]
        profile = here.profile("ada").model_dump(mode="json")
    return json.dumps([slates, profile], sort_keys=True).encode()


def test_what_is_restored_answers_as_before_byte_for_byte(lived_in: Path, tmp_path: Path, promise: Said) -> None:
    made = palate(lived_in, "backup", str(tmp_path / "kept.zip"), "--json")
    assert made.returncode == 0, made.stderr
    told = json.loads(made.stdout)
    assert (told["items"], told["events"]) == (15, 2)
    assert set(told["files"]) >= {"palate.sqlite", "keys.json"}
    (tmp_path / "elsewhere").mkdir()
    other = tmp_path / "elsewhere" / "data"
    done = palate(other, "restore", str(tmp_path / "kept.zip"))
    assert done.returncode == 0, done.stderr
    assert "palate index" in done.stderr
    assert (other / "keys.json").read_text() == '{"keys": []}'
    before, after = answers(lived_in), answers(other)
    assert before == after
    figure = f"{len(after):,} of {len(before):,} bytes of two slates and a profile equal"
    promise("Operations", "a restored backup answers byte for byte as before", figure, before == after)


def test_a_backup_holds_no_index_and_is_its_owners_alone(lived_in: Path, tmp_path: Path) -> None:
    target, manifest = back_up(Settings(folder=lived_in), tmp_path, tmp_path / "palate.toml")
    assert target.name.startswith("palate-2")
    assert stat.S_IMODE(target.stat().st_mode) == 0o600
    with zipfile.ZipFile(target) as whole:
        assert set(whole.namelist()) == {"manifest.json", *manifest.files}
        assert set(manifest.files) == {STORE, "keys.json", "palate.toml"}
    assert [path for path in tmp_path.iterdir() if path.name.startswith(".palate-backup")] == []


def test_a_backup_does_not_hold_the_key_of_what_it_holds(
    lived_in: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("cryptography")
    from agent.store.sealing import new_key

    key = new_key()
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PALATE_ENCRYPTION_KEY", key)
    arguments = ["--folder", str(lived_in), "backup", str(tmp_path / "kept.zip")]
    assert run(["--folder", str(lived_in), "encrypt"]) == 0
    assert run(arguments) == 0
    with zipfile.ZipFile(tmp_path / "kept.zip") as whole:
        assert "palate.toml" in whole.namelist()
        assert not [name for name in whole.namelist() if key.encode() in whole.read(name)]
    (tmp_path / "palate.toml").write_text(f'encryption_key = "{key}"\n')
    assert run(arguments) == 2, "settings that hold it are refused"


def test_a_backup_made_while_others_write_is_of_one_moment(tmp_path: Path) -> None:
    folder = tmp_path / "data"
    Store.open(folder).close()
    with subprocess.Popen(
        [sys.executable, "-c", WRITER, str(folder)], cwd=ROOT, stdout=subprocess.PIPE, text=True
    ) as writer:
        assert writer.stdout is not None
        try:
            for _ in range(20):
                acknowledged = int(writer.stdout.readline())
            target, manifest = back_up(Settings(folder=folder), tmp_path / "kept.zip")
        finally:
            writer.kill()
    restore(Settings(folder=tmp_path / "other"), target, tmp_path / "none.toml")
    with Store.open(tmp_path / "other") as store:
        numbers = sorted(int(one.event_id[1:]) for one in store.events_of("ada"))
        store.check()
    assert numbers == list(range(len(numbers))), "no event without those before it"
    assert len(numbers) == manifest.events > acknowledged


def test_a_folder_that_holds_a_store_is_left_alone_unless_forced(lived_in: Path, tmp_path: Path) -> None:
    target, _ = back_up(Settings(folder=lived_in), tmp_path / "kept.zip")
    with Recommender.open(settings=Settings(folder=lived_in)) as here:
        here.tell("bo", likes=["Heat"])
        here.put_items([Item(item_id="new", title="Newer")])
        here.sync_index()
    refused = palate(lived_in, "restore", str(target))
    assert refused.returncode == 2
    assert "--force" in refused.stderr
    with Store.open(lived_in) as store:
        assert store.users() == ["ada", "bo"]
    assert palate(lived_in, "restore", str(target), "--force").returncode == 0
    with Recommender.open(settings=Settings(folder=lived_in)) as here:
        assert here.store.users() == ["ada"]
        assert len(here.recommend("ada", "Newer", k=20, llm=False).recommendations) <= 15
        assert here.index.health().rows == 15, "the index of the newer catalogue is gone"


def test_what_was_derived_goes_and_its_names_on_a_server_stay(lived_in: Path, tmp_path: Path) -> None:
    target, manifest = back_up(Settings(folder=lived_in), tmp_path)
    assert not manifest.learned
    for room in ("index", "learned"):
        (lived_in / room).mkdir(exist_ok=True)
        (lived_in / room / "prefix").write_text(f"palate-123\n{lived_in / room}")
        (lived_in / room / "record.json").write_text("{}")
    restore(Settings(folder=lived_in), target, tmp_path / "palate.toml", force=True)
    for room in ("index", "learned"):
        assert {path.name for path in (lived_in / room).iterdir()} <= {"lock", "holder", "prefix"}
        assert prefix_for(lived_in / room) == "palate-123"
    with Recommender.open(settings=Settings(folder=lived_in)) as palate:
        assert palate.recommend("ada", llm=False).degraded == ()


def test_a_folder_in_use_is_not_restored_over(lived_in: Path, tmp_path: Path) -> None:
    target, _ = back_up(Settings(folder=lived_in), tmp_path / "kept.zip")
    with Recommender.open(settings=Settings(folder=lived_in)) as here:
        _ = here.index
        with pytest.raises(StoreLocked):
            restore(Settings(folder=lived_in), target, tmp_path / "none.toml", force=True)


def test_whoever_has_the_store_open_goes_on_with_what_was_restored(tmp_path: Path, promise: Said) -> None:
    folder = tmp_path / "data"
    with Store.open(folder) as here:
        here.put_events([event(1), event(2)])
        target, _ = back_up(Settings(folder=folder), tmp_path / "kept.zip")
        here.put_events([event(3)])
        before = here.standing_of("ada")
        restore(Settings(folder=folder), target, tmp_path / "none.toml", force=True)
        assert [one.event_id for one in here.events_of("ada")] == ["e1", "e2"]
        assert here.standing_of("ada").state != before.state, "nobody goes on with a profile of before"
        here.put_events([event(n) for n in range(4, 40)])
    with Store.open(folder) as again:
        kept = {one.event_id for one in again.events_of("ada")}
        again.check()
    acknowledged = {"e1", "e2", *(f"e{n}" for n in range(4, 40))}
    assert kept == acknowledged
    figure = f"{len(kept & acknowledged)} of {len(acknowledged)} acts kept that were told before and after"
    promise("Operations", "a store that is open while a backup is restored loses nothing told since", figure, True)


def test_a_store_elsewhere_is_restored_whole_and_a_damaged_one_replaced(tmp_path: Path) -> None:
    elsewhere = tmp_path / "disk" / "other.sqlite"
    settings = Settings(folder=tmp_path / "data", database=f"sqlite:///{elsewhere}")
    with Store.at_url(f"sqlite:///{elsewhere}") as store:
        store.put_events([event(1)])
    target, _ = back_up(settings, tmp_path / "kept.zip")
    for damaged in (b"", b"no database" * 999, elsewhere.read_bytes()[:5000]):
        elsewhere.write_bytes(damaged)
        restore(settings, target, tmp_path / "none.toml", force=True)
        with Store.at_url(f"sqlite:///{elsewhere}") as store:
            store.check()
            assert [one.event_id for one in store.events_of("ada")] == ["e1"]
    assert sorted(path.name for path in elsewhere.parent.iterdir()) == ["other.sqlite"]


def test_a_store_that_another_writes_to_is_left_alone(tmp_path: Path) -> None:
    for name in ("one", "two"):
        Store.open(tmp_path / name).close()
    one, two = tmp_path / "one" / STORE, tmp_path / "two" / STORE
    with closing(sqlite3.connect(one, isolation_level=None)) as writer:
        writer.execute("BEGIN IMMEDIATE")
        with pytest.raises(sqlite3.OperationalError, match="locked"):
            sqlite_file.overwrite(one, two, timeout_s=0.1)
    assert sqlite_file.overwrite(one, two)


def test_files_that_change_during_a_backup_do_not_spoil_it(tmp_path: Path) -> None:
    folder, done = tmp_path / "data", threading.Event()
    with Store.open(folder) as store:
        store.put_events(event(n) for n in range(2_000))

    def change() -> None:
        for n in itertools.count():
            (folder / "fresh").write_text("k" * (n % 999))
            (folder / "fresh").replace(folder / "keys.json")
            if done.is_set():
                return

    changing = threading.Thread(target=change)
    changing.start()
    try:
        target, _ = back_up(Settings(folder=folder), tmp_path / "kept.zip")
    finally:
        done.set()
        changing.join()
    assert restore(Settings(folder=tmp_path / "other"), target, tmp_path / "none.toml").keys


def test_a_backup_replaces_an_older_one_and_no_other_file(lived_in: Path, tmp_path: Path) -> None:
    settings = Settings(folder=lived_in)
    (tmp_path / "notes.txt").write_text("mine")
    for place in (lived_in / STORE, tmp_path / "notes.txt"):
        before = place.read_bytes()
        with pytest.raises(ConfigError, match="is there and is no backup"):
            back_up(settings, place)
        assert place.read_bytes() == before
    for _ in range(2):
        back_up(settings, tmp_path / "kept.zip")


def test_what_was_revoked_and_spent_since_stays_so(tmp_path: Path) -> None:
    folder = tmp_path / "data"
    keys = Keys(folder)
    with Store.open(folder) as store:
        lost = keys.add("lost")
        Ledger(store).release([Question("a", {"x": 1}, 1)], epsilon=1, budget=9, of="v1")
        target, _ = back_up(Settings(folder=folder), tmp_path / "kept.zip")
        keys.remove("lost")
        Ledger(store).release([Question("b", {"x": 1}, 1)], epsilon=2, budget=9, of="v1")
        done = restore(Settings(folder=folder), target, tmp_path / "none.toml", force=True)
        assert (done.keys, done.spent) == (False, 0.0)
        assert keys.find(lost) is None
        assert Ledger(store).book.spent == 3
    told = palate(tmp_path / "other", "restore", str(target))
    assert "one that was removed since opens again" in " ".join(told.stderr.split())
    assert "of the privacy budget 1 is spent" in " ".join(told.stderr.split())
    assert Keys(tmp_path / "other").find(lost) is not None


def test_what_people_said_is_its_owners_alone(tmp_path: Path) -> None:
    folder = tmp_path / "data"
    with Store.open(folder) as store:
        store.put_events([event(1)])
        files = sorted(folder.glob("palate.sqlite*"))
        assert len(files) == 3
        assert {stat.S_IMODE(path.stat().st_mode) for path in files} == {0o600}
    target, _ = back_up(Settings(folder=folder), tmp_path / "kept.zip")
    restore(Settings(folder=tmp_path / "other"), target, tmp_path / "none.toml")
    assert stat.S_IMODE((tmp_path / "other" / STORE).stat().st_mode) == 0o600


@pytest.mark.parametrize("damage", ["cut", "byte", "other", "name", "newer", "none", "folder"])
def test_a_damaged_backup_changes_nothing(tmp_path: Path, damage: str) -> None:
    folder = tmp_path / "data"
    with Store.open(folder) as store:
        store.put_events([event(1)])
    target, _ = back_up(Settings(folder=folder), tmp_path / "kept.zip")
    spoil(target, damage)
    before = (folder / STORE).read_bytes()
    with pytest.raises(PalateError) as caught:
        restore(Settings(folder=folder), target, tmp_path / "palate.toml", force=True)
    assert isinstance(caught.value, (StoreError, ConfigError))
    assert len(str(caught.value).splitlines()) == 1
    assert (folder / STORE).read_bytes() == before
    assert not [path for path in folder.iterdir() if path.name.startswith(".restoring")]
    assert not (tmp_path / "escaped").exists()


def spoil(target: Path, damage: str) -> None:
    whole = target.read_bytes()
    if damage == "cut":
        target.write_bytes(whole[: len(whole) // 2])
    elif damage == "byte":
        place = len(whole) // 2
        target.write_bytes(whole[:place] + bytes([whole[place] ^ 0xFF]) + whole[place + 1 :])
    elif damage in ("none", "folder"):
        target.unlink()
        if damage == "folder":
            target.mkdir()
    else:
        with zipfile.ZipFile(target) as packed:
            files = {name: packed.read(name) for name in packed.namelist()}
        manifest = json.loads(files["manifest.json"])
        if damage == "other":
            files[STORE] = files[STORE][:-1] + b"x"
        elif damage == "newer":
            manifest["layout"] = 99
        else:
            manifest["files"]["../escaped"] = {"bytes": 1, "sha256": "a" * 64}
            files["../escaped"] = b"x"
        files["manifest.json"] = json.dumps(manifest).encode()
        with zipfile.ZipFile(target, "w") as packed:
            for name, content in files.items():
                packed.writestr(name, content)


def test_postgres_is_left_to_its_own_tools(tmp_path: Path) -> None:
    settings = Settings(folder=tmp_path, database="postgresql+psycopg://palate@localhost/palate")
    with pytest.raises(ConfigError, match="pg_dump"):
        back_up(settings, tmp_path / "x.zip")
    with pytest.raises(ConfigError, match="pg_restore"):
        restore(settings, tmp_path / "x.zip", tmp_path / "none.toml")


def test_nothing_to_back_up_is_one_line(tmp_path: Path) -> None:
    done = palate(tmp_path / "none", "backup", str(tmp_path / "x.zip"))
    assert done.returncode == 2
    assert "nothing to back up" in done.stderr
    assert not (tmp_path / "x.zip").exists()


# --- older and newer folders ------------------------------------------------------------------------------------------

FIRST_LAYOUT = """
CREATE TABLE meta (key TEXT NOT NULL, value TEXT NOT NULL, PRIMARY KEY (key));
CREATE TABLE items (item_id TEXT NOT NULL, popularity FLOAT, body TEXT NOT NULL, PRIMARY KEY (item_id));
CREATE INDEX ix_items_popularity ON items (popularity);
CREATE TABLE events (event_id TEXT NOT NULL, user_id TEXT NOT NULL, at BIGINT NOT NULL, body TEXT NOT NULL,
    PRIMARY KEY (event_id));
CREATE INDEX events_by_user ON events (user_id, at, event_id);
CREATE TABLE turns (turn_id INTEGER PRIMARY KEY AUTOINCREMENT NOT NULL, user_id TEXT NOT NULL,
    conversation_id TEXT NOT NULL, role TEXT NOT NULL, content TEXT NOT NULL, at BIGINT NOT NULL);
CREATE INDEX turns_by_user ON turns (user_id, conversation_id, turn_id);
INSERT INTO meta VALUES ('schema_version', '1');
"""  # what the first version of the store made, as it stands in the project's history


@pytest.fixture
def older(tmp_path: Path) -> Path:
    """A data folder as the first version left it: two items, an event and a turn."""
    folder = tmp_path / "older"
    folder.mkdir()
    items = [Item(item_id="a", title="Alpha", popularity=2.0), Item(item_id="b", title="Beta")]
    told = event(1)
    with closing(sqlite3.connect(folder / STORE, isolation_level=None)) as store:
        store.execute("PRAGMA journal_mode = WAL")
        store.executescript(FIRST_LAYOUT)
        rows = [(one.item_id, one.popularity, one.model_dump_json()) for one in items]
        store.executemany("INSERT INTO items VALUES (?, ?, ?)", rows)
        at = int(told.at.timestamp() * 1e6)
        store.execute("INSERT INTO events VALUES (?, ?, ?, ?)", ("e1", "ada", at, told.model_dump_json()))
        store.execute("INSERT INTO turns VALUES (1, 'ada', 'c', 'user', 'hello', ?)", (at,))
    return folder


def test_an_older_folder_is_upgraded_and_copied_first(older: Path, promise: Said) -> None:
    with Store.open(older) as store:
        assert [one.title for one in store.items()] == ["Alpha", "Beta"]
        assert [one.event_id for one in store.events_of("ada")] == ["e1"]
        store.put_generated({"a": "{}"})
        store.put_events([event(2)])
    copy = older / f"{STORE}.before-upgrade"
    with closing(sqlite3.connect(copy)) as kept:
        tables = {name for (name,) in kept.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
        assert kept.execute("SELECT count(*) FROM events").fetchone() == (1,)
    assert {"meta", "items", "events", "turns"} <= tables
    assert "generated" not in tables
    made = copy.stat().st_mtime_ns
    Store.open(older).close()
    assert copy.stat().st_mtime_ns == made, "opened again, nothing is left to upgrade"
    promise("Operations", "a folder of the first layout opens, upgraded, with a copy beside it", "all rows there", True)


def test_whoever_is_forgotten_is_gone_from_the_copy_too(older: Path) -> None:
    with Store.open(older) as store:
        store.forget("ada")
    held = [path.name for path in older.rglob("*") if path.is_file() and b"hello" in path.read_bytes()]
    assert not held


def test_an_older_folder_can_be_read_without_being_changed(older: Path) -> None:
    before = (older / STORE).read_bytes()
    with Store.open(older, read_only=True) as store:
        assert store.count_items() == 2
        assert store.generated() == {}
    assert (older / STORE).read_bytes() == before


def test_an_empty_store_is_not_copied(tmp_path: Path) -> None:
    Store.open(tmp_path).close()
    assert not (tmp_path / f"{STORE}.before-upgrade").exists()


def test_a_folder_of_a_newer_version_is_refused(older: Path) -> None:
    with closing(sqlite3.connect(older / STORE, isolation_level=None)) as store:
        store.execute("UPDATE meta SET value = '99' WHERE key = 'schema_version'")
    done = palate(older, "status")
    assert done.returncode == 1
    assert "newer Palate" in done.stderr
    assert len(done.stderr.splitlines()) == 1


@pytest.mark.thorough
def test_a_server_can_be_backed_up(lived_in: Path, tmp_path: Path) -> None:
    from tests.support.serving import serving

    with serving(lived_in, "--no-llm") as server:
        assert palate(lived_in, "backup", str(tmp_path / "kept.zip")).returncode == 0
        began = time.monotonic()
        assert palate(lived_in, "restore", str(tmp_path / "kept.zip"), "--force").returncode == 1
        assert time.monotonic() - began < 60
        wait_for(lambda: server.ask("GET", "/readyz").status == 200)
