"""What people did before the cases: read in a few bytes an event, told person by person."""

import gzip
import json
from pathlib import Path

import pytest

from agent.errors import CatalogueError
from eval.cases import DataSet
from eval.past import FILE, HISTORIES, load_past

ITEMS = ("a", "b", "c")


def written(folder: Path, name: str, *rows: object) -> Path:
    with gzip.open(folder / name, "wt", encoding="utf-8") as file:
        file.writelines(f"{row if isinstance(row, str) else json.dumps(row)}\n" for row in rows)
    return folder


def act(user: str, item: str | None, at: float, kind: str = "rate", value: float | None = 4) -> dict[str, object]:
    return {"user_id": user, "item_id": item, "at": at, "kind": kind, "value": value}


def test_events_come_person_by_person_oldest_first(tmp_path: Path) -> None:
    folder = written(
        tmp_path,
        FILE,
        act("u", "b", 20),
        act("v", "a", 5, "view", None),
        act("u", "a", 10.5),
        act("u", "a", 30, "click", None),
    )
    past = load_past(folder, ITEMS)
    assert len(past) == 4
    assert past.source == FILE
    told = [(e.user_id, e.item_id, e.kind.value, e.value, e.at.timestamp()) for e in past.events()]
    assert told == [
        ("u", "a", "rate", 4.0, 10.5),
        ("u", "b", "rate", 4.0, 20.0),
        ("u", "a", "click", None, 30.0),
        ("v", "a", "view", None, 5.0),
    ]
    assert len({e.event_id for e in past.events()}) == 4


def test_a_click_is_no_meeting_and_nobody_met_nothing(tmp_path: Path) -> None:
    past = load_past(written(tmp_path, FILE, act("u", "b", 1), act("u", "c", 2, "click", None)), ITEMS)
    assert past.met("u") == {"b"}
    assert past.met("nobody") == frozenset()


def test_events_on_items_unknown_are_left_out_and_counted(tmp_path: Path) -> None:
    past = load_past(written(tmp_path, FILE, act("u", "zz", 1), act("u", "a", 2)), ITEMS)
    assert len(past) == 1
    assert past.left_out == {"names an item that the catalogue does not hold": 1}


def test_histories_of_others_stand_in_where_there_are_no_events(tmp_path: Path) -> None:
    past = load_past(written(tmp_path, HISTORIES, {"user_id": "u", "history": ["c", "a"]}), ITEMS)
    assert past.source == HISTORIES
    assert [(e.item_id, e.kind.value) for e in past.events()] == [("c", "like"), ("a", "like")]


def test_neither_file_is_an_empty_past(tmp_path: Path) -> None:
    past = load_past(tmp_path, ITEMS)
    assert (len(past), past.source, list(past.events())) == (0, "", [])


@pytest.mark.parametrize(
    ("name", "line", "told"),
    [
        (FILE, '{"user_id": "u"', "is not JSON"),
        (FILE, '{"user_id": "u", "item_id": "a", "kind": "stare", "at": 1}', "kind"),
        (FILE, '{"user_id": "u", "item_id": "a", "kind": "view"}', "is no event"),
        (FILE, '{"user_id": "u", "item_id": "a", "kind": "view", "at": 1e300}', "is no event"),
        (FILE, '{"user_id": "u", "item_id": "a", "kind": "rate", "at": 1}', "a rating needs a value"),
        (FILE, '{"user_id": "u", "item_id": "a", "kind": "view", "at": "noon"}', "at is 'noon', which is no number"),
        (FILE, '{"user_id": "u", "item_id": 7, "kind": "view", "at": 1}', "item_id is 7, which is no text"),
        (FILE, '{"user_id": "", "item_id": "a", "kind": "view", "at": 1}', "user_id: String should have"),
        (FILE, '{"user_id": "u", "item_id": "a", "kind": "rate", "value": true, "at": 1}', "value is True"),
        (HISTORIES, '{"user_id": "u"}', "history is no list"),
    ],
)
def test_a_bad_line_is_named(tmp_path: Path, name: str, line: str, told: str) -> None:
    with pytest.raises(CatalogueError, match=rf"{name}, line 1: .*{told}"):
        load_past(written(tmp_path, name, line), ITEMS)


def test_a_data_set_knows_its_past(tmp_path: Path) -> None:
    (tmp_path / "items.jsonl").write_text('{"item_id": "a", "title": "A"}\n')
    (tmp_path / "cases.jsonl").write_text('{"case_id": "1", "user_id": "u", "relevant": ["a"]}\n')
    dataset = DataSet.open(written(tmp_path, FILE, act("u", "a", 1)), ())
    assert dataset.past is dataset.past
    assert dataset.past.met("u") == {"a"}
