"""A batch from what is asked to the file: checked, begun or gone on with, worked on, written."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal

from agent.batch.job import Job, about, plain, shards
from agent.batch.output import Output
from agent.batch.places import Work, on_processes, on_ray
from agent.batch.snapshot import write_snapshot
from agent.cores import available_cores
from agent.errors import ConfigError, NotFound, StoreError
from agent.parts.parts import Parts
from agent.recall.where import parse_where
from agent.recommender import Recommender

Place = Literal["processes", "ray"]
Progress = Callable[[int, int], None]
Placing = Callable[[Job, int | None], AbstractContextManager[Work]]


_PLACES: dict[Place, Placing] = {"processes": lambda job, n: on_processes(job, n or 1), "ray": on_ray}


@dataclass(frozen=True)
class Wanted:
    """What is asked of a batch. `at` None: the moment at which it began. `workers` None: as many as there are cores."""

    k: int = 5
    where: str | None = None
    llm: bool = True
    reasons: bool = True
    at: datetime | None = None
    place: Place = "processes"
    workers: int | None = None


@dataclass(frozen=True)
class Written:
    """What came of it: lines in the file, and how many of them were there before."""

    lines: int
    before: int
    workers: int | None


def batch(
    recommender: Recommender,
    users: Sequence[str] | None,
    path: Path,
    wanted: Wanted,
    progress: Progress,
    *,
    placing: Placing | None = None,
) -> Written:
    """Write a line for each of the people, in order; None: everyone, as they were when the batch began.

    What another run of the same job wrote stays, if it is whole.

    The data folder is held until its index is copied, then let go of. Raises ConfigError, NotFound, StoreError,
    and PalateError where a worker fails; then, and when it is interrupted, the same call goes on with the rest. The
    work is done at the place that is wanted, or where `placing` does it.
    """
    passes = parse_where(wanted.where) if wanted.where else None
    with Output.held(path) as output:
        before = output.begun()
        at = _moment(wanted.at, before)
        parts = recommender.parts
        users = output.everyone(parts.store.users) if users is None else users
        if not users:
            raise NotFound("there is nobody to recommend to", "Load events, or name a file with a user a line")
        parts.heed()
        index = parts.fresh_index
        if passes is not None:
            index.check(passes)
        asked = wanted.k, wanted.where, wanted.llm, wanted.reasons, at
        job = Job(plain(parts.settings), *asked, _catalogue(parts), trouble=parts.learning_trouble)
        versions = {"model": _model(recommender) if wanted.llm else "", "learned": _learned(parts)}
        output.begin(about(job, parts.settings, users) | versions, users)
        begun = output.done
        workers = wanted.workers if wanted.place == "ray" else wanted.workers or available_cores()
        if begun < len(users):
            folder = output.snapshot()
            write_snapshot(parts, folder)
            job = job.with_snapshot(folder)
            recommender.close()
            progress(begun, len(users))
            with (placing or _PLACES[wanted.place])(job, workers) as work:
                for done in output.append(work(shards(users, begun))):
                    progress(done, len(users))
        output.tidy()
        return Written(output.done, begun, workers)


def _moment(at: datetime | None, before: dict[str, Any] | None) -> str:
    if at is not None and at.tzinfo is None:
        raise ConfigError(f"--at {at.isoformat()} has no time zone", "Write for example: 2026-11-22T18:00:00Z")
    if at is None and before is not None:
        return str(before["at"])
    return (at or datetime.now(UTC)).astimezone(UTC).isoformat()


def _catalogue(parts: Parts) -> str:
    """The version of the catalogue that the index and the items are of. Raises StoreError where it is changing now."""
    version = parts.store.catalogue_version
    whole = parts.index.shared or (len(parts.items) and parts.items_of == version and parts.index.follows(version))
    if not whole or parts.store.catalogue_version != version:
        parts.catalogue_changed()
        raise StoreError("another process is changing the catalogue", "Give the same command again")
    return version


def _learned(parts: Parts) -> str:
    """Which of what was learned it is, empty for nothing."""
    record = parts.shelved.record if parts.collaborative is not None else None
    return record.version if record else ""


def _model(recommender: Recommender) -> str:
    """Which model answers: the hash of its file, or its name at the endpoint. The file is fetched where it must be.

    Raises ModelError: in a batch, a model that is missing ends it before it begins.
    """
    from agent.llm.files.reference import EndpointReference, parse
    from agent.llm.registry import prepare, resolve

    settings = recommender.settings
    if isinstance(parse(settings.model.reference), EndpointReference):
        return f"{settings.model.reference} at {settings.endpoint.base_url}"
    return prepare(resolve(settings.model.reference, settings), settings).sha256
