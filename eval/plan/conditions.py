"""The conditions of a gate: what each may hold."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

from agent.setting_values import Word
from eval.metrics import lower_is_better

RateName = Literal["failed", "degraded", "missing", "foreign", "repeated", "truncated", "refused", "fallback"]
Share = Annotated[float, Field(ge=0, le=1)]
Positive = Annotated[float, Field(gt=0)]

_CONDITIONS = (
    {"metric", "at_least"},
    {"metric", "at_most"},
    {"metric", "versus", "not_worse_than"},
    {"rate", "at_most"},
    {"latency_p95_s"},
    {"cost_per_1000"},
    {"order_stability"},
)
WORDS = {False: "at_least", True: "at_most"}  # by whether less of the metric is better


class Strict(BaseModel):
    """A part of eval.yaml: frozen, strict about unknown keys, no NaN or infinity."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class Condition(Strict):
    """One condition of the gate, judged on an interval and never on the point.

    It is `metric` with `at_least` (or, where less is better, with `at_most`), `metric` with `versus` and
    `not_worse_than`, `rate` with `at_most`, or `latency_p95_s`, `cost_per_1000` or `order_stability` alone.
    """

    metric: Word | None = Field(default=None, description="the metric that is judged")
    at_least: Share | None = Field(default=None, description="what the lower bound of its interval must reach")
    versus: Word | None = Field(default=None, description="the system that it is compared with")
    not_worse_than: Share | None = Field(default=None, description="the most that it may lose, by the whole interval")
    rate: RateName | None = Field(default=None, description="the rate that is judged")
    at_most: Share | None = Field(
        default=None, description="what the upper bound of the rate may reach, or of a metric of which less is better"
    )
    latency_p95_s: Positive | None = Field(
        default=None, description="what the 95th percentile of the time an answer takes may reach, in seconds"
    )
    cost_per_1000: Positive | None = Field(
        default=None, description="what the upper bound of the cost of 1,000 answers may reach, in the currency"
    )
    order_stability: Share | None = Field(
        default=None, description="what the lower bound of Kendall's tau between orders of candidates must reach"
    )

    @model_validator(mode="after")
    def _one_of_seven(self) -> Condition:
        given = {name for name in type(self).model_fields if getattr(self, name) is not None}
        if given not in _CONDITIONS:
            raise ValueError(
                f"holds {', '.join(sorted(given)) or 'nothing'}; a condition is metric and at_least, or at_most;"
                " metric, versus and not_worse_than; rate and at_most; latency_p95_s; cost_per_1000; or order_stability"
            )
        if self.metric and (self.at_least, self.at_most) != (None, None):
            lower = lower_is_better(self.metric)
            if lower is (self.at_most is None):
                raise ValueError(f"{'less' if lower else 'more'} {self.metric} is better: it takes {WORDS[lower]}")
        return self
