"""What is learned from people under differential privacy: how many took each item up, and how likes fall to tags.

Neighbours, factors and what carries over between platforms are not released, and so not learned (docs/privacy.md).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from operator import attrgetter
from typing import TYPE_CHECKING

import numpy as np
from scipy.sparse import csr_matrix

from agent.learn.acts import POPULARITY, taken_up
from agent.learn.learned import Learned
from agent.learn.neighbours import Neighbours
from agent.privacy.bounded import UNITS, bounded, likes_by_tag, people_by_item
from agent.privacy.ledger import Counts, Ledger, Question
from agent.profile.fold import fold_of
from agent.profile.platforms import weigh_by
from agent.types import Event, Item

if TYPE_CHECKING:
    from agent.parts.parts import Parts
    from agent.sections import Settings
    from agent.store.store import Store

LIKES = "likes by tag"

People = Sequence[tuple[str, Sequence[Event]]]
"""What tells one person's lot from another's, and what they did, under all linked accounts, also those kept apart."""


def released(parts: Parts) -> Learned:
    """How many took each item up, with noise; likes by tag are released with it, and kept in the store.

    Raises ConfigError where the budget does not reach, and then nothing is released.
    """
    privacy, store = parts.settings.privacy, parts.store
    items = {item.item_id: item for item in parts.items}
    of = state_of(store, parts.settings)
    asked = questions(list(_people(parts)), items, privacy.max_items_per_person)
    book = Ledger(store).release(asked, epsilon=privacy.epsilon or 0.0, budget=privacy.budget, of=of)
    return learned_of(tuple(items), book.kept(POPULARITY))


def questions(people: People, items: Mapping[str, Item], most: int) -> list[Question]:
    """What is released of people: at most so many items of each count, for either question."""
    taken = [bounded((i for i in taken_up(events) if i in items), most, lot) for lot, events in people]
    liked = [bounded((i for i in _liked(events) if i in items), most, lot) for lot, events in people]
    return [
        Question(POPULARITY, people_by_item(taken, items), most),
        Question(LIKES, likes_by_tag(liked, items), most * UNITS),
    ]


def learned_of(items: tuple[str, ...], counts: Counts) -> Learned:
    """What noisy counts teach: how well known items are, those below 0 taken as 0; no neighbours and no factors."""
    known = np.array([max(0, counts.get(item_id, 0)) for item_id in items], dtype=np.int64)
    return Learned(items, known, Neighbours(csr_matrix((len(items), len(items)), dtype=np.float32)), None)


def released_likes(store: Store) -> dict[str, float]:
    """How many likes fall to each tag, as released last; none below 0, empty where nothing was."""
    return shares_of(Ledger(store).book.kept(LIKES))


def shares_of(counts: Counts) -> dict[str, float]:
    """Likes by tag from their noisy counts; none below 0."""
    return {tag: max(0, count) / UNITS for tag, count in counts.items()}


def state_of(store: Store, settings: Settings) -> str:
    """What changes whenever what people did, the catalogue, or what of it counts may have changed."""
    standing = store.standing_of()
    most, weights = settings.privacy.max_items_per_person, sorted(settings.platforms.items())
    return f"{standing.state} {standing.links} {store.count_events()} {most} {weights}"


def _people(parts: Parts) -> Iterator[tuple[str, list[Event]]]:
    weigh = weigh_by(parts.settings.platforms)
    for accounts in parts.store.people(whole=True):
        events = [event for account in accounts for event in parts.store.events_of(account) if weigh(event)]
        yield accounts[0], sorted(events, key=attrgetter("dated"))


def _liked(events: Sequence[Event]) -> list[str]:
    return [reaction.item_id for reaction in fold_of("", events, {}).reactions if reaction.strength > 0]
