"""The question that pays: its gain by hand and by its bounds, its options as tests, and when nothing is asked."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agent.converse.ask import (
    best_question,
    chances_of,
    expected_gain,
    questions,
    shares_of,
)
from agent.converse.options import ANSWERED, fields_of
from agent.converse.state import Constraint, Option, Question, State
from agent.recall.where import parse_where
from agent.types import Attribute, Item

NOBODY = State(conversation_id="c", user_id="ada")
TAGS = st.lists(st.sampled_from(["Comedy", "Drama", "Sci-Fi", "Crime and Punishment", '12" mix']), max_size=3)


def film(n: int, *tags: str, **attributes: Attribute) -> Item:
    return Item(item_id=str(n), title=f"Film {n}", tags=tags, attributes=attributes)


def alike(*items: Item) -> list[tuple[Item, float]]:
    return [(item, 0.0) for item in items]


def named(asked: list[Question], name: str) -> Question:
    return next(one for one in asked if one.name == name)


HALVES = alike(film(1, "Comedy"), film(2, "Comedy"), film(3, "Drama"), film(4, "Drama"))


def test_a_fair_choice_of_two_is_worth_the_logarithm_of_two() -> None:
    (asked,) = questions(HALVES, {}, noise=0.0)
    assert asked.gain_nats == pytest.approx(math.log(2))
    assert [option.label for option in asked.options] == ["Comedy", "something else"]
    assert asked.options[1].test == 'tags!="Comedy"'


def test_noise_takes_its_part_of_the_gain() -> None:
    (asked,) = questions(HALVES, {}, noise=0.1)
    entropy = -(0.95 * math.log(0.95) + 0.05 * math.log(0.05))
    assert asked.gain_nats == pytest.approx(math.log(2) - entropy)


def test_the_gain_of_unequal_candidates_by_hand() -> None:
    shares, chances = np.array([0.5, 0.25, 0.25]), np.array([[1.0, 0.0], [0.0, 1.0], [0.5, 0.5]])
    # answers 5/8 and 3/8; H(p) = 1.5 log 2; after the first (4/5, 0, 1/5), after the second (0, 2/3, 1/3)
    first = -(0.8 * math.log(0.8) + 0.2 * math.log(0.2))
    second = -(2 / 3 * math.log(2 / 3) + 1 / 3 * math.log(1 / 3))
    assert expected_gain(shares, chances) == pytest.approx(1.5 * math.log(2) - 5 / 8 * first - 3 / 8 * second)


def test_who_wants_an_item_with_two_tags_names_the_one_they_like() -> None:
    passes = np.array([[True, False], [True, True], [False, False]])
    chances = chances_of(passes, [0.3, 0.1], 0.0)
    assert np.allclose(chances, [[1, 0], [0.75, 0.25], [0.5, 0.5]])
    assert chances_of(passes, [0.3, 0.1], 0.2)[0].tolist() == pytest.approx([0.9, 0.1])


def test_a_question_of_numbers_asks_for_spans() -> None:
    years = [film(n, year=year) for n, year in enumerate([1971, 1974, 1992, 1995, 2003, 2008])]
    (asked,) = questions(alike(*years), {}, noise=0.0)
    assert asked.name == "year"
    assert [(o.label, o.test) for o in asked.options] == [
        ("before 1980", "year<1980"),
        ("1980 to 1999", "year>=1980 and year<2000"),
        ("2000 or later", "year>=2000"),
    ]
    assert asked.gain_nats == pytest.approx(ANSWERED["year"] * math.log(3))


def test_the_options_speak_the_language_of_the_conversation() -> None:
    years = [film(n, "喜剧" if n % 2 else "剧情", year=1970 + 10 * (n // 2)) for n in range(6)]
    asked = questions(alike(*years), {}, "zh")
    assert [o.label for o in named(asked, "year").options] == ["1980 年以前", "1980 年代", "1990 年以后"]
    assert named(asked, "tags").options[-1].label == "别的"


def test_numbers_nobody_thinks_in_ids_and_sentences_are_not_asked_for() -> None:
    items = [
        film(n, votes=n % 2, imdb=f"tt{n}", awards=("Won 1 Oscar.", "Won none.")[n % 2], mood=("dark", "light")[n % 2])
        for n in range(6)
    ]
    assert [one.name for one in questions(alike(*items), {})] == ["mood"]


def test_what_one_candidate_alone_has_is_no_option() -> None:
    assert not questions(alike(film(1, "Comedy"), film(2, "Drama"), film(3, "Horror")), {})


def test_tags_that_the_person_removed_are_not_offered() -> None:
    (asked,) = questions(HALVES, {"Comedy": 0.0, "Drama": 0.5})
    assert [option.label for option in asked.options] == ["Drama", "something else"]


def test_likely_candidates_decide_what_is_worth_asking() -> None:
    pool = [(film(n, "Comedy" if n % 2 else "Drama", year=1970 + 20 * (n // 2 % 2)), 0.0) for n in range(8)]
    sure = [(item, 12.0 if item.year == 1970 else 0.0) for item, _ in pool]
    assert {one.name for one in questions(pool, {})} == {"tags", "year"}
    assert [one.name for one in questions(sure, {})] == ["tags"]


def test_nothing_is_asked_while_a_question_is_pending_or_where_it_does_not_pay() -> None:
    pending = Question(name="tags", options=(Option(label="a", test="tags=a"),), gain_nats=1)
    assert best_question(HALVES, {}, NOBODY) is not None
    assert best_question(HALVES, {}, NOBODY.model_copy(update={"pending": pending})) is None
    assert best_question(HALVES, {}, NOBODY, threshold_nats=0.7) is None
    assert best_question(HALVES[:1], {}, NOBODY) is None
    assert best_question([], {}, NOBODY) is None


def test_what_was_asked_or_is_constrained_is_not_asked_again() -> None:
    wish = Constraint(test="", said="something warm", hard=False)
    comedy = Constraint(test="tags=Comedy and year>=1990", said="a comedy of the nineties")
    assert best_question(HALVES, {}, NOBODY.model_copy(update={"asked": ("tags",)})) is None
    assert best_question(HALVES, {}, NOBODY.model_copy(update={"constraints": (comedy,)})) is None
    assert best_question(HALVES, {}, NOBODY.model_copy(update={"constraints": (wish,)})) is not None


def test_shares_are_the_softmax_of_the_scores() -> None:
    assert shares_of([0.0, math.log(3)]).tolist() == pytest.approx([0.25, 0.75])
    assert shares_of([0.0, math.log(9)], 2.0).tolist() == pytest.approx([0.25, 0.75])
    assert shares_of([-1e9, 1e9]).tolist() == [0.0, 1.0]
    assert shares_of([]).size == 0


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.tuples(TAGS, st.none() | st.integers(1900, 2030), st.floats(-5, 5)), min_size=2, max_size=12),
    st.floats(0, 1),
)
def test_a_gain_lies_between_nothing_and_the_logarithm_of_its_options(
    rows: list[tuple[list[str], int | None, float]], noise: float
) -> None:
    pool = [
        (film(n, *tags, **({} if year is None else {"year": year}), country="France"), score)
        for n, (tags, year, score) in enumerate(rows)
    ]
    for asked in questions(pool, {"Comedy": 0.4}, noise=noise):
        assert 0 <= asked.gain_nats <= math.log(len(asked.options)) + 1e-9
        assert 2 <= len(asked.options) <= 5
        assert asked.name != "country"  # the same for all: it tells nothing
        assert len({option.label for option in asked.options}) == len(asked.options)


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(TAGS, st.none() | st.integers(1900, 2030)), min_size=2, max_size=12))
def test_an_option_is_a_test_that_the_same_candidates_pass(rows: list[tuple[list[str], int | None]]) -> None:
    items = [film(n, *tags, **({} if year is None else {"year": year})) for n, (tags, year) in enumerate(rows)]
    for field in fields_of(items):
        chosen = next(field.wider(()), ())
        if chosen:
            tests = [parse_where(option.test) for option in field.options(chosen, "en")]
            expected = [[test.matches(item) for test in tests] for item in items]
            assert field.passes(chosen).tolist() == expected
