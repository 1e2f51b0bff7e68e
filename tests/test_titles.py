"""A title finds its one item in any harmless spelling, and never another one."""

import random
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.errors import Ambiguous, NotFound
from agent.titles import Titles, closest, label, normalised, without_article
from agent.types import Item


def item(item_id: str, title: str, year: int | None = None, popularity: float | None = None) -> Item:
    return Item(item_id=item_id, title=title, popularity=popularity, attributes={} if year is None else {"year": year})


CATALOGUE = [
    item("1", "Toy Story", 1995),
    item("2", "Matrix, The (1999)"),
    item("3", "Hamlet", 1996, popularity=5),
    item("4", "Hamlet", 1948, popularity=9),
    item("5", "Amélie", 2001),
    item("6", "City of Lost Children, The (Cité des enfants perdus, La) (1995)"),
    item("7", "Die Hard", 1988),
    item("8", "千与千寻", 2001),
    item("9", "300", 2006),
    item("300", "Something Else"),
    item("11", "?"),
    item("12", "Seven (a.k.a. Se7en) (1995)"),
    item("13", "괴물", 2006),
    item("14", "C++"),
    item("15", "C"),
    item("16", "かき"),
    item("17", "がぎ"),
    item("18", "Blade Runner 2049", 2017),
    item("19", "Don't Look Up", 2021),
    item("20", "Rock & Roll"),
    item("21", "Twin", 2000),
    item("22", "Twin", 2000),
    item("23", "Ørnen: Éa  ―  Straße"),
    item("24", "No Year"),
]
TITLES = Titles(CATALOGUE)


@pytest.mark.parametrize(
    ("text", "item_id"),
    [
        ("toy story", "1"),
        ("  TOY   STORY (1995) ", "1"),
        ("Toy Story 1995", "1"),
        ("Matrix", "2"),
        ("the matrix", "2"),
        ("Matrix, The", "2"),
        ("Matrix (1999)", "2"),
        ("hamlet (1996)", "3"),
        ("Hamlet 1948", "4"),
        ("amelie", "5"),
        ("AME\u0301LIE", "5"),
        ("the city of lost children", "6"),
        ("la cité des enfants perdus", "6"),
        ("Cite des enfants perdus (1995)", "6"),
        ("die-hard", "7"),
        ("千与千寻", "8"),
        ("千与千寻（2001）", "8"),
        ("?", "11"),
        ("se7en", "12"),
        ("Seven", "12"),
        ("괴물", "13"),
        ("c++", "14"),
        ("c", "15"),
        ("がぎ", "17"),
        ("blade runner 2049", "18"),
        ("dont look up", "19"),
        ("Don’t Look Up", "19"),
        ("rock and roll", "20"),
        ("ornen ea strasse", "23"),
        ("No Year (1977)", "24"),
        ("22", "22"),
    ],
)
def test_a_harmless_spelling_finds_the_item(text: str, item_id: str) -> None:
    assert TITLES.find(text).item_id == item_id


@pytest.mark.parametrize(
    "text", ["Toy Story (1996)", "hard", "tpy story", "千与", "Hamlet (1990)", "", "   ", "The", "x" * 9999]
)
def test_anything_else_is_refused(text: str) -> None:
    with pytest.raises(NotFound):
        TITLES.find(text)


def test_the_refusal_lists_the_nearest() -> None:
    for text, near in [
        ("tpy story", "Toy Story (1995) [id 1]"),
        ("Toy Story (1996)", "Toy Story (1995) [id 1]"),
        ("千与", "千与千寻 (2001) [id 8]"),
        ("lost children", "City of Lost Children, The (Cité des enfants perdus, La) (1995) [id 6]"),
    ]:
        with pytest.raises(NotFound) as caught:
            TITLES.find(text)
        assert caught.value.hint.startswith(f"Did you mean {near}"), text
    with pytest.raises(NotFound, match="Check the spelling"):
        TITLES.find("zzzzzzzzzzzzzz")
    with pytest.raises(NotFound, match="catalogue is empty"):
        Titles([]).find("Toy Story")


def test_several_items_that_fit_are_listed_best_known_first() -> None:
    with pytest.raises(Ambiguous) as caught:
        TITLES.find("hamlet")
    assert caught.value.choices == ("Hamlet (1948) [id 4]", "Hamlet (1996) [id 3]")
    with pytest.raises(Ambiguous) as caught:
        TITLES.find("Twin (2000)")
    assert caught.value.choices == ("Twin (2000) [id 21]", "Twin (2000) [id 22]")


def test_an_id_that_is_also_a_title_is_not_guessed() -> None:
    with pytest.raises(Ambiguous) as caught:
        TITLES.find("300")
    assert set(caught.value.choices) == {"300 (2006) [id 9]", "Something Else [id 300]"}
    assert TITLES.find("300 (2006)").item_id == "9"


def test_labels_say_the_year_once() -> None:
    assert [label(i) for i in CATALOGUE[:2]] == ["Toy Story (1995) [id 1]", "Matrix, The (1999) [id 2]"]


@given(st.text(max_size=60))
def test_any_text_is_answered_or_refused(text: str) -> None:
    try:
        found = TITLES.find(text)
    except (NotFound, Ambiguous):
        pass
    else:
        same = without_article(normalised(text)) in {
            without_article(normalised(part)) for part in (found.title, found.name)
        }
        assert same or text.strip() == found.item_id or found.item_id in ("2", "6", "12", "18", "20")


@given(st.text(min_size=1, max_size=40).filter(lambda t: t.strip() and "\0" not in t))
def test_every_title_finds_itself(title: str) -> None:
    storable = title.encode("utf-8", "replace").decode().strip() or "x"
    titles = Titles([item("id-a", storable), item("id-b", "Some other title")])
    assert titles.find(storable).item_id == "id-a"


def test_time_grows_no_faster_than_the_catalogue() -> None:
    chance = random.Random(7)
    words = ["alpha", "beta", "gamma", "the", "a", "story", "night", "day", "love", "war", "man", "last", "of", "and"]
    many = [item(f"x{n}", " ".join(chance.choices(words, k=4)).title() + f" {n} (1995)") for n in range(20_000)]

    def took(n: int) -> float:
        begun = time.process_time()
        titles = Titles(many[:n])
        with pytest.raises(NotFound):
            titles.find("Alpha Betta Gama Delta")
        assert titles.find(many[777].title).item_id == "x777"
        return time.process_time() - begun

    assert took(20_000) < 30 * min(took(2_000) for _ in range(3))  # ten times as many titles


def test_all_items_of_a_title_are_found_best_known_first() -> None:
    assert [one.item_id for one in TITLES.called("hamlet")] == ["4", "3"]
    assert [one.item_id for one in TITLES.called("Hamlet (1996)")] == ["3"]
    assert TITLES.called("no such title") == TITLES.called("  ") == []
    assert TITLES.get("7") is not None
    assert TITLES.get("nothing") is None


def test_titles_a_slip_away_are_the_nearest_only() -> None:
    assert [one.item_id for one in TITLES.nearly("toy stroy", 80)] == ["1"]
    assert [one.item_id for one in TITLES.nearly("hamlett", 80)] == ["4", "3"]
    assert TITLES.nearly("toy stroy", 95) == []
    assert TITLES.nearly("", 50) == []
    assert closest("abcd", ["abcx", "abcy", "zzzz"], 50) == ["abcx", "abcy"]
