"""The store keeps what it acknowledged, forgets what it is told to, and says in one line what it cannot do."""

import os
import shutil
import signal
import sqlite3
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agent.errors import StoreError
from agent.store.store import FILE_NAME, Store
from agent.store.stored import Forgotten
from agent.types import Event, EventKind, Item
from tests.support.appending import in_a_child

NOON = datetime(2026, 1, 31, 12, tzinfo=UTC)


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with Store.open(tmp_path) as opened:
        yield opened


def items(n: int) -> list[Item]:
    return [Item(item_id=f"i{i:04}", title=f"Title {i}", popularity=i) for i in range(n)]


def like(user: str = "ada", item: str = "i1", event_id: str | None = None, at: datetime = NOON) -> Event:
    named = {} if event_id is None else {"event_id": event_id}
    return Event(user_id=user, kind=EventKind.LIKE, item_id=item, at=at, **named)


def test_items_come_back_as_they_went_in(store: Store) -> None:
    full = Item(
        item_id="tt1",
        title="Amélie 🎬",
        tags=("Comedy", "Romance"),
        text="line\nline",
        attributes={"year": 2001, "score": 8.0, "code": "0042", "cast": ("A", "B"), "huge": 2**70},
        platform="web",
        image="http://example.org/x.png",
        language="fr",
        popularity=12.5,
    )
    assert store.put_items([full]) == 1
    assert store.item("tt1") == full
    assert [type(v) for v in store.items()[0].attributes.values()] == [int, float, str, tuple, int]
    assert store.item("tt2") is None


@settings(max_examples=15, deadline=None)
@given(
    st.lists(
        st.builds(
            Item,
            item_id=st.text(st.characters(categories=("L", "N", "P", "S")), min_size=1, max_size=20),
            title=st.text(st.characters(exclude_categories=("Cs", "Cc")), min_size=1).filter(str.strip),
            tags=st.lists(st.text(st.characters(categories=("L",)), min_size=1, max_size=9), max_size=3).map(tuple),
            popularity=st.none() | st.floats(0, 1e300),
        ),
        unique_by=lambda item: item.item_id,
        max_size=8,
    )
)
def test_any_valid_item_comes_back(drawn: list[Item]) -> None:
    with tempfile.TemporaryDirectory() as folder, Store.open(Path(folder)) as store:
        store.put_items(drawn)
        assert store.items() == sorted(drawn, key=lambda item: item.item_id.encode())


def test_items_are_listed_by_id_or_in_the_order_asked_for(store: Store) -> None:
    assert store.put_items(reversed(items(1203))) == 1203
    assert [item.item_id for item in store.iter_items()] == [f"i{i:04}" for i in range(1203)]
    assert [item.item_id for item in store.items(["i0700", "nowhere", "i0003", "i0700"])] == ["i0700", "i0003", "i0700"]
    assert len(store.items(f"i{i:04}" for i in range(1203))) == store.count_items() == 1203
    assert store.item_ids_where(lambda item: item.popularity == 7) == ["i0007"]


def test_a_newer_item_replaces_the_older_and_removed_ones_are_gone(store: Store) -> None:
    store.put_items(items(3))
    store.put_items([Item(item_id="i0001", title="Renamed")])
    assert [item.title for item in store.items()] == ["Title 0", "Renamed", "Title 2"]
    assert store.remove_items(["i0001", "nowhere"]) == 1
    assert store.count_items() == 2


def test_items_are_written_all_or_none(store: Store) -> None:
    def broken() -> Iterator[Item]:
        yield from items(1100)
        raise KeyError("the source broke off")

    with pytest.raises(KeyError):
        store.put_items(broken())
    assert store.count_items() == 0


def test_popular_items_come_by_popularity_then_id_and_unknown_last(store: Store) -> None:
    rows = [("b", 5.0), ("a", 5.0), ("c", 9.0), ("d", None), ("e", 0.0)]
    store.put_items(Item(item_id=i, title=i, popularity=p) for i, p in rows)
    assert [item.item_id for item in store.popular(9)] == ["c", "a", "b", "e", "d"]
    assert [item.item_id for item in store.popular(2, exclude={"c", "a"})] == ["b", "e"]
    assert store.popular(0) == []


def test_replayed_events_change_nothing(store: Store) -> None:
    first = like(event_id="e1")
    assert store.put_events([first, first]) == 1
    assert store.put_events([first, like(event_id="e2")]) == 1
    assert store.put_events([first.model_copy(update={"item_id": "other"})]) == 0
    assert store.events_of("ada")[0] == first


def test_events_come_oldest_first_and_ties_by_id(store: Store) -> None:
    early, late = like(event_id="z", at=NOON - timedelta(microseconds=1)), like(event_id="a", at=NOON)
    ancient, tie = like(event_id="y", at=datetime(1, 1, 2, tzinfo=UTC)), like(event_id="b", at=NOON)
    store.put_events([tie, late, early, ancient, like("bob")])
    assert store.events_of("ada") == [ancient, early, late, tie]
    assert store.events_of("nobody") == []
    assert (store.users(), store.count_events()) == (["ada", "bob"], 5)


def test_turns_are_kept_in_order_by_conversation(store: Store) -> None:
    for n in range(4):
        store.add_turn("ada", f"c{n % 2}", "user", f"words {n}", at=NOON)
    assert [turn.content for turn in store.turns_of("ada", "c1")] == ["words 1", "words 3"]
    assert [turn.content for turn in store.turns_of("ada", limit=3)] == ["words 1", "words 2", "words 3"]
    assert store.turns_of("ada")[0].at == NOON
    assert (store.turns_of("bob"), store.users()) == ([], ["ada"])


def test_what_is_said_lands_with_its_events_behind_the_turn_it_was_said_after(store: Store) -> None:
    event = like("ada")
    first = store.hear("ada", "c", "hello", [event], after=None)
    assert first is not None
    assert store.events_of("ada") == [event]
    assert store.hear("ada", "c", "late", [like("ada")], after=None) is None, "somebody was quicker"
    assert store.count_events() == 1
    assert store.answer_turn(first, "ada", "c", "hello yourself")
    assert not store.answer_turn(first, "ada", "c", "twice"), "it is not the last turn any more"
    assert not store.answer_turn(first, "bob", "c", "another's")
    assert [turn.content for turn in store.turns_of("ada", "c")] == ["hello", "hello yourself"]
    store.forget("ada")
    assert not store.answer_turn(first, "ada", "c", "to nobody")
    assert store.users() == []


def test_conversations_are_listed_by_their_last_turn(store: Store) -> None:
    for name in ("a", "b", "a"):
        store.add_turn("ada", name, "user", f"in {name}", at=NOON)
    found = store.begun_by("ada")
    assert [(one.first.conversation_id, one.first.content, one.last) for one in found] == [
        ("a", "in a", NOON), ("b", "in b", NOON)
    ]  # fmt: skip
    assert store.begun_by("bob") == []


def test_turns_and_events_are_taken_back_together(store: Store) -> None:
    mine, theirs = like("ada"), like("bob")
    store.put_events([mine, theirs])
    turn = store.hear("ada", "c", "hello", [], after=None)
    standing = store.standing_of("ada").state
    assert store.take_back("ada", [turn or 0], [mine.event_id, theirs.event_id]) == 1
    assert (store.turns_of("ada"), store.events_of("ada"), store.events_of("bob")) == ([], [], [theirs])
    assert store.standing_of("ada").state != standing, "folds of it are made anew"


def test_notes_are_replaced(store: Store) -> None:
    store.meta_put("colour", "blue")
    store.meta_put("colour", "green")
    assert (store.meta_get("colour"), store.meta_get("size")) == ("green", None)


@pytest.mark.parametrize("reader_open", [False, True])
def test_forgetting_leaves_no_byte_of_the_person(tmp_path: Path, reader_open: bool) -> None:
    marker = "MARK-7f3a91"
    with Store.open(tmp_path) as store, Store.open(tmp_path) as other:
        store.put_events(like("bob", f"i{n}") for n in range(200))
        bob = store.events_of("bob")
        rows = (Event(user_id=marker, kind="review", text=f"{marker} said {n} " * 40) for n in range(300))
        store.put_events(rows)
        store.add_turn(marker, "c", "user", f"{marker} wants a film " * 400)
        if reader_open:
            other.events_of(marker)
        assert holding(tmp_path, marker)
        assert store.forget(marker) == Forgotten(events=300, turns=1)
        assert holding(tmp_path, marker) == []
        assert store.forget(marker) == Forgotten(events=0, turns=0)
        assert (store.events_of("bob"), other.users()) == (bob, ["bob"])


def holding(folder: Path, marker: str) -> list[str]:
    return [path.name for path in folder.rglob("*") if path.is_file() and marker.encode() in path.read_bytes()]


def test_forgetting_says_when_another_reader_keeps_old_bytes_alive(tmp_path: Path) -> None:
    with Store.open(tmp_path) as store:
        store.put_events([like()])
        with closing(sqlite3.connect(tmp_path / FILE_NAME, isolation_level=None)) as reader:
            reader.execute("BEGIN")
            reader.execute("SELECT count(*) FROM events").fetchone()
            started = time.monotonic()
            with pytest.raises(StoreError, match="old bytes may remain"):
                store.forget("ada")
            assert time.monotonic() - started < 10
        assert store.forget("ada") == Forgotten(events=0, turns=0)


def test_two_processes_write_at_once_and_both_land(tmp_path: Path) -> None:
    def write(name: str) -> None:
        with Store.open(tmp_path) as store:
            for n in range(60):
                store.put_events([like(name, event_id=f"{name}{n}")])

    children = [in_a_child(lambda name=name: write(name)) for name in ("ada", "bob")]  # type: ignore[misc]
    assert [os.waitpid(child, 0)[1] for child in children] == [0, 0]
    with Store.open(tmp_path) as store:
        assert (len(store.events_of("ada")), len(store.events_of("bob"))) == (60, 60)


def test_no_acknowledged_event_is_lost_when_the_writer_is_killed(tmp_path: Path) -> None:
    told = tmp_path / "told"
    told.touch()
    for kill in range(20):
        reading, writing = os.pipe()

        def append(kill: int = kill, writing: int = writing) -> None:
            with Store.open(tmp_path / "folder") as store:
                for n in range(10_000):
                    store.put_events([like(event_id=f"{kill}-{n}")])
                    os.write(writing, f"{kill}-{n}\n".encode())

        child = in_a_child(append)
        os.close(writing)
        acknowledged = os.read(reading, 64)
        time.sleep(0.002 * (kill % 10))
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
        while more := os.read(reading, 65536):
            acknowledged += more
        os.close(reading)
        with told.open("ab") as file:
            file.write(acknowledged)
    with Store.open(tmp_path / "folder") as store:
        store.check()
        kept = [event.event_id for event in store.events_of("ada")]
    assert len(kept) == len(set(kept))
    assert set(told.read_text().split()) <= set(kept)
    assert len(kept) >= 20


def test_many_processes_may_create_the_store_at_once(tmp_path: Path) -> None:
    def create(n: int) -> None:
        with Store.open(tmp_path / "new") as store:
            store.put_events([like(event_id=f"e{n}")])

    children = [in_a_child(lambda n=n: create(n)) for n in range(6)]  # type: ignore[misc]
    assert {os.waitpid(child, 0)[1] for child in children} == {0}
    with Store.open(tmp_path / "new") as store:
        assert store.count_events() == 6
    assert [path.name for path in (tmp_path / "new").iterdir()] == [FILE_NAME]


def test_a_read_only_store_reads_and_refuses_to_write(tmp_path: Path) -> None:
    with Store.open(tmp_path) as store:
        store.put_items(items(2))
    with Store.open(tmp_path, read_only=True) as store:
        assert (store.count_items(), store.read_only) == (2, True)
        for write in (lambda: store.put_items([]), lambda: store.put_events([like()]), lambda: store.forget("ada")):
            with pytest.raises(StoreError, match=r"is read-only\. Make the file"):
                write()
    with pytest.raises(StoreError, match="cannot open the store"):
        Store.open(tmp_path / "nowhere", read_only=True)
    assert not (tmp_path / "nowhere").exists()


def test_a_folder_without_write_permission_is_read() -> None:
    """In a process that is not root, for whom permissions do not count."""
    folder = Path(tempfile.mkdtemp())  # whose parents others may enter, unlike tmp_path's

    def read() -> None:
        if os.geteuid() == 0:
            os.setuid(65534)
        with Store.open(folder) as store:
            assert (store.count_items(), store.read_only) == (2, True)
            with pytest.raises(StoreError, match="is read-only"):
                store.meta_put("a", "b")
        with pytest.raises(StoreError, match="Permission denied"):
            Store.open(folder / "below")

    with Store.open(folder) as store:
        store.put_items(items(2))
    folder.chmod(0o555)
    (folder / FILE_NAME).chmod(0o444)
    try:
        assert os.waitpid(in_a_child(read), 0)[1] == 0
    finally:
        folder.chmod(0o755)
        shutil.rmtree(folder)


@pytest.mark.parametrize(
    ("damage", "told"),
    [
        (lambda path: path.write_bytes(b"not a database, " * 400), "not a database"),
        (lambda path: path.write_bytes(b""), "empty"),
        (lambda path: path.write_bytes(path.read_bytes()[:4096]), "cannot|malformed|damaged"),
        (lambda path: (path.unlink(), path.mkdir()), "cannot open the store"),
    ],
    ids=["garbage", "empty", "cut", "a folder"],
)
def test_a_damaged_file_is_refused_in_one_line(tmp_path: Path, damage: Callable[[Path], object], told: str) -> None:
    with Store.open(tmp_path) as store:
        store.put_items(items(500))
    damage(tmp_path / FILE_NAME)
    with pytest.raises(StoreError, match=told) as caught:
        read_all(tmp_path)
    assert "\n" not in str(caught.value)
    assert caught.value.hint


def read_all(folder: Path) -> list[Item]:
    with Store.open(folder) as store:
        store.check()
        return store.items()


def test_damage_inside_is_found_by_check_or_by_reading(tmp_path: Path) -> None:
    with Store.open(tmp_path) as store:
        store.put_items(items(2000))
    path = tmp_path / FILE_NAME
    raw = bytearray(path.read_bytes())
    for page in range(len(raw) // 8192, len(raw) // 4096):
        raw[page * 4096 : page * 4096 + 64] = os.urandom(64)
    path.write_bytes(raw)
    with Store.open(tmp_path) as store:
        with pytest.raises(StoreError, match=r"damaged|malformed"):
            store.check()
        with pytest.raises(StoreError):
            store.items()


def test_an_unreadable_row_is_named(tmp_path: Path) -> None:
    with Store.open(tmp_path) as store:
        store.put_items(items(1))
    with closing(sqlite3.connect(tmp_path / FILE_NAME)) as raw:
        raw.execute("UPDATE items SET body = '{\"item_id\": 7'")
        raw.commit()
    with Store.open(tmp_path) as store, pytest.raises(StoreError, match="holds an item that cannot be read"):
        store.items()


def test_a_newer_layout_and_other_databases_are_refused(tmp_path: Path) -> None:
    Store.open(tmp_path).close()
    with closing(sqlite3.connect(tmp_path / FILE_NAME)) as raw:
        raw.execute("UPDATE meta SET value = '99' WHERE key = 'schema_version'")
        raw.commit()
    with pytest.raises(StoreError, match=r"written by a newer Palate \(layout 99"):
        Store.open(tmp_path)
    (tmp_path / "other").mkdir()
    with closing(sqlite3.connect(tmp_path / "other" / FILE_NAME)) as raw:
        raw.execute("CREATE TABLE films (name TEXT)")
    with pytest.raises(StoreError, match="not one of Palate's"):
        Store.open(tmp_path / "other")


def test_a_folder_that_is_a_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    with pytest.raises(StoreError, match="cannot open the store"):
        Store.open(tmp_path / "file")


def test_text_that_is_not_unicode_is_refused(store: Store) -> None:
    with pytest.raises(StoreError, match=r"not valid Unicode|surrogate"):
        store.add_turn("ada", "c", "user", "\ud800")
    with pytest.raises(StoreError, match="surrogate"):
        store.put_items([Item(item_id="i", title="t", platform="\ud800")])
    assert store.turns_of("ada") == []


def test_a_store_can_be_opened_by_url(tmp_path: Path) -> None:
    with Store.at_url(f"sqlite:///{tmp_path / 'by url é #.sqlite'}") as store:
        assert store.put_items(items(2)) == 2
    for url in ("mysql://x/y", "nonsense", "oracle+cx_oracle://a@b/c", "sqlite://"):
        with pytest.raises(StoreError, match=r"URL|cannot be kept"):
            Store.at_url(url)


def test_what_lies_on_disk_is_durable(tmp_path: Path) -> None:
    with Store.open(tmp_path / "a b é#?") as store:
        store.put_events([like()])
        with closing(sqlite3.connect(tmp_path / "a b é#?" / FILE_NAME)) as raw:
            assert raw.execute("PRAGMA journal_mode").fetchone() == ("wal",)
