"""`palate eval data build` as a person meets it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from agent.errors import ConfigError
from eval.building.command import building
from eval.commands import app

ROWS = [("u", 3), ("v", 1), ("u", 1), ("u", 2), ("v", 2), ("v", 0), ("u", 4)]


@pytest.fixture
def source(tmp_path: Path) -> Path:
    items = [{"item_id": f"i{n}", "title": f"Film {n}"} for n in range(9)]
    events = [{"user_id": user, "item_id": f"i{n}", "rating": 4, "at": 10 + at} for at, (user, n) in enumerate(ROWS)]
    events.append({"user_id": "u", "item_id": "i99", "rating": 4, "at": 1})
    for name, rows in (("items", items), ("events", events)):
        (tmp_path / f"{name}.jsonl").write_text("".join(f"{json.dumps(row)}\n" for row in rows))
    return tmp_path


def call(*arguments: str | Path) -> list[str]:
    return ["data", "build", *map(str, arguments), "--candidates", "4"]


def test_it_tells_what_it_wrote_and_what_it_left_out(source: Path) -> None:
    done = CliRunner().invoke(app, call(source, "--output", source / "built"))
    assert done.exit_code == 0, done.output
    words = " ".join(done.stdout.split())
    assert "2 cases, 4 candidates" in words
    assert "events: events.jsonl, items.jsonl" in words
    assert "temporal, past before 1970-01-01 00:00:15 UTC" in words
    assert "5 events; 2 withheld" in words
    assert "events left out: 1 names an item that the catalogue does not hold" in " ".join(done.stderr.split())


def test_json_is_the_folder_and_its_built_json(source: Path) -> None:
    arguments = call(source / "events.jsonl", "--output", source / "built", "--split", "leave-last", "--json")
    done = CliRunner().invoke(app, [*arguments, "--candidates", "all", "--seed", "3", "--limit-users", "1"])
    assert done.exit_code == 0, done.output
    told = json.loads(done.stdout)
    assert told.pop("folder") == str(source / "built")
    assert told == json.loads((source / "built" / "built.json").read_text())
    assert told["options"]["candidates"] is None
    assert told["options"]["last"] == 1
    assert told["counts"]["cases"] == 1


def test_leave_last_is_told_in_words(source: Path) -> None:
    done = CliRunner().invoke(app, call(source, "--output", source / "built", "--split", "leave-last", "--last", "2"))
    assert "leave-last, 2 events of each person" in " ".join(done.stdout.split())


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["--split", "random"], "no split 'random'"),
        (["--last", "2"], "--last does not concern"),
        (["--split", "leave-last", "--quantile", ".5"], "--quantile does not concern"),
        (["--candidates", "some"], "no number of candidates"),
        (["--candidates", "1"], "no number of candidates"),
    ],
)
def test_options_that_do_not_fit(source: Path, arguments: list[str], told: str) -> None:
    done = CliRunner().invoke(app, [*call(source, "--output", source / "built"), *arguments])
    assert isinstance(done.exception, ConfigError)
    assert told in str(done.exception)
    assert not (source / "built").exists()


def test_help_is_shown_for_the_group() -> None:
    done = CliRunner().invoke(building, ["--help"])
    assert "build" in done.stdout


TITLED = """user_id,item_id,title,genres,rating,timestamp,session,review
u1,i1,Jaws (1975),Thriller|Horror,5,1000,s1,frightening
u1,i2,Shane (1953),Western,4,2000,s2,slow
u1,i3,Heat (1995),Crime,4,3000,s3,long
u2,i1,Jaws (1975),Thriller|Horror,5,1500,s4,wet
u2,i3,Heat (1995),Crime,4,2500,s5,loud
u2,i4,Alien (1979),Horror,4,3500,s6,dark
u2,i5,,Horror,4,3600,s7,nameless
"""


def test_titles_in_the_events_are_enough_and_nothing_else_of_an_event_becomes_the_items(tmp_path: Path) -> None:
    (tmp_path / "events.csv").write_text(TITLED)
    options = ("--split", "leave-last", "--candidates", "all", "--output", str(tmp_path / "out"))
    result = CliRunner().invoke(app, ["data", "build", str(tmp_path / "events.csv"), *options])
    assert result.exit_code == 0
    items = [json.loads(line) for line in (tmp_path / "out" / "items.jsonl").read_text().splitlines()]
    assert [item["item_id"] for item in items] == ["i1", "i2", "i3", "i4"]
    assert {key for item in items for key in item} <= {"item_id", "title", "tags", "year", "popularity"}
    assert items[0]["tags"] == ["Thriller", "Horror"]
    assert "1 names no item with a title" in " ".join(result.stderr.split())


def test_events_without_titles_still_need_items(tmp_path: Path) -> None:
    lines = [",".join(line.split(",")[:2] + line.split(",")[4:6]) for line in TITLED.splitlines()]
    (tmp_path / "events.csv").write_text("\n".join(lines))
    options = ("--output", str(tmp_path / "out"))
    result = CliRunner().invoke(app, ["data", "build", str(tmp_path / "events.csv"), *options])
    assert isinstance(result.exception, ConfigError)
    assert "give the events a column title" in str(result.exception)
