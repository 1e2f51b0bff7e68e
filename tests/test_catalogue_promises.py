"""Files of items and of events that are as bad as can be: every row is loaded or listed, and memory stays bounded."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from agent.catalogue import Refusal, Report, load_events, load_items, read_events, read_items
from agent.errors import PalateError
from agent.types import Item
from tests.support import big_files
from tests.support.bad_inputs.made import EVENTS, ITEMS, Made, Verdict
from tests.support.promises import Say

HERE = Path(__file__).parent / "support" / "bad_inputs"
BIG = ["quick", pytest.param("thorough", marks=pytest.mark.thorough)]
KINDS: dict[str, tuple[Callable[..., Any], Callable[..., Report]]] = {
    "items": (read_items, load_items),
    "events": (read_events, load_events),
}


@contextmanager
def without_rights(closed: bool) -> Iterator[None]:
    """Where tests run as root, someone who may not read what is closed."""
    steps_down = closed and os.geteuid() == 0
    if steps_down:
        os.seteuid(65_534)
    try:
        yield
    finally:
        if steps_down:
            os.seteuid(0)


def outcome(path: Path, kind: str, refused: Path, *, closed: bool = False) -> Verdict:
    """What became of a file. Everything that it says of itself must add up."""
    read, load = KINDS[kind]
    kept: list[Any] = []
    try:
        with without_rights(closed):
            rows = read(path)
        report = load(rows, kept.extend, refused)
    except PalateError as error:
        told = str(error) if error.hint and "\n" not in error.message else repr(error)
        return Verdict(error=told)
    listed = [json.loads(line) for line in refused.read_bytes().splitlines()] if refused.exists() else []
    assert report.read == report.accepted + report.refused
    assert (report.accepted, report.refused) == (len(kept), len(listed))
    assert all(row["line"] > 0 and row["reason"] for row in listed)
    ids = [one.item_id if isinstance(one, Item) else f"{one.user_id} {one.kind.value} {one.item_id}" for one in kept]
    return Verdict(ids, [(row["line"], row["reason"]) for row in listed], ends=report.broke_off or "")


def fits(found: Verdict, expected: Verdict) -> bool:
    """Whether a file ended as it should; of reasons and errors the expected words are enough."""
    if expected.error or found.error:
        return bool(expected.error) and expected.error in found.error
    if expected.ends or found.ends:
        return bool(expected.ends) and expected.ends in found.ends and bool(found.kept)
    lines = [line for line, _ in found.refused] == [line for line, _ in expected.refused]
    reasons = zip(found.refused, expected.refused, strict=False)
    return lines and list(found.kept) == list(expected.kept) and all(part in why for (_, why), (_, part) in reasons)


def committed(kind: str) -> Iterator[tuple[Path, Verdict]]:
    """The files that are kept in the repository, with their verdicts."""
    folder = HERE / ("catalogue" if kind == "items" else "events")
    expected = json.loads((folder / "expected.json").read_text(encoding="utf-8"))
    assert {path.name for path in folder.iterdir()} - {"expected.json", ".gitattributes"} == set(expected)
    for name, told in sorted(expected.items()):
        refused = [(line, part) for line, part in told.get("refused", ())]
        ends = told.get("broke_off", "")
        yield folder / name, Verdict(told.get("accepted", ()), refused, told.get("error", ""), ends)


def made(kind: str, folder: Path) -> Iterator[tuple[Path, Verdict, Made]]:
    """The files that are made where they are wanted, with their verdicts."""
    for one in ITEMS if kind == "items" else EVENTS:
        path = folder / one.name
        one.make(path)
        if one.closed:
            path.chmod(0)
        verdict = one.verdict
        if kind == "events":
            verdict = Verdict(
                [f"ada {one.kind} {kept}" for kept in verdict.kept], verdict.refused, verdict.error, verdict.ends
            )
        yield path, verdict, one


@pytest.mark.parametrize("kind", sorted(KINDS))
def test_every_row_of_a_bad_file_is_loaded_or_listed(tmp_path: Path, kind: str, promise: Say) -> None:
    tmp_path.chmod(0o755)
    wrong, count, refused = {}, 0, tmp_path / "refused" / "rows.jsonl"
    files = [(path, verdict, False) for path, verdict in committed(kind)]
    (tmp_path / "made").mkdir()
    files += [(path, verdict, one.closed) for path, verdict, one in made(kind, tmp_path / "made")]
    for path, expected, closed in files:
        refused.unlink(missing_ok=True)
        found = outcome(path, kind, refused, closed=closed)
        count += 1
        if not fits(found, expected):
            wrong[path.name] = (found, expected)
    text = f"Bad files of {kind}: every row is loaded or listed with line and reason, counts add up, nothing crashes"
    promise("Bad input", text, f"{count - len(wrong)} of {count} files have their verdict", not wrong)
    assert not wrong


def test_a_file_that_grows_while_it_is_read_is_read_as_far_as_it_goes(tmp_path: Path) -> None:
    path = tmp_path / "growing.csv"
    path.write_text("item_id,title\n" + "".join(f"{n},t{' ' * 60}\n" for n in range(5_000)), encoding="utf-8")
    seen: list[str] = []
    with read_items(path) as rows, path.open("a", encoding="utf-8") as more:
        for row in rows:
            assert isinstance(row, Item)
            seen.append(row.item_id)
            if len(seen) in (1, 4_900):
                more.write(f"new{len(seen)},t\n")
                more.flush()
    assert seen[:5_000] == [str(n) for n in range(5_000)]
    assert set(seen[5_000:]) <= {"new1", "new4900"}


def test_a_file_that_is_cut_while_it_is_read_ends_there(tmp_path: Path) -> None:
    path = tmp_path / "cut.csv"
    path.write_text("item_id,title\n" + "".join(f"{n},t{' ' * 60}\n" for n in range(20_000)), encoding="utf-8")
    found: list[Item | Refusal] = []
    with read_items(path) as rows:
        for row in rows:
            found.append(row)
            if len(found) == 1:
                os.truncate(path, 700_000)
    kept = [row.item_id for row in found if isinstance(row, Item)]
    assert 5_000 < len(kept) < 20_000
    assert kept == [str(n) for n in range(len(kept))]
    assert len(found) - len(kept) <= 1


@pytest.mark.parametrize("size", BIG)
@pytest.mark.parametrize("suffix", [".jsonl", ".csv"])
def test_a_large_catalogue_streams(tmp_path: Path, suffix: str, size: str, promise: Say) -> None:
    small, large = (1_000_000, 20_000_000) if size == "quick" else (1_000_000, 1_000_000_000)
    took = []
    for n, wanted in enumerate((small, large)):
        path = tmp_path / f"items{n}{suffix}"
        rows = big_files.write_items(path, wanted)
        took.append(big_files.measured(tmp_path / f"data{n}", "load", str(path)))
        assert (took[-1].answer["accepted"], took[-1].answer["refused"]) == (rows, 0)
        path.unlink()
    whole = took[-1]
    text = f"1 GB of items ({suffix[1:]}) is loaded within 300 MB of resident memory"
    figure = f"{large / 1e9:g} GB, {whole.answer['accepted']:,} items of 3 kB: {whole.peak_mb:.0f} MB at most, "
    figure += f"{took[0].peak_mb:.0f} MB for 1 MB; {whole.seconds:.0f} s"
    promise("Bad input", text, figure, whole.peak_mb <= 300 and large >= 1_000_000_000)
    assert whole.peak_mb < 400
    assert whole.peak_mb - took[0].peak_mb < 100


@pytest.mark.parametrize("size", BIG)
def test_a_large_journal_of_people_and_items_not_met_before_streams(tmp_path: Path, size: str, promise: Say) -> None:
    path = tmp_path / "events.jsonl"
    rows = big_files.write_events(path, 500_000 if size == "quick" else 40_000_000)
    took = big_files.measured(tmp_path / "data", "load", str(path), "--events")
    answer = took.answer
    assert (answer["accepted"], answer["new"], answer["unknown_items"]) == (rows, rows, rows)
    figure = f"{rows:,} events: {took.peak_mb:.0f} MB at most; {took.seconds:.0f} s"
    text = "A journal in which every event names another person and another item is loaded within 300 MB"
    promise("Bad input", text, figure, took.peak_mb <= 300 and size == "thorough")
    assert took.peak_mb < 400
