"""What was written about one item, by what, and what the embedder makes of it. Pure."""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Mapping
from typing import Literal

from pydantic import Field, ValidationError

from agent.types import Item, Text, Value

MIN_TEXT_CHARS = 40  # a text below this says next to nothing
MIN_TAGS = 1


class Enrichment(Value):
    """Words of a model about an item: never a fact, never part of the item, never shown as what is known of it.

    `mark` is that of the item they were written for, `model` the fingerprint of the weights, `prompts` the fingerprints
    of the prompts by name: another one of these makes it outdated.
    """

    item_id: str
    text: Text = ""
    tags: tuple[str, ...] = ()
    generated: Literal[True] = True
    model: str
    name: str
    prompts: Mapping[str, str] = Field(default_factory=dict)
    mark: str


class Thin(Value):
    """When an item counts as thin: its text has fewer characters, or it has fewer tags."""

    min_text_chars: int = Field(default=MIN_TEXT_CHARS, ge=0)
    min_tags: int = Field(default=MIN_TAGS, ge=0)

    def lacks_text(self, item: Item) -> bool:
        """Whether it needs a description."""
        return len(item.text.strip()) < self.min_text_chars

    def lacks_tags(self, item: Item) -> bool:
        """Whether it needs tags."""
        return len(item.tags) < self.min_tags

    def holds(self, item: Item) -> bool:
        """Whether the item is thin."""
        return self.lacks_text(item) or self.lacks_tags(item)


def mark_of(item: Item) -> str:
    """A hash of all that the catalogue says of the item."""
    return hashlib.sha256(item.model_dump_json().encode("utf-8", "replace")).hexdigest()[:16]


def read(bodies: Mapping[str, str]) -> dict[str, Enrichment]:
    """The enrichments kept in a store, by item_id; what cannot be read, or was not generated, is left out."""
    found: dict[str, Enrichment] = {}
    for item_id, body in bodies.items():
        try:
            found[item_id] = Enrichment.model_validate_json(body)
        except ValidationError:
            continue
    return found


def for_embedding(items: Collection[Item], enrichments: Mapping[str, Enrichment]) -> list[Item]:
    """The items as the embedder reads them: what was written about one stands behind its own text.

    Nobody else may see these copies. An enrichment of an item that has changed since counts for nothing.
    """
    return [_with(item, enrichments.get(item.item_id)) for item in items]


def _with(item: Item, found: Enrichment | None) -> Item:
    if found is None or found.mark != mark_of(item):
        return item
    said = [item.text.strip(), ", ".join(found.tags), found.text]
    return item.model_copy(update={"text": " ".join(_ended(part) for part in said if part)})


def _ended(sentence: str) -> str:
    return sentence if sentence.endswith((".", "!", "?", "…", "。", "！", "？")) else f"{sentence}."
