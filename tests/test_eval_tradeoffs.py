"""What knobs give and cost: figures by hand, the choice on one half, the command."""

from __future__ import annotations

import gzip
import json
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import nullcontext
from pathlib import Path
from xml.etree import ElementTree

import pytest

from agent.errors import ConfigError
from agent.parts.parts import Parts
from agent.settings import Settings
from agent.slate.choosing import Pool
from agent.types import Item
from eval.beyond import Shelf
from eval.cases import Case, DataSet
from eval.statistics import Difference
from eval.tasks.catalogue import open_folder
from eval.tradeoffs.drawing import draw, figure, verdict
from eval.tradeoffs.gathering import Asked, Gathered, gathered
from eval.tradeoffs.measuring import GRID, turned
from eval.tradeoffs.report import MARGIN, Knob, Report, Row, Side, report

ROOT = Path(__file__).parent.parent
TAGS = ("Comedy", "Drama", "War")


def made_up(n_people: int, hits_in_drama: bool) -> Gathered:
    """People who like two comedies for a drama, shown comedies first; what they go on to like is a comedy or drama."""
    items = [Item(item_id=f"i{n:02}", title=f"T{n}", tags=(TAGS[n // 20],)) for n in range(40)]
    shelf = Shelf({item.item_id: item.tags for item in items}, {item.item_id: float(n) for n, item in enumerate(items)})
    pool = Pool(items, [-float(n) for n in range(40)], {"Comedy": 2 / 3, "Drama": 1 / 3}, popularity=shelf.popularity)
    wanted = ("i20",) if hits_in_drama else ("i09",)
    cases = [Case(case_id=f"c{n}", user_id=f"u{n}", relevant=wanted) for n in range(n_people)]
    return Gathered([Asked(case, pool, ("i00", "i01", "i20")) for case in cases], shelf)


def test_figures_of_slates_by_hand() -> None:
    found = made_up(3, hits_in_drama=True)
    plain, calibrated = turned(found, {}), turned(found, {"calibration": 0.9})
    assert plain.shown["c0"] == tuple(f"i{n:02}" for n in range(10))
    assert "i20" in calibrated.shown["c0"]
    assert not plain.figures["ndcg@10"].any()
    assert (calibrated.figures["ndcg@10"] > 0.3).all()
    assert (calibrated.figures["calibration"] < plain.figures["calibration"]).all()
    assert not plain.figures["explored"].any()
    assert len(plain.times_ms) == 3


@pytest.fixture(scope="module")
def paying() -> Report:
    return report(made_up(40, hits_in_drama=True), 7)


def test_a_knob_that_pays_is_chosen_and_one_that_costs_hits_is_not(paying: Report) -> None:
    costing = report(made_up(40, hits_in_drama=False), 7)
    chosen = {knob.name: knob for knob in paying.knobs}
    assert (chosen["calibration"].chosen, chosen["calibration"].holds) == (0.9, True)
    assert chosen["exploration"].chosen == 0, "never by its own figure"
    assert sum(paying.people) == 40
    assert paying.together is not None
    assert paying.together.change["ndcg@10"].value > 0
    kept = {knob.name: knob.chosen for knob in costing.knobs}
    assert kept["calibration"] < 0.9
    rows = {row.value: row for row in next(k for k in costing.knobs if k.name == "calibration").rows}
    assert rows[0.9].reported_on.change["ndcg@10"].value < -MARGIN


def side(low: float, gain: float, *, moved: int = 3) -> Side:
    hits = Difference(low + 0.01, low, low + 0.02, 50, 0.5, moved, 0)
    other = Difference(gain, gain - 0.1, gain + 0.1, 50, 0.01, 5, 5)
    return Side({"ndcg@10": 0.1, "novelty": 9.0}, {"ndcg@10": hits, "novelty": other}, 0.5)


def test_the_largest_value_that_spares_hits_and_gains_is_chosen() -> None:
    rows = [
        Row(0.1, side(-0.001, 0.2), side(-0.001, 0.2)),
        Row(0.2, side(-0.004, 0.3), side(-0.02, 0.3)),
        Row(0.3, side(-0.001, 0.05), side(-0.001, 0.05)),
        Row(0.5, side(-0.006, 0.9), side(-0.001, 0.9)),
    ]
    knob = Knob("novelty", "novelty", rows)
    assert (knob.chosen, knob.holds) == (0.2, False)
    assert "does not hold" in verdict(knob)
    assert side(-0.02, 0.2, moved=0).pays("novelty"), "no hit is changed at all"
    assert Knob("novelty", "novelty", rows[2:]).chosen == 0
    assert Knob("novelty", "novelty", rows[2:]).holds is None
    assert "no value gains novelty" in verdict(Knob("novelty", "novelty", rows[2:]))


def test_too_few_people_cannot_be_halved() -> None:
    with pytest.raises(ConfigError, match="1 people cannot be halved"):
        report(made_up(1, hits_in_drama=True), 7)


def test_drawn_in_a_terminal_and_as_a_figure(paying: Report, capsys: pytest.CaptureFixture[str]) -> None:
    draw(paying, {"data": "made up"})
    drawn = capsys.readouterr().out
    assert "slate.calibration = 0.9 by one half; it holds on the other: ndcg@10 +" in drawn
    assert "all of these together" in drawn
    assert max(len(line) for line in drawn.splitlines() if not line.startswith(("slate.", "all of"))) <= 80
    root = ElementTree.fromstring(figure(paying, "a <set>"))
    circles = [element for element in root.iter() if element.tag.endswith("circle")]
    assert len(circles) == 3 * (len(GRID) + 1), "there are no vectors, so diversity has no figure"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Eight people: the first four with a past in events, the others with a history and candidates in their case."""
    made = tmp_path_factory.mktemp("tradeoffs")
    items = [{"item_id": f"i{n:02}", "title": f"Story {n}", "tags": [TAGS[n % 3]]} for n in range(30)]
    (made / "items.jsonl").write_text("".join(json.dumps(item) + "\n" for item in items))
    with gzip.open(made / "events.jsonl.gz", "wt") as file:
        for person in range(4):
            for at in range(3):
                act = {"user_id": f"u{person}", "item_id": f"i{person * 3 + at:02}", "kind": "like", "at": at * 90_000}
                file.write(json.dumps(act) + "\n")
    with (made / "cases.jsonl").open("w") as file:
        for person in range(8):
            case = {"case_id": f"c{person}", "user_id": f"u{person}", "relevant": [f"i{20 + person}"]}
            more = {"history": ["i00", "i01"], "candidates": [f"i{n:02}" for n in range(15, 30)]}
            file.write(json.dumps(case | (more if person >= 4 else {})) + "\n")
    return made


@pytest.fixture(scope="module")
def parts(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Parts]:
    settings = Settings(folder=tmp_path_factory.mktemp("own"))

    def _silent(_doing: str) -> nullcontext[object]:
        return nullcontext(lambda _done, _of: None)

    with open_folder(DataSet.open(folder, ()), settings, _silent, lambda _line: None) as opened:  # type: ignore[arg-type]
        yield opened


def test_candidates_are_those_of_the_case_or_what_recall_finds(folder: Path, parts: Parts) -> None:
    found = gathered(DataSet.open(folder, ()), parts, seed=1)
    first, last = found.cases[0], found.cases[-1]
    assert first.liked == ["i00", "i01", "i02"]
    assert {item.item_id for item in first.pool.items} == {f"i{n:02}" for n in range(3, 30)}
    assert last.liked == ["i00", "i01"], "a history counts as likes"
    assert {item.item_id for item in last.pool.items} == {f"i{n:02}" for n in range(15, 30)}
    for one in found.cases:
        assert sum(one.pool.interests.values()) == pytest.approx(1)
        assert one.pool.drawn is not None
        assert one.pool.vectors is not None
        assert list(one.pool.scores) == sorted(one.pool.scores, reverse=True)
    with pytest.raises(ConfigError, match="has no cases"):
        gathered(DataSet.open(folder, ()), parts, seed=1, limit=0)


def test_the_answer_to_one_case_is_not_in_the_history_of_another(folder: Path, tmp_path: Path) -> None:
    made = tmp_path / "made"
    shutil.copytree(folder, made)
    two = [("i00", "i20"), ("i03", "i00")]  # the history of each, then its answer: that of the second is in the first
    same = "c" * 100  # as names of cases begin
    with (made / "cases.jsonl").open("w") as file:
        for n, (before, answer) in enumerate(two):
            case = {"case_id": f"{same}{n}", "user_id": "new", "history": [before], "relevant": [answer]}
            file.write(json.dumps(case) + "\n")
    dataset, settings = DataSet.open(made, ()), Settings(folder=tmp_path / "own")
    with open_folder(
        dataset, settings, lambda _doing: nullcontext(lambda _done, _of: None), lambda _line: None
    ) as parts:  # type: ignore[arg-type]
        found = gathered(dataset, parts, seed=1)
    assert [one.liked for one in found.cases] == [["i00"], ["i03"]]
    assert "i00" in {item.item_id for item in found.cases[1].pool.items}


def test_the_command_writes_the_documented_shape(folder: Path, tmp_path: Path) -> None:
    plot = tmp_path / "curves.svg"
    command = [sys.executable, "-m", "agent.cli", "eval", "tradeoffs", "--data", str(folder), "--json"]
    done = subprocess.run(
        [*command, "--plot", str(plot)], cwd=ROOT, capture_output=True, text=True, check=False, timeout=120
    )
    assert done.returncode == 0, done.stderr
    shape = json.loads(done.stdout)
    assert (shape["k"], shape["margin"], shape["learn"]) == (10, MARGIN, False)
    assert sum(shape["people"].values()) == sum(shape["cases"].values()) == 8
    assert [knob["knob"] for knob in shape["knobs"]] == ["calibration", "diversity", "novelty", "exploration"]
    row = shape["knobs"][0]["rows"][1]
    assert set(row) == {"value", "chosen_on", "reported_on"}
    assert set(row["reported_on"]["change"]) == {"ndcg@10", "calibration"}
    assert set(row["reported_on"]["change"]["ndcg@10"]) == {"value", "low", "high", "n", "p", "wins", "losses"}
    assert plot.read_text().startswith("<svg")
