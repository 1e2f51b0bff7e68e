"""What each source of recall finds, alone and beside the others: orders, figures, the command."""

from __future__ import annotations

import gzip
import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import nullcontext
from pathlib import Path

import pytest

import prompts
from agent.deadline import Deadline
from agent.errors import ConfigError
from agent.llm.scripted import Scripted
from agent.parts.parts import Parts
from agent.path.stages import Found, searched
from agent.recall.generated import Generator
from agent.settings import Settings
from agent.store.cache import Cache
from agent.types import Candidate
from eval.cases import Case, DataSet
from eval.learning import taught
from eval.recall.asking import ALL, Answered, answered, orders_of, who_asks, without
from eval.recall.drawing import draw
from eval.recall.measure import GENERATED, Gathered, gathered, measured
from eval.tasks.catalogue import open_folder

ROOT = Path(__file__).parent.parent
ITEMS = Path(__file__).parent / "support" / "films" / "items.jsonl"


def found(source: str, *ids: str, weight: float = 1.0) -> Found:
    candidates = [Candidate(item_id=i, source=source, rank=n, score=-n) for n, i in enumerate(ids, start=1)]
    return Found(source, "why", weight, candidates, 2.0)


def case(case_id: str = "c", *relevant: str) -> Case:
    return Case(case_id=case_id, user_id=f"u-{case_id}", relevant=relevant or ("a",))


def test_orders_of_each_source_of_all_and_of_all_but_one() -> None:
    one = Answered(case(), [found("taste", "a", "b"), found("similar:1", "b"), found("similar:2", "c")], 0.0, ())
    orders = orders_of(one, ["taste", "similar"])
    assert orders[ALL][0] == "b", "found by two"
    assert orders["taste"] == ("a", "b") == orders[without("similar")]
    assert set(orders["similar"]) == {"b", "c"}
    assert orders_of(one, ["taste"])[without("taste")] == ()


def test_the_figures_by_hand() -> None:
    gathering = Gathered()
    for n in range(4):
        hit = [found("taste", "a"), found("wish", "x", "y")]
        miss = [found("taste", "z"), found("wish", "a")]
        gathering.take(Answered(case(f"c{n}", "a", "q"), hit if n % 2 else miss, 0.0, ()), ["taste", "wish"])
    figures = measured(gathering, ("taste", "wish"))
    values = {row.name: row.metrics["recall@50"].value for row in figures.rows}
    assert values == {ALL: 0.5, "taste": 0.25, "wish": 0.25, without("taste"): 0.25, without("wish"): 0.25}
    assert [(c.system, c.against) for c in figures.adds] == [(ALL, without("taste")), (ALL, without("wish"))]
    assert figures.adds[0].metrics["recall@50"].value == pytest.approx(0.25)
    assert (figures.n, figures.people) == (4, 4)
    times = {row.name: row.p50_ms for row in figures.rows}
    assert (times["taste"], times[ALL], times[without("taste")]) == (2.0, 4.0, None)


def test_a_source_that_found_nothing_in_a_few_cases_may_find_something_in_others() -> None:
    gathering = Gathered()
    for n in range(4):
        gathering.take(Answered(case(f"c{n}"), [found("taste", "z")], 0.0, ()), ["taste"])
    recall = measured(gathering, ("taste",)).rows[0].metrics["recall@50"]
    assert (recall.value, recall.low) == (0, 0)
    assert recall.high is not None
    assert 0 < recall.high < 1


def test_writing_queries_counts_for_their_time() -> None:
    gathering = Gathered()
    gathering.take(Answered(case(), [found("taste", "a"), found("generated:1", "b")], 500.0, ()), ["taste", GENERATED])
    assert gathering.times_ms == {"taste": [2.0], GENERATED: [502.0], ALL: [504.0]}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Twelve films, three people with a past, and a conversation."""
    made = tmp_path_factory.mktemp("recall")
    (made / "items.jsonl").write_bytes(ITEMS.read_bytes())
    pasts = {"u1": ("f1", "f2"), "u2": ("f3", "f5"), "u3": ("f8",)}
    with gzip.open(made / "events.jsonl.gz", "wt") as file:
        for user, ids in pasts.items():
            for at, item_id in enumerate(ids):
                file.write(json.dumps({"user_id": user, "item_id": item_id, "kind": "like", "at": at}) + "\n")
    with (made / "cases.jsonl").open("w") as file:
        for user, relevant in (("u1", "f4"), ("u2", "f6"), ("u3", "f7")):
            said = [{"role": "user", "content": "a film about robots"}]
            more = {"messages": said, "mentioned": ["f3"]}
            file.write(json.dumps({"case_id": f"c-{user}", "user_id": user, "relevant": [relevant], **more}) + "\n")
    return made


@pytest.fixture(scope="module")
def parts(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Parts]:
    settings = Settings(folder=tmp_path_factory.mktemp("own"), noun="films")
    dataset = DataSet.open(folder, ())

    def _silent(_doing: str) -> nullcontext[object]:
        return nullcontext(lambda _done, _of: None)

    with open_folder(dataset, settings, _silent, lambda _line: None) as opened:  # type: ignore[arg-type]
        yield opened


def test_each_task_asks_as_its_own_person(folder: Path, parts: Parts) -> None:
    dataset = DataSet.open(folder, ())
    first = next(dataset.cases())
    person, wish = who_asks(dataset, parts, "recommend", first)
    assert ([r.item_id for r in person.profile.liked], wish) == (["f1", "f2"], None)
    person, wish = who_asks(dataset, parts, "converse", first)
    assert ([r.item_id for r in person.profile.liked], wish) == (["f3"], "a film about robots")
    with pytest.raises(ConfigError, match="the task 'rank'"):
        who_asks(dataset, parts, "rank", first)


def test_people_who_liked_too_little_are_passed_over(folder: Path, parts: Parts) -> None:
    dataset = DataSet.open(folder, ())
    assert len(list(answered(dataset, parts, "recommend", None, 0))) == 3
    assert [one.case.user_id for one in answered(dataset, parts, "recommend", None, 2)] == ["u1", "u2"]
    assert len(list(answered(dataset, parts, "recommend", 1, 0))) == 1
    with pytest.raises(ConfigError, match="no case is left"):
        gathered(dataset, parts, "recommend", least_liked=9)


def test_what_was_met_or_named_is_never_found(folder: Path, parts: Parts) -> None:
    dataset = DataSet.open(folder, ())
    for task in ("recommend", "converse"):
        for one in answered(dataset, parts, task, None, 0):
            met = set(dataset.past.met(one.case.user_id)) if task == "recommend" else set(one.case.mentioned)
            assert not met & {c.item_id for source in one.found for c in source.candidates}


def test_only_sources_that_are_there_can_be_named(folder: Path, parts: Parts) -> None:
    dataset = DataSet.open(folder, ())
    with pytest.raises(ConfigError, match="no case has the source 'nowhere'"):
        gathered(dataset, parts, "recommend", sources=("nowhere",))
    _, families = gathered(dataset, parts, "converse", sources=("wish",))
    assert families == ("wish",)


def test_generated_queries_are_one_source_of_them(folder: Path, parts: Parts) -> None:
    model = Scripted(lambda _p, _s: " Comedy. Robots in a kitchen take a day off", abilities=["continue"])
    writer = Generator(model, prompts.load("recall-generate"), Cache(None))
    dataset = DataSet.open(folder, ())
    person, wish = who_asks(dataset, parts, "recommend", next(dataset.cases()))
    written = writer.queries(person.taste.liked, [], wish, 1, Deadline.never())
    one = Answered(next(dataset.cases()), searched(parts, person, wish, None, 5, written.queries), 1.0, ())
    assert one.families[GENERATED][0].candidates[0].item_id == "f3", "Robot Picnic"


def test_the_command_writes_the_documented_shape(folder: Path) -> None:
    command = [sys.executable, "-m", "agent.cli", "eval", "recall", "--data", str(folder), "--json"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False, timeout=120)
    assert done.returncode == 0, done.stderr
    shape = json.loads(done.stdout)
    assert (shape["task"], shape["n"], shape["people"], shape["generated"], shape["model"]) == (
        "recommend", 3, 3, 0, None,
    )  # fmt: skip
    assert "taste" in shape["sources"]
    assert {row["source"] for row in shape["results"]} >= {"all", "taste"}
    assert set(shape["results"][0]["metrics"]) == {"recall@20", "recall@50", "recall@100"}


def test_the_drawing_fits_a_terminal_and_says_what_a_source_adds(capsys: pytest.CaptureFixture[str]) -> None:
    gathering = Gathered()
    for n in range(3):
        one = Answered(case(f"c{n}"), [found("taste", "a"), found("wish", "b")], 0.0, ())
        gathering.take(one, ["taste", "wish"])
    draw(measured(gathering, ("taste", "wish")), {"task": "recommend"})
    drawn = capsys.readouterr().out
    assert "without taste" in drawn
    assert "all is not shown to differ from without wish" in drawn
    assert "3 cases of 3 people" in drawn
    assert max(map(len, drawn.splitlines()[:12])) <= 80


def test_what_was_learned_from_others_is_a_source_too(folder: Path, parts: Parts) -> None:
    dataset = DataSet.open(folder, ())
    lessons = taught(dataset, parts.settings.learn)
    _, families = gathered(dataset, parts, "recommend", taught=lessons)
    assert set(families) - {"taste"}
