"""The setting `platforms`: what events of each platform count, and what is carried over to it (docs/platforms.md)."""

from __future__ import annotations

import json
from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, StringConstraints, ValidationError

from agent.kinds import EventKind

Share = Annotated[float, Field(ge=0, le=1)]


class _Platform(BaseModel):
    """What events of one platform count, from 0, nothing, to 1; all of it may be left out.

    `weight` holds for all of its events, `kinds` for those of a kind besides; `transfer` is how many liked items here
    are worth what is known of a person from another platform, in place of what `palate learn` found.
    """

    model_config = ConfigDict(extra="forbid", allow_inf_nan=False)

    weight: Share = 1.0
    kinds: dict[EventKind, Share] = {}
    transfer: float | None = Field(default=None, ge=0, le=1_000_000)


def _table(given: object) -> object:
    """A table, also one written as JSON where only text can stand."""
    try:
        return json.loads(given) if isinstance(given, str) else given
    except ValueError as error:
        raise ValueError('should be JSON such as {"shop": {"weight": 0.5}}') from error


def _checked(given: object) -> object:
    """The same as plain values, as they were written. Raises ValueError naming the platform and the key."""
    table = _table(given)
    if not isinstance(table, dict):
        raise ValueError("should be a table with a platform's name for each entry")
    return {name: _written(name, one) for name, one in table.items()}


def _written(name: object, given: object) -> dict[str, Any]:
    try:
        return _Platform.model_validate(given).model_dump(mode="json", exclude_unset=True)
    except ValidationError as error:
        fault = error.errors(include_url=False)[0]
        where = ".".join(str(part) for part in (name, *fault["loc"]) if part != "[key]")
        raise ValueError(f"is refused: {where}: {fault['msg']}") from error


Name = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=200)]
Platforms = Annotated[dict[Name, dict[str, Any]], BeforeValidator(_checked)]
