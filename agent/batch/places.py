"""Where shards are worked on: in processes of this machine, or wherever Ray puts them. Both give them back in order."""

from __future__ import annotations

import json
import os
import queue
import subprocess
import sys
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager, suppress
from types import TracebackType
from typing import IO, Any, cast

from agent.batch.job import Job
from agent.batch.worker import Worker
from agent.errors import ConfigError, PalateError

Shards = Iterable[Sequence[str]]
Work = Callable[[Shards], Iterator[list[str]]]
"""The lines of each shard, in the order of the shards. Raises PalateError."""

_AHEAD = 2  # shards under way or waiting in line, for each worker
_ONE_CORE = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "OMP_WAIT_POLICY": "passive", "PYTHONHASHSEED": "0"}
_GO_ON = "The same command goes on with the rest"


@contextmanager
def on_processes(job: Job, n: int) -> Iterator[Work]:
    """Work on n processes of this machine. They end with the block, and with this process, however it ends."""
    workers = [_Process(job) for _ in range(n)]
    idle: queue.SimpleQueue[_Process] = queue.SimpleQueue()
    for worker in workers:
        idle.put(worker)

    def lines(users: Sequence[str]) -> list[str]:
        """The lines of a shard, by the next worker that is idle."""
        worker = idle.get()
        try:
            return worker.lines(users)
        finally:
            idle.put(worker)

    pool = ThreadPoolExecutor(n, thread_name_prefix="batch")
    try:
        yield lambda shards: _in_order(shards, n * _AHEAD, lambda users: pool.submit(lines, users), Future.result)
    finally:
        for worker in workers:
            worker.end()
        pool.shutdown(cancel_futures=True)


@contextmanager
def on_ray(job: Job, n: int | None) -> Iterator[Work]:
    """Work on n actors of Ray, by default one for each of its processors.

    It is the cluster that RAY_ADDRESS names, else one started on this machine for the time. Raises ConfigError where
    Ray is not installed.
    """
    try:
        import ray
    except ImportError as error:
        raise ConfigError("Ray is not installed", "Install it: pip install 'palate[ray]'") from error
    ours = not ray.is_initialized()
    with _RayTranslated():
        if ours:
            ray.init(include_dashboard=False, logging_level="error", log_to_driver=False)
        actor = ray.remote(Worker).options(num_cpus=1, runtime_env={"env_vars": _ONE_CORE})
        n = n or max(1, int(ray.cluster_resources().get("CPU", 1)))
        actors = [actor.remote(job.as_json()) for _ in range(n)]
    turns = iter(range(sys.maxsize))

    def result(pending: Any) -> list[str]:
        """What an actor gives; its error as ours."""
        try:
            found: list[str] = ray.get(pending)
        except ray.exceptions.RayError as error:
            cause = getattr(error, "cause", None)
            if isinstance(cause, PalateError):
                raise cause from error
            raise PalateError(f"a worker on Ray failed: {str(error).splitlines()[0]}", _GO_ON) from error
        return found

    try:
        yield lambda shards: _in_order(
            shards, n * _AHEAD, lambda users: actors[next(turns) % n].lines.remote(list(users)), result
        )
    finally:
        for one in actors:
            ray.kill(one)
        if ours:
            ray.shutdown()


def _in_order(
    shards: Shards, most: int, submit: Callable[[Sequence[str]], Any], result: Callable[[Any], list[str]]
) -> Iterator[list[str]]:
    """The results in the order of the shards, at most so many under way."""
    under_way: deque[Any] = deque()
    for users in shards:
        under_way.append(submit(users))
        if len(under_way) >= most:
            yield result(under_way.popleft())
    while under_way:
        yield result(under_way.popleft())


class _RayTranslated:
    """What Ray raises while it starts, a plain `Exception` included, as one PalateError line."""

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None) -> None:
        if error is not None and (kind is Exception or isinstance(error, (RuntimeError, OSError, ValueError))):
            reason = (str(error).strip() or type(error).__name__).splitlines()[0]
            raise PalateError(
                f"Ray could not be started: {reason[:200]}", "See RAY_ADDRESS, or leave --on out"
            ) from error


class _Process:
    """A worker in a process, which ends when its input does. One shard at a time."""

    def __init__(self, job: Job) -> None:
        self._popen = subprocess.Popen(
            [sys.executable, "-m", "agent.batch.worker"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            encoding="utf-8",
            env={**os.environ, **_ONE_CORE},
        )
        self._asks, self._answers = cast(IO[str], self._popen.stdin), cast(IO[str], self._popen.stdout)
        self._job: str | None = job.as_json()

    def lines(self, users: Sequence[str]) -> list[str]:
        """The lines of a shard. Raises PalateError."""
        answer = ""
        with suppress(OSError, ValueError):  # it has ended: its pipes are broken, or closed by `end`
            first, self._job = f"{self._job}\n" if self._job else "", None
            self._asks.write(f"{first}{json.dumps(list(users))}\n")
            self._asks.flush()
            answer = self._answers.readline()
        if not answer.endswith("\n"):
            raise PalateError(f"a worker ended with code {self._popen.wait()}", _GO_ON)
        found: dict[str, Any] = json.loads(answer)
        if "error" in found:
            raise PalateError(found["error"], found["hint"])
        return list(found["lines"])

    def end(self) -> None:
        """End it now."""
        self._popen.kill()
        self._popen.wait()
