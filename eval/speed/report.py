"""From timed answers to figures: a row's times and efficiency, ratios between rows, targets, and the JSON shape."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import cached_property

from eval.metrics import HEADLINE, per_case
from eval.speed.bench import Measured, Sample
from eval.speed.figures import PREFILL_TOKENS, Ratio, Shape, flops, paired_ratio, prefill, tokens_avoided
from eval.speed.memory import Memory
from eval.speed.questions import Question
from eval.statistics import UNIT, Estimate, estimate, mean, percentile

LIMIT = "pp512"
USUAL = 50  # candidates of the figures that have targets, or the nearest number that was measured
EFFICIENT = "likelihood"  # the row whose efficiency has a target
PROMPTED = ("likelihood", "pointwise")  # strategies that ask a prompt a candidate


@dataclass(frozen=True)
class Compared:
    """A figure between two rows: how many times as long `above` takes as `below`; the quickest of several counts.

    `target` is the least it should be, or the most where `at_most`; None where there is none.
    """

    name: str
    above: tuple[str, ...]
    below: tuple[str, ...]
    target: float | None = None
    at_most: bool = False

    def met(self, value: float) -> bool | None:
        """Whether the value meets the target; None where there is none."""
        if self.target is None:
            return None
        return value <= self.target if self.at_most else value >= self.target


COMPARED = (
    Compared("naive_pointwise", ("naive-pointwise",), ("likelihood",), 10.0),
    Compared("bindings_reuse", ("bindings-reuse",), ("pointwise",), 1.3),
    Compared("llama_server_pointwise", ("server-1", "server-4"), ("pointwise",), 1.5),
    Compared("naive_listwise", ("naive-listwise",), ("likelihood",), 1.5),
    Compared("rankgpt", ("rankgpt",), ("likelihood",)),
    Compared("next_turn", ("likelihood-next",), ("likelihood",), 0.7, at_most=True),
    Compared("rationales_batched", ("reasons-one-by-one",), ("reasons-together",), 2.5),
)
EFFICIENCY = {"raw": 0.75, "flop_corrected": 0.85}
MEMORY_MB = 400.0


@dataclass(frozen=True)
class Comparison:
    """One ratio as it came out, for one number of candidates (0 where that does not matter)."""

    compared: Compared
    above: str
    below: str
    candidates: int
    ratio: Ratio


@dataclass(frozen=True)
class Report:
    """A finished run. `about` says what was run on what and how.

    `lengths` are P and s of `tokens_avoided`, by strategy and question.
    """

    measured: Sequence[Measured]
    shape: Shape
    about: Mapping[str, object]
    lengths: Mapping[tuple[str, str], tuple[int, float]]
    judged: Sequence[Measured] = ()
    memory: Memory | str | None = None

    @cached_property
    def sizes(self) -> list[int]:
        """The numbers of candidates that were measured, in order."""
        return list(dict.fromkeys(one.candidates for one in self.measured if one.candidates))

    @property
    def headline(self) -> int:
        """The number of candidates whose figures stand at the top."""
        return min(self.sizes, key=lambda n: (abs(n - USUAL), n), default=0)

    def of(self, name: str, candidates: int) -> Measured | None:
        """A row's answers, where it has any."""
        found = (m for m in self.measured if m.row.name == name and m.candidates in (candidates, 0) and m.samples)
        return next(found, None)

    @cached_property
    def comparisons(self) -> list[Comparison]:
        """Every figure that has both its rows, a number of candidates after the other."""
        found = (self._comparison(compared, n) for compared in COMPARED for n in self.sizes or [0])
        kept = {(c.compared.name, c.candidates): c for c in found if c}
        return list(kept.values())

    def _comparison(self, compared: Compared, candidates: int) -> Comparison | None:
        above, below = self._quickest(compared.above, candidates), self._quickest(compared.below, candidates)
        if above is None or below is None:
            return None
        both = sorted(above.samples.keys() & below.samples.keys())
        if not both:
            return None
        ratio = paired_ratio([above.samples[r].wall_s for r in both], [below.samples[r].wall_s for r in both])
        return Comparison(compared, above.row.name, below.row.name, above.candidates, ratio)

    def _quickest(self, names: Sequence[str], candidates: int) -> Measured | None:
        found = [one for name in names if (one := self.of(name, candidates)) is not None]
        return min(found, key=lambda one: percentile(walls(one), 0.5), default=None)

    def efficiency(self, one: Measured) -> dict[str, Ratio] | None:
        """Tokens decoded (and operations done) per second as a share of pp512's in the same repetition.

        None where the row's work is not counted or pp512 was not run.
        """
        limit = self.of(LIMIT, one.candidates)
        pairs = [(one.samples[r], limit.samples[r]) for r in one.samples if limit and r in limit.samples]
        rates = [_rates(self.shape, sample, at_best) for sample, at_best in pairs if sample.outcome.work]
        if not rates or min(min(raw, corrected) for raw, corrected in rates) <= 0:
            return None
        even = [1.0] * len(rates)
        return {
            "raw": paired_ratio([raw for raw, _ in rates], even),
            "flop_corrected": paired_ratio([corrected for _, corrected in rates], even),
        }

    def avoided(self, one: Measured) -> float | None:
        """How many times fewer tokens than full prompts; None where the row does not ask a prompt a candidate."""
        strategy = next((s for s in PROMPTED if one.row.name.startswith(s)), "")
        known = [self.lengths.get((strategy, sample.question.name)) for sample in one.samples.values()]
        return mean(tokens_avoided(one.candidates, *lengths) for lengths in known if lengths)


def walls(one: Measured) -> list[float]:
    """The seconds of each answer."""
    return [sample.wall_s for sample in one.samples.values()]


def ndcg(one: Measured) -> Estimate | None:
    """The mean NDCG@10 of a row's orders with its interval; None where it ranks nothing or nobody knows the answer."""
    ranked = [s for s in one.samples.values() if s.outcome.order and s.question.relevant]
    if not ranked or not one.row.judged:
        return None
    orders = {s.question.name: _ids(s.question, s.outcome.order) for s in ranked}
    values = per_case(orders, {s.question.name: s.question.relevant for s in ranked}, [HEADLINE])[HEADLINE]
    return estimate(list(values.values()), within=UNIT)


def as_json(report: Report) -> dict[str, object]:
    """The documented JSON shape of `palate eval speed --json`."""
    headline = [c for c in report.comparisons if c.candidates in (report.headline, 0)]
    efficient = report.of(EFFICIENT, report.headline)
    efficiency = report.efficiency(efficient) if efficient else None
    memory = report.memory
    return {
        **report.about,
        "headline_candidates": report.headline or None,
        "ratios": {c.compared.name: c.ratio.value for c in headline},
        "efficiency": {name: efficiency[name].value if efficiency else None for name in EFFICIENCY},
        "memory_mb": memory.above_mb if isinstance(memory, Memory) else None,
        "memory": asdict(memory) if isinstance(memory, Memory) else {"failed": memory} if memory else None,
        "comparisons": [_compared(c) for c in report.comparisons],
        "rows": [row_of(report, one) for one in report.measured],
        "judged": [_judged(one) for one in report.judged],
    }


def row_of(report: Report, one: Measured) -> dict[str, object]:
    """One row for one number of candidates."""
    efficiency = report.efficiency(one) if one.row.kind == "ours" else None
    found = ndcg(one)
    seconds = walls(one)
    outcomes = [sample.outcome for sample in one.samples.values()]
    return {
        "row": one.row.name,
        "kind": one.row.kind,
        "about": one.row.about,
        "candidates": one.candidates or None,
        "n": len(one.samples),
        "p50_ms": percentile(seconds, 0.5) * 1_000 if seconds else None,
        "p95_ms": percentile(seconds, 0.95) * 1_000 if seconds else None,
        "tokens_decoded": tokens_decoded(one),
        "tokens_written": mean(outcome.written for outcome in outcomes),
        "rows_read": mean(outcome.work.rows if outcome.work else None for outcome in outcomes),
        "cells_attended": mean(outcome.work.cells if outcome.work else None for outcome in outcomes),
        "tokens_per_s": tokens_per_s(one),
        "tokens_avoided": report.avoided(one) if one.row.kind == "ours" else None,
        "efficiency": {name: asdict(ratio) for name, ratio in efficiency.items()} if efficiency else None,
        HEADLINE: asdict(found) if found else None,
        "valid_orders": mean(valid_orders(one)),
        "degraded": sum(bool(outcome.degraded) for outcome in outcomes),
        "failed": one.failed or None,
    }


def tokens_decoded(one: Measured) -> float | None:
    """The mean of tokens decoded for an answer; None where tokens are not counted."""
    return mean(sample.outcome.tokens for sample in one.samples.values())


def valid_orders(one: Measured) -> list[bool]:
    """Whether each order that was written names every candidate once; empty where none was written."""
    return [sample.outcome.valid for sample in one.samples.values() if sample.outcome.valid is not None]


def tokens_per_s(one: Measured) -> float | None:
    """The median of tokens decoded per second; None where tokens are not counted."""
    rates = [s.outcome.tokens / s.wall_s for s in one.samples.values() if s.outcome.tokens and s.wall_s]
    return percentile(rates, 0.5) if rates else None


def _compared(found: Comparison) -> dict[str, object]:
    return {
        "name": found.compared.name,
        "above": found.above,
        "below": found.below,
        "candidates": found.candidates or None,
        "ratio": asdict(found.ratio),
        "target": found.compared.target,
        "at_most": found.compared.at_most,
        "met": found.compared.met(found.ratio.value),
    }


def _judged(one: Measured) -> dict[str, object]:
    found = ndcg(one)
    return {
        "row": one.row.name,
        HEADLINE: asdict(found) if found else None,
        "valid_orders": mean(valid_orders(one)),
        "failed": one.failed or None,
    }


def _rates(shape: Shape, sample: Sample, limit: Sample) -> tuple[float, float]:
    work, best = sample.outcome.work, prefill(PREFILL_TOKENS)
    if work is None:
        return 0.0, 0.0
    raw = (work.tokens / sample.wall_s) / (best.tokens / limit.wall_s)
    return raw, (flops(shape, work) / sample.wall_s) / (flops(shape, best) / limit.wall_s)


def _ids(question: Question, order: Sequence[int]) -> list[str]:
    return [question.candidates[n].item_id for n in order]
