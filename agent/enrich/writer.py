"""Asks a model for descriptions and tags of thin items, in batches, and keeps its answers in the cache."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain

from agent.deadline import Deadline
from agent.enrich.enrichment import Enrichment, Thin, mark_of
from agent.llm.base import Completion, Model, Score
from agent.store.cache import Cache
from agent.types import Item
from prompts import Prompt

MAX_TOKENS = 64
MAX_CHARS = 400
MAX_TAGS = 3
VOCABULARY = 40  # the commonest tags of the catalogue, which a model chooses from
CONTRAST = 0.75  # how much of a tag's likelihood without any item is taken off
MIN_GAIN = 1.0  # nats that the item must add to a tag's likelihood
EXAMPLES = 3
TAGGED = 8
_STOP = ("\n",)
_SENTENCE_END = re.compile(r"(?<=[.!?。！？])\s*")
_WORD = re.compile(r"[\u3400-\u9fff]|[^\W_\u3400-\u9fff]{2,}")


@dataclass(frozen=True, slots=True)
class Prompts:
    """The prompt for descriptions, and the one for tags."""

    describe: Prompt
    tags: Prompt


class Writer:
    """Writes enrichments. `vocabulary` are the only tags it may give, commonest first.

    `examples` and `tagged` are items of the catalogue that show how it describes and tags, where it does. `noun` is
    what prompts call the items.
    """

    def __init__(
        self,
        model: Model,
        prompts: Prompts,
        cache: Cache,
        *,
        noun: str = "titles",
        vocabulary: Sequence[str] = (),
        examples: Sequence[Item] = (),
        tagged: Sequence[Item] = (),
        thin: Thin | None = None,
    ) -> None:
        self._model = model
        self._prompts = prompts
        self._cache = cache
        self._noun = noun
        self._vocabulary = list(vocabulary)[:VOCABULARY]
        self._examples = list(examples)[:EXAMPLES]
        self._shown = {"noun": noun, "vocabulary": self._vocabulary, "examples": list(tagged)}
        self._thin = thin or Thin()
        self._alone: Sequence[Score] | None = None  # of each tag, without any item

    @property
    def prompts(self) -> dict[str, str]:
        """The fingerprints of the prompts, by name."""
        return {prompt.name: prompt.fingerprint for prompt in (self._prompts.describe, self._prompts.tags)}

    def is_current(self, item: Item, found: Enrichment | None) -> bool:
        """Whether this model and these prompts wrote it, about the item as it is now."""
        if found is None:
            return False
        return (found.mark, found.model, dict(found.prompts)) == (mark_of(item), self._model.fingerprint, self.prompts)

    def write(self, items: Sequence[Item], deadline: Deadline) -> list[Enrichment]:
        """One enrichment for each item, in order; empty where the model has nothing of use to say.

        Raises ModelError and PromptError as the model does.
        """
        texts = self._texts([item for item in items if self._thin.lacks_text(item)], deadline)
        return [self._one(item, texts.get(item.item_id, ""), deadline) for item in items]

    def _one(self, item: Item, text: str, deadline: Deadline) -> Enrichment:
        tags = self._tags(item, deadline) if self._thin.lacks_tags(item) else ()
        return Enrichment(
            item_id=item.item_id,
            text=text,
            tags=tags,
            model=self._model.fingerprint,
            name=self._model.name,
            prompts=self.prompts,
            mark=mark_of(item),
        )

    def unknown(self, items: Sequence[Item]) -> list[Item]:
        """The items about which the model must be asked: the cache does not hold all that they lack."""
        kept = self._kept_texts(self._suffixes([item for item in items if self._thin.lacks_text(item)]))
        return [
            item
            for item in items
            if kept.get(item.item_id, "") is None or (self._thin.lacks_tags(item) and self._kept_tags(item) is None)
        ]

    def _texts(self, items: Sequence[Item], deadline: Deadline) -> dict[str, str]:
        """A description by item_id, those that the cache knows without the model."""
        suffixes = self._suffixes(items)
        kept = self._kept_texts(suffixes)
        asked = [item_id for item_id, text in kept.items() if text is None]
        if asked:
            stop = () if "chat" in self._model.abilities else _STOP
            texts = [suffixes[item_id] for item_id in asked]
            replies = self._model.complete(self._prefix, texts, deadline, max_tokens=MAX_TOKENS, stop=stop)
            fresh = {item_id: described(reply) for item_id, reply in zip(asked, replies, strict=True)}
            keys = {_key(self._prefix, suffixes[item_id]): text.encode() for item_id, text in fresh.items()}
            self._cache.put_many(self._namespace(self._prompts.describe), keys)
            kept |= fresh
        return {item_id: text or "" for item_id, text in kept.items()}

    @property
    def _prefix(self) -> str:
        return self._prompts.describe.prefix(noun=self._noun, examples=self._examples, item=None)

    def _suffixes(self, items: Sequence[Item]) -> dict[str, str]:
        shown = {"noun": self._noun, "examples": self._examples}
        return {item.item_id: self._prompts.describe.candidate(**shown, item=item) for item in items}

    def _kept_texts(self, suffixes: Mapping[str, str]) -> dict[str, str | None]:
        """The description that the cache holds by item_id, None where it holds none."""
        prefix = self._prefix
        keys = {item_id: _key(prefix, suffix) for item_id, suffix in suffixes.items()}
        kept = self._cache.get_many(self._namespace(self._prompts.describe), list(keys.values()))
        return {item_id: kept[key].decode() if key in kept else None for item_id, key in keys.items()}

    def _namespace(self, prompt: Prompt) -> str:
        return f"enriched/{self._model.fingerprint}/{prompt.fingerprint}"

    def _tags(self, item: Item, deadline: Deadline) -> tuple[str, ...]:
        """At most three tags of the vocabulary, likeliest first."""
        kept = self._kept_tags(item)
        if kept is not None:
            return kept
        prefix = self._prompts.tags.prefix(**self._shown, item=item)
        scores = "score" in self._model.abilities
        chosen = self._likely(prefix, deadline) if scores else self._named(prefix, item, deadline)
        body = json.dumps(chosen).encode()
        self._cache.put_many(self._namespace(self._prompts.tags), {self._tag_key(item): body})
        return chosen

    def _kept_tags(self, item: Item) -> tuple[str, ...] | None:
        """The tags that the cache holds, None where it holds none; no tags where the catalogue has none."""
        if not self._vocabulary:
            return ()
        key = self._tag_key(item)
        kept = self._cache.get_many(self._namespace(self._prompts.tags), [key]).get(key)
        return None if kept is None else tuple(json.loads(kept))

    def _tag_key(self, item: Item) -> str:
        return _key(item.item_id, self._prompts.tags.prefix(**self._shown, item=item), *self._vocabulary)

    def _likely(self, prefix: str, deadline: Deadline) -> tuple[str, ...]:
        """The tags that the item makes likelier than they are of themselves."""
        spelled = self._spelled
        if self._alone is None:
            self._alone = self._model.score(self._prompts.tags.prefix(**self._shown, item=None), spelled, deadline)
        given, free = self._model.score(prefix, spelled, deadline), self._alone
        gains = [one.logprob - CONTRAST * other.logprob for one, other in zip(given, free, strict=True)]
        raised = [one.logprob - other.logprob for one, other in zip(given, free, strict=True)]
        best = sorted(range(len(gains)), key=lambda n: (-gains[n], n))
        return tuple(self._vocabulary[n] for n in best[:MAX_TAGS] if raised[n] >= MIN_GAIN)

    @property
    def _spelled(self) -> list[str]:
        return [self._prompts.tags.candidate(**self._shown, item=None, tag=tag) for tag in self._vocabulary]

    def _named(self, prefix: str, item: Item, deadline: Deadline) -> tuple[str, ...]:
        """The tags that a model names which can only write: an array under a schema, read strictly."""
        tags = {"type": "array", "items": {"type": "string", "enum": self._vocabulary}, "maxItems": MAX_TAGS}
        schema: dict[str, object] = {"type": "object", "properties": {"tags": tags}, "required": ["tags"]}
        suffix = self._prompts.tags.candidate(**self._shown, item=item, tag="")
        (reply,) = self._model.complete(prefix, [suffix], deadline, max_tokens=MAX_TOKENS, schema=schema)
        return tags_in(reply.text, self._vocabulary)


def described(reply: Completion) -> str:
    """The description of a reply: its first line, up to its last whole sentence; empty where it says nothing of use.

    Total: any reply gives a text.
    """
    line = next((" ".join(line.split()) for line in reply.text.splitlines() if line.strip()), "")[:MAX_CHARS]
    if reply.finish_reason == "length" or len(line) == MAX_CHARS:
        whole = [part for part in _SENTENCE_END.split(line) if part]
        line = " ".join(whole[:-1]) if len(whole) > 1 else line
    words = _WORD.findall(line.casefold())
    return line if len(set(words)) >= 3 and 2 * len(set(words)) >= len(words) else ""


def tags_in(text: str, vocabulary: Sequence[str]) -> tuple[str, ...]:
    """The tags of the vocabulary that a reply names, in its order, at most three; none where it is no such array."""
    try:
        said = json.loads(text[text.find("{") : text.rfind("}") + 1])["tags"]
    except (ValueError, KeyError, TypeError, RecursionError):
        return ()
    known = {tag.casefold(): tag for tag in vocabulary}
    named = (known.get(str(tag).strip().casefold()) for tag in (said if isinstance(said, list) else ()))
    return tuple(dict.fromkeys(tag for tag in named if tag))[:MAX_TAGS]


def vocabulary_of(items: Iterable[Item]) -> list[str]:
    """Every tag of the catalogue, commonest first, ties by name."""
    counts: dict[str, int] = {}
    for tag in chain.from_iterable(item.tags for item in items):
        counts[tag] = counts.get(tag, 0) + 1
    return sorted(counts, key=lambda tag: (-counts[tag], tag))


def tagged_of(items: Iterable[Item]) -> list[Item]:
    """Items of different first tags, to show a model how: the best known ones, ties by item_id; may be none."""
    first: dict[str, Item] = {}
    for item in sorted(items, key=lambda item: (-(item.popularity or 0.0), item.item_id)):
        if item.tags:
            first.setdefault(item.tags[0], item)
    return list(first.values())[:TAGGED]


def examples_of(items: Iterable[Item], thin: Thin) -> list[Item]:
    """Items that are well described, to show a model how: the best known ones, ties by item_id; may be none."""
    good = [item for item in items if not thin.lacks_text(item)]
    return sorted(good, key=lambda item: (-(item.popularity or 0.0), item.item_id))[:EXAMPLES]


def _key(*texts: str) -> str:
    return hashlib.sha256("\x1f".join(texts).encode("utf-8", "replace")).hexdigest()
