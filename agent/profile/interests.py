"""A person's interests as a posterior over tags, P(theta | what they did, said and corrected). Pure.

    alpha_t = steady * (concentration * prior_t + sum over events of what is left of them for t)

Every pseudo-count keeps its event, so that each interest can be traced; docs/interests.md tells the model.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime

import numpy as np

from agent.profile.corrections import corrections_of, shares_of
from agent.profile.evidence import Floats, Hyperparameters, Places, exact_sums, kept
from agent.profile.posterior import Posterior
from agent.types import Event


@dataclass(frozen=True)
class Columns:
    """Evidence in columns: a row a piece of evidence, and below, a line for each tag that a row shares itself among.

    `tags` are names by place; `event_ids`, `at_s` (seconds since 1970), `toward` and `away` go by row; `row`, `tag` (a
    place) and `share` go by line.
    """

    tags: tuple[str, ...]
    event_ids: tuple[str, ...]
    at_s: Floats
    toward: Floats
    away: Floats
    row: Places
    tag: Places
    share: Floats

    def first(self, n: int) -> Columns:
        """The first n rows with their lines."""
        m = int(np.searchsorted(self.row, n))
        by_row = self.event_ids[:n], self.at_s[:n], self.toward[:n], self.away[:n]
        return Columns(self.tags, *by_row, self.row[:m], self.tag[:m], self.share[:m])


@dataclass(frozen=True, slots=True)
class Contribution:
    """What one event adds to one tag's pseudo-counts after all decay; `event_id` is None for the catalogue's part."""

    event_id: str | None
    tag: str
    amount: float


@dataclass(frozen=True)
class Interests:
    """The posterior over tags, with what it rests on and the person's own corrections by tag.

    `prior` goes by place, as alpha does; `counted` says how much of each row of evidence counts in alpha, 0 for a
    row that says nothing; `base` is the catalogue's part of alpha.
    """

    posterior: Posterior
    corrections: Mapping[str, Event]
    columns: Columns
    counted: Floats
    prior: Floats
    base: Floats

    @property
    def means(self) -> Mapping[str, float]:
        """See `Posterior.means`; empty where there is neither evidence nor a correction."""
        return self.posterior.means if self.counted.any() or self.corrections else {}

    @property
    def pinned(self) -> Mapping[str, float]:
        """The shares that the person set, as they set them; 0 for a tag they removed."""
        return shares_of(self.corrections)

    def contributions(self, tag: str) -> tuple[Contribution, ...]:
        """All that makes up the tag's alpha: the catalogue's part first, then events, newest first; none of amount 0.

        They sum to alpha also for a pinned tag, whose share does not follow from them. Empty for an unknown tag.
        """
        if tag not in self.posterior.tags:
            return ()
        place = self.posterior.tags.index(tag)
        base = Contribution(None, tag, float(self.base[place]))
        rows = sorted(self._parts(place), key=lambda part: (-part[0], part[1].event_id or ""))
        return tuple(part for part in (base, *(part for _, part in rows)) if part.amount)

    def _parts(self, place: int) -> Iterator[tuple[float, Contribution]]:
        """When each row of evidence was given, and its part in the tag at this place."""
        columns, own = self.columns, np.zeros(len(self.columns.event_ids))
        lines = columns.tag == place
        own[columns.row[lines]] = columns.share[lines]
        against = np.where(own > 0, 0.0, columns.away) * self.prior[place]
        amounts = self.counted * (columns.toward * own + against)
        tag = self.posterior.tags[place]
        for row in np.flatnonzero(amounts):
            yield float(columns.at_s[row]), Contribution(columns.event_ids[row], tag, float(amounts[row]))


def interests_in(
    columns: Columns,
    corrections: Iterable[Event],
    prior: Mapping[str, float],
    given: Hyperparameters,
    now: datetime | None = None,
) -> Interests:
    """The posterior at a moment, by default that of the newest evidence; the tags of the prior come first."""
    corrected = corrections_of(corrections)
    tags = tuple(dict.fromkeys((*columns.tags, *corrected)))
    shares = np.zeros(len(tags))
    shares[: len(prior)] = list(prior.values())
    newest = float(columns.at_s.max()) if len(columns.at_s) else 0.0
    left = kept(columns.at_s, columns.toward + columns.away, now.timestamp() if now else newest, given)
    base = given.concentration * shares
    whole = base + _counts(columns, left, shares)
    steady = 1 / (1 + math.fsum(whole) / given.steadiness)
    posterior = Posterior(tags, steady * whole, shares_of(corrected))
    counted = steady * np.where(columns.toward + columns.away > 0, left, 0.0)
    return Interests(posterior, corrected, columns, counted, shares, steady * base)


def _counts(columns: Columns, left: Floats, prior: Floats) -> Floats:
    """The pseudo-counts of all evidence by tag: for its own tags and, where it is against them, for all others."""
    away = left * columns.away
    own = exact_sums(columns.tag, (left * columns.toward)[columns.row] * columns.share, len(prior))
    spared = exact_sums(columns.tag, away[columns.row], len(prior))
    return np.asarray(own + prior * (exact_sums(np.zeros(len(away), dtype=np.int64), away, 1)[0] - spared))
