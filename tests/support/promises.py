"""The table of promises: what Palate promises of its reliability, which test proves it, and the figure of its last run.

A test says what it has measured with the fixture `promise`. Where pytest runs with `--promises`, the figures of that
run replace the older ones in docs/reliability.json, and the table in README.md is written anew from it. A promise that
was missed stays in the table as missed, and so does each one of a test that failed before it had measured anything.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Mapping
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

ROOT = Path(__file__).parents[2]
BEGIN, END = "<!-- promises: written by make test-all -->", "<!-- /promises -->"

Say = Callable[..., None]


@dataclass(frozen=True)
class Promise:
    """One row: `room` groups rows (such as "Endpoint"), `figure` is what was measured, on `at` (UTC day)."""

    room: str
    promise: str
    figure: str
    met: bool
    test: str
    at: str


def named(nodeid: str) -> str:
    """The test by which a promise is told, whichever of its parameters ran."""
    return nodeid.split("[")[0]


def said_by(test: str, kept: dict[tuple[str, str], Promise]) -> Say:
    """What the fixture `promise` gives to a test: `promise(room, text, figure, met)`; said again, the later counts."""

    def say(room: str, promise: str, figure: str, met: bool) -> None:
        kept[room, promise] = Promise(room, promise, figure, met, test, _today())

    return say


def publish(
    found: Mapping[tuple[str, str], Promise], root: Path = ROOT, *, failed: Collection[str] = frozenset()
) -> None:
    """Merge the promises of this run into docs/reliability.json and write the table of README.md anew.

    What a failed test promised, now or before, is missed.
    """
    path = root / "docs" / "reliability.json"
    older = [Promise(**row) for row in json.loads(path.read_text(encoding="utf-8"))] if path.exists() else []
    said = {(row.test, row.promise) for row in found.values()}
    renewed = {test for test, _ in said}.difference(failed)
    rows = [row for row in older if row.test not in renewed and (row.test, row.promise) not in said]
    rows = [_missed(row) if row.met and row.test in failed else row for row in (*rows, *found.values())]
    rows.sort(key=_place)
    path.write_text(json.dumps([asdict(row) for row in rows], indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    readme = root / "README.md"
    before, rest = readme.read_text(encoding="utf-8").split(BEGIN)
    after = rest.split(END)[1]
    readme.write_text(f"{before}{BEGIN}\n{table(rows)}\n{END}{after}", encoding="utf-8")


def table(rows: list[Promise]) -> str:
    """The rows as a table in Markdown."""
    lines = ["| | promise | measured | test, date |", "|---|---|---|---|"]
    for row in rows:
        figure = row.figure if row.met else f"**missed**: {row.figure}"
        lines.append(f"| {row.room} | {row.promise} | {figure} | `{row.test}`, {row.at} |")
    return "\n".join(lines)


def _missed(row: Promise) -> Promise:
    return replace(row, met=False, figure="the test failed", at=_today())


def _today() -> str:
    return f"{datetime.now(UTC):%Y-%m-%d}"


def _place(row: Promise) -> tuple[str, str]:
    return row.room, row.promise
