"""The row `vectors`: a Chroma collection of very many made-up vectors, built as an index is, then asked.

Run as a module it is the process that asks: it reads a job on standard input and writes what it found.
"""

from __future__ import annotations

import json
import shutil
import sys
import time
from collections.abc import Mapping
from contextlib import closing
from dataclasses import asdict, dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from agent.errors import ConfigError
from agent.recall.chroma import open_shelf
from agent.recall.nearest import nearest
from agent.recall.shelf import Shelf
from eval.chance import SEED
from eval.runs import Watch
from eval.speed.bench import Progress
from eval.speed.child import done_by
from eval.speed.finding.exact import Exact, K, shares
from eval.speed.finding.figures import Scale, Times, recall_of
from eval.speed.finding.synthetic import ABOUT, DIMENSIONS, blocks, questions
from eval.speed.memory import status

ROWS_PER_STEP = 1_000
_BYTES_PER_VECTOR = 4 * DIMENSIONS * 3  # on disk: the graph's copy, the journal's, and room to turn
_WARMING = 10
_ASKING_TIMEOUT_S = 3_600.0


@dataclass(frozen=True)
class Asked:
    """What the process that asks found; times in milliseconds, memory in bytes."""

    open_s: float
    resident: int | None
    ms: list[float]
    found: list[list[str]]


def measured(n: int, n_questions: int, watch: Watch, folder: Path | None = None, seed: int = SEED) -> Scale:
    """Build a collection of n vectors in a temporary folder, ask it so many questions in a process of its own.

    Raises ConfigError where the disk has too little room, StoreError, ModelUnavailable where asking failed.
    """
    with TemporaryDirectory(prefix="palate-vectors-", dir=folder) as made:
        home = Path(made)
        _require_room(home, n)
        exact = Exact(questions(n_questions, seed))
        before = status().get("VmRSS")
        with closing(open_shelf(home)) as shelf, watch(f"Indexing {n:,} vectors") as show:
            name, build_s = _built(shelf, n, seed, exact, show)
        peak = status().get("VmHWM")
        disk = sum(file.stat().st_size for file in home.rglob("*") if file.is_file())
        asked = _asked({"home": str(home), "name": name, "questions": n_questions, "seed": seed})
    return Scale(
        vectors=n,
        dimensions=DIMENSIONS,
        about=ABOUT,
        build_s=build_s,
        build_peak_mb=(peak - before) / 1e6 if peak and before else None,
        disk_mb=disk / 1e6,
        open_s=asked.open_s,
        resident_mb=asked.resident / 1e6 if asked.resident else None,
        times=Times.of(asked.ms),
        recall=recall_of(shares(asked.found, exact.best())),
    )


def _built(shelf: Shelf, n: int, seed: int, exact: Exact, show: Progress) -> tuple[str, float]:
    """The name of the collection, and the seconds that adding rows took."""
    rows, build_s, done = shelf.create(), 0.0, 0
    for block in blocks(n, seed, ROWS_PER_STEP):
        ids = [f"v{at:08}" for at in range(done, done + len(block))]
        began = time.perf_counter()
        rows.add(ids, block, [{}] * len(ids))
        build_s += time.perf_counter() - began
        exact.add(ids, block)
        done += len(block)
        show(done, n)
    return rows.name, build_s


def _require_room(folder: Path, n: int) -> None:
    free, needed = shutil.disk_usage(folder).free, n * _BYTES_PER_VECTOR
    if free < needed:
        raise ConfigError(
            f"{folder.parent} has {free / 1e9:.1f} GB free, {n:,} vectors take about {needed / 1e9:.1f} GB",
            "Ask for fewer --vectors, or set TMPDIR to a folder with more room",
        )


def _asked(job: Mapping[str, object]) -> Asked:
    return Asked(**done_by("eval.speed.finding.scale", job, "asking", _ASKING_TIMEOUT_S))


def answered(home: Path, name: str, n_questions: int, seed: int) -> Asked:
    """Open the collection in this process and ask it. Raises StoreError."""
    before = status().get("VmRSS")
    began = time.perf_counter()
    with closing(open_shelf(home)) as shelf:
        rows = shelf.open(name)
        if rows is None:
            raise ConfigError(f"there is no collection {name} in {home}")
        asked = questions(n_questions, seed)
        nearest(rows, asked[0], K, where=None, exclude=(), pushdown_max_rows=0)
        open_s = time.perf_counter() - began
        ms, found = [], []
        for at, vector in enumerate([*asked[:_WARMING], *asked]):
            began = time.perf_counter()
            hits = nearest(rows, vector, K, where=None, exclude=(), pushdown_max_rows=0)
            if at >= min(_WARMING, n_questions):
                ms.append((time.perf_counter() - began) * 1e3)
                found.append([hit.item_id for hit in hits])
        after = status().get("VmRSS")
    return Asked(open_s, after - before if after and before else None, ms, found)


if __name__ == "__main__":
    work = json.load(sys.stdin)
    sys.stdout.write(
        json.dumps(asdict(answered(Path(work["home"]), work["name"], work["questions"], work["seed"]))) + "\n"
    )
