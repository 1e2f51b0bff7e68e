"""The settings of differential privacy."""

from __future__ import annotations

from pydantic import Field

from agent.setting_values import Section

MIN_EPSILON = 1e-4  # below it counts are noise alone, and are paid for


class PrivacySettings(Section):
    """What is learned from people is released with noise, out of a budget, where `epsilon` is set (docs/privacy.md)."""

    epsilon: float | None = Field(
        default=None, ge=MIN_EPSILON, le=100, description="what each release costs; none: no noise"
    )
    budget: float = Field(default=10, gt=0, le=10_000, description="what all releases of a store may cost, ever")
    max_items_per_person: int = Field(
        default=20, ge=1, le=10_000, description="so many items of a person count, drawn by lot; fewer need less noise"
    )

    @property
    def on(self) -> bool:
        """Whether what is learned from people is released under differential privacy."""
        return self.epsilon is not None
