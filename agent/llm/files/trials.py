"""A file that nobody vouches for is tried in a process of its own, once, before it is opened in this one.

What is known by name has been tried; so has what is remembered beside the receipts, by hash. A file that changed has
another hash, and is tried again.
"""

from __future__ import annotations

import contextlib
import json
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from agent.errors import ModelUnavailable
from agent.llm.files.cards import CARDS, GGUF
from agent.llm.files.fetch import Progress, quiet
from agent.llm.files.receipts import write_whole

if TYPE_CHECKING:
    from agent.llm.local.trial import Fate

Attempt = Callable[[Path], "Fate"]
_LASTING = ("lived", "crashed")  # a refusal, a long wait or a kill may be another one next time


@dataclass(frozen=True)
class Tried:
    """What was found when a file was tried by the build of llama.cpp: `fault` and `hint`, empty where it lived."""

    sha256: str
    size: int
    build: str
    fault: str = ""
    hint: str = ""


def check(model: GGUF, cache_folder: Path, build: str, attempt: Attempt, *, progress: Progress = quiet) -> None:
    """Do nothing where the file may be opened in this process; it is tried where that is not known.

    `build` names the llama.cpp that opens it: another one tries it again. Raises ModelUnavailable in one line.
    """
    if model.sha256 in {card.sha256 for card in CARDS}:
        return
    folder, size = cache_folder / "receipts", model.path.stat().st_size
    found = _kept(folder, model.sha256)
    if found is None or (found.build, found.size) != (build, size):
        progress(f"trying {model.path.name} in a process of its own, once")
        fate = attempt(model.path)
        found = Tried(model.sha256, size, build, fate.reason, fate.hint)
        if fate.ending in _LASTING:
            _keep(folder, found)
    if found.fault:
        raise ModelUnavailable(found.fault, found.hint)


def _kept(folder: Path, sha256: str) -> Tried | None:
    try:
        found = Tried(**json.loads(_file(folder, sha256).read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError):
        return None
    return found if found.sha256 == sha256 else None


def _keep(folder: Path, tried: Tried) -> None:
    with contextlib.suppress(OSError):
        folder.mkdir(parents=True, exist_ok=True)
        write_whole(_file(folder, tried.sha256), json.dumps(asdict(tried)))


def _file(folder: Path, sha256: str) -> Path:
    return folder / f"tried-{sha256[:24]}.json"
