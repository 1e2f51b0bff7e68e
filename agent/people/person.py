"""Who is asking: a person's events, the profile folded from them, and what their likes weigh now."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cached_property
from operator import attrgetter

from agent.learn.acts import taken_up
from agent.parts.parts import Parts
from agent.path.ranker import Taste
from agent.profile.corrections import heeded
from agent.profile.fold import Fold, profile_from
from agent.profile.ledger import Background
from agent.profile.platforms import Weigh, alike
from agent.profile.taste import Pace, paced_weights, recency_weights
from agent.sections import ProfileSettings
from agent.types import Event, EventKind, Item, Profile


@dataclass(frozen=True)
class Person:
    """Someone's events, oldest first, the profile folded from them, and the items they speak of that are known.

    Without a `pace`, their acts have an order but no times. `weigh` tells what an event counts.
    """

    events: Sequence[Event]
    profile: Profile
    known: Mapping[str, Item]
    pace: Pace | None = None
    weigh: Weigh = alike

    @classmethod
    def of(
        cls, user_id: str, events: Sequence[Event], known: Mapping[str, Item], background: Background | None = None
    ) -> Person:
        """The person whose events these are, in any order; their interests are seen against the background."""
        ordered = sorted(events, key=attrgetter("dated"))
        return cls(ordered, profile_from(user_id, events, known, background), known)

    @cached_property
    def taste(self) -> Taste:
        """What ranking and recall need to know of them."""
        profile = heeded(self.profile, self.known)
        liked = [r for r in profile.liked if r.item_id in self.known]
        strengths = [r.strength for r in liked]
        weights = (
            recency_weights(strengths)
            if self.pace is None
            else paced_weights([r.at for r in liked], strengths, (e.at for e in reversed(self.events)), self.pace)
        )
        return Taste(
            [self.known[r.item_id] for r in liked],
            strengths,
            [self.known[r.item_id] for r in profile.disliked if r.item_id in self.known],
            profile.pinned,
            [float(weight) for weight in weights],
            self._met(profile),
        )

    def _met(self, profile: Profile) -> list[str]:
        """What they took up, each at its first place, without what they disliked."""
        avoided = {reaction.item_id for reaction in profile.disliked}
        counted = self.events if self.weigh is alike else [event for event in self.events if self.weigh(event)]
        return [item_id for item_id in dict.fromkeys(taken_up(counted)) if item_id not in avoided]

    def wish(self, now: str | None) -> str | None:
        """What they ask for now; without that, and with nothing liked to go by, the last wish they stated."""
        last = self.profile.wishes[-1].text if self.profile.wishes and not self.profile.liked else None
        return said(now) or said(last)


def person_of(parts: Parts, user_id: str, now: datetime | None = None) -> Person:
    """The person as their events tell at a moment, by default that of the newest; empty where there are none."""
    settings = parts.settings.profile

    def read(fold: Fold, known: Mapping[str, Item]) -> Person:
        """The person of a fold."""
        moment = now or (fold.newest.at if fold.newest else None)
        pace = _pace(settings, moment) if moment else None
        return Person(fold.events, fold.profile(), dict(known), pace, parts.background.weigh)

    return parts.folds.read(user_id, read)


def _pace(settings: ProfileSettings, now: datetime) -> Pace:
    gap = timedelta(minutes=settings.session_gap_minutes)
    return Pace(now, timedelta(days=settings.half_life_days), gap, settings.session_weight)


def person_with(history: Sequence[Item]) -> Person:
    """Someone of whom only liked items are known, oldest first; their events are `history-1`, `history-2`, ..."""
    start = datetime.fromtimestamp(0, UTC)
    events = [
        Event(
            event_id=f"history-{n}",
            user_id="history",
            kind=EventKind.LIKE,
            item_id=item.item_id,
            at=start + timedelta(seconds=n),
        )
        for n, item in enumerate(history, start=1)
    ]
    return Person.of("history", events, {item.item_id: item for item in history})


def said(wish: str | None) -> str | None:
    """A wish in words, trimmed; None where there are none."""
    return (wish or "").strip() or None
