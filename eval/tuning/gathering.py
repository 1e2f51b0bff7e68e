"""What every source finds for every case, asked once in every way that is searched, and kept as lists of ids."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from agent.deadline import Deadline
from agent.parts.parts import Parts
from agent.path.stages import Found, answered_by, queries_of, searched
from agent.recall.generated import Generator, generator_on
from agent.recall.weights import FAMILIES, family_of
from agent.settings import Settings
from eval.cases import DataSet
from eval.learning import Taught
from eval.recall.asking import DEPTH, Asked, asked
from eval.tuning.space import CENTRE, Writing, centre_row, written_row

Show = Callable[[int, int], None]
Generators = Mapping[Writing, Generator]


@dataclass(frozen=True)
class Listed:
    """What one query found, best first, and what it weighs of its source's weight."""

    share: float
    ids: tuple[str, ...]


@dataclass(frozen=True)
class Lists:
    """All that was found for a case, and in how many milliseconds, by row (see `Choice.rows`)."""

    case_id: str
    user_id: str
    relevant: tuple[str, ...]
    wished: bool
    rows: Mapping[str, tuple[Listed, ...]]
    ms: Mapping[str, float]
    missing: bool = False


def even(settings: Settings) -> Settings:
    """The same settings where every source is asked and weighs 1, and the taste is one."""
    changes = {"weights": dict.fromkeys(FAMILIES, 1.0), "beside_wish": 1.0, "generated": 0, "generated_weight": 1.0}
    recall = settings.recall.model_copy(update=changes)
    profile = settings.profile.model_copy(update={"centres": 1})
    return settings.model_copy(update={"recall": recall, "profile": profile})


def generators(parts: Parts, writings: Iterable[Writing | None]) -> dict[Writing, Generator]:
    """What writes the queries of each writing. Raises as `Parts.model` does, PromptError."""
    made = {}
    for writing in filter(None, writings):
        settings = parts.settings.model_copy(update={"prompts": writing.prompts})
        made[writing] = generator_on(parts.model, None, settings, parts.items)
    return made


@dataclass(frozen=True)
class Gatherer:
    """Asks every source over `parts`, whose settings are `even`, in every number of centres and by every writing."""

    parts: Parts
    centres: Sequence[int]
    writers: Generators

    def gather(
        self,
        dataset: DataSet,
        task: str,
        limit: int | None = None,
        least_liked: int = 0,
        taught: Taught | None = None,
        show: Show = lambda _done, _of: None,
    ) -> list[Lists]:
        """The lists of each case; arguments as of `eval.recall.asking.asked`."""
        found = []
        for one in asked(dataset, self.parts, task, limit, least_liked, taught):
            found.append(self._lists(one))
            show(len(found), limit or dataset.n_cases)
        return found

    def _lists(self, one: Asked) -> Lists:
        depth = max(self.parts.settings.recall.per_query, DEPTH)
        by_row: dict[str, list[Found]] = {}
        for found in searched(self.parts, one.person, one.wish, None, depth, (), one.learned):
            by_row.setdefault(family_of(found.source), []).append(found)
        by_row |= self._around(one, depth)
        ms = {row: sum(found.ms for found in theirs) for row, theirs in by_row.items()}
        missing = False
        for row, theirs, written_ms, late in self._written(one, depth):
            by_row[row], ms[row] = theirs, written_ms + sum(found.ms for found in theirs)
            missing = missing or late
        case = one.case
        rows = {row: tuple(map(_listed, theirs)) for row, theirs in by_row.items()}
        return Lists(case.case_id, case.user_id, case.relevant, bool(one.wish), rows, ms, missing)

    def _around(self, one: Asked, depth: int) -> dict[str, list[Found]]:
        """What the centres of the taste find, in every number of them beyond one."""
        rows = {}
        for n in self.centres:
            queries = queries_of(self.parts, one.person, one.wish, n) if n > 1 else []
            around = [query for query in queries if family_of(query.source) == CENTRE]
            if around:
                seen = one.person.profile.seen
                rows[centre_row(n)] = [answered_by(self.parts, query, depth, None, seen) for query in around]
        return rows

    def _written(self, one: Asked, depth: int) -> Iterator[tuple[str, list[Found], float, bool]]:
        person = one.person
        for writing, generator in self.writers.items():
            began, interests = time.perf_counter(), list(person.profile.interests)
            written = generator.queries(person.taste.liked, interests, one.wish, writing.n, Deadline.never())
            took_ms = (time.perf_counter() - began) * 1e3
            found = [answered_by(self.parts, query, depth, None, person.profile.seen) for query in written.queries]
            yield written_row(writing), found, took_ms, bool(written.degraded)


def _listed(found: Found) -> Listed:
    return Listed(found.weight, tuple(candidate.item_id for candidate in found.candidates))
