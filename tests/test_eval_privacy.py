"""`palate eval privacy` on people whose tastes are made up: what noise costs, and what it says of that."""

from __future__ import annotations

import gzip
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from typer.testing import CliRunner

from eval.commands import app

START_S = 1_767_225_600  # 2026-01-01
TAGS = ("Comedy", "Drama", "Horror")
N_ITEMS, N_PEOPLE = 30, 40


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("people")
    rng = np.random.default_rng(3)
    shares = 1 / np.arange(1, N_ITEMS + 1)
    items = [{"item_id": f"i{n:02}", "title": f"T{n}", "tags": [TAGS[n % 3]]} for n in range(N_ITEMS)]
    events, cases = [], []
    for who in range(N_PEOPLE):
        drawn = rng.choice(N_ITEMS, size=9, replace=False, p=shares / shares.sum())
        at = [START_S + 3600 * k for k in range(8)]
        acts = zip(drawn[:8].tolist(), at, strict=True)
        events += [{"user_id": f"u{who}", "item_id": f"i{n:02}", "kind": "like", "at": when} for n, when in acts]
        cases.append({"case_id": f"c{who}", "user_id": f"u{who}", "relevant": [f"i{drawn[8]:02}"]})
    for name, rows in (("items", items), ("cases", cases)):
        (folder / f"{name}.jsonl").write_text("".join(f"{json.dumps(row)}\n" for row in rows), encoding="utf-8")
    with gzip.open(folder / "events.jsonl.gz", "wt", encoding="utf-8") as file:
        file.writelines(f"{json.dumps(row)}\n" for row in events)
    return folder


def told(folder: Path, *flags: str) -> dict[str, Any]:
    done = CliRunner().invoke(app, ["privacy", "--data", str(folder), "--json", *flags])
    assert done.exit_code == 0, done.output
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def test_much_noise_costs_and_hardly_any_does_not(folder: Path) -> None:
    found = told(folder, "--epsilon", "0.001,1000", "--draws", "5", "--items", "8")
    ndcg = {(row["system"], row["release"]): row["metrics"]["ndcg@10"]["value"] for row in found["systems"]}
    assert (found["people"], found["cases"], found["draws"]) == (N_PEOPLE, N_PEOPLE, 5)
    assert ndcg["popularity", "eps 1000"] == ndcg["popularity", "exact"] == ndcg["popularity", "bounded"]
    assert ndcg["popularity", "eps 0.001"] < ndcg["popularity", "exact"] - 0.05
    spread = {(row["system"], row["release"]): row["spread"] for row in found["systems"]}
    assert spread["popularity", "eps 1000"] == 0 < spread["popularity", "eps 0.001"]
    pairs = {(one["system"], one["against"]) for one in found["comparisons"]}
    assert ("popularity, eps 1000", "popularity, exact") in pairs
    assert len(pairs) == 3 * 3


def test_the_table_fits_a_terminal_and_names_all(folder: Path) -> None:
    done = CliRunner().invoke(app, ["privacy", "--data", str(folder), "--epsilon", "1", "--draws", "2"])
    assert done.exit_code == 0, done.output
    assert all(word in done.output for word in ("popularity", "tags", "both", "exact", "bounded", "eps 1"))
    assert "40 people, 20 items of each at most, 2 draws" in done.output
    assert max(map(len, done.output.splitlines())) <= 100


def test_what_is_no_epsilon_and_data_without_a_past_are_refused(folder: Path, tmp_path: Path) -> None:
    done = CliRunner().invoke(app, ["privacy", "--data", str(folder), "--epsilon", "0"])
    assert "is no number of at least 0.0001" in str(done.exception)
    for name in ("items.jsonl", "cases.jsonl"):
        (tmp_path / name).write_text((folder / name).read_text(encoding="utf-8"), encoding="utf-8")
    done = CliRunner().invoke(app, ["privacy", "--data", str(tmp_path)])
    assert "does not tell what people did" in str(done.exception)
