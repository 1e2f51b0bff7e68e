"""eval.yaml as a value, the cells that it makes, what a plan costs, and the evaluation to begin with."""

from __future__ import annotations

import json
import math
import shutil
from collections.abc import Sequence
from pathlib import Path

import pytest
import yaml
from scipy import stats
from typer.testing import CliRunner, Result

import prompts
from agent.errors import ConfigError
from eval.cases import Case, DataSet
from eval.commands import commands_with
from eval.plan.cells import Cell, cells_of, data_names
from eval.plan.config import USUAL, Evaluation, checked, condition, load, schema
from eval.plan.costs import calls_of
from eval.plan.estimate import CellPlan, answer_key, cell_plan, detectable, observed_spread, with_others
from eval.plan.start import write_start
from eval.plan.toy import BOOKS
from tests.support.fake_ranker import FILMS, FakeRanker, opener_of, opens

ROOT = Path(__file__).parent.parent
ALL = {
    "version": 1,
    "task": "rank",
    "data": ["data/toy"],
    "limit": None,
    "models": ["smollm2-135m", "./m.gguf"],
    "strategies": ["auto"],
    "prompts": ["built-in", "prompts/v2"],
    "language": "en",
    "noun": "films",
    "repeat": 3,
    "seed": 7,
    "metrics": ["recall@10", "ndcg@10"],
    "baselines": ["random", "oracle"],
    "versus": "random",
    "gate": [
        {"metric": "ndcg@10", "versus": "recall-only", "not_worse_than": 0.01},
        {"metric": "ndcg@10", "at_least": 0.5},
        {"rate": "failed", "at_most": 0.01},
        {"latency_p95_s": 4},
    ],
}


def written(folder: Path, values: object) -> Path:
    path = folder / "eval.yaml"
    path.write_text(values if isinstance(values, str) else yaml.safe_dump(values), encoding="utf-8")
    return path


def palate_eval(*arguments: object) -> Result:
    ranker = FakeRanker()
    app = commands_with(opener_of(ranker), opens(ranker))
    return CliRunner().invoke(app, [str(a) for a in arguments], env={"COLUMNS": "140"})


def test_every_key_is_read_and_paths_are_taken_from_the_file(tmp_path: Path) -> None:
    found = load(written(tmp_path, ALL))
    assert found.data == (tmp_path / "data/toy",)
    assert found.prompts == ("built-in", str(tmp_path / "prompts/v2"))
    assert found.models == ("smollm2-135m", str(tmp_path / "m.gguf"))
    assert (found.headline, found.repeat, found.seed, found.versus) == ("recall@10", 3, 7, "random")
    plan = found.as_plan()
    assert plan["gate"] == ALL["gate"]
    assert Evaluation.model_validate(json.loads(json.dumps(plan))) == found


def test_one_value_may_stand_for_a_list_and_the_rest_has_defaults(tmp_path: Path) -> None:
    found = load(written(tmp_path, {"data": "films", "metrics": "mrr"}))
    assert (found.data, found.metrics) == ((tmp_path / "films",), ("mrr",))
    bare = checked({"data": "films"}, "here")
    assert (bare.measured, bare.task, bare.repeat, bare.baselines) == (USUAL, "rank", 1, None)
    assert USUAL[0] == "ndcg@10"
    assert checked({"data": "films", "task": "explain"}, "here").headline == "grounding"


def test_flags_go_before_the_file_and_are_taken_from_here(tmp_path: Path) -> None:
    found = load(written(tmp_path, ALL), {"repeat": 1, "data": ["elsewhere"], "limit": None})
    assert (found.repeat, found.data, found.seed) == (1, (Path("elsewhere"),), 7)


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"dat": "x"}, "there is no key 'dat'. Did you mean data?"),
        ({"metric": "rr"}, "there is no key 'metric'. Did you mean metrics?"),
        ({"metrics": ["ndgc@10"]}, "metrics: there is no metric 'ndgc@10'. Did you mean ndcg@10?"),
        ({"task": "explain"}, "explain has no metric 'recall@10'"),
        ({"task": "rnak"}, "task should be one of rank, recommend, converse, explain, not 'rnak' (did you mean rank?)"),
        ({"repeat": 0}, "repeat should be 1 or more, not 0"),
        ({"data": []}, "data"),
        ({"data": "a\0b"}, "data.1 holds a NUL character"),
        ({"models": ["a", "a"]}, "models holds 'a' twice"),
        ({"strategies": ["likelyhood"]}, "strategies.1 is refused: there is no strategy 'likelyhood'"),
        ({"baselines": ["ransom"]}, "not 'ransom' (did you mean random?)"),
        ({"gate": [{"metric": "rr"}]}, "gate.1 holds metric; a condition is metric and at_least"),
        ({"gate": [{"rate": "faild", "at_most": 0.1}]}, "gate.1.rate should be one of failed, "),
        ({"gate": [{"rate": "failed", "atmost": 0.1}]}, "gate 1: there is no key 'atmost'. Did you mean at_most?"),
        ({"gate": [{"metric": "no", "at_least": 0.1}]}, "there is no metric 'no'"),
        ({"version": 2}, "version should be 1, not 2"),
        ({"seed": -1}, "seed should be"),
    ],
)
def test_what_is_wrong_is_told_in_one_line(tmp_path: Path, change: dict[str, object], told: str) -> None:
    with pytest.raises(ConfigError) as caught:
        load(written(tmp_path, {**ALL, **change}))
    assert str(caught.value).startswith(str(tmp_path / "eval.yaml"))
    assert told in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("data: [a", "line 1, column"),
        ("- a\n- b\n", "holds no keys"),
        ("", "holds no keys"),
        ("data: a\nwhat: !!python/object:os.system x\n", "line 2"),
        ("x" * 1_000_001, "larger than"),
    ],
)
def test_a_file_that_is_no_evaluation_is_told(tmp_path: Path, text: str, told: str) -> None:
    with pytest.raises(ConfigError, match=told):
        load(written(tmp_path, text))


def test_a_missing_or_unreadable_file_is_told(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="palate eval init"):
        load(tmp_path / "eval.yaml")
    (tmp_path / "eval.yaml").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(ConfigError, match="cannot read"):
        load(tmp_path / "eval.yaml")


def test_conditions_on_the_command_line() -> None:
    assert condition("{rate: failed, at_most: 0.1}") == {"rate": "failed", "at_most": 0.1}
    for text in ("failed", "{rate: ["):
        with pytest.raises(ConfigError, match="--gate"):
            condition(text)


def test_the_published_schema_is_that_of_the_model() -> None:
    assert json.loads((ROOT / "docs/eval.schema.json").read_text()) == schema()
    found = schema()
    assert found["additionalProperties"] is False
    keys = found["properties"]
    assert isinstance(keys, dict)
    assert set(keys) == set(Evaluation.model_fields)
    assert {"format": "path", "type": "string"} in keys["data"]["anyOf"]


def cells(**more: object) -> tuple[Cell, ...]:
    axes: dict[str, Sequence[object]] = {
        "data": [Path("a/films")],
        "models": ["m"],
        "strategies": ["auto"],
        "prompts": ["built-in"],
    }
    return cells_of(**{**axes, **more}, task="rank", language="en", noun="films")  # type: ignore[arg-type]


def names(**more: object) -> list[str]:
    return [cell.name for cell in cells(**more)]


def test_names_hold_what_differs() -> None:
    assert names() == ["model"]
    assert names(prompts=["built-in", "prompts/v2/"]) == ["built-in", "v2"]
    assert names(models=["hf:org/repo:Q4", "./a/small.gguf"], prompts=["p/v1", "p/v2"]) == [
        "repo:Q4 v1",
        "repo:Q4 v2",
        "small v1",
        "small v2",
    ]
    assert names(prompts=["one/v1", "two/v1"]) == ["one/v1", "two/v1"]
    assert names(data=[Path("a/films"), Path("b/games")], strategies=["auto", "renown"])[:3] == [
        "films auto",
        "films renown",
        "games auto",
    ]


def test_cells_that_would_be_the_same_are_refused() -> None:
    with pytest.raises(ConfigError, match="called"):
        cells(models=["x y", "x"], prompts=["z", "y z"])


def test_a_cell_stands_in_a_row() -> None:
    one, _ = cells(prompts=["built-in", "v2"])
    assert Cell.from_row(one.as_row()) == one
    with pytest.raises(ConfigError, match="'model'"):
        Cell.from_row({k: v for k, v in one.as_row().items() if k != "model"})


def test_data_sets_of_one_name_go_by_their_paths() -> None:
    found = cells(data=[Path("a/films"), Path("b/films")])
    assert data_names(found) == {"a/films": "a/films", "b/films": "b/films"}
    assert data_names(cells()) == {"model": "films"}


@pytest.mark.parametrize(
    ("strategy", "n", "calls"),
    [
        ("likelihood", 20, 2),
        ("likelihood+renown", 20, 4),
        ("auto", 20, 4),
        ("auto", 200, 13),
        ("listwise", 60, 3),
        ("likelihood>pairwise", 20, 3),
        ("0.5*setwise+first-token", 1, 2),
    ],
)
def test_calls_at_most(strategy: str, n: int, calls: int) -> None:
    assert calls_of("rank", strategy, n) == calls
    assert calls_of("explain", strategy, 5) == 10


def case(n: int) -> Case:
    return Case(case_id=f"c{n}", user_id=f"u{n}", relevant=("a",), candidates=("a", "b"))


def test_a_cell_is_timed_by_what_is_kept() -> None:
    one, other = cells(prompts=["built-in", "v2"])

    def planned(cell: Cell, times: Sequence[float]) -> CellPlan:
        return cell_plan(cell, "films", map(case, range(4)), repeat=2, n_items=lambda c: 2, timed=lambda *_: times)

    half = planned(one, [500.0, 1500.0])
    assert (half.answers, half.calls, half.kept, half.seconds) == (8, 32, 2, 6.0)
    unknown = planned(other, [])
    assert unknown.seconds is None
    assert planned(one, [1.0] * 8).seconds == 0.0
    timed = with_others([half, unknown], [one, other])
    assert [plan.seconds for plan in timed] == [6.0, 8.0]
    assert with_others([unknown], [other])[0].seconds is None
    assert answer_key("c1", 2) == "2/c1"


def test_the_smallest_difference_by_hand() -> None:
    found = detectable("films", [f"u{n}" for n in range(100)])
    reach, ours = stats.t.ppf(0.975, 101) + 0.84162, 99 * 0.3**2
    d = found.smallest  # two more people differ by the root mean square of all and 1, with that difference among them
    two = 2 * (ours + 100 * d**2 + 1) / 101
    squares = ours + 100 * d**2 + two - 102 * (100 * d / 102) ** 2
    assert 100 * d / 102 == pytest.approx(reach * math.sqrt(squares * 102 / 101) / 102, abs=1e-5)
    assert observed_spread(found.smallest, 100) == pytest.approx(0.3)
    several = detectable("films", ["u1", "u1", "u2", "u2"], 0.1, "seen")
    assert (several.cases, several.users, several.spread, several.source) == (4, 2, 0.1, "seen")
    with pytest.raises(ValueError, match="no cases"):
        detectable("films", [])


def test_what_init_writes_can_be_run_and_is_never_overwritten(tmp_path: Path) -> None:
    files = write_start(tmp_path / "new")
    assert all(path.exists() for path in files)
    found = load(tmp_path / "new/eval.yaml")
    dataset = DataSet.open(found.data[0])
    assert len(dataset.items) == len(BOOKS) == 45
    assert 40 <= dataset.n_cases <= 45
    assert dataset.leaked == ()
    assert all(case.relevant[0] in case.candidates for case in dataset.cases())
    folders = [tmp_path / "new" / "prompts" / name for name in ("v1", "v2")]
    assert [prompts.check(folder) for folder in folders] == folders
    texts = [prompts.load("rank-likelihood", folder=folder).text for folder in folders]
    assert texts[0] == prompts.load("rank-likelihood").text != texts[1]
    assert json.loads((tmp_path / "new/eval.schema.json").read_text()) == schema()
    (tmp_path / "new/eval.yaml").write_text("mine")
    with pytest.raises(ConfigError, match="is there already"):
        write_start(tmp_path / "new")
    assert (tmp_path / "new/eval.yaml").read_text() == "mine"
    again = write_start(tmp_path / "again")
    assert (again[-1] / "cases.jsonl").read_bytes() == (files[-1] / "cases.jsonl").read_bytes()


def test_init_that_cannot_write_says_so(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(ConfigError, match="cannot write"):
        write_start(tmp_path / "file")


def test_init_plan_and_run_from_the_command_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PALATE_CACHE_FOLDER", str(tmp_path / "cache"))  # nothing is kept there yet
    assert palate_eval("init").exit_code == 0
    drawn = palate_eval("plan")
    assert drawn.exit_code == 0, drawn.output
    assert "90 answers, 180 model calls at most" in drawn.stdout
    assert "show a difference of 0.132 ndcg@10 or more" in drawn.stdout
    found = json.loads(palate_eval("plan", "--limit", 10, "--json").stdout)
    assert [cell["cell"] for cell in found["cells"]] == ["v1", "v2"]
    assert (found["answers"], found["calls"], found["kept"], found["seconds"]) == (20, 40, 0, None)
    assert found["detectable"][0]["users"] == 10
    ran = palate_eval("run", "--limit", 10)
    assert ran.exit_code == 0, ran.output
    runs = list((tmp_path / "runs").iterdir())
    assert len(runs) == 1
    assert "v2 is not shown to differ from v1" in ran.stdout
    shutil.copytree(tmp_path / "data", tmp_path / "moved")
    (tmp_path / "there.yaml").write_text((tmp_path / "eval.yaml").read_text().replace("data/toy", "moved/toy"))
    kept = json.loads(palate_eval("plan", "there.yaml", "--limit", 10, "--json").stdout)
    assert (kept["kept"], kept["seconds"]) == (20, 0.0)
    like = json.loads(palate_eval("plan", "--like", runs[0], "--json").stdout)["detectable"][0]
    assert like["source"].startswith("observed in")
    assert like["spread"] != 0.3


def test_the_plan_of_flags_alone() -> None:
    result = palate_eval("plan", "--data", FILMS, "--strategy", "likelihood", "--strategy", "renown", "--json")
    found = json.loads(result.stdout)
    assert [cell["cell"] for cell in found["cells"]] == ["likelihood", "renown"]
    assert found["plan"]["data"] == [str(FILMS)]


def test_what_nothing_can_be_compared_with_is_refused() -> None:
    result = palate_eval("plan", "--data", FILMS, "--versus", "nobody")
    assert isinstance(result.exception, ConfigError)
    assert "there is no system 'nobody' to compare with. Systems: " in str(result.exception)
    assert palate_eval("plan", "--data", FILMS, "--versus", "rival").exit_code == 0


def test_a_gate_that_names_nobody_is_refused_before_anything_is_asked() -> None:
    condition = "{{metric: ndcg@10, versus: {}, not_worse_than: 0.1}}"
    result = palate_eval("plan", "--data", FILMS, "--gate", condition.format("v9"))
    assert isinstance(result.exception, ConfigError)
    assert "there is no system 'v9' to compare with" in str(result.exception)
    for name in ("recall-only", "without-model", "rival"):
        assert palate_eval("plan", "--data", FILMS, "--gate", condition.format(name)).exit_code == 0, name
