"""What an item and a person share: the reasons, their order, and pointers that resolve."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from agent.explain.evidence import Reason, reasons_for, resolves
from agent.explain.facts import called, facts_of, role_of
from agent.explain.person import Person, person_from
from agent.explain.standing import standing_of
from agent.explain.words import spelled, stems, wish_words
from agent.profile.fold import profile_from
from agent.types import Event, EventKind, Evidence, Item
from tests.support.taste import (
    ALIEN,
    BABE,
    BLADE_RUNNER,
    COLLATERAL,
    HEAT,
    NEMO,
    TOY_STORY,
    WESTERN,
    acts,
    event,
    film,
    told,
)


def person(
    events: Sequence[Event], items: Sequence[Item], wish: str | None = None, *, with_events: bool = True
) -> Person:
    profile, liked = told(events)
    return person_from(profile, liked, items, wish, events if with_events else ())


def best(item: Item, events: Sequence[Event], wish: str | None = None) -> Reason:
    return reasons_for(item, person(events, [item], wish))[0]


def test_a_shared_director_and_shared_tags_come_first() -> None:
    reason = best(COLLATERAL, acts([TOY_STORY, HEAT]))
    assert reason.kind == "pairing"
    assert [c.item.title for c in reason.cited] == ["Heat"]
    assert {fact.value for fact in reason.facts} >= {"Michael Mann"}


def test_rarer_tags_say_more() -> None:
    rare = film("Rare", 2000, "Drama, Noir")
    one, two, three = film("A", 1990, "Drama, Noir"), film("B", 1991, "Drama"), film("C", 1992, "Drama")
    events = [event(f"e{n}", EventKind.LIKE, item) for n, item in enumerate((one, two, three))]
    known = {i.item_id: i for i in (one, two, three)}
    reasons = reasons_for(rare, person_from(profile_from("ada", events, known), known, [rare], None, events))
    tags = next(r for r in reasons if r.kind == "tags")
    assert tags.cited[0].item is one
    assert tags.facts[0].value == "Noir"


def test_a_wish_is_answered_by_tags_meanings_names_and_text() -> None:
    events = acts([HEAT])
    kinds = {r.kind: r for r in reasons_for(NEMO, person(events, [NEMO], "something funny for the family"))}
    assert kinds["wish"].asked == ("funny", "family")
    assert [fact.value for fact in kinds["wish"].facts] == ["Comedy", "Family"]
    text = {r.kind: r for r in reasons_for(COLLATERAL, person(events, [COLLATERAL], "hitmen or a hitman"))}
    assert text["match"].facts[0].value == "hitman"
    named = {r.kind: r for r in reasons_for(BLADE_RUNNER, person(events, [BLADE_RUNNER], "a ridley scott film"))}
    assert named["named"].facts[0].value == "Ridley Scott"


def test_a_chinese_wish_meets_an_english_catalogue() -> None:
    assert wish_words("想看搞笑的动画") == ["动画", "搞笑"]
    kinds = {r.kind: r for r in reasons_for(NEMO, person([], [NEMO], "想看搞笑的动画"))}
    assert {fact.value for fact in kinds["wish"].facts} == {"Animation", "Comedy"}


def test_nothing_shared_is_said_honestly() -> None:
    apart = best(WESTERN, acts([HEAT]))
    assert apart.kind == "apart"
    assert apart.usual is not None
    assert apart.standing is not None
    assert apart.standing.kind == "rating"
    assert best(NEMO, []).kind == "start"
    assert best(HEAT, acts([HEAT])).kind == "yours"


def test_disliked_items_are_never_cited() -> None:
    events = acts([TOY_STORY], dislike=HEAT)
    for reason in reasons_for(COLLATERAL, person(events, [COLLATERAL])):
        assert HEAT not in [c.item for c in reason.cited]


def test_acts_are_told_as_they_were() -> None:
    events = acts([HEAT], {"r": (TOY_STORY, 5.0)}, view=ALIEN, purchase=BABE)
    told_as = {c.item.title: (c.act, c.rating) for c in person(events, []).cited}
    assert told_as == {
        "Heat": ("liked", None), "Toy Story": ("rated", "5"), "Alien": ("viewed", None), "Babe": ("bought", None)
    }  # fmt: skip
    without = {c.item.title: c.act for c in person(events, [], with_events=False).cited}
    assert without["Alien"] == without["Babe"] == "known"


@pytest.mark.parametrize("item", [COLLATERAL, NEMO, BLADE_RUNNER, BABE, WESTERN, HEAT])
@pytest.mark.parametrize("wish", [None, "something funny for the family", "a hitman at night"])
def test_every_pointer_resolves(item: Item, wish: str | None) -> None:
    events = acts([HEAT, TOY_STORY, ALIEN], {"r": (BABE, 5.0)})
    profile, liked = told(events)
    if wish:
        said = Event(event_id="s", user_id="ada", kind=EventKind.SEARCH, text=wish)
        profile, liked = told([*events, said])
    who = person_from(profile, liked, [item], wish, events)
    reasons = reasons_for(item, who)
    assert reasons
    for reason in reasons:
        pointers = reason.evidence(who.wish)
        assert pointers
        assert all(resolves(pointer, item, profile, liked) for pointer in pointers), (reason, pointers)


def test_false_pointers_do_not_resolve() -> None:
    profile, liked = told(acts([HEAT]))
    assert resolves(Evidence(kind="event", ref="like-0", value="Heat (1995)"), COLLATERAL, profile, liked)
    assert not resolves(Evidence(kind="event", ref="like-0", value="Alien (1979)"), COLLATERAL, profile, liked)
    assert not resolves(Evidence(kind="event", ref="like-9", value="Heat (1995)"), COLLATERAL, profile)
    assert not resolves(Evidence(kind="item", ref="tags", value="Comedy"), COLLATERAL, profile)
    assert not resolves(Evidence(kind="item", ref="text", value=""), COLLATERAL, profile)
    assert resolves(Evidence(kind="item", ref="reviews", value="4,512"), NEMO, profile)


@pytest.mark.parametrize(
    ("name", "role"),
    [
        ("director", "director"), ("Directors", "director"), ("directed_by", "director"), ("Stars", "cast"),
        ("countries", "country"), ("author", "author"), ("brand", "maker"), ("导演", "director"), ("colour", "other"),
    ],
)  # fmt: skip
def test_fields_are_known_by_their_names(name: str, role: str) -> None:
    assert role_of(name) == role


def test_facts_leave_out_what_says_nothing() -> None:
    item = film("X", 2000, "Drama", cast="Ann Lee, Bo Ek", imdbID="tt1", poster="http://x", price=3.5, colour="blue")
    facts = {(fact.ref, fact.value) for fact in facts_of(item)}
    assert facts == {("tags", "Drama"), ("cast", "Ann Lee"), ("cast", "Bo Ek"), ("colour", "blue"), ("year", "2000")}


@pytest.mark.parametrize(
    ("attributes", "shown"),
    [
        ({"oscars": 3, "reviews": 900}, "3"), ({"averageRating": 4.6}, "4.6"), ({"averageRating": 3.0}, None),
        ({"metacritic": 91}, "91"), ({"review_count": 4512}, "4,512"), ({"reviews": 3}, None),
        ({"awards": "Cesar"}, "Cesar"),
    ],
)  # fmt: skip
def test_standing_says_only_what_flatters(attributes: dict[str, float | str], shown: str | None) -> None:
    standing = standing_of(Item(item_id="x", title="X", attributes=attributes))
    assert (standing.shown if standing else None) == shown


def test_long_titles_are_cut_at_a_natural_break() -> None:
    long = "A Headset with Great Sound, Noise Cancelling, Bluetooth 5.3, for Travel and Home, in Three Colours"
    assert called(Item(item_id="x", title=long)) == ("A Headset with Great Sound", None)
    assert called(Item(item_id="x", title="Heat (1995)", attributes={"year": 1995})) == ("Heat", 1995)


def test_tags_are_spelled_as_a_sentence_spells_them() -> None:
    assert [spelled(tag) for tag in ("Comedy", "Sci-Fi", "RPG", "World War II")] == [
        "comedy",
        "sci-fi",
        "RPG",
        "World War II",
    ]
    assert stems("Science Fiction comedies") == stems("Sci-Fi comedy")


words = st.text(max_size=30)


@example(title="\U00011370", tags=[], text="", wish="", value="")  # a mark without a letter
@given(title=st.text(min_size=1, max_size=30), tags=st.lists(words, max_size=3), text=words, wish=words, value=words)
def test_reasons_are_total(title: str, tags: list[str], text: str, wish: str, value: str) -> None:
    def safe(raw: str) -> str:
        return "".join(c for c in raw if c.isprintable()).strip()

    item = Item(
        item_id="x", title=safe(title) or "T", tags=tuple(t for raw in tags if (t := safe(raw))), text=safe(text),
        attributes={"director": safe(value), "odd": safe(value)},
    )  # fmt: skip
    events = acts([HEAT, TOY_STORY])
    who = person(events, [item], wish)
    profile, liked = told(events)
    for reason in reasons_for(item, who):
        assert all(resolves(pointer, item, profile, liked) for pointer in reason.evidence(who.wish))
