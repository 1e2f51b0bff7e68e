"""Grounded sentences built from reasons: which reason each item of a slate gives, in which words, weighed by a model.

The wording lives in `prompts/<language>/rationale-compose.j2`. Pure but for the model that may be asked to choose.
"""

from __future__ import annotations

import re
import zlib
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from agent.deadline import Deadline
from agent.explain.chinese import in_chinese
from agent.explain.evidence import Reason
from agent.explain.facts import PEOPLE, Fact, called
from agent.explain.person import Cited
from agent.explain.words import spelled, stems
from agent.llm.base import Model
from prompts import Prompt

MAX_SCORED = 10  # variants that a model reads for one slate: half a second on two cores with a small model
MAX_VARIANTS = 4
MAX_WORDS = 32
_OPENING_WORDS = 2
# How much less a reason says when the slate has said it already: the same liked item, kind or fact once more.
_REPEATED_ITEM, _REPEATED_KIND, _REPEATED_FACT = 0.55, 0.75, 0.8
# What a repeated opening costs a variant, in nats per token: more than wordings usually differ by.
_REPEATED_OPENING = 0.7


@dataclass(frozen=True, slots=True)
class Variant:
    """One way to tell a reason. `frame` names the wording; two variants of one frame differ in names only."""

    frame: str
    sentence: str

    @property
    def opening(self) -> str:
        """The first words, by which two sentences in a row sound alike."""
        words = self.sentence.casefold().split()
        return " ".join(words[:_OPENING_WORDS]) if len(words) > _OPENING_WORDS else self.sentence[:2]


def display(fact: Fact, language: str) -> str:
    """How a sentence in this language spells a fact: common tags small in English, known names in Chinese."""
    if language == "zh" and fact.role in ("tag", "country", "language"):
        return in_chinese(fact.value)
    return spelled(fact.value) if fact.role == "tag" else fact.value


def plan(choices: Sequence[Sequence[Reason]]) -> list[Reason]:
    """One reason for each item, in order: the most telling, rotated so that a slate does not say one thing throughout.

    A reason weighs less each time an earlier item of the slate cited the same liked item, kind or facts; the weights of
    the reasons themselves decide otherwise, so an item with one good reason keeps it. Ties go to the earlier reason.
    """
    used: Counter[str] = Counter()
    chosen = []
    for reasons in choices:
        best = max(reasons, key=lambda reason: _fresh_weight(reason, used))
        used.update(_marks(best))
        chosen.append(best)
    return chosen


def variants_of(reason: Reason, prompt: Prompt, language: str, noun: str) -> list[Variant]:
    """Every wording of a reason, in the order of the prompt file; wordings that run too long go when shorter exist.

    Raises PromptError as `Prompt.candidate` does.
    """
    lines = prompt.candidate(**_variables(reason, language, noun)).splitlines()
    pairs = [line.split(": ", 1) for line in lines if ": " in line]
    variants = [Variant(frame.strip(), sentence.strip()) for frame, sentence in pairs]
    return [v for v in variants if len(v.sentence.split()) <= MAX_WORDS] or variants[:1]


def share_out(pools: Sequence[Sequence[Variant]], salt: str = "") -> list[list[Variant]]:
    """For each item a few variants of its own, such that no frame stands with two items while others remain.

    The salt (any text) turns the starting point, so that two people's slates do not begin alike; equal salts share out
    alike. Each item with a non-empty pool gets at least one variant and at most four.
    """
    holders: defaultdict[str, list[int]] = defaultdict(list)
    for index, pool in enumerate(pools):
        for variant in pool:
            holders[variant.frame].append(index)
    turn = zlib.crc32(salt.encode("utf-8", "replace"))
    frames = sorted(holders, key=lambda frame: (len(holders[frame]), zlib.crc32(f"{turn} {frame}".encode())))
    given: list[list[Variant]] = [[] for _ in pools]
    most = max(1, min(MAX_VARIANTS, MAX_SCORED // max(1, len(pools))))
    for frame in frames:
        taker = min(holders[frame], key=lambda index: (len(given[index]), index))
        if len(given[taker]) < most:
            given[taker] += [v for v in pools[taker] if v.frame == frame]
    for index, pool in enumerate(pools):
        if pool and not given[index]:
            given[index].append(pool[(turn + index) % len(pool)])
    return given


def weigh(groups: Sequence[Sequence[Variant]], model: Model, prompt: Prompt, deadline: Deadline) -> dict[str, float]:
    """The model's mean log-probability per token of each sentence that has a rival, by sentence; one call.

    Raises ModelError and PromptError as the model does.
    """
    sentences = list(dict.fromkeys(v.sentence for group in groups if len(group) > 1 for v in group))
    if not sentences:
        return {}
    scores = model.score(prompt.prefix(), [prompt.candidate(sentence=text) for text in sentences], deadline)
    return {text: score.logprob / max(1, score.tokens) for text, score in zip(sentences, scores, strict=True)}


def pick(groups: Sequence[Sequence[Variant]], weights: Mapping[str, float]) -> list[Variant]:
    """One variant of each group, in order: the heaviest, where an opening heard before counts against it.

    Without weights the first of each group whose opening is least worn. Raises ValueError on an empty group.
    """
    heard: Counter[str] = Counter()
    chosen = []
    for group in groups:
        best = max(group, key=lambda v: weights.get(v.sentence, 0.0) - _REPEATED_OPENING * heard[v.opening])
        heard[best.opening] += 1
        chosen.append(best)
    return chosen


def _fresh_weight(reason: Reason, used: Counter[str]) -> float:
    weight = reason.weight
    for mark in _marks(reason):
        factor = {"i": _REPEATED_ITEM, "k": _REPEATED_KIND, "f": _REPEATED_FACT}[mark[0]]
        weight *= factor ** used[mark]
    return weight


def _marks(reason: Reason) -> list[str]:
    cited = {f"i {c.item.item_id}" for c in reason.cited}
    return [f"k {reason.kind}", *sorted(cited), *(f"f {fact.role} {fact.value}" for fact in reason.facts[:1])]


def _variables(reason: Reason, language: str, noun: str) -> dict[str, object]:
    """What the wording may print. People, tags and years are sorted out of the facts."""
    people = [fact.value for fact in reason.facts if fact.role in PEOPLE]
    tags = [display(fact, language) for fact in reason.facts if fact.role == "tag"]
    year = next((int(fact.value) for fact in reason.facts if fact.role == "year"), None)
    first = reason.facts[0] if reason.facts else None
    return {
        "kind": reason.kind,
        "role": first.role if first else "",
        "people": people,
        "tags": tags,
        "cited": [shown(cited) for cited in reason.cited],
        "asked": list(reason.asked),
        "verbatim": bool(tags) and [stems(word) for word in reason.asked] == [stems(f.value) for f in reason.facts],
        "value": display(first, language) if first else "",
        "label": _label(first.ref) if first else "",
        "year": year,
        "decade": year // 10 * 10 if year is not None else None,
        "usual": display(reason.usual, language) if reason.usual else "",
        "standing": reason.standing,
        "noun": noun,
    }


def shown(cited: Cited) -> dict[str, object]:
    """A cited item as the prompts know it: title, year, act and rating."""
    title, year = called(cited.item)
    return {"title": title, "year": year, "act": cited.act, "rating": cited.rating}


def _label(ref: str) -> str:
    """A field's name as plain words: `rightsHolder` and `rights_holder` give `rights holder`."""
    return re.sub(r"[\W_]+", " ", re.sub(r"(?<=[a-z])(?=[A-Z])", " ", ref)).strip().lower() or ref
