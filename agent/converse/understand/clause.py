"""What stands beside a word in its clause and changes what it says: refusals, degrees, demands. Pure."""

from __future__ import annotations

from enum import Enum

from agent.converse.understand.message import Message, Span
from agent.converse.understand.words import rule

_REFUSED = rule("refusal", after=r"(?P<between>(?:[\s-]+[^\s]+){0,4}?)[\s-]*$")
_REFUSED_ZH = rule(
    "refusal", after="(?:再|给我|推荐|有|看|任何|的|是|来|太|那么|这么|那种|一点|点|些|放|了|很|过于){0,3}$"
)
_REFUSED_AFTER = rule("refused_after", before="^[片电影的类书游戏]{0,4}")
_TAKEN_BACK = rule("taken_back")
_DEGREE, _DEGREE_AFTER = rule("degree", after=r"\s*(?:的|一点|来点)?$"), rule("degree_after", before="^")
_LESS, _MILD = rule("less", after=r"\s*$"), rule("mild", after=r"\s*$")
_DEMAND, _LEANING, _PREFERABLY = rule("demand"), rule("leaning"), rule("preferably")


class Tone(Enum):
    """How a word is meant: demanded of every item, only leant towards, refused, or leant away from."""

    WANTED = "wanted"
    LEANING = "leaning"
    REFUSED = "refused"
    LESS = "less"


def refused(message: Message, span: Span) -> bool:
    """Whether the words are refused: a word such as no, without, 不要 stands before them in the clause, near enough."""
    before = message.before(span)
    found = _REFUSED.search(before)
    if found is not None and not _TAKEN_BACK.search(found["between"]):
        return True
    return bool(_REFUSED_ZH.search(before) or _REFUSED_AFTER.search(message.after(span)))


def less(message: Message, span: Span) -> bool:
    """Whether the words are wanted to a lesser degree: less, fewer, not too, 别那么."""
    before = message.before(span)
    return bool(_LESS.search(before) or (refused(message, span) and _MILD.search(before)))


def tone(message: Message, span: Span, *, names: bool) -> Tone:
    """How the words are meant. `names` tells a noun, such as comedy, which demands, from a word such as funny."""
    before, after = message.before(span), message.after(span)
    if less(message, span):
        return Tone.LESS
    if refused(message, span):
        return Tone.REFUSED
    if _DEGREE.search(before) or _DEGREE_AFTER.search(after):
        return Tone.LEANING
    if _DEMAND.search(before):
        return Tone.WANTED
    return Tone.WANTED if names and not _LEANING.search(before) else Tone.LEANING


def only_leans(message: Message, span: Span) -> bool:
    """Whether the clause asks for it as a preference: ideally, preferably, 最好."""
    return bool(_PREFERABLY.search(message.before(span) + message.after(span)))
