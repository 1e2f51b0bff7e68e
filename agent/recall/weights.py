"""What each source of recall weighs in the fusion: as shipped, or as the settings say. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal, get_args

from agent.errors import ConfigError

Family = Literal["wish", "taste", "interest", "centre", "together", "factors", "popularity"]
FAMILIES: tuple[Family, ...] = get_args(Family)
BEHAVIOUR: tuple[Family, ...] = ("together", "factors", "popularity")
SHIPPED: Mapping[str, float] = {
    "wish": 2.0,
    "taste": 1.0,
    "interest": 1.0,  # the most that one weighs
    "centre": 1.0,  # of all together
    "together": 4.0,  # docs/decisions/012-learning-from-behaviour.md
    "factors": 2.0,
    "popularity": 1.0,
}


def family_of(source: str) -> str:
    """The family of a source: `centre:2` belongs to `centre`."""
    return source.partition(":")[0]


def weighed(source: str, weight: float, own: Mapping[Family, float]) -> float:
    """What a source weighs that weighs `weight` as shipped, where `own` are weights of families in their place."""
    wanted = {str(name): value for name, value in own.items()}.get(family_of(source))
    return weight if wanted is None else weight * wanted / SHIPPED[family_of(source)]


def weights_in(text: str) -> dict[str, float]:
    """`taste=1, together=4` as weights by family. Raises ConfigError for anything else."""
    found: dict[str, float] = {}
    for part in filter(None, map(str.strip, text.split(","))):
        name, _, weight = part.partition("=")
        try:
            found[name.strip()] = float(weight)
        except ValueError as error:
            raise ConfigError(
                f"{part!r} is no weight", "Write a source and a number, such as taste=1, together=4"
            ) from error
    return found
