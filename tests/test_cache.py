"""The cache finds what was kept, whoever kept it, and never stands in the way."""

import logging
import os
import sqlite3
import threading
from contextlib import closing
from pathlib import Path

import pytest

from agent.store.cache import Cache


def test_what_was_kept_is_found_in_its_namespace(tmp_path: Path) -> None:
    for path in (None, tmp_path / "deep" / "cache.sqlite"):
        with Cache(path) as cache:
            cache.put_many("a", {"x": b"1", "y": b"\0\xff"})
            cache.put_many("b", {"x": b"2"})
            cache.put_many("a", {"x": b"3"})
            assert cache.get_many("a", ["x", "y", "z"]) == {"x": b"3", "y": b"\0\xff"}
            assert (cache.get_many("b", ["x", "y"]), cache.get_many("c", ["x"])) == ({"x": b"2"}, {})
            assert (cache.count("a"), cache.count("c"), cache.get_many("a", [])) == (2, 0, {})


def test_values_outlive_the_object_and_many_keys_are_one_question(tmp_path: Path) -> None:
    values = {f"k{n}": str(n).encode() for n in range(2500)}
    with Cache(tmp_path / "c") as cache:
        cache.put_many("n", values)
    with Cache(tmp_path / "c") as cache:
        assert cache.get_many("n", list(values)) == values


def test_several_processes_share_the_file(tmp_path: Path) -> None:
    def write(n: int) -> None:
        with Cache(tmp_path / "c") as cache:
            for i in range(40):
                cache.put_many("n", {f"{n}-{i}": b"v"})

    children = []
    for n in range(3):
        child = os.fork()
        if not child:
            write(n)
            os._exit(0)
        children.append(child)
    assert {os.waitpid(child, 0)[1] for child in children} == {0}
    with Cache(tmp_path / "c") as cache:
        assert cache.count("n") == 120


def test_threads_share_one_object(tmp_path: Path) -> None:
    with Cache(tmp_path / "c") as cache:
        threads = [threading.Thread(target=cache.put_many, args=("n", {f"k{n}": b"v"})) for n in range(20)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert cache.count("n") == 20


@pytest.mark.parametrize("damage", ["garbage", "empty", "folder", "no folder"])
def test_an_unusable_file_costs_one_warning_and_nothing_else(
    tmp_path: Path, damage: str, caplog: pytest.LogCaptureFixture
) -> None:
    path = tmp_path / "c"
    if damage == "folder":
        path.mkdir()
    elif damage == "no folder":
        (tmp_path / "file").write_text("x")
        path = tmp_path / "file" / "c"
    else:
        path.write_bytes(b"garbage " * 999 if damage == "garbage" else b"")
    with caplog.at_level(logging.WARNING), Cache(path) as cache:
        cache.put_many("n", {"k": b"v"})
        assert (cache.get_many("n", ["k"]), cache.count("n")) == ({}, 0)
    assert len(caplog.records) == 1
    assert "going on without the cache" in caplog.text


def test_damage_under_way_is_survived(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    with Cache(tmp_path / "c") as cache:
        cache.put_many("n", {"k": b"v"})
        with closing(sqlite3.connect(tmp_path / "c")) as raw:
            raw.execute("DROP TABLE cached")
        assert cache.get_many("n", ["k"]) == {}
        cache.put_many("n", {"k": b"v"})
    assert len(caplog.records) == 1


def test_another_writer_only_delays(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    with Cache(tmp_path / "c", timeout_s=0.1) as cache, closing(sqlite3.connect(tmp_path / "c")) as raw:
        raw.execute("BEGIN IMMEDIATE")
        cache.put_many("n", {"k": b"v"})
        assert cache.get_many("n", ["k"]) == {}
        raw.execute("ROLLBACK")
        cache.put_many("n", {"k": b"v"})
        assert cache.get_many("n", ["k"]) == {"k": b"v"}
    assert caplog.records == []


def test_closing_twice_is_harmless() -> None:
    cache = Cache(None)
    cache.close()
    cache.close()
    assert cache.get_many("n", ["k"]) == {}


def test_a_full_disk_ends_keeping_and_not_finding(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    with Cache(tmp_path / "c.sqlite") as cache:
        cache.put_many("n", {"a": b"1"})
        cache._connection.execute("PRAGMA max_page_count = 1")  # as a disk on which nothing more fits
        cache.put_many("n", {"b": b"2" * 100_000})
        assert cache.get_many("n", ["a", "b"]) == {"a": b"1"}
        cache.put_many("n", {"c": b"3"})
        assert cache.count("n") == 1
    assert [record.levelname for record in caplog.records] == ["WARNING"]
