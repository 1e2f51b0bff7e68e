"""Events of every known form into a data set folder: splits, candidates, hashes, and no answer given away."""

from __future__ import annotations

import gzip
import json
import random
from collections.abc import Iterable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from agent.catalogue import read_events, read_items
from agent.errors import CatalogueError, ConfigError
from agent.types import Event, EventKind, Item
from eval.building.acts import Acts, Recorder
from eval.building.build import Parting, build
from eval.building.draws import strangers
from eval.building.folder import Written, row_of, whole
from eval.building.leaks import refuse_leaks
from eval.building.questions import Wanted
from eval.building.sources import sources_of
from eval.building.splits import leave_last, temporal
from eval.cases import DataSet, item_from

TEMPORAL, LEAVE_LAST = Parting("temporal"), Parting("leave-last", last=2)
FEW = Wanted(history=5, candidates=6, seed=1)
Row = Mapping[str, object]


def lines(path: Path, rows: Iterable[Row]) -> Path:
    text = "".join(f"{json.dumps(row)}\n" for row in rows).encode()
    path.write_bytes(gzip.compress(text) if path.suffix == ".gz" else text)
    return path


def read(path: Path) -> list[dict[str, Any]]:
    raw = path.read_bytes()
    text = (gzip.decompress(raw) if path.suffix == ".gz" else raw).decode()
    return [json.loads(line) for line in text.splitlines()]


def made_up(users: int = 12, items: int = 40, seed: int = 7) -> list[dict[str, object]]:
    """Ratings of 1 to 5, each person's with times of their own; some people come only early or only late."""
    chance = random.Random(seed)
    rows = []
    for user in range(users):
        begins = chance.choice((0, 300, 900))
        for item in chance.sample(range(items), 12):
            at = 1_000 + begins + chance.randrange(400)
            rows.append({"user_id": f"u{user}", "item_id": f"i{item}", "value": chance.randint(1, 5), "at": at})
    return rows


def catalogue(items: int = 40) -> list[Row]:
    return [{"item_id": f"i{n}", "title": f"Film {n}", "tags": ["Drama"], "popularity": 999} for n in range(items)]


@pytest.fixture
def source(tmp_path: Path) -> Path:
    folder = tmp_path / "source"
    folder.mkdir()
    lines(folder / "items.jsonl", catalogue())
    lines(folder / "events.jsonl", made_up())
    return folder


# What must hold of every folder built


def test_a_temporal_split_has_one_cut_for_all(source: Path, tmp_path: Path) -> None:
    output = tmp_path / "built"
    built: Any = build(source, output, TEMPORAL, FEW)
    rows = made_up()
    times = sorted(int(str(row["at"])) for row in rows)
    assert built["cut"] == times[int(0.8 * len(times))]
    past = read(output / "events.jsonl.gz")
    assert len(past) == sum(at < built["cut"] for at in times) == built["counts"]["events"]
    assert built["counts"]["events_withheld"] == len(times) - len(past)
    assert [event["at"] for event in past] == sorted(event["at"] for event in past)
    for case in DataSet.open(output).cases():
        own = [row for row in rows if row["user_id"] == case.user_id]
        before = {row["item_id"] for row in own if int(str(row["at"])) < built["cut"]}
        after = {row["item_id"] for row in own} - before
        assert set(case.history) <= before
        assert set(case.relevant) <= after
        assert len(case.history) <= 5
        assert len(case.candidates) == 6
        assert not (set(case.candidates) - set(case.relevant)) & (before | after)


def test_the_last_of_each_person_are_foreseen(source: Path, tmp_path: Path) -> None:
    output = tmp_path / "built"
    built: Any = build(source, output, LEAVE_LAST, FEW)
    assert built["cut"] is None
    assert built["options"]["last"] == 2
    assert built["counts"]["cases"] == 12
    for case in DataSet.open(output).cases():
        own = sorted((r for r in made_up() if r["user_id"] == case.user_id), key=lambda row: int(str(row["at"])))
        assert list(case.relevant) == [row["item_id"] for row in own[-2:]]
        assert list(case.history) == [row["item_id"] for row in own[-7:-2]]


def test_equal_sources_and_seeds_give_equal_bytes(source: Path, tmp_path: Path) -> None:
    for name, seed in (("a", 1), ("b", 1), ("c", 2)):
        build(source, tmp_path / name, TEMPORAL, replace(FEW, seed=seed))
    names = {"items.jsonl", "cases.jsonl", "events.jsonl.gz", "built.json"}
    assert {path.name for path in (tmp_path / "a").iterdir()} == names
    for name in names:
        assert (tmp_path / "a" / name).read_bytes() == (tmp_path / "b" / name).read_bytes()
    assert (tmp_path / "a" / "cases.jsonl").read_bytes() != (tmp_path / "c" / "cases.jsonl").read_bytes()


def test_built_json_tells_every_file_and_its_hash(source: Path, tmp_path: Path) -> None:
    built = build(source, tmp_path / "built", TEMPORAL, FEW)
    told = json.loads((tmp_path / "built" / "built.json").read_text())
    assert told == built
    for file in told["files"]:
        assert Written.of(tmp_path / "built" / file["file"]).as_json() == file
    assert [file["file"] for file in told["source"]["files"]] == ["events.jsonl", "items.jsonl"]
    assert told["options"] == {"split": "temporal", "quantile": 0.8, "history": 5, "candidates": 6,
                               "min_rating": None, "limit_users": None, "seed": 1}  # fmt: skip
    assert str(tmp_path) not in (tmp_path / "built" / "built.json").read_text()


def test_popularity_counts_the_past_alone(source: Path, tmp_path: Path) -> None:
    build(source, tmp_path / "built", TEMPORAL, FEW)
    counted = {item["item_id"]: item["popularity"] for item in read(tmp_path / "built" / "items.jsonl")}
    past = [event["item_id"] for event in read(tmp_path / "built" / "events.jsonl.gz")]
    assert counted == {f"i{n}": past.count(f"i{n}") for n in range(40)}


def test_only_ratings_from_a_bound_on_count_as_liked(source: Path, tmp_path: Path) -> None:
    build(source, tmp_path / "built", LEAVE_LAST, replace(FEW, min_rating=4))
    worth = {(row["user_id"], row["item_id"]): int(str(row["value"])) for row in made_up()}
    for case in DataSet.open(tmp_path / "built").cases():
        assert all(worth[case.user_id, item_id] >= 4 for item_id in (*case.history, *case.relevant))


def test_the_whole_catalogue_needs_no_candidates(source: Path, tmp_path: Path) -> None:
    build(source, tmp_path / "built", LEAVE_LAST, replace(FEW, candidates=None))
    cases = read(tmp_path / "built" / "cases.jsonl")
    assert all(set(case) == {"case_id", "user_id", "history", "relevant"} for case in cases)


def test_people_are_drawn_by_the_seed(source: Path, tmp_path: Path) -> None:
    for seed in range(3):
        built: Any = build(source, tmp_path / str(seed), LEAVE_LAST, replace(FEW, limit_users=4, seed=seed))
        assert built["left_out"]["users"] == {"not among --limit-users": 8}
        assert built["counts"]["users"] == 12
    people = [tuple(case["user_id"] for case in read(tmp_path / str(seed) / "cases.jsonl")) for seed in range(3)]
    assert {len(drawn) for drawn in people} == {4}
    assert len(set(people)) > 1


# What counts as liked, newly met, and in time


def acts_of(*rows: tuple[str, str, EventKind, float | None, int]) -> Acts:
    recorder = Recorder({"a": 0, "b": 1, "c": 2, "d": 3})
    for user, item, kind, value, at in rows:
        recorder.add(Event.model_validate(dict(user_id=user, item_id=item, kind=kind, value=value, at=at)))
    return recorder.acts()


def test_liked() -> None:
    rate, review = EventKind.RATE, EventKind.REVIEW
    acts = acts_of(
        ("u", "a", rate, 3, 1), ("u", "b", rate, 4, 2), ("u", "c", EventKind.DISLIKE, None, 3),
        ("u", "d", EventKind.PURCHASE, None, 4), ("u", "a", EventKind.SKIP, None, 5), ("u", "b", review, None, 6),
        ("u", "c", EventKind.VIEW, 2, 7),
    )  # fmt: skip
    assert acts.liked(None).tolist() == [True, True, False, True, False, True, True]
    assert acts.liked(4).tolist() == [False, True, False, True, False, False, True]


def test_an_event_without_an_item_is_left_out() -> None:
    recorder = Recorder({})
    recorder.add(Event(user_id="u", kind=EventKind.SEARCH, text="something sad"))
    assert len(recorder.acts()) == 0
    assert recorder.left_out["names no item"] == 1


def test_ties_in_time_keep_the_order_of_the_file() -> None:
    view = EventKind.VIEW
    acts = acts_of(("u", "a", view, None, 5), ("v", "d", view, None, 5), ("u", "b", view, None, 5),
                   ("u", "c", view, None, 1), ("u", "d", view, None, 5))  # fmt: skip
    order, starts = acts.by_user()
    assert order.tolist() == [3, 0, 2, 4, 1]
    assert starts.tolist() == [0, 4, 5]
    assert leave_last(acts, 2).past.tolist() == [True, False, False, True, False]
    assert acts.in_time().tolist() == [3, 0, 1, 2, 4]
    split = temporal(acts, 0.8)
    assert (split.cut, split.past.tolist()) == (5_000_000, [False, False, False, True, False])
    with pytest.raises(ConfigError, match="is no share of the events"):
        temporal(acts, float("nan"))
    with pytest.raises(CatalogueError, match="nothing lies before the cut"):
        temporal(acts_of(("u", "a", view, None, 5), ("u", "b", view, None, 5)), 0.8)


def test_what_was_met_before_is_no_answer_and_the_newest_meeting_counts(tmp_path: Path) -> None:
    acts = [("a", 5, 1), ("b", 5, 2), ("a", 2, 3), ("c", 4, 4), ("b", 5, 5), ("d", 5, 6), ("e", 1, 7), ("e", 5, 8)]
    lines(tmp_path / "items.jsonl", [{"item_id": each, "title": each} for each in "abcdefgh"])
    rows = [{"user_id": "u", "item_id": item, "rating": value, "timestamp": at} for item, value, at in acts]
    lines(tmp_path / "log.jsonl", rows)
    build(tmp_path / "log.jsonl", tmp_path / "built", Parting("leave-last", last=4), Wanted(9, 5, min_rating=4))
    (case,) = read(tmp_path / "built" / "cases.jsonl")
    assert case["history"] == ["b", "c"]
    assert case["relevant"] == ["d", "e"]
    assert set(case["candidates"]) == {"d", "e", "f", "g", "h"}


def test_answers_beyond_half_of_the_candidates_are_counted(source: Path, tmp_path: Path) -> None:
    built: Any = build(source, tmp_path / "built", Parting("leave-last", last=5), replace(FEW, candidates=4))
    assert {len(case["relevant"]) for case in read(tmp_path / "built" / "cases.jsonl")} == {2}
    assert built["left_out"]["answers"] == {"beyond half of the candidates": 36}


def test_people_who_met_nearly_everything_have_no_case(source: Path, tmp_path: Path) -> None:
    seen = [{"user_id": "all", "item_id": f"i{n}", "value": 5, "at": 5_000 + n} for n in range(37)]
    lines(source / "events.jsonl", [*made_up(), *seen])
    built: Any = build(source, tmp_path / "built", LEAVE_LAST, FEW)
    assert built["left_out"]["users"] == {"too few items that they never met": 1}
    assert built["counts"]["cases"] == 12


def test_without_times_the_order_of_the_file_counts(tmp_path: Path) -> None:
    lines(tmp_path / "items.jsonl", catalogue(8))
    rows = "user_id,item_id\n" + "".join(f"u,i{n}\n" for n in (3, 1, 2, 0))
    (tmp_path / "log.csv").write_text(rows)
    built: Any = build(tmp_path / "log.csv", tmp_path / "built", Parting("leave-last", last=1), Wanted(9, 3))
    (case,) = read(tmp_path / "built" / "cases.jsonl")
    assert (case["history"], case["relevant"]) == (["i3", "i1", "i2"], ["i0"])
    assert built["source"]["dated"] is False
    assert [event["at"] for event in read(tmp_path / "built" / "events.jsonl.gz")] == [0, 1, 2]
    with pytest.raises(ConfigError, match="have no times"):
        build(tmp_path / "log.csv", tmp_path / "other", TEMPORAL, FEW)


def test_every_row_left_out_is_told(source: Path, tmp_path: Path) -> None:
    odd: list[Row] = [
        {"user_id": "u0", "item_id": "unknown", "value": 5, "at": 1},
        {"user_id": "u0", "item_id": "i1", "value": 5},
        {"user_id": "u0", "kind": "search", "at": 3},
        {"user_id": "u0", "item_id": "i1", "kind": "sneezed", "at": 3},
    ]
    lines(source / "events.jsonl", [*made_up(), *odd])
    lines(source / "items.jsonl", [*catalogue(), {"item_id": "untitled"}])
    built: Any = build(source, tmp_path / "built", TEMPORAL, FEW)
    left = built["left_out"]
    assert left["items"] == {"title is empty": 1}
    assert left["events"]["names an item that the catalogue does not hold"] == 1
    assert left["events"]["has no time"] == 1
    assert sum(left["events"].values()) == 4
    assert [file["file"] for file in built["files"]][3:] == ["refused-events.jsonl", "refused-items.jsonl"]
    assert built["counts"]["event_rows_read"] == len(made_up()) + 4


# Forms of sources


def test_movielens_1m(tmp_path: Path) -> None:
    (tmp_path / "movies.dat").write_bytes(
        b"".join(f"{n}::Film, The ({1990 + n})::Drama|War\n".encode() for n in range(1, 9))
    )
    ratings = [(user, film, 1 + film % 5, 100 * film + user) for user in (1, 2) for film in range(1, 6)]
    (tmp_path / "ratings.dat").write_text("".join("::".join(map(str, row)) + "\n" for row in ratings))
    for place, name in ((tmp_path, "a"), (tmp_path / "ratings.dat", "b")):
        built: Any = build(place, tmp_path / name, Parting("leave-last", last=1), Wanted(9, 4), form="movielens")
        assert [file["file"] for file in built["source"]["files"]] == ["ratings.dat", "movies.dat"]
    assert (tmp_path / "a" / "built.json").read_bytes() == (tmp_path / "b" / "built.json").read_bytes()
    first = read(tmp_path / "a" / "items.jsonl")[0]
    assert first == {"item_id": "1", "title": "The Film", "year": 1991, "tags": ["Drama", "War"], "popularity": 2}
    assert read(tmp_path / "a" / "cases.jsonl")[0]["relevant"] == ["5"]


def test_recbole(tmp_path: Path) -> None:
    names = "".join(f"{n}\tFilm {n}\tDrama War\n" for n in range(8))
    (tmp_path / "tiny.item").write_text("item_id:token\tmovie_title:token_seq\tclass:token_seq\n" + names)
    acts = "".join(f"{user}\t{item}\t5\t{item}\n" for user in "xy" for item in range(4))
    (tmp_path / "tiny.inter").write_text("user_id:token\titem_id:token\trating:float\ttimestamp:float\n" + acts)
    for place, name in ((tmp_path, "a"), (tmp_path / "tiny.inter", "b")):
        built: Any = build(place, tmp_path / name, Parting("leave-last", last=1), Wanted(9, 3))
        assert built["source"]["format"] == "recbole"
        assert built["counts"]["cases"] == 2
    assert read(tmp_path / "a" / "items.jsonl")[0]["tags"] == ["Drama", "War"]
    (tmp_path / "other.inter").write_text("user_id:token\titem_id:token\nx\t1\n")
    with pytest.raises(CatalogueError, match="has 2 \\.inter files"):
        sources_of(tmp_path, None)


@pytest.mark.parametrize("newer", [False, True])
def test_amazon(tmp_path: Path, newer: bool) -> None:
    names = ("user_id", "parent_asin", "rating", "timestamp") if newer else (
        "reviewerID", "asin", "overall", "unixReviewTime")  # fmt: skip
    acts = [
        dict(zip(names, (user, f"B{n}", 5.0, (1_600_000_000 + n) * (1000 if newer else 1)), strict=True))
        | {"reviewText" if not newer else "text": "words " * 9_000, "title": "Fine"}
        for user in ("A1", "A2")
        for n in range(4)
    ]
    lines(tmp_path / "Games_5.json.gz", acts)
    lines(tmp_path / "meta_Games.json.gz", [{names[1]: f"B{n}", "title": f"Game {n}"} for n in range(8)])
    built: Any = build(tmp_path, tmp_path / "out" / "built", Parting("leave-last", last=1), Wanted(9, 3))
    assert built["source"]["format"] == "amazon"
    assert built["left_out"]["events"] == {}
    assert [file["file"] for file in built["source"]["files"]] == ["Games_5.json.gz", "meta_Games.json.gz"]
    assert read(tmp_path / "out" / "built" / "events.jsonl.gz")[0]["at"] == 1_600_000_000


def test_items_may_lie_elsewhere(source: Path, tmp_path: Path) -> None:
    elsewhere = (source / "items.jsonl").rename(tmp_path / "films.jsonl")
    with pytest.raises(ConfigError, match="no one file of items lies beside"):
        sources_of(source, None)
    built: Any = build(source, tmp_path / "built", TEMPORAL, FEW, items=elsewhere)
    assert [file["file"] for file in built["source"]["files"]] == ["events.jsonl", "films.jsonl"]
    with pytest.raises(ConfigError, match="no file of items"):
        sources_of(source, tmp_path / "missing.jsonl")


@pytest.mark.parametrize("form", ["movielens", "recbole", "amazon"])
def test_a_form_that_the_source_has_not(source: Path, form: str) -> None:
    for place in (source, source / "events.jsonl"):
        with pytest.raises(CatalogueError, match=f"in the form {form}"):
            sources_of(place, None, form)


def test_ratings_without_their_films_are_events_like_any(source: Path) -> None:
    (source / "events.jsonl").unlink()
    (source / "u.data").write_text("u1\ti1\t5\t7\nu1\ti2\t5\t8\nu1\ti3\t5\t9\n")
    found = sources_of(source / "u.data", None)
    assert (found.form, found.items) == ("events", source / "items.jsonl")
    built: Any = build(source / "u.data", source / "built", Parting("leave-last"), FEW)
    assert built["counts"]["cases"] == 1
    assert sources_of(lines(source / "a.jsonl", [{"b": 1}]), None).form == "events"


def test_sources_that_are_nothing(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="no file or folder"):
        sources_of(tmp_path / "missing", None)
    with pytest.raises(ConfigError, match="no format 'netflix'"):
        sources_of(tmp_path, None, "netflix")
    with pytest.raises(CatalogueError, match="of a form known here"):
        sources_of(tmp_path, None)


def test_items_come_back_as_they_were(tmp_path: Path) -> None:
    row = {"item_id": "1", "label": "Heat", "title": "Heat", "year": 1995, "star": ["A", "B"], "platform": "tv"}
    lines(tmp_path / "items.jsonl", [row])
    (item,) = read_items(tmp_path / "items.jsonl")
    assert isinstance(item, Item)
    strange = item.model_copy(update={"attributes": {**item.attributes, "text": "not the plot", "kind": "film"}})
    for each in (item, strange):
        assert item_from(row_of(each, 3)) == each.model_copy(update={"popularity": 3.0})


# Nothing is left behind, nothing is given away


def test_bad_sources_leave_nothing_behind(source: Path, tmp_path: Path) -> None:
    before = set(tmp_path.rglob("*"))
    for wanted, parting, told in (
        (replace(FEW, min_rating=9), TEMPORAL, "nobody has both"),
        (FEW, Parting("leave-last", last=50), "nobody has both"),
        (replace(FEW, candidates=100), TEMPORAL, "holds no cases"),
    ):
        with pytest.raises(CatalogueError, match=told):
            build(source, tmp_path / "built", parting, wanted)
    (source / "events.jsonl").write_text('{"user": "u", "kind": "sneezed", "item_id": "i1"}\n')
    with pytest.raises(CatalogueError, match=r"no row of .* can be used"):
        build(source, tmp_path / "built", TEMPORAL, FEW)
    lines(source / "events.jsonl", [{"user": "u", "item_id": "unknown", "at": 1}])
    with pytest.raises(CatalogueError, match=r"no event of .* can be used"):
        build(source, tmp_path / "built", TEMPORAL, FEW)
    lines(source / "events.jsonl", [{"user": "u", "item_id": "i1", "kind": "view"}])
    with pytest.raises(ConfigError, match="no event has a rating"):
        build(source, tmp_path / "built", LEAVE_LAST, replace(FEW, min_rating=1))
    for name, told in (("events.jsonl", "no column for the user"), ("items.jsonl", "no column for the id")):
        lines(source / "events.jsonl", made_up())
        lines(source / name, [{"a": 1, "b": 2}])
        with pytest.raises(ConfigError, match=told):
            build(source, tmp_path / "built", TEMPORAL, FEW)
    assert set(tmp_path.rglob("*")) == before


@pytest.mark.thorough
def test_a_file_that_breaks_off_is_refused(source: Path, tmp_path: Path) -> None:
    packed = lines(source / "events.jsonl.gz", made_up(users=4_000))
    (source / "events.jsonl").unlink()
    packed.write_bytes(packed.read_bytes()[:-200])
    with pytest.raises(CatalogueError, match=r"the end of .* was not read"):
        build(source, tmp_path / "built", TEMPORAL, FEW)


def test_an_output_that_is_there_or_cannot_be(source: Path, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="is there already"):
        build(source, source, TEMPORAL, FEW)
    (tmp_path / "file").write_text("")
    with pytest.raises(ConfigError, match="cannot write"):
        build(source, tmp_path / "file" / "built", TEMPORAL, FEW)


def test_what_stops_half_way_leaves_nothing(tmp_path: Path) -> None:
    def _stopped() -> None:
        with whole(tmp_path / "built") as part:
            (part / "half").write_text("x")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        _stopped()
    assert not list(tmp_path.iterdir())


def broken(folder: Path, change: Mapping[str, object]) -> Path:
    """The same folder with its first case changed."""
    first, *rest = read(folder / "cases.jsonl")
    lines(folder / "cases.jsonl", [first | change, *rest])
    return folder


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (lambda case: {"history": [*case["history"], case["relevant"][0]]}, "gives its answer .* away"),
        (lambda case: {"relevant": [case["history"][0]], "history": []}, "had met before the split"),
        (lambda case: {"candidates": case["candidates"][:1], "relevant": case["relevant"][:1], "history": []}, "among"),
        (lambda case: {"candidates": [*case["candidates"], case["history"][0]]}, "has the candidate"),
        (
            lambda case: {"history": [next(i for i in case["candidates"] if i not in case["relevant"])]},
            "in the history",
        ),
    ],
)
def test_a_case_that_leaks_is_named(source: Path, tmp_path: Path, change: Any, told: str) -> None:
    build(source, tmp_path / "built", LEAVE_LAST, FEW)
    assert refuse_leaks(tmp_path / "built") == 12
    (first, *_) = read(tmp_path / "built" / "cases.jsonl")
    if told == "among":
        first["candidates"] = [i for i in first["candidates"] if i not in first["relevant"]]
    with pytest.raises(CatalogueError, match=f"the case '{first['case_id']}' .*{told}"):
        refuse_leaks(broken(tmp_path / "built", change(first)))


def test_an_event_after_the_cut_is_named(source: Path, tmp_path: Path) -> None:
    built: Any = build(source, tmp_path / "built", TEMPORAL, FEW)
    last = read(tmp_path / "built" / "events.jsonl.gz")[-1]
    assert refuse_leaks(tmp_path / "built", cut=built["cut"]) == built["counts"]["cases"]
    with pytest.raises(CatalogueError, match=f"the event of '{last['user_id']}' .* lies after the cut"):
        refuse_leaks(tmp_path / "built", cut=last["at"])


def test_strangers_are_drawn_alike_whatever_else_there_is() -> None:
    few = strangers("abcdef", {"a"}, 3, seed=1, user_id="u")
    assert len(set(few)) == 3
    assert "a" not in few
    more = strangers("fedcbaxyz", {"a"}, 9, seed=1, user_id="u")
    assert [each for each in more if each in few] == few
    assert strangers("ab", {"a"}, 3, seed=1, user_id="u") == ["b"]


def test_what_is_built_can_be_read_as_a_source_again(source: Path, tmp_path: Path) -> None:
    build(source, tmp_path / "built", TEMPORAL, FEW)
    events = [event for event in read_events(tmp_path / "built") if isinstance(event, Event)]
    assert len(events) == len(read(tmp_path / "built" / "events.jsonl.gz"))
    built: Any = build(tmp_path / "built", tmp_path / "again", LEAVE_LAST, FEW)
    assert built["source"]["format"] == "events"
