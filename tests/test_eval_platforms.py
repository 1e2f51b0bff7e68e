"""`palate eval platforms` on made-up people whose tastes are alike on both platforms; all parts of Palate real."""

from __future__ import annotations

import gzip
import json
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from agent.errors import ConfigError
from eval.cases import DataSet
from eval.commands import app
from eval.platforms.splitting import KNOWN, NEW, SPLITS, account, split_of

TAGS = ("Comedy", "Drama", "Horror", "War")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("made")
    rng = np.random.default_rng(11)
    items = [
        {
            "item_id": f"i{n}",
            "title": f"Film {n}",
            "tags": [TAGS[n % 4], *(["Long"] if n % 8 < 4 else [])],
            "year": 1900 + n,
        }
        for n in range(64)
    ]
    (path / "items.jsonl").write_text("\n".join(map(json.dumps, items)))
    (path / "cases.jsonl").write_text(json.dumps({"case_id": "c", "user_id": "u0", "relevant": ["i0"]}))
    with gzip.open(path / "events.jsonl.gz", "wt") as file:
        for who in range(60):
            tag = who % 4
            for k, n in enumerate(rng.permutation(range(tag, 64, 4))[:12]):
                row = {"user_id": f"u{who}", "item_id": f"i{n}", "kind": "rate", "value": 5, "at": 1_000 + 60 * k}
                file.write(json.dumps(row) + "\n")
    return path


@pytest.mark.parametrize("how", SPLITS)
def test_a_catalogue_is_cut_in_two_and_nothing_the_judged_did_on_the_new_part_is_told(folder: Path, how: str) -> None:
    split = split_of(DataSet.open(folder, needs=()), how, seed=1)
    assert {item.platform for item in split.items.values()} == {KNOWN, NEW}
    assert not set(split.judged) & set(split.teachers)
    new = {account(NEW, user_id) for user_id in split.judged}
    for event in split.events():
        assert event.user_id not in new
        assert event.item_id is None or split.items[event.item_id].platform == event.platform
    assert all(split.items[item_id].platform == NEW for u in split.judged for item_id in split.liked[u])
    met = sum(item.popularity or 0 for item in split.items.values())
    assert met == 12 * len(split.teachers)


def test_what_is_known_elsewhere_helps_where_tastes_are_alike(folder: Path) -> None:
    found = json.loads(
        CliRunner().invoke(app, ["platforms", "--data", str(folder), "--split", "hash", "--json"]).stdout
    )["splits"][0]
    ndcg = {row["system"]: row["metrics"]["ndcg@10"]["value"] for row in found["systems"]}
    assert ndcg["linked"] > ndcg["not linked"] + 0.1
    assert ndcg["interests, learned kappa"] > ndcg["interests, nothing carried"] + 0.1
    assert found["kappa"] > 10
    assert found["learned_from"] == found["teachers"]
    first = found["comparisons"][0]
    assert (first["system"], first["against"]) == ("linked", "not linked")
    assert first["metrics"]["ndcg@10"]["low"] > 0


def test_four_people_of_whom_all_was_found_are_no_proof_that_it_always_is(folder: Path) -> None:
    asked = ["platforms", "--data", str(folder), "--split", "hash", "--limit", "4", "--json"]
    systems = json.loads(CliRunner().invoke(app, asked).stdout)["splits"][0]["systems"]
    recall = next(row["metrics"]["recall@10"] for row in systems if row["system"] == "linked")
    assert (recall["value"], recall["high"]) == (1, 1)
    assert recall["low"] < 1


def test_it_is_drawn(folder: Path) -> None:
    drawn = CliRunner().invoke(app, ["platforms", "--data", str(folder), "--split", "year", "--limit", "4"])
    assert drawn.exit_code == 0, drawn.output
    assert "not linked" in drawn.stdout
    assert "learned from" in drawn.stdout


def test_what_cannot_be_cut_is_said(folder: Path) -> None:
    dataset = DataSet.open(folder, needs=())
    with pytest.raises(ConfigError, match="cannot be cut"):
        split_of(dataset, "colour", 1)
    with pytest.raises(ConfigError, match="could be judged"):
        split_of(dataset, "hash", 1, limit=1)
    bare = {k: v.model_copy(update={"tags": (), "attributes": {}}) for k, v in dataset.items.items()}
    for how, said in (("year", "no years"), ("tag", "no tags")):
        with pytest.raises(ConfigError, match=said):
            split_of(DataSet(dataset.folder, bare, "", 1), how, 1)
