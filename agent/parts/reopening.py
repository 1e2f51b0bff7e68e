"""A model that could not be opened, tried once more: a file may have been fetched since, or memory freed."""

from __future__ import annotations

from agent.errors import ModelError
from agent.once import kept, put
from agent.parts.parts import Parts


def open_model_again(parts: Parts) -> None:
    """Open the model where that failed before; the failure stands meanwhile, for whoever asks. Raises ConfigError."""
    for one in (parts, kept(parts, "_spoken")):
        if one is not None and isinstance(kept(one, "_opened_model"), ModelError):
            put(one, "_opened_model", one._open_model())
