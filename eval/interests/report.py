"""The figures on the interest posterior: log-loss beside what it must beat, and coverage by level."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass

import numpy as np

from agent.errors import ConfigError
from agent.profile.evidence import Floats, Hyperparameters
from agent.profile.prior import crowd_prior, liked_shares, prior_of
from agent.recall.signals import tag_rates
from agent.types import Item
from eval.cases import DataSet
from eval.interests.calibrating import LEVELS, coverage, outcomes
from eval.interests.fitting import Fitted, fit
from eval.interests.predicting import LEAST, by_frequency, by_posterior, by_shares, everyones, log_loss
from eval.interests.timelines import LENGTHS, Question, Timeline, halves, questions_to, timelines_of
from eval.statistics import Difference, Estimate, difference, estimate, holm

POSTERIOR, ALONE, FITTED = "posterior", "catalogue prior", "fitted here"
METHOD = {
    POSTERIOR: "as shipped, its prior moved by what the people of the fitting half liked, as palate learn does",
    ALONE: "the posterior with the catalogue's shares as its prior, as it is before palate learn",
    FITTED: "the posterior with hyperparameters fitted on the fitting half of these people",
    "question": "the tags of the next liked item, from what the person did strictly before, after 0, 1, 2, 5, ... acts",
    "log_loss": "mean over the item's tags of -ln(predicted share), in nats; smaller is better",
    "frequencies": f"share of each tag in what the person liked, plus {LEAST:g} for each tag so that it is finite",
    "smoothed": "the same with the addend that serves the people of the fitting half best",
    "catalogue": "the share of each tag among all items",
    "everyone": "the share of each tag in what the people of the fitting half liked",
    "coverage": "of how many of a person's held-out liked items (last fifth, at least 10) are about a tag, one tag"
    " drawn for each item, by the Beta-binomial of the posterior; non-randomised PIT (Czado et al. 2009)",
    "halves": "people by a hash of their name: fitted on one half, reported on the other; intervals over people",
}


@dataclass(frozen=True)
class System:
    """One way to predict: its log-loss over the questions, and by how many acts lay before them."""

    name: str
    loss: Estimate
    by_length: Mapping[int, float]


@dataclass(frozen=True)
class Report:
    """What was found on the people who were not fitted on. `comparisons` hold the posterior less each other system."""

    dataset: DataSet
    people: Mapping[str, int]
    n_questions: Mapping[int, int]
    systems: Sequence[System]
    comparisons: Mapping[str, Difference]
    coverage: Mapping[str, Mapping[str, Sequence[Estimate]]]
    fitted: Fitted
    shipped: Hyperparameters
    seed: int

    @property
    def p_holm(self) -> Mapping[str, float]:
        """The p of each comparison, corrected for all of them."""
        return dict(zip(self.comparisons, holm([found.p for found in self.comparisons.values()]), strict=True))

    def as_json(self) -> dict[str, object]:
        """The documented JSON shape of `palate eval interests --json`."""
        return {
            "dataset": {"name": self.dataset.name, "sha256": self.dataset.sha256, "n_items": len(self.dataset.items)},
            "seed": self.seed,
            "people": dict(self.people),
            "questions": {str(length): n for length, n in self.n_questions.items()},
            "systems": [
                {"system": one.name, "log_loss": asdict(one.loss), "by_length": _keyed(one.by_length)}
                for one in self.systems
            ],
            "comparisons": [
                {"system": POSTERIOR, "against": name, "log_loss": {**asdict(found), "p_holm": self.p_holm[name]}}
                for name, found in self.comparisons.items()
            ],
            "levels": list(LEVELS),
            "coverage": {
                name: {band: [asdict(one) for one in found] for band, found in bands.items()}
                for name, bands in self.coverage.items()
            },
            "shipped": asdict(self.shipped),
            "fitted": {**asdict(self.fitted.given), "added": self.fitted.added},
            "method": METHOD,
        }


def measured(
    dataset: DataSet, *, seed: int, limit: int | None = None, progress: Callable[[int, int], None] | None = None
) -> Report:
    """The report on a data set with events. Raises ConfigError where it has no events, no tags, or too few people."""
    prior = prior_of(tag_rates(dataset.items.values()))
    if not prior:
        raise ConfigError(f"no item of {dataset.name} has tags", "Interests are measured in tags: give items some")
    timelines = timelines_of(dataset.past.events(), dataset.items, limit)
    if not timelines:
        raise ConfigError(f"{dataset.name} tells nothing of what people did", "Give it an events.jsonl.gz")
    learn, judge = halves(timelines, seed)
    tags = {tag: place for place, tag in enumerate(prior)}
    asked, questions = questions_to(learn, tags), questions_to(judge, tags)
    if not asked or not questions:
        raise ConfigError(f"nobody in {dataset.name} likes anything", "Give it likes or ratings above the middle")
    crowd = crowd_prior(prior, liked_shares(_liked(learn)))
    fitted = fit(learn, asked, crowd, seed, progress)
    losses = _losses(judge, questions, (prior, crowd), fitted, everyones(learn, tags))
    shipped = Hyperparameters()
    sure = {POSTERIOR: shipped, FITTED: fitted.given}
    return Report(
        dataset,
        {"fitted_on": len(learn), "reported_on": len(judge)},
        {length: sum(q.length == length for q in questions) for length in LENGTHS},
        [_system(name, loss, judge, questions) for name, loss in losses.items()],
        {name: _compared(losses[POSTERIOR], loss, questions) for name, loss in losses.items() if name != POSTERIOR},
        {name: coverage(outcomes(judge, crowd, given, seed)) for name, given in sure.items()},
        fitted,
        shipped,
        seed,
    )


def _liked(timelines: Sequence[Timeline]) -> Iterator[Item]:
    return (one.items[one.reactions[place].item_id] for one in timelines for place in one.liked)


def _losses(
    judge: Sequence[Timeline],
    questions: Sequence[Question],
    priors: tuple[Mapping[str, float], Mapping[str, float]],
    fitted: Fitted,
    everyone: Floats,
) -> dict[str, Floats]:
    catalogue, crowd = priors
    tags, shipped = {tag: place for place, tag in enumerate(catalogue)}, Hyperparameters()
    predicted = {
        POSTERIOR: by_posterior(judge, questions, crowd, shipped),
        ALONE: by_posterior(judge, questions, catalogue, shipped),
        FITTED: by_posterior(judge, questions, crowd, fitted.given),
        "frequencies": by_frequency(judge, questions, tags),
        "smoothed": by_frequency(judge, questions, tags, fitted.added),
        "catalogue": by_shares(np.array(list(catalogue.values())), questions),
        "everyone": by_shares(everyone, questions),
    }
    return {name: log_loss(shares, questions) for name, shares in predicted.items()}


def _system(name: str, losses: Floats, judge: Sequence[Timeline], questions: Sequence[Question]) -> System:
    who = [judge[question.who].user_id for question in questions]
    by_length = {
        length: float(losses[[q.length == length for q in questions]].mean())
        for length in LENGTHS
        if any(q.length == length for q in questions)
    }
    return System(name, estimate(list(losses), clusters=who), by_length)


def _compared(ours: Floats, theirs: Floats, questions: Sequence[Question]) -> Difference:
    return difference(list(ours), list(theirs), clusters=[question.who for question in questions])


def _keyed(by_length: Mapping[int, float]) -> dict[str, float]:
    return {str(length): value for length, value in by_length.items()}
