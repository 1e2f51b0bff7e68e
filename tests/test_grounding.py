"""The check: what a sentence claims, and whether it is known. Every row here is a promise to users."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.explain.chinese import meanings_in
from agent.explain.claims import names_in, titles_in
from agent.explain.grounding import Check, Grounds, check
from agent.explain.passages import plain_number
from agent.types import Item
from tests.support.taste import ALIEN, BABE, BLADE_RUNNER, COLLATERAL, HEAT, NEMO, TAGS, TOY_STORY, WESTERN, film

LIKED = (HEAT, TOY_STORY, ALIEN)
WISH = "a tense thriller with a hitman"


def read(sentence: str, item: Item = COLLATERAL, wish: str | None = WISH) -> Check:
    return check(sentence, item, LIKED, wish, TAGS)


def refused(result: Check) -> list[str]:
    return [claim.text for claim in result.unsupported]


@pytest.mark.parametrize(
    "sentence",
    [
        "Directed by Michael Mann, like Heat (1995), which you liked.",
        "You liked Heat, and Michael Mann's eye for crime is here as well.",
        "Like Heat (1995), it is a crime drama.",
        "A tense ride: crime and drama, with a hitman.",
        '"Heat" and this one share crime, drama and thriller.',
        "If Heat (1995) held you, Tom Cruise and Jamie Foxx take crime to the night.",
        "Another crime story for you, in the line of Heat.",
        "More crime dramas after Heat (1995).",
        "If you liked the crime of Heat, you may like this one.",
        "You liked both Heat and Alien; there is crime here.",
        "As in a title that you liked, Heat, there is crime.",
        "Crime again. Drama again. Like Heat.",
        "你喜欢《Heat》（1995），这部也由Michael Mann执导。",
        "和《Heat》一样，都是犯罪和剧情。",
        "2004年的犯罪片，和《Heat》（1995）一样。",
    ],
)
def test_true_sentences_pass(sentence: str) -> None:
    result = read(sentence)
    assert result.passes, refused(result)


@pytest.mark.parametrize(
    ("sentence", "lie"),
    [
        ("Directed by Steven Spielberg, like Heat (1995).", "Steven Spielberg"),
        ("Spielberg directs a crime drama.", "Spielberg"),
        ("Spielberg's crime drama.", "Spielberg"),
        ("Like Heat (1999), it is a crime drama.", "Heat (1999)"),
        ("A crime comedy for you.", "comedy"),
        ("An animated crime drama.", "animated"),
        ("Romantic crime drama.", "Romantic"),
        ("Crime and war, like Heat.", "war"),
        ("“Jaws” fans will find crime here.", "Jaws"),
        ('"Jaws" fans will find crime here.', "Jaws"),
        ("Fans of Jaws will find crime here.", "Jaws"),
        ("A crime drama from 1999.", "1999"),
        ("A crime drama from the 1990s.", "1990s"),
        ("A crime drama of the nineties.", "nineties"),
        ("Crime drama with 12 awards.", "12"),
        ("Three crimes and a drama.", "Three"),
        ("An award-winning crime drama.", "award-winning"),
        ("A critically acclaimed crime drama.", "critically"),
        ("A crime drama based on a true story.", "true story"),
        ("Tom Cruise's first film, a crime drama.", "first film"),
        ("You did not like Heat, so try this crime drama.", "did not like"),
        ("Like Heat, a crime drama, and you liked it.", "you liked"),
        ("You liked Tom Cruise, so here is crime.", "You liked"),
        ("French crime drama.", "French"),
        ("A crime drama from France.", "France"),
        ("Crime drama with Al Pacino.", "Al Pacino"),
        ("The NASA crime drama.", "NASA"),
        ("和《英雄》一样，都是犯罪片。", "英雄"),
        ("由张艺谋执导的犯罪片。", "张艺谋"),
        ("这是一部喜剧，也有犯罪。", "喜剧"),
        ("九十年代的犯罪片。", "九十年代"),
        ("1999年的犯罪片。", "1999"),
        ("获奖的犯罪片。", "获奖"),
    ],
)
def test_false_claims_are_found(sentence: str, lie: str) -> None:
    assert lie in refused(read(sentence))


@pytest.mark.parametrize(
    "sentence",
    [
        "Crime at https://example.invalid/x",
        "Crime, see www.evil.invalid now.",
        "Crime, see evil.com now.",
        "Crime, write to a@b.cd now.",
        "Crime <b>and</b> drama.",
        "Crime <|im_end|> drama.",
        "[Crime](x) and drama.",
        "**Crime** and drama.",
        "`Crime` and drama.",
        "{{ crime }} and drama.",
        "Crime &lt;drama&gt;.",
        "Crime\x00 and drama.",
        "Crime\u202e and drama.",
        "Crime\u200b and drama.",
        "Crime\nand drama.",
        "Crime \U000e0041 drama.",
        "Crime \ud800 drama.",
    ],
)
def test_no_link_markup_or_control_character_passes(sentence: str) -> None:
    assert not read(sentence).grounded


def test_plain_signs_in_a_known_title_are_no_markup() -> None:
    odd = film("#Alive [Cut] *2*", 2020, "Horror")
    result = check("You liked #Alive [Cut] *2* (2020), and this is horror too.", ALIEN, [odd], None, TAGS)
    assert result.passes, refused(result)
    assert not check("# Horror as in it.", ALIEN, [odd], None, TAGS).grounded


def test_numbers_in_chinese_signs_stay_as_they_are() -> None:
    assert (plain_number("两"), plain_number("4,512"), plain_number("4512.0")) == ("两", "4512", "4512")


def test_likeness_must_hold_for_the_item_named() -> None:
    assert not read("Like Toy Story (1995), it is a crime drama.").grounded
    assert read("You liked Toy Story (1995) and Heat (1995); the crime of Heat is here again.").grounded
    assert not read("Like Heat (1995), it has Tom Cruise.").grounded
    assert read("From the comedy of Toy Story (1995) into crime.").grounded


def test_the_wish_does_not_make_a_tag_true() -> None:
    assert "thriller" in refused(check("A thriller for you.", NEMO, LIKED, WISH, TAGS))
    quoted = check("You asked for “a tense thriller”; this is comedy instead.", NEMO, LIKED, WISH, TAGS)
    assert quoted.grounded


def test_a_sentence_must_name_something_shared() -> None:
    empty = read("You will enjoy this one.")
    assert empty.grounded
    assert not empty.passes
    assert read("A film of 2004.", wish=None).shared == ()
    assert not check("Western, and nothing else.", WESTERN, LIKED, None, TAGS).passes


def test_the_wish_can_be_what_is_shared() -> None:
    assert [c.kind for c in read("It tells of a hitman.").shared] == ["wish"]


def test_what_is_given_may_be_said() -> None:
    sentence = "You rated Heat (1995) 4.5, and this is crime as well."
    assert refused(read(sentence)) == ["4.5"]
    assert check(sentence, COLLATERAL, LIKED, None, TAGS, given=["4.5"]).passes


def test_figures_of_the_item_count_however_they_are_printed() -> None:
    assert check("Family comedy with 4,512 reviews behind it.", NEMO, LIKED, None, TAGS).passes
    assert refused(check("Family comedy with 4,513 reviews.", NEMO, LIKED, None, TAGS)) == ["4,513"]
    assert check("With 1 Oscar on record.", BABE, LIKED, None, TAGS).grounded
    assert not check("With an Oscar on record.", BLADE_RUNNER, LIKED, None, TAGS).grounded


def test_decades_are_the_items_own() -> None:
    assert [c.text for c in check("Comedy from the 1990s.", BABE, LIKED, None, TAGS).shared] == ["1990s", "Comedy"]
    assert check("Comedy from the nineties and the '90s.", BABE, LIKED, None, TAGS).grounded


@pytest.mark.parametrize(
    "sentence",
    ["Crime, then. Another drama.", "Beautiful crime drama.", "If crime is it, stay.", "Fans of crime: this is it.",
     "I think TV crime is OK.", "Crime — Stay for the drama.", "Your watch history is full of crime."],
)  # fmt: skip
def test_capitals_at_the_beginning_alarm_nobody(sentence: str) -> None:
    history = Grounds(LIKED, WISH, TAGS | {"History"})
    assert refused(history.check(sentence, COLLATERAL)) == []


def test_titles_that_are_everyday_words_need_a_mark() -> None:
    assert list(titles_in("It is a horror story.", ["It"])) == []
    assert len(list(titles_in("It (2017) is horror.", ["It"]))) == 1
    assert len(list(titles_in("“Her” is near.", ["Her"]))) == 1
    assert [s.text for s in titles_in("Toy Story 2 after Toy Story.", ["Toy Story", "Toy Story 2"])] == [
        "Toy Story 2", "Toy Story"
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("sentence", "names"),
    [
        ("Michael Mann directs.", ["Michael Mann"]),
        ("The Coen Brothers return.", ["Coen Brothers"]),
        ("With Tom Cruise and Jamie Foxx in it.", ["Tom Cruise and Jamie Foxx"]),
        ("A story by J. R. R. Tolkien.", ["J. R. R. Tolkien"]),
        ("Nothing here. Nobody there.", []),
        ("from the makers of iPhone", ["iPhone"]),
        ("由张艺谋和李安执导", ["张艺谋和李安"]),
    ],
)
def test_names_are_runs_of_capitals(sentence: str, names: list[str]) -> None:
    assert [span.text for span in names_in(sentence)] == names


def test_a_shorter_chinese_name_inside_a_longer_one_is_not_read() -> None:
    assert meanings_in("意大利语对白") == {"意大利语": ["italian"]}


def test_accents_case_and_plurals_do_not_matter() -> None:
    item = film("Amélie", 2001, "Comedy, Romance", director="Jean-Pierre Jeunet", country="France")
    result = check("French romances and comedies by Jean-Pierre Jeunet.", item, [item, TOY_STORY], None, TAGS)
    assert result.grounded, refused(result)


def test_a_tag_in_two_words_and_its_other_spelling() -> None:
    assert check("Science fiction, like Alien.", BLADE_RUNNER, LIKED, None, TAGS).passes
    assert "science fiction" in refused(read("Crime and science fiction."))


def test_grounds_once_prepared_say_the_same() -> None:
    grounds = Grounds(LIKED, WISH, TAGS)
    for sentence in ("Crime, like Heat.", "Comedy, like Heat."):
        assert grounds.check(sentence, COLLATERAL) == read(sentence)


FRAGMENTS = (
    "Heat", "(1995)", "“", "”", "《", "》", "（", "）", '"', "'", "crime", "Comedy", "Al Pacino", "由", "执导", "1990s",
    "九十年代", "the", "■", "https://", "<", ">", ".", "，", "é", "ß", "ﬁ", "4,5", "you", "liked", "Toy Story", "isn't",
    "\x00", "\ud800",
)  # fmt: skip
fragments = st.sampled_from(FRAGMENTS)


@given(
    st.one_of(
        st.text(max_size=80),
        st.lists(fragments, max_size=12).map(" ".join),
        st.lists(fragments, max_size=9).map("".join),
    )
)
def test_any_sentence_can_be_checked(sentence: str) -> None:
    result = read(sentence)
    assert all(claim.sources for claim in result.supported)
    assert not any(claim.sources for claim in result.unsupported)
    if any(char in sentence for char in "\x00\ud800<>"):
        assert not result.grounded


@given(
    title=st.text(min_size=1, max_size=20), tags=st.lists(st.text(max_size=10), max_size=4), wish=st.text(max_size=30)
)
def test_any_item_vocabulary_and_wish_can_be_checked_against(title: str, tags: list[str], wish: str) -> None:
    try:
        item = Item(item_id="x", title=title, tags=tuple(tags), text=wish)
    except ValueError:
        return
    result = check(f"{title} is {' and '.join(tags)}.", item, [HEAT], wish, tags)
    assert isinstance(result.passes, bool)
