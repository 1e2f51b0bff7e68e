"""The index equals the catalogue, answers as brute force does, and is rebuilt rather than trusted when damaged."""

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest

from agent.errors import ConfigError, StoreError, StoreLocked
from agent.recall.index import Index
from agent.recall.where import Where, parse_where
from agent.settings import ChromaSettings
from agent.types import Item, Vector
from tests.support.chroma_server import ChromaServer
from tests.support.vectors import HashEmbedder, catalogue

ROOT = Path(__file__).parent.parent
EMBEDDER = HashEmbedder()
ITEMS = catalogue(400)
FILTERS = [
    None,
    "year>=1990",
    "year=1995",
    "year=1995 and tags=comedy",
    "tags!=comedy",
    "title>='title 9'",
    "tags in (war, drama) and year<1960",
    "cast='actor 3' and cast='actor 12'",
    "popularity>9",
    "language!=en",
    "title='title 77'",
    "year>3000",
]


@pytest.fixture(scope="module")
def index(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Index]:
    """An index of ITEMS that no test changes."""
    with Index.open(tmp_path_factory.mktemp("shared"), EMBEDDER) as opened:
        opened.sync(ITEMS)
        yield opened


def asked(index: Index, text: str = "a question") -> Vector:
    return index.centre(EMBEDDER.queries([text]))[0]


def brute_force(
    index: Index, vector: Vector, k: int, where: Where | None, exclude: frozenset[str], items: list[Item] = ITEMS
) -> list[str]:
    rows = index.vectors([item.item_id for item in items])
    unit = vector / np.linalg.norm(vector)
    scores = {item_id: round(float(row @ unit / np.linalg.norm(row)), 6) for item_id, row in rows.items()}
    fitting = [i.item_id for i in items if i.item_id not in exclude and (where is None or where.matches(i))]
    return sorted(fitting, key=lambda item_id: (-scores[item_id], item_id))[:k]


@pytest.mark.parametrize("text", FILTERS)
@pytest.mark.parametrize("pushdown_max_rows", [0, 2000], ids=["fetch more", "push down"])
def test_search_answers_as_brute_force_does(index: Index, text: str | None, pushdown_max_rows: int) -> None:
    where = parse_where(text) if text else None
    index.pushdown_max_rows = pushdown_max_rows
    for k, n_seen in ((1, 0), (7, 60), (120, 60), (1000, 3)):
        vector = asked(index, f"question {k}")
        seen = frozenset(brute_force(index, vector, n_seen, None, frozenset()))
        found = index.search(vector, k, source="taste", where=where, exclude=seen)
        assert [c.item_id for c in found] == brute_force(index, vector, k, where, seen)
        assert [c.rank for c in found] == list(range(1, len(found) + 1))
        assert all(c.source == "taste" and -1 <= c.score <= 1 for c in found)


def test_the_graph_finds_what_is_near(tmp_path: Path) -> None:
    items = catalogue(1500)
    with Index.open(tmp_path, EMBEDDER) as index:
        index.sync(items)
        wanted, found = 0, 0
        for n in range(20):
            vector = asked(index, f"question {n}")
            near = brute_force(index, vector, 50, None, frozenset(), items)
            found += len({c.item_id for c in index.search(vector, 50, source="s")} & set(near))
            wanted += 50
    assert found / wanted >= 0.99


def test_ties_are_broken_by_id(tmp_path: Path) -> None:
    twins = [Item(item_id=f"t{n:02}", title="Twin") for n in reversed(range(30))]
    with Index.open(tmp_path, EMBEDDER) as index:
        index.sync([*catalogue(100), *twins])
        vector = index.vectors(["t07"])["t07"]
        found = index.search(vector, 5, source="s", exclude=["t01"])
        assert [c.item_id for c in found] == ["t00", "t02", "t03", "t04", "t05"]
        assert found[0].score == found[4].score == pytest.approx(1)


def test_rows_are_centred_on_the_catalogue(index: Index) -> None:
    rows = index.vectors([item.item_id for item in ITEMS])
    assert np.abs(np.mean(list(rows.values()), axis=0)).max() < 1e-5
    assert np.linalg.norm(index.mean) > 0.5
    assert index.vectors(["nowhere", "i0000"]).keys() == {"i0000"}
    assert index.vectors([]) == {}
    assert index.centre(EMBEDDER.queries([])).shape == (0, EMBEDDER.dimensions)


def test_vectors_that_point_nowhere_are_refused(index: Index) -> None:
    for bad in (np.zeros(24), np.full(24, np.nan), np.full(24, np.inf), np.ones(23), np.ones((1, 24))):
        with pytest.raises(StoreError, match="zero or not finite"):
            index.search(bad, 3, source="s")
    assert index.search(asked(index), 0, source="s") == []
    with pytest.raises(ConfigError, match="no item has the field 'yeer'"):
        index.search(asked(index), 3, source="s", where=parse_where("yeer=1"))


def test_an_embedder_that_gives_nan_is_refused_and_the_older_index_stays(tmp_path: Path) -> None:
    class Broken(HashEmbedder):
        def passages(self, texts: object) -> Vector:
            return np.full((len(list(texts)), 24), np.nan, np.float32)  # type: ignore[call-overload]

    with Index.open(tmp_path, EMBEDDER) as index:
        index.sync(catalogue(20))
    with Index.open(tmp_path, Broken()) as index:
        with pytest.raises(StoreError, match="hash gave a vector that is zero or not finite"):
            index.sync(catalogue(20), rebuild=True)
        assert len(index.search(asked(index), 20, source="s")) == 20


def test_sync_writes_only_what_changed(tmp_path: Path) -> None:
    embedder, items = HashEmbedder(), catalogue(200)
    with Index.open(tmp_path, embedder) as index:
        steps: list[tuple[int, int]] = []
        report = index.sync(items, progress=lambda done, of: steps.append((done, of)))
        assert (report.rows, report.added, report.rebuilt) == (200, 200, "there is none yet")
        assert steps == sorted(steps)
        assert steps[-1] == (200, 200)
        before, mean = embedder.asked, index.mean
        assert index.sync(iter(items)) == type(report)(rows=200)
        assert embedder.asked == before
        renamed = items[3].model_copy(update={"title": "Renamed", "tags": ()})
        changed = [*items[5:], renamed, Item(item_id="new", title="New", attributes={"mood": "calm"})]
        report = index.sync(changed)
        assert (report.rows, report.added, report.changed, report.removed, report.rebuilt) == (197, 1, 1, 4, "")
        assert embedder.asked == before + 2
        assert np.array_equal(mean, index.mean)
        assert (index.health().rows, index.health().reachable, index.health().ok) == (197, 197, True)
        assert [c.item_id for c in index.search(mean, 9, source="s", where=parse_where("mood=calm"))] == ["new"]
        with_tag = parse_where(f"title=renamed and tags={items[3].tags[0]}")
        assert index.search(mean, 9, source="s", where=with_tag) == []
        assert "i0000" not in {c.item_id for c in index.search(mean, 200, source="s")}
    with Index.open(tmp_path, embedder) as index:
        assert index.sync(changed).rebuilt == ""


@pytest.mark.parametrize("n", [0, 1, 2, 9, 10, 49, 51])
def test_small_catalogues_work(tmp_path: Path, n: int) -> None:
    items = catalogue(n)
    for _ in range(2):
        with Index.open(tmp_path, EMBEDDER) as index:
            index.sync(items)
            assert [c.item_id for c in index.search(asked(index), 100, source="s")] == brute_force(
                index, asked(index), 100, None, frozenset(), items
            )
            assert (index.health().rows, index.health().reachable) == (n, n)


def test_items_that_all_say_the_same_are_found(tmp_path: Path) -> None:
    with Index.open(tmp_path, EMBEDDER) as index:
        index.sync(Item(item_id=f"t{n}", title="Same") for n in range(20))
        assert len(index.search(EMBEDDER.queries(["x"])[0], 20, source="s")) == 20


def test_much_change_another_embedder_and_asking_rebuild(tmp_path: Path) -> None:
    with Index.open(tmp_path, EMBEDDER) as index:
        index.sync(catalogue(50))
        assert index.sync(catalogue(60)).rebuilt == "much of the catalogue has changed"
        assert index.sync(catalogue(60), rebuild=True).rebuilt == "asked for"
        assert index.sync([]).rows == 0
        assert index.sync(catalogue(60)).rows == 60
    with Index.open(tmp_path, HashEmbedder(name="other")) as index:
        with pytest.raises(StoreError, match=r"made with the embedder hash, not with other.*palate index"):
            index.search(np.ones(24), 3, source="s")
        assert index.sync(catalogue(60)).rebuilt.startswith("it was made with the embedder hash")
    folders = [path.name for path in (tmp_path / "index").iterdir() if path.is_dir()]
    assert len(folders) == 1


DAMAGES: dict[str, Callable[[Path], object]] = {
    "empty": lambda path: path.write_bytes(b""),
    "half": lambda path: path.write_bytes(path.read_bytes()[: path.stat().st_size // 2]),
    "garbage": lambda path: path.write_bytes(os.urandom(64) + path.read_bytes()[64:]),
    "garbage within": lambda path: path.write_bytes(path.read_bytes()[:-80] + os.urandom(64) + path.read_bytes()[-16:]),
    "deleted": lambda path: path.unlink(),
}


@pytest.fixture(scope="module")
def sound(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[str]]:
    """A closed folder with an index of 120 items, and the right answer to one question."""
    folder = tmp_path_factory.mktemp("sound")
    with Index.open(folder, EMBEDDER) as index:
        index.sync(ITEMS[:120])
        return folder, [c.item_id for c in index.search(asked(index), 120, source="s")]


@pytest.mark.parametrize("damage", DAMAGES)
def test_every_damaged_file_ends_in_a_rebuilt_index(sound: tuple[Path, list[str]], tmp_path: Path, damage: str) -> None:
    folder, answer = sound
    files = [path.relative_to(folder) for path in (folder / "index").rglob("*") if path.is_file()]
    assert {path.name for path in files} >= {"chroma.sqlite3", "data_level0.bin", "header.bin", "state.json"}
    for number, name in enumerate(files):
        if name.name in ("lock", "holder"):
            continue
        broken = tmp_path / str(number)
        shutil.copytree(folder, broken)
        DAMAGES[damage](broken / name)
        with Index.open(broken, EMBEDDER) as index:
            with pytest.raises(StoreError, match="palate index"):
                index.search(EMBEDDER.queries(["a question"])[0], 120, source="s")
            assert not index.health().ok
            assert index.sync(ITEMS[:120]).rebuilt, name
            assert [c.item_id for c in index.search(asked(index), 120, source="s")] == answer


def test_a_deleted_folder_is_rebuilt_and_a_sound_one_is_not(sound: tuple[Path, list[str]], tmp_path: Path) -> None:
    folder, answer = sound
    shutil.copytree(folder, tmp_path / "copy")
    for _ in range(2):
        with Index.open(tmp_path / "copy", EMBEDDER) as index:
            assert index.sync(ITEMS[:120]).rebuilt == ""
            assert [c.item_id for c in index.search(asked(index), 120, source="s")] == answer
    (graph,) = [path for path in (tmp_path / "copy" / "index").glob("palate-*/*") if path.is_dir()]
    shutil.rmtree(graph)
    with Index.open(tmp_path / "copy", EMBEDDER) as index:
        assert index.sync(ITEMS[:120]).rebuilt == "its files are damaged"
        assert [c.item_id for c in index.search(asked(index), 120, source="s")] == answer


HOLDER = """
import sys, time
from pathlib import Path
from agent.recall.index import Index
from tests.support.chroma_server import ChromaServer
from tests.support.vectors import HashEmbedder, catalogue
with Index.open(Path(sys.argv[1]), HashEmbedder()) as index:
    for n in range(40, 4000):
        index.sync(catalogue(n), progress=lambda done, of: print("writing", flush=True))
"""


def test_a_second_process_is_refused_at_once_and_a_killed_one_leaves_no_trace(tmp_path: Path) -> None:
    command = [sys.executable, "-c", HOLDER, str(tmp_path)]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "writing\n"
        begun = time.monotonic()
        with pytest.raises(StoreLocked, match=f"in use by process {holder.pid}"):
            Index.open(tmp_path, EMBEDDER)
        assert time.monotonic() - begun < 1
        for _ in range(40):
            holder.stdout.readline()
        holder.send_signal(signal.SIGKILL)
    with Index.open(tmp_path, EMBEDDER) as index:
        index.sync(ITEMS[:45])
        assert (index.health().rows, index.health().reachable) == (45, 45)
        found = [c.item_id for c in index.search(asked(index), 45, source="s")]
        assert found == brute_force(index, asked(index), 45, None, frozenset(), ITEMS[:45])


def test_the_lock_holds_within_one_process_and_ends_with_close(tmp_path: Path) -> None:
    first = Index.open(tmp_path, EMBEDDER)
    with pytest.raises(StoreLocked):
        Index.open(tmp_path, EMBEDDER)
    first.close()
    first.close()
    with pytest.raises(StoreError, match="closed"):
        first.search(np.ones(24), 1, source="s")
    Index.open(tmp_path, EMBEDDER).close()


def test_a_place_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    with pytest.raises(StoreError, match="cannot lock the index in"):
        Index.open(tmp_path / "file", EMBEDDER)


@pytest.fixture
def server(tmp_path: Path) -> Iterator[ChromaServer]:
    """A real Chroma server on a free port of this machine."""
    with ChromaServer(tmp_path / "server") as running:
        yield running


@pytest.mark.thorough
def test_a_server_serves_as_the_folder_does(server: ChromaServer, tmp_path: Path) -> None:
    items, chroma = ITEMS[:120], server.settings
    with Index.open(tmp_path, EMBEDDER, chroma=chroma) as index:
        assert index.sync(items).rebuilt == "there is none yet"
        index.sync(items, rebuild=True)
    with Index.open(tmp_path, EMBEDDER, chroma=chroma) as index:
        assert index.sync(items).rebuilt == ""
        where = parse_where("tags=comedy and year>=1960")
        for condition in (None, where):
            found = [c.item_id for c in index.search(asked(index), 30, source="s", where=condition)]
            assert found == brute_force(index, asked(index), 30, condition, frozenset(), items)
    with Index.open(tmp_path, EMBEDDER) as index:
        assert index.sync(items).rebuilt
    with Index.open(tmp_path, EMBEDDER, chroma=chroma) as index:
        assert index.sync(items).rebuilt


def test_a_server_out_of_reach_is_named_at_once(tmp_path: Path) -> None:
    begun = time.monotonic()
    with pytest.raises(StoreError, match=r"http://127.0.0.1:1 failed: .*See that the server runs"):
        Index.open(tmp_path, EMBEDDER, chroma=ChromaSettings(host="127.0.0.1", port=1))
    assert time.monotonic() - begun < 5
    Index.open(tmp_path, EMBEDDER).close()


def test_what_was_read_is_read_anew_once_it_has_changed(tmp_path: Path) -> None:
    with Index.open(tmp_path, EMBEDDER) as index:
        index.sync(ITEMS)
        before = index.vectors(["i0001", "i0002", "i0003"])
        index.sync([ITEMS[1].model_copy(update={"title": "Another"}), ITEMS[2], *ITEMS[4:]])
        after = index.vectors(["i0001", "i0002", "i0003"])
        assert after.keys() == {"i0001", "i0002"}
        assert not np.array_equal(after["i0001"], before["i0001"])
        assert np.array_equal(after["i0002"], before["i0002"])
        assert len(index.search(asked(index), 500, source="all")) == len(ITEMS) - 2
        assert index.health().ok
