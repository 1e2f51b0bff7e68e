"""Where strategies are made, as the settings want it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import prompts
from agent.llm.base import Model
from agent.settings import Settings
from agent.store.cache import Cache

if TYPE_CHECKING:
    from agent.rerank.strategies import Workshop


def workshop(model: Model, cache: Cache, settings: Settings) -> Workshop:
    """Where strategies are made on a model, with the language, noun and prompts of the settings. Raises PromptError."""
    from agent.rerank.strategies import Workshop

    return Workshop(model, cache, settings.language, settings.noun, prompts.check(settings.prompts))
