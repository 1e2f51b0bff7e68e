"""What tokens cost: the price of a model, and what an answer comes to by it. Pure."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

from agent.errors import ConfigError

REMOTE = "openai:"  # how the references of models on a server begin
IN, OUT, CACHED = "in", "out", "cached"
MILLION = 1e6
EXAMPLE = "Write --price openai:MODEL=0.15/0.60, or 0.15/0.60/0.075 where cached tokens cost less"

Amount = Annotated[float, Field(ge=0, le=1e6)]


class Price(BaseModel):
    """What a million tokens cost. `cached` is the price of those read from the server's cache; None: that of `in`."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    read: Amount = Field(alias="in", description="of a million tokens read")
    out: Amount = Field(description="of a million tokens written")
    cached: Amount | None = Field(default=None, description="of a million tokens read from the server's cache")

    def of(self, tokens: Mapping[str, float]) -> float:
        """What so many tokens cost: "in", of them "cached", and "out"; what is not there is 0."""
        cached = min(tokens.get(CACHED, 0), tokens.get(IN, 0))
        dearer = (tokens.get(IN, 0) - cached) * self.read + tokens.get(OUT, 0) * self.out
        return (dearer + cached * (self.read if self.cached is None else self.cached)) / MILLION


FREE = Price.model_validate({IN: 0, OUT: 0})


def price_for(reference: str, prices: Mapping[str, Price]) -> Price | None:
    """The price of a model: the one that is named; nothing for a local one; None where a server's is not known."""
    return prices.get(reference) or (None if reference.startswith(REMOTE) else FREE)


def prices_in(texts: Iterable[str]) -> dict[str, dict[str, float]]:
    """Prices as they stand on a command line, `REF=IN/OUT` or `REF=IN/OUT/CACHED`, as eval.yaml holds them.

    Raises ConfigError for a text that is none.
    """
    return dict(map(_price_in, texts))


def money(amount: float | None, currency: str) -> str:
    """`0.0123 USD`, to three significant figures; a dash where the amount is not known."""
    if amount is None:
        return "–"
    digits = 2 if amount <= 0 or amount >= 1 else 2 - math.floor(math.log10(amount))
    return f"{amount:,.{digits}f} {currency}".rstrip()


def _price_in(text: str) -> tuple[str, dict[str, float]]:
    reference, _, amounts = text.rpartition("=")
    try:
        found = [float(amount) for amount in amounts.split("/")]
    except ValueError:
        found = []
    if not reference.strip() or len(found) not in (2, 3):
        raise ConfigError(f"--price {text[:60]!r} is no price", EXAMPLE)
    return reference.strip(), dict(zip((IN, OUT, CACHED), found, strict=False))
