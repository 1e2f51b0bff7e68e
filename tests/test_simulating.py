"""Seekers who never name what they seek, their dialogues, and the figures that come of them."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from typer import Typer
from typer.testing import CliRunner, Result

from agent.errors import ConfigError, ModelUnavailable
from agent.settings import Settings
from agent.slate.making import unranked
from agent.types import Degradation, Item, Slate
from eval.cases import Case, DataSet
from eval.commands import app as eval_app
from eval.runs import Told, Watch
from eval.simulating.command import simulate_with
from eval.simulating.dialogue import (
    ANSWER_KNOWN,
    NOTHING_TO_SAY,
    Quest,
    Talk,
    converse,
    popularity_turn,
    quests,
    random_turn,
    turn_of,
)
from eval.simulating.facets import Facet, facets_of
from eval.simulating.guide import OpenedGuide
from eval.simulating.leaks import Secret, kinds_of
from eval.simulating.play import play, popular_order
from eval.simulating.report import PALATE, POPULARITY, RANDOM, Found, report
from eval.simulating.seeker import Seeker
from eval.statistics import rate
from tests.support.fake_ranker import FILMS

TALK = Talk(turns=3, k=2, language="en", seed=7)
WORDS = ("star", "horror", "night", "letters", "wasps", "moon", "the", "of", "robot", "茶馆", "之夜", "2001")


def film(item_id: str, title: str, *tags: str, year: int | None = None, text: str = "", **attributes: object) -> Item:
    stated = {} if year is None else {"year": year}
    return Item.model_validate(
        {"item_id": item_id, "title": title, "tags": tags, "text": text, "attributes": {**stated, **attributes}}
    )


SHELF = {
    item.item_id: item
    for item in (
        film("a", "The Lantern Keeper", "Drama", year=1991, text="An old keeper lights lamps over a drowned harbour."),
        film("b", "Salt and Thunder", "Adventure", "Drama", year=1994, director=("Ines Vale",)),
        film("c", "Horror Night", "Horror", year=2001),
        film("d", "Robot Picnic", "Comedy", "Horror", year=2004, cast="Lea Moss, Otto Brandt"),
        film("e", "Starhold", "Comedy", year=2013),
        film("f", "E", text=""),
    )
}
KINDS = kinds_of(SHELF.values())


class Shelf:
    """A guide that shows items in their order, none of them twice, and keeps all it hears."""

    def __init__(
        self,
        ids: Sequence[str] = tuple(SHELF),
        items: Mapping[str, Item] = SHELF,
        *,
        fails_at: int = 99,
        empty: bool = False,
    ) -> None:
        self.ids, self.items, self.fails_at, self.empty = ids, items, fails_at, empty
        self.met: dict[str, list[str]] = {}
        self.wishes: list[str] = []
        self.heard: list[tuple[str, list[str]]] = []

    def meet(self, user_id: str, liked: Sequence[Item]) -> None:
        self.met[user_id] = [item.item_id for item in liked]
        self.seen = set(self.met[user_id])

    def show(self, user_id: str, wish: str, k: int) -> Slate:
        self.wishes.append(wish)
        if len(self.wishes) == self.fails_at:
            raise ModelUnavailable("the guide is lost", "Ask another")
        left = [i for i in self.ids if i not in self.seen]
        slate = unranked(user_id, [] if self.empty else [self.items[i] for i in left[:k]], wish)
        return slate.model_copy(update={"degraded": (Degradation(stage="rerank", reason="tired"),)})

    def hear(self, user_id: str, rejected: Item, seen: Sequence[Item]) -> None:
        self.heard.append((rejected.item_id, [item.item_id for item in seen]))
        self.seen |= {rejected.item_id, *(item.item_id for item in seen)}


def quest(target: str, *, history: Sequence[str] = (), talk: Talk = TALK) -> Quest:
    case = Case(case_id=f"case-{target}", user_id="u", relevant=(target,), history=tuple(history))
    found = next(quests([case], SHELF, talk))
    assert isinstance(found, Quest)
    return found


# What gives an item away


@pytest.mark.parametrize(
    ("title", "said", "leaks"),
    [
        ("The Lantern Keeper", "a drama about harbours", False),
        ("The Lantern Keeper", "about the keeper", True),
        ("The Lantern Keeper", "many LANTERNS", True),
        ("The Lantern Keeper", "a keeper's tale", True),
        ("The Lantern Keeper", "something called thelanternkeeper", True),
        ("Amélie", "a film like Amelie", True),
        ("Horror Night", "a horror film", False),
        ("Horror Night", "a night of fear", True),
        ("Horror Drama", "a drama, a horror film", False),
        ("Horror Drama", "a horror drama", True),
        ("Drama", "a drama", True),
        ("M", "directed by m", True),
        ("M", "murder in the city", False),
        ("2001: A Space Odyssey", "from the 2000s", False),
        ("2001: A Space Odyssey", "from 2001", True),
        ("Up", "going up", True),
        ("Star Wars (a.k.a. Episode IV)", "the fourth episode", True),
        ("茶馆之夜", "茶馆里的故事", True),
        ("茶馆之夜", "剧情，一座老房子", False),
        ("!!!", "loud", False),
    ],
)
def test_the_title_and_its_telling_pieces_are_secret(title: str, said: str, leaks: bool) -> None:
    secret = Secret.of(Item(item_id="x", title=title), KINDS)
    assert (secret.given_away(said) is not None) is leaks


def test_only_tags_that_several_items_have_name_a_kind() -> None:
    assert {"drama", "horror", "comedy"} == KINDS


@given(
    title=st.lists(st.sampled_from(WORDS), min_size=1, max_size=4).map(" ".join),
    tags=st.lists(st.sampled_from(("Horror", "Star", "Drama", "Night Letters")), max_size=3, unique=True),
    text=st.lists(st.sampled_from(WORDS), max_size=8).map(" ".join),
    year=st.one_of(st.none(), st.integers(1900, 2030)),
    turn=st.integers(1, 9),
    language=st.sampled_from(("en", "zh")),
)
def test_no_wish_of_any_turn_gives_the_item_away(
    title: str, tags: list[str], text: str, year: int | None, turn: int, language: str
) -> None:
    item = film("x", title, *tags, year=year, text=text, director=("Robot Moon",))
    seeker = Seeker.of(item, KINDS, language, "lot")
    for rejected in (None, *SHELF.values()):
        assert Secret.of(item, KINDS).given_away(seeker.wish(turn, rejected)) is None


# What is said


def test_a_tag_comes_first_and_what_leaks_is_never_said() -> None:
    facets = facets_of(SHELF["a"], Secret.of(SHELF["a"], KINDS), "en", "lot")
    assert facets[0] == Facet("tag", "Drama")
    words = {facet.words for facet in facets}
    assert "from the 1990s" in words
    assert any("harbour" in one for one in words)
    assert not any("keeper" in one for one in words)


def test_people_are_named_by_what_they_did() -> None:
    words = {facet.words for facet in facets_of(SHELF["b"], Secret.of(SHELF["b"], KINDS), "en", "lot")}
    assert "by Ines Vale" in words
    assert {"with Lea Moss", "with Otto Brandt"} <= {f.words for f in quest("d").seeker.facets}
    assert "Lea Moss主演" in {f.words for f in Seeker.of(SHELF["d"], KINDS, "zh", "lot").facets}


def test_each_turn_says_more_and_then_all_of_it_again() -> None:
    seeker = Seeker(
        SHELF["b"], Secret.of(SHELF["b"], KINDS), (Facet("tag", "Drama"), Facet("decade", "from the 1990s"))
    )
    assert seeker.wish(1) == "Drama"
    assert seeker.wish(2) == seeker.wish(9) == "Drama, from the 1990s"


@pytest.mark.parametrize(
    ("rejected", "complaint"),
    [
        ("e", ", older than those"),
        ("c", ", older than those"),
        ("a", ", rather Adventure than those"),
        ("f", ", rather"),
    ],
)
def test_the_complaint_fits_what_was_rejected(rejected: str, complaint: str) -> None:
    seeker = quest("b").seeker
    assert complaint in seeker.wish(1, SHELF[rejected])


def test_an_older_rejected_item_calls_for_a_newer_one() -> None:
    assert quest("e").seeker.wish(1, SHELF["a"]) == "Comedy, newer than those"


def test_the_item_that_shares_least_is_rejected_and_ties_go_to_the_last() -> None:
    seeker = quest("d").seeker
    assert seeker.rejects([SHELF["c"], SHELF["a"], SHELF["e"]]).item_id == "a"
    assert seeker.rejects([SHELF["a"], SHELF["f"]]).item_id == "f"


# Dialogues


def test_a_dialogue_ends_when_the_targets_id_is_shown() -> None:
    guide = Shelf()
    found = converse(quest("d"), guide, SHELF, TALK)
    assert found.found_at == 2
    assert [turn.shown for turn in found.turns] == [("a", "b"), ("c", "d")]
    assert found.turns[-1].rejected is None
    assert len(guide.heard) == 1
    assert {guide.heard[0][0], *guide.heard[0][1]} == {"a", "b"}
    assert found.degraded == ("rerank: tired",)
    assert len(found.ms) == 2


def test_the_history_is_told_and_turns_run_out() -> None:
    guide = Shelf(("c", "b", "a", "d", "f", "e"))
    found = converse(quest("e", history=("c",)), guide, SHELF, Talk(2, 2, "en", 7))
    assert guide.met == {"case-e": ["c"]}
    assert found.found_at is None
    assert len(found.turns) == 2


def test_a_guide_that_fails_or_shows_nothing_finds_nothing() -> None:
    failed = converse(quest("e"), Shelf(fails_at=2), SHELF, TALK)
    assert failed.failed == "the guide is lost. Ask another"
    assert (failed.found_at, len(failed.turns)) == (None, 1)
    nothing = converse(quest("e"), Shelf(empty=True), SHELF, TALK)
    assert [turn.shown for turn in nothing.turns] == [(), (), ()]
    assert nothing.failed is None


def test_cases_nobody_can_play_are_named() -> None:
    cases = [
        Case(case_id="1", user_id="u", relevant=("a",), history=("a",)),
        Case(case_id="2", user_id="u", relevant=("f",)),
        Case(case_id="3", user_id="u", relevant=("a", "b"), history=("a",)),
        Case(case_id="4", user_id="u", relevant=("a",), mentioned=("a",)),
    ]
    first, second, third, fourth = quests(cases, SHELF, TALK)
    assert (first, second, fourth) == (ANSWER_KNOWN, NOTHING_TO_SAY, ANSWER_KNOWN)
    assert isinstance(third, Quest)
    assert third.seeker.target.item_id == "b"


def test_equal_seeds_give_equal_dialogues_and_other_seeds_other_ones() -> None:
    one, same = (converse(quest("a"), Shelf(), SHELF, TALK).turns for _ in range(2))
    assert one == same
    wishes = {quest("a", talk=Talk(3, 2, "en", seed)).seeker.wish(2) for seed in range(8)}
    assert len(wishes) > 1


# Those who hear nothing


@pytest.mark.parametrize(("place", "turn"), [(0, 1), (1, 1), (2, 2), (5, 3), (6, None)])
def test_the_turn_that_shows_a_place(place: int, turn: int | None) -> None:
    assert turn_of(place, TALK) == turn


def test_the_popular_order_passes_over_the_history() -> None:
    order = {item_id: place for place, item_id in enumerate("cabdef")}
    assert popularity_turn(quest("b"), order, TALK) == 2
    assert popularity_turn(quest("b", history=("c", "e")), order, TALK) == 1


def test_a_random_order_finds_as_often_as_chance_says() -> None:
    talks = [Talk(1, 2, "en", seed) for seed in range(600)]
    hits = sum(random_turn(quest("b"), len(SHELF), talk) is not None for talk in talks)
    assert 0.27 < hits / 600 < 0.4  # two of six


# Figures


def test_success_turns_and_comparisons_by_hand() -> None:
    found = Found()
    for n, at in enumerate((1, 2, None, 3)):
        dialogue = converse(quest("d"), Shelf(), SHELF, TALK)
        changed = {**vars(dialogue), "case_id": f"c{n}", "user_id": f"u{n}", "found_at": at}
        found.take(type(dialogue)(**changed), {RANDOM: None if n else 1})
    done = report(found, TALK)
    palate, blind = done.rows
    assert (palate.system, blind.system) == (PALATE, RANDOM)
    assert [one.value for one in palate.by_turn] == [0.25, 0.5, 0.75]
    assert palate.turns is not None
    assert palate.turns.value == 2.0
    assert palate.turns.n == 3
    assert blind.by_turn[-1].value == 0.25
    assert done.comparisons[0].metrics["success"].value == 0.5
    assert done.comparisons[0].metrics["success"].wins == 2


def test_success_is_as_sure_as_there_are_people() -> None:
    found = Found()
    for n in range(8):
        dialogue = converse(quest("d"), Shelf(), SHELF, TALK)
        changed = {**vars(dialogue), "case_id": f"c{n}", "user_id": f"u{n % 2}", "found_at": 1 if n else None}
        found.take(type(dialogue)(**changed), {})
    (row,) = report(found, TALK).rows
    assert (row.by_turn[0].value, row.by_turn[0].n) == (7 / 8, 2)
    assert row.by_turn[0].low == pytest.approx(rate(7, 8, people=2).low)


def test_popularity_comes_from_the_data_set() -> None:
    dataset = DataSet.open(FILMS, ())
    order = popular_order(dataset, 1)
    assert (order["f9"], order["f10"]) == (0, 1)
    assert sorted(order.values()) == list(range(12))


# The command


def simulate(*arguments: object, guide: Shelf | None = None) -> Result:
    @contextmanager
    def opener(
        items: Mapping[str, Item], settings: Settings, watch: Watch, told: Told, *, llm: bool
    ) -> Iterator[OpenedGuide]:
        yield OpenedGuide(guide or Shelf(tuple(items), items), {"reference": "fake" if llm else None})

    app = Typer()
    app.command()(simulate_with(opener))
    return CliRunner().invoke(app, [str(argument) for argument in arguments], env={"COLUMNS": "120"})


def test_the_json_has_the_documented_shape() -> None:
    result = simulate("--data", FILMS, "--json", "--limit", 4, "--turns", 2, "-k", 3)
    assert result.exit_code == 0, result.output
    found = json.loads(result.stdout)
    assert set(found) == {
        "task", "limit", "model", "turns", "k", "seed", "reticent", "dataset", "systems", "comparisons", "timings_ms",
        "left_out", "degraded", "failed", "dialogues", "method",
    }  # fmt: skip
    assert (found["turns"], found["k"], found["limit"], found["dataset"]["n_run"]) == (2, 3, 4, 4)
    assert [row["system"] for row in found["systems"]] == [PALATE, POPULARITY, RANDOM]
    for row in found["systems"]:
        assert set(row) == {"system", "about", "success", "success_by_turn", "turns"}
        assert len(row["success_by_turn"]) == 2
        assert row["success"] == row["success_by_turn"][-1]
        assert row["success"]["n"] == 4
    assert {(pair["system"], pair["against"]) for pair in found["comparisons"]} == {
        (PALATE, POPULARITY),
        (PALATE, RANDOM),
    }
    assert set(found["dialogues"][0]) == {"case_id", "target", "found_at", "failed", "turns"}
    assert set(found["dialogues"][0]["turns"][0]) == {"wish", "shown", "rejected", "answers"}
    assert found["degraded"] == {"rerank: tired": 4}


def test_the_drawing_says_who_finds_more_and_shows_a_dialogue() -> None:
    result = simulate("--data", FILMS, "--limit", 4)
    assert result.exit_code == 0, result.output
    assert "palate is not shown to differ from popularity: success" in result.stdout
    assert "Sought: Robot Picnic Returns (2004)" in result.stdout
    assert "5 turns [95 %]" in result.stdout
    assert "4 dialogues degraded: rerank: tired" in result.stderr


def test_failures_count_as_not_found_and_are_told() -> None:
    result = simulate("--data", FILMS, "--limit", 2, guide=Shelf((), fails_at=1))
    assert result.exit_code == 0, result.output
    assert "1 dialogue failed and count as not found, such as c1: the guide is lost" in result.stderr


def test_a_data_set_nobody_can_play_is_refused(tmp_path: Path) -> None:
    (tmp_path / "items.jsonl").write_text('{"item_id": "1", "title": "Alone"}\n', encoding="utf-8")
    (tmp_path / "cases.jsonl").write_text('{"case_id": "1", "user_id": "u", "relevant": ["1"]}\n', encoding="utf-8")
    dataset = DataSet.open(tmp_path, ())
    with pytest.raises(ConfigError, match=r"no case of .* can be played: nothing can be said"):
        play(dataset, Shelf(), TALK)


def test_palate_itself_is_talked_to_in_a_folder_of_its_own(tmp_path: Path) -> None:
    result = CliRunner().invoke(eval_app, ["simulate", "--data", str(FILMS), "--json", "--no-llm", "-k", "4"])
    assert result.exit_code == 0, result.output
    found = json.loads(result.stdout)
    assert found["failed"]["count"] == 0
    assert found["systems"][0]["success"]["value"] > 0.5
    for dialogue in found["dialogues"]:
        shown = [item_id for turn in dialogue["turns"] for item_id in turn["shown"]]
        assert len(set(shown)) == len(shown)
        assert (dialogue["found_at"] is None) == (dialogue["target"] not in shown)
    assert not (tmp_path / "data").exists()
