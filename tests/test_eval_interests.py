"""`palate eval interests` on people whose tastes are known because they were made up."""

from __future__ import annotations

import gzip
import json
import xml.etree.ElementTree as ET
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from typer.testing import CliRunner

from agent.errors import ConfigError
from agent.profile.evidence import Hyperparameters
from agent.types import Event, Item
from eval.cases import DataSet
from eval.commands import app
from eval.interests.calibrating import LEVELS, Outcome, coverage, miss, outcomes
from eval.interests.predicting import by_frequency, by_shares, log_loss
from eval.interests.report import measured
from eval.interests.timelines import LENGTHS, halves, questions_to, timelines_of

TAGS = ("Comedy", "Drama", "Horror", "War", "Western")
START = datetime(2026, 1, 1, tzinfo=UTC)
ITEMS = {f"i{n}": Item(item_id=f"i{n}", title=f"T{n}", tags=(TAGS[n % 5],)) for n in range(400)}
PRIOR = dict.fromkeys(TAGS, 0.2)


def people(n: int, acts: int, seed: int = 7) -> list[dict[str, Any]]:
    """Events of people, each of whom draws items by shares of their own, and likes all they draw."""
    rng = np.random.default_rng(seed)
    rows = []
    for who in range(n):
        theta = rng.dirichlet([2.0] * 5)
        fresh = {tag: list(rng.permutation(range(tag, 400, 5))) for tag in range(5)}
        for k in range(acts):
            tag = int(rng.choice(5, p=theta))
            at = int((START + timedelta(hours=k)).timestamp())
            rows.append({"user_id": f"u{who}", "item_id": f"i{fresh[tag].pop()}", "kind": "like", "at": at})
    return rows


def folder_of(path: Path, rows: list[dict[str, Any]], items: dict[str, Item] | None = None) -> Path:
    path.mkdir()
    given = ITEMS if items is None else items
    lines = [json.dumps({"item_id": i.item_id, "title": i.title, "tags": list(i.tags)}) for i in given.values()]
    (path / "items.jsonl").write_text("\n".join(lines))
    (path / "cases.jsonl").write_text(json.dumps({"case_id": "c", "user_id": "u0", "relevant": ["i0"]}) + "\n")
    with gzip.open(path / "events.jsonl.gz", "wt") as file:
        file.writelines(json.dumps(row) + "\n" for row in rows)
    return path


def events_of(rows: list[dict[str, Any]]) -> list[Event]:
    return [
        Event(**{**row, "event_id": f"e{n:05}", "at": datetime.fromtimestamp(row["at"], UTC)})
        for n, row in enumerate(rows)
    ]


def test_the_posterior_beats_frequencies_and_everyones_shares_and_its_intervals_hold(tmp_path: Path) -> None:
    found = measured(DataSet.open(folder_of(tmp_path / "made", people(80, 45)), needs=()), seed=1)
    lost = {one.name: one.loss.value for one in found.systems}
    assert lost["posterior"] < min(lost["frequencies"], lost["catalogue"], lost["everyone"])
    for name in ("frequencies", "catalogue", "everyone"):
        high = found.comparisons[name].high
        assert high is not None
        assert high < 0
    held = found.coverage["posterior"]["all tags"][LEVELS.index(0.8)]
    assert 0.75 <= held.value <= 0.85
    assert found.people["fitted_on"] + found.people["reported_on"] == 80


def test_too_sure_and_too_unsure_a_posterior_is_found_out() -> None:
    timelines = timelines_of(events_of(people(80, 60)), ITEMS)
    good, sure, unsure = (
        miss(outcomes(timelines, PRIOR, Hyperparameters(concentration=c, half_life_days=1e6, steadiness=s), 1))
        for c, s in ((10.0, 1e9), (1_000.0, 1e9), (10.0, 5.0))
    )
    assert good < min(sure, unsure)
    assert good < 0.05
    assert miss([]) == 1


def test_a_step_is_covered_by_as_much_of_it_as_the_interval_holds() -> None:
    assert Outcome("u", 0.5, 0.0, 1.0).covered(0.8) == pytest.approx(0.8)
    assert Outcome("u", 0.5, 0.95, 1.0).covered(0.8) == 0
    assert Outcome("u", 0.5, 0.4, 0.4).covered(0.8) == 1
    assert Outcome("u", 0.5, 0.05, 0.15).covered(0.8) == pytest.approx(0.5)


def test_coverage_of_a_few_that_were_all_covered_is_not_sure() -> None:
    (whole, *_) = coverage([Outcome(f"u{n}", 0.5, 0.4, 0.4) for n in range(5)], [0.8])["all tags"]
    assert (whole.value, whole.high) == (1, 1)
    assert whole.low is not None
    assert whole.low < 1


def test_questions_know_only_what_lies_strictly_before() -> None:
    rows = [{"user_id": "u", "item_id": f"i{n}", "kind": "like", "at": 1_000 + 100 * (n // 2)} for n in range(8)]
    rows.append({"user_id": "u", "item_id": "i99", "kind": "dislike", "at": 5_000})
    (timeline,) = timelines_of(events_of(rows), ITEMS)
    asked = questions_to([timeline], {tag: n for n, tag in enumerate(TAGS)})
    assert [(q.n, q.length) for q in asked] == [(0, 0), (2, 2), (6, 5)]
    assert {q.length for q in asked} <= set(LENGTHS)
    assert list(asked[1].wanted) == [0, 0, 1, 0, 0]


def test_frequencies_and_shares_are_what_they_say() -> None:
    told = enumerate((0, 5, 1, 2))
    rows = [{"user_id": "u", "item_id": f"i{n}", "kind": "like", "at": 1_000 + k} for k, n in told]
    timelines = timelines_of(events_of(rows), ITEMS)
    tags = {tag: n for n, tag in enumerate(TAGS)}
    last = questions_to(timelines, tags)[-1:]
    assert last[0].n == 2
    assert list(by_frequency(timelines, last, tags, 0.5)[0]) == pytest.approx([2.5 / 4.5, *[0.5 / 4.5] * 4])
    assert log_loss(by_shares(np.ones(5), last), last)[0] == pytest.approx(np.log(5))


def test_halves_are_drawn_by_name_alone() -> None:
    timelines = timelines_of(events_of(people(30, 3)), ITEMS)
    fit, report = halves(timelines, 1)
    again, _ = halves(list(reversed(timelines)), 1)
    assert {t.user_id for t in fit} == {t.user_id for t in again}
    assert {t.user_id for t in fit}.isdisjoint(t.user_id for t in report)
    with pytest.raises(ConfigError, match="cannot be halved"):
        halves(timelines[:1], 1)


def test_the_command_draws_writes_json_and_a_plot(tmp_path: Path) -> None:
    folder, plot = folder_of(tmp_path / "made", people(30, 30)), tmp_path / "plot.svg"
    drawn = CliRunner().invoke(app, ["interests", "--data", str(folder), "--plot", str(plot)])
    assert drawn.exit_code == 0, drawn.output
    assert "log-loss in nats" in " ".join(drawn.stdout.split())
    assert "coverage, posterior" in drawn.stdout
    assert ET.fromstring(plot.read_text()).tag.endswith("svg")
    found = json.loads(CliRunner().invoke(app, ["interests", "--data", str(folder), "--limit", "20", "--json"]).stdout)
    assert sum(found["people"].values()) == 20
    assert {row["system"] for row in found["systems"]} >= {"posterior", "frequencies", "catalogue", "everyone"}
    assert found["levels"] == list(LEVELS)
    assert set(found["shipped"]) <= set(found["fitted"])


@pytest.mark.parametrize(
    ("rows", "items", "said"),
    [
        ([], ITEMS, "tells nothing"),
        (people(4, 2), {i: item.model_copy(update={"tags": ()}) for i, item in ITEMS.items()}, "has tags"),
        ([{**row, "kind": "dislike"} for row in people(30, 2)], ITEMS, "likes anything"),
    ],
)
def test_what_cannot_be_measured_is_said(
    tmp_path: Path, rows: list[dict[str, Any]], items: dict[str, Item], said: str
) -> None:
    with pytest.raises(ConfigError, match=said):
        measured(DataSet.open(folder_of(tmp_path / "made", rows, items), needs=()), seed=1)
