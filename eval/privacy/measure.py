"""NDCG of what is released about people, by epsilon, beside the exact counts."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from itertools import groupby
from operator import attrgetter

import numpy as np
from numpy.typing import NDArray

from agent.errors import ConfigError
from agent.learn.acts import POPULARITY
from agent.parts.releasing import learned_of, questions, shares_of
from agent.privacy.ledger import Counts, Question
from agent.privacy.noise import noisy
from agent.profile.prior import crowd_prior, prior_of
from agent.recall.signals import tag_rates
from agent.types import Event
from eval.cases import EVENTS, Case, DataSet
from eval.comparisons import Comparison, compare
from eval.metrics import PerCase, per_case
from eval.statistics import UNIT, Estimate, estimate

METRICS = ("ndcg@10", "recall@10")
HEADLINE = "ndcg@10"
EPSILONS = (0.1, 0.3, 1.0, 3.0, 10.0)
N = 10
EXACT, BOUNDED = "exact", "bounded"
TAGS, BOTH = "tags", "both"
METHOD = {
    POPULARITY: "items by how many people took them up, those that the person met left out",
    TAGS: "items by the mean over their tags of the crowd's prior against the catalogue's share",
    BOTH: "items by the product of the two",
    EXACT: "all that everyone did counts, without noise",
    BOUNDED: "so many items of a person count at most, drawn by lot; without noise",
    "epsilon": "what each of the two releases costs: popularity alone and tags alone cost it once, both twice",
    "noise": "discrete Laplace by opendp; the value of a case is its mean over independent draws of the noise",
    "spread": "the standard deviation, over draws of the noise, of the mean over cases",
    "relation": "one person more or less, with all that they did",
}

Show = Callable[[int, int], None]
Scores = NDArray[np.float64]


@dataclass(frozen=True)
class Row:
    """One way to rank with what one release holds: its metrics over cases, and how far noise alone moves NDCG."""

    system: str
    release: str
    metrics: Mapping[str, Estimate]
    spread: float

    def as_json(self) -> dict[str, object]:
        """One entry of `systems` in the documented JSON shape of `palate eval privacy --json`."""
        metrics = {name: asdict(value) for name, value in self.metrics.items()}
        return {"system": self.system, "release": self.release, "metrics": metrics, "spread": self.spread}


@dataclass(frozen=True)
class Report:
    """The figures of one data set; `comparisons` hold each release less the exact counts of the same system."""

    dataset: DataSet
    people: int
    cases: int
    items_per_person: int
    draws: int
    rows: Sequence[Row]
    comparisons: Sequence[Comparison]

    def as_json(self) -> dict[str, object]:
        """The documented JSON shape of `palate eval privacy --json`."""
        about = {"name": self.dataset.name, "sha256": self.dataset.sha256, "n_items": len(self.dataset.items)}
        return {
            "dataset": about,
            "people": self.people,
            "cases": self.cases,
            "items_per_person": self.items_per_person,
            "draws": self.draws,
            "systems": [row.as_json() for row in self.rows],
            "comparisons": [pair.as_row(HEADLINE) for pair in self.comparisons],
            "method": METHOD,
        }


def measured(
    dataset: DataSet, epsilons: Sequence[float], *, most: int, draws: int, limit: int | None, show: Show
) -> Report:
    """What each epsilon costs. Raises ConfigError where the data set tells nothing of what people did."""
    people = [(user_id, list(events)) for user_id, events in groupby(dataset.past.events(), key=attrgetter("user_id"))]
    if not people:
        raise ConfigError(f"{dataset.name} does not tell what people did", f"Give it {EVENTS}")
    cases = [case for case in dataset.cases(limit) if case.relevant]
    bench = _Bench(dataset, cases)
    values, spreads = {}, {}
    for done, (release, drawn) in enumerate(_releases(people, dataset, epsilons, most, draws)):
        show(done, len(epsilons) + 2)
        for system, found in bench.judged(drawn).items():
            name = _name(system, release)
            values[name], spreads[name] = _mean(found), _spread(found)
    whose = [case.user_id for case in cases]
    rows = [_row(*_parted(name), values[name], spreads[name], whose) for name in values]
    pairs = [(name, _name(_parted(name)[0], EXACT)) for name in values if _parted(name)[1] != EXACT]
    return Report(dataset, len(people), len(cases), most, draws, rows, compare(pairs, values, whose))


def _releases(
    people: Sequence[tuple[str, list[Event]]], dataset: DataSet, epsilons: Sequence[float], most: int, draws: int
) -> Iterator[tuple[str, list[tuple[Counts, Counts]]]]:
    """Counts of items and of tags by how they were released, drawn as often as there is noise to draw."""
    whole = questions(people, dataset.items, len(dataset.items))
    yield EXACT, [(whole[0].counts, whole[1].counts)]
    asked = questions(people, dataset.items, most)
    yield BOUNDED, [(asked[0].counts, asked[1].counts)]
    for epsilon in epsilons:
        yield f"eps {epsilon:g}", [(_drawn(asked[0], epsilon), _drawn(asked[1], epsilon)) for _ in range(draws)]


def _drawn(question: Question, epsilon: float) -> Counts:
    values = noisy(list(question.counts.values()), sensitivity=question.sensitivity, epsilon=epsilon)
    return dict(zip(question.counts, values, strict=True))


class _Bench:
    """The cases, and orders of the whole catalogue judged on them."""

    def __init__(self, dataset: DataSet, cases: Sequence[Case]) -> None:
        self._items = tuple(sorted(dataset.items))
        self._tags = [tuple(dict.fromkeys(dataset.items[item_id].tags)) for item_id in self._items]
        self._prior = prior_of(tag_rates(dataset.items.values()))
        self._cases = cases
        self._met = {case.user_id: {*dataset.past.met(case.user_id), *case.history} for case in cases}
        self._relevant = {case.case_id: case.relevant for case in cases}

    def judged(self, drawn: Sequence[tuple[Counts, Counts]]) -> dict[str, list[PerCase]]:
        """Each system's metrics by case, once a draw."""
        found: dict[str, list[PerCase]] = {POPULARITY: [], TAGS: [], BOTH: []}
        for counts, likes in drawn:
            known = np.log1p(learned_of(self._items, counts).counts.astype(np.float64))
            liking = self._liking(shares_of(likes))
            for system, scores in ((POPULARITY, known), (TAGS, liking), (BOTH, known * liking)):
                found[system].append(self._values(scores))
        return found

    def _liking(self, likes: Mapping[str, float]) -> Scores:
        shares = crowd_prior(self._prior, likes)
        lift = {tag: shares[tag] / self._prior[tag] for tag in self._prior}
        return np.array([np.mean([lift[tag] for tag in tags]) if tags else 1.0 for tags in self._tags])

    def _values(self, scores: Scores) -> PerCase:
        order = [self._items[place] for place in np.argsort(-scores, kind="stable")]
        return per_case({case.case_id: self._first(order, case) for case in self._cases}, self._relevant, METRICS)

    def _first(self, order: Sequence[str], case: Case) -> list[str]:
        met = self._met[case.user_id]
        unmet = (item_id for item_id in order if item_id not in met)
        return [item_id for item_id, _ in zip(unmet, range(N), strict=False)]


def _mean(found: Sequence[PerCase]) -> PerCase:
    """Each case's mean over draws."""
    return {
        metric: {case: float(np.mean([one[metric][case] for one in found])) for case in found[0][metric]}
        for metric in METRICS
    }


def _spread(found: Sequence[PerCase]) -> float:
    means = [float(np.mean(list(one[HEADLINE].values()))) for one in found]
    return float(np.std(means, ddof=1)) if len(means) > 1 else 0.0


def _row(system: str, release: str, values: PerCase, spread: float, whose: Sequence[str]) -> Row:
    metrics = {name: estimate(list(values[name].values()), within=UNIT, clusters=whose) for name in METRICS}
    return Row(system, release, metrics, spread)


def _name(system: str, release: str) -> str:
    return f"{system}, {release}"


def _parted(name: str) -> tuple[str, str]:
    system, _, release = name.partition(", ")
    return system, release
