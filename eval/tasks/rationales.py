"""How good rationales are, judged by the items alone: grounded, of known titles, varied, in the right language. Pure.

The checks are those of `agent.explain.grounding`, so no model judges another one.
"""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from math import comb
from typing import TYPE_CHECKING

from agent.explain.claims import blank, tags_in, titles_in
from agent.explain.facts import PEOPLE, called, facts_of
from agent.explain.grounding import Check, Grounds
from agent.explain.passages import Passage, Source, holding, passage, passages_of
from agent.explain.person import person_from
from agent.explain.words import CJK, LETTER, folded, stems, words_of
from agent.people.person import person_with
from agent.types import Item
from eval.statistics import UNIT, Ends, Estimate, estimate, mean

if TYPE_CHECKING:
    from eval.running.answers import Answer

GROUNDING, GROUNDED, TITLES, LANGUAGE = "grounding", "grounded", "titles_known", "language"
CLAIMS, UNSUPPORTED_TITLES = "claims", "unsupported_titles"
UNIQUE, COVERAGE, DIVERSITY = "unique_sentences", "feature_coverage", "feature_diversity"

PER_CASE = (GROUNDING, GROUNDED, TITLES, LANGUAGE)
LOWER_IS_BETTER = frozenset({UNSUPPORTED_TITLES, DIVERSITY})
OF_ALL = frozenset({UNIQUE, COVERAGE, DIVERSITY})  # figures of all sentences together, without an interval
FORMULAS = {
    GROUNDING: "claims that the item, the history or the wish bears out / claims made, in all sentences of a case; 1"
    " where none is made",
    GROUNDED: "sentences that claim nothing unknown / sentences of a case",
    TITLES: "sentences that name no unsupported title / sentences of a case",
    LANGUAGE: "sentences in the language asked for / sentences of a case; told by script, known titles left out",
    CLAIMS: "claims made / sentences, mean over cases",
    UNSUPPORTED_TITLES: "titles of the catalogue that are neither the item's nor the history's, and quotations that"
    " nothing holds / sentences, mean over cases",
    UNIQUE: "different sentences / sentences of all cases, mean over repeats (unique-sentence ratio, Li et al.,"
    " CIKM 2020)",
    COVERAGE: "tags and people named in any sentence / those of all items explained and all histories (feature coverage"
    " ratio, Li et al., CIKM 2020)",
    DIVERSITY: "mean over all pairs of sentences of the tags and people that both name (Li et al., CIKM 2020); lower is"
    " more varied",
}

MAX_TITLE_WORDS = 8
Feature = tuple[str, str]


@dataclass(frozen=True)
class Reasons:
    """The rationales of one case: each an item's id and the sentence about it. Empty where the case failed."""

    case_id: str
    user_id: str
    history: tuple[str, ...]
    given: tuple[tuple[str, str], ...]
    wish: str | None = None

    @classmethod
    def of(cls, answer: Answer, wish: str | None = None) -> Reasons:
        """Those of an answer to a case with this wish."""
        given = tuple((str(one["item_id"]), str(one["sentence"])) for one in answer.rationales)
        return cls(answer.case_id, answer.user_id, answer.history, given, wish)


@dataclass(frozen=True)
class Judged:
    """One sentence judged. `unsupported_titles` are spelled as there; `features` are the tags and people it names."""

    item_id: str
    sentence: str
    check: Check
    unsupported_titles: tuple[str, ...]
    features: frozenset[Feature]
    in_language: bool


class Judge:
    """Judges sentences about the items of one catalogue, in one language (`en` or `zh`)."""

    def __init__(self, items: Mapping[str, Item], language: str = "en") -> None:
        self._items = items
        self._language = language
        self._known: dict[Reasons, tuple[Judged, ...]] = {}
        self._tags = {key: tag for one in items.values() for tag in one.tags if (key := tuple(stems(tag)))}
        self._titles = {tuple(words_of(one.title)) for one in items.values()}

    def judged(self, reasons: Reasons) -> Sequence[Judged]:
        """Each sentence of a case judged, in order. Items that the catalogue does not hold are passed over.

        The same is judged once, and remembered.
        """
        if reasons not in self._known:
            self._known[reasons] = tuple(self._judged(reasons))
        return self._known[reasons]

    def _judged(self, reasons: Reasons) -> list[Judged]:
        history = [self._items[item_id] for item_id in reasons.history if item_id in self._items]
        known = [(self._items[i], sentence) for i, sentence in reasons.given if i in self._items]
        person = person_with(history)
        items = [item for item, _ in known]
        told = person_from(person.profile, person.known, items, reasons.wish, person.events)
        grounds = Grounds([one.item for one in told.cited], reasons.wish, self._tags.values())
        usual = [told.usual.value] if told.usual else []
        return [self._judge(item, sentence, grounds.check(sentence, item, usual), history) for item, sentence in known]

    def features_of(self, item_ids: Iterable[str]) -> set[Feature]:
        """The tags and people of these items; ids that the catalogue does not hold are passed over."""
        known = (self._items[item_id] for item_id in item_ids if item_id in self._items)
        return {_feature(f.role, f.value) for item in known for f in facts_of(item) if f.role in (*PEOPLE, "tag")}

    def _judge(self, item: Item, sentence: str, check: Check, history: Sequence[Item]) -> Judged:
        near = [item, *history]
        rest = blank(sentence, titles_in(sentence, {t for one in near for t in (one.title, called(one)[0])}))
        return Judged(
            item.item_id,
            sentence,
            check,
            self._unsupported_titles(rest, check, near),
            self._features(sentence, near),
            language_of(rest) == self._language,
        )

    def _unsupported_titles(self, rest: str, check: Check, near: Sequence[Item]) -> tuple[str, ...]:
        """Quotations that nothing holds, and titles of other items that no text of these items holds either."""
        held = [p for one in near for p in passages_of(one, "item")]
        quoted = [claim.text for claim in check.unsupported if claim.kind in ("title", "quote")]
        others = [title for title in self._titles_in(rest) if not holding(title, held)]
        return tuple(dict.fromkeys([*quoted, *(title for title in others if not _within(title, quoted))]))

    def _titles_in(self, text: str) -> Iterator[str]:
        """Titles of two words or more that stand in the text as the catalogue spells them, the longest at each place.

        Those of one word are too often words of the language; in quotation marks they are quotations.
        """
        words = words_of(text)
        at = 0
        while at < len(words):
            sizes = range(min(MAX_TITLE_WORDS, len(words) - at), 1, -1)
            size = next((n for n in sizes if tuple(words[at : at + n]) in self._titles), 0)
            if size:
                yield " ".join(words[at : at + size])
            at += size or 1

    def _features(self, sentence: str, near: Sequence[Item]) -> frozenset[Feature]:
        tags = {_feature("tag", span.meaning) for span in tags_in(sentence, self._tags)}
        said: list[Passage] = [passage(Source("sentence", "sentence"), sentence)]
        facts = (fact for one in near for fact in facts_of(one) if fact.role in PEOPLE)
        return frozenset(tags | {_feature(fact.role, fact.value) for fact in facts if holding(fact.value, said)})


def per_case(judge: Judge, cases: Iterable[Reasons]) -> dict[str, dict[str, float]]:
    """Each figure of `PER_CASE` by case, in [0, 1], higher is better; a case without a sentence has 0 in all.

    Of a case that comes several times, the mean.
    """
    shares = [(reasons.case_id, _shares(judge.judged(reasons))) for reasons in cases]
    return {name: _by_case((case_id, one[name]) for case_id, one in shares) for name in PER_CASE}


def figures(judge: Judge, cases: Iterable[Reasons]) -> dict[str, Estimate]:
    """All figures by name. Means over cases have intervals, with each person's cases drawn together; the others none.

    Cases without a sentence count as 0 in those of `PER_CASE`, and not at all in the others. Where cases come several
    times, answers are averaged within each case, and what is told of all sentences is so over each round of them: else
    the same said again would count as dull. Raises ValueError where there are no cases.
    """
    told = list(cases)
    users = {reasons.case_id: reasons.user_id for reasons in told}
    spoken = [(reasons.case_id, judged) for reasons in told if (judged := judge.judged(reasons))]
    found = {name: _estimate(values, users, UNIT) for name, values in per_case(judge, told).items()}
    if not spoken:
        return found
    claims = ((c, _mean(len(one.check.supported) + len(one.check.unsupported) for one in js)) for c, js in spoken)
    titles = ((c, _mean(len(one.unsupported_titles) for one in js)) for c, js in spoken)
    rounds, n = _rounds(spoken), sum(len(judged) for _, judged in spoken)
    features = judge.features_of({i for one in told for i in (*one.history, *(i for i, _ in one.given))})
    named = [[one.features for one in judged] for judged in rounds]
    return found | {
        CLAIMS: _estimate(_by_case(claims), users),
        UNSUPPORTED_TITLES: _estimate(_by_case(titles), users),
        UNIQUE: _plain(_mean(unique_ratio([one.sentence for one in judged]) for judged in rounds), n),
        COVERAGE: _plain(_mean(coverage(one, features) for one in named), n),
        DIVERSITY: _plain(_mean(map(shared_features, named)), n),
    }


class Rationales:
    """The rationales of one cell, each judged once, as its answer comes. `wishes` are those of cases that have one."""

    def __init__(self, judge: Judge, wishes: Mapping[str, str]) -> None:
        self._judge, self._wishes = judge, wishes
        self._told: list[Reasons] = []

    def take(self, answer: Answer) -> dict[str, float]:
        """One more answer's values of `PER_CASE`."""
        reasons = Reasons.of(answer, self._wishes.get(answer.case_id))
        self._told.append(reasons)
        return _shares(self._judge.judged(reasons))

    def figures(self) -> dict[str, Estimate]:
        """What `figures` says of all that was taken; empty where nothing was."""
        return figures(self._judge, self._told) if self._told else {}


def unique_ratio(sentences: Sequence[str]) -> float:
    """Different sentences among all, in (0, 1]; 0 where there are none."""
    return len(set(sentences)) / len(sentences) if sentences else 0.0


def coverage(named: Iterable[Collection[Feature]], features: Collection[Feature]) -> float:
    """The share of these features that any sentence names, in [0, 1]; 0 where there are no features."""
    return len({one for some in named for one in some} & set(features)) / len(features) if features else 0.0


def shared_features(named: Sequence[Collection[Feature]]) -> float:
    """How many features two sentences share, mean over all pairs; 0 with fewer than two sentences."""
    times = Counter(feature for some in named for feature in set(some))
    pairs = comb(len(named), 2)
    return sum(comb(count, 2) for count in times.values()) / pairs if pairs else 0.0


def language_of(text: str) -> str:
    """`zh` where Chinese characters outnumber words of other scripts, else `en`; empty where there are neither."""
    characters = len(CJK.findall(text))
    words = len(re.findall(rf"(?:(?!\d){LETTER})+", text))
    return "zh" if characters > words else "en" if words else ""


def _shares(judged: Sequence[Judged]) -> dict[str, float]:
    if not judged:
        return dict.fromkeys(PER_CASE, 0.0)
    supported = sum(len(one.check.supported) for one in judged)
    made = supported + sum(len(one.check.unsupported) for one in judged)
    return {
        GROUNDING: supported / made if made else 1.0,
        GROUNDED: _mean(one.check.grounded for one in judged),
        TITLES: _mean(not one.unsupported_titles for one in judged),
        LANGUAGE: _mean(one.in_language for one in judged),
    }


def _by_case(values: Iterable[tuple[str, float]]) -> dict[str, float]:
    """The mean of each case's values."""
    found: defaultdict[str, list[float]] = defaultdict(list)
    for case_id, value in values:
        found[case_id].append(value)
    return {case_id: _mean(several) for case_id, several in found.items()}


def _estimate(values: Mapping[str, float], users: Mapping[str, str], within: Ends | None = None) -> Estimate:
    return estimate(list(values.values()), within=within, clusters=[users[case_id] for case_id in values])


def _rounds(spoken: Iterable[tuple[str, Sequence[Judged]]]) -> list[list[Judged]]:
    """The sentences of each case's first answer, of each one's second, and so on."""
    times: Counter[str] = Counter()
    found: defaultdict[int, list[Judged]] = defaultdict(list)
    for case_id, judged in spoken:
        found[times[case_id]].extend(judged)
        times[case_id] += 1
    return list(found.values())


def _mean(values: Iterable[float]) -> float:
    return mean(values) or 0.0


def _plain(value: float, n: int) -> Estimate:
    return Estimate(value, None, None, n)


def _feature(role: str, value: str) -> Feature:
    return ("tag" if role == "tag" else "person", folded(value))


def _within(title: str, quoted: Iterable[str]) -> bool:
    return any(title in one for one in quoted)
