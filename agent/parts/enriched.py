"""The writer of enrichments on the parts of a recommender: its model, cache, prompts, and the catalogue's own tags."""

from __future__ import annotations

import prompts
from agent.enrich.enrichment import Thin
from agent.enrich.writer import Prompts, Writer, examples_of, tagged_of, vocabulary_of
from agent.parts.parts import Parts


def writer_on(parts: Parts, thin: Thin) -> Writer:
    """A writer for the thin items of the catalogue. Raises as `Parts.model` does, PromptError."""
    model, settings = parts.model, parts.settings
    folder, control = prompts.check(settings.prompts), model.control_tokens
    describe = "enrich-describe-chat" if "chat" in model.abilities else "enrich-describe"
    tag = "enrich-tags" if "score" in model.abilities else "enrich-tags-chat"
    describing, tagging = (
        prompts.load(task, settings.language, control_tokens=control, folder=folder) for task in (describe, tag)
    )
    items = parts.items
    return Writer(
        model,
        Prompts(describing, tagging),
        parts.cache,
        noun=settings.noun,
        vocabulary=vocabulary_of(items),
        examples=examples_of(items, thin),
        tagged=tagged_of(items),
        thin=thin,
    )
