"""Events from files: identifiers that make loading twice harmless, kinds, values and times."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from agent.catalogue import Columns, Refusal, read_events
from agent.errors import ConfigError
from agent.types import Event, EventKind


def events_of(path: Path, text: str, columns: Columns | None = None) -> list[Event | Refusal]:
    path.write_text(text, encoding="utf-8")
    return list(read_events(path, columns))


def one(folder: Path, **members: Any) -> Event | Refusal:
    return events_of(folder / "one.jsonl", json.dumps({"user_id": "u", "item_id": "i"} | members))[0]


def event(folder: Path, **members: Any) -> Event:
    row = one(folder, **members)
    assert isinstance(row, Event), row
    return row


RATED = "userId,movieId,rating,timestamp\n1,10,4.0,964982703\n1,11,0.5,964982931\n1,10,4.0,964982703\n"


def ids(rows: list[Event | Refusal]) -> list[str]:
    return [row.event_id for row in rows if isinstance(row, Event)]


def test_loading_twice_gives_the_same_identifiers(tmp_path: Path) -> None:
    first, second = events_of(tmp_path / "a.csv", RATED), events_of(tmp_path / "b.csv", RATED)
    assert ids(first) == ids(second)
    assert len(set(ids(first))) == 3
    assert [row.kind for row in first if isinstance(row, Event)] == [EventKind.RATE] * 3


def test_identifiers_do_not_depend_on_format_or_order(tmp_path: Path) -> None:
    rows = [
        {"user": 1, "item_id": 11, "value": 0.5, "at": "2000-07-30T18:48:51Z"},
        {"user": "1", "item_id": "10", "value": "4", "at": 964982703000, "kind": "rating"},
        {"user": "1", "item_id": "10", "value": 4, "at": "964982703"},
    ]
    other = events_of(tmp_path / "a.jsonl", "\n".join(json.dumps(row) for row in rows))
    assert set(ids(other)) == set(ids(events_of(tmp_path / "b.csv", RATED)))


def test_an_identifier_given_is_kept_and_not_taken_twice(tmp_path: Path) -> None:
    text = "event_id,user_id,item_id\ne1,u,i\ne2,u,i\ne1,u,j\n,u,i\n"
    rows = events_of(tmp_path / "a.csv", text)
    assert ids(rows)[:2] == ["e1", "e2"]
    assert len(ids(rows)) == 3
    assert [row.reason for row in rows if isinstance(row, Refusal)] == ["duplicate of line 2: same event identifier"]


@pytest.mark.parametrize(
    ("members", "kind"),
    [
        ({}, EventKind.VIEW),
        ({"value": 3}, EventKind.RATE),
        ({"item_id": None, "text": "something funny"}, EventKind.MESSAGE),
        ({"kind": "LIKE"}, EventKind.LIKE),
        ({"event_type": "purchased"}, EventKind.PURCHASE),
        ({"action": "thumbs-down"}, EventKind.DISLIKE),
        ({"kind": "", "value": 2}, EventKind.RATE),
        ({"type": "Favorite"}, EventKind.LIKE),
        ({"kind": "search", "text": "noir", "item_id": None}, EventKind.SEARCH),
    ],
)
def test_kinds(tmp_path: Path, members: dict[str, Any], kind: EventKind) -> None:
    assert event(tmp_path, **members).kind is kind


@pytest.mark.parametrize(
    ("members", "reason"),
    [
        ({"kind": "addtocart"}, "unknown kind 'addtocart'; use one of view, click"),
        ({"kind": "rate"}, "a rating needs a value"),
        ({"value": "five"}, "value is 'five', not a number"),
        ({"value": True}, "value is True, not a number"),
        ({"user_id": ""}, "user_id is empty"),
        ({"user_id": None}, "user_id is empty"),
        ({"user_id": "x" * 129}, "user_id: String should have at most 128 characters"),
        ({"item_id": False}, "item_id is False, not an identifier"),
        ({"item_id": None, "text": " "}, "an event names an item_id, or holds text, or both"),
        ({"at": "yesterday"}, "at is 'yesterday', not a time: use Unix seconds or ISO 8601"),
        ({"at": "2026-13-01"}, "not a time"),
        ({"at": 1e300}, "not a time"),
        ({"at": "9999-12-31T23:59:59-12:00"}, "not a time"),
        ({"at": True}, "at is True, not a number"),
        ({"at": [1]}, "at is a list, not a number"),
        ({"text": "a\0b"}, "text holds a NUL character"),
        ({"text": "x" * 20_001}, "text: String should have at most 20000 characters"),
    ],
)
def test_refused_events(tmp_path: Path, members: dict[str, Any], reason: str) -> None:
    row = one(tmp_path, **members)
    assert isinstance(row, Refusal)
    assert reason in row.reason


@pytest.mark.parametrize(
    ("at", "wanted"),
    [
        (0, datetime(1970, 1, 1, tzinfo=UTC)),
        (-1, datetime(1969, 12, 31, 23, 59, 59, tzinfo=UTC)),
        (964982703, datetime(2000, 7, 30, 18, 45, 3, tzinfo=UTC)),
        (964982703.5, datetime(2000, 7, 30, 18, 45, 3, 500_000, tzinfo=UTC)),
        ("964982703", datetime(2000, 7, 30, 18, 45, 3, tzinfo=UTC)),
        (964982703000, datetime(2000, 7, 30, 18, 45, 3, tzinfo=UTC)),
        (964982703000000, datetime(2000, 7, 30, 18, 45, 3, tzinfo=UTC)),
        (964982703000000000, datetime(2000, 7, 30, 18, 45, 3, tzinfo=UTC)),
        ("2000-07-30", datetime(2000, 7, 30, tzinfo=UTC)),
        ("2000-07-30 18:45:03", datetime(2000, 7, 30, 18, 45, 3, tzinfo=UTC)),
        ("2000-07-30 18:45:03 UTC", datetime(2000, 7, 30, 18, 45, 3, tzinfo=UTC)),
        ("2000-07-30T20:45:03+02:00", datetime(2000, 7, 30, 18, 45, 3, tzinfo=UTC)),
        ("9999-12-31T23:59:59Z", datetime(9999, 12, 31, 23, 59, 59, tzinfo=UTC)),
    ],
)
def test_times(tmp_path: Path, at: object, wanted: datetime) -> None:
    assert event(tmp_path, at=at).at == wanted


def test_rows_without_a_time_keep_their_order_and_their_identifiers(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text("user_id,item_id\n" + "".join(f"u,{n}\n" for n in range(50)), encoding="utf-8")
    moment = datetime(2026, 1, 1, tzinfo=UTC)
    rows = [row for row in read_events(path, clock=lambda: moment) if isinstance(row, Event)]
    assert [row.at for row in rows] == sorted({row.at for row in rows})
    assert rows[0].at == moment
    assert (rows[-1].at - moment).total_seconds() < 0.001
    assert ids(list(read_events(path))) == [row.event_id for row in rows]


def test_the_scale_of_a_file_is_kept(tmp_path: Path) -> None:
    rows = events_of(tmp_path / "a.csv", "user,item,rating\n1,1,10\n1,2,-10\n1,3,87.5\n")
    assert [row.value for row in rows if isinstance(row, Event)] == [10, -10, 87.5]


def test_words_beside_a_rating_and_columns_nobody_reads(tmp_path: Path) -> None:
    path = tmp_path / "reviews.jsonl"
    review = {
        "rating": 5.0,
        "title": "Great",
        "text": "I liked it",
        "asin": "B1",
        "parent_asin": "B0",
        "user_id": "A",
        "timestamp": 1588687728923,
    }
    path.write_text(json.dumps(review), encoding="utf-8")
    rows = read_events(path)
    row = next(rows)
    assert isinstance(row, Event)
    assert (row.kind, row.item_id, row.value, row.text) == (EventKind.RATE, "B0", 5, "I liked it")
    assert rows.columns is not None
    assert rows.columns.ignored == ("title", "asin")
    assert "not used: title, asin" in rows.columns.describe()


@pytest.mark.parametrize("header", ["item_id,rating", "user_id,rating"])
def test_needed_columns(tmp_path: Path, header: str) -> None:
    with pytest.raises(ConfigError, match=r"no column for the (user|id or text)"):
        events_of(tmp_path / "a.csv", f"{header}\n1,2\n")


def test_named_columns(tmp_path: Path) -> None:
    columns = Columns(user="who", id="what", value="how", at="when")
    (row,) = events_of(tmp_path / "a.csv", "who,what,how,when\nu,i,3,0\n", columns)
    assert isinstance(row, Event)
    assert (row.user_id, row.item_id, row.value, row.at.year) == ("u", "i", 3, 1970)
