"""Every prompt that a model is asked with, rendered with a text in each place that people and catalogues fill."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import cache

from agent.types import Item
from prompts import Prompt, load

Texts = tuple[str, str]  # what stands in one place, and what in the next

PLAIN = ("a quiet evening", "by the sea")
_LABELS = "ABCDEFGH"


def item_of(texts: Texts, item_id: str = "x") -> Item:
    """An item with the first text as title and text, both as tags, as no reader of catalogues would let it in."""
    plain = Item(item_id=item_id, title="x", attributes={"year": 1999})
    first, second = texts
    return plain.model_copy(update={"title": first, "tags": (second, first, second), "text": second})


def _ranking(texts: Texts) -> Mapping[str, object]:
    items = [item_of(texts), item_of((texts[1], texts[0]), "y")]
    return {"noun": "films", "history": items, "wish": texts[0], "item": items[0], "candidates": items,
            "labels": _LABELS, "renowned": True}  # fmt: skip


def _reason(texts: Texts) -> Mapping[str, object]:
    cited = [{"title": texts[0], "year": 1999, "act": "liked", "rating": None},
             {"title": texts[1], "year": None, "act": "rated", "rating": "5"}]  # fmt: skip
    return {"item": {"title": texts[0], "year": 1999}, "facts": list(texts), "cited": cited, "asked": list(texts),
            "turn": 0, "together": False, "sentence": " ".join(texts)}  # fmt: skip


def _tagging(texts: Texts) -> Mapping[str, object]:
    return {"noun": "films", "tag": texts[0], "text": texts[1], "item": item_of(texts), "examples": [],
            "vocabulary": list(texts)}  # fmt: skip


def _wanting(texts: Texts) -> Mapping[str, object]:
    items = [item_of(texts), item_of((texts[1], texts[0]), "y")]
    return {"noun": "films", "liked": items, "interests": list(texts), "wish": texts[0], "turn": 1}


def _remark(texts: Texts) -> Mapping[str, object]:
    shown = [{"title": texts[0], "year": 1999, "tags": list(texts)}, {"title": texts[1], "year": None, "tags": []}]
    return {"noun": "films", "items": shown, "wish": texts[0]}


ASKED: Mapping[str, Callable[[Texts], Mapping[str, object]]] = {  # the prompts that a model reads
    "rank-arrange": _ranking,
    "rank-first-token": _ranking,
    "rank-likelihood": _ranking,
    "rank-listwise": _ranking,
    "rank-pairwise": _ranking,
    "rank-pointwise": _ranking,
    "rank-renown": _ranking,
    "rank-setwise": _ranking,
    "rationale-chat": _reason,
    "rationale-choose": _reason,
    "rationale-continue": _reason,
    "interest-item": _tagging,
    "interest-text": _tagging,
    "enrich-describe": _tagging,
    "enrich-describe-chat": _tagging,
    "enrich-tags": _tagging,
    "enrich-tags-chat": _tagging,
    "recall-generate": _wanting,
    "recall-generate-chat": _wanting,
    "reply-chat": _remark,
}
UNFILLED = ("image-describe",)  # it asks about a picture, and nothing of people or catalogues stands in it


def written(task: str, texts: Texts, control_tokens: Iterable[str] = (), language: str = "en") -> str:
    """All of the prompt, with these texts in every place."""
    return "".join(blocks(task, texts, control_tokens, language))


def blocks(task: str, texts: Texts, control_tokens: Iterable[str] = (), language: str = "en") -> Iterator[str]:
    """The prompt's two blocks, with these texts in every place."""
    prompt = _loaded(task, language, tuple(control_tokens))
    given = {name: value for name, value in ASKED[task](texts).items() if name in prompt.variables}
    yield prompt.prefix(**given)
    yield prompt.candidate(**given)


@cache
def _loaded(task: str, language: str, control_tokens: tuple[str, ...]) -> Prompt:
    return load(task, language, control_tokens=control_tokens)
