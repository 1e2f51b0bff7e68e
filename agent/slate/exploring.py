"""Exploration by posterior sampling: how much better candidates look to one draw of what a person may like. Pure.

A draw is the more likely to differ the less is known (Thompson 1933; Chapelle and Li, NIPS 2011), and what the person
then does settles it.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

import numpy as np

from agent.profile.interests import Interests
from agent.slate.terms import Floats
from agent.types import Event, Item


def drawn_affinity(interests: Interests, items: Sequence[Item], lot: np.random.Generator) -> Floats:
    """How much more of an affinity each item has in a draw from the interests than is expected; 0 on average.

    An item's affinity is the mean over its tags of theta_t / prior_t, how many times as often they come up with the
    person as in the prior. The draw is one for all items. 0 for items without known tags.
    """
    posterior = interests.posterior
    means, drawn = posterior.means, posterior.drawn(lot)
    prior = dict(zip(posterior.tags, map(float, interests.prior), strict=True))
    more = {tag: (drawn[tag] - means.get(tag, 0.0)) / prior[tag] for tag in drawn if prior[tag] > 0}
    return np.array([_mean([more.get(tag, 0.0) for tag in dict.fromkeys(item.tags)]) for item in items])


def lot_of(seed: int, user_id: str, events: Sequence[Event]) -> np.random.Generator:
    """What is drawn with: always alike for a person as long as they do nothing new, and for equal seeds."""
    newest = events[-1].event_id if events else ""
    told = "\x1f".join((str(seed), user_id, str(len(events)), newest))
    return np.random.default_rng(int.from_bytes(hashlib.sha256(told.encode()).digest()[:16]))


def _mean(values: Sequence[float]) -> float:
    return sum(values) / len(values) if values else 0.0
