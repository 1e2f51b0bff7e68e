import gzip
import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from agent.errors import CatalogueError, ConfigError
from eval.cases import DataSet
from eval.commands import app
from eval.sampling import sample


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    made = tmp_path / "events"
    made.mkdir()
    items = [{"item_id": str(n), "title": f"Film {n}", "tags": ["Drama"]} for n in range(30)]
    cases = [{"case_id": f"c{u}", "user_id": f"u{u}", "relevant": [str(20 + u), str(25 + u)]} for u in range(4)]
    events = [{"user_id": f"u{u}", "item_id": str(n), "at": 100 - n} for u in range(3) for n in range(12)]
    events += [{"user_id": "u3", "item_id": "1", "at": 1}]
    for name, rows in (("items.jsonl", items), ("cases.jsonl", cases)):
        (made / name).write_text("".join(json.dumps(row) + "\n" for row in rows))
    with gzip.open(made / "events.jsonl.gz", "wt") as file:
        file.write("".join(json.dumps(row) + "\n" for row in events))
    return made


def test_a_case_is_the_newest_past_and_one_liked_item_among_strangers(folder: Path, tmp_path: Path) -> None:
    assert sample(folder, tmp_path / "out", candidates=10, history=5, seed=1) == 3
    cases = list(DataSet.open(tmp_path / "out").cases())
    assert [case.case_id for case in cases] == ["c0", "c1", "c2"]
    for n, case in enumerate(cases):
        assert case.history == ("4", "3", "2", "1", "0")
        (target,) = case.relevant
        assert target in {str(20 + n), str(25 + n)}
        assert len(set(case.candidates)) == 10
        strangers = set(case.candidates) - {target}
        assert not strangers & {*map(str, range(12)), str(20 + n), str(25 + n)}


def test_equal_seeds_give_equal_files(folder: Path, tmp_path: Path) -> None:
    for name, seed in (("a", 1), ("b", 1), ("c", 2)):
        sample(folder, tmp_path / name, candidates=10, history=5, seed=seed)
    a, b, c = ((tmp_path / name / "cases.jsonl").read_text() for name in "abc")
    assert a == b != c


def test_bad_input_leaves_nothing_behind(folder: Path, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="99 candidates of 30"):
        sample(folder, tmp_path / "out", candidates=99, history=5, seed=1)
    (folder / "events.jsonl.gz").write_bytes(b"no gzip")
    with pytest.raises(CatalogueError, match="cannot read events"):
        sample(folder, tmp_path / "out", candidates=9, history=5, seed=1)
    assert not (tmp_path / "out").exists()
    (tmp_path / "out").mkdir()
    with pytest.raises(ConfigError, match="there already"):
        sample(folder, tmp_path / "out", candidates=9, history=5, seed=1)


def test_the_command(folder: Path, tmp_path: Path) -> None:
    call = ["sample", "--data", str(folder), "--output", str(tmp_path / "out"), "--candidates", "8"]
    done = CliRunner().invoke(app, call)
    assert done.exit_code == 0
    assert (tmp_path / "out" / "cases.jsonl").is_file()
