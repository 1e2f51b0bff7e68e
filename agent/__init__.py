"""Palate: learns a person's taste, ranks with a language model, and gives reasons that can be checked.

    from agent import Recommender
    with Recommender.open() as r:
        r.tell("ada", likes=["Toy Story (1995)"])
        for x in r.recommend("ada", "a clever family film", k=5):
            print(x.rank, x.item.title, x.rationale.sentence)

Names load when first used, so that importing this package is cheap.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from agent.converse.conversations import Conversations as Conversations
    from agent.errors import PalateError as PalateError
    from agent.recommender import Recommender as Recommender
    from agent.settings import Settings as Settings
    from agent.settings import load_settings as load_settings
    from agent.types import Event as Event
    from agent.types import Item as Item
    from agent.types import Profile as Profile
    from agent.types import Rationale as Rationale
    from agent.types import Recommendation as Recommendation
    from agent.types import Slate as Slate

_HOMES = {
    "Conversations": "agent.converse.conversations",
    "Event": "agent.types",
    "Item": "agent.types",
    "PalateError": "agent.errors",
    "Profile": "agent.types",
    "Rationale": "agent.types",
    "Recommendation": "agent.types",
    "Recommender": "agent.recommender",
    "Settings": "agent.settings",
    "Slate": "agent.types",
    "load_settings": "agent.settings",
}
__all__ = sorted(_HOMES)  # pinned by a test


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'agent' has no attribute {name!r}")
    return getattr(importlib.import_module(_HOMES[name]), name)
