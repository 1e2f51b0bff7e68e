"""The weights of prior and blend: one TOML file, with the record of how they were fitted."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from agent.errors import ConfigError

OTHER = 0.4  # the weight of a strategy that was never fitted: about what the likelihood got
SHIPPED = Path(__file__).with_name("weights.toml")


class Weights(BaseModel):
    """`prior` weighs the signals known without a model; `blend` weighs that prior and each reranker's scores.

    `other` in `blend` weighs a strategy that has no weight of its own there. All weights apply to z-scores over the
    candidates of one slate (see `agent.rerank.blend`). `fitted` says on which cases, how, and with what result; it is
    a record and changes nothing.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    prior: Mapping[str, float]
    blend: Mapping[str, float]
    fitted: Mapping[str, Any] = Field(default_factory=dict)

    def opinion(self, strategy: str) -> float:
        """The weight of a strategy's scores in the blend: its own, that of `other`, or 0.4."""
        return self.blend.get(strategy, self.blend.get("other", OTHER))


def load_weights(path: Path | None = None) -> Weights:
    """The weights of a file, or the shipped ones. Raises ConfigError: unreadable, not TOML, wrong keys or values."""
    path = path or SHIPPED
    try:
        return Weights.model_validate(tomllib.loads(path.read_text(encoding="utf-8")))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise ConfigError(
            f"the weights file {path} cannot be read: {error}", "Make one with: palate eval fit"
        ) from error
    except ValidationError as error:
        fault = error.errors()[0]
        where = ".".join(str(part) for part in fault["loc"])
        raise ConfigError(
            f"the weights file {path}: {where}: {fault['msg']}", "Make one with: palate eval fit"
        ) from error
