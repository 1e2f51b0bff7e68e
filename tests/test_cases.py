from __future__ import annotations

import gzip
import hashlib
import json
import shutil
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agent.errors import CatalogueError, ConfigError
from eval import jsonlines
from eval.cases import DataSet, item_from
from eval.jsonlines import Fault, read_objects, refuse

FILMS = Path(__file__).parent / "support" / "films"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return Path(shutil.copytree(FILMS, tmp_path / "films"))


def a_case(**changes: object) -> dict[str, object]:
    case = {"case_id": "x", "user_id": "u", "history": ["f1"], "candidates": ["f2", "f3"], "relevant": ["f2"]}
    return {key: value for key, value in {**case, **changes}.items() if value is not ...}


def append(path: Path, *rows: object) -> None:
    with path.open("ab") as file:
        for row in rows:
            file.write(row if isinstance(row, bytes) else json.dumps(row).encode() + b"\n")


def refusal(folder: Path) -> str:
    with pytest.raises(CatalogueError) as caught:
        DataSet.open(folder)
    return str(caught.value)


def test_a_data_set_is_items_and_cases_with_a_hash_that_anyone_can_check() -> None:
    dataset = DataSet.open(FILMS)
    both = (FILMS / "items.jsonl").read_bytes() + (FILMS / "cases.jsonl").read_bytes()
    assert dataset.sha256 == hashlib.sha256(both).hexdigest()
    assert (dataset.name, len(dataset.items), dataset.n_cases) == ("films", 12, 6)
    assert dataset.references == ("rival",)
    assert dataset.leaked == ()
    cases = list(dataset.cases())
    assert [case.case_id for case in cases] == ["c1", "c2", "c3", "c4", "c5", "c6"]
    assert cases[4].wish == "a storm at sea"
    assert cases[4].reference["rival"] == ("f99", "f9", "f2")
    with pytest.raises(ValueError, match="frozen"):
        cases[0].case_id = "other"


def test_unknown_keys_become_attributes_and_nulls_are_left_out() -> None:
    items = DataSet.open(FILMS).items
    assert items["f5"].attributes == {"year": 1998, "star": ("Otto Brandt", "Lea Moss")}
    assert items["f7"].year is None
    assert items["f9"].popularity == 120
    assert items["f11"].language == "zh"
    row = {"item_id": "a", "title": "A", "attributes": {"brand": "B", "parts": ["x", 1]}, "year": 5, "image": None}
    assert item_from(row).attributes == {"brand": "B", "parts": ("x", "1"), "year": 5}


def test_cases_are_limited_and_streamed() -> None:
    dataset = DataSet.open(FILMS)
    assert [case.case_id for case in dataset.cases(2)] == ["c1", "c2"]
    assert len(list(dataset.cases(99))) == 6


@pytest.mark.parametrize("missing", ["", "items.jsonl", "cases.jsonl"])
def test_a_missing_folder_or_file_is_a_usage_error(folder: Path, missing: str) -> None:
    target = folder / missing if missing else folder
    shutil.rmtree(target) if target.is_dir() else target.unlink()
    with pytest.raises(ConfigError, match=missing or "there is no data set folder") as caught:
        DataSet.open(folder)
    assert caught.value.exit_code == 2
    assert "cases.jsonl" in caught.value.hint


@pytest.mark.parametrize("content", [b"", b"\n\n  \n"])
def test_a_data_set_without_cases_is_refused(folder: Path, content: bytes) -> None:
    (folder / "cases.jsonl").write_bytes(content)
    assert "holds no cases" in refusal(folder)


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        (
            {"history": ["f1", "f77", "f78"]},
            "history names the item 'f77' (and 1 more), which items.jsonl does not hold",
        ),
        ({"candidates": ["f2", "f77"]}, "candidates names the item 'f77', which"),
        ({"relevant": ["f77"]}, "relevant names the item 'f77', which"),
        ({"candidates": ["f2", "f3", "f2"]}, "candidates names the item 'f2' twice"),
        ({"relevant": ["f2", "f2"]}, "relevant names the item 'f2' twice"),
        ({"relevant": []}, "relevant: "),
        ({"candidates": ...}, "the case has no 'candidates'; this task needs history, candidates"),
        ({"case_id": "c1"}, "the case 'c1' is there already"),
        ({"case_id": 7}, "case_id: "),
        ({"user_id": ...}, "user_id: "),
        ({"reference": {"model": ["f2"]}}, "the reference 'model' bears the name"),
        ({"reference": {"rival": "f2"}}, "reference.rival: "),
        ({"history": "f1"}, "history: "),
    ],
)
def test_a_bad_case_is_named_by_file_and_line(folder: Path, changes: dict[str, object], reason: str) -> None:
    append(folder / "cases.jsonl", a_case(**changes))
    assert f"{folder / 'cases.jsonl'}, line 7: {reason}" in refusal(folder)


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        (b'{"item_id": "x", "title": "X"', "is not JSON: "),
        (b'{"item_id": "x"}\n', "title: Field required"),
        (b'{"item_id": 5, "title": "X"}\n', "item_id: "),
        (b'{"item_id": "x", "title": "\\u0000"}\n', "title: "),
        (b'{"item_id": "x", "title": "\xff"}\n', "is not UTF-8 (byte "),
        (b'["x"]\n', "holds a list where a JSON object belongs"),
        (b'{"item_id": "x", "title": "X", "cast": {"a": 1}}\n', "attributes.cast"),
        (b'{"item_id": "f1", "title": "X"}\n', "the item 'f1' is there already"),
        (b'{"item_id": "x", "title": "X", "popularity": -1}\n', "popularity: "),
        (b'{"item_id": "x", "title": "X", "popularity": NaN}\n', "popularity: "),
        (b"[" * 100_000, "is not usable JSON"),
        (b"1" * 5_000 + b"\n", "is not usable JSON"),
    ],
)
def test_a_bad_item_is_named_by_file_and_line(folder: Path, line: bytes, reason: str) -> None:
    append(folder / "items.jsonl", line)
    assert f"{folder / 'items.jsonl'}, line 13: {reason}" in refusal(folder)


def test_every_bad_line_is_told_up_to_a_handful(folder: Path) -> None:
    append(folder / "cases.jsonl", *([b"{\n"] * 7))
    message = refusal(folder)
    assert [f"line {n}:" in message for n in range(7, 14)] == [True] * 5 + [False] * 2
    assert "and 2 more bad lines" in message
    assert "\n" not in message


def test_a_huge_line_is_refused_without_being_held_and_the_next_is_read(folder: Path) -> None:
    huge = b'{"item_id": "' + b"x" * (2 * jsonlines.MAX_LINE_BYTES) + b'"}\n'
    append(folder / "items.jsonl", huge, {"title": "no id"})
    digest = hashlib.sha256()
    found = list(read_objects(folder / "items.jsonl", digest))
    assert isinstance(found[12], Fault)
    assert "longer than 4,000,000 bytes" in str(found[12])
    assert found[13] == (14, {"title": "no id"})
    assert digest.hexdigest() == hashlib.sha256((folder / "items.jsonl").read_bytes()).hexdigest()


def test_windows_line_ends_and_a_byte_order_mark_are_fine(folder: Path) -> None:
    for name in ("items.jsonl", "cases.jsonl"):
        text = (folder / name).read_bytes()
        (folder / name).write_bytes(b"\xef\xbb\xbf" + text.replace(b"\n", b"\r\n"))
    assert DataSet.open(folder).n_cases == 6


def test_a_relevant_item_in_the_history_is_reported(folder: Path) -> None:
    append(folder / "cases.jsonl", a_case(history=["f1", "f2"]))
    dataset = DataSet.open(folder)
    assert dataset.leaked == ("x",)
    assert [case.leaked for case in dataset.cases()][-1] == ("f2",)


def test_what_was_named_before_and_what_events_tell_are_leaks_too(folder: Path) -> None:
    append(
        folder / "cases.jsonl",
        a_case(case_id="said", mentioned=["f2"]),
        a_case(case_id="clicked", user_id="w"),
        a_case(case_id="sound", user_id="v"),
    )
    with gzip.open(folder / "events.jsonl.gz", "wt") as file:
        for user_id, item_id in (("w", "f2"), ("v", "f1"), ("u", "f9")):
            file.write(json.dumps({"user_id": user_id, "item_id": item_id, "kind": "skip", "at": 1}) + "\n")
    assert DataSet.open(folder).leaked == ("said", "clicked")


def test_a_file_that_spoils_after_the_check_is_noticed(folder: Path) -> None:
    dataset = DataSet.open(folder)
    append(folder / "cases.jsonl", b"{")
    with pytest.raises(CatalogueError, match="line 7"):
        list(dataset.cases())


def test_keys_of_other_tasks_are_passed_over_and_other_needs_are_checked(folder: Path) -> None:
    said = '"messages": [{"role": "user", "content": "hello", "mood": 1}], "response": {}'
    (folder / "cases.jsonl").write_text(f'{{"case_id": "x", "user_id": "u", "relevant": ["f2"], {said}}}\n')
    assert DataSet.open(folder, needs=("messages",)).n_cases == 1
    assert "no 'history'" in refusal(folder)


@settings(deadline=None)
@given(st.binary(max_size=200))
def test_any_bytes_give_objects_or_faults(tmp_path_factory: pytest.TempPathFactory, content: bytes) -> None:
    path = tmp_path_factory.getbasetemp() / "any.jsonl"
    path.write_bytes(content)
    for found in read_objects(path):
        assert isinstance(found, Fault) or isinstance(found[1], dict)


def test_refuse_is_silent_without_faults() -> None:
    refuse([])
