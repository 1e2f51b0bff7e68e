"""Opens models in a process of their own, where a crash of llama.cpp is a result like any other.

`python -m tests.support.alone FILE OPTIONS [FILE OPTIONS ...]`, the options as JSON: a line of JSON for each file.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable, Sequence
from contextlib import closing
from pathlib import Path

from agent.deadline import Deadline
from agent.errors import PalateError
from agent.llm.local.llama import Llama
from agent.llm.local.options import Options

NEVER = Deadline.never()
LABELS = [" A", " B", " C", " D"]
Answer = dict[str, object]
Wanted = tuple[Path, dict[str, object]]


def opened(wanted: Sequence[Wanted]) -> list[Answer]:
    """What the model of each file says with its options; `died` is the signal that ended the process instead."""
    answers: list[Answer] = []
    while len(answers) < len(wanted):
        given = [text for path, options in wanted[len(answers) :] for text in (str(path), json.dumps(options))]
        child = subprocess.run(
            [sys.executable, "-m", "tests.support.alone", *given],
            cwd=Path(__file__).parents[2],
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        answers += [json.loads(line) for line in child.stdout.splitlines()]
        if len(answers) < len(wanted):
            answers.append({"died": -child.returncode, "told": child.stderr[-300:]})
    return answers


def _answer(path: Path, options: Options) -> Answer:
    try:
        model = Llama(path, name=path.stem, sha256=path.stem, options=options)
    except PalateError as error:
        return {"refused": type(error).__name__, "told": str(error)}
    with closing(model):
        return {
            "fault": _told(lambda: model.score("the film" * 500, [" likes"], NEVER)),
            "parts": _told(lambda: _logprob(model, "the", " film") + _logprob(model, "the film", " likes")),
            "whole": _told(lambda: _logprob(model, "the", " film likes")),
            "beside": _told(lambda: [s.logprob for s in model.score("the", [" A", " film likes", " no no"], NEVER)]),
            "choice": _told(lambda: model.choose("the", [" film"], [[" likes", "likes"], [" no"]], NEVER)[0]),
            "order": _told(lambda: model.arrange("the", [" film"], LABELS, NEVER)[0]),
            "written": _told(lambda: model.complete("the", [" film"], NEVER, max_tokens=2)[0].tokens_out),
        }


def _logprob(model: Llama, prefix: str, more: str) -> float:
    return model.score(prefix, [more], NEVER)[0].logprob


def _told(ask: Callable[[], object]) -> object:
    """The answer, or the error in words."""
    try:
        return ask()
    except PalateError as error:
        return f"{type(error).__name__}: {error}"


if __name__ == "__main__":
    for file, chosen in zip(sys.argv[1::2], sys.argv[2::2], strict=True):
        sys.stdout.write(json.dumps(_answer(Path(file), Options(**json.loads(chosen)))) + "\n")
        sys.stdout.flush()
