"""An answer with a slate: first words, the slate, what gave way for it, a reason for each item, a question back."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from typing import TYPE_CHECKING

from agent.converse import remark
from agent.converse.ask import best_question
from agent.converse.fold import asking, repeats, shown, without
from agent.converse.options import LENGTHS, PEOPLE
from agent.converse.pieces import Mention, Reasoned, Slated, Words
from agent.converse.refusals import LENGTH
from agent.converse.relaxing import giving_way
from agent.converse.state import Constraint, Question, State
from agent.converse.told import newest
from agent.errors import ModelError
from agent.path.asked import Ranked
from agent.path.reasons import explaining
from agent.people.leaning import Leaning
from agent.recall.where import Where, parse_where
from agent.types import Item, Rationale, Slate

if TYPE_CHECKING:
    from agent.converse.answering import Answer

MAX_KIN_CHARS = 150  # of the text of an item that a wish is to be like
Notes = list[tuple[str, dict[str, object]]]  # kinds of sentences, and what each is given
_ASKED = frozenset(("tags", "year", "language"))  # questions with words of their own, beside lengths and people
_WITHOUT_MODEL = frozenset(("model", "rerank"))  # stages that degrade where the model fails


def slated(answer: Answer, opening: str) -> Iterator[Words | Mention | Slated | Reasoned]:
    """The pieces of a slate, in order. What is shown, asked and set aside is noted in the state."""
    yield from _opened(answer, opening)
    for unclear in answer.understood.unclear:
        if not unclear.choices:
            yield from answer.say("slate", "unfound", (), said=[unclear.said])
    if LENGTH.search(answer.understood.message) and not _constrained(answer.understood.constraints, LENGTHS):
        yield from answer.say("slate", "lengthless")
    ranked, notes = _ranked(answer)
    if answer.stop.called:
        return
    answer.slate = ranked.slate
    if len(ranked.slate):
        answer.state = shown(answer.state, [r.item.item_id for r in ranked.slate])
        yield Slated(slate=ranked.slate)
        yield from _remarked(answer, ranked.slate)
    for kind, given in [*notes, *_standing(answer, ranked.slate)]:
        yield from answer.say("slate", kind, (), **given)
    yield from _reasons(answer, ranked.slate)
    question = _question(answer, ranked)
    if question is not None:
        yield from _asked(answer, question)


def _opened(answer: Answer, opening: str) -> Iterator[Words | Mention]:
    """The first words, before anything is looked for: what of the message is a constraint."""
    held = {(one.test, one.said) for one in answer.before.constraints}
    new = [_heard(one, answer) for one in answer.state.constraints if (one.test, one.said) not in held and one.said]
    avoided = [word for word in answer.state.refused if word not in answer.before.refused]
    return answer.say("slate", opening, (), said=list(dict.fromkeys(new)), refused=avoided)


def _heard(constraint: Constraint, answer: Answer) -> str:
    """What was said, with the `not` that stood before it."""
    said = constraint.said
    return f"not {said}" if f"not {said}" in answer.understood.message else said


def _constrained(constraints: Sequence[Constraint], fields: Collection[str]) -> bool:
    """Whether any of the constraints is on one of these fields."""
    return any(test.field in fields for one in constraints if one.test for test in parse_where(one.test).tests)


def _ranked(answer: Answer) -> tuple[Ranked, Notes]:
    """What is ranked for the state; where nothing is left that passes, what gave way: being new, then constraints."""
    again = repeats(answer.understood.message)
    ranked = _rank(answer, (*(() if again else answer.state.shown), *answer.state.like))
    if len(ranked.slate) or answer.stop.called:
        return ranked, []
    if answer.state.shown and _some_pass(answer, answer.state.constraints):
        return _rank(answer, answer.state.like), [("again", {})]
    gone = giving_way(answer.state.constraints, lambda held: _some_pass(answer, held))
    if not gone:
        return ranked, []
    answer.state = without(answer.state, gone)
    notes: Notes = [("dropped", {"dropped": [one.said for one in gone]})]
    ranked = _rank(answer, (*answer.state.shown, *answer.state.like))
    if len(ranked.slate):
        return ranked, notes
    return _rank(answer, answer.state.like), [*notes, ("again", {})]


def _rank(answer: Answer, beside: Sequence[str]) -> Ranked:
    terms, state = answer.terms, answer.state
    asked = answer.recommender.asked(
        state.user_id,
        state.wish,
        k=terms.k,
        where=_both(terms.where, state.where),
        llm=terms.llm,
        timeout_s=terms.timeout_s,
        language=answer.language,
        beside=beside,
        sought=_sought(state, answer.understood.message, answer.items(state.like)),
        leaning=Leaning(tuple(_preferred(state)), state.refused),
    )
    return answer.recommender.ranked(answer.ask(asked))


def _some_pass(answer: Answer, constraints: Sequence[Constraint]) -> bool:
    """Whether any item that the person does not know passes these, shown before or not."""
    tests = " and ".join(one.test for one in constraints if one.hard)
    where = _both(answer.terms.where, tests or None)
    passes = parse_where(where).matches if where else lambda _: True
    known = answer.recommender.profile(answer.state.user_id)
    barred = {*known.seen, *(one.item_id for one in known.disliked), *answer.state.like}
    return any(item.item_id not in barred and passes(item) for item in answer.recommender.parts.items)


def _standing(answer: Answer, slate: Slate) -> Notes:
    """What is to be said of how the slate came about: none, too few, without the model."""
    if not len(slate):
        return [("none", {})]
    notes: Notes = []
    if len(slate) < answer.terms.k and answer.state.where:
        notes.append(("few", {"n": len(slate)}))
    if any(one.stage in _WITHOUT_MODEL for one in slate.degraded):
        notes.append(("late" if answer.deadline.expired else "plain", {}))
    return notes


def _remarked(answer: Answer, slate: Slate) -> Iterator[Words | Mention]:
    """A remark in the words of a model that chats, where one is at hand and there is time."""
    asked = answer.asked
    if asked is None or not asked.llm or asked.deadline.remaining_s < remark.MIN_TIME_S:
        return
    try:
        model = asked.parts.model
    except ModelError:
        return
    if "chat" in model.abilities:
        yield from remark.Remark(answer, model, slate).pieces()


def _reasons(answer: Answer, slate: Slate) -> Iterator[Reasoned]:
    """The reasons as they come; the slate of the answer has those that were given."""
    asked = answer.asked
    if asked is None or not len(slate):
        return
    telling = explaining(asked.parts, slate, asked.person, asked.deadline, llm=asked.llm)
    while True:
        try:
            place, rationale = next(telling)
        except StopIteration as end:
            answer.slate = asked.watch.on(end.value)
            return
        if answer.stop.called:
            return
        slate = _with_reason(slate, place, rationale)
        answer.slate = slate
        yield Reasoned(place=place + 1, rationale=rationale)


def _question(answer: Answer, ranked: Ranked) -> Question | None:
    """What is asked back, if anything pays: nobody is asked who says by themselves what it should be, or does not mind.

    An answer takes the place of the message in which they would have said more.
    """
    if answer.asked is None or not len(ranked.slate) or answer.stop.called:
        return None
    said = answer.understood
    if said.constraints or said.items or said.skips or not answer.recommender.settings.converse.asks:
        return None
    pool = [(place.item, place.score) for place in ranked.pool]
    state = answer.state.model_copy(update={"language": answer.language})
    return best_question(pool, answer.asked.person.profile.interests, state)


def _asked(answer: Answer, question: Question) -> Iterator[Words | Mention]:
    answer.question, answer.state = question, asking(answer.state, question)
    kind = "length" if question.name in LENGTHS else "people" if question.name in PEOPLE else question.name
    options = [one.label for one in question.options]
    return answer.say("ask", kind if kind in {*_ASKED, "length", "people"} else "other", (), options=options, said=kind)


def _with_reason(slate: Slate, place: int, rationale: Rationale) -> Slate:
    """The slate with the reason of one place, counted from 0."""
    rows = list(slate.recommendations)
    rows[place] = rows[place].model_copy(update={"rationale": rationale})
    return slate.model_copy(update={"recommendations": tuple(rows)})


def _both(first: str | None, second: str | None) -> str | None:
    return " and ".join(one for one in (first, second) if one) or None


def _sought(state: State, message: str, like: Sequence[Item]) -> str | None:
    """What items are found and ordered by: the wish, what its soft constraints name, and the items it is to be like.

    In a conversation told in plain text its newest words stand for the wish: titles in them are not lost.
    """
    if state.told:
        return "; ".join([newest(f"{state.told}\n{message}"), *(_kin(item) for item in like)])
    values = [value for one in state.constraints if not one.hard for value in _values(one.test)]
    kin = [_kin(item) for item in like]
    return "; ".join([*([state.wish] if state.wish else []), *dict.fromkeys(values), *kin]) or None


def _kin(item: Item) -> str:
    """What an item is like, in words: not by its title, which would find its namesakes."""
    told = [", ".join(item.tags), " ".join(item.text.split())[:MAX_KIN_CHARS]]
    return ". ".join(one for one in told if one) or item.name


def _preferred(state: State) -> Iterator[Where]:
    """The tests of the soft constraints."""
    for one in state.constraints:
        if not one.hard and one.test:
            yield parse_where(one.test)


def _values(test: str) -> Sequence[str]:
    tests = parse_where(test).tests if test else ()
    return [value for one in tests if one.op in ("=", "in") for value in one.values]
