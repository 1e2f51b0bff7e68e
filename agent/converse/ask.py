"""The question that pays: of all that could be asked, the one whose answer is expected to tell most. Pure.

    gain = H(p) - sum over answers a of P(a) H(p | a)        in nats (Lindley 1956)

p(c) is how likely candidate c is the one wanted: the softmax of the blended scores. A person who wants c answers with
an option that c passes, among several one in proportion to their interest in it, and with probability `noise` any.
Who has no answer tells nothing, so the gain counts as often as people have one for such a field (`options.ANSWERED`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from operator import itemgetter

import numpy as np
from numpy.typing import NDArray

from agent.converse.options import ANSWERED, ANSWERED_ELSE, TAGS, Chosen, Field, fields_of
from agent.converse.state import Question, State
from agent.errors import ConfigError
from agent.language import Language
from agent.recall.where import parse_where
from agent.types import Item

Floats = NDArray[np.float64]

TEMPERATURE = 1.0  # the blend's weights are fitted as log odds, so its scores are taken as they are
NOISE = 0.1  # how often an answer is not what the person's item would have them say
MIN_GAIN_NATS = 0.4  # what an answer must be worth to be asked for; a fair choice of two is worth 0.69
MAX_OPTIONS = 5
_WORTH_AN_OPTION_NATS = 0.06  # an option that adds less is left out
_LEAST_LIKING = 0.01  # so that nothing is impossible only because nobody knows of an interest in it


def best_question(
    candidates: Sequence[tuple[Item, float]],
    interests: Mapping[str, float],
    state: State,
    *,
    threshold_nats: float = MIN_GAIN_NATS,
    temperature: float = TEMPERATURE,
    noise: float = NOISE,
) -> Question | None:
    """The question with the highest expected gain over the candidates and their blended scores.

    `interests` are shares by tag, as `Profile.interests`. None where no question gains `threshold_nats`, where one is
    pending, and for what was asked before or is constrained already.
    """
    if state.pending is not None:
        return None
    settled = {*state.asked, *_constrained(state)}
    asked = questions(candidates, interests, state.language, temperature=temperature, noise=noise)
    paying = (one for one in asked if one.name not in settled and one.gain_nats >= threshold_nats)
    return next(paying, None)


def questions(
    candidates: Sequence[tuple[Item, float]],
    interests: Mapping[str, float],
    language: Language = "en",
    *,
    temperature: float = TEMPERATURE,
    noise: float = NOISE,
) -> list[Question]:
    """Every question that these candidates answer differently, highest gain first, ties by name.

    One a field: tags, year, language, length, and any other whose values several candidates share. Its options, two to
    five, are chosen one after another, each where it adds most to the gain.
    """
    if len(candidates) < 2:
        return []
    shares = shares_of([score for _, score in candidates], temperature)
    belief = _Belief(shares, {tag.casefold(): share for tag, share in interests.items()}, noise)
    removed = frozenset(tag for tag, share in interests.items() if share == 0)
    fields = fields_of([item for item, _ in candidates], without=removed)
    found = [_question(field, belief, language) for field in fields]
    return sorted((one for one in found if one is not None), key=lambda one: (-one.gain_nats, one.name))


@dataclass(frozen=True)
class _Belief:
    """What is believed of the person: the share of each candidate, their interests by tag, and how answers err."""

    shares: Floats
    interests: Mapping[str, float]
    noise: float

    def gain(self, field: Field, chosen: Chosen) -> float:
        """The gain in nats expected of asking for a field with these options."""
        passes = field.passes(chosen)
        liking = [1.0] * passes.shape[1]
        if field.name == TAGS:
            liking[: len(chosen)] = [self.interests.get(str(value), 0.0) + _LEAST_LIKING for value in chosen]
        gain = expected_gain(self.shares, chances_of(passes, liking, self.noise))
        return gain * ANSWERED.get(field.name, ANSWERED_ELSE)


def shares_of(scores: Sequence[float], temperature: float = TEMPERATURE) -> Floats:
    """How likely each candidate is the one wanted: the softmax of the scores over the temperature, which is positive.

    Sums to 1; empty for none.
    """
    logits = np.asarray(scores, dtype=np.float64) / temperature
    raised = np.exp(logits - logits.max(initial=-np.inf)) if logits.size else logits
    return raised / raised.sum() if raised.size else raised


def chances_of(passes: NDArray[np.bool_], liking: Sequence[float], noise: float) -> Floats:
    """P(answer | candidate): a row a candidate, a column an option, rows summing to 1. `liking` is positive, an option.

    A candidate that passes no option says nothing: any answer is as likely.
    """
    n_options = passes.shape[1]
    drawn: Floats = np.where(passes, np.asarray(liking, dtype=np.float64), 0.0)
    drawn[~passes.any(axis=1)] = 1.0
    return np.asarray((1 - noise) * drawn / drawn.sum(axis=1, keepdims=True) + noise / n_options)


def expected_gain(shares: Floats, chances: Floats) -> float:
    """The mutual information of candidate and answer in nats: 0 where answers do not depend on it, at most log n.

    `shares` is P(candidate), `chances` P(answer | candidate), as `chances_of`.
    """
    joint = shares[:, None] * chances
    answers = joint.sum(axis=0)
    there = joint > 0
    ratios = np.log(np.where(there, chances, 1.0)) - np.log(np.where(there, answers[None, :], 1.0))
    return max(0.0, float((joint * ratios).sum()))


def _question(field: Field, belief: _Belief, language: Language) -> Question | None:
    """What could be asked of one field; None where there is no choice in it."""
    chosen, gain = Chosen(), 0.0
    while len(chosen) < MAX_OPTIONS - 1:
        wider = [(belief.gain(field, choice), choice) for choice in field.wider(chosen)]
        best = max(wider, key=itemgetter(0), default=(0.0, chosen))
        if best[0] < gain + _WORTH_AN_OPTION_NATS:
            break
        gain, chosen = best
    return Question(name=field.name, options=field.options(chosen, language), gain_nats=gain) if chosen else None


def _constrained(state: State) -> set[str]:
    """The fields that constraints speak of."""
    fields: set[str] = set()
    for constraint in state.constraints:
        try:
            fields |= {test.field for test in parse_where(constraint.test).tests}
        except ConfigError:  # a wish in words alone
            continue
    return fields
