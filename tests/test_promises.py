"""The table of promises is written from what the tests said."""

from pathlib import Path

from tests.support.promises import BEGIN, END, publish, said_by


def home(tmp_path: Path) -> Path:
    (tmp_path / "docs").mkdir()
    (tmp_path / "README.md").write_text(f"before\n\n{BEGIN}\nold\n{END}\n\nafter\n", encoding="utf-8")
    return tmp_path


def test_a_run_replaces_the_rows_of_its_tests_and_leaves_the_others(tmp_path: Path) -> None:
    root = home(tmp_path)
    first: dict = {}
    said_by("tests/a.py::one", first)("Store", "nothing is lost", "0 of 10 lost", True)
    said_by("tests/b.py::two", first)("Edge", "shed in 50 ms", "71 ms", False)
    publish(first, root)
    again: dict = {}
    said_by("tests/a.py::one", again)("Store", "nothing at all is lost", "0 of 1,000 lost", True)
    publish(again, root)
    written = (root / "README.md").read_text(encoding="utf-8")
    assert written.startswith("before\n")
    assert written.endswith("after\n")
    assert "old" not in written
    assert "| Edge | shed in 50 ms | **missed**: 71 ms | `tests/b.py::two`" in written
    assert "0 of 1,000 lost" in written
    assert "0 of 10 lost" not in written
