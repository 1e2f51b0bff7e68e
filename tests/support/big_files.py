"""Catalogues and journals of any size, written quickly; and what it takes a command to read them."""

from __future__ import annotations

import csv
import io
import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.support.serving import ROOT

BLOCK = 500  # rows that are written at once
WORDS = [
    "a",
    "film",
    "of",
    "the",
    "sea",
    "and",
    "the",
    "long",
    "road",
    "home",
    "where",
    "nobody",
    "is",
    "quite",
    "who",
    "they",
    "say",
    "they",
    "are",
]
TEXT = " ".join(WORDS[n * 7 % len(WORDS)] for n in range(620))  # about 3,000 characters


@dataclass(frozen=True)
class Took:
    """One command: its JSON answer, the most memory that it held at once, and its time."""

    answer: Mapping[str, Any]
    peak_mb: float
    seconds: float


def write_items(path: Path, size: int, *, text: str = TEXT) -> int:
    """A catalogue of at least `size` bytes, as JSON lines or as CSV by its suffix; how many rows it has."""
    return _written(path, size, "item_id,title,tags,year,text\n", lambda n: _item(n, text))


def write_events(path: Path, size: int) -> int:
    """A journal of at least `size` bytes, every event of another person on another item; how many rows it has."""
    return _written(path, size, "user_id,item_id,kind,at\n", _event)


def _item(n: int, text: str) -> dict[str, object]:
    return {"item_id": f"i{n}", "title": f"Film {n}", "tags": "Drama|Sea", "year": 1920 + n % 100, "text": text}


def _event(n: int) -> dict[str, object]:
    return {"user_id": f"u{n}", "item_id": f"x{n}", "kind": "view", "at": 1_700_000_000 + n}


def _written(path: Path, size: int, header: str, row_of: Any) -> int:
    count = 0
    as_csv = path.suffix == ".csv"
    with path.open("w", encoding="utf-8", newline="") as file:
        file.write(header if as_csv else "")
        while file.tell() < size:
            file.write("".join(_lines([row_of(n) for n in range(count, count + BLOCK)], as_csv)))
            count += BLOCK
    return count


def _lines(rows: Sequence[Mapping[str, object]], as_csv: bool) -> Iterator[str]:
    if not as_csv:
        yield from (json.dumps(row) + "\n" for row in rows)
        return
    out = io.StringIO()
    csv.writer(out, lineterminator="\n").writerows(row.values() for row in rows)
    yield out.getvalue()


_LAUNCH = """
import os, subprocess, sys
child = subprocess.Popen(sys.argv[1:])
_, status, usage = os.wait4(child.pid, 0)
print(usage.ru_maxrss, file=sys.stderr)
sys.exit(os.waitstatus_to_exitcode(status))
"""


def measured(folder: Path, *arguments: str) -> Took:
    """`palate ARGUMENTS --json` in a process of its own, with the peak of its resident memory as the system tells.

    A small process starts it: what the system tells of a process begins with what the one that started it holds.
    """
    begun = time.perf_counter()
    command = [sys.executable, "-m", "agent.cli", "--folder", str(folder), *arguments, "--json"]
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_WAIT_POLICY": "passive"}
    done = subprocess.run([sys.executable, "-c", _LAUNCH, *command], capture_output=True, env=environment)
    assert done.returncode == 0, done.stderr
    peak_kb = int(done.stderr.split()[-1])
    return Took(json.loads(done.stdout), peak_kb / 1024, time.perf_counter() - begun)
