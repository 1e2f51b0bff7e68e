"""SECURITY.md names tests and pages that are there."""

import re
from pathlib import Path

ROOT = Path(__file__).parent.parent
TEXT = (ROOT / "SECURITY.md").read_text(encoding="utf-8")


def test_every_row_names_tests_that_are_there() -> None:
    rows = [line for line in TEXT.splitlines() if line.startswith("| ")][1:]
    assert len(rows) >= 20
    for row in rows:
        named = re.findall(r"`([^`]*?\.py)?(::\w+)?`", row.rstrip(" |").rpartition(" | ")[2])
        assert named, f"no test shows: {row}"
        last = ""
        for path, name in named:
            last = path or last
            assert name, f"{last} has many tests: name the one"
            assert f"def {name[2:]}(" in (ROOT / last).read_text(encoding="utf-8"), f"there is no {last}{name}"


def test_every_page_that_it_links_to_is_there() -> None:
    for name in re.findall(r"\]\(([^)#]+)", TEXT):
        assert (ROOT / name).is_file(), f"there is no {name}"
