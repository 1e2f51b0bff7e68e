"""What a batch is asked for: settings and questions as every worker gets them, and what they come to in one record."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import datetime
from importlib import metadata
from pathlib import Path
from typing import Any, Self

from pydantic import BaseModel, SecretStr

from agent.settings import Settings

SHARD = 50
"""People in one piece of work. Within it a model remembers what it read; what comes out depends on that by a hair, so
a shard always begins with a model that remembers nothing, whoever works on it."""
_TELLING = (  # settings that an answer may depend on
    *("language", "noun", "profile", "interests", "platforms", "recall", "rerank", "slate", "explain"),
)


@dataclass(frozen=True)
class Job:
    """What is asked for everyone: `at` is the moment as of which it is answered (UTC, ISO), `where` a filter.

    `snapshot` is the folder of the vectors, unless the index is shared, and of what was learned; `catalogue` the
    version of the catalogue; `trouble` what is wrong with what was learned.
    """

    settings: Mapping[str, Any]
    k: int
    where: str | None
    llm: bool
    reasons: bool
    at: str
    catalogue: str
    snapshot: str = ""
    trouble: str = ""

    @classmethod
    def from_json(cls, text: str) -> Self:
        """The job that `as_json` wrote."""
        return cls(**json.loads(text))

    def as_json(self) -> str:
        """The job in one line, secrets included: for a pipe, not for a file."""
        return json.dumps(asdict(self))

    @property
    def moment(self) -> datetime:
        """The moment as of which it is answered."""
        return datetime.fromisoformat(self.at)

    def with_snapshot(self, folder: Path) -> Job:
        """The same job on the vectors in a folder."""
        return replace(self, snapshot=str(folder))


def plain(settings: Settings) -> dict[str, Any]:
    """What was set in the settings, as JSON has it, secrets included; paths are absolute."""
    found: dict[str, Any] = _plain(settings.model_copy(update={"folder": settings.folder.absolute()}))
    return found | {"folder": str(settings.folder.absolute())}


def _plain(value: Any) -> Any:
    if isinstance(value, BaseModel):
        return {name: _plain(getattr(value, name)) for name in sorted(value.model_fields_set)}
    if isinstance(value, SecretStr):
        return value.get_secret_value()
    if isinstance(value, Path):
        return str(value.expanduser().absolute())
    if isinstance(value, Mapping):
        return {str(key): _plain(one) for key, one in value.items()}
    return list(map(_plain, value)) if isinstance(value, (list, tuple, set, frozenset)) else value


def about(job: Job, settings: Settings, users: Sequence[str]) -> dict[str, Any]:
    """What the lines of a job depend on, but for the model, what was learned, and the events of people."""
    chosen = {name: _jsonable(getattr(settings, name)) for name in _TELLING}
    return {
        "palate": metadata.version("palate"),
        "users": len(users),
        "users_sha256": _sha256(f"{user}\n".encode() for user in users),
        "shard": SHARD,
        **{"k": job.k, "where": job.where, "llm": job.llm, "reasons": job.reasons, "at": job.at},
        "settings_sha256": _sha256([json.dumps(chosen, sort_keys=True, default=str).encode()]),
        "files_sha256": _sha256(_contents(settings)),
        "catalogue": job.catalogue,
    }


def shards(users: Sequence[str], begin: int = 0) -> Iterator[list[str]]:
    """The people from one on, in pieces of `SHARD`."""
    return (list(users[start : start + SHARD]) for start in range(begin, len(users), SHARD))


def _jsonable(value: Any) -> Any:
    return value.model_dump(mode="json") if isinstance(value, BaseModel) else value


def _contents(settings: Settings) -> Iterator[bytes]:
    """What the prompts and weights of one's own hold."""
    folder, weights = settings.prompts, settings.rerank.weights
    files = [] if folder is None else sorted(path for path in folder.rglob("*.j2") if path.is_file())
    for path in [*files, *([weights] if weights else [])]:
        yield path.name.encode()
        yield path.read_bytes()


def _sha256(parts: Iterable[bytes]) -> str:
    digest = hashlib.sha256()
    for part in parts:
        digest.update(part)
    return digest.hexdigest()
