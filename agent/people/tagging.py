"""The model's opinion of which tags a text or an item is about. It is asked once: answers are kept in the cache.

    text:  log p(text | people interested in the tag write) - log p(text | people write)
    item:  log p(tag | the item) - log p(tag | no item)

The second part of each takes away what is likely anyhow: common words, common tags (domain-conditional PMI, Holtzman et
al., "Surface Form Competition", EMNLP 2021). Needs a model that can score.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import prompts
from agent.deadline import Deadline
from agent.errors import ModelError, PromptError
from agent.llm.base import Model
from agent.profile.evidence import Shares, evenly
from agent.profile.wording import Said, TagReader, responsibilities
from agent.rerank.baseline import likelihoods
from agent.settings import Settings
from agent.store.cache import Cache
from agent.types import Item
from prompts import Prompt

MOST_TAGS = 32  # that the model is asked about, the most common ones: each costs a pass over a text
MOST_OF_ITEM = 3  # tags that an item is shared out among
MAX_TEXT_CHARS = 500


@dataclass(frozen=True)
class Tagger:
    """Reads texts and items for tags, by the model; what it cannot do is done by rule, and `told` hears why.

    `prior` holds the share of each tag in the catalogue.
    """

    model: Model
    cache: Cache
    text: Prompt
    item: Prompt
    noun: str
    prior: Mapping[str, float]
    timeout_s: float
    told: Callable[[str], None]

    @classmethod
    def on(
        cls, model: Model, cache: Cache, settings: Settings, prior: Mapping[str, float], told: Callable[[str], None]
    ) -> Tagger:
        """A tagger as the settings say. Raises ModelError for a model that cannot score, and PromptError."""
        if "score" not in model.abilities:
            raise ModelError(f"the model {model.name} gives no likelihoods", "Set interests.texts = 'named'")
        text, item = (
            prompts.load(task, settings.language, control_tokens=model.control_tokens, folder=settings.prompts)
            for task in ("interest-text", "interest-item")
        )
        return cls(model, cache, text, item, settings.noun, prior, settings.model.timeout_s, told)

    def read(self, text: str) -> Said:
        """What a text says of tags: those that the model finds likely, and those it names and refuses."""
        named = TagReader(tuple(self.prior))(text)
        try:
            toward = responsibilities(self._text_ratios(text[:MAX_TEXT_CHARS]), self.prior)
        except (ModelError, PromptError) as error:
            self.told(f"a text was read without the model: {error}")
            return named
        return Said({tag: share for tag, share in toward.items() if tag not in named.away}, named.away)

    def spread(self, item: Item) -> Shares:
        """The item's own tags evenly; for an item without tags, the likeliest three by the model."""
        if item.tags or not self.prior:
            return evenly(item)
        try:
            found = responsibilities(self._item_ratios(item), self.prior)
        except (ModelError, PromptError) as error:
            self.told(f"{item.name} is left without tags: {error}")
            return ()
        best = sorted(found.items(), key=lambda pair: (-pair[1], pair[0]))[:MOST_OF_ITEM]
        total = sum(share for _, share in best)
        return tuple((tag, share / total) for tag, share in best)

    def _text_ratios(self, text: str) -> Mapping[str, float]:
        line, deadline = self.text.candidate(text=text), Deadline(self.timeout_s)

        def _given(tag: str | None) -> float:
            prefix = self.text.prefix(noun=self.noun, tag=tag)
            return likelihoods(self.model, self.cache, "text by tag", prefix, [line], deadline)[0]

        alone = _given(None)
        return {tag: _given(tag) - alone for tag in self._asked}

    def _item_ratios(self, item: Item) -> Mapping[str, float]:
        deadline, tags = Deadline(self.timeout_s), self._asked
        lines = [self.item.candidate(tag=tag) for tag in tags]
        given, alone = (
            likelihoods(
                self.model, self.cache, "tag by item", self.item.prefix(noun=self.noun, item=one), lines, deadline
            )
            for one in (item, None)
        )
        return {tag: g - a for tag, g, a in zip(tags, given, alone, strict=True)}

    @property
    def _asked(self) -> list[str]:
        return sorted(self.prior, key=lambda tag: (-self.prior[tag], tag))[:MOST_TAGS]
