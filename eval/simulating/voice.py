"""What a seeker says in a conversation: whole sentences, in one of several wordings drawn by lot. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import zip_longest

from agent.converse.state import Question
from agent.recall.where import parse_where
from agent.types import Item
from eval.chance import drawn
from eval.simulating.facets import Facet
from eval.simulating.seeker import Seeker

ORDER = ("tag", "decade", "person", "things")
_Wordings = Mapping[str, Sequence[str]]
VOICES: Mapping[str, _Wordings] = {
    "en": {
        "open": (
            "I'd like to find {0}.",
            "I am looking for {0}.",
            "Could you recommend {0}?",
            "I'm in the mood for {0}.",
        ),
        "more": ("I'd rather have {0}.", "It should be {0}.", "I was thinking of {0}.", "Not those, I'd prefer {0}."),
        "newer": ("Those are too old, I want something newer.", "Something newer, please."),
        "older": ("Those are too new, I want something older.", "Something older, please."),
        "rather": ("More {0}, please.", "It should have more {0} in it."),
        "else": ("None of these, show me others.", "What else is there?"),
        "answer": ("{0}, please.", "{0}.", "I'd say {0}."),
        "skip": ("I don't mind.", "No preference."),
    },
    "zh": {
        "open": ("我想找{0}。", "能推荐{0}吗？", "想看{0}。"),
        "more": ("更想要{0}。", "应该是{0}。", "不是这些，我想要{0}。"),
        "newer": ("这些太老了，要新一点的。", "要新一点的。"),
        "older": ("这些太新了，要老一点的。", "要老一点的。"),
        "rather": ("要更{0}一点的。", "多一点{0}。"),
        "else": ("都不是，换一批。", "还有别的吗？"),
        "answer": ("{0}吧。", "{0}。"),
        "skip": ("都可以。", "无所谓。"),
    },
}
PHRASES: Mapping[str, Mapping[str, str]] = {
    "en": {
        "tag": "something in the way of {0}",
        "decade": "something {0}",
        "person": "something {0}",
        "things": "something {0}",
    },
    "zh": {"tag": "{0}类的", "decade": "{0}", "person": "{0}", "things": "{0}"},
}


class Voice:
    """Somebody who seeks an item and talks about it: a little more each time, never its name.

    What would give the item away is worded otherwise, or left unsaid. Who is `reticent` adds nothing after the first
    message but what is wrong.
    """

    def __init__(self, seeker: Seeker, lot: str, *, reticent: bool = False) -> None:
        self._seeker = seeker
        self._lot = lot
        self._say, self._phrase = VOICES[seeker.language], PHRASES[seeker.language]
        self._left = _in_turns(seeker.facets)
        self._reticent = reticent
        self._turn = 0

    def opens(self) -> str:
        """The first message."""
        self._turn += 1
        return self._worded("open", self._phrased(self._left.pop(0)))

    def goes_on(self, rejected: Item | None) -> str:
        """The next message where nothing was asked: one more thing about the item, or what was wrong, or neither."""
        self._turn += 1
        complaint = self._seeker.complaint(rejected) if rejected is not None else None
        if not self._left or self._reticent or (complaint is not None and self._turn % 2):
            return self._worded(*(complaint or ("else", "")))
        return self._worded("more", self._phrased(self._left.pop(0)))

    def answers(self, question: Question) -> str:
        """The answer to a question, as the item has it; nothing to say where no option fits it."""
        self._turn += 1
        fitting = [one for one in question.options if parse_where(one.test).matches(self._seeker.target)]
        safe = [one.label for one in fitting if self._seeker.secret.given_away(one.label) is None]
        if not safe:
            return self._worded("skip", "")
        return self._worded("answer", min(safe, key=lambda label: drawn(self._lot, question.name, label)))

    def _phrased(self, facet: Facet) -> str:
        return self._phrase[facet.kind].format(facet.words)

    def _worded(self, act: str, words: str) -> str:
        """A wording of the act, by lot, that gives nothing away; the words alone where each would."""
        wordings = sorted(self._say[act], key=lambda wording: drawn(self._lot, self._turn, wording))
        told = (wording.format(words) for wording in wordings)
        return next((text for text in told if self._seeker.secret.given_away(text) is None), words or "…")


def _in_turns(facets: Sequence[Facet]) -> list[Facet]:
    """The facets, one of each kind after the other, the kinds in their order."""
    by_kind = [[facet for facet in facets if facet.kind == kind] for kind in ORDER]
    return [facet for some in zip_longest(*by_kind) for facet in some if facet is not None]
