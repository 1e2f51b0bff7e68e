"""The folder of a run: what was asked, every answer on a line of its own, and what they come to.

run.json is written whole, by one program at a time. answers.jsonl and baselines.jsonl only grow, by whole lines; a line
that a crash cut off is dropped when the file is next written to. An answer that failed may be asked for again: the last
line of a cell, case and repeat stands. summary.json can be made again at any time.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO

from filelock import FileLock, Timeout

from agent.errors import ConfigError
from eval.files import write_json
from eval.plan.cells import Cell
from eval.running.alike import PLACES, differing
from eval.running.answers import Answer, Key
from eval.running.lines import end_of_lines, sync, whole_lines

ABOUT, ANSWERS, BASELINES, SUMMARY = "run.json", "answers.jsonl", "baselines.jsonl", "summary.json"
LOCK = ".lock"
SYNC_EVERY_S = 1.0  # a crash of the machine (not of the program) loses at most so much work
NEW = "Give --output a new folder"
FINE = b'"failed":null'  # in a line as it is written here


class RunFolder:
    """A run on disk. `about` is its run.json: what was asked, with all hashes, seeds and versions.

    `append` writes whole lines at once, so a program that is killed loses none; they are synced to the disk every
    second, and by `close`. One program writes at a time: the others hear ConfigError.
    """

    def __init__(self, path: Path, about: Mapping[str, object]) -> None:
        self.path = path
        self.about = about
        self._files: dict[str, IO[bytes]] = {}
        self._lock = FileLock(path / LOCK, timeout=0)
        self._synced_s = time.monotonic()

    @classmethod
    def create(cls, path: Path, about: Mapping[str, object]) -> RunFolder:
        """The folder with this content: a new one, or one that is there and was begun for the same.

        Raises ConfigError when the folder holds anything else, or cannot be written.
        """
        plain: dict[str, object] = json.loads(json.dumps(about))
        try:
            path.mkdir(parents=True, exist_ok=True)
            names = [entry.name for entry in path.iterdir() if not entry.name.startswith(".")]
        except OSError as error:
            raise ConfigError(f"cannot write {path}: {error.strerror or error}", "Give another --output") from error
        if names and ABOUT not in names:
            raise ConfigError(f"{path} holds {names[0]} and is no run", "Give --output a folder that is not there")
        made = cls(path, plain)
        with made._alone():
            made._begin(plain)
        return made

    def _begin(self, about: Mapping[str, object]) -> None:
        """Write run.json, or find that the one that is there asks for the same; how it is judged is taken over.

        So is where things lie now: a folder may have been moved with all that it was made from.
        """
        if not (self.path / ABOUT).exists():
            self._write_about()
            return
        if other := differing(about, self.about):
            raise ConfigError(f"{self.path} holds a run of something else: {', '.join(other)} differ", NEW)
        now = {key: about.get(key) for key in PLACES if about.get(key) != self.about.get(key)}
        if now:
            self.about = {**self.about, **now}
            self._write_about()

    @classmethod
    def open(cls, path: Path) -> RunFolder:
        """The run in the folder. Raises ConfigError: there is none, or its run.json cannot be read."""
        return cls(path, cls._read_about(path))

    @staticmethod
    def _read_about(path: Path) -> dict[str, object]:
        try:
            about = json.loads((path / ABOUT).read_text(encoding="utf-8"))
        except NotADirectoryError as error:
            told = "palate eval run (or eval.run) runs a plan; what it keeps lies in a folder, by default in runs/"
            raise ConfigError(f"{path} is a file, not the folder of a run", told) from error
        except FileNotFoundError as error:
            raise ConfigError(f"there is no run in {path}", "Make one with: palate eval run --output DIR") from error
        except (OSError, ValueError) as error:
            raise ConfigError(f"cannot read {path / ABOUT}: {error}", "Run it again into a new folder") from error
        if not isinstance(about, dict) or not isinstance(about.get("cells"), list):
            raise ConfigError(f"{path / ABOUT} does not say what was run", "Run it again into a new folder")
        return about

    def cells(self) -> list[Cell]:
        """What was compared, in the order of the plan. Raises ConfigError where run.json is damaged."""
        rows = self.about["cells"]
        return [Cell.from_row(row) for row in rows if isinstance(row, Mapping)] if isinstance(rows, list) else []

    def answers(self, cell: str | None = None) -> Iterator[Answer]:
        """The answers, or those of one cell, streamed in the order in which they were made.

        A last line that was cut off is passed over, and so is a failed answer that was asked for again later. Raises
        ConfigError for any other line that is no answer, and where the file cannot be read.
        """
        return (answer for _, answer in self.located_answers(cell))

    def located_answers(self, cell: str | None = None) -> Iterator[tuple[int, Answer]]:
        """The same, each with the byte of the file at which its line begins."""
        replaced, end, seen = self._replaced(), 0, set[int]()
        known = {one.name for one in self.cells()}
        for number, line in whole_lines(self.path / ANSWERS):
            start, end = end, end + len(line)
            if number not in replaced:
                row = self._row(ANSWERS, number, line)
                if row.get("cell") not in known:
                    raise self._damaged(ANSWERS, f"line {number}: the run has no cell {row.get('cell')!r}")
                if cell is None or row["cell"] == cell:
                    answer = self._answer(row, number)
                    self._refuse_twice(answer.key, number, seen)
                    yield start, answer

    def _refuse_twice(self, key: Key, number: int, seen: set[int]) -> None:
        """Raises ConfigError where a line before answers the same. `seen` holds the hashes of keys, to take little."""
        mark = hash(key)
        if mark in seen:
            for n, line in whole_lines(self.path / ANSWERS):
                if n < number and self._answer(self._row(ANSWERS, n, line), n).key == key:
                    raise self._damaged(ANSWERS, f"line {number} answers {key[1]!r} again, as line {n} does")
        seen.add(mark)

    def baselines(self) -> Iterator[Mapping[str, object]]:
        """The orders that need no model, streamed: `data`, `case_id` and `orders` by system, a row a case."""
        return (row for _, row in self.located_baselines())

    def located_baselines(self) -> Iterator[tuple[int, Mapping[str, object]]]:
        """The same, each with the byte of the file at which its line begins."""
        end = 0
        for number, line in whole_lines(self.path / BASELINES):
            start, end = end, end + len(line)
            yield start, self._row(BASELINES, number, line)

    def done(self) -> set[tuple[str, str, int]]:
        """The cell, case and repeat of every answer that is there and did not fail."""
        names: dict[str, str] = {}
        found = set()
        for answer in self.answers():
            if answer.failed is None:
                cell, case_id, repeat = answer.key
                found.add((names.setdefault(cell, cell), case_id, repeat))
        return found

    def tell(self, what: str, name: str, facts: object) -> None:
        """Add to run.json what was met on the way: the `models` and `prompts` of a cell, the `systems` of a data set.

        Raises ConfigError where the folder was begun with something else.
        """
        plain = json.loads(json.dumps(facts))
        with self._alone():
            known = self.told(what)
            if known.get(name, plain) != plain and what != "prompts":
                raise ConfigError(f"{self.path}: the {what} of {name} are not those it was begun with", NEW)
            if known.get(name) != plain:
                known[name] = plain
                alike = next(iter(known.values())) if all(one == plain for one in known.values()) else None
                self.about = {**self.about, what: known, **({"model": alike} if what == "models" else {})}
                self._write_about()

    def told(self, what: str) -> dict[str, object]:
        """What `tell` added of this, by name."""
        found = self.about.get(what)
        return dict(found) if isinstance(found, Mapping) else {}

    def _write_about(self) -> None:
        try:
            write_json(self.path / ABOUT, self.about)
        except OSError as error:
            raise self._unwritable(error) from error

    @contextmanager
    def writing(self) -> Iterator[None]:
        """Nobody else writes meanwhile; all is synced in the end. Raises ConfigError when somebody does."""
        try:
            self._hold()
            yield
        finally:
            self.close()

    @contextmanager
    def _alone(self) -> Iterator[None]:
        """Nobody else writes meanwhile; who holds the folder already goes on holding it."""
        if self._lock.is_locked:
            yield
            return
        try:
            self._hold()
            yield
        finally:
            self._lock.release()

    def append(self, answer: Answer) -> None:
        """Add the answer. Raises ConfigError when another program writes here, or the disk is full."""
        self._write(ANSWERS, answer.as_row())

    def append_baselines(self, row: Mapping[str, object]) -> None:
        """Add the orders of one case that need no model (see `baselines`). Raises as `append` does."""
        self._write(BASELINES, row)

    def write_summary(self, summary: Mapping[str, object]) -> Path:
        """Keep what the answers come to, in the place of what was kept; the file. Raises ConfigError."""
        try:
            write_json(self.path / SUMMARY, summary)
        except OSError as error:
            raise self._unwritable(error) from error
        return self.path / SUMMARY

    def close(self) -> None:
        """Sync what was written, and let others write. Calling it twice is harmless; `append` opens it again."""
        for file in self._files.values():
            with file:
                sync(file)
        self._files.clear()
        self._lock.release(force=True)

    def _hold(self) -> None:
        try:
            self._lock.acquire()
        except Timeout as error:
            raise ConfigError(f"another program writes to {self.path}", "Wait for it to end") from error
        except OSError as error:
            raise self._unwritable(error) from error
        if (self.path / ABOUT).exists():
            self.about = self._read_about(self.path)  # another program may have told more meanwhile

    def _write(self, name: str, row: Mapping[str, object]) -> None:
        line = json.dumps(row, ensure_ascii=False, separators=(",", ":")).encode() + b"\n"
        try:
            file = self._files.get(name) or self._opened(name)
            file.write(line)
            file.flush()
            if time.monotonic() - self._synced_s > SYNC_EVERY_S:
                for one in self._files.values():
                    sync(one)
                self._synced_s = time.monotonic()
        except OSError as error:
            with suppress(OSError, KeyError):
                self._files.pop(name).close()  # the next one opened drops what was cut off
            raise self._unwritable(error) from error

    def _opened(self, name: str) -> IO[bytes]:
        """The file, open for whole lines at its end: a line that was cut off is taken away first."""
        if not self._lock.is_locked:
            self._hold()
        path = self.path / name
        path.touch()
        file = self._files[name] = path.open("r+b")
        file.truncate(end_of_lines(file))
        file.seek(0, os.SEEK_END)
        return file

    def _unwritable(self, error: OSError) -> ConfigError:
        return ConfigError(f"cannot write to {self.path}: {error.strerror or error}", "Mend that and run it again")

    def _replaced(self) -> frozenset[int]:
        """The numbers of the lines with a failed answer that a later line stands in for."""
        failed: dict[Key, int] = {}
        found = set()
        for number, line in whole_lines(self.path / ANSWERS):
            if failed or FINE not in line:
                answer = self._answer(self._row(ANSWERS, number, line), number)
                found.add(failed.pop(answer.key, 0))
                failed |= {answer.key: number} if answer.failed is not None else {}
        return frozenset(found)

    def _row(self, name: str, number: int, line: bytes) -> dict[str, object]:
        try:
            found = json.loads(line)
        except ValueError as error:
            raise self._damaged(name, f"line {number}: {error}") from error
        if not isinstance(found, dict):
            raise self._damaged(name, f"line {number} is no object")
        return found

    def _answer(self, row: Mapping[str, object], number: int) -> Answer:
        try:
            return Answer.from_row(row)
        except (KeyError, TypeError, ValueError) as error:
            told = f"there is no {error}" if isinstance(error, KeyError) else str(error)
            raise self._damaged(ANSWERS, f"line {number}, the answer to {row.get('case_id')}: {told}") from error

    def _damaged(self, name: str, reason: str) -> ConfigError:
        return ConfigError(f"{self.path / name} is damaged, {reason}", "Take that line out, and resume the run")
