"""Rows held in memory answer as comparing every row does, and a copy that cannot be read is none."""

from pathlib import Path

import numpy as np
import pytest

from agent.recall.held import Held
from agent.recall.index import Index
from agent.recall.nearest import nearest
from tests.support.vectors import HashEmbedder, catalogue

EMBEDDER = HashEmbedder()
ITEMS = catalogue(300)
RNG = np.random.default_rng(3)
ROWS = RNG.normal(size=(500, 16)).astype(np.float32)
ROWS[100:140] = ROWS[99] * 3.0  # all of one direction: they tie
IDS = [f"i{n:03}" for n in range(len(ROWS))]


def test_the_nearest_are_those_of_comparing_every_row_and_all_that_tie_with_the_last() -> None:
    held, question = Held(IDS, ROWS), ROWS[99] + 0.01 * RNG.normal(size=16).astype(np.float32)
    exact = (ROWS @ question) / np.linalg.norm(ROWS, axis=1) / np.linalg.norm(question)
    hits = held.nearest(question, 10)
    assert {hit.item_id for hit in hits} == {f"i{n:03}" for n in range(99, 140)}
    assert all(hit.score == pytest.approx(exact[IDS.index(hit.item_id)], abs=1e-6) for hit in hits)
    assert len(held.nearest(question, 1_000)) == len(IDS)
    assert Held().with_rows(IDS[:3], ROWS[:3]).nearest(question, 3)


def test_rows_come_and_go_and_the_older_one_stays_as_it_was() -> None:
    held = Held(IDS[:10], ROWS[:10])
    more, fewer = held.with_rows(IDS[10:12], ROWS[10:12]), held.without({"i003", "nobody"})
    assert (len(held), len(more), len(fewer)) == (10, 12, 9)
    assert (more.vectors(["i011", "nobody"])["i011"] == ROWS[11]).all()
    assert fewer.vectors(["i003"]) == {}


def test_a_copy_is_read_as_it_was_written_and_a_damaged_one_is_none(tmp_path: Path) -> None:
    path = tmp_path / "rows.npz"
    assert Held.load(path) is None
    Held(IDS, ROWS).save(path)
    found = Held.load(path)
    assert found is not None
    assert found.nearest(ROWS[7], 5) == Held(IDS, ROWS).nearest(ROWS[7], 5)
    path.write_bytes(path.read_bytes()[:1_000])
    assert Held.load(path) is None
    path.write_bytes(b"")
    assert Held.load(path) is None


def test_an_index_holds_its_rows_through_changes_and_openings_and_finds_what_the_graph_finds(tmp_path: Path) -> None:
    question = EMBEDDER.queries(["a question"])[0]
    with Index.open(tmp_path, EMBEDDER) as index:
        index.sync(ITEMS[:290])
        index.sync(ITEMS[5:])
        before = index.search(index.centre(question), 20, source="x")
    with Index.open(tmp_path, EMBEDDER) as index:
        assert not index.sync(ITEMS[5:]).rebuilt
        vector = index.centre(question)
        assert index.search(vector, 20, source="x") == before
        assert set(index.through_graph(vector, 20)) == {c.item_id for c in before}


def test_without_its_copy_an_index_is_searched_through_the_graph() -> None:
    class Graph:
        asked = 0

        def count(self) -> int:
            return 1_000

        def nearest_held(self, vector: object, n: int) -> None:
            return None

        def nearest(self, vector: np.ndarray, n: int) -> list:
            self.asked += 1
            return Held(IDS, ROWS).nearest(vector, n)

    graph = Graph()
    found = nearest(graph, ROWS[0], 5, where=None, exclude=(), pushdown_max_rows=0)  # type: ignore[arg-type]
    assert (len(found), graph.asked) == (5, 1)
