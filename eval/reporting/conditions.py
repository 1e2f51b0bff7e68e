"""The conditions of a gate as plain mappings: what they may hold, and how one says them. Pure."""

from __future__ import annotations

from collections.abc import Mapping

from agent.errors import ConfigError
from eval.metrics import lower_is_better

Condition = Mapping[str, object]

EXPLAINED = (
    "a condition is {metric, at_least}, {metric, at_most} where less is better, {metric, versus, not_worse_than},"
    " {rate, at_most}, {latency_p95_s}, {cost_per_1000} or {order_stability}"
)


def told(condition: Condition) -> str:
    """The condition as one would say it: `failed at most 0.01`. Raises ConfigError for one that is none."""
    match dict(condition):
        case {"metric": metric, "versus": versus, "not_worse_than": margin}:
            return f"{metric} not worse than {versus} by more than {number(margin):g}"
        case {"metric": metric, "at_least": least} if not lower_is_better(str(metric)):
            return f"{metric} at least {number(least):g}"
        case {"metric": metric, "at_most": most} if lower_is_better(str(metric)):
            return f"{metric} at most {number(most):g}"
        case {"rate": name, "at_most": most}:
            return f"{name} at most {number(most):g}"
        case {"latency_p95_s": most}:
            return f"p95 latency at most {number(most):g} s"
        case {"cost_per_1000": most}:
            return f"cost of 1,000 answers at most {number(most):g}"
        case {"order_stability": least}:
            return f"order stability at least {number(least):g}"
    raise ConfigError(f"{dict(condition)} is no condition of a gate", EXPLAINED)


def number(value: object) -> float:
    """The value as a number. Raises ConfigError where it is none."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise ConfigError(f"{value!r} is no number", EXPLAINED)
    return float(value)
