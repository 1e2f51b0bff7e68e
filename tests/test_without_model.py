"""A run whose model is "none" asks nobody, and its orders are those of recall and the other signals."""

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from eval.commands import app
from tests.support.fake_ranker import FILMS


@pytest.mark.parametrize("task", ["rank", "explain"])
def test_a_run_without_a_model_asks_nobody(task: str, tmp_path: Path) -> None:
    arguments = ["run", "--data", FILMS, "--task", task, "--model", "none", "--limit", "4", "--json"]
    done = CliRunner().invoke(app, [str(a) for a in (*arguments, "--output", tmp_path / "run")])
    assert done.exit_code == 0, done.output
    found = json.loads(done.stdout)
    assert found["calls"] == {"asked": 0, "kept": 0}
    assert found["failed"]["count"] == found["degraded"]["count"] == 0
    assert found["cells"][0]["facts"]["reference"] == "none"
    if task == "rank":
        named = {row["system"] for row in found["results"]}
        assert {"model", "recall-only", "random"} <= named
        assert "likelihood-only" not in named


def test_a_plan_without_a_model_costs_no_calls(tmp_path: Path) -> None:
    plan = tmp_path / "eval.yaml"
    plan.write_text(f"task: rank\ndata: {FILMS}\nmodels: none\nlimit: 3\n", encoding="utf-8")
    done = CliRunner().invoke(app, ["plan", str(plan)])
    assert done.exit_code == 0, done.output
    assert "0 model calls at most" in done.output
