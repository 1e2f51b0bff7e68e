"""`palate eval optimize` from its flags to its files and its JSON, on models from a script and on the real one."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import pytest
from typer import Typer
from typer.testing import CliRunner, Result

import prompts
from agent.errors import ConfigError
from agent.llm.base import Model
from agent.llm.scripted import Scripted
from agent.settings import Settings
from agent.types import Item
from eval.commands import app as eval_app
from eval.optimising.bench import OpenedBench, open_bench
from eval.optimising.command import optimize_with
from eval.optimising.subject import Subject, open_subject
from eval.runs import Told
from tests.support.wordings import ITEMS, KIND, bench_on, cases_of, reader


@pytest.fixture
def data_set(tmp_path: Path) -> Path:
    folder = tmp_path / "liked"
    folder.mkdir()
    write(folder / "items.jsonl", [item.model_dump(exclude_none=True, mode="json") for item in ITEMS.values()])
    write(folder / "cases.jsonl", [case.model_dump(exclude_none=True, mode="json") for case in cases_of(40)])
    return folder


def write(path: Path, rows: list[dict[str, object]]) -> None:
    path.write_text("".join(f"{json.dumps(row)}\n" for row in rows), encoding="utf-8")


def optimize(
    *arguments: object, model: Model | None = None, writer: Model | None = None, seen: list[str | None] | None = None
) -> Result:
    @contextmanager
    def opener(
        subject: Subject, items: Mapping[str, Item], settings: Settings, proposer: str | None, told: Told
    ) -> Iterator[OpenedBench]:
        if seen is not None:
            seen.append(proposer)
        bench = bench_on(model or reader(), subject, Path("bench").resolve())
        yield OpenedBench(bench, {"reference": "scripted", "fingerprint": "ab" * 32}, writer)

    app = Typer()
    app.command()(optimize_with(opener))
    return CliRunner().invoke(app, [str(argument) for argument in arguments], env={"COLUMNS": "120"})


def test_the_json_has_the_documented_shape(data_set: Path) -> None:
    result = optimize("rank-likelihood", "--data", data_set, "--json", "--seed", 3)
    assert result.exit_code == 0, result.output
    found = json.loads(result.stdout)
    assert set(found) == {
        "prompt", "strategy", "limit", "model", "proposer", "seed", "dataset", "split", "budget", "tried", "refused",
        "chosen", "changes", "test", "diff", "text", "method",
    }  # fmt: skip
    assert (found["prompt"], found["strategy"], found["proposer"]) == ("en/rank-likelihood", "likelihood", None)
    assert {name: part["cases"] for name, part in found["split"].items()} == {"train": 12, "val": 12, "test": 16}
    assert found["budget"]["asked"] <= found["budget"]["limit"] == 400
    assert found["tried"][0] | {"val": None} == {"n": 0, "parent": None, "change": "as it was", "val": None}
    assert set(found["test"]) == {"metric", "before", "after", "change"}
    assert set(found["test"]["change"]) == {"value", "low", "high", "n", "p", "wins", "losses", "detectable"}
    assert found["test"]["change"]["n"] == 16
    assert KIND in found["text"]
    assert found["diff"].startswith("--- the prompt as it was")


def test_the_new_prompt_is_written_and_can_be_used(data_set: Path, tmp_path: Path) -> None:
    output = tmp_path / "v2" / "en" / "rank-likelihood.j2"
    output.parent.mkdir(parents=True)
    result = optimize("rank-likelihood", "--data", data_set, "--seed", 3, "--output", output)
    assert result.exit_code == 0, result.output
    assert "on 16 cases kept aside, the new prompt" in result.stdout
    assert "12 to learn from, 12 to choose by, 16 kept aside" in result.stdout
    assert f"the new prompt is written to {output}" in " ".join(result.stderr.split())
    assert prompts.check(tmp_path / "v2")
    assert KIND in prompts.load("rank-likelihood", folder=tmp_path / "v2").text
    again = optimize(output, "--data", data_set, "--seed", 3, "--json")
    assert json.loads(again.stdout)["prompt"] == "en/rank-likelihood"


def test_where_nothing_is_better_nothing_is_written(data_set: Path, tmp_path: Path) -> None:
    output = tmp_path / "new.j2"
    model = Scripted(scores=lambda _text, _line: -20.0)
    result = optimize("rank-likelihood", "--data", data_set, "--output", output, "--budget", 60, model=model)
    assert result.exit_code == 0, result.output
    assert "the prompt stays as it was, and the test stays sealed" in result.stdout
    assert "nothing is written" in result.stderr
    assert not output.exists()


def test_a_proposer_that_fails_is_told_and_rules_go_on(data_set: Path) -> None:
    seen: list[str | None] = []
    result = optimize(
        "rank-likelihood", "--data", data_set, "--proposer", "openai:writer", "--seed", 3, "--json",
        writer=Scripted([]), seen=seen,
    )  # fmt: skip
    assert result.exit_code == 0, result.output
    assert seen == ["openai:writer"]
    assert "proposals were made by rule, because the proposer failed: the script of scripted has no reply" in (
        result.stderr
    )
    assert json.loads(result.stdout)["proposer"] == "scripted"


def test_a_model_that_fails_is_told(data_set: Path) -> None:
    result = optimize("rank-likelihood", "--data", data_set, "--budget", 60, model=Scripted(abilities=("score",)))
    assert result.exit_code == 0, result.output
    assert "answers failed or degraded" in result.stderr


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("rationale-chat",), "puts nothing in order"),
        (("rank-likelihood", "--output", "nowhere/x.j2"), "cannot write"),
        (("rank-likelihood", "--limit", "5"), "5 people cannot be split"),
        (("rank-likelihood", "--budget", "11"), None),
    ],
)
def test_what_cannot_be_done_is_said_before_a_model_is_opened(
    data_set: Path, arguments: tuple[str, ...], said: str | None
) -> None:
    seen: list[str | None] = []
    result = optimize(*arguments, "--data", data_set, seen=seen)
    if said is None:
        assert result.exit_code == 0
        return
    assert isinstance(result.exception, ConfigError)
    assert said in str(result.exception)
    assert not seen


@pytest.mark.thorough
def test_the_default_model_is_asked_with_the_new_words(data_set: Path) -> None:
    arguments = ["optimize", "rank-likelihood", "--data", str(data_set), "--budget", "12", "--limit", "10", "--json"]
    result = CliRunner().invoke(eval_app, arguments)
    assert result.exit_code == 0, result.output
    found = json.loads(result.stdout)
    assert found["model"]["strategy"] == "likelihood"
    assert found["budget"]["asked"] <= 12
    assert found["tried"][0]["val"]["n"] == found["split"]["val"]["cases"]


def test_a_proposer_must_follow_instructions() -> None:
    subject = open_subject("rank-likelihood", "en")
    opened = open_bench(subject, ITEMS, Settings(), "smollm2-135m", lambda _line: None)
    with pytest.raises(ConfigError, match="does not follow instructions"), opened:
        pass
