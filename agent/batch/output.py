"""The file that a batch writes, whole lines in the order of the people, and what it remembers so as to go on."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Self

from filelock import FileLock, Timeout

from agent.batch.job import SHARD
from agent.errors import ConfigError, StoreError, StoreLocked

_RUN, _PEOPLE, _LOCK, _SNAPSHOT = "run.json", "people.json", "lock", "snapshot"
_ELSE = "Give --output another file, or remove this one and its folder"


class Output:
    """The file and, beside it, the folder `FILE.run`: what was asked, a lock, and while there is work the snapshot and
    who everyone is.

    `done` says how many lines are in it that count; more may be there, of a shard that was cut off.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.room = path.with_name(f"{path.name}.run")
        self.done = 0

    @classmethod
    @contextmanager
    def held(cls, path: Path) -> Iterator[Self]:
        """The file, for this process alone. Raises StoreLocked, and StoreError where nothing can be written there."""
        found = cls(path)
        try:
            found.room.mkdir(parents=True, exist_ok=True)
            with FileLock(found.room / _LOCK, timeout=0):
                yield found
        except Timeout as error:
            raise StoreLocked(f"another process writes {path}", "Wait for it, or give another --output") from error
        except OSError as error:
            raise StoreError(
                f"cannot write {path}: {error.strerror or error}", "Make room, or give another --output"
            ) from error

    def begun(self) -> dict[str, Any] | None:
        """What the batch that began this file was asked; None where none did. Raises ConfigError for another's file."""
        try:
            asked: dict[str, Any] = json.loads((self.room / _RUN).read_bytes())
        except FileNotFoundError:
            if self.path.exists():
                raise ConfigError(f"{self.path} is there and no batch began it", _ELSE) from None
            return None
        except ValueError as error:
            raise ConfigError(f"{self.room / _RUN} is damaged: {error}", _ELSE) from error
        return asked

    def everyone(self, found: Callable[[], list[str]]) -> list[str]:
        """Everyone as they were when the batch began; where it begins now, or has ended, as they are found now."""
        if self.begun() is None:
            self._keep(_PEOPLE, found())
        try:
            people: list[str] = json.loads((self.room / _PEOPLE).read_bytes())
        except FileNotFoundError:
            return found()
        except ValueError as error:
            raise ConfigError(f"{self.room / _PEOPLE} is damaged: {error}", _ELSE) from error
        return people

    def begin(self, asked: Mapping[str, Any], users: Sequence[str]) -> None:
        """Begin, or go on where what is asked is what was begun. Raises ConfigError where it is not."""
        before = self.begun()
        if before is None:
            self._keep(_RUN, asked)
        elif other := sorted(name for name in {*before, *asked} if before.get(name) != asked.get(name)):
            raise ConfigError(f"{self.path} was begun with other {', '.join(other)}", _ELSE)
        self.done = self._whole(users)

    def snapshot(self) -> Path:
        """An empty folder for the snapshot."""
        folder = self.room / _SNAPSHOT
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir()
        return folder

    def tidy(self) -> None:
        """Take away what is needed only while there is work."""
        shutil.rmtree(self.room / _SNAPSHOT, ignore_errors=True)
        (self.room / _PEOPLE).unlink(missing_ok=True)

    def append(self, shards: Iterator[list[str]]) -> Iterator[int]:
        """Write the lines of each shard and sync them to the disk; how many lines there are after each."""
        with open(self.path, "ab", opener=_private) as file:
            for lines in shards:
                file.write("".join(f"{line}\n" for line in lines).encode())
                file.flush()
                os.fsync(file.fileno())
                self.done += len(lines)
                yield self.done

    def _keep(self, name: str, value: object) -> None:
        """Put a value into a file of the folder, whole or not at all."""
        fresh = self.room / f"{name}.new"
        with open(fresh, "w", encoding="utf-8", opener=_private) as file:
            file.write(json.dumps(value, indent=2, ensure_ascii=False) + "\n")
        fresh.replace(self.room / name)

    def _whole(self, users: Sequence[str]) -> int:
        """How many lines there are of whole shards; the rest is cut off. Raises ConfigError for the lines of others."""
        if not self.path.exists():
            return 0
        n, end, ends = 0, 0, [0]
        with self.path.open("rb") as file:
            for n, line in enumerate(file, start=1):
                if not line.endswith(b"\n") or n > len(users):
                    break
                end += len(line)
                if n % SHARD == 0 or n == len(users):
                    ends.append(end)
                    _check(self.path, line, users[n - 1])
        os.truncate(self.path, ends[-1])
        return min((len(ends) - 1) * SHARD, len(users))


def _private(path: str, flags: int) -> int:
    return os.open(path, flags, 0o600)  # it holds what people are taken to like


def _check(path: Path, line: bytes, user_id: str) -> None:
    try:
        found = json.loads(line)["user"]
    except (ValueError, KeyError, TypeError):
        found = None
    if found != user_id:
        raise ConfigError(f"{path} holds other lines than the batch wrote", _ELSE)
