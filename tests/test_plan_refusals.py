"""Odd evaluations, models, prompts and run folders: each is refused by one clear line, before anything is loaded."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest

import eval as evaluation  # not the builtin
import prompts
from agent.commands.options import Options
from agent.errors import ConfigError
from eval.plan.config import load
from eval.running.alike import differing
from eval.running.asked import Asked
from eval.running.folder import ANSWERS, RunFolder
from eval.running.provenance import mark
from tests.support.fake_ranker import FILMS

DATA = f"data: {FILMS}\n"
ODD = {
    "": "holds no keys",
    "- a\n- b\n": "holds no keys",
    "a: [1, 2\nb: }": "line 2, column 2: expected ',' or ']'",
    "data: x\n\tnoun: y\n": "line 2, column 1: a tab stands here; YAML is indented by spaces",
    "data: x\ndata: y\n": "line 2, column 1: data stands twice",
    "data: x\ngate:\n- {rate: failed, rate: failed}\n": "line 3, column 18: rate stands twice",
    "a: &a [x, x]\nb: [*a, *a]\n": "line 2, column 5: an alias stands here",
    "data: &a [*a]\n": "an alias stands here",
    "data: " + "[" * 4_000: "it is nested too deeply",
    "".join(f"k{n}: 1\n" for n in range(9_000)): "more than 5,000 keys and values",
    "data: x\n# " + "x" * 200_000: "is larger than 100,000 bytes",
    "data: !!python/object/apply:os.system [ls]\n": "could not determine a constructor",
    "noun: 2020-13-45\n": "month must be in 1..12",
    "data: x\nnoun: 2020-01-01\n": "noun should be text, not 2020-01-01",
    "data: x\nlimit: -5\n": "limit should be 1 or more, not -5",
    "data: x\nlimit: many\n": "limit should be a whole number, not 'many'",
    "data: x\nlimit: true\n": "limit should be a whole number, not yes or no",
    "data: x\nlimit: .inf\n": "limit should be a finite number, not inf",
    "data: x\nrepeat: " + "9" * 400: "repeat should be 1000 or less, not so large a number",
    "data: x\nrepeat:\n": "repeat should be a whole number, not empty",
    "data: x\nmodels: 5\n": "models.1 should be text, not 5",
    "data: x\nmodels: ['']\n": "models.1 is empty",
    "data: x\nstrategies: {a: 1}\n": "strategies should be a list, not keys and values",
    "data: x\nmetrics: [NDCG]\n": "Did you mean ndcg@10?",
    "data: x\nmetrics: [ndgc@5]\n": "Did you mean ndcg@5?",
    "data: 5\n": "data.1 should be the path of a folder, not 5",
    "data:\n": "data.1 should be the path of a folder, not empty",
    "task: rank\n": "data is missing",
    "data: x\ngate: 5\n": "gate should be a list, not 5",
    "data: x\ngate: [5]\n": "gate.1 should hold keys and values, not 5",
    "data: x\ngate: [{metric: mrr, at_least: high}]\n": "gate.1.at_least should be a number, not 'high'",
    "data: x\nlanguage: fr\n": "language should be one of en, zh, not 'fr'",
    "data: a\0b\n": "unacceptable character",
}  # fmt: skip


@pytest.mark.parametrize(("text", "told"), ODD.items(), ids=range(len(ODD)))
def test_an_odd_evaluation_is_refused_in_one_plain_line(tmp_path: Path, text: str, told: str) -> None:
    path = tmp_path / "eval.yaml"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(ConfigError, match=re.escape(str(path))) as caught:
        load(path)
    assert told in str(caught.value)
    assert "\n" not in str(caught.value)
    assert not re.search(r"Input should|valid (tuple|integer|string|number|path)", str(caught.value))


def test_what_is_no_text_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "bytes").write_bytes("noun: Bücher".encode("latin-1"))
    (tmp_path / "loop").symlink_to(tmp_path / "loop")
    os.mkfifo(tmp_path / "pipe")
    for name, told in (("bytes", "no UTF-8 text"), ("loop", "symbolic links"), ("pipe", "is no file")):
        with pytest.raises(ConfigError, match=told):
            load(tmp_path / name)
    with pytest.raises(ConfigError, match="is a folder"):
        load(tmp_path)


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"models": ["smolm2-135m"]}, "there is no model 'smolm2-135m'. Did you mean smollm2-135m?"),
        ({"models": ["./no.gguf"]}, "there is no model file no.gguf"),
        ({"prompts": ["nowhere"]}, "nowhere holds no prompts: there is no such folder"),
    ],
)
def test_models_and_prompts_that_are_not_there_are_refused(change: dict[str, object], told: str) -> None:
    with pytest.raises(ConfigError, match=re.escape(told)):
        Asked.of(None, {"data": [str(FILMS)], **change}, Options())


def test_a_prompt_that_cannot_be_rendered_is_refused_by_the_plan(tmp_path: Path) -> None:
    path = tmp_path / "mine" / "en" / "rank-likelihood.j2"
    path.parent.mkdir(parents=True)
    path.write_text(prompts.load("rank-likelihood").text.replace("item.title", "item.titel"))
    with pytest.raises(ConfigError, match=rf"{re.escape(str(path))}, line \d+.*'titel'"):
        Asked.of(None, {"data": [str(FILMS)], "prompts": [str(tmp_path / "mine")]}, Options())


def test_a_plan_in_the_place_of_a_run_is_told_apart(tmp_path: Path) -> None:
    (tmp_path / "eval.yaml").write_text(DATA)
    with pytest.raises(ConfigError, match="is a file, not the folder of a run"):
        evaluation.load(tmp_path / "eval.yaml")


def project(folder: Path) -> dict[str, object]:
    shutil.copytree(FILMS, folder / "films")
    (folder / "v1" / "en").mkdir(parents=True)
    (folder / "v1" / "en" / "rank-likelihood.j2").write_text(prompts.load("rank-likelihood").text)
    (folder / "eval.yaml").write_text("data: films\nprompts: [v1, built-in]\n")
    return Asked.of(folder / "eval.yaml", {}, Options()).about()


def test_a_project_that_was_moved_goes_on_with_its_run(tmp_path: Path) -> None:
    here, there = project(tmp_path / "here"), project(tmp_path / "there")
    assert mark(here) == mark(there)
    assert not differing(here, there)
    RunFolder.create(tmp_path / "run", here)
    assert RunFolder.create(tmp_path / "run", there).cells()[0].data == tmp_path / "there" / "films"
    path = tmp_path / "there" / "v1" / "en" / "rank-likelihood.j2"
    path.write_text(path.read_text().replace("enjoyed", "adored"))
    changed = Asked.of(tmp_path / "there" / "eval.yaml", {}, Options()).about()
    assert differing(here, changed) == ["prompt_files"]


ROW: Mapping[str, object] = {
    "cell": "model", "case_id": "c1", "user_id": "u1", "repeat": 0, "relevant": ["a"], "history": [], "n_candidates": 2,
    "orders": {"model": ["a", "b"]}, "ms": 1.0, "tokens": {}, "calls": {}, "failed": None, "degraded": [],
    "validity": {},
}  # fmt: skip


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({}, "line 2 answers 'c1' again, as line 1 does"),
        ({"case_id": "c2", "cell": "other"}, "line 2: the run has no cell 'other'"),
        ({"case_id": "c2", "ms": float("nan")}, "line 2, the answer to c2: a number, 0 or more, belongs here, not nan"),
        ({"case_id": "c2", "ms": -1}, "line 2, the answer to c2: a number, 0 or more, belongs here, not -1"),
        ({"case_id": "c2", "tokens": {"in": -1}}, "line 2, the answer to c2: a whole number, 0 or more"),
    ],
)
def test_lines_that_would_spoil_a_figure_are_refused_by_file_and_line(
    tmp_path: Path, change: dict[str, object], told: str
) -> None:
    about = Asked.of(None, {"data": [str(FILMS)]}, Options()).about()
    folder = RunFolder.create(tmp_path / "run", about)
    lines = [json.dumps(row) + "\n" for row in (ROW, {**ROW, **change})]
    (tmp_path / "run" / ANSWERS).write_text("".join(lines))
    for reads in (lambda: list(folder.answers()), folder.done):
        with pytest.raises(ConfigError, match=re.escape(told)) as caught:
            reads()
        assert str(tmp_path / "run" / ANSWERS) in str(caught.value)


def test_cases_that_can_never_be_hit_are_counted_and_told(tmp_path: Path) -> None:
    shutil.copytree(FILMS, tmp_path / "films")
    path = tmp_path / "films" / "cases.jsonl"
    cases = [json.loads(line) for line in path.read_text().splitlines()]
    cases[0]["candidates"] = []
    cases[1]["candidates"] = [one for one in cases[1]["candidates"] if one not in cases[1]["relevant"]]
    path.write_text("".join(json.dumps(case) + "\n" for case in cases))
    told = "cases of films can never be hit: no relevant item is among their candidates"
    asked = Asked.of(None, {"data": [str(tmp_path / "films")]}, Options())
    assert f"2 of {len(cases)} {told}" in asked.notes()
    assert asked.about()["unreachable"] == {"films": {"cases": 2, "of": len(cases)}}
    first = Asked.of(None, {"data": [str(tmp_path / "films")], "limit": 1}, Options())
    assert f"1 of 1 {told}" in first.notes()


@pytest.mark.thorough
def test_python_m_eval_works_beside_a_folder_of_prompts(tmp_path: Path) -> None:
    (tmp_path / "prompts").mkdir()
    (tmp_path / "prompts" / "__init__.py").write_text("raise ImportError('not ours')")
    root = str(Path(prompts.FOLDER).parent)
    told = {**os.environ, "PYTHONPATH": root}
    found = subprocess.run(
        [sys.executable, "-m", "eval", "plan", "no.yaml"],
        cwd=tmp_path, env=told, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert found.returncode == 2
    assert "cannot read no.yaml" in found.stderr
