"""A reader of plain commands in the place of one that understands people: `wish: a quiet film`, `loved: 2`."""

from __future__ import annotations

import re

from agent.converse.state import (
    Constraint,
    Feeling,
    Intent,
    Reference,
    State,
    Unclear,
    Understood,
)
from agent.language import language_of
from agent.types import EventKind

_FELT = {"loved": EventKind.LIKE, "hated": EventKind.DISLIKE, "seen": EventKind.VIEW}
_INTENTS = {
    "wish": "wish",
    "next": "wish",
    "only": "critique",
    "more": "critique",
    "ask": "about",
    "why": "why",
    "bye": "bye",
}


class Plain:
    """Reads `verb: words`, verbs joined by ` / `, anything else being talk.

    They are wish, next, only (a test), more (a soft test), loved, hated, seen, ask, why (places or ids), unclear (words
    | ids), skip and bye.
    """

    def read(self, message: str, state: State) -> Understood:
        """What the commands say."""
        found: dict[str, object] = {"intent": Intent.TALK}
        for part in message.split(" / "):
            verb, _, rest = part.partition(": ")
            self._take(verb, rest.strip(), state, found)
        if named := re.search(r'"(\w+)"|\(id (\w+)\)', message):
            found["items"] = (Reference(item_id=named[1] or named[2], said=named[0], how="title"),)
        intent = found["intent"]
        language = language_of(message.partition(": ")[2]) or state.language
        return Understood.model_validate({"message": message, "language": language, "intents": {intent: 1.0}, **found})

    def _take(self, verb: str, rest: str, state: State, found: dict[str, object]) -> None:
        if verb in _INTENTS and found["intent"] is Intent.TALK:
            found["intent"] = Intent(_INTENTS[verb])
        if verb == "wish":
            found["wish"] = rest
        elif verb in ("only", "more"):
            held = found.get("constraints", ())
            test, _, said = rest.partition(" | ")
            one = Constraint(test=test, said=said or test, hard=verb == "only")
            found["constraints"] = (*held, one)  # type: ignore[misc]
        elif verb in _FELT:
            found["intent"] = Intent.REACTION
            items = _items(rest, state)
            found["items"] = items
            found["feelings"] = tuple(Feeling(item_id=one.item_id, kind=_FELT[verb]) for one in items)
        elif verb in ("ask", "why"):
            found["items"] = _items(rest, state)
        elif verb == "unclear":
            said, _, ids = rest.partition(" | ")
            found["unclear"] = (Unclear(said=said, choices=tuple(ids.split())),)
        elif verb == "skip":
            found["skips"] = True
        elif verb.isdecimal():
            found["items"] = _items(verb, state)


def _items(rest: str, state: State) -> tuple[Reference, ...]:
    """Places of the slate or item ids, as far as they go; other words are left out."""
    found = []
    for word in rest.split():
        if word.isdecimal() and 0 < int(word) <= len(state.slate):
            found.append(Reference(item_id=state.slate[int(word) - 1], said=word, how="place"))
        elif re.fullmatch(r"f\d\d", word):
            found.append(Reference(item_id=word, said=word, how="title"))
        elif word == "it" and state.focus:
            found.append(Reference(item_id=state.focus, said=word, how="focus"))
    return tuple(found)
