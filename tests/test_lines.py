"""Requests on standard input: every line is a request or an error that says why, and the rest goes on."""

from __future__ import annotations

import io
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.commands.lines import BadLineError, numbered_lines, request_from


def request(**fields: object) -> bytes:
    return json.dumps({"candidates": [{"title": "Alien"}], **fields}).encode()


def test_a_request_holds_history_items_and_wish() -> None:
    line = request(history=[{"item_id": "h", "title": "Heat", "year": 1995}], wish=" funny ")
    found = request_from(line, "candidates")
    assert (found.history[0].item_id, found.history[0].year, found.wish) == ("h", 1995, "funny")
    assert [item.title for item in found.items] == ["Alien"]


def test_an_item_without_an_id_is_named_by_its_place_and_keeps_unknown_fields_as_attributes() -> None:
    item = request_from(request(candidates=[{"title": "Alien", "director": "Ridley Scott"}]), "candidates").items[0]
    assert (item.item_id, dict(item.attributes)) == ("candidates[0]", {"director": "Ridley Scott"})


@pytest.mark.parametrize("identity", [{"id": 7}, {"item_id": 7}, {"id": "7"}])
def test_ids_may_be_numbers(identity: dict[str, object]) -> None:
    assert request_from(request(candidates=[{"title": "Alien", **identity}]), "candidates").items[0].item_id == "7"


def test_a_bare_title_is_an_item() -> None:
    assert request_from(request(candidates=["Alien"]), "candidates").items[0].title == "Alien"


def test_tags_may_stand_in_one_text() -> None:
    item = request_from(request(candidates=[{"title": "Alien", "genres": "Horror|Sci-Fi"}]), "candidates").items[0]
    assert item.tags == ("Horror", "Sci-Fi")


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        (b"{", "not JSON"),
        (b"[]", "not a JSON object"),
        (b"\xff{}", "not UTF-8: byte 0xff at 0"),
        (b'{"candidates": [{"title": "A", "popularity": NaN}]}', "NaN is not a number"),
        (b"[" * 100_000, "nested too deeply"),
        (b"{}", "candidates is empty"),
        (request(candidates={}), "candidates is not a list"),
        (request(candidates=[3]), "candidates[0] is neither"),
        (request(candidates=[{"title": "A", "cast": {}}]), "candidates[0].cast is neither"),
        (b'{"wish": ' + b"9" * 5_000 + b"}", "a number that is too long"),
        (request(candidates=[{"item_id": "a"}]), "candidates[0].title"),
        (request(candidates=[{"title": "a\0b"}]), "NUL"),
        (request(candidates=[{"title": "A", "attributes": 3}]), "candidates[0].attributes"),
        (request(candidates=[{"id": "a", "title": "A"}, {"id": "a", "title": "B"}]), "repeats the item_id 'a'"),
        (request(histroy=[]), "unknown field 'histroy'"),
        (request(wish=3), "wish is not a string"),
        (None, "longer than"),
    ],
)
def test_a_bad_line_says_what_is_wrong(line: bytes | None, reason: str) -> None:
    with pytest.raises(BadLineError) as raised:
        request_from(line, "candidates")
    assert reason in str(raised.value)


@given(st.binary(max_size=200))
def test_any_bytes_are_a_request_or_a_bad_line(line: bytes) -> None:
    with pytest.raises(BadLineError):
        request_from(line, "candidates")


json_values = st.recursive(
    st.none() | st.booleans() | st.floats() | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["title", "id", "tags", "x"]), inner),
    max_leaves=8,
)


@given(st.dictionaries(st.sampled_from(["history", "candidates", "wish"]), json_values))
def test_any_json_object_is_a_request_or_a_bad_line(value: dict[str, object]) -> None:
    try:
        found = request_from(json.dumps(value).encode(), "candidates")
    except BadLineError:
        return
    assert len({item.item_id for item in found.items}) == len(found.items) > 0


def test_lines_are_numbered_and_blank_ones_skipped() -> None:
    assert list(numbered_lines(io.BytesIO(b"a\n\n \nb"))) == [(1, b"a\n"), (4, b"b")]


@pytest.mark.parametrize("n", [11, 12, 20, 25, 100])
def test_a_line_that_is_too_long_is_skipped_whole(n: int) -> None:
    stream = io.BytesIO(b"x" * n + b"\nnext\n")
    assert list(numbered_lines(stream, max_bytes=10)) == [(1, None), (2, b"next\n")]


@pytest.mark.parametrize("ending", [b"", b"\n"])
def test_a_line_of_just_the_limit_is_read(ending: bytes) -> None:
    assert list(numbered_lines(io.BytesIO(b"x" * 10 + ending), max_bytes=10)) == [(1, b"x" * 10 + ending)]
