from __future__ import annotations

import gzip
import itertools
import json
import math
import shutil
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import special

from agent.errors import CatalogueError
from eval.beyond import (
    CALIBRATION,
    COVERAGE,
    FORMULAS,
    GINI,
    NOVELTY,
    POPULARITY,
    TAG_DIVERSITY,
    VECTOR_DIVERSITY,
    Missing,
    Shelf,
    beyond,
    calibration,
    coverage,
    gini,
    mean_of,
    tag_diversity,
    vector_diversity,
)
from eval.cases import EVENTS, DataSet
from eval.popularity import shelf_of
from eval.statistics import Estimate
from tests.support.fake_ranker import FILMS

TAGS = {"a": ("Drama",), "b": ("Drama", "Crime"), "c": ("Comedy",), "d": (), "e": ("Comedy", "Drama")}
KNOWN = {"a": 7.0, "b": 3.0, "c": 0.0, "d": 1.0, "e": 0.0}


def value_of(figure: Estimate | Missing) -> float:
    assert isinstance(figure, Estimate)
    return figure.value


def test_coverage_counts_each_item_shown_once() -> None:
    assert coverage([["a", "b"], ["b"], ["c"]], TAGS) == 3 / 5
    assert coverage([], TAGS) is None
    assert coverage([["a"]], {}) is None


def test_gini_of_exposure_by_hand() -> None:
    # shown 0 0 0 1 3 times of n = 5: (1 * 2 + 3 * 4) / (5 * 4)
    assert gini([["a"], ["a"], ["a", "b"]], TAGS) == pytest.approx(14 / 20)
    assert gini([list(TAGS)] * 3, TAGS) == pytest.approx(0)
    assert gini([["a"]], TAGS) == pytest.approx(4 / 5), "one item takes all: 1 - 1 / n"
    assert gini([], TAGS) is None


@settings(deadline=None)
@given(st.lists(st.lists(st.sampled_from("abcde"), unique=True, min_size=1), min_size=1, max_size=8))
def test_gini_is_half_the_relative_mean_difference(lists: list[list[str]]) -> None:
    times = [sum(item in items for items in lists) for item in TAGS]
    apart = sum(abs(one - other) for one, other in itertools.product(times, times))
    assert gini(lists, TAGS) == pytest.approx(apart / (2 * 5 * sum(times)))


def test_novelty_is_the_surprise_of_meeting_an_item() -> None:
    shelf = Shelf(TAGS, KNOWN)
    # 11 events over 5 items, each one up: a has 8 of 16, c has 1 of 16
    assert shelf.surprise["a"] == pytest.approx(1)
    assert shelf.surprise["c"] == pytest.approx(4)
    assert mean_of(["a", "c"], shelf.surprise) == pytest.approx(2.5)
    assert sum(2**-bits for bits in shelf.surprise.values()) == pytest.approx(1)
    assert mean_of(["a", "b", "nobody"], KNOWN) == 5
    assert mean_of(["nobody"], KNOWN) is None


def test_diversity_of_tags_by_hand() -> None:
    # a-b share 1 of 2, a-e 1 of 2, b-e 1 of 3; d has no tags
    assert tag_diversity(["a", "b", "d", "e"], TAGS) == pytest.approx((1 / 2 + 1 / 2 + 2 / 3) / 3)
    assert tag_diversity(["a", "c"], TAGS) == 1
    assert tag_diversity(["a", "d"], TAGS) is None
    assert tag_diversity([], TAGS) is None


def test_diversity_of_vectors_agrees_with_every_pair() -> None:
    rng = np.random.default_rng(1)
    vectors = {item: rng.normal(size=6).tolist() for item in "abc"} | {"zero": [0.0] * 6}
    pairs = [
        1 - np.dot(vectors[one], vectors[other]) / np.linalg.norm(vectors[one]) / np.linalg.norm(vectors[other])
        for one, other in itertools.combinations("abc", 2)
    ]
    assert vector_diversity(["a", "b", "zero", "c", "nobody"], vectors) == pytest.approx(float(np.mean(pairs)))
    assert vector_diversity(["a", "zero"], vectors) is None
    assert vector_diversity(["a", "b"], {"a": [1.0, 0.0], "b": [-2.0, 0.0]}) == pytest.approx(2)


def test_calibration_by_hand() -> None:
    # history a, b: Drama 3/4, Crime 1/4; list c: Comedy 1: both smoothed q are .01 p
    assert calibration(["c"], ["a", "b"], TAGS) == pytest.approx(-math.log(0.01))
    assert calibration(["b", "a"], ["a", "b"], TAGS) == pytest.approx(0, abs=1e-12)
    half = 0.75 * math.log(0.75 / (0.99 * 0.5 + 0.01 * 0.75)) + 0.25 * math.log(0.25 / (0.99 * 0.5 + 0.01 * 0.25))
    assert calibration(["b"], ["a", "b"], TAGS) == pytest.approx(half)
    assert calibration(["d"], ["a"], TAGS) is calibration(["a"], ["d"], TAGS) is calibration(["a"], [], TAGS) is None


@settings(deadline=None)
@given(st.lists(st.sampled_from("abce"), min_size=1), st.lists(st.sampled_from("abce"), min_size=1))
def test_calibration_agrees_with_scipys_relative_entropy(items: list[str], history: list[str]) -> None:
    def mix(ids: list[str]) -> np.ndarray:
        rows = [[(tag in TAGS[i]) / len(TAGS[i]) for tag in ("Drama", "Crime", "Comedy")] for i in ids]
        return np.mean(rows, axis=0)

    p, q = mix(history), mix(items)
    expected = float(special.rel_entr(p, 0.99 * q + 0.01 * p).sum())
    assert calibration(items, history, TAGS) == pytest.approx(expected, abs=1e-9)


def test_the_figures_of_a_system() -> None:
    orders = {"q1": ("a", "b", "c"), "q2": ("a", "e"), "q3": ()}
    histories = {"q1": ("a",), "q2": ("d",), "q3": ("a",)}
    found = beyond(orders, histories, Shelf(TAGS, KNOWN, "events"), users={"q1": "u", "q2": "v", "q3": "w"}, k=2)
    assert set(found) == {COVERAGE, GINI, NOVELTY, POPULARITY, TAG_DIVERSITY, CALIBRATION}
    assert found[COVERAGE] == Estimate(3 / 5, None, None, 2)
    assert value_of(found[POPULARITY]) == pytest.approx(((7 + 3) / 2 + (7 + 0) / 2) / 2)
    for name, n in ((POPULARITY, 2), (NOVELTY, 2), (TAG_DIVERSITY, 2), (CALIBRATION, 1)):
        figure = found[name]
        assert isinstance(figure, Estimate)
        assert figure.n == n, "a case without an order, or without tags in its history, has no value"
    assert set(found) <= set(FORMULAS)


def test_only_the_first_k_places_of_the_catalogue_count() -> None:
    orders = {"q": ("nobody", "a", "a", "c")}
    found = beyond(orders, {}, Shelf(TAGS), users={}, k=3)
    assert value_of(found[COVERAGE]) == 1 / 5


def test_cases_of_one_user_widen_the_interval() -> None:
    orders = {f"q{n}": ("a",) if n % 8 < 4 else ("b",) for n in range(32)}
    shelf = Shelf(TAGS, KNOWN)
    apart = beyond(orders, {}, shelf, users={case: case for case in orders})[POPULARITY]
    together = beyond(orders, {}, shelf, users={case: int(case[1:]) // 4 for case in orders})[POPULARITY]
    assert isinstance(apart, Estimate)
    assert isinstance(together, Estimate)
    assert together.high is not None
    assert apart.high is not None
    assert together.value == apart.value
    assert together.high > apart.high


def test_what_cannot_be_given_says_why() -> None:
    found = beyond({"q": ("d",)}, {"q": ("d",)}, Shelf(TAGS, source="no events"), users={})
    assert found[NOVELTY] == found[POPULARITY] == Missing("no events")
    assert found[TAG_DIVERSITY] == Missing("no case shows two items with tags")
    assert found[CALIBRATION] == Missing("no case has tags both in its history and among the items shown")
    nothing = beyond({"q": ()}, {}, Shelf(TAGS, KNOWN, vectors={"a": (1.0,)}), users={})
    assert nothing[COVERAGE] == nothing[GINI] == Missing("nothing was shown")
    assert nothing[NOVELTY] == Missing("nothing that was shown has a value")
    assert nothing[VECTOR_DIVERSITY] == Missing("no case shows two items with vectors")


def test_vectors_passed_in_give_a_figure_of_their_own() -> None:
    shelf = Shelf(TAGS, vectors={"a": (1.0, 0.0), "b": (0.0, 1.0)})
    found = beyond({"q": ("a", "b")}, {}, shelf, users={})
    assert value_of(found[VECTOR_DIVERSITY]) == pytest.approx(1)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return Path(shutil.copytree(FILMS, tmp_path / "films"))


def without_popularity(folder: Path) -> None:
    rows = [json.loads(line) for line in (folder / "items.jsonl").read_text().splitlines()]
    lines = (json.dumps({key: value for key, value in row.items() if key != "popularity"}) for row in rows)
    (folder / "items.jsonl").write_text("".join(f"{line}\n" for line in lines))


def write_events(folder: Path, *lines: str) -> None:
    with gzip.open(folder / EVENTS, "wt", encoding="utf-8") as file:
        file.write("".join(f"{line}\n" for line in lines))


def test_popularity_is_counted_from_events(folder: Path) -> None:
    met = [("u", "f1"), ("v", "f1"), ("u", "f1"), ("u", "f3"), ("u", "somewhere else")]
    rows = ({"user_id": user, "item_id": item, "at": n} for n, (user, item) in enumerate(met))
    write_events(folder, *map(json.dumps, rows), "")
    shelf = shelf_of(DataSet.open(folder))
    assert (shelf.popularity["f1"], shelf.popularity["f3"], shelf.popularity["f2"]) == (2, 1, 0), "people, not events"
    assert set(shelf.popularity) == set(shelf.tags)
    assert shelf.source == "how many people met it, by events.jsonl.gz"


def test_popularity_falls_back_on_what_items_carry_and_else_is_not_known(folder: Path) -> None:
    shelf = shelf_of(DataSet.open(folder))
    assert shelf.popularity == {"f9": 120, "f10": 80}
    assert shelf.source == f"the items' own popularity, known of 2 of {len(shelf.tags)}"
    without_popularity(folder)
    assert shelf_of(DataSet.open(folder)).popularity == {}
    assert "neither" in shelf_of(DataSet.open(folder)).source


def test_bad_events_name_file_and_line(folder: Path) -> None:
    write_events(folder, '{"user_id": "u", "item_id": "f1", "at": 1}', "{broken")
    with pytest.raises(CatalogueError, match=r"events\.jsonl\.gz, line 2: is not JSON"):
        shelf_of(DataSet.open(folder))


def test_damaged_events_are_refused(folder: Path) -> None:
    write_events(folder, *('{"user_id": "u", "item_id": "f1", "at": 1}' for _ in range(100)))
    whole = (folder / EVENTS).read_bytes()
    (folder / EVENTS).write_bytes(whole[: len(whole) // 2])
    with pytest.raises(CatalogueError, match="cannot unpack"):
        shelf_of(DataSet.open(folder))
    (folder / EVENTS).write_bytes(b"not packed at all")
    with pytest.raises(CatalogueError, match="cannot read"):
        shelf_of(DataSet.open(folder))
