"""Loading: the counts add up, refused rows are written whole or not at all."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import pytest

from agent.catalogue import Refusal, load_events, load_items, read_events, read_items
from agent.catalogue.report import forget_refused, refused_of
from agent.errors import StoreError
from agent.types import Item

ROWS = "item_id,title\n1,a\n2,\n1,a\n3,c\n" + "".join(f"{n},t\n" for n in range(4, 1_300)) + "7,short,more\n"


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


@pytest.fixture
def films(tmp_path: Path) -> Path:
    path = tmp_path / "films.csv"
    path.write_text(ROWS, encoding="utf-8")
    return path


def test_counts_add_up_and_every_refused_row_is_written(films: Path, tmp_path: Path) -> None:
    batches: list[Sequence[Item]] = []
    refused = tmp_path / "deep" / "er" / "refused.jsonl"
    report = load_items(read_items(films), batches.append, refused)
    assert (report.read, report.accepted, report.refused) == (1_301, 1_298, 3)
    assert [len(batch) for batch in batches] == [500, 500, 298]
    rows = [json.loads(line) for line in refused.read_text(encoding="utf-8").splitlines()]
    assert rows == [
        {"line": 3, "reason": "title is empty", "row": "2,"},
        {"line": 4, "reason": "duplicate of line 2", "row": "1,a"},
        {"line": 1_302, "reason": "3 fields where the header has 2", "row": "7,short,more"},
    ]
    assert [refusal.line for refusal in report.first] == [3, 4, 1_302]
    assert dict(report.reasons)["duplicate of an earlier line"] == 1
    assert (report.refused_path, report.broke_off, report.format) == (refused, None, "CSV")
    assert report.columns is not None
    assert names(refused.parent) == ["refused.jsonl"]


def test_the_report_as_json(films: Path, tmp_path: Path) -> None:
    report = load_items(read_items(films), lambda batch: None, tmp_path / "refused.jsonl")
    shape = json.loads(json.dumps(report.as_json()))
    assert shape["read"] == shape["accepted"] + shape["refused"]
    assert shape["columns"]["fields"] == {"id": "item_id", "title": "title"}
    assert shape["first_refused"][0]["line"] == 3


def test_nothing_refused_leaves_no_file_of_refused_rows(tmp_path: Path) -> None:
    path = tmp_path / "films.csv"
    path.write_text("item_id,title\n1,a\n", encoding="utf-8")
    refused = tmp_path / "refused.jsonl"
    refused.write_text("from an earlier load\n", encoding="utf-8")
    report = load_items(read_items(path), lambda batch: None, refused)
    assert report.refused_path is None
    assert not refused.exists()


def test_a_sink_that_fails_leaves_the_earlier_file_alone(films: Path, tmp_path: Path) -> None:
    def full(_: Sequence[Item]) -> None:
        raise StoreError("the disk is full")

    refused = tmp_path / "refused.jsonl"
    refused.write_text("from an earlier load\n", encoding="utf-8")
    with pytest.raises(StoreError):
        load_items(read_items(films), full, refused)
    assert refused.read_text(encoding="utf-8") == "from an earlier load\n"
    assert names(tmp_path) == ["films.csv", "refused.jsonl"]


def test_a_place_where_nothing_can_be_written(films: Path, tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="cannot write"):
        load_items(read_items(films), lambda batch: None, films / "refused.jsonl")
    (tmp_path / "taken").mkdir()
    with pytest.raises(StoreError, match="cannot write"):
        load_items(read_items(films), lambda batch: None, tmp_path / "taken")
    assert names(tmp_path) == ["films.csv", "taken"]


def test_any_rows_can_be_loaded(tmp_path: Path) -> None:
    rows: list[Item | Refusal] = [Item(item_id="1", title="a"), Refusal(2, "odd", "x")]
    report = load_items(rows, lambda batch: None, tmp_path / "refused.jsonl")
    assert (report.read, report.accepted, report.refused, report.columns, report.format) == (2, 1, 1, None, "")


def test_events_load_likewise(tmp_path: Path) -> None:
    path = tmp_path / "ratings.csv"
    path.write_text("user_id,item_id,rating\n1,1,5\n1,2,\n1,3,x\n", encoding="utf-8")
    report = load_events(read_events(path), lambda batch: None, tmp_path / "refused.jsonl")
    assert (report.read, report.accepted, report.refused) == (3, 2, 1)


def test_reasons_without_end_are_counted_together(tmp_path: Path) -> None:
    rows = (Refusal(line, f"reason {line}", "") for line in range(1, 3_001))
    report = load_items(rows, lambda batch: None, tmp_path / "refused.jsonl")
    assert report.refused == 3_000
    assert dict(report.reasons)["other reasons"] == 2_000


def test_refused_rows_that_name_a_person_can_be_forgotten(tmp_path: Path) -> None:
    path = tmp_path / "events.jsonl"
    path.write_text('{"row": "ada,1"}\n{"row": "bob\u2028,2"}\n{"row": "z\\u00e9,3"}\n', encoding="utf-8")
    assert forget_refused(tmp_path, "bob") == 1
    assert forget_refused(tmp_path, "zé") == 1
    assert path.read_text(encoding="utf-8") == '{"row": "ada,1"}\n'
    assert forget_refused(tmp_path / "nowhere", "ada") == 0


def refused_rows(*rows: Refusal) -> str:
    return "".join(f"{json.dumps(row.as_json())}\n" for row in rows)


@pytest.mark.parametrize("user", ["a", "1", "user", "line"])
def test_a_row_of_somebody_else_is_neither_given_nor_forgotten(user: str, tmp_path: Path) -> None:
    """However short an id is, and whatever words the file itself is made of."""
    carols = Refusal(12, "a user_id is no reason", '{"user_id": "carol", "text": "a-b\\nuser_1"}', user="carol")
    own = Refusal(1, "unknown kind", "x", user=user)
    path = tmp_path / "events.jsonl"
    path.write_text(refused_rows(carols, own), encoding="utf-8")
    assert list(refused_of(tmp_path, user)) == [own.as_json()]
    assert forget_refused(tmp_path, user) == 1
    assert path.read_text(encoding="utf-8") == refused_rows(carols)


def test_a_row_that_names_a_person_is_forgotten_whoever_wrote_it(tmp_path: Path) -> None:
    named = [
        Refusal(n, "bad", row, user="carol")
        for n, row in enumerate(("with ada.", r'"\u0061da"', r"so\nada", "ADA", "adam"))
    ]
    cut = Refusal(9, "bad", "the beginning of a row…")
    path = tmp_path / "events.jsonl"
    path.write_text(refused_rows(*named, cut) + '{"line": 3, "row": "broken', encoding="utf-8")
    assert list(refused_of(tmp_path, "ada")) == []
    assert forget_refused(tmp_path, "ada") == 5
    assert path.read_text(encoding="utf-8").splitlines() == refused_rows(*named[3:]).splitlines()
