"""Every bad file ends in the verdict written beside it: rows kept, rows refused with line and reason, or one error."""

from __future__ import annotations

import gzip
import json
import os
import sqlite3
import tracemalloc
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest

from agent.catalogue import Refusal, load_items, read_events, read_items
from agent.errors import CatalogueError, ConfigError, PalateError
from agent.types import Item

HERE = Path(__file__).parent / "support" / "bad_inputs" / "catalogue"
EXPECTED: dict[str, dict[str, Any]] = json.loads((HERE / "expected.json").read_text(encoding="utf-8"))


def both(path: Path, **options: Any) -> tuple[list[str], list[tuple[int, str]]]:
    rows = list(read_items(path, **options))
    kept = [row.item_id for row in rows if isinstance(row, Item)]
    return kept, [(row.line, row.reason) for row in rows if isinstance(row, Refusal)]


@pytest.mark.parametrize("name", sorted(EXPECTED))
def test_each_bad_file_gets_its_verdict(name: str) -> None:
    expected = EXPECTED[name]
    if "error" in expected:
        with pytest.raises(PalateError) as caught:
            both(HERE / name)
        assert expected["error"] in str(caught.value)
        assert caught.value.hint
        return
    kept, refused = both(HERE / name)
    if "broke_off" in expected:
        assert kept
        assert expected["broke_off"] in refused[-1][1]
        return
    assert kept == expected["accepted"]
    assert [line for line, _ in refused] == [line for line, _ in expected["refused"]]
    for (_, reason), (_, part) in zip(refused, expected["refused"], strict=True):
        assert part in reason


@pytest.mark.parametrize("name", sorted(EXPECTED))
def test_no_bad_file_crashes_the_reading_of_events(name: str) -> None:
    with suppress(PalateError):
        assert all(row for row in read_events(HERE / name))


def test_every_bad_file_has_a_verdict() -> None:
    present = {path.name for path in HERE.iterdir()} - {"expected.json", ".gitattributes"}
    assert present == set(EXPECTED)


@pytest.mark.parametrize("suffix", [".csv", ".jsonl", ".csv.gz"])
def test_a_10_mb_line_is_refused_and_the_next_row_read(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"long{suffix}"
    if suffix == ".jsonl":
        rows = [b'{"item_id":"1","title":"a"}', b'{"item_id":"2","title":"' + b"x" * 10_000_000 + b'"}']
        rows.append(b'{"item_id":"3","title":"c"}')
    else:
        rows = [b"item_id,title", b"1,a", b'2,"' + b"x" * 10_000_000 + b'"', b"3,c"]
    content = b"\n".join(rows)
    path.write_bytes(gzip.compress(content, 1) if suffix.endswith("gz") else content)
    kept, refused = both(path)
    assert kept == ["1", "3"]
    assert refused == [(2 + (suffix != ".jsonl"), "the line is longer than 1,048,576 bytes")]
    refusal = next(row for row in read_items(path) if isinstance(row, Refusal))
    assert len(refusal.row) == 200


def test_a_quote_left_open_before_a_10_mb_line(tmp_path: Path) -> None:
    path = tmp_path / "long.csv"
    path.write_bytes(b'item_id,title\n1,"a\n2,' + b"x" * 2_000_000 + b"\n3,c\n")
    kept, refused = both(path)
    assert kept == ["3"]
    assert [line for line, _ in refused] == [2, 3]


def test_very_long_fields(tmp_path: Path) -> None:
    path = tmp_path / "long.csv"
    long = "y" * 131_073
    path.write_text(f'item_id,title,text,note\n1,{long},,\n2,b,"{long}",\n3,c,,{long}\n4,d,,\n', encoding="utf-8")
    kept, refused = both(path)
    assert kept == ["4"]
    assert [line for line, _ in refused] == [2, 3, 4]
    assert "title: String should have at most 1000 characters" in refused[0][1]
    assert "note is longer than 20,000 characters" in refused[2][1]


def test_a_quote_open_over_more_rows_than_a_record_may_span_costs_one_row(tmp_path: Path) -> None:
    path = tmp_path / "open.csv"
    rows = [f"{n},t" for n in range(2, 2_000)]
    path.write_text('item_id,title\n1,"t\n' + "\n".join(rows) + '\n2000,"t"\n', encoding="utf-8")
    kept, refused = both(path)
    assert len(kept) == 1_999
    assert refused == [(2, "a quote is opened and never closed")]


@pytest.mark.parametrize("header", [",".join(f"c{n}" for n in range(100_000)), "item_id,title" + ",a" * 100_000])
def test_100_000_columns(tmp_path: Path, header: str) -> None:
    path = tmp_path / "wide.csv"
    path.write_text(f"{header}\n1,2\n", encoding="utf-8")
    with pytest.raises(CatalogueError, match=r"100,00[02] columns"):
        read_items(path)


def test_100_000_members_of_one_object(tmp_path: Path) -> None:
    path = tmp_path / "wide.jsonl"
    members = {f"k{n}": n for n in range(60_000)}
    rows = [{"item_id": "1", "title": "a", **members}, {"item_id": "2", "title": "a", "details": members}]
    path.write_text("\n".join(json.dumps(row) for row in rows), encoding="utf-8")
    kept, refused = both(path)
    assert kept == []
    assert "2,000 is the most" in refused[0][1]
    assert "2,000 is the most" in refused[1][1]


@pytest.mark.parametrize(
    ("member", "reason"),
    [
        ('"popularity":' + "9" * 5_000, "a number of too many digits"),
        ('"popularity":' + "9" * 400, "popularity is too large a number"),
        ('"x":' + "[" * 100_000 + "]" * 100_000, "nested too deeply"),
        ('"x":' + '{"a":' * 100_000 + "1" + "}" * 100_000, "nested too deeply"),
        ('"x":"' + "y" * 20_001 + '"', "x is longer than 20,000 characters"),
        (f'"{"k" * 129}":1', "a column's name is longer than 128 characters"),
        (f'"tags":["{"t" * 201}"]', "tags.0: String should have at most 200 characters"),
    ],
)
def test_overlarge_json(tmp_path: Path, member: str, reason: str) -> None:
    path = tmp_path / "large.jsonl"
    path.write_text(f'{{"item_id":"1","title":"a",{member}}}\n{{"item_id":"2","title":"b"}}\n', encoding="utf-8")
    kept, refused = both(path)
    assert kept == ["2"]
    assert len(refused) == 1
    assert reason in refused[0][1]


def test_numbers_beyond_64_bits_stay_whole(tmp_path: Path) -> None:
    path = tmp_path / "large.jsonl"
    digits = "9" * 100
    path.write_text(f'{{"item_id":{digits},"title":{digits},"x":{digits}}}', encoding="utf-8")
    item = next(read_items(path))
    assert isinstance(item, Item)
    assert (item.item_id, item.title, item.attributes) == (digits, digits, {"x": digits})


def test_a_gzip_bomb_of_zeros_is_refused_at_once(tmp_path: Path) -> None:
    path = tmp_path / "bomb.jsonl.gz"
    path.write_bytes(gzip.compress(b"item_id,title\n" + b"\0" * 80_000_000, 1))
    assert path.stat().st_size < 600_000
    with pytest.raises(CatalogueError, match="not text"):
        read_items(path)


def test_a_gzip_bomb_of_long_lines_ends_the_file(tmp_path: Path) -> None:
    path = tmp_path / "bomb.csv.gz"
    path.write_bytes(gzip.compress(b"item_id,title\n1,a\n2," + b"x" * 80_000_000, 1))
    rows = list(read_items(path))
    assert isinstance(rows[0], Item)
    assert isinstance(rows[1], Refusal)
    assert rows[1].ends_file
    assert "gzip bomb" in rows[1].reason


def test_a_gzip_stream_damaged_in_the_middle(tmp_path: Path) -> None:
    rows = [{"item_id": str(n), "title": os.urandom(20).hex()} for n in range(5_000)]
    packed = bytearray(gzip.compress("\n".join(map(json.dumps, rows)).encode()))
    packed[len(packed) // 2 : len(packed) // 2 + 64] = b"\xff" * 64
    path = tmp_path / "damaged.jsonl.gz"
    path.write_bytes(packed)
    report = load_items(read_items(path), lambda batch: None, tmp_path / "refused.jsonl")
    assert report.accepted > 1_000
    assert report.broke_off is not None
    assert report.read == report.accepted + report.refused


def test_what_is_not_a_file(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.csv")
    (tmp_path / "loop.csv").symlink_to(tmp_path / "loop.csv")
    (tmp_path / "folder.csv").mkdir()
    for name, part in [
        ("pipe.csv", "pipe or a device"),
        ("loop.csv", "symbolic links"),
        ("folder.csv", "holds no items in a form known here"),
        ("missing.csv", "No such file"),
        ("a\0b.csv", "null"),
        ("x" * 5_000, "too long"),
    ]:
        with pytest.raises(CatalogueError) as caught:
            read_items(tmp_path / name)
        assert part in str(caught.value), name
    with pytest.raises(CatalogueError, match="device"):
        read_items("/dev/zero")


@contextmanager
def nobody() -> Iterator[None]:
    """Where tests run as root, a person without rights; else whoever runs them."""
    root = os.geteuid() == 0
    if root:
        os.seteuid(65_534)
    try:
        yield
    finally:
        if root:
            os.seteuid(0)


def test_no_permission(tmp_path: Path) -> None:
    path = tmp_path / "closed.csv"
    path.write_text("item_id,title\n1,a\n", encoding="utf-8")
    path.chmod(0)
    with nobody(), pytest.raises(CatalogueError, match="Permission denied"):
        read_items(path)


def test_a_folder_without_permission(tmp_path: Path) -> None:
    folder = tmp_path / "closed"
    folder.mkdir()
    folder.chmod(0)
    with nobody(), pytest.raises(CatalogueError, match="Permission denied"):
        read_items(folder)
    folder.chmod(0o700)


def test_a_file_deleted_while_it_is_read(tmp_path: Path) -> None:
    path = tmp_path / "going.csv"
    path.write_text("item_id,title\n" + "".join(f"{n},t{' ' * 50}\n" for n in range(5_000)), encoding="utf-8")
    rows = read_items(path)
    next(rows)
    path.unlink()
    assert sum(isinstance(row, Item) for row in rows) == 4_999


def test_memory_stays_constant(tmp_path: Path) -> None:
    path = tmp_path / "big.jsonl"
    with path.open("w", encoding="utf-8") as file:
        for number in range(1_500):
            file.write(json.dumps({"item_id": str(number), "title": "t"}) + " " * 20_000 + "\n")
    assert path.stat().st_size > 30_000_000
    tracemalloc.start()
    count = sum(1 for _ in read_items(path))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert count == 1_500
    assert peak < 12_000_000


def test_a_damaged_database(tmp_path: Path) -> None:
    path = tmp_path / "shop.db"
    with sqlite3.connect(path) as database:
        database.execute("CREATE TABLE items (item_id, title)")
        database.executemany("INSERT INTO items VALUES (?, ?)", [(n, "t" * 100) for n in range(5_000)])
    content = bytearray(path.read_bytes())
    content[200_000:250_000] = b"\xff" * 50_000
    path.write_bytes(content)
    rows = list(read_items(path))
    assert isinstance(rows[-1], Refusal)
    assert rows[-1].ends_file
    assert sum(isinstance(row, Item) for row in rows) > 500
    path.write_bytes(content[:3_000])
    with pytest.raises(CatalogueError):
        list(read_items(path))


@pytest.mark.parametrize("options", [{"encoding": "utf-7"}, {"limit": -1}, {"table": "x"}, {"sql": "SELECT 1"}])
def test_options_that_do_not_fit(options: dict[str, Any]) -> None:
    with pytest.raises(ConfigError):
        read_items(HERE / "crlf.csv", **options)


def test_latin_1_is_read_when_asked_for() -> None:
    rows = list(read_items(HERE / "latin1-in-utf8.csv", encoding="latin-1"))
    assert [row.title for row in rows if isinstance(row, Item)] == ["Alpha", "Amélie", "Gamma"]
