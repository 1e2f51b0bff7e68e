"""The posterior's hyperparameters fitted on some people: by log-loss first, then steadiness by coverage. Pure."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

from agent.profile.evidence import Hyperparameters
from eval.interests.calibrating import steadiest
from eval.interests.predicting import by_frequency, by_posterior, log_loss
from eval.interests.timelines import Question, Timeline

GRID: Mapping[str, Sequence[float]] = {
    "concentration": (2.5, 5, 10, 20, 40, 80),
    "chosen": (0, 0.15, 0.3, 0.5),
    "against": (0, 0.15, 0.3, 0.6),
    "half_life_days": (30, 90, 180, 365, 3_650),
}
"""What is tried, one after another, each with the best of the others so far. `burst` is a judgement and not fitted."""

STEADINESS = (25.0, 50.0, 100.0, 200.0, 400.0, 1e9)
ADDED = (0.01, 0.03, 0.1, 0.3, 1.0, 3.0)
N_STEPS = sum(map(len, GRID.values()))


@dataclass(frozen=True)
class Fitted:
    """The hyperparameters of the least log-loss, that `loss` in nats, and the addend that serves frequencies best."""

    given: Hyperparameters
    loss: float
    added: float


def fit(
    timelines: Sequence[Timeline],
    questions: Sequence[Question],
    prior: Mapping[str, float],
    seed: int,
    progress: Callable[[int, int], None] | None = None,
) -> Fitted:
    """What suits these people best, beginning with what is shipped; ties go to what was tried first.

    `progress(done, of)` hears of every step.
    """
    best = Hyperparameters()
    least = _loss(timelines, questions, prior, best)
    done = 0
    for name, values in GRID.items():
        for value in values:
            tried = replace(best, **{name: float(value)})
            loss = _loss(timelines, questions, prior, tried) if tried != best else least
            best, least = (tried, loss) if loss < least else (best, least)
            done += 1
            if progress:
                progress(done, N_STEPS)
    tags = {tag: place for place, tag in enumerate(prior)}
    added = min(ADDED, key=lambda one: log_loss(by_frequency(timelines, questions, tags, one), questions).mean())
    return Fitted(steadiest(timelines, prior, best, STEADINESS, seed), least, added)


def _loss(
    timelines: Sequence[Timeline], questions: Sequence[Question], prior: Mapping[str, float], given: Hyperparameters
) -> float:
    return float(log_loss(by_posterior(timelines, questions, prior, given), questions).mean())
