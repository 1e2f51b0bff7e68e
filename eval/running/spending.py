"""The tokens that answers took, person by person, and what they cost.

An answer that was kept costs as much as one that was asked: what is told is the price of the answers, not of the wait.
"""

from __future__ import annotations

from array import array
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field

from eval.plan.prices import CACHED, FREE, IN, OUT, Price, money
from eval.running.answers import Answer
from eval.statistics import Estimate, estimate

KINDS = (IN, OUT, CACHED)
PER = 1_000


@dataclass(frozen=True)
class Cost:
    """What the answers of a cell cost: all of them, and 1,000 of them with the interval over people.

    `orders` is what the same cases cost in other orders of their candidates, which is not part of the others.
    """

    total: float
    per_1000: Estimate
    orders: float = 0.0

    @property
    def per_case(self) -> float:
        """The mean of one answer."""
        return self.per_1000.value / PER

    def each(self, currency: str) -> str:
        """`0.109 USD [0.101, 0.118] for 1,000 answers`."""
        low, high = self.per_1000.low, self.per_1000.high
        bounds = "" if low is None or high is None else f" [{money(low, '')}, {money(high, '')}]"
        return f"{money(self.per_1000.value, currency)}{bounds} for 1,000 answers"

    def as_row(self) -> dict[str, object]:
        """The documented JSON shape."""
        return {
            "total": self.total,
            "per_case": self.per_case,
            "per_1000": asdict(self.per_1000),
            "orders": self.orders,
        }


@dataclass
class Spending:
    """The tokens of each answer of a cell by kind, and whose answer it is; `untold` counts those that tell none.

    `orders` are the tokens of the same cases in other orders of their candidates.
    """

    tokens: dict[str, array[float]] = field(default_factory=lambda: {kind: array("d") for kind in KINDS})
    people: array[int] = field(default_factory=lambda: array("l"))
    codes: dict[str, int] = field(default_factory=dict)
    orders: dict[str, float] = field(default_factory=lambda: dict.fromkeys(KINDS, 0.0))
    untold: int = 0

    def take(self, answer: Answer) -> None:
        """Count one more answer."""
        for kind in KINDS:
            self.tokens[kind].append(answer.tokens.get(kind, 0))
            self.orders[kind] += sum(one.tokens.get(kind, 0) for one in answer.permuted)
        self.people.append(self.codes.setdefault(answer.user_id, len(self.codes)))
        self.untold += _is_untold(answer.tokens, answer.calls)

    def cost(self, price: Price | None) -> Cost | None:
        """What it comes to; None where no price is known, nothing was answered, or answers do not tell their tokens."""
        free = price == FREE
        if price is None or not self.people or (self.untold and not free):
            return None
        costs = [price.of(dict(zip(KINDS, row, strict=True))) for row in zip(*self.tokens.values(), strict=True)]
        per_1000 = estimate([PER * cost for cost in costs], clusters=self.people)
        return Cost(sum(costs), per_1000, price.of(self.orders))


def cost_of(tokens: Mapping[str, int], calls: Mapping[str, int], price: Price | None) -> float | None:
    """What one answer costs; None where no price is known, or the answer does not tell its tokens."""
    return None if price is None or (_is_untold(tokens, calls) and price != FREE) else price.of(tokens)


def _is_untold(tokens: Mapping[str, int], calls: Mapping[str, int]) -> bool:
    """Whether a model was asked, and does not tell the tokens."""
    return any(calls.values()) and not any(tokens.values())
