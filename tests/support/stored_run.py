"""Small stored runs: a made-up data set, and what cells of a stated quality would have answered to its cases."""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Literal

from eval.cases import Case, DataSet
from eval.plan.cells import Cell
from eval.plan.config import Evaluation
from eval.running.answers import VALIDITY, Answer
from eval.running.folder import RunFolder

CANDIDATES = 8
PROMPT = "{# purpose: p #}\nFilms this person enjoyed:\n{{ history }}\n"

SYSTEMS = [
    {"name": "random", "kind": "floor", "about": "the candidates as they came"},
    {"name": "oracle", "kind": "ceiling", "about": "relevant candidates first"},
]

Edit = Callable[[Answer], Answer]


def data_set(folder: Path, n: int = 40, *, bare: bool = False) -> Path:
    """A folder of 30 items and n cases, each of its own person, with one relevant item among eight candidates.

    Bare items have a title only, so that nothing but hits is to be told of an order.
    """
    draw = random.Random(7)
    folder.mkdir(parents=True)
    items = [
        {"item_id": f"i{k}", "title": f"Item <{k}> & Co", "year": 1950 + k, "tags": ["Drama"], "popularity": k}
        for k in range(30)
    ]
    if bare:
        items = [{key: item[key] for key in ("item_id", "title")} for item in items]
    cases = []
    for k in range(n):
        ids = draw.sample([item["item_id"] for item in items], CANDIDATES + k % 5)
        cases.append(
            {
                "case_id": f"c{k}",
                "user_id": f"u{k}",
                "candidates": ids[:CANDIDATES],
                "history": ids[CANDIDATES:],
                "relevant": [ids[draw.randrange(CANDIDATES)]],
            }
        )
    for name, rows in (("items.jsonl", items), ("cases.jsonl", cases)):
        (folder / name).write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return folder


def stored_run(
    path: Path,
    data: Path | Sequence[Path],
    qualities: Mapping[str, float],
    *,
    gate: Sequence[Mapping[str, object]] = (),
    metrics: Sequence[str] = ("ndcg@10", "recall@5"),
    prompts: Mapping[str, str] | None = None,
    edit: Edit = lambda answer: answer,
    cases: int | None = None,
    task: Literal["rank", "explain"] = "rank",
) -> Path:
    """A run with a cell for each quality: the share of cases in which the relevant item comes first.

    `edit` changes each answer before it is kept; `prompts` are the cells' texts of one prompt. With several data sets
    each quality is a cell of each, called "films v1".
    """
    folders = [data] if isinstance(data, Path) else list(data)
    sets = {folder: DataSet.open(folder) for folder in folders}
    cells = {_cell(name, folder, len(folders) > 1): name for folder in folders for name in qualities}
    plan = Evaluation(task=task, data=tuple(folders), metrics=tuple(metrics), gate=tuple(gate))
    about = {
        "palate": "0",
        "at": "2026-01-01T00:00:00Z",
        "plan": plan.as_plan(),
        "cells": [cell.as_row() for cell in cells],
        "datasets": {
            one.name: {"name": one.name, "sha256": one.sha256, "n_cases": one.n_cases, "n_run": one.n_run(cases)}
            for one in sets.values()
        },
        "systems": {one.name: SYSTEMS for one in sets.values()},
        "model": {"reference": "made-up", "fingerprint": "ab" * 32},
        "prompts": {cell.name: _prompt((prompts or {}).get(name, PROMPT)) for cell, name in cells.items()},
        "versions": {"python": "3.11"},
        "seed": 1,
    }
    folder = RunFolder.create(path, about)
    with folder.writing():
        for one in sets.values():
            for case in one.cases(cases):
                baselines = {"random": case.candidates, "oracle": _first(case, case.candidates)}
                folder.append_baselines({"data": one.name, "case_id": case.case_id, "orders": baselines})
        for cell, name in cells.items():
            for case in sets[cell.data].cases(cases):
                folder.append(edit(_answer(cell.name, case, qualities[name])))
    return path


def failing(*case_ids: str, cell: str | None = None) -> Edit:
    """An edit that takes the answers to these cases away."""

    def edit(answer: Answer) -> Answer:
        if answer.case_id not in case_ids or cell not in (None, answer.cell):
            return answer
        return replace(answer, orders={}, failed=f"ModelTimeout: no answer within {len(answer.case_id)}.5 s", ms=0.0)

    return edit


def _cell(name: str, data: Path, is_of_several: bool) -> Cell:
    full = f"{data.name} {name}" if is_of_several else name
    return Cell(full, data, "rank", "made-up", "auto", name, "en", "films")


def _prompt(text: str) -> dict[str, object]:
    return {"en/rank": {"fingerprint": "cd" * 32, "text": text}}


def _answer(cell: str, case: Case, quality: float) -> Answer:
    draw = random.Random(f"{case.case_id}")
    hits = draw.random() < quality
    shown = tuple(draw.sample(case.candidates, len(case.candidates)))
    order = _first(case, shown) if hits else tuple(reversed(_first(case, shown)))
    return Answer(
        cell=cell,
        case_id=case.case_id,
        user_id=case.user_id,
        repeat=0,
        relevant=case.relevant,
        history=case.history,
        n_candidates=len(case.candidates),
        disliked=case.disliked,
        orders={"model": order, "without-model": shown, "recall-only": shown, "likelihood-only": order},
        ms=100.0 + 10 * draw.random(),
        tokens={"in": 100, "out": 4},
        calls={"asked": 1, "kept": 0},
        failed=None,
        degraded=(),
        validity=dict.fromkeys(VALIDITY, 0),
        trace=({"method": "score", "prompt": f"Rank <b>these</b> for {case.user_id}", "reply": "[-1.5, -2.0]"},),
    )


def _first(case: Case, order: Sequence[str]) -> tuple[str, ...]:
    return tuple(sorted(order, key=lambda item_id: item_id not in case.relevant))
