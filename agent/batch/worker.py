"""One worker: the lines of one shard after the other, as text that depends on nothing but the job and the people.

`python -m agent.batch.worker` is one in a process of its own: a job as the first line of its input, then the people of
a shard in each line; for each, a line with the lines of the shard, or with what went wrong. It ends with its input.
"""

from __future__ import annotations

import json
import os
import signal
import sys
from collections.abc import Sequence
from contextlib import closing
from typing import IO, Any

from agent.batch.aside import Aside
from agent.batch.job import Job
from agent.deadline import Deadline
from agent.errors import PalateError
from agent.path.asked import Asked
from agent.path.reasons import explained
from agent.path.stages import make_ready
from agent.people.person import person_of
from agent.recall.where import parse_where
from agent.recommender import Recommender
from agent.slate.making import Stopwatch
from agent.types import Slate


class Worker:
    """Answers for one person after the other. `close` it in the end."""

    def __init__(self, job: str) -> None:
        self._job = Job.from_json(job)
        self._parts = Aside(self._job)
        self._recommender = Recommender(self._parts)
        self._passes = parse_where(self._job.where) if self._job.where else None

    def lines(self, users: Sequence[str]) -> list[str]:
        """The lines of a shard, in the order of its people. Raises PalateError."""
        self._parts.begin()
        make_ready(self._parts, self._job.llm)
        return [line_of(self._slate(user_id)) for user_id in users]

    def close(self) -> None:
        """Let go of store and model."""
        self._parts.close()

    def _slate(self, user_id: str) -> Slate:
        job, parts = self._job, self._parts
        person, never = person_of(parts, user_id, job.moment), Deadline.never()
        asked = Asked(parts, person, person.wish(None), self._passes, job.k, job.llm, never, Stopwatch())
        slate = self._recommender.ranked(asked).slate
        return explained(parts, slate, person, never, llm=job.llm) if job.reasons else slate


def line_of(slate: Slate) -> str:
    """A slate as one line of JSON (docs/json.md): no times, and of the path only where it led."""
    whole = slate.as_json()
    rows = [{name: value for name, value in row.items() if name != "path"} for row in whole["recommendations"]]
    return json.dumps(
        {"user": whole["user"], "recommendations": rows, "degraded": whole["degraded"]}, ensure_ascii=False
    )


def serve(asked: IO[str], answers: IO[str]) -> None:
    """Answer until the input ends."""
    with closing(Worker(asked.readline())) as worker:
        for line in asked:
            answers.write(json.dumps(_answer(worker, json.loads(line))) + "\n")
            answers.flush()


def _answer(worker: Worker, users: Sequence[str]) -> dict[str, Any]:
    try:
        return {"lines": worker.lines(users)}
    except PalateError as error:
        return {"error": error.message, "hint": error.hint}


def main() -> None:
    """Be a worker. Ctrl-C is left to whoever started it; what libraries print goes to stderr."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    with answers:
        serve(sys.stdin, answers)


if __name__ == "__main__":
    main()
