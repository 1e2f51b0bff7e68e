"""Made-up examples of what each prompt is given, to find one that cannot be rendered before a model is asked.

Tests hold them against what is really given: the built-in prompts render on them, and they name the same variables.
"""

from __future__ import annotations

import string
from collections.abc import Iterator, Mapping, Sequence

from agent.types import Item

Variables = Mapping[str, object]
Example = tuple[str, Sequence[Variables]]
"""A block, and variables of one kind, of which one that can be rendered is enough."""

KINDS = (
    "people", "pairing", "tags", "thread", "period", "era", "origin", "trait", "together", "wish", "named", "match",
    "apart", "start", "yours", "bare",
)  # fmt: skip
REPLIES: Mapping[str, Sequence[str]] = {  # the kinds of sentences that each prompt of replies words
    "reply-slate": (
        "wish", "change", "reaction", "unfound", "lengthless", "dropped", "again", "few", "none", "plain", "late",
    ),
    "reply-noted": ("like", "dislike", "view", "none"),
    "reply-ask": ("which", "unknown", "tags", "year", "language", "length", "people", "other"),
    "reply-talk": ("hello", "thanks", "bye", "skip", "talk"),
    "reply-why": ("reason", "places", "before", "though", "shown", "known", "disliked", "failed"),
    "reply-about": (
        "director", "author", "cast", "length", "year", "language", "country", "tags", "rating", "text", "fits",
        "fails", "unsaid", "all",
    ),
}  # fmt: skip
_WISH = "something to laugh about"
_OF_NOBODY = ("rank-likelihood", "rank-pointwise")  # these are also asked what they think without a person


class _Any(dict[str, object]):
    """Attributes of which each has this value: what a catalogue's items have is not known here."""

    def __init__(self, value: object) -> None:
        super().__init__(year=1982)
        self._value = value

    def __missing__(self, key: str) -> object:
        return self._value

    def get(self, key: str, _: object = None) -> object:
        """The value of the attribute, which is there."""
        return self[key]


def examples_of(task: str) -> Iterator[Example]:
    """What a prompt is given, by its name without the language; nothing for a name that is not known."""
    if task.startswith("rank-"):
        yield from _of_ranking(task)
    elif task == "image-describe":
        yield from ((block, [{"noun": "films"}]) for block in ("prefix", "candidate"))
    elif task == "rationale-compose":
        yield from (("candidate", [_reason(kind)]) for kind in KINDS)
    elif task == "rationale-choose":
        yield from (("prefix", [{}]), ("candidate", [{"sentence": "You liked Jaws (1975)."}]))
    elif task == "reply-chat":
        yield "prefix", [{"noun": "films"}]
        shown = [{"title": "Jaws", "year": 1975, "tags": ["thriller"]}, {"title": "Shane", "year": None, "tags": []}]
        yield from (("candidate", [{"noun": "films", "items": shown, "wish": wish}]) for wish in (_WISH, ""))
    elif task.startswith("reply-"):
        yield from (("candidate", [_reply(task, kind)]) for kind in REPLIES[task])
    elif task.startswith("rationale-"):
        yield from (("prefix", [{}]), ("candidate", [_draft()]))


def _of_ranking(task: str) -> Iterator[Example]:
    items = [_items(value) for value in ("example", 7, ("example",))]
    if task == "rank-renown":
        yield from (("prefix", [{"noun": "films", "renowned": known}]) for known in (True, False))
    else:
        for wish in (_WISH, None):
            yield "prefix", [{"noun": "films", "history": few, "wish": wish} for few in items]
    if task in _OF_NOBODY:
        yield "prefix", [{"noun": "films", "history": [], "wish": None}]
    if task in ("rank-likelihood", "rank-pointwise", "rank-renown"):
        yield "candidate", [{"item": few[0]} for few in items]
    elif task == "rank-listwise":
        yield "candidate", [{"candidates": few} for few in items]
    else:
        yield "candidate", [{"candidates": few, "labels": string.ascii_uppercase} for few in items]


def _items(value: object) -> list[Item]:
    """Two items whose attributes all have this value."""
    made = [
        Item(item_id="1", title="The Old House", tags=("Horror", "Mystery"), text="A house that remembers."),
        Item(item_id="2", title="Kitchen Stories", tags=("Comedy",), text="Two neighbours and one stove."),
    ]
    return [item.model_copy(update={"attributes": _Any(value)}) for item in made]


def _cited() -> list[Variables]:
    return [
        {"title": "Jaws", "year": 1975, "act": "liked", "rating": None},
        {"title": "Shane", "year": 1953, "act": "rated", "rating": "5"},
    ]


def _reason(kind: str) -> Variables:
    """What a rationale of this kind is composed of."""
    return {
        "kind": kind, "role": "director", "people": ["Steven Spielberg"], "tags": ["adventure", "drama"],
        "cited": _cited(), "asked": ["adventure"], "verbatim": False, "value": "Steven Spielberg", "label": "director",
        "year": 1981, "decade": 1980, "usual": "drama", "standing": None, "noun": "films",
    }  # fmt: skip


def _draft() -> Variables:
    """What a model is told of an item that it is to write a sentence on."""
    return {
        "item": {"title": "Raiders", "year": 1981}, "facts": ["adventure", "1980s"], "cited": _cited(), "asked": [],
        "turn": 0, "together": False,
    }  # fmt: skip


_GIVEN: Mapping[str, object] = {
    "noun": "films", "language": "en", "said": ["funny"], "refused": ["zombies"], "dropped": ["funny"], "n": 2,
    "items": ["[1]", "[2]"], "options": ["comedy", "drama"], "values": ["Steven Spielberg"], "asked": "director",
    "year": "1981", "tags": ["adventure"], "people": ["Steven Spielberg"], "text": "A hunt for an ark.",
    "signals": [{"signal": "taste", "place": 1, "other": 7}],
}  # fmt: skip
_TAKEN: Mapping[str, Sequence[str]] = {  # what each prompt of replies is given, beside the kind
    "reply-slate": ("noun", "language", "said", "refused", "n", "dropped"),
    "reply-noted": ("noun", "items"),
    "reply-ask": ("noun", "options", "items", "said"),
    "reply-talk": ("noun",),
    "reply-why": ("noun", "items", "values", "signals"),
    "reply-about": ("noun", "items", "values", "asked", "year", "tags", "people", "text"),
}


def _reply(task: str, kind: str) -> Variables:
    """What a sentence of this kind in a reply is made of."""
    own = {"said": "the long one"} if task == "reply-ask" else {}
    return {"kind": kind, **{name: _GIVEN[name] for name in _TAKEN[task]}, **own}
