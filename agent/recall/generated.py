"""Queries that the model writes: what a person would love, described without a title.

A description that is made up lies nearer to real ones than a wish does, so it finds them (HyDE: Gao et al., "Precise
Zero-Shot Dense Retrieval without Relevance Labels", 2022). Nothing of it is shown as fact.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, field, replace

import prompts
from agent.deadline import Deadline
from agent.errors import ModelError, PromptError
from agent.llm.base import Completion, Model, Sampling
from agent.settings import Settings
from agent.store.cache import Cache
from agent.types import Degradation, Item, Query
from prompts import Prompt

SOURCE = "generated"
SHOWN = 8  # of the newest liked items, in the prompt
INTERESTS = 5  # tags the person mostly goes for, in the prompt
MAX_TOKENS = 48
MAX_WHY_CHARS = 80
MIN_WORDS = 2  # that differ; of Chinese, signs
MOST_REPEATED = 3  # a text that says every word so often, on average, is a stammer
SAMPLING = Sampling(temperature=0.6, top_p=0.9, seed=20_260_101)
_LAST_PIECE_S = 0.05  # with less time left a text that is not finished is given up
_STOP = ("\n",)
_QUOTED = re.compile(r"《[^》]*》|“[^”]*”|\"[^\"]*\"|「[^」]*」|\*[^*]+\*|(?<!\w)'[^']+'(?!\w)")
_WORD = re.compile(r"[\u3400-\u9fff]|[^\W\d_\u3400-\u9fff]{2,}")
_YEAR = r"[(（](?:19|20)\d\d[)）]"
_NAME = r"(?:[A-Z][\w'’-]*|(?:19|20)\d\d)"
_DATED = re.compile(rf"{_NAME}(?:[ :,&]+(?:(?:of|the|a|and|in|to|for)\s+)*{_NAME})*\s*{_YEAR}|{_YEAR}")
_NAMED = re.compile(rf"(?P<before>^|[.!?:]\s+|\S\s+)(?P<name>{_NAME}(?:\s+(?:(?:of|the)\s+)*{_NAME})*)")


@dataclass(frozen=True, slots=True)
class Written:
    """The queries a model wrote for one person; why some are missing, and the prompt used, by name its fingerprint."""

    queries: tuple[Query, ...] = ()
    degraded: tuple[Degradation, ...] = ()
    prompts: dict[str, str] = field(default_factory=dict)


class Generator:
    """Asks a model for descriptions of what someone would love, all in one batch, and keeps what it wrote.

    The same person, model and prompt get the same descriptions: they are drawn with a fixed seed, and cached.
    `titles` are those of the catalogue, which are taken out; the words of `vocabulary`, its tags, are no names.
    """

    def __init__(
        self,
        model: Model,
        prompt: Prompt,
        cache: Cache | None,
        *,
        noun: str = "titles",
        weight: float = 1.0,
        titles: Collection[str] = (),
        vocabulary: Collection[str] = (),
    ) -> None:
        self._model = model
        self._prompt = prompt
        self._cache = cache
        self._noun = noun
        self._weight = weight
        self._titles = frozenset(title.casefold() for title in titles)
        self._common = frozenset(word for tag in vocabulary for word in re.findall(r"\w+", tag.casefold()))

    def queries(
        self, liked: Sequence[Item], interests: Sequence[str], wish: str | None, n: int, deadline: Deadline
    ) -> Written:
        """Up to n queries for someone who liked these items, oldest first, and mostly goes for these tags.

        None for someone of whom nothing is known. What is not written in time, or is no description, is left out, with
        a degradation. Never raises ModelError or PromptError.
        """
        if n < 1 or not (liked or interests or wish):
            return Written()
        used = {self._prompt.name: self._prompt.fingerprint}
        try:
            replies = self._replies(liked, interests, wish, n, deadline)
        except (ModelError, PromptError) as error:
            return Written(degraded=(_missing(f"no queries were written: {error.message}"),), prompts=used)
        usable = (description_of(reply.text, self._titles, self._common) for reply in replies if _is_whole(reply))
        shown = self._prompt.prefix(**self._known(liked, interests, wish), turn=0)
        texts = list(dict.fromkeys(text for text in usable if text and text not in shown))
        late = sum(reply.finish_reason == "cancelled" for reply in replies)
        degraded = (_missing(f"{late} of {n} queries were not written in time"),) if late else ()
        queries = tuple(self._query(place, text) for place, text in enumerate(texts, start=1))
        return Written(queries, degraded, used)

    def _query(self, place: int, text: str) -> Query:
        short = text if len(text) <= MAX_WHY_CHARS else text[:MAX_WHY_CHARS].rsplit(" ", 1)[0] + " …"
        return Query(
            source=f"{SOURCE}:{place}", why=f"like what you might love: {short}", text=text, weight=self._weight
        )

    def _known(self, liked: Sequence[Item], interests: Sequence[str], wish: str | None) -> dict[str, object]:
        shown, mostly = list(liked)[-SHOWN:], list(interests)[:INTERESTS]
        return {"noun": self._noun, "liked": shown, "interests": mostly, "wish": wish}

    def _replies(
        self, liked: Sequence[Item], interests: Sequence[str], wish: str | None, n: int, deadline: Deadline
    ) -> list[Completion]:
        """The model's replies, from the cache, if any, where it was asked the same before. Raises as `Model` does."""
        known = self._known(liked, interests, wish)
        prefix = self._prompt.prefix(**known, turn=0)
        suffixes = [self._prompt.candidate(**known, turn=turn) for turn in range(n)]
        key = _key(self._model.fingerprint, self._prompt.fingerprint, prefix, suffixes)
        kept = self._cache.get_many(SOURCE, [key]).get(key) if self._cache is not None else None
        if kept is not None:
            return [Completion(text, "stop", 0, 0) for text in json.loads(kept)]
        replies = self._model.complete(
            prefix,
            suffixes,
            deadline,
            max_tokens=MAX_TOKENS,
            stop=_STOP,
            sampling=SAMPLING,
            on_text=lambda _n, _piece: deadline.remaining_s > _LAST_PIECE_S,
        )
        whole = [_cut(reply) for reply in replies]
        if self._cache is not None and all(map(_is_whole, whole)):
            self._cache.put_many(SOURCE, {key: json.dumps([reply.text for reply in whole]).encode()})
        return whole


def description_of(text: str, titles: Collection[str] = (), common: Collection[str] = ()) -> str | None:
    """The reply as a description without titles; None where nothing of use is left. Total: any text may come.

    Quotations, names with a year, names of several words and known titles (`titles`, small) are taken out: recall
    should follow what is said of an item, never a title that the model remembers or makes up. Words of `common` (small)
    are no names.
    """
    line = next((line.strip(" -*\t") for line in text.splitlines() if line.strip(" -*\t")), "")
    line = _DATED.sub(" ", _QUOTED.sub(" ", line))
    line = _NAMED.sub(lambda found: _without_name(found, titles, common), line)
    line = re.sub(r"\(\W*\)|\s+", " ", line)
    line = re.sub(r"([.,;:])(?:\s*[.,;:])+", r"\1", re.sub(r"\s+([.,;:!?])", r"\1", line)).strip(" ,;:.-")
    words = _WORD.findall(line.casefold())
    return line if len(set(words)) >= MIN_WORDS and MOST_REPEATED * len(set(words)) >= len(words) else None


def _without_name(found: re.Match[str], titles: Collection[str], common: Collection[str]) -> str:
    """A word with a capital as it stands, where it is a year, a common word, or alone and no known title."""
    before, words = found["before"], found["name"].split()
    is_common = all(part.casefold() in common for word in words for part in re.findall(r"[^\W\d]+", word))
    alone = len(words) == 1 and words[0].casefold() not in titles
    if is_common or alone:
        return found.group()
    return before + (f"{words[0]} " if words[0].isdigit() else "")


def _cut(reply: Completion) -> Completion:
    """A reply that grew too long, up to its last whole word."""
    if reply.finish_reason != "length" or " " not in reply.text.strip():
        return reply
    return replace(reply, text=reply.text.rsplit(" ", 1)[0], finish_reason="stop")


def _is_whole(reply: Completion) -> bool:
    return reply.finish_reason != "cancelled"


def _missing(reason: str) -> Degradation:
    return Degradation(stage="recall", reason=reason)


def _key(*parts: object) -> str:
    settings = (MAX_TOKENS, _STOP, SAMPLING)
    return hashlib.sha256(repr((*parts, settings)).encode("utf-8", "replace")).hexdigest()


def generator_on(model: Model, cache: Cache | None, settings: Settings, items: Iterable[Item]) -> Generator:
    """What a model writes as queries to a catalogue of these items, as the settings say. Raises PromptError."""
    task = "recall-generate-chat" if "chat" in model.abilities else "recall-generate"
    folder, control = prompts.check(settings.prompts), model.control_tokens
    prompt = prompts.load(task, settings.language, control_tokens=control, folder=folder)
    known = list(items)
    return Generator(
        model,
        prompt,
        cache,
        noun=settings.noun,
        weight=settings.recall.generated_weight,
        titles=[item.title for item in known],
        vocabulary={tag for item in known for tag in item.tags},
    )
