"""A scripted model with a taste: it likes films as told, and some labels more than others whatever stands there."""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import lru_cache

from agent.llm.scripted import Scripted

Liking = Callable[[str], float]

_LABELLED = re.compile(r"^([A-Z])\. (.*)$", re.MULTILINE)
_YES_OR_NO = {"yes": 0.5, "是": 0.5, "no": -0.5, "否": -0.5}
_ASKED = re.compile(r"(?:Would they enjoy (.*)\? Answer:|这个人会喜欢“(.*)”吗？回答：)\Z")


def judge(liking: Liking, *, label_bias: float = 0.0, name: str = "judge") -> Scripted:
    """A model that scores, chooses and arranges by its liking (-5 to 5) of an item's line.

    Each label is liked less than the one before it by `label_bias`. Of a person of whom nothing is known it thinks that
    they like everything alike.
    """

    def scores(text: str, continuation: str) -> float:
        word = continuation.strip()
        if len(word) == 1 and word.isascii() and word in _labelled(text):
            return -20 + _liked(text, _labelled(text)[word]) - label_bias * (ord(word) - ord("A"))
        if len(word) < 4 and _asked(text):
            sign = _YES_OR_NO.get(word)
            return -10 + sign * _liked(text, _asked(text)) if sign else -30.0
        return -20 + _liked(text, word)

    def _liked(text: str, line: str) -> float:
        return liking(line) if _is_known(text) else 0.0

    return Scripted(scores=scores, name=name)


@lru_cache(maxsize=50_000)
def _labelled(text: str) -> dict[str, str]:
    return dict(_LABELLED.findall(_without_examples(text)))


@lru_cache(maxsize=50_000)
def _asked(text: str) -> str:
    found = _ASKED.search(text[-1_000:])
    return (found[1] or found[2]) if found else ""


@lru_cache(maxsize=50_000)
def _is_known(text: str) -> bool:
    return bool(re.search("^- .|ask for: .|要求：|想要：", _without_examples(text), re.MULTILINE))


def _without_examples(text: str) -> str:
    """The last paragraph: those before it are about other people."""
    return text.rpartition("\n\n")[2]
