"""The stage `slate` of the path: who is asking and what the settings say, brought to the choice of places."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from agent.parts.parts import Parts
from agent.path.ranker import Order, Place
from agent.people.person import Person
from agent.recall.where import Where
from agent.sections import SlateSettings
from agent.slate.choosing import EXPLORATION, EXPLORED, Choice, Pool, choose
from agent.slate.exploring import drawn_affinity, lot_of
from agent.slate.making import SLATE
from agent.slate.rules import caps_of
from agent.slate.terms import Floats
from agent.types import Degradation, Item, Step


def arranged(
    parts: Parts, person: Person, ranked: Order, *, k: int, wish: str | None = None, where: Where | None = None
) -> Order:
    """The k places of the slate, from candidates as ranked; where rules leave fewer, it says which.

    Nothing that the person has seen or disliked, or that does not pass the filter, has a place. Scores stay the
    ranker's, and each path tells what every knob in use had in the choice. Raises ConfigError where `slate.max_per`
    names a field that no item has.
    """
    knobs = parts.settings.slate
    caps = caps_of(knobs.max_per)
    for cap in caps:
        parts.fresh_index.check(cap.asks)
    barred = person.profile.seen | {reaction.item_id for reaction in person.profile.disliked}
    open_ = [p for p in ranked.places if p.item.item_id not in barred and (where is None or where.matches(p.item))]
    chosen = choose(pool_of(parts, person, open_, knobs, wish), knobs, k, caps)
    places = [_placed(open_[one.at], one, rank, knobs) for rank, one in enumerate(chosen.choices, start=1)]
    short = _short(parts, k, len(places), len(open_), chosen.refused)
    return replace(ranked, places=tuple(places), degraded=(*ranked.degraded, *short))


def pool_of(
    parts: Parts, person: Person, places: Sequence[Place], knobs: SlateSettings, wish: str | None = None
) -> Pool:
    """The places as candidates, with what the knobs ask for. A wish goes before the interests: they are left out."""
    items = [place.item for place in places]
    return Pool(
        items,
        [place.score for place in places],
        interests=person.profile.interests if knobs.calibration and not wish else {},
        vectors=parts.fresh_index.vectors([item.item_id for item in items]) if knobs.diversity else {},
        popularity=_popularity(parts, items) if knobs.novelty else {},
        drawn=_drawn(parts, person, items, knobs.seed) if knobs.exploration and not wish else None,
    )


def _drawn(parts: Parts, person: Person, items: Sequence[Item], seed: int) -> Floats:
    user_id = person.profile.user_id
    interests = parts.folds.read(user_id, lambda fold, _: fold.interests(None))
    return drawn_affinity(interests, items, lot_of(seed, user_id, person.events))


def _popularity(parts: Parts, items: Sequence[Item]) -> Mapping[str, float]:
    """What the items say of it; where none of them does, how many people took each up, as far as that was learned."""
    said = {item.item_id: item.popularity for item in items if item.popularity is not None}
    if said or parts.collaborative is None:
        return said
    learned = parts.collaborative.learned
    return {i.item_id: float(learned.counts[n]) for i in items if (n := learned.place.get(i.item_id)) is not None}


def _placed(place: Place, choice: Choice, rank: int, knobs: SlateSettings) -> Place:
    """The place with the steps of its choice; without any knob the ranker's path tells all."""
    if not (knobs.calibration or knobs.diversity or knobs.novelty or knobs.exploration):
        return place
    names = {name: EXPLORED if name == EXPLORATION and choice.explored else name for name in choice.parts}
    steps = [Step(stage=SLATE, source=names[name], score=value) for name, value in choice.parts.items()]
    return replace(place, path=(*place.path, *steps, Step(stage=SLATE, source=SLATE, score=choice.gain, rank=rank)))


def _short(parts: Parts, k: int, given: int, n: int, refused: Mapping[str, int]) -> tuple[Degradation, ...]:
    """What to say where rules leave fewer than k; nothing where the catalogue holds no more, or no place is filled.

    A slate that a filter leaves empty speaks for itself; one that caps leave empty does not.
    """
    if given >= k:
        return ()
    if refused:
        rules = ", ".join(refused)
        reason = f"{given} of {k} places: {rules} kept the rest of {n} candidates out; recall.n_candidates finds more"
    elif 0 < given < parts.store.count_items():
        reason = f"{given} of {k} places: no other item is unseen, not disliked and passes the filter"
    else:
        return ()
    return (Degradation(stage=SLATE, reason=reason),)
