"""Whatever the bytes, reading ends in rows whose counts add up or in one clear error."""

from __future__ import annotations

import csv
import gzip
import io
import json
import sqlite3
import tempfile
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from agent.catalogue import Refusal, Report, load_events, load_items, read_events, read_items
from agent.catalogue.delimited import Record
from agent.catalogue.lines import decoder, read_lines
from agent.catalogue.lists import people_of, tags_of, written_list
from agent.catalogue.rows import RowError
from agent.catalogue.titles import split_year, with_article_first
from agent.errors import PalateError
from agent.types import Event, Item

SOME = settings(max_examples=120, deadline=None, suppress_health_check=list(HealthCheck))
FEW = settings(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck))

PIECES = [
    b'"',
    b'""',
    b",",
    b"\t",
    b"|",
    b";",
    b"::",
    b"\n",
    b"\r\n",
    b"\r",
    b"\0",
    b"\xff",
    b"\xe9",
    b"\xef\xbb\xbf",
    b"{",
    b"}",
    b"[",
    b"]",
]
PIECES += [
    b"item_id",
    b"title",
    b'{"item_id":"1","title":"a"}\n',
    b"1,a\n",
    b"\xe2\x80\xa8",
    b"1e999",
    b"NaN",
    b":token",
    b"user_id,item_id",
]
NOISE = st.one_of(st.binary(max_size=300), st.lists(st.sampled_from(PIECES), max_size=60).map(b"".join))
HEADS = [
    b"",
    b"item_id,title,tags\n",
    b"user_id,item_id,rating,timestamp\n",
    b"item_id:token\ttitle:token_seq\n",
    b"\xff\xfe",
    b"\xfe\xff",
]
CONTENT = st.tuples(st.sampled_from(HEADS), NOISE).map(b"".join)


@cache
def folder() -> Path:
    return Path(tempfile.mkdtemp())


@pytest.fixture(autouse=True, scope="module")
def _clean() -> Iterator[None]:
    yield
    for path in folder().iterdir():
        path.unlink()
    folder().rmdir()


def put(name: str, content: bytes) -> Path:
    path = folder() / name
    path.write_bytes(content)
    return path


def ends_well(path: Path) -> None:
    ways: list[tuple[Callable[..., Any], Callable[..., Report], type]] = [
        (read_items, load_items, Item),
        (read_events, load_events, Event),
    ]
    for read, load, kind in ways:
        given_out: list[Any] = []
        refused = folder() / "refused.jsonl"
        try:
            report = load(read(path), given_out.extend, refused)
        except PalateError as error:
            str(error).encode("utf-8")
            continue
        assert report.read == report.accepted + report.refused
        assert report.accepted == len(given_out)
        assert all(isinstance(value, kind) for value in given_out)
        lines = refused.read_bytes().split(b"\n")[:-1] if refused.exists() else []
        assert len(lines) == report.refused
        assert all({"line", "reason", "row"} == set(json.loads(line)) - {"user"} for line in lines)
        json.dumps(report.as_json(), ensure_ascii=False).encode("utf-8")


@SOME
@given(
    CONTENT,
    st.sampled_from(
        ["x.csv", "x.tsv", "x.jsonl", "x.item", "x.inter", "x", "u.item", "u.data", "movies.dat", "x.csv.gz"]
    ),
)
def test_any_bytes(content: bytes, name: str) -> None:
    ends_well(put(name, content))


@FEW
@given(CONTENT, st.integers(0, 400), st.integers(0, 255))
def test_any_damage_to_gzip(content: bytes, at: int, byte: int) -> None:
    packed = bytearray(gzip.compress(b"item_id,title\n1,a\n" + content))
    packed[at % len(packed)] = byte
    ends_well(put("x.csv.gz", bytes(packed)))


@cache
def parquet() -> bytes:
    sink = io.BytesIO()
    pq.write_table(pa.table({"item_id": ["1", "2"], "title": ["a", "b"], "tags": [["x"], []]}), sink)
    return sink.getvalue()


@cache
def database() -> bytes:
    path = folder() / "whole.db"
    with sqlite3.connect(path) as connection:
        connection.execute("CREATE TABLE films (item_id, title)")
        connection.executemany("INSERT INTO films VALUES (?, ?)", [(n, "t") for n in range(50)])
    connection.close()
    return path.read_bytes()


@FEW
@given(
    st.lists(st.tuples(st.integers(0, 100_000), st.integers(0, 255)), max_size=6),
    st.integers(0, 100_000),
    st.booleans(),
)
def test_any_damage_to_a_database(changes: list[tuple[int, int]], length: int, cut: bool) -> None:
    content = bytearray(database())
    for at, byte in changes:
        content[at % len(content)] = byte
    ends_well(put("x.db", bytes(content[: length % len(content)] if cut else content)))


@FEW
@given(st.integers(0, 100_000), NOISE)
def test_any_cut_of_parquet(length: int, noise: bytes) -> None:
    ends_well(put("x.parquet", parquet()[: length % len(parquet())] + noise))


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(alphabet=st.characters(), max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=5,
)
NAMES = st.sampled_from(
    ["item_id", "title", "tags", "text", "popularity", "image", "language", "platform", "year", "cast", "x"]
)
NAMES |= st.sampled_from(["user_id", "kind", "value", "at", "event_id", "release_date", "details"]) | st.text(
    max_size=8
)


@FEW
@given(st.lists(st.dictionaries(NAMES, JSON, max_size=6), max_size=3))
def test_any_json_objects(rows: list[dict[str, Any]]) -> None:
    base = {"item_id": "1", "title": "t", "user_id": "u"}
    ends_well(put("x.jsonl", "\n".join(json.dumps(row) for row in [base, *({**base, **row} for row in rows)]).encode()))


CELLS = st.text(alphabet=st.sampled_from("ab\",\t;| '\n\r\u2028\0é"), max_size=8)


@SOME
@given(st.lists(st.lists(CELLS, min_size=3, max_size=3), min_size=1, max_size=8), st.sampled_from(",;|"))
def test_what_csv_writes_is_read_back(rows: list[list[str]], delimiter: str) -> None:
    rows = [[cell.replace("\r", "") for cell in row] for row in rows]
    out = io.StringIO()
    csv.writer(out, delimiter=delimiter, lineterminator="\n", quoting=csv.QUOTE_ALL).writerows(rows)
    path = put("x.csv", out.getvalue().encode())
    found, record = [], Record(delimiter)
    for line in read_lines(path):
        if record.feed(decoder()(line.raw)):
            found.append(record.fields)
            record = Record(delimiter)
    assert found == rows


@SOME
@given(st.lists(st.lists(CELLS, min_size=2, max_size=2), max_size=6), st.integers(0, 6))
def test_a_stray_quote_costs_only_rows_it_touches(rows: list[list[str]], where: int) -> None:
    lines = [
        f'{number},"{"x".join(row).translate({34: 39, 10: 32, 13: 32, 0: 32})}"' for number, row in enumerate(rows)
    ]
    lines.insert(min(where, len(lines)), 'stray,"')
    read = list(read_items(put("x.csv", ("id,title\n" + "\n".join(lines)).encode())))
    refused = {row.line - 2 for row in read if isinstance(row, Refusal)}
    kept = {row.item_id for row in read if isinstance(row, Item)}
    empty = {
        number
        for number, row in enumerate(rows)
        if not "x".join(row).translate({34: 39, 10: 32, 13: 32, 0: 32}).strip()
    }
    assert min(where, len(rows)) in refused
    assert kept == {str(number) for number in range(len(rows)) if number not in empty}


@SOME
@given(st.text(max_size=60))
def test_texts_of_all_kinds(text: str) -> None:
    bare, _ = split_year(text)
    assert len(with_article_first(bare)) <= len(text) + 2
    assert all(part == part.strip() and part for part in people_of(text, "cast"))
    written_list(text, "x")
    try:
        tags = tags_of(text, "tags")
    except RowError:
        return
    assert len(set(tags)) == len(tags)
