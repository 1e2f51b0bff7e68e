"""Files and folders that take their place whole, or not at all."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from agent.errors import ConfigError
from eval.files import whole, write_text


def half(then: Exception) -> Iterator[str]:
    yield "half"
    raise then


def test_a_file_lands_whole_and_what_stops_half_way_leaves_what_was_there(tmp_path: Path) -> None:
    path = tmp_path / "f.txt"
    write_text(path, ["one\n", "two\n"])
    for error, raised in ((ValueError("no"), ValueError), (OSError(28, "No space left on device"), ConfigError)):
        with pytest.raises(raised):
            write_text(path, half(error))
    assert path.read_bytes() == b"one\ntwo\n"
    assert list(tmp_path.iterdir()) == [path]


def test_what_cannot_be_written_is_named_with_a_hint(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    for path in (tmp_path / "none" / "f.txt", tmp_path / "file" / "f.txt", tmp_path):
        with pytest.raises(ConfigError, match="cannot write") as caught:
            write_text(path, ["x"], "Elsewhere")
        assert (str(path) in str(caught.value), caught.value.hint) == (True, "Elsewhere")
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


def test_a_folder_becomes_what_it_was_for_or_vanishes(tmp_path: Path) -> None:
    with whole(tmp_path / "made") as part:
        part.mkdir()
        (part / "a").write_text("a")
        assert not (tmp_path / "made").exists()
    with pytest.raises(FileNotFoundError), whole(tmp_path / "not") as part:
        (part / "a").write_text("there is no folder yet")
    with pytest.raises(OSError, match="not empty"), whole(tmp_path / "made") as part:
        part.mkdir()
    assert [path.name for path in tmp_path.iterdir()] == ["made"]
    assert (tmp_path / "made" / "a").read_text() == "a"
