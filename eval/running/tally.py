"""What one pass over a run's answers counts: failures, flaws, times, tokens, calls, slots; times and people are held.

A rate is the share of people with at least one such answer, out of all people: a person's answers, repeats above all,
go wrong together, and as so many answers of their own they would show more than they do.
"""

from __future__ import annotations

import math
import re
from array import array
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from eval.running.answers import VALIDITY, Answer
from eval.running.packed import Marks, Names
from eval.running.spending import Spending
from eval.running.stability import Stability, tenth
from eval.statistics import CONFIDENCE, Estimate, percentile, rate
from eval.systems import LIKELIHOOD_ONLY, MODEL, RECALL_ONLY, WITHOUT_MODEL

RATES = ("failed", "degraded", *VALIDITY)
MEANINGS = {
    "failed": "no answer at all; scores 0",
    "degraded": "a stage did less than asked",
    "missing": "a reply left candidates out",
    "foreign": "a reply named what was not asked about",
    "repeated": "a reply named a candidate twice",
    "truncated": "a reply was cut off at its longest",
    "refused": "a reply refused to answer",
    "fallback": "another strategy stood in",
}

_NUMBERS = re.compile(r"\d+(?:[.,]\d+)*")


@dataclass
class Reason:
    """How often something went wrong in one way, in the words of its first time, and in which case that was."""

    words: str
    case_id: str
    n: int = 0


@dataclass
class Tally:
    """The counts of one cell: answers by flaw, and in `people` whose they are, by number in `names`, all under "".

    `times_ms` are those of whole answers made just now: with a kept call or a failure an answer says nothing of time.
    `reasons` holds, by rate, what was said of failures and degradations, alike but for numbers counted together.
    `slots[shown, got]` counts relevant items by the tenth of the list in which they were shown and put.
    """

    cell: str
    n: int = 0
    times_ms: array[float] = field(default_factory=lambda: array("d"))
    tokens: Counter[str] = field(default_factory=Counter)
    calls: Counter[str] = field(default_factory=Counter)
    flawed: Counter[str] = field(default_factory=Counter)
    people: dict[str, Marks] = field(default_factory=lambda: defaultdict(Marks))
    names: Names = field(default_factory=Names)
    reasons: dict[str, dict[str, Reason]] = field(default_factory=lambda: defaultdict(dict))
    slots: Counter[tuple[int, int]] = field(default_factory=Counter)
    longest: int = 0
    spending: Spending = field(default_factory=Spending)
    stability: Stability = field(default_factory=Stability)

    def take(self, answer: Answer) -> None:
        """Count one more answer."""
        self.n += 1
        if answer.ms > 0 and answer.failed is None and not answer.calls.get("kept"):
            self.times_ms.append(answer.ms)
        self.tokens.update(answer.tokens)
        self.calls.update(answer.calls)
        flaws = flaws_of(answer)
        self.flawed.update(flaws)
        person = self.names.number(answer.user_id)
        for name in ("", *flaws):
            self.people[name].add(person)
        for kind, words in (("failed", [answer.failed] if answer.failed else []), ("degraded", answer.degraded)):
            for one in words:
                self._take_reason(kind, one, answer.case_id)
        self._take_slots(answer)
        self.spending.take(answer)
        self.stability.take(answer)

    def rate(self, name: str) -> Estimate:
        """The share of people with such an answer, within Wilson's bounds. Raises ValueError without answers."""
        return rate(self.n_people(name), self.n_people())

    def n_people(self, name: str = "") -> int:
        """How many people there are, or have an answer with this flaw."""
        return len(self.people.get(name, ()))

    def ranked_reasons(self, kind: str) -> list[Reason]:
        """Why answers failed or degraded, the most frequent first."""
        return sorted(self.reasons.get(kind, {}).values(), key=lambda reason: (-reason.n, reason.words))

    def _take_reason(self, kind: str, words: str, case_id: str) -> None:
        reason = self.reasons[kind].setdefault(_NUMBERS.sub("#", words), Reason(words, case_id))
        reason.n += 1

    def _take_slots(self, answer: Answer) -> None:
        shown = answer.orders.get(WITHOUT_MODEL) or answer.orders.get(RECALL_ONLY) or ()
        got = answer.orders.get(LIKELIHOOD_ONLY) or answer.orders.get(MODEL) or ()
        self.longest = max(self.longest, len(shown))
        for item_id in answer.relevant:
            if item_id in shown and item_id in got:
                self.slots[tenth(shown.index(item_id), len(shown)), tenth(got.index(item_id), len(got))] += 1


def tallies(answers: Iterable[Answer], cells: Sequence[str]) -> dict[str, Tally]:
    """The counts by cell, in the order of the cells; a cell without answers has counts of 0."""
    found = {name: Tally(name) for name in cells}
    for answer in answers:
        found.setdefault(answer.cell, Tally(answer.cell)).take(answer)
    return found


def flaws_of(answer: Answer) -> list[str]:
    """The rates that the answer counts towards, in the order of `RATES`."""
    flawed: Mapping[str, object] = {"failed": answer.failed, "degraded": answer.degraded, **answer.validity}
    return [name for name in RATES if flawed.get(name)]


def latency(times_ms: Sequence[float], share: float = 0.95) -> Estimate | None:
    """A percentile of the times with its 95 % interval from order statistics; None without times.

    The bounds are the times whose ranks the binomial distribution names (Hahn and Meeker 1991, 5.2), so nothing is
    supposed about how times spread; None where there are too few times for a bound: below 72 for the upper of p95.
    """
    if not len(times_ms):
        return None
    ordered, n, tail = sorted(times_ms), len(times_ms), (1 - CONFIDENCE) / 2
    low, high = _binomial(n, share, (tail, 1 - tail))
    return Estimate(
        percentile(ordered, share),
        ordered[low - 1] if low >= 1 else None,
        ordered[high] if high < n else None,
        n,
    )


def _binomial(n: int, share: float, quantiles: Sequence[float]) -> list[int]:
    """The least numbers of n that the binomial distribution does not exceed with these chances, which rise."""
    found: list[int] = []
    so_far, odds = 0.0, math.log(share) - math.log1p(-share)
    log_chance = n * math.log1p(-share)
    for k in range(n + 1):
        so_far += math.exp(log_chance)
        while len(found) < len(quantiles) and so_far >= quantiles[len(found)]:
            found.append(k)
        if len(found) == len(quantiles):
            break
        log_chance += math.log((n - k) / (k + 1)) + odds if k < n else 0.0
    return found + [n] * (len(quantiles) - len(found))
