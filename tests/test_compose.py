"""Composed sentences: grounded, varied, and chosen by likelihood where a model can weigh them."""

from __future__ import annotations

from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.deadline import Deadline
from agent.explain.compose import Variant, pick, plan, share_out, variants_of, weigh
from agent.explain.evidence import Reason, reasons_for
from agent.explain.grounding import Grounds
from agent.explain.person import person_from
from agent.llm.scripted import Scripted
from agent.types import Item
from prompts import load
from tests.support.taste import (
    ALIEN,
    BABE,
    BLADE_RUNNER,
    COLLATERAL,
    FILMS,
    HEAT,
    NEMO,
    TOY_STORY,
    WESTERN,
    acts,
    film,
    told,
)

SLATE = (COLLATERAL, NEMO, BLADE_RUNNER, WESTERN, film("Up", 2009, "Animation, Comedy, Family"))


def reasons(items: tuple[Item, ...] = SLATE, wish: str | None = None) -> list[list[Reason]]:
    events = acts([TOY_STORY, HEAT, ALIEN], {"r": (BABE, 4.5)})
    profile, liked = told(events)
    person = person_from(profile, liked, items, wish, events)
    return [reasons_for(item, person) for item in items]


@pytest.mark.parametrize("language", ["en", "zh"])
@pytest.mark.parametrize("wish", [None, "something funny for the family", "a hitman at night", "a Ridley Scott film"])
def test_every_wording_of_every_reason_is_grounded_and_short(language: str, wish: str | None) -> None:
    wording = load("rationale-compose", language)
    for item, found in zip(SLATE, reasons(wish=wish), strict=True):
        for reason in found:
            grounds = Grounds([c.item for c in reason.cited], wish, {"Romance", "War"})
            variants = variants_of(reason, wording, language, "films")
            assert variants
            for variant in variants:
                checked = grounds.check(variant.sentence, item, reason.given)
                assert checked.grounded, (variant, checked.unsupported)
                assert len(variant.sentence.split()) <= 32
                assert not any(flaw in variant.sentence for flaw in ("  ", " ,", " .", "None", "[]", "()", "“”", ",,"))
                assert variant.sentence[0].isupper() or language == "zh" or variant.sentence[0] in "“"
                assert variant.sentence[-1] in ".?。？"


@pytest.mark.parametrize("language", ["en", "zh"])
def test_every_kind_has_several_wordings(language: str) -> None:
    wording = load("rationale-compose", language)
    counted = {
        r.kind: len(variants_of(r, wording, language, "films")) for found in reasons(wish="funny") for r in found
    }
    assert all(count >= 2 for count in counted.values()), counted
    assert counted["tags"] >= 6


def test_a_slate_cites_in_turn_and_keeps_the_truest() -> None:
    chosen = plan(reasons())
    assert [c.item.title for c in chosen[0].cited] == ["Heat"]
    assert [c.item.title for c in chosen[2].cited] == ["Alien"]
    cited = [c.item.title for reason in chosen for c in reason.cited]
    assert max(map(cited.count, cited)) <= 2


def test_no_frame_is_used_twice_while_others_remain() -> None:
    alike = tuple(film(f"Film {n}", 2010 + n, "Animation, Comedy, Family") for n in range(8))
    wording = load("rationale-compose", "en")
    tags = [next(r for r in found if r.kind == "tags") for found in reasons(alike)]
    groups = share_out([variants_of(reason, wording, "en", "films") for reason in tags], "ada")
    chosen = pick(groups, {})
    assert len({variant.frame for variant in chosen}) == 8


@given(
    pools=st.lists(st.lists(st.sampled_from("abcdef"), max_size=6, unique=True), max_size=9), salt=st.text(max_size=5)
)
def test_sharing_out_is_fair_and_total(pools: list[list[str]], salt: str) -> None:
    variants = [[Variant(frame, f"{frame} of {n}.") for frame in pool] for n, pool in enumerate(pools)]
    groups = share_out(variants, salt)
    assert [bool(group) for group in groups] == [bool(pool) for pool in pools]
    for pool, group in zip(variants, groups, strict=True):
        assert set(group) <= set(pool)
        assert len(group) <= 4
    frames = [variant.frame for group in groups for variant in group]
    available = {variant.frame for pool in variants for variant in pool}
    if len(frames) > len(set(frames)):  # a frame stands twice only where some item found none of its own left
        assert sum(bool(pool) for pool in pools) > 1
    assert set(frames) <= available


def test_equal_input_gives_equal_words() -> None:
    wording = load("rationale-compose", "en")
    pools = [variants_of(reason, wording, "en", "films") for reason in plan(reasons())]
    once, twice = (pick(share_out(pools, "ada"), {}) for _ in range(2))
    assert once == twice


def test_the_likeliest_wording_wins() -> None:
    model = Scripted(
        scores=lambda _, text: -1.0 * len(text.split()) if "drew you in" in text else -9.0 * len(text.split())
    )
    groups = [[Variant("a", "Crime, just as in Heat."), Variant("b", "If the crime of Heat drew you in, more.")]]
    weights = weigh(groups, model, load("rationale-choose", "en"), Deadline.never())
    assert [variant.frame for variant in pick(groups, weights)] == ["b"]
    assert len(model.calls) == 1


def test_a_choice_of_one_asks_no_model() -> None:
    model = Scripted(scores=lambda *_: -1.0)
    assert weigh([[Variant("a", "One.")]], model, load("rationale-choose", "en"), Deadline.never()) == {}
    assert model.calls == []


def test_an_opening_heard_before_counts_against_a_wording() -> None:
    groups = [[Variant("a", "You liked Heat, and so on."), Variant("b", "More crime to go with it.")]] * 2
    sure = {"You liked Heat, and so on.": -1.0, "More crime to go with it.": -1.2}
    assert [variant.frame for variant in pick(groups, sure)] == ["a", "b"]


def test_grammar_of_lists_years_and_ratings() -> None:
    wording = load("rationale-compose", "en")
    found = reasons((NEMO,))[0]
    tags = next(r for r in found if r.kind == "tags" and r.cited[0].item is TOY_STORY)
    sentences = [v.sentence for v in variants_of(tags, wording, "en", "films")]
    listed = (
        "comedy and family" if tags.facts[0].value == "Comedy" else ", ".join(f.value.lower() for f in tags.facts[:2])
    )
    assert any(f"{listed}" in s for s in sentences)
    assert all("Toy Story (1995)" in s for s in sentences)
    rated = next(r for r in found if r.cited and r.cited[0].item is BABE)
    assert any("rated Babe (1995) 4.5" in v.sentence or "which you rated 4.5" in v.sentence
               for v in variants_of(rated, wording, "en", "films"))  # fmt: skip


def test_chinese_sentences_name_tags_in_chinese() -> None:
    found = reasons((COLLATERAL,))[0]
    sentences = [v.sentence for v in variants_of(found[0], load("rationale-compose", "zh"), "zh", "films")]
    assert all("《Heat》（1995）" in s and "犯罪" in s and "Michael Mann" in s for s in sentences)


@pytest.mark.parametrize(("noun", "mark"), [("films", "《Heat》"), ("products", "“Heat”")])
def test_only_works_stand_in_chinese_book_marks(noun: str, mark: str) -> None:
    found = reasons((COLLATERAL,))[0]
    sentences = [v.sentence for v in variants_of(found[0], load("rationale-compose", "zh"), "zh", noun)]
    assert all(mark in s for s in sentences)


def test_all_roles_read_well() -> None:
    wording = load("rationale-compose", "en")
    for role, plural in product(("director", "author", "cast", "artist", "brand"), (False, True)):
        names = ("Ann Lee", "Bo Ek") if plural else ("Ann Lee",)
        item = Item(item_id="new", title="New", attributes={role: names})
        old = Item(item_id=HEAT.item_id, title="Old", attributes={role: names})
        profile, _ = told(acts([HEAT]))
        found = reasons_for(item, person_from(profile, {old.item_id: old}, [item], None, acts([HEAT])))
        assert found[0].kind == "people"
        for variant in variants_of(found[0], wording, "en", "titles"):
            assert ("Ann Lee and Bo Ek" if plural else "Ann Lee") in variant.sentence


def test_the_catalogue_of_this_file_is_sound() -> None:
    assert len({item.item_id for item in FILMS}) == len(FILMS)
