"""Collections that name code to build are refused: whoever wrote them chose it, and Chroma would run it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from agent.errors import StoreError


def check_bare(collection: Any) -> None:
    """Do nothing where a collection of Chroma's names no embedding function, as ours do. Raises StoreError.

    Chroma builds the function that a collection names from what is stored of it when rows are added, also where it is
    opened with none; some functions load code from elsewhere as they are told to.
    """
    stored = (collection.configuration_json, getattr(getattr(collection, "_model", None), "serialized_schema", None))
    if any(map(_names_function, stored)):
        raise StoreError(
            f"the collection {collection.name} names an embedding function, which Palate never gives one",
            "Look who else writes to that Chroma, and remove the collection",
        )


def _names_function(stored: Any) -> bool:
    if isinstance(stored, Mapping):
        function = stored.get("embedding_function")
        known = isinstance(function, Mapping) and function.get("type") == "known"
        return known or any(map(_names_function, stored.values()))
    return isinstance(stored, list) and any(map(_names_function, stored))
