"""People's pasts as the posterior sees them, and what it is asked: the tags of the next item they like. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import groupby
from operator import attrgetter

import numpy as np

from agent.errors import ConfigError
from agent.profile.evidence import CHOSEN, Floats, evenly
from agent.profile.fold import fold_of
from agent.profile.interests import Columns
from agent.profile.ledger import Background, Ledger
from agent.types import Event, Item, Reaction
from eval.chance import part_of

LENGTHS = (0, 1, 2, 5, 10, 20, 50, 100, 200)
"""How many acts lie before a question, at least; each person is asked once for every one of them they reach."""


@dataclass(frozen=True)
class Timeline:
    """What one person thinks of items that have tags, oldest first; `chosen` are the items they took up."""

    user_id: str
    reactions: Sequence[Reaction]
    items: Mapping[str, Item]
    chosen: frozenset[str]

    def columns(self, background: Background) -> Columns:
        """Their evidence, a row a reaction in the same order."""
        ledger = Ledger(background)
        for reaction in self.reactions:
            ledger.react(reaction, self.items[reaction.item_id], chosen=reaction.item_id in self.chosen)
        return ledger.columns

    @property
    def liked(self) -> list[int]:
        """The places of reactions to items they liked."""
        return [place for place, reaction in enumerate(self.reactions) if reaction.strength > 0]


@dataclass(frozen=True)
class Question:
    """The tags of the item that a person likes at `at` are asked for, from the `n` reactions before that moment.

    `wanted` is the item shared out evenly among its tags, by place in the catalogue's tags. `length` is the one of
    `LENGTHS` that it stands for.
    """

    who: int
    n: int
    length: int
    at: datetime
    wanted: Floats


def timelines_of(events: Iterable[Event], items: Mapping[str, Item], limit: int | None = None) -> list[Timeline]:
    """One timeline a person with anything to go by, from events that run person by person, oldest first."""
    found = []
    for user_id, theirs in groupby(events, key=attrgetter("user_id")):
        acts = list(theirs)
        reactions = [r for r in fold_of(user_id, acts, {}).reactions if r.item_id in items and items[r.item_id].tags]
        if reactions:
            chosen = frozenset(e.item_id for e in acts if e.item_id is not None and e.kind in CHOSEN)
            found.append(Timeline(user_id, reactions, items, chosen))
        if limit is not None and len(found) == limit:
            break
    return found


def halves(timelines: Sequence[Timeline], seed: int) -> tuple[list[Timeline], list[Timeline]]:
    """The people to fit on and those to report on, by a hash of their name. Raises ConfigError for too few people."""
    fit = [one for one in timelines if part_of(2, seed, "half", one.user_id) == 0]
    report = [one for one in timelines if part_of(2, seed, "half", one.user_id) == 1]
    if len(fit) < 2 or len(report) < 2:
        raise ConfigError(f"{len(timelines)} people with events cannot be halved", "Give data with more people")
    return fit, report


def questions_to(timelines: Sequence[Timeline], tags: Mapping[str, int]) -> list[Question]:
    """The questions, person by person: after so many acts as each of `LENGTHS`, the tags of what they like next.

    Only reactions strictly before the moment of the answer count as known: acts of the same second may be one page.
    """
    return [one for who, timeline in enumerate(timelines) for one in _questions(who, timeline, tags)]


def _questions(who: int, timeline: Timeline, tags: Mapping[str, int]) -> Iterator[Question]:
    at = [reaction.at for reaction in timeline.reactions]
    firsts = {moment: place for place, moment in reversed(list(enumerate(at)))}
    asked = 0
    for place in timeline.liked:
        n = firsts[at[place]]
        reached = sum(n >= length for length in LENGTHS)
        if reached > asked:
            asked = reached
            item = timeline.items[timeline.reactions[place].item_id]
            yield Question(who, n, LENGTHS[reached - 1], at[place], wanted_of(item, tags))


def wanted_of(item: Item, tags: Mapping[str, int]) -> Floats:
    """The item shared out evenly among its tags, by their places."""
    shares = np.zeros(len(tags))
    for tag, share in evenly(item):
        shares[tags[tag]] = share
    return shares
