"""What a command that asks one model about one data set takes from eval.yaml: the first of each, unless flags say."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from agent.errors import ConfigError
from eval.chance import SEED
from eval.plan.cells import BUILT_IN

if TYPE_CHECKING:
    from agent.commands.options import Options
    from agent.settings import Settings
    from eval.plan.config import Evaluation


@dataclass(frozen=True)
class Single:
    """One data set and the settings of one model; `notes` say what else the plan names, which is left aside."""

    data: Path
    settings: Settings
    limit: int | None
    seed: int
    notes: tuple[str, ...] = ()


def single(
    options: Options,
    plan: Path | None,
    *,
    data: Path | None = None,
    model: str | None = None,
    strategy: str | None = None,
    limit: int | None = None,
    seed: int | None = None,
) -> Single:
    """What is asked by these flags, by the plan where they say nothing, and by the settings where that does not either.

    Raises ConfigError: the plan or the settings are wrong, or neither names data.
    """
    from eval.plan.config import load

    found = load(plan) if plan else None
    folder = data or (found.data[0] if found else None)
    if folder is None:
        raise ConfigError("there is nothing to ask about", "Give --data DIR, or --plan eval.yaml")
    own = {"model.reference": model, "rerank.strategy": strategy}
    planned = _planned(found) if found else {}
    given = {**planned, **{key: value for key, value in own.items() if value is not None}}
    settings = dataclasses.replace(options, overrides={**options.overrides, **given}).load().settings
    if found and planned.get("prompts") is None and found.prompts:
        settings = settings.model_copy(update={"prompts": None})
    return Single(
        folder,
        settings,
        limit if limit is not None or found is None else found.limit,
        seed if seed is not None else found.seed if found else SEED,
        tuple(_aside(found, data, model, strategy)) if found else (),
    )


def _planned(plan: Evaluation) -> dict[str, object]:
    """The settings that the plan names: the first model, strategy and folder of prompts, the language, the noun."""
    prompts = plan.prompts[0] if plan.prompts and plan.prompts[0] != BUILT_IN else None
    named = {
        "model.reference": next(iter(plan.models), None),
        "rerank.strategy": next(iter(plan.strategies), None),
        "prompts": prompts,
        "language": plan.language,
        "noun": plan.noun,
    }
    return {key: value for key, value in named.items() if value is not None}


def _aside(plan: Evaluation, data: Path | None, model: str | None, strategy: str | None) -> list[str]:
    named = {"data": (plan.data, data), "models": (plan.models, model), "strategies": (plan.strategies, strategy)}
    several = {key: values for key, (values, flag) in named.items() if flag is None and len(values) > 1}
    several |= {"prompts": plan.prompts} if len(plan.prompts) > 1 else {}
    return [f"{key}: {values[0]} is taken, the plan's others are left aside" for key, values in several.items()]
