"""What interests are seen against: the catalogue's tags, what all people take up, and how texts and items are read."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping
from dataclasses import replace

from agent.errors import ModelError
from agent.parts.parts import Parts
from agent.parts.releasing import released_likes
from agent.people.tagging import Tagger
from agent.profile.fold import fold_of
from agent.profile.ledger import Background
from agent.profile.platforms import weigh_by
from agent.profile.prior import crowd_prior, liked_shares, prior_of
from agent.profile.wording import TagReader
from agent.store.store import Store

_LIKED = "likes by tag"  # a note in the store


def background_of(parts: Parts) -> Background:
    """The prior of this catalogue, and readers of texts and items by the settings: by rule, or by the model.

    A model that cannot be opened is told of, and rules take its place.
    """
    prior = crowd_prior(prior_of(parts.tag_rates), _likes(parts))
    by_rule = Background(prior, read=TagReader(tuple(prior)), weigh=weigh_by(parts.settings.platforms))
    settings = parts.settings.interests
    if settings.texts == "named" and settings.items == "tags":
        return by_rule
    try:
        tagger = Tagger.on(parts.model, parts.cache, parts.settings, prior, parts.say)
    except ModelError as error:
        parts.say(f"interests are read without the model: {error}")
        return by_rule
    read = tagger.read if settings.texts == "model" else by_rule.read
    return replace(by_rule, read=read, spread=tagger.spread if settings.items == "model" else by_rule.spread)


def _likes(parts: Parts) -> Mapping[str, float]:
    """What all people like, tag by tag; with `privacy.epsilon` as it was released."""
    if parts.settings.privacy.on:
        return released_likes(parts.store)
    found: dict[str, float] = json.loads(parts.store.meta_get(_LIKED) or "{}")
    return found


def learn_prior(store: Store) -> int:
    """Keep what all people like, tag by tag, as part of everyone's prior from now on; how many likes there were.

    Nobody is named in it: only sums are kept. Whoever is forgotten leaves them when it is learned the next time.
    """
    counts: Counter[str] = Counter()
    for user_id in store.users():
        reactions = fold_of(user_id, store.events_of(user_id), {}).reactions
        counts.update(reaction.item_id for reaction in reactions if reaction.strength > 0)
    items = store.items(counts)
    liked = (item for item in items for _ in range(counts[item.item_id]))
    store.meta_put(_LIKED, json.dumps(liked_shares(liked)))
    return counts.total()
