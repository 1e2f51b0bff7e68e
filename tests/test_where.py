"""A filter means one thing, whether an item, its facts or Chroma is asked."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.errors import ConfigError
from agent.recall.where import Where, facts_of, from_metadata, parse_where, to_metadata
from agent.types import Item
from tests.support.vectors import catalogue

FILM = Item(
    item_id="1",
    title="Toy Story",
    tags=("Animation", "Comedy", "Science Fiction"),
    attributes={
        "year": 1995,
        "director": "John Lasseter",
        "cast": ("Tom Hanks", "Tim Allen"),
        "Country": "USA",
        "scores": ("3", "9", "5"),
        "code": "0042",
        "original title": "Été, L'",
    },
    language="en",
    popularity=3.5,
)


@pytest.mark.parametrize(
    "text",
    [
        "year>=1990 and tags=Comedy",
        "YEAR >= 1995 AND Tag = comedy",
        "year≥1995 and year≤1995 and year=1995 and year==1995.0",
        "year>1994 & year<1996 && year!=1994",
        "tags=science fiction",
        "tags != Drama and platform != web",
        "director=john lasseter",
        "director='John Lasseter' and cast=\"TIM ALLEN\"",
        "year in (1994, 1995)",
        "year in [1995]",
        "language in en, fr",
        "cast in ('Nobody', \"tom hanks\") and year>1900",
        "country=usa",
        "scores=9 and scores>8 and scores<4 and scores=5",
        "code=42 and code='0042'",
        "popularity>=3.5 and popularity<4",
        "title>=t and title<u",
        "'original title'=\"été,  l'\"",
        "title!='Crime and Punishment'",
        "  year = 1995  ",
    ],
)
def test_what_holds(text: str) -> None:
    where = parse_where(text)
    assert where.matches(FILM)
    assert where.holds(from_metadata(to_metadata(facts_of(FILM))))


@pytest.mark.parametrize(
    "text",
    [
        "year>1995",
        "year=abc",
        "tags=Drama",
        "tags!=comedy",
        "tags=Com",
        "director=John",
        "language in (fr, de)",
        "missing=1",
        "missing>0",
        "scores=4",
        "year>=1990 and tags=Drama",
        "title=toystory",
        "year=1_995",
        "year<inf",
        "year in (1, 2)",
    ],
)
def test_what_does_not_hold(text: str) -> None:
    assert not parse_where(text).matches(FILM)


@pytest.mark.parametrize(
    ("text", "position"),
    [
        ("", 1),
        ("year", 5),
        ("year>", 6),
        ("year=>1990", 6),
        ("=1", 1),
        ("year>=1990 and", 15),
        ("and year=1", 5),
        ("year=1 or year=2", 15),
        ("title=Crime and Punishment", 27),
        ("tags in (a, b", 14),
        ("tags in (a, )", 13),
        ("tags=(a)", 6),
        ("title='open", 7),
        ('title="open', 7),
        ("year ! 1990", 6),
        ("a b=1", 3),
    ],
)
def test_a_bad_text_is_refused_with_its_place_and_an_example(text: str, position: int) -> None:
    with pytest.raises(ConfigError, match=f"fails at position {position}: expected") as caught:
        parse_where(text)
    assert "year>=1990 and tags=Comedy" in caught.value.hint
    assert caught.value.exit_code == 2


def test_an_unknown_field_is_refused_with_the_nearest() -> None:
    known = {field for item in catalogue(5) for field in facts_of(item)}
    parse_where("year=1 and platform=x and cast=y").check_fields(known)
    with pytest.raises(ConfigError, match=r"no item has the field 'yeer'\. There is: year"):
        parse_where("yeer>1990").check_fields(known)


def test_prose_is_not_a_fact() -> None:
    item = Item(item_id="1", title="t", attributes={"plot": "long " * 60, "empty": "", "huge": 10**400})
    assert set(facts_of(item)) == {"plot", "empty", "huge", "title"}
    assert to_metadata(facts_of(item)) == {"title": ["t"]}


def test_chroma_gets_a_filter_that_loses_nothing() -> None:
    for text, inside, exact in [
        ("tags=Comedy", {"tags": {"$contains": "comedy"}}, True),
        ("year>1990", {"year#most": {"$gt": 1990.0}}, True),
        ("year<=1990", {"year#least": {"$lte": 1990.0}}, True),
        ("tags!=Comedy", None, False),
        ("title>m", None, False),
        ("tags!=Comedy and year>=1990", {"year#most": {"$gte": 1990.0}}, False),
    ]:
        where = parse_where(text)
        assert (where.to_chroma(), where.exact_in_chroma) == (inside, exact)


WORDS = st.text(st.characters(exclude_categories=("Cs", "Cc")), min_size=1, max_size=12).filter(str.strip)


@given(WORDS, st.sampled_from(["=", "in"]))
def test_any_value_can_be_quoted(value: str, op: str) -> None:
    quoted = '"' + value.replace("\\", "\\\\").replace('"', '\\"') + '"'
    item = Item(item_id="1", title="t", attributes={"words": (value, "other")})
    assert parse_where(f"words {op} {quoted}").matches(item)


@given(st.text(max_size=40))
def test_any_text_is_a_filter_or_refused(text: str) -> None:
    try:
        where = parse_where(text)
    except ConfigError:
        return
    assert isinstance(where, Where)
    where.matches(FILM)
    where.to_chroma()


@given(
    st.dictionaries(
        st.text(min_size=1, max_size=8).filter(lambda t: max(t) < "\ud800" or min(t) > "\udfff"),
        st.integers()
        | st.floats(allow_nan=False, allow_infinity=False)
        | st.lists(WORDS, max_size=4).map(tuple)
        | WORDS,
        max_size=4,
    )
)
def test_facts_survive_the_way_through_metadata(attributes: dict[str, object]) -> None:
    storable = {k: v for k, v in attributes.items() if "\0" not in k and not any("\ud800" <= c <= "\udfff" for c in k)}
    facts = facts_of(Item(item_id="1", title="t", attributes=storable))
    kept = {name: fact for name, fact in facts.items() if fact.texts or fact.numbers}
    back = from_metadata(to_metadata(facts))
    assert {name: (fact.texts, set(fact.numbers)) for name, fact in back.items()} == {
        name: (fact.texts, set(fact.numbers)) for name, fact in kept.items()
    }
