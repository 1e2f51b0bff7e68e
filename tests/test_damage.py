"""Every file of a data folder damaged in every way: what is derived is built anew, the truth is refused by name."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import pytest

from agent import Recommender
from agent.errors import StoreError
from agent.parts.learning import learn_now
from agent.recall.index import Index
from agent.recall.shelved import Shelved
from agent.recall.state import LAYOUT, load_checked, save_checked
from agent.store.store import FILE_NAME, Store
from tests.support.promises import Say
from tests.support.settings_of import settings
from tests.support.vectors import HashEmbedder, catalogue

DAMAGES: dict[str, Callable[[Path], object]] = {
    "empty": lambda path: path.write_bytes(b""),
    "half": lambda path: path.write_bytes(path.read_bytes()[: path.stat().st_size // 2]),
    "garbage": lambda path: _overwrite(path, os.urandom(64)),
    "deleted": lambda path: path.unlink(),
}
N_ITEMS, K = 60, 30
SOME = pytest.param(False, id="some")
ALL = pytest.param(True, id="all", marks=pytest.mark.thorough)


def _overwrite(path: Path, raw: bytes) -> None:
    """In the middle of a file; in one with rows, in the row that comes next, where there is no room to spare."""
    body = bytearray(path.read_bytes())
    middle = max(0, len(body) // 2 - len(raw) // 2)
    middle = max(middle, body.find(b'"item_id"', middle) if path.name == FILE_NAME else 0)
    body[middle : middle + len(raw)] = raw
    path.write_bytes(body)


@dataclass(frozen=True)
class Sound:
    """A closed data folder, and what it recommends."""

    folder: Path
    answer: list[str]

    def copy(self, to: Path) -> Path:
        shutil.copytree(self.folder, to)
        return to

    def files(self, room: str) -> list[Path]:
        """Every file below, by its path from the folder."""
        found = sorted(path for path in (self.folder / room).rglob("*") if path.is_file())
        return [path.relative_to(self.folder) for path in found]


def answer(palate: Recommender) -> list[str]:
    return [r.item.item_id for r in palate.recommend("ada", "a war film", k=K, llm=False)]


@pytest.fixture(scope="module")
def sound(tmp_path_factory: pytest.TempPathFactory) -> Sound:
    """Sixty items, forty people's likes, all of it indexed and learned."""
    folder = tmp_path_factory.mktemp("sound")
    items = catalogue(N_ITEMS)
    with Recommender.open(settings=settings(folder)) as palate:
        palate.put_items(items)
        for n in range(40):
            palate.tell(f"p{n}", likes=[items[(n * 7 + k * (1 + n % 3)) % N_ITEMS] for k in range(6)])
        palate.tell("ada", likes=items[:3])
        learn_now(palate.parts)
        answer(palate)
    with Recommender.open(settings=settings(folder)) as palate:
        return Sound(folder, answer(palate))


@pytest.mark.parametrize("whole", [SOME, ALL])
def test_a_damaged_index_answers_as_before(sound: Sound, tmp_path: Path, whole: bool, promise: Say) -> None:
    files = sound.files("index")
    assert {path.name for path in files} >= {"chroma.sqlite3", "data_level0.bin", "state.json", "lock", "holder"}
    cases = [(file, damage) for file in files for damage in DAMAGES]
    told: list[str] = []
    for n, (file, damage) in enumerate(cases if whole else cases[::13]):
        folder = sound.copy(tmp_path / str(n))
        DAMAGES[damage](folder / file)
        with Recommender.open(settings=settings(folder)) as palate:
            assert answer(palate) == sound.answer, (file, damage)
            assert palate.index.health().ok
        told.append(damage)
        shutil.rmtree(folder)
    figure = f"{len(told)} of {len(told)}: the same {K} items in the same order, correct or rebuilt"
    promise(
        "Durability", "each file of the index x {empty, half, 64 garbage bytes, deleted}: the same answer", figure, True
    )


@pytest.mark.parametrize("whole", [SOME, ALL])
def test_what_was_learned_is_told_and_learned_anew(sound: Sound, tmp_path: Path, whole: bool, promise: Say) -> None:
    cases = [(file, damage) for file in sound.files("learned") for damage in DAMAGES]
    as_it_was = 0
    for n, (file, damage) in enumerate(cases if whole else cases[::19]):
        folder = sound.copy(tmp_path / str(n))
        DAMAGES[damage](folder / file)
        with Recommender.open(settings=settings(folder)) as palate:
            found, trouble = answer(palate), palate.parts.learning_trouble
            assert len(found) == K
            assert found == sound.answer or "palate learn" in trouble, (file, damage)
            as_it_was += found == sound.answer
            learn_now(palate.parts)
        with Recommender.open(settings=settings(folder)) as palate:
            assert answer(palate) == sound.answer, (file, damage)
        shutil.rmtree(folder)
    done = len(cases) if whole else len(cases[::19])
    figure = f"{done} of {done}: {K} items each; {as_it_was} unharmed, {done - as_it_was} told and learned anew"
    promise("Durability", "each file of what was learned, damaged in each way: never a short answer", figure, True)


def test_a_damaged_store_is_refused_in_one_line_and_left_alone(sound: Sound, tmp_path: Path, promise: Say) -> None:
    for damage, change in DAMAGES.items():
        folder = sound.copy(tmp_path / damage)
        store = folder / FILE_NAME
        change(store)
        left = store.read_bytes() if store.exists() else None
        with pytest.raises(StoreError) as caught:
            read_all(folder)
        assert "\n" not in str(caught.value)
        assert "palate restore" in caught.value.hint, damage
        assert (store.read_bytes() if store.exists() else None) == left, "nothing is overwritten"
    text = "a damaged or missing store is refused in one line that names the way back; nothing is overwritten"
    promise("Durability", text, f"{len(DAMAGES)} of {len(DAMAGES)} damages", True)


def read_all(folder: Path) -> None:
    with Store.open(folder) as store:
        store.check()
        list(store.iter_items())
        [store.events_of(user) for user in store.users()]


def test_a_journal_whose_store_is_gone_is_not_taken_for_another_ones(tmp_path: Path) -> None:
    (tmp_path / f"{FILE_NAME}-wal").write_bytes(b"frames")
    with pytest.raises(StoreError, match=rf"{FILE_NAME} is gone, though .*-wal is still there\. .*palate restore"):
        Store.open(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == [f"{FILE_NAME}-wal"]
    (tmp_path / f"{FILE_NAME}-wal").unlink()
    Store.open(tmp_path).close()


def test_a_file_that_vanishes_while_open_is_not_made_anew(tmp_path: Path) -> None:
    with Store.open(tmp_path) as store:
        store.put_items(catalogue(3))
        for name in (FILE_NAME, f"{FILE_NAME}-wal", f"{FILE_NAME}-shm"):
            (tmp_path / name).unlink(missing_ok=True)
        store._database.engine.dispose()  # so that the next question opens the file again
        with pytest.raises(StoreError, match="unable to open"):
            store.items()
    assert not (tmp_path / FILE_NAME).exists()


def test_a_record_of_a_newer_palate_or_none_beside_what_was_learned_is_told(sound: Sound, tmp_path: Path) -> None:
    folder = sound.copy(tmp_path / "copy")
    path = folder / "learned" / "record.json"
    values = load_checked(path, 1)
    assert values is not None
    for newer in ({**values, "layout": 1, "of a newer version": 1}, {**values, "layout": 2}):
        save_checked(path, newer)
        with closing(Shelved.open(folder)) as shelved:
            assert (shelved.collaborative, "of another version" in shelved.problem) == (None, True)
    path.unlink()
    with closing(Shelved.open(folder)) as shelved:
        assert shelved.problem == "its record is damaged or of another version"


def test_an_index_of_another_vector_size_or_a_newer_palate_is_built_anew(tmp_path: Path) -> None:
    items = catalogue(40)
    with Index.open(tmp_path, HashEmbedder()) as index:
        index.sync(items)
    with Index.open(tmp_path, HashEmbedder(dimensions=16)) as index:
        with pytest.raises(StoreError, match="it has vectors of 24 numbers, and hash 16"):
            index.vectors(["i0001"])
        assert index.sync(items).rebuilt == "it has vectors of 24 numbers, and hash 16"
    path = tmp_path / "index" / "state.json"
    values = load_checked(path, LAYOUT)
    assert values is not None
    for newer in ({**values, "layout": LAYOUT, "of a newer version": 1}, {**values, "layout": LAYOUT + 1}):
        save_checked(path, newer)
        with Index.open(tmp_path, HashEmbedder(dimensions=16)) as index:
            assert index.sync(items).rebuilt == "its record is damaged or of another version"
