"""Predictions of the next liked item's tags, by the posterior and by what it must beat, and their log-loss. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from agent.profile.evidence import Floats, Hyperparameters
from agent.profile.interests import interests_in
from agent.profile.ledger import Background
from agent.profile.posterior import Posterior
from eval.interests.timelines import Question, Timeline, wanted_of

LEAST = 0.01
"""What raw frequencies add to each tag's count: next to nothing, so that a tag never met is not impossible."""


def log_loss(predicted: Floats, questions: Sequence[Question]) -> Floats:
    """For each question the mean over the item's tags of -log(predicted share), in nats. A row of shares a question."""
    wanted = np.stack([question.wanted for question in questions])
    return np.asarray(-(wanted * np.log(predicted)).sum(axis=1))


def by_posterior(
    timelines: Sequence[Timeline], questions: Sequence[Question], prior: Mapping[str, float], given: Hyperparameters
) -> Floats:
    """The posterior's means before each question, by the product's own code; tags in the order of the prior."""
    background = Background(prior, given=given)
    columns = [timeline.columns(background) for timeline in timelines]
    alphas = [
        interests_in(columns[question.who].first(question.n), (), prior, given, question.at).posterior.alpha
        for question in questions
    ]
    return np.stack([alpha / alpha.sum() for alpha in alphas])


def posterior_at(timeline: Timeline, n: int, prior: Mapping[str, float], given: Hyperparameters) -> Posterior:
    """The posterior of one person at the moment of their reaction `n`, from the reactions before it in their order."""
    columns = timeline.columns(Background(prior, given=given)).first(n)
    return interests_in(columns, (), prior, given, timeline.reactions[n].at).posterior


def by_frequency(
    timelines: Sequence[Timeline], questions: Sequence[Question], tags: Mapping[str, int], added: float = LEAST
) -> Floats:
    """How often each tag stood on what the person liked before, items shared out evenly, plus `added` for each tag."""
    sums = [_sums(timeline, tags) for timeline in timelines]
    counts = np.stack([sums[question.who][question.n] for question in questions]) + added
    return np.asarray(counts / counts.sum(axis=1, keepdims=True))


def by_shares(shares: Floats, questions: Sequence[Question]) -> Floats:
    """The same shares for everyone."""
    return np.tile(shares / shares.sum(), (len(questions), 1))


def everyones(timelines: Sequence[Timeline], tags: Mapping[str, int]) -> Floats:
    """The shares of tags in what these people liked, all together, and as much of each tag as `LEAST` says."""
    return np.asarray(sum((_sums(timeline, tags)[-1] for timeline in timelines), np.full(len(tags), LEAST)))


def _sums(timeline: Timeline, tags: Mapping[str, int]) -> Floats:
    """How much of each tag was liked before each reaction, and after all: one row more than reactions."""
    rows = np.zeros((len(timeline.reactions) + 1, len(tags)))
    for place in timeline.liked:
        rows[place + 1] = wanted_of(timeline.items[timeline.reactions[place].item_id], tags)
    return np.cumsum(rows, axis=0)
