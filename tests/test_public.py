"""What users import, and what the README shows."""

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

import agent
from agent import Recommender
from agent.catalogue import load_items, read_items

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text(encoding="utf-8")
FILMS = Path(__file__).parent / "support" / "films.csv"


def test_the_public_names_are_these() -> None:
    assert agent.__all__ == [
        "Conversations",
        "Event",
        "Item",
        "PalateError",
        "Profile",
        "Rationale",
        "Recommendation",
        "Recommender",
        "Settings",
        "Slate",
        "load_settings",
    ]
    assert all(getattr(agent, name) for name in agent.__all__)
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        _ = agent.nothing


def test_the_readme_python_runs(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    blocks = re.findall(r"```python\n(.*?)```", README, re.DOTALL)
    assert blocks
    with Recommender.open() as palate, read_items(FILMS) as rows:
        load_items(rows, palate.put_items, tmp_path / "refused.jsonl")
    for block in blocks:
        exec(compile(block, "README.md", "exec"), {})
    printed = capsys.readouterr().out.strip().splitlines()
    assert len(printed) == 6
    assert [line.split()[0] for line in printed[:5]] == ["1", "2", "3", "4", "5"]


def test_the_readme_pipe_runs(tmp_path: Path) -> None:
    line = re.search(r"echo '(\{.*?\})'", README, re.DOTALL)
    assert line
    ran = subprocess.run(
        [sys.executable, "-m", "agent.cli", "rank"],
        input=line[1].replace("\n", ""),
        capture_output=True,
        text=True,
        cwd=tmp_path,
        env={"PATH": "/usr/bin:/bin", "HOME": str(Path.home()), "PYTHONPATH": str(ROOT)},
        check=False,
    )
    assert ran.returncode == 0, ran.stderr
    assert [r["title"] for r in json.loads(ran.stdout)["recommendations"]] == ["The Thing", "Bambi"]


def test_every_command_of_the_readme_exists() -> None:
    from agent.cli import COMMANDS

    shown = set(re.findall(r"^\$ palate (?:--folder \S+ )?([a-z]+)", README, re.MULTILINE))
    assert shown
    assert shown <= {name for name, *_ in COMMANDS} | {"eval"}


def test_every_setting_the_readme_names_exists() -> None:
    from agent.settings import load_settings

    assert load_settings(environment={"PALATE_MODEL_REFERENCE": "smollm2-135m"}).settings.language == "en"


def test_the_readme_has_no_gap_left() -> None:
    assert not re.findall(r"@[A-Z]+@", README)
