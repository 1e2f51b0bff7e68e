"""What a row of the benchmark is: somebody who can be asked to rank, and the figures that one answer leaves."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, Protocol

from eval.speed.figures import Work
from eval.speed.questions import Question

if TYPE_CHECKING:
    from eval.speed.stand import Stand

Kind = Literal["ours", "peer", "limit", "writing"]


@dataclass(frozen=True, slots=True)
class Outcome:
    """What one question came to.

    `order`: indices of the candidates best first, empty where nothing was ranked. `tokens`: decoded, None where it is
    not known; `written` of them one at a time. `work`: the same in detail, where the engine counts it. `valid`: whether
    a written order named every candidate once, None where none was written. `degraded`: why less was done than asked.
    """

    order: tuple[int, ...] = ()
    tokens: int | None = None
    written: int = 0
    work: Work | None = None
    valid: bool | None = None
    degraded: str = ""


class Runner(Protocol):
    """One row, open. Raises PalateError where it cannot do a question."""

    def prepare(self, question: Question, /) -> None:
        """Bring about the state that the row is about; not timed."""
        ...

    def run(self, question: Question, /) -> Outcome:
        """Rank the candidates, or do whatever else the row times."""
        ...


@dataclass(frozen=True)
class Row:
    """A line of the table. `open` makes its runner on the stand.

    `each_size` is False where the candidates do not matter, `judged` says whether its NDCG is told.
    """

    name: str
    kind: Kind
    about: str
    open: Callable[[Stand], Runner]
    each_size: bool = True
    judged: bool = False
