"""What a conversation knows after each message: wishes, constraints, answers, and how little it keeps."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.converse.fold import (
    MAX_CONSTRAINTS,
    MAX_SHOWN,
    MAX_WISH_CHARS,
    MAX_WISHES,
    answer_of,
    asking,
    clash,
    heard,
    repeats,
    shown,
    together,
    without,
)
from agent.converse.refusals import positive, refused
from agent.converse.relaxing import giving_way
from agent.converse.state import (
    Constraint,
    Feeling,
    Intent,
    Option,
    Question,
    Reference,
    State,
    Understood,
)
from agent.types import EventKind

START = State(conversation_id="c", user_id="ada")
AGE = Question(
    name="year",
    options=(Option(label="before 1990", test="year<1990"), Option(label="1990 or later", test="year>=1990")),
    gain_nats=0.6,
)


def said(message: str, intent: str = "wish", **rest: object) -> Understood:
    given_ = {"message": message, "language": "en", "intent": intent, "intents": {intent: 1.0}, **rest}
    return Understood.model_validate(given_)


def hard(test: str, words: str = "") -> Constraint:
    return Constraint(test=test, said=words or test)


def soft(test: str, words: str) -> Constraint:
    return Constraint(test=test, said=words, hard=False)


def held_in(state: State) -> list[str]:
    return [one.test for one in state.constraints]


def test_a_message_counts_and_what_was_asked_is_over() -> None:
    state = heard(asking(START, AGE), said("hello", "talk"))
    assert (state.turn, state.pending, state.asked) == (1, None, ("year",))


def test_wishes_add_up_until_something_is_shown() -> None:
    state = heard(heard(START, said("a", wish="something funny")), said("b", wish="for children"))
    assert state.wishes == ("something funny", "for children")
    state = heard(shown(state, ["f1", "f2"]), said("c", wish="a war film"))
    assert state.wishes == ("a war film",)
    assert state.wish == "a war film"


def test_a_new_wish_takes_the_place_of_constraints_but_for_those_said_for_good() -> None:
    state = heard(START, said("funny, from the nineties", wish="funny", constraints=[hard("year>=1990", "nineties")]))
    state = heard(state, said("never horror please", "critique", constraints=[hard("tags!=Horror", "horror")]))
    assert [one.lasting for one in state.constraints] == [False, True]
    state = heard(shown(state, ["f1"]), said("now a western", wish="a western"))
    assert held_in(state) == ["tags!=Horror"]


def test_what_only_bounds_or_refuses_adds_to_a_wish_that_was_shown_for() -> None:
    state = shown(heard(START, said("something scary", wish="something scary")), ["f1"])
    state = heard(state, said("90s", wish="90s", constraints=[hard("year>=1990", "90s")]))
    assert (state.wishes, state.where) == (("something scary",), "year>=1990")
    state = heard(state, said("no gore, and nothing with clowns", wish="no gore, and nothing with clowns"))
    assert (state.wishes, state.refused) == (("something scary",), ("gore", "clowns"))
    state = heard(state, said("show me those again", "critique", wish="show me those again"))
    assert state.wishes == ("something scary",)
    state = heard(
        state, said("I never want to see war", wish="I never want to see war", constraints=[hard("tags!=War")])
    )
    assert (state.wishes, state.constraints[-1].lasting) == (("something scary",), True)
    fresh = heard(state, said("comedies", wish="comedies", constraints=[hard("tags=Comedy", "comedies")]))
    assert (fresh.wishes, fresh.where, fresh.refused) == ((), "tags!=War and tags=Comedy", ())


@pytest.mark.parametrize(
    ("message", "wanted", "avoided"),
    [
        ("a war film without zombies or vampires", "a war film", ("zombies", "vampires")),
        ("something funny, no gore", "something funny", ("gore",)),
        ("nothing with clowns please", "", ("clowns",)),
        ("I want a scary movie for tonight, not too old", "I want a scary movie for tonight", ()),
        ("no idea, something cosy", "something cosy", ()),
        ("no thanks", "", ()),
        ("I don't know what to watch", "", ()),
        ("a comedy under 100 minutes", "a comedy", ()),
        ("something longer than two hours", "", ()),
        ("no romance, but with a strong heroine", "but with a strong heroine", ()),
        ("不要僵尸的恐怖片", "恐怖片", ("僵尸",)),
        ("不要太长", "", ()),
        ("悬念多点，爱情少点", "悬念多点", ()),
        ("两小时以内的喜剧", "的喜剧", ()),
    ],
)
def test_what_is_refused_is_no_wish(message: str, wanted: str, avoided: tuple[str, ...]) -> None:
    assert positive(message) == wanted
    assert refused(message, ["no romance"]) == avoided


def test_more_of_the_same_keeps_everything() -> None:
    state = heard(START, said("funny", wish="funny", constraints=[hard("year>=1990")]))
    state = heard(shown(state, ["f1"]), said("something else", wish=""))
    assert (state.wishes, held_in(state)) == (("funny",), ["year>=1990"])


def test_a_critique_adds_and_keeps_the_wish() -> None:
    state = shown(heard(START, said("funny", wish="something funny")), ["f1", "f2"])
    state = heard(state, said("newer", "critique", constraints=[hard("year>=2000", "newer")]))
    state = heard(state, said("and darker", "critique", constraints=[soft("tags=Drama", "darker")]))
    assert state.wishes == ("something funny",)
    assert (state.where, state.wish) == ("year>=2000", "something funny; darker")


@pytest.mark.parametrize(
    ("older", "newer", "both"),
    [
        ("year<1990", "year>=2000", False),
        ("year>=1990", "year>=2000", False),
        ("year>=2000", "year>=1990", False),
        ("year>=1990", "year<2000", True),
        ("year>=1990 and year<2000", "year>=2000", False),
        ("year>=1990", "year=1994", True),
        ("year>=1990", "year=1984", False),
        ("year=1984", "year>=1990", False),
        ("year>1990", "year<=1990", False),
        ("year>=1990", "year<=1990", True),
        ("tags=Comedy", "tags=Romance", True),
        ("tags=Comedy", "tags!=Comedy", False),
        ("tags!=comedy", "tags=Comedy", False),
        ("tags!=Horror", "tags!=War", True),
        ("language=French", "language=English", False),
        ("director=Rohmer", "director!=Rohmer", False),
        ("tags=Comedy", "year>=1990", True),
        ("tags=Comedy", "tags=Comedy", False),
        ("tags in (Comedy, War)", "tags!=War", False),
        ("year<1990", "year!=1985", True),
    ],
)
def test_of_constraints_that_cannot_both_hold_the_newer_wins(older: str, newer: str, both: bool) -> None:
    assert clash(hard(older), hard(newer)) is not both
    assert [one.test for one in together([hard(older)], [hard(newer)])] == ([older, newer] if both else [newer])


def test_an_answer_adds_the_test_of_its_option() -> None:
    state = asking(shown(heard(START, said("funny", wish="funny")), ["f1"]), AGE)
    for understood in (
        said("before 1990", "wish", wish="before 1990"),
        said("rather Before 1990!", "talk"),
        said("old ones", "critique", constraints=[hard("year<1990", "old ones")]),
    ):
        after = heard(state, understood)
        assert (held_in(after), after.wishes, after.pending) == (["year<1990"], ("funny",), None)


def test_a_question_may_be_skipped_or_passed_over() -> None:
    state = asking(START, AGE)
    skipped = heard(state, said("whatever", "talk", skips=True))
    assert (skipped.constraints, skipped.pending, skipped.asked) == ((), None, ("year",))
    assert answer_of(AGE, said("before 1990", skips=True)) is None
    assert answer_of(None, said("before 1990")) is None
    assert answer_of(AGE, said("a film about 1990 or so")) is None


def test_chinese_labels_are_found_within_words() -> None:
    asked = Question(name="year", options=(Option(label="90 年代", test="year>=1990"),), gain_nats=0.5)
    assert answer_of(asked, said("要90 年代的", language="zh")) == Constraint(test="year>=1990", said="90 年代")


def test_what_is_wanted_may_be_like_an_item() -> None:
    second = Reference(item_id="f2", said="the second", how="place")
    state = shown(START, ["f1", "f2"])
    after = heard(state, said("like the second but funnier", "critique", items=[second]))
    assert (after.like, after.focus) == (("f2",), "f2")
    assert heard(state, said("not like the second", "critique", items=[second])).like == ()
    assert heard(state, said("I like the second", "reaction", items=[second])).like == ()
    hated = Feeling(item_id="f2", kind=EventKind.DISLIKE)
    assert heard(state, said("like it? no", items=[second], feelings=[hated])).like == ()
    assert heard(shown(after, ["f3"]), said("a war film", wish="a war film")).like == ()


def test_like_a_film_that_is_not_on_the_list_is_a_new_wish() -> None:
    state = shown(heard(START, said("comedies", wish="comedies", constraints=[hard("tags=Comedy")])), ["f1"])
    godfather = Reference(item_id="f9", said="The Godfather", how="title")
    fresh = heard(state, said("like The Godfather", "critique", items=[godfather]))
    assert (fresh.wishes, fresh.where, fresh.like) == ((), None, ("f9",))
    first = Reference(item_id="f1", said="the first", how="place")
    more = heard(state, said("like the first", "critique", items=[first]))
    assert (more.where, more.like) == ("tags=Comedy", ("f1",))
    assert repeats("can you repeat the list, please")
    assert not repeats("try again")


def test_the_state_stays_small() -> None:
    state = START
    for n in range(300):
        constraint = hard(f"field{n}=x", "w" * 500)
        state = heard(state, said("m", "critique", wish="long " * 200 + str(n), constraints=[constraint]))
        state = shown(state, [f"f{n}", f"g{n}"])
    assert len(state.wishes) <= MAX_WISHES
    assert len(state.constraints) == MAX_CONSTRAINTS
    assert len(state.shown) == MAX_SHOWN
    assert state.constraints[-1].test == "field299=x"
    assert len(state.wish or "") <= MAX_WISHES * (MAX_WISH_CHARS + 2)
    assert len(state.model_dump_json()) < 12_000


def test_lasting_constraints_outlive_newer_ones_when_there_are_too_many() -> None:
    for_good = Constraint(test="tags!=Horror", said="never horror", lasting=True)
    kept = together([for_good], [hard(f"field{n}=x") for n in range(40)])
    assert kept[0] == for_good
    assert len(kept) == MAX_CONSTRAINTS


def test_what_is_shown_again_is_the_newest() -> None:
    state = shown(shown(START, ["a", "b"]), ["c", "a"])
    assert (state.slate, state.shown, state.focus) == (("c", "a"), ("b", "c", "a"), None)
    assert shown(state, []) == state
    assert shown(state, ["z"]).focus == "z"
    assert without(state.model_copy(update={"constraints": (hard("a=b"),)}), [hard("a=b")]).constraints == ()


def test_as_little_as_possible_gives_way_and_the_oldest_first() -> None:
    old, new = hard("year<1990"), hard("tags=War")
    good = Constraint(test="tags!=Horror", said="never horror", lasting=True)
    assert giving_way([good, old, new], lambda held: old not in held) == (old,)
    assert giving_way([good, old, new], lambda held: new not in held) == (new,)
    assert giving_way([good, old, new], lambda held: good not in held) == (good,)
    assert giving_way([good, old, new], lambda held: len(held) < 3) == (old,)
    assert giving_way([good, old, new], lambda held: not {old, new} & set(held)) == (old, new)
    assert giving_way([good, old, new], lambda held: not {good, new} & set(held)) == (new, good)
    assert giving_way([old], lambda _: False) == ()
    assert giving_way([soft("year<1990", "old")], lambda _: True) == ()


WORDS = st.text(max_size=30)
TESTS = st.sampled_from(["year>=1990", "year<1980", "tags=Comedy", "tags!=Comedy", "language=French", "", "no test"])


@given(
    st.lists(
        st.tuples(
            st.sampled_from(list(Intent)), WORDS, WORDS, st.lists(st.tuples(TESTS, WORDS, st.booleans()), max_size=4)
        ),
        max_size=12,
    )
)
def test_any_talk_gives_a_state(talk: list[tuple[Intent, str, str, list[tuple[str, str, bool]]]]) -> None:
    state = START
    for intent, message, wish, constraints in talk:
        new = [Constraint(test=test, said=words, hard=is_hard) for test, words, is_hard in constraints]
        state = heard(state, said(message, intent.value, wish=wish, constraints=new))
        state = State.model_validate_json(state.model_dump_json())
        assert not any(clash(a, b) for n, a in enumerate(state.constraints) for b in state.constraints[n + 1 :])
    assert state.turn == len(talk)
