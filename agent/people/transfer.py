"""Interests on one platform with what is known from a person's others, and learning how much of that counts."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, replace
from datetime import datetime
from itertools import permutations
from typing import TYPE_CHECKING

from agent.errors import NotFound
from agent.profile.fold import Fold, fold_of
from agent.profile.ledger import Background
from agent.profile.prior import prior_of
from agent.profile.transfer import Crossing, Transfer, carried, crossing_of, fit
from agent.recall.signals import tag_rates
from agent.types import Event, Item

if TYPE_CHECKING:
    from agent.parts.parts import Parts
    from agent.profile.interests import Interests
    from agent.store.store import Store

UNLEARNED = 10.0  # liked items' worth, where nothing was learned of two platforms (docs/platforms.md)
_TRANSFERS = "transfer between platforms"  # a note in the store

Transfers = Mapping[tuple[str, str], Transfer]


def interests_on(parts: Parts, user_id: str, platform: str, now: datetime | None = None) -> Interests:
    """A person's interests on one platform: by what they did there, against its own catalogue.

    What is known from their other platforms joins its prior, unless they keep their accounts apart. Raises NotFound
    for a platform without items.
    """
    backgrounds = {platform: background_on(parts, platform)}
    events = parts.folds.read(user_id, lambda fold, _: fold.events)
    by_platform = events_by_platform(events)
    items = {item.item_id: item for item in parts.store.items({e.item_id for e in events if e.item_id is not None})}
    others = [] if parts.store.identity_of(user_id).apart else [name for name in by_platform if name != platform]
    known = []
    for name in others:
        backgrounds[name] = _background(parts, name) or parts.background
        means = fold_of(user_id, by_platform[name], items, backgrounds[name]).interests(now).means
        known.append((means, kappa(parts, name, platform)))
    against = carried(backgrounds[platform], known)
    own = [*by_platform.get(platform, ()), *(e for e in events if e.text and e.item_id is None and not e.platform)]
    return fold_of(user_id, own, items, against).interests(now)


def kappa(parts: Parts, source: str, target: str) -> float:
    """How many liked items on one platform what is known from another is worth: as set, else as learned."""
    fixed = parts.settings.platforms.get(target, {}).get("transfer")
    if fixed is not None:
        return float(fixed)
    private = parts.settings.privacy.on  # what was fitted to people is never released
    learned = None if private else transfers(parts.store).get((source, target))
    return UNLEARNED if learned is None else learned.kappa


def transfers(store: Store) -> Transfers:
    """What was learned, by the platform that is known and the one it is carried over to; empty before that."""
    rows = json.loads(store.meta_get(_TRANSFERS) or "[]")
    return {(source, target): Transfer(**found) for source, target, found in rows}


def learn_transfer(parts: Parts) -> Transfers:
    """Learn, for each two platforms that enough people have both of, how much carries over, and keep it.

    Only sums are kept. Whoever keeps accounts apart, or is forgotten, has no part in it the next time.
    """
    found = dict(_learned(parts))
    rows = [(*pair, asdict(transfer)) for pair, transfer in found.items()]
    parts.store.meta_put(_TRANSFERS, json.dumps(rows))
    return found


def _learned(parts: Parts) -> Iterator[tuple[tuple[str, str], Transfer]]:
    if len({item.platform for item in parts.items if item.platform and item.tags}) < 2:
        return
    people = list(_people(parts.store))
    backgrounds = {name: _background(parts, name) for name in sorted({name for one in people for name in one})}
    known = {name: background for name, background in backgrounds.items() if background is not None}
    folds = [_folds(one, parts, known) for one in people]
    for source, target in permutations(known, 2):
        background = known[target]
        both = (one for one in folds if source in one and target in one)
        crossings = [
            c for c in (_crossing(one[source], one[target], parts, background) for one in both) if c is not None
        ]
        if transfer := fit(crossings, background.prior, background.given.concentration):
            yield (source, target), transfer


def _people(store: Store) -> Iterator[Mapping[str, list[Event]]]:
    """The events by platform of everyone who has two and does not keep them apart, linked accounts as one person."""
    for accounts in store.people():
        by_platform = events_by_platform(event for account in accounts for event in store.events_of(account))
        if len(by_platform) > 1 and not store.identity_of(accounts[0]).apart:
            yield by_platform


def events_by_platform(events: Iterable[Event]) -> dict[str, list[Event]]:
    """The events that name a platform, by it."""
    found: dict[str, list[Event]] = {}
    for event in events:
        if event.platform:
            found.setdefault(event.platform, []).append(event)
    return found


def _folds(one: Mapping[str, Sequence[Event]], parts: Parts, known: Mapping[str, Background]) -> dict[str, Fold]:
    ids = {event.item_id for events in one.values() for event in events if event.item_id is not None}
    items = {item.item_id: item for item in parts.store.items(ids)}
    return {name: fold_of("", events, items, known[name]) for name, events in one.items() if name in known}


def _crossing(source: Fold, target: Fold, parts: Parts, background: Background) -> Crossing | None:
    liked = [reaction.item_id for reaction in target.reactions if reaction.strength > 0]
    return crossing_of(source.interests().means, parts.store.items(liked), background.prior)


def background_on(parts: Parts, platform: str) -> Background:
    """What interests on a platform are seen against: the tags of its own items. Raises NotFound where it has none."""
    background = _background(parts, platform)
    if background is None:
        names = sorted({item.platform for item in parts.items if item.platform})
        hint = f"Platforms here: {', '.join(names)}" if names else "Load items with a platform: palate load --platform"
        raise NotFound(f"no item with a tag is on the platform {platform!r}", hint)
    return background


def _background(parts: Parts, platform: str) -> Background | None:
    items: list[Item] = [item for item in parts.items if item.platform == platform]
    prior = prior_of(tag_rates(items)) if items else {}
    return replace(parts.background, prior=prior) if prior else None
