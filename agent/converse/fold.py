"""What a conversation knows after one more message: wishes, constraints, what it likens itself to. Pure.

A new wish, once something was shown, takes the place of older wishes and of their constraints; what was said for good
("never horror") stays. Anything else adds. Of two constraints that cannot both hold, and of two bounds on the same
side, the newer one wins.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

from agent.converse.refusals import positive, refused, telling
from agent.converse.state import Constraint, Intent, Question, State, Understood
from agent.errors import ConfigError
from agent.recall.where import Test, number_in, parse_where
from agent.types import EventKind

MAX_WISHES, MAX_WISH_CHARS = 3, 240
MAX_CONSTRAINTS, MAX_SAID_CHARS = 12, 80
MAX_SHOWN, MAX_LIKE, MAX_ASKED, MAX_REFUSED = 200, 3, 50, 8

_FOR_GOOD = re.compile(
    r"(?i)\b(?:never|ever|always|in general|generally|can'?t stand)\b|从不|从来|绝不|永远|一律|总是|受不了"
)
_LIKENS = re.compile(r"(?i)\b(?:like|similar|more of|in the vein|reminds?)\b|像|类似|相似|差不多|那样的")
_MORE_LIKE = re.compile(r"(?i)\b(?:(?:more|others?|something|anything) like|similar|more of)\b|类似|相似|像.{0,20}的")
_UNLIKE = re.compile(r"(?i)\b(?:un|not |n'?t (?:really |much )?)like\b|\bdislike|不像|不喜欢|不要像")
_AGAIN = re.compile(  # what was shown may come again where it is asked for
    r"(?i)\b(?:show|list|see|give)\b[^.!?]{0,30}\b(?:them|those|these|ones?|lists?|it|that)\b[^.!?]{0,20}\bagain\b"
    r"|\b(?:back to|once more)\b[^.!?]{0,20}\b(?:those|ones|lists?)\b|\bthe same ones\b"
    r"|\brepeat\b[^.!?]{0,20}\b(?:them|those|these|that|lists?)\b"
    r"|(?:刚才|之前|上次)[^。！？]{0,15}[再还]|再[列看]一[次遍]"
)
_CLAUSES = re.compile(r"[.,;:!?。，；：！？\n]+")
_ORDERS = frozenset((">", ">=", "<", "<="))
_SEVERAL = "tags"  # the field of which an item is expected to have several values
_WANTING = (Intent.WISH, Intent.CRITIQUE, Intent.REACTION)


def heard(state: State, understood: Understood) -> State:
    """The state with one more message of the person in it. What was asked counts as answered or passed over."""
    answer = answer_of(state.pending, understood)
    wish = _wish_of(understood)
    fresh = answer is None and _begins(state, understood, wish)
    wanted = understood.constraints if understood.intent in _WANTING else ()
    new = [*wanted, *([answer] if answer else [])]
    held = [one for one in state.constraints if one.lasting] if fresh else state.constraints
    likened = _likened(understood)
    return state.model_copy(
        update={
            "language": understood.language,
            "turn": state.turn + 1,
            "wishes": _wishes(() if fresh else state.wishes, understood, wish, new),
            "refused": _refused(() if fresh else state.refused, understood, new),
            "constraints": together(held, [_marked(one, understood.message) for one in new]),
            "like": likened or (() if fresh else state.like),
            "focus": understood.items[-1].item_id if understood.items else state.focus,
            "pending": None,
            "waiting": None,
            "events": (),
        }
    )


def shown(state: State, item_ids: Sequence[str]) -> State:
    """The state after a slate was given; an empty one leaves what was shown before."""
    if not item_ids:
        return state
    older = [one for one in state.shown if one not in set(item_ids)]
    focus = item_ids[0] if len(item_ids) == 1 else None
    return state.model_copy(
        update={"slate": tuple(item_ids), "shown": (*older, *item_ids)[-MAX_SHOWN:], "focus": focus}
    )


def seen(state: State, item_ids: Sequence[str]) -> State:
    """The state with what the person sees by now, ranked anew or not: what was spoken of stays so while it is seen."""
    if tuple(item_ids) == state.slate:
        return state
    after = shown(state, item_ids)
    return after.model_copy(update={"focus": state.focus}) if state.focus in item_ids else after


def asking(state: State, question: Question) -> State:
    """The state after a question was asked."""
    asked = dict.fromkeys((*state.asked, question.name))
    return state.model_copy(update={"pending": question, "asked": tuple(asked)[-MAX_ASKED:]})


def without(state: State, dropped: Iterable[Constraint]) -> State:
    """The state without these constraints."""
    gone = set(dropped)
    return state.model_copy(update={"constraints": tuple(one for one in state.constraints if one not in gone)})


def repeats(message: str) -> bool:
    """Whether a message asks for what was shown before."""
    return bool(_AGAIN.search(message))


def answer_of(pending: Question | None, understood: Understood) -> Constraint | None:
    """The option of the pending question that a message chooses, as a constraint; None where it chooses none.

    An option is chosen by its test, read from the message, or by its label in it; of several labels the longest.
    """
    if pending is None or understood.skips:
        return None
    read = {one.test for one in understood.constraints}
    words = _plain(understood.message)
    named = [one for one in pending.options if one.test in read or _within(_plain(one.label), words)]
    best = max(named, key=lambda one: len(one.label), default=None)
    return Constraint(test=best.test, said=best.label) if best else None


def together(held: Iterable[Constraint], new: Iterable[Constraint]) -> tuple[Constraint, ...]:
    """Constraints that can hold together, oldest first: the newer of two that clash; the newest, at most twelve."""
    kept: list[Constraint] = list(held)
    for one in new:
        kept = [*(older for older in kept if not clash(older, one)), one]
    spare = len(kept) - MAX_CONSTRAINTS
    passing = [one for one in kept if not one.lasting][: max(0, spare)]
    return tuple([one for one in kept if one not in passing][-MAX_CONSTRAINTS:])


def clash(older: Constraint, newer: Constraint) -> bool:
    """Whether the newer constraint stands in place of the older one: it contradicts it, or sets the same bound."""
    if (older.test or older.said) == (newer.test or newer.said):
        return True
    return any(_against(a, b) for a in _tests(older) for b in _tests(newer) if a.field == b.field)


def _against(a: Test, b: Test) -> bool:
    if a.op in _ORDERS and b.op in _ORDERS:
        return a.op[0] == b.op[0] or not _meet(a, b)
    if a.op in _ORDERS or b.op in _ORDERS:
        bound, named = (a, b) if a.op in _ORDERS else (b, a)
        return named.op != "!=" and not any(_inside(value, bound) for value in named.values)
    common = {value.casefold() for value in a.values} & {value.casefold() for value in b.values}
    if "!=" in (a.op, b.op):
        return a.op != b.op and bool(common)
    return a.field != _SEVERAL and not common


def _meet(a: Test, b: Test) -> bool:
    """Whether a number can lie on the right side of both bounds, one from below and one from above."""
    low, high = (a, b) if a.op[0] == ">" else (b, a)
    least, most = number_in(low.values[0]), number_in(high.values[0])
    if least is None or most is None:
        return True
    return least < most or (least == most and (low.op, high.op) == (">=", "<="))


def _inside(value: str, bound: Test) -> bool:
    number, end = number_in(value), number_in(bound.values[0])
    if number is None or end is None:
        return True
    beyond = number > end if bound.op[0] == ">" else number < end
    return beyond or (number == end and bound.op.endswith("="))


def _tests(constraint: Constraint) -> tuple[Test, ...]:
    try:
        return parse_where(constraint.test).tests if constraint.test else ()
    except ConfigError:
        return ()


def _begins(state: State, understood: Understood, wish: str) -> bool:
    """Whether a message wants something new, after something was shown: in words, by a tag or like an item.

    What only bounds ("from the nineties", "with Tom Hanks") or refuses adds to what was wanted.
    """
    if not state.slate:
        return False
    if understood.intent is Intent.CRITIQUE:  # "like The Godfather", which is not on the list
        return not (understood.constraints or wish) and bool(set(_likened(understood)) - set(state.slate))
    if understood.intent is not Intent.WISH:
        return False
    kinds = any(test.field == _SEVERAL and test.op != "!=" for one in understood.constraints for test in _tests(one))
    more = telling(wish) - telling(" ".join(one.said for one in understood.constraints))
    return kinds or bool(more) or bool(_likened(understood))


def _wish_of(understood: Understood) -> str:
    """What a message wants, without what it refuses and without the items that it is to be like."""
    if understood.intent not in _WANTING or repeats(understood.message):
        return ""
    words = understood.wish
    if _likened(understood):
        for one in understood.items:
            words = words.replace(one.said, " ")
    return positive(" ".join(words.split())[:MAX_WISH_CHARS])


def _wishes(older: tuple[str, ...], understood: Understood, wish: str, new: Sequence[Constraint]) -> tuple[str, ...]:
    """The wishes with that of the message; what changes a wish adds nothing that constraints say already."""
    told = telling(" ".join(one.said for one in new))
    if not wish or (understood.intent is not Intent.WISH and telling(wish) <= told):
        return older
    if _plain(wish) in {_plain(one.said) for one in new}:
        return older
    return (*(one for one in older if one != wish), wish)[-MAX_WISHES:]


def _refused(older: tuple[str, ...], understood: Understood, new: Sequence[Constraint]) -> tuple[str, ...]:
    """The words to avoid, with those of the message that no constraint stands for."""
    if understood.intent not in (Intent.WISH, Intent.CRITIQUE):
        return older
    told = [*(one.said for one in new), *(one.said for one in understood.items)]
    return tuple(dict.fromkeys((*older, *refused(understood.message, told))))[-MAX_REFUSED:]


def _marked(constraint: Constraint, message: str) -> Constraint:
    """The constraint, its words bounded, lasting where it was said for good."""
    clauses = [clause for clause in _CLAUSES.split(message) if constraint.said and constraint.said in clause]
    for_good = constraint.lasting or any(_FOR_GOOD.search(text) for text in (constraint.said, *(clauses or [message])))
    return constraint.model_copy(update={"lasting": for_good, "said": constraint.said[:MAX_SAID_CHARS].strip()})


def _likened(understood: Understood) -> tuple[str, ...]:
    """The items that what is wanted is to be like."""
    if understood.intent not in _WANTING or not understood.items:
        return ()
    likens = _MORE_LIKE if understood.intent is Intent.REACTION else _LIKENS
    if not likens.search(understood.message) or _UNLIKE.search(understood.message):
        return ()
    refused = {one.item_id for one in understood.feelings if one.kind is EventKind.DISLIKE}
    return tuple(dict.fromkeys(one.item_id for one in understood.items if one.item_id not in refused))[-MAX_LIKE:]


def _plain(text: str) -> str:
    return " ".join(re.sub(r"[^\w]+", " ", text.casefold()).split())


def _within(label: str, words: str) -> bool:
    """Whether a label stands in a text as whole words; Chinese anywhere."""
    if not label:
        return False
    return label in words if not label.isascii() else f" {label} " in f" {words} "
