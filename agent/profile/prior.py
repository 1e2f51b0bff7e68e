"""Interests before anything is known of a person: the shares of tags in the catalogue and in what all like. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping

from agent.types import Item

CATALOGUE_WORTH = 500.0  # how many likes of all people the catalogue's own shares are worth


def prior_of(rates: Mapping[str, float]) -> Mapping[str, float]:
    """Tag rates as shares that sum to 1; empty for none."""
    total = sum(rates.values())
    return {tag: rate / total for tag, rate in rates.items()} if total else {}


def liked_shares(liked: Iterable[Item]) -> Mapping[str, float]:
    """How many likes fall to each tag, items shared out evenly among theirs; an item comes as often as it is liked."""
    found: Counter[str] = Counter()
    for item, count in Counter(item.tags for item in liked).items():
        for tag in dict.fromkeys(item):
            found[tag] += count / len(set(item))  # type: ignore[assignment]  # Counter holds any number
    return dict(found)


def crowd_prior(prior: Mapping[str, float], likes: Mapping[str, float]) -> Mapping[str, float]:
    """The prior moved towards what people like, tag by tag (see `liked_shares`), the further the more likes there are.

    One person's likes alone move it little, so that their own past hardly counts twice. Tags of the prior only.
    """
    return prior_of({tag: CATALOGUE_WORTH * share + likes.get(tag, 0.0) for tag, share in prior.items()})
