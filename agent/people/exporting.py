"""Everything stored about a person in one document, and what is made of it (docs/privacy.md)."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from agent.people.beside import told_beside
from agent.profile.identity import ON_ACCOUNTS
from agent.shapes import names_in, profile_json
from agent.store.stored import Turn
from agent.types import Event, EventKind, Slate

if TYPE_CHECKING:
    from agent.people.people import People

LAYOUT = 1
_ALL = 2**31 - 1  # turns


def exported(people: People, user_id: str) -> dict[str, Any]:
    """The document of one account; those linked with it are named, and have documents of their own."""
    store = people.parts.store
    events = store.events_of(user_id)
    taste, interests = people.profile(user_id), people.interests(user_id)
    return {
        "palate_export": LAYOUT,
        "user": user_id,
        "at": datetime.now(UTC).isoformat(timespec="seconds"),
        "events": _rows(event for event in events if event.kind not in (*ON_ACCOUNTS, EventKind.INTEREST)),
        "corrections": _rows(event for event in events if event.kind is EventKind.INTEREST),
        "links": _rows(event for event in events if event.kind in ON_ACCOUNTS),
        "said_by_others": _rows(event for event in store.told_of(user_id) if event.user_id != user_id),
        "accounts": list(people.identity(user_id).accounts),
        "conversations": _conversations(store.turns_of(user_id, limit=_ALL)),
        "beside": told_beside(people.parts.settings.folder, user_id),
        "profile": profile_json(taste, interests, names_in(people, taste)),
    }


def lines_of(document: dict[str, Any]) -> list[dict[str, Any]]:
    """What the person did and said, in order, as `palate load --events` reads it."""
    rows = [*document["events"], *document["corrections"], *document["links"]]
    return sorted(rows, key=lambda row: (row["at"], row["event_id"]))


def _rows(events: Iterable[Event]) -> list[dict[str, Any]]:
    return [event.model_dump(mode="json", exclude_none=True) for event in events]


def _conversations(turns: Iterable[Turn]) -> list[dict[str, Any]]:
    """Every conversation by the order of its first turn, each with its turns in order."""
    found: dict[str, list[dict[str, Any]]] = {}
    for turn in turns:
        found.setdefault(turn.conversation_id, []).append(_turn(turn))
    return [{"conversation_id": one, "turns": told} for one, told in found.items()]


def _turn(turn: Turn) -> dict[str, Any]:
    from agent.converse.kept import kept_in, spoken_of

    kept, spoken = kept_in(turn), spoken_of(turn)
    state = kept.state.model_dump(mode="json") if kept else None
    slate = None if spoken.slate is None else _slate(spoken.slate)
    return {"role": turn.role, "at": turn.at.isoformat(), "text": spoken.text, "slate": slate, "state": state}


def _slate(slate: Slate) -> dict[str, Any]:
    return {**slate.as_json(), "wish": slate.wish, "prompts": dict(slate.prompts)}
