"""Why an item has its place, and why this one and not that: from the path that was recorded when it got it."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from agent.converse.pieces import Mention, Words
from agent.converse.wording import with_marks
from agent.recall.where import parse_where
from agent.slate.making import given_to
from agent.types import Item, Recommendation, Slate, Step

if TYPE_CHECKING:
    from agent.converse.answering import Answer

TOLD = 2  # signals that are told of, the most telling ones
_WEIGHED = ("recall", "rerank")  # stages whose steps compare items; the others sum these up
_NOT = re.compile(r"(?i)\bwhy (?:not|no|isn'?t|aren'?t|didn'?t)\b|为什么(?:不|没)")
_FOUND = "fuse"  # a step of recall too, which tells how recall's lists were merged


@dataclass(frozen=True)
class Lead:
    """A signal by which one item stands before another: their places by it among all that were weighed, 1 the best."""

    signal: str
    place: int
    other: int


def answered(answer: Answer) -> Iterator[Words | Mention]:
    """Why what the message speaks of was recommended; of two items, why the one stands before the other."""
    focus = answer.before.focus or next(iter(answer.before.slate), None)
    items = answer.named or answer.items([focus] if focus else [])
    if not items or (not answer.named and _NOT.search(answer.understood.message)):
        yield from answer.say("ask", "unknown", said="")
    elif len(items) > 1:
        yield from _this_and_that(answer, items[0], items[1])
    elif _NOT.search(answer.understood.message) and _passed_over(answer, items[0]):
        yield from answer.say("why", "shown", items[:1])
    elif items[0].item_id in answer.before.shown or _slate_with(answer, items):
        yield from _of(answer, items[0])
    else:
        yield from _not_shown(answer, items[0])


def leads(path: Sequence[Step], other: Sequence[Step]) -> list[Lead]:
    """The signals by which one path is ahead of the other, the widest lead first; by rank, where both have one."""
    theirs = _places(other)
    found = [Lead(signal, place, theirs[signal]) for signal, place in _places(path).items() if signal in theirs]
    return sorted((one for one in found if one.place < one.other), key=lambda one: (one.place / one.other, one.signal))


def _places(path: Sequence[Step]) -> Mapping[str, int]:
    return {s.source: s.rank for s in path if s.stage in _WEIGHED and s.source != _FOUND and s.rank is not None}


def _of(answer: Answer, item: Item) -> Iterator[Words | Mention]:
    """The reason of one item, and by what it came to the front."""
    slate = _slate_with(answer, [item]) or _placed(answer, item)
    if answer.stop.called:
        return
    one = _in(slate, item)
    if one.rationale is not None:
        yield from answer.say("why", "reason", [item])
        yield from _sentence(answer, one)
    best = sorted(_places(one.path).items(), key=lambda pair: (pair[1], pair[0]))[:TOLD]
    if best:
        told = [{"signal": signal, "place": place} for signal, place in best]
        yield from answer.say("why", "places", [item], signals=told)


def _placed(answer: Answer, item: Item) -> Slate:
    """The path of an item that was never shown, computed now."""
    terms, user_id = answer.terms, answer.state.user_id
    asked = answer.recommender.asked(
        user_id, None, k=1, llm=terms.llm, timeout_s=terms.timeout_s, language=answer.language
    )
    slate = answer.recommender.placed(answer.ask(asked), item)
    answer.degraded.extend(slate.degraded)
    return slate


def _this_and_that(answer: Answer, first: Item, second: Item) -> Iterator[Words | Mention]:
    """Why one of two items stands before the other."""
    slate = _slate_with(answer, [first, second])
    if slate is None:
        refused = list(_refused(answer, second)) or list(_refused(answer, first))
        if refused:
            yield from refused
            return
        asked = answer.recommender.rank_for(answer.state.user_id, [first, second], answer.state.wish, llm=False)
        slate = asked
    one, other = sorted((_in(slate, first), _in(slate, second)), key=lambda r: r.rank)
    ahead, behind = leads(one.path, other.path)[:TOLD], leads(other.path, one.path)[:1]
    yield from answer.say("why", "before", [one.item, other.item], signals=[_told(lead) for lead in ahead])
    if behind:
        yield from answer.say("why", "though", [one.item, other.item], signals=[_told(lead) for lead in behind])


def _told(lead: Lead) -> dict[str, object]:
    return {"signal": lead.signal, "place": lead.place, "other": lead.other}


def _not_shown(answer: Answer, item: Item) -> Iterator[Words | Mention]:
    """Why an item was not shown."""
    refused = list(_refused(answer, item))
    if refused:
        yield from refused
    elif answer.before.slate:
        yield from _this_and_that(answer, answer.items(answer.before.slate[-1:])[0], item)
    else:
        yield from _of(answer, item)


def _passed_over(answer: Answer, item: Item) -> bool:
    """Whether an item is not on the list because it was on an earlier one."""
    state = answer.before
    return item.item_id in state.shown and item.item_id not in state.slate and not list(_refused(answer, item))


def _refused(answer: Answer, item: Item) -> Iterator[Words | Mention]:
    """What keeps an item out, if anything: it is known or disliked, or does not pass."""
    profile = answer.recommender.profile(answer.state.user_id)
    if item.item_id in {one.item_id for one in profile.disliked}:
        yield from answer.say("why", "disliked", [item])
    elif item.item_id in profile.seen:
        yield from answer.say("why", "known", [item])
    else:
        failed = [c.said for c in answer.state.constraints if c.hard and not parse_where(c.test).matches(item)]
        if failed:
            yield from answer.say("why", "failed", [item], values=failed)


def _sentence(answer: Answer, one: Recommendation) -> Iterator[Words | Mention]:
    """The reason that was given, its items named from the catalogue."""
    cited = [event.item_id for event in answer.recommender.events(answer.state.user_id) if event.item_id]
    items = [one.item, *answer.items([item_id for item_id in cited if item_id != one.item.item_id])]
    if one.rationale is not None:
        yield from answer.spoken(with_marks(one.rationale.sentence, items), items)


def _slate_with(answer: Answer, items: Sequence[Item]) -> Slate | None:
    """The newest slate that the person was given with all of these items; None where there is none."""
    wanted = {item.item_id for item in items}
    slates = given_to(answer.recommender.store, answer.state.user_id)
    return next((one for one in slates if wanted <= {r.item.item_id for r in one}), None)


def _in(slate: Slate, item: Item) -> Recommendation:
    return next(r for r in slate if r.item.item_id == item.item_id)
