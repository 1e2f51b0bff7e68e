"""The timed loop: every row answers the same questions, taking turns, and each repetition begins with another row."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

from agent.errors import PalateError
from eval.speed.questions import Question
from eval.speed.rows import Outcome, Row, Runner
from eval.speed.stand import Stand

Progress = Callable[[int, int], None]
Clock = Callable[[], float]


@dataclass(frozen=True, slots=True)
class Sample:
    """One answer and the seconds it took."""

    question: Question
    wall_s: float
    outcome: Outcome


@dataclass
class Measured:
    """A row's answers for one number of candidates, one a repetition; `failed` says why there are no more."""

    row: Row
    candidates: int
    samples: dict[int, Sample] = field(default_factory=dict)
    failed: str = ""


def measure(
    stand: Stand,
    rows: Sequence[Row],
    blocks: Sequence[tuple[int, Sequence[Question]]],
    *,
    progress: Progress = lambda _done, _of: None,
    clock: Clock = time.perf_counter,
) -> list[Measured]:
    """Every row's answers to every block of questions, a block for each number of candidates, in the order given.

    The first question of a block warms up and is not kept. A row whose answers do not depend on the candidates runs
    in the first block only. A row that fails stops, with the reason; the others go on.
    """
    of = sum(len(questions) * len(_in_block(rows, at)) for at, (_, questions) in enumerate(blocks))
    runners: dict[str, Runner] = {}
    measured: list[Measured] = []
    done = 0
    for at, (candidates, questions) in enumerate(blocks):
        block = [Measured(row, candidates if row.each_size else 0) for row in _in_block(rows, at)]
        for repetition, question in enumerate(questions):
            for one in _rotated(block, repetition):
                _take(stand, one, runners, repetition, question, clock)
                done += 1
                progress(done, of)
        measured += block
    return measured


def judge(
    stand: Stand, row: Row, questions: Sequence[Question], within_s: float, *, clock: Clock = time.perf_counter
) -> Measured:
    """A row's answers to as many of the questions as it does in the time, at least one; for how well it ranks."""
    measured = Measured(row, 0)
    runners: dict[str, Runner] = {}
    end = clock() + within_s
    for repetition, question in enumerate(questions, start=1):
        _take(stand, measured, runners, repetition, question, clock)
        if clock() > end:
            break
    return measured


def _in_block(rows: Sequence[Row], at: int) -> list[Row]:
    return [row for row in rows if row.each_size or at == 0]


def _rotated(block: Sequence[Measured], by: int) -> Iterator[Measured]:
    at = by % max(1, len(block))
    yield from block[at:]
    yield from block[:at]


def _take(
    stand: Stand, one: Measured, runners: dict[str, Runner], repetition: int, question: Question, clock: Clock
) -> None:
    if one.failed:
        return
    try:
        if one.row.name not in runners:
            runners[one.row.name] = one.row.open(stand)
        runner = runners[one.row.name]
        runner.prepare(question)
        began = clock()
        outcome = runner.run(question)
        wall_s = clock() - began
    except PalateError as error:
        one.failed = str(error)
        return
    if repetition:
        one.samples[repetition] = Sample(question, wall_s, outcome)
