"""SECURITY.md names tests and pages that are there."""

import re
from pathlib import Path

ROOT = Path(__file__).parent.parent
TEXT = (ROOT / "SECURITY.md").read_text(encoding="utf-8")


def test_every_test_that_it_names_is_there() -> None:
    files = re.findall(r"`(tests/[\w*]+\.py)", TEXT)
    assert len(files) > 20
    for name in files:
        assert list(ROOT.glob(name)), f"there is no {name}"
    last = ""
    for path, name in re.findall(r"`(tests/\w+\.py)?::(\w+)`", TEXT):
        last = path or last
        assert f"def {name}(" in (ROOT / last).read_text(encoding="utf-8"), f"there is no {last}::{name}"


def test_every_page_that_it_links_to_is_there() -> None:
    for name in re.findall(r"\]\(([^)#]+)", TEXT):
        assert (ROOT / name).is_file(), f"there is no {name}"
