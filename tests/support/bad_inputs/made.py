"""Bad files that are too large or too odd to be committed: how each is made, and the verdict that it must get."""

from __future__ import annotations

import gzip
import io
import json
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

MIB = 1 << 20


@dataclass(frozen=True)
class Verdict:
    """What a file must end in: the ids of rows kept and the line and reason of rows refused, or one error.

    Where `ends` is set, the file breaks off for that reason.
    """

    kept: Sequence[str] = ()
    refused: Sequence[tuple[int, str]] = ()
    error: str = ""
    ends: str = ""


@dataclass(frozen=True)
class Made:
    """A file by its name: `make` writes it; what is `closed` may not be read."""

    name: str
    make: Callable[[Path], object]
    verdict: Verdict
    closed: bool = False
    kind: str = "view"  # what kind the events in it are of


def raw(content: bytes) -> Callable[[Path], object]:
    """Writes these bytes."""
    return lambda path: path.write_bytes(content)


def lines(*rows: str) -> Callable[[Path], object]:
    """Writes these lines."""
    return raw("".join(f"{row}\n" for row in rows).encode())


def bomb(head: bytes, size: int, unit: bytes) -> Callable[[Path], object]:
    """Writes a gzip file of `size` bytes once unpacked, whose whole content is never in memory here."""

    def make(path: Path) -> None:
        with gzip.open(path, "wb", 1) as file:
            file.write(head)
            for _ in range(size // MIB):
                file.write(unit * (MIB // len(unit)))

    return make


def member(text: str) -> Callable[[Path], object]:
    """Writes an item (and an event) with one more member, and a second one that is well."""
    first = f'{{"item_id":"1","title":"a","user_id":"ada",{text}}}'
    return lines(first, '{"item_id":"2","title":"b","user_id":"ada"}')


def parquet(**columns: list[object]) -> Callable[[Path], object]:
    """Writes a Parquet file with these columns."""

    def make(path: Path) -> None:
        import pyarrow as pa
        import pyarrow.parquet as pq

        out = io.BytesIO()
        pq.write_table(pa.table(columns), out)
        path.write_bytes(out.getvalue())

    return make


def link(target: str) -> Callable[[Path], object]:
    """Makes a symbolic link."""
    return lambda path: path.symlink_to(target if target.startswith("/") else path.parent / target)


def nothing(_path: Path) -> None:
    """Makes nothing."""


def first_cut(reason: str) -> Verdict:
    """The first row is refused for this reason, the second one is kept."""
    return Verdict(["2"], [(1, reason)])


NINES, LONG = "9" * 5_000, "x" * 10_000_000
WIDE = {f"k{n}": n for n in range(60_000)}
TOO_LONG = "the line is longer than 1,048,576 bytes"

SPECIAL = [  # whatever is read from them
    Made("folder.csv", Path.mkdir, Verdict(error="in a form known here")),
    Made("pipe.csv", os.mkfifo, Verdict(error="a pipe or a device")),
    Made("zero.csv", link("/dev/zero"), Verdict(error="a pipe or a device")),
    Made("full.csv", link("/dev/full"), Verdict(error="a pipe or a device")),
    Made("loop.csv", link("loop.csv"), Verdict(error="symbolic links")),
    Made("dangling.csv", link("nowhere.csv"), Verdict(error="No such file")),
    Made("missing.csv", nothing, Verdict(error="No such file")),
    Made("closed.csv", lines("user_id,item_id,title", "ada,1,a"), Verdict(error="Permission denied"), closed=True),
    Made("zeros.jsonl", raw(b"\0" * MIB), Verdict(error="not text")),
    Made("noise.csv", raw(bytes(range(256)) * 64), Verdict(error="holds a NUL")),
    Made("noise.parquet", raw(b"PAR1" + bytes(range(256)) * 64), Verdict(error="not a readable Parquet file")),
    Made("noise.db", raw(b"SQLite format 3\0" + bytes(range(256)) * 64), Verdict(error="SQLite")),
    Made("bomb-of-zeros.jsonl.gz", bomb(b"", 128 * MIB, b"\0"), Verdict(error="not text")),
]
ITEMS = [
    *SPECIAL,
    Made("bomb-of-a-line.csv.gz", bomb(b"item_id,title\n1,a\n2,", 128 * MIB, b"x"), Verdict(["1"], ends="a gzip bomb")),
    Made(
        "10-mb-line.csv",
        lines("item_id,title", "1,a", f'2,"{LONG}"', "3,c"),
        Verdict(["1", "3"], [(3, TOO_LONG)]),
    ),
    Made(
        "10-mb-line.jsonl",
        lines('{"item_id":"1","title":"a"}', f'{{"item_id":"2","title":"{LONG}"}}', '{"item_id":"3","title":"c"}'),
        Verdict(["1", "3"], [(2, TOO_LONG)]),
    ),
    Made(
        "100000-columns.csv", lines(",".join(f"c{n}" for n in range(100_000)), "1,2"), Verdict(error="100,000 columns")
    ),
    Made("100000-columns.tsv", lines("id\ttitle" + "\ta" * 100_000, "1\t2"), Verdict(error="100,002 columns")),
    Made("60000-members.jsonl", member(f'"details":{json.dumps(WIDE)}'), first_cut("2,000 is the most")),
    Made(
        "a-field-of-131073.csv",
        lines("id,title,text", f"1,a,{'y' * 131_073}", "2,b,"),
        Verdict(["2"], [(2, "at most")]),
    ),
    Made("deep-array.jsonl", member('"x":' + "[" * 100_000 + "]" * 100_000), first_cut("nested too deeply")),
    Made("deep-object.jsonl", member('"x":' + '{"a":' * 50_000 + "1" + "}" * 50_000), first_cut("nested too deeply")),
    Made("deep-unclosed.jsonl", member('"x":' + "[" * 100_000), first_cut("")),
    Made("5000-digits.jsonl", member(f'"popularity":{NINES}'), first_cut("too many digits")),
    Made("minus-5000-digits.jsonl", member(f'"x":-{NINES}'), first_cut("too many digits")),
    Made("5000-digits-of-a-fraction.jsonl", member(f'"popularity":0.{NINES}'), Verdict(["1", "2"])),
    Made(
        "5000-digits.csv", lines("id,title,popularity", f"1,a,{NINES}", "2,b,1"), Verdict(["2"], [(2, "not a number")])
    ),
    Made(
        "nan.parquet",
        parquet(item_id=["1", "2"], title=["a", "b"], popularity=[float("inf"), float("nan")]),
        Verdict(["2"], [(1, "inf")]),
    ),
    Made("null-id.parquet", parquet(item_id=[None, "2"], title=["a", "b"]), Verdict(["2"], [(1, "item_id is empty")])),
    Made("nul.parquet", parquet(item_id=["1", "2"], title=["a\0", "b"]), Verdict(["2"], [(1, "NUL")])),
    Made(
        "repeated.parquet",
        parquet(item_id=["1", "1", "2"], title=["a", "b", "c"]),
        Verdict(["1", "2"], [(2, "duplicate of line 1")]),
    ),
    Made("blobs.parquet", parquet(item_id=["1", "2"], title=[b"\xff", b"b"]), Verdict(["2"], [(1, "binary")])),
]
EVENTS = [
    *SPECIAL,
    Made(
        "bomb-of-a-line.csv.gz",
        bomb(b"user_id,item_id\nada,1\nada,", 128 * MIB, b"x"),
        Verdict(["1"], ends="a gzip bomb"),
    ),
    Made(
        "10-mb-line.csv",
        lines("user_id,item_id,text", "ada,1,a", f'ada,2,"{LONG}"', "ada,3,c"),
        Verdict(["1", "3"], [(3, TOO_LONG)]),
    ),
    Made(
        "10-mb-line.jsonl",
        lines('{"user_id":"ada","item_id":"1"}', f'{{"user_id":"ada","text":"{LONG}"}}'),
        Verdict(["1"], [(2, TOO_LONG)]),
    ),
    Made(
        "100000-columns.csv", lines(",".join(f"c{n}" for n in range(100_000)), "1,2"), Verdict(error="100,000 columns")
    ),
    Made("a-text-of-20001.jsonl", member(f'"text":"{"y" * 20_001}"'), first_cut("at most 20000")),
    Made("deep-array.jsonl", member('"text":' + "[" * 100_000 + "]" * 100_000), first_cut("nested too deeply")),
    Made("5000-digits.jsonl", member(f'"value":{NINES}'), first_cut("too many digits")),
    Made(
        "5000-digits.csv",
        lines("user_id,item_id,timestamp", f"ada,1,{NINES}", "ada,2,1"),
        Verdict(["2"], [(2, "not a time")]),
    ),
    Made(
        "nan.parquet",
        parquet(user_id=["ada"] * 2, item_id=["1", "2"], value=[float("inf"), 4.0]),
        Verdict(["2"], [(1, "inf")]),
        kind="rate",
    ),
]
