"""A fit as figures: what the weights are worth on cases they were not fitted on, and the record for the file."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime

from agent.errors import ConfigError
from agent.rerank.weights import Weights
from eval.cases import DataSet
from eval.fit import L2, NOWHERE, PRIOR, Choice, Fitted, Order, Pair, TwoFold, ordered, two_fold
from eval.metrics import DEFAULT, HEADLINE
from eval.results import Results, about_dataset, as_rows, compared_rows, method, summarise
from eval.runs import Opened, Run
from eval.systems import BLEND_NOW, MODEL, PRIOR_NOW, RECALL_ONLY, RECALL_SOURCES, WITHOUT_MODEL, System

Tables = Mapping[str, Mapping[str, object]]
Orders = Mapping[str, Order]

IN_SAMPLE = "model, on its own cases"
KEPT = {
    "prior": "the fitted prior ranks the cases it was fitted on worse than recall alone, which is used in its place",
    "blend": "the fitted blend ranks the cases it was fitted on worse than the prior, which is used in its place",
}


@dataclass(frozen=True)
class Report:
    """The fit, its figures on unseen cases, and the tables of the weights file. `carried` were not fitted but kept."""

    two_fold: TwoFold
    results: Results
    tables: Tables
    carried: tuple[str, ...]
    facts: Mapping[str, object]

    @property
    def notes(self) -> tuple[str, ...]:
        """What the reader must know, in plain sentences; empty when there is nothing."""
        kept = [f"{name}: {KEPT[stage]}" for name, fitted in self._fits() for stage in fitted.kept]
        carried = [f"not in these cases, so carried over: {', '.join(self.carried)}"] if self.carried else []
        return (*kept, *carried)

    def as_json(self) -> dict[str, object]:
        """The documented JSON shape of `palate eval fit --json`."""
        return {
            **self.facts,
            "weights": {"prior": self.tables["prior"], "blend": self.tables["blend"]},
            "carried": list(self.carried),
            "fits": {name: asdict(fitted) for name, fitted in self._fits()},
            "results": as_rows(self.results),
            "comparisons": compared_rows(self.results),
            "notes": list(self.notes),
            "method": method(DEFAULT),
        }

    def _fits(self) -> tuple[tuple[str, Fitted], ...]:
        first, second = self.two_fold.halves
        return ("all cases", self.two_fold.whole), ("first half", first), ("second half", second)


def report(
    choices: Sequence[Choice],
    run: Run,
    dataset: DataSet,
    opened: Opened,
    *,
    seed: int,
    l2: float = L2,
    around: Weights | None = None,
    learn: Mapping[str, object] | None = None,
    now: datetime | None = None,
) -> Report:
    """The weights for these cases with their figures, two-fold: each case is ordered by the fit that did not see it.

    `around` are the weights of another fit, to which few cases and a high `l2` stay close. `learn` says what behaviour
    taught the ranker, if any. `now` is the date on record, by default the clock's. Raises ConfigError when the cases
    have no signals to weigh or come from under two users.
    """
    start = _start(choices)
    try:
        found = two_fold(choices, start, l2=l2, seed=seed, around=_pair(around))
    except ValueError as error:
        raise ConfigError(f"{dataset.name} cannot be fitted on: {error}", "Give more cases") from error
    systems = _systems(found, start, opened.weights, choices)
    scored = replace(run, orders={system.name: {i: orders[i] for i in run.relevant} for system, orders in systems})
    results = summarise(scored, [system for system, _ in systems])
    facts = {
        "task": "rank",
        "folds": 2,
        "seed": seed,
        "l2": l2,
        "at": (now or datetime.now(UTC)).isoformat(timespec="seconds"),
        "model": opened.model,
        "prompts": dict(run.prompts),
        "dataset": about_dataset(dataset, run.n),
        **({"around": _origin(around)} if around else {}),
        **({"learn": dict(learn)} if learn else {}),
    }
    weights, carried = _with_carried(found.whole.weights, opened.weights, choices)
    tables = {"prior": weights.prior, "blend": weights.blend, "fitted": _record(found, results, facts, carried)}
    return Report(found, results, tables, carried, facts)


def _pair(weights: Weights | None) -> Pair:
    return Pair(weights.prior, weights.blend) if weights else NOWHERE


def _origin(weights: Weights) -> dict[str, object]:
    """The weights another fit found, and on which data."""
    dataset = weights.fitted.get("dataset", {})
    known = {key: dataset[key] for key in ("name", "sha256", "n_run") if key in dataset}
    return {"dataset": known, "prior": dict(weights.prior), "blend": dict(weights.blend)}


def _start(choices: Sequence[Choice]) -> dict[str, float]:
    """The weights of recall alone: the first of its sources that the cases have."""
    names = {name for choice in choices for name in choice.signals}
    found = next((source for source in RECALL_SOURCES if source in names), None)
    if found is None:
        raise ConfigError("the cases give recall nothing to go by", "Cases need a history or a wish")
    return {found: 1.0}


def _systems(
    found: TwoFold, start: Mapping[str, float], now: Pair, choices: Sequence[Choice]
) -> list[tuple[System, Orders]]:
    """The systems in the order told; those of the model where it has an opinion of any case."""
    alone, prior_now = Pair(start, {PRIOR: 1.0}), Pair(now.prior, {PRIOR: 1.0})
    prior = [
        (_named(RECALL_ONLY, "the order of recall alone"), _orders(choices, alone)),
        (_named(WITHOUT_MODEL, "all signals but the model's, fitted on the other half"), found.prior_orders),
    ]
    before = (_named(PRIOR_NOW, "all signals but the model's, by the weights used now"), _orders(choices, prior_now))
    if not any(choice.opinions for choice in choices):
        return [*prior, before]
    return [
        *prior,
        (_named(MODEL, "the whole blend, fitted on the other half"), found.orders),
        before,
        (_named(BLEND_NOW, "the whole blend, by the weights used now"), _orders(choices, now)),
        (_named(IN_SAMPLE, "optimistic: fitted on these very cases"), _orders(choices, found.whole.weights)),
    ]


def _orders(choices: Sequence[Choice], weights: Pair) -> Orders:
    return {choice.case_id: ordered(choice, weights) for choice in choices}


def _named(name: str, about: str) -> System:
    return System(name, "whole" if name == MODEL else "part", about, lambda _case, _slate: ())


def _with_carried(fitted: Pair, current: Pair, choices: Sequence[Choice]) -> tuple[Pair, tuple[str, ...]]:
    """The fitted weights, 0 for what the fit rejected, the current ones for what no case showed; the names of those."""
    signals = {name for choice in choices for name in choice.signals}
    opinions = {name for choice in choices for name in choice.opinions}
    opinions |= {PRIOR} if opinions else set()
    prior = {name: weight for name, weight in current.prior.items() if name not in signals}
    blend = {name: weight for name, weight in current.blend.items() if name not in opinions}
    whole = Pair(
        {**dict.fromkeys(sorted(signals), 0.0), **fitted.prior, **prior},
        {**dict.fromkeys(sorted(opinions), 0.0), **fitted.blend, **blend},
    )
    return whole, (*prior, *blend)


def _record(found: TwoFold, results: Results, facts: Mapping[str, object], carried: Sequence[str]) -> dict[str, object]:
    figures = {result.system.name: result.metrics for result in results.results}
    return {
        **{key: value for key, value in facts.items() if not isinstance(value, Mapping)},
        "carried": list(carried),
        "kept": list(found.whole.kept),
        **{key: value for key, value in facts.items() if isinstance(value, Mapping)},
        "unseen": {
            name: {HEADLINE: asdict(metrics[HEADLINE])} for name, metrics in figures.items() if name != IN_SAMPLE
        },
        "compared": {
            f"{pair.system} over {pair.against}": {HEADLINE: asdict(pair.metrics[HEADLINE])}
            for pair in results.comparisons
        },
    }
