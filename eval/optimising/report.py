"""What came of a search: the bodies that were tried, the one chosen, and the one look at the sealed test."""

from __future__ import annotations

import difflib
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass

from eval.cases import Case, DataSet
from eval.comparisons import Comparison, compare
from eval.metrics import HEADLINE
from eval.optimising.bench import Bench
from eval.optimising.proposing import Proposing
from eval.optimising.search import Searched
from eval.optimising.splits import Split
from eval.optimising.subject import Subject
from eval.results import about_dataset, method
from eval.statistics import UNIT, Clusters, Estimate, estimate

BEFORE, AFTER = "the prompt as it was", "the new prompt"


@dataclass(frozen=True)
class Tested:
    """The one look at the test: NDCG@10 of both prompts, and their paired difference."""

    before: Estimate
    after: Estimate
    comparison: Comparison


@dataclass(frozen=True)
class Report:
    """Everything that an optimisation says, before it is drawn or written.

    `tested` is None where no other body was better on val: then the test stays sealed. `val` are the means on val of
    the bodies tried, in their order.
    """

    subject: Subject
    parts: Split
    searched: Searched
    val: tuple[Estimate, ...]
    tested: Tested | None
    refused: Mapping[str, int]
    budget: int
    seed: int

    @property
    def body(self) -> str:
        """The body chosen; the one it was where nothing better was found."""
        return self.searched.tried[self.searched.best].body

    @property
    def is_new(self) -> bool:
        """Whether another body than the original was chosen."""
        return self.searched.best != 0

    @property
    def text(self) -> str:
        """The whole prompt chosen."""
        return self.subject.text(self.body)

    @property
    def changes(self) -> tuple[str, ...]:
        """What was changed from the original to the body chosen, step by step."""
        made, at = [], self.searched.best
        while (parent := self.searched.tried[at].parent) is not None:
            made.append(self.searched.tried[at].change)
            at = parent
        return tuple(reversed(made))

    def diff(self) -> str:
        """The unified diff from the prompt as it was to the one chosen; empty where they are the same."""
        texts = (self.subject.text(self.subject.body), self.text)
        before, after = (text.splitlines(keepends=True) for text in texts)
        return "".join(difflib.unified_diff(before, after, BEFORE, AFTER))


def report(bench: Bench, parts: Split, searched: Searched, proposing: Proposing, budget: int, seed: int) -> Report:
    """The report. Only here, and only where another body was better on val, is the test looked at, once.

    Raises as `Bench.outcomes` does.
    """
    users = [case.user_id for case in parts.val]
    val = tuple(_mean([tried.val[case.case_id] for case in parts.val], users) for tried in searched.tried)
    chosen = searched.tried[searched.best].body
    tested = _tested(bench, chosen, parts.test) if searched.best else None
    return Report(bench.subject, parts, searched, val, tested, dict(proposing.refused), budget, seed)


def as_json(done: Report, dataset: DataSet, about: Mapping[str, object]) -> dict[str, object]:
    """The documented JSON shape of `palate eval optimize --json`; `about` joins it at the top (limit, model ...)."""
    parts, searched = done.parts, done.searched
    n_run = sum(map(len, (parts.train, parts.val, parts.test)))
    return {
        "prompt": done.subject.name,
        "strategy": done.subject.strategy,
        **about,
        "seed": done.seed,
        "dataset": about_dataset(dataset, n_run),
        "split": {name: _part(getattr(parts, name)) for name in ("train", "val", "test")},
        "budget": {"limit": done.budget, "asked": searched.asked, "steps": searched.steps},
        "tried": [
            {"n": n, "parent": tried.parent, "change": tried.change, "val": asdict(done.val[n])}
            for n, tried in enumerate(searched.tried)
        ],
        "refused": dict(done.refused),
        "chosen": searched.best,
        "changes": list(done.changes),
        "test": _tested_as_json(done.tested),
        "diff": done.diff(),
        "text": done.text,
        "method": _method(),
    }


def _tested(bench: Bench, body: str, test: Sequence[Case]) -> Tested:
    values, users = {}, [case.user_id for case in test]
    for name, one in ((BEFORE, bench.subject.body), (AFTER, body)):
        values[name] = {HEADLINE: {outcome.case_id: outcome.ndcg for outcome in bench.outcomes(one, test)}}
    before, after = (_mean(list(values[name][HEADLINE].values()), users) for name in (BEFORE, AFTER))
    return Tested(before, after, compare([(AFTER, BEFORE)], values, users)[0])


def _mean(values: Sequence[float], users: Clusters) -> Estimate:
    return estimate(values, within=UNIT, clusters=users)


def _part(cases: Sequence[Case]) -> dict[str, int]:
    return {"cases": len(cases), "users": len({case.user_id for case in cases})}


def _tested_as_json(tested: Tested | None) -> dict[str, object] | None:
    if tested is None:
        return None
    pair = tested.comparison
    difference = {**asdict(pair.metrics[HEADLINE]), "detectable": pair.detectable[HEADLINE]}
    return {"metric": HEADLINE, "before": asdict(tested.before), "after": asdict(tested.after), "change": difference}


def _method() -> dict[str, object]:
    general = method([HEADLINE])
    return {
        "search": "GEPA (Agrawal et al. 2025): changes proposed on train, chosen by the mean on val",
        "sealed": "the test cases are of other people, and are asked once: the prompt as it was, and the one chosen",
        **{key: general[key] for key in ("metrics", "interval", "test", "detectable", "versions")},
    }
