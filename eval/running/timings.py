"""How long answers took whose model calls are kept: what a plan tells of time is read off this."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING

from agent.rerank.weights import load_weights
from agent.settings import Settings
from agent.store.cache import Cache
from eval.plan.cells import Cell
from eval.plan.estimate import answer_key
from eval.running.answers import Answer
from eval.running.kept import FILE
from eval.running.provenance import fingerprints

if TYPE_CHECKING:
    from eval.running.asked import Asked


def timings_for(asked: Asked) -> Timings:
    """The times of a plan's cells: of answers by the same data, learned from or not, by the same recall and weights."""

    def _ground(cell: Cell) -> str:
        settings = asked.settings_of(cell)
        weights = load_weights(settings.rerank.weights).model_dump(mode="json", exclude={"fitted"})
        recall = settings.recall.model_dump(mode="json")
        return json.dumps([asked.datasets[cell.data].sha256, asked.evaluation.learn, recall, weights], sort_keys=True)

    return Timings(asked.settings_of, _ground, asked.evaluation.seed)


class Timings:
    """The milliseconds of answers, by cell, beside the kept answers themselves. They are estimates, never results.

    `settings_of` says in which cache folder those of a cell lie, `ground_of` names what its answers stand on beside the
    cell itself: its data set, what was learned from it, recall and weights.
    """

    def __init__(self, settings_of: Callable[[Cell], Settings], ground_of: Callable[[Cell], str], seed: int) -> None:
        self._settings_of, self._ground_of, self._seed = settings_of, ground_of, seed
        self._names: dict[str, str] = {}
        self._open: tuple[str, Cache] | None = None

    def keep(self, cell: Cell, answer: Answer) -> None:
        """Keep how long the answer took, where it was made just now and is one."""
        if answer.ms > 0 and answer.failed is None:
            key = answer_key(answer.case_id, answer.repeat)
            self._cache(cell).put_many(self._namespace(cell), {key: json.dumps(answer.ms).encode()})

    def timed(self, cell: Cell, keys: Sequence[str]) -> list[float]:
        """Those of the answers with these keys that are known."""
        found = []
        for raw in self._cache(cell).get_many(self._namespace(cell), keys).values():
            with suppress(ValueError, TypeError):
                found.append(float(json.loads(raw)))
        return found

    def close(self) -> None:
        """Let go of the file."""
        if self._open is not None:
            self._open[1].close()
            self._open = None

    def _cache(self, cell: Cell) -> Cache:
        folder = self._settings_of(cell).cache_folder
        if self._open is None or self._open[0] != str(folder):
            self.close()
            self._open = str(folder), Cache(folder / FILE)
        return self._open[1]

    def _namespace(self, cell: Cell) -> str:
        if cell.name not in self._names:
            asked = [cell.task, cell.model, cell.strategy, cell.language, cell.noun]  # wherever data and prompts lie
            parts = [*asked, self._ground_of(cell), fingerprints(cell.prompts), self._seed]
            mark = hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()
            self._names[cell.name] = f"answers/{mark}"
        return self._names[cell.name]
