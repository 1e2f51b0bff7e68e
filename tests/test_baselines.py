"""Systems to be beaten: chance, popularity, the ceiling, EASE by hand, ALS on blocks that nobody could miss."""

import gzip
import json
import sys
from pathlib import Path

import numpy as np
import pytest
from scipy.sparse import csr_matrix

from agent.errors import ConfigError
from eval.baselines import USUAL, baselines, usual
from eval.baselines.ease import MAX_ITEMS, ease_weights
from eval.baselines.seeds import SEEDS, blended, interest_of, sigmoid, softmax, weighted_rating
from eval.cases import Case, DataSet
from eval.systems import Order

SEED = 7


def folder_of(path: Path, *, n: int, histories: dict[str, list[int]], popularity: bool = False) -> DataSet:
    """A data set of n items i0, i1, ..., one case, and who met what."""
    rows = [{"item_id": f"i{k}", "title": f"T{k}"} | ({"popularity": n - k} if popularity else {}) for k in range(n)]
    (path / "items.jsonl").write_text("".join(f"{json.dumps(row)}\n" for row in rows))
    (path / "cases.jsonl").write_text('{"case_id": "c", "user_id": "u", "relevant": ["i1"]}\n')
    if histories:
        with gzip.open(path / "events.jsonl.gz", "wt") as file:
            for user, items in histories.items():
                for at, k in enumerate(items):
                    event = {"user_id": user, "item_id": f"i{k}", "kind": "rate", "value": 5, "at": at}
                    file.write(f"{json.dumps(event)}\n")
    return DataSet.open(path, ())


def case(user: str = "u", **fields: object) -> Case:
    return Case.model_validate({"case_id": "c", "user_id": user, "relevant": ["i1"], **fields})


def order_of(dataset: DataSet, name: str, task: str, asked: Case) -> Order:
    (system,) = baselines([name], dataset, task, SEED)
    assert system.name == name
    return system.order(asked, None)


TWO_KINDS = {f"a{k}": [0, 1, 2] for k in range(6)} | {f"b{k}": [3, 4, 5] for k in range(6)} | {"u": [0], "v": [3, 4]}


def test_ease_is_as_worked_by_hand() -> None:
    """X'X + I = [[3, 1], [1, 2]], its inverse [[2, -1], [-1, 3]] / 5; columns over -2/5 and -3/5."""
    weights = ease_weights(csr_matrix(np.array([[1, 1], [1, 0]], dtype=np.float32)), penalty=1)
    np.testing.assert_allclose(weights, [[0, 1 / 3], [1 / 2, 0]], rtol=1e-6)


def test_ease_refuses_a_catalogue_that_fills_the_memory() -> None:
    with pytest.raises(ConfigError, match="too many"):
        ease_weights(csr_matrix((1, MAX_ITEMS + 1), dtype=np.float32))


@pytest.mark.parametrize("name", ["als", "ease"])
def test_what_learns_finds_what_others_met_together(tmp_path: Path, name: str) -> None:
    dataset = folder_of(tmp_path, n=6, histories=TWO_KINDS)
    found = order_of(dataset, name, "recommend", case("u"))
    assert set(found[:2]) == {"i1", "i2"}
    assert set(found) == {"i1", "i2", "i3", "i4", "i5"}
    assert order_of(dataset, name, "recommend", case("v"))[0] == "i5"
    assert found == order_of(dataset, name, "recommend", case("u"))


@pytest.mark.parametrize("name", ["als", "ease"])
def test_what_learns_takes_the_history_of_somebody_new(tmp_path: Path, name: str) -> None:
    dataset = folder_of(tmp_path, n=6, histories=TWO_KINDS)
    asked = case("new", history=["i3"], candidates=["i1", "i4", "i2"])
    assert order_of(dataset, name, "rank", asked)[0] == "i4"
    assert order_of(dataset, name, "recommend", case("nobody"))[0] in {"i0", "i3", "i4"}


def test_popularity_counts_people_and_excludes_what_was_met(tmp_path: Path) -> None:
    dataset = folder_of(tmp_path, n=4, histories={"u": [0, 0, 0], "v": [1, 2], "w": [2]})
    assert order_of(dataset, "popularity", "recommend", case("u"))[:2] == ("i2", "i1")
    assert order_of(dataset, "popularity", "converse", case("x", mentioned=["i2"]))[0] in {"i0", "i1"}
    asked = case("u", history=[], candidates=["i3", "i1", "i2"])
    assert order_of(dataset, "popularity", "rank", asked) == ("i2", "i1", "i3")


def test_popularity_of_the_items_stands_in(tmp_path: Path) -> None:
    dataset = folder_of(tmp_path, n=4, histories={}, popularity=True)
    (system,) = baselines(["popularity"], dataset, "recommend", SEED)
    assert system.order(case(), None) == ("i0", "i1", "i2", "i3")
    assert system.kind == "baseline"


def test_popularity_is_left_out_where_nothing_tells_it(tmp_path: Path) -> None:
    dataset = folder_of(tmp_path, n=4, histories={})
    assert [s.name for s in baselines(["random", "popularity"], dataset, "rank", SEED)] == ["random"]


def test_chance_and_ceiling(tmp_path: Path) -> None:
    dataset = folder_of(tmp_path, n=150, histories={"u": [0, 3]})
    drawn = order_of(dataset, "random", "recommend", case("u"))
    assert len(drawn) == len(set(drawn)) == 100
    assert not {"i0", "i3"} & set(drawn)
    assert drawn == order_of(dataset, "random", "recommend", case("u"))
    asked = case(candidates=["i2", "i1"], history=[])
    assert set(order_of(dataset, "random", "rank", asked)) == {"i1", "i2"}
    assert order_of(dataset, "oracle", "rank", asked) == ("i1", "i2")
    assert order_of(dataset, "oracle", "recommend", asked) == ("i1",)


def test_the_ceiling_leaves_out_what_no_answer_may_hold(tmp_path: Path) -> None:
    dataset = folder_of(tmp_path, n=6, histories={"u": [1]})
    asked = case("u", relevant=["i1", "i2"], history=["i2"], candidates=["i1", "i2", "i3"])
    assert order_of(dataset, "oracle", "recommend", asked) == ("i2",)
    assert order_of(dataset, "oracle", "rank", asked) == ("i1", "i2", "i3")
    said = case("new", relevant=["i1", "i2", "i4"], history=["i2"], mentioned=["i4"])
    assert order_of(dataset, "oracle", "recommend", said) == ("i1", "i4")
    assert order_of(dataset, "oracle", "converse", said) == ("i1",)
    assert order_of(dataset, "oracle", "converse", case("new", mentioned=["i1"])) == ()


def test_names_are_checked_and_the_usual_ones_fit_the_data(tmp_path: Path) -> None:
    dataset = folder_of(tmp_path, n=3, histories={})
    with pytest.raises(ConfigError, match="there is no baseline 'nonsense'"):
        baselines(["nonsense"], dataset, "rank", SEED)
    with pytest.raises(ConfigError, match="als learns from what people did"):
        baselines(["als"], dataset, "rank", SEED)
    assert usual(dataset) == ("random", "popularity", "recall-only", "oracle")
    assert baselines(["random", "recall-only"], dataset, "explain", SEED) == ()
    assert baselines(["recall-only"], dataset, "rank", SEED) == ()


def test_all_are_usual_where_there_are_events(tmp_path: Path) -> None:
    assert usual(folder_of(tmp_path, n=3, histories={"u": [0]})) == USUAL


def test_als_without_its_library_says_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "implicit", None)
    with pytest.raises(ConfigError, match=r"needs implicit, .*palate\[eval\]"):
        baselines(["als"], folder_of(tmp_path, n=3, histories={"u": [0]}), "rank", SEED)


def test_seed_models_are_as_worked_by_hand() -> None:
    """Ratings 5 of an item tagged x, 2 of one tagged y: mean 3.5; x (5 + 17.5) / 6, y (2 + 17.5) / 6, less the mean."""
    tags = np.array([[1.0, 0.0], [0.0, 1.0], [0.5, 0.5]])
    interest = interest_of(tags, np.array([0, 1]), np.array([5.0, 2.0]))
    np.testing.assert_allclose(interest, [0.25, -0.25])
    np.testing.assert_allclose(weighted_rating(interest, tags), [0.25, -0.25, 0.0])
    chances = np.exp(interest) / np.exp(interest).sum()
    np.testing.assert_allclose(softmax(interest, tags), [chances[0], chances[1], 0.5])
    assert sigmoid(interest, tags) == pytest.approx([1 / (1 + np.exp(-(0.5**0.5))), 1 / (1 + np.exp(0.5**0.5)), 0.5])
    assert list(np.argsort(-blended(interest, tags))) == [0, 2, 1]


@pytest.mark.parametrize("name", SEEDS)
def test_seed_models_put_what_the_person_rates_well_first(tmp_path: Path, name: str) -> None:
    tags = ["x", "y", "x", "y", "z"]
    rows = [{"item_id": f"i{k}", "title": f"T{k}", "tags": [tag]} for k, tag in enumerate(tags)]
    (tmp_path / "items.jsonl").write_text("".join(f"{json.dumps(row)}\n" for row in rows))
    (tmp_path / "cases.jsonl").write_text('{"case_id": "c", "user_id": "u", "relevant": ["i2"]}\n')
    with gzip.open(tmp_path / "events.jsonl.gz", "wt") as file:
        for at, (k, value) in enumerate([(0, 5), (1, 1)]):
            event = {"user_id": "u", "item_id": f"i{k}", "kind": "rate", "value": value, "at": at}
            file.write(f"{json.dumps(event)}\n")
    dataset = DataSet.open(tmp_path, ())
    assert name not in usual(dataset)
    assert order_of(dataset, name, "recommend", case())[0] == "i2"
    assert order_of(dataset, name, "rank", case(candidates=["i3", "i2"])) == ("i2", "i3")


def test_what_was_bought_without_a_rating_tells_nothing_against_its_tags(tmp_path: Path) -> None:
    rows = [{"item_id": f"i{k}", "title": f"T{k}", "tags": [tag]} for k, tag in enumerate("xyzxyz")]
    (tmp_path / "items.jsonl").write_text("".join(f"{json.dumps(row)}\n" for row in rows))
    (tmp_path / "cases.jsonl").write_text('{"case_id": "c", "user_id": "u", "relevant": ["i3"]}\n')
    acts = [{"item_id": "i0", "kind": "purchase"}, *({"item_id": f"i{k}", "kind": "rate", "value": k} for k in (1, 2))]
    with gzip.open(tmp_path / "events.jsonl.gz", "wt") as file:
        file.writelines(f"{json.dumps({**act, 'user_id': 'u', 'at': at})}\n" for at, act in enumerate(acts))
    order = order_of(DataSet.open(tmp_path, ()), "interest", "rank", case(candidates=["i3", "i4", "i5"]))
    assert order == ("i5", "i3", "i4"), "z was rated 2, x not at all, y 1: x lies at the mean"
