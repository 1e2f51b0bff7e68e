"""Replies as figures: invented titles with their upper bound, who wrote the words, and when they came."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass

from eval.conversing.holding import Held
from eval.conversing.naming import Known, strays
from eval.statistics import Estimate, percentile, rate

MAX_NAMED = 20
STAGES = ("first_word", "slate", "total")
TARGETS_MS = {"first_word": 1_500.0, "slate": 2_500.0}
METHOD = {
    "invented": "replies, with their reasons, that hold a quoted string or a run of words with capitals that is neither"
    " a title or a field's value of the catalogue nor the person's own words; 95 % Wilson score bounds",
    "written": "reasons whose sentence a model wrote and that held against their evidence, of all reasons shown",
    "ms": "wall time from the message: to the first piece of text, to the slate, to the end of the reply; the first"
    " conversation warms up and is not timed",
    "targets": "upper ends that the medians are held against",
}


@dataclass(frozen=True)
class Stray:
    """Something named that nobody knows: in answer to what, and in which text."""

    message: str
    text: str
    named: str


@dataclass(frozen=True)
class Report:
    """What replies come to. `ms` and `stages_ms` hold p50, p95 and n by stage, `by_intent` the whole time by intent."""

    n: int
    failed: Mapping[str, int]
    invented: Estimate
    strays: Sequence[Stray]
    written: Estimate | None
    with_tokens: int
    tokens_out: int
    ms: Mapping[str, Mapping[str, float]]
    stages_ms: Mapping[str, Mapping[str, float]]
    by_intent: Mapping[str, Mapping[str, float]]
    degraded: Mapping[str, int]

    @property
    def targets(self) -> dict[str, bool]:
        """Whether the median of a stage that has a target is within it; stages that never came are left out."""
        return {stage: self.ms[stage]["p50"] <= most for stage, most in TARGETS_MS.items() if stage in self.ms}


def report(held: Sequence[Held], known: Known) -> Report:
    """The figures of these replies. Raises ValueError where there is not one."""
    answered = [one for one in held if one.failed is None]
    found = [_strays(one, known) for one in answered]
    timed = [one for one in answered if one.user_id != held[0].user_id] or answered
    reasons = sum(one.reasons for one in answered)
    by_intent: dict[str, list[float]] = {}
    for one in timed:
        by_intent.setdefault(one.intent, []).append(one.ms["total"])
    return Report(
        n=len(held),
        failed=Counter(one.failed for one in held if one.failed is not None),
        invented=rate(sum(map(bool, found)), max(1, len(answered))),
        strays=[stray for some in found for stray in some],
        written=rate(sum(one.written for one in answered), reasons) if reasons else None,
        with_tokens=sum(one.tokens_out > 0 for one in answered),
        tokens_out=sum(one.tokens_out for one in answered),
        ms=_times([one.ms for one in timed]),
        stages_ms=_times([one.stages_ms for one in timed]),
        by_intent={intent: _spread(values) for intent, values in sorted(by_intent.items())},
        degraded=Counter(reason for one in answered for reason in one.degraded),
    )


def as_json(done: Report, about: Mapping[str, object]) -> dict[str, object]:
    """The documented JSON shape of `palate eval talk --json`; `about` joins it at the top."""
    return {
        **about,
        "replies": done.n,
        "failed": {"count": sum(done.failed.values()), "reasons": dict(list(done.failed.items())[:MAX_NAMED])},
        "invented": {**asdict(done.invented), "strays": [asdict(one) for one in done.strays[:MAX_NAMED]]},
        "written": {
            "reasons": asdict(done.written) if done.written else None,
            "replies": done.with_tokens,
            "tokens_out": done.tokens_out,
        },
        "ms": {stage: dict(spread) for stage, spread in done.ms.items()},
        "stages_ms": {stage: dict(spread) for stage, spread in done.stages_ms.items()},
        "by_intent_ms": {intent: dict(spread) for intent, spread in done.by_intent.items()},
        "targets": {stage: {"at_most_ms": TARGETS_MS[stage], "met": met} for stage, met in done.targets.items()},
        "degraded": dict(done.degraded),
        "method": METHOD,
    }


def _strays(held: Held, known: Known) -> list[Stray]:
    return [
        Stray(held.message, text, named) for text in held.texts for named in strays(text, known, held.named, held.said)
    ]


def _times(rows: Sequence[Mapping[str, float]]) -> dict[str, dict[str, float]]:
    """The spread of each stage over the replies that had it, in the order in which stages first came up."""
    stages = dict.fromkeys([*(stage for stage in STAGES if any(stage in row for row in rows)), *_all(rows)])
    return {stage: _spread([row[stage] for row in rows if stage in row]) for stage in stages}


def _all(rows: Sequence[Mapping[str, float]]) -> list[str]:
    return [stage for row in rows for stage in row]


def _spread(values: Sequence[float]) -> dict[str, float]:
    return {"p50": percentile(values, 0.5), "p95": percentile(values, 0.95), "n": len(values)}
