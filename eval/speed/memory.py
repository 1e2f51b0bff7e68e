"""How much memory ranking takes above the weights, measured in a process of its own.

Run as a module it is that process: it reads a job on standard input and writes three figures.
"""

from __future__ import annotations

import json
import math
import sys
from collections.abc import Sequence
from contextlib import closing
from dataclasses import asdict, dataclass
from pathlib import Path

from agent.errors import ModelUnavailable
from agent.settings import Settings
from agent.types import Item
from eval.speed.child import done_by

TIMEOUT_S = 600.0
MEMORY_CANDIDATES = 100
STATUS = Path("/proc/self/status")
COUNTED = (
    "VmRSS of a process of its own after it has ranked, less the size of the model file: interpreter, libraries,"
    " key-value cache, buffers, and what llama.cpp repacks of the weights all count as above the weights"
)


@dataclass(frozen=True)
class Memory:
    """Resident memory of the process in bytes: `before` the model was loaded, `after` ranking, and the `peak` between.

    `after` is `mapped` from files, which several processes share, and `own`. `weights` is the size of the model file.
    """

    before: int
    after: int
    peak: int
    mapped: int
    own: int
    weights: int

    @property
    def above_mb(self) -> float:
        """What the process holds above the weights, in MB of a million bytes."""
        return (self.after - self.weights) / 1e6


def measured(
    settings: Settings, path: Path, strategy: str, history: Sequence[Item], candidates: Sequence[Item]
) -> Memory:
    """The memory of a process that ranks these candidates with the model file at an absolute path.

    Raises ModelUnavailable where it cannot be measured.
    """
    if not STATUS.exists():
        raise ModelUnavailable("memory is read from /proc, which this system does not have")
    model = settings.model.model_copy(update={"reference": str(path), "sha256": None, "requantise": "off"})
    chosen = settings.model_copy(update={"model": model, "cache_folder": settings.cache_folder.resolve()})
    job = {
        "settings": chosen.model_dump(mode="json", exclude={"endpoint", "chroma", "rerank"}),
        "strategy": strategy,
        "history": [item.model_dump(mode="json") for item in history],
        "candidates": [item.model_dump(mode="json") for item in candidates],
    }
    return Memory(**done_by("eval.speed.memory", job, "ranking", TIMEOUT_S))


def ranked(job: dict[str, object]) -> Memory:
    """Do the job in this process."""
    from agent.deadline import Deadline
    from agent.llm.local.llama import Llama
    from agent.llm.registry import open_model
    from agent.parts.workshop import workshop
    from agent.store.cache import Cache

    settings = Settings.model_validate(job["settings"])
    history, candidates = ([Item.model_validate(one) for one in listed(job[key])] for key in ("history", "candidates"))
    before = status()
    with closing(open_model(settings)) as model, closing(Cache(None)) as cache:
        if not isinstance(model, Llama):
            raise ModelUnavailable(f"{model.name} is not a model file")
        reranker = workshop(model, cache, settings).reranker(str(job["strategy"]))
        ranking = reranker.rank(history, candidates, None, Deadline(math.inf))
        if ranking.degraded:
            raise ModelUnavailable(ranking.degraded[0].reason)
        after = status()
        return Memory(
            before=before["VmRSS"],
            after=after["VmRSS"],
            peak=after["VmHWM"],
            mapped=after["RssFile"],
            own=after["RssAnon"],
            weights=model.path.stat().st_size,
        )


def listed(value: object) -> list[object]:
    """The value where it is a list, else nothing."""
    return value if isinstance(value, list) else []


def status() -> dict[str, int]:
    """What the system says of this process now, in bytes; nothing where it does not say."""
    if not STATUS.exists():
        return {}
    lines = (line.split() for line in STATUS.read_text(encoding="ascii", errors="replace").splitlines())
    return {words[0].rstrip(":"): int(words[1]) * 1024 for words in lines if words[2:] == ["kB"]}


if __name__ == "__main__":
    sys.stdout.write(json.dumps(asdict(ranked(json.load(sys.stdin)))) + "\n")
