"""What a task is: the keys that its cases need, and how to open something that answers them."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass

from agent.llm.base import Model
from agent.parts.parts import Parts
from agent.rerank.base import Reranker
from agent.settings import Settings
from agent.types import Slate
from eval.cases import Case, DataSet
from eval.plan.cells import RECOMMEND
from eval.runs import Told, Watch

Answerer = Callable[[Case], Slate]
"""The slate for one case, best first. Raises PalateError where it fails."""


@dataclass(frozen=True)
class Opening:
    """What a task may use. `model` and `reranker` are those of the cell, which may be kept or scripted ones, or none.

    `parts` gives the embedder, its cache and the weights; its own data folder is left alone. `limit` is how many cases
    will be asked, None for all. `learns`: the task may learn from the data set's behaviour first. `path`: the way by
    which conversations are answered.
    """

    settings: Settings
    parts: Parts
    model: Model | None
    reranker: Reranker | None
    watch: Watch
    told: Told
    limit: int | None = None
    learns: bool = False
    path: str = RECOMMEND


@dataclass(frozen=True)
class Task:
    """A kind of case: its name, what it asks, the keys each of its cases must have, and how to answer them."""

    name: str
    about: str
    needs: tuple[str, ...]
    open: Callable[[DataSet, Opening], AbstractContextManager[Answerer]]
