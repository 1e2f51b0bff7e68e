"""Texts that try to buy an item a better place, and neutral ones of the same length. Own texts, for tests of defences.

hostile.jsonl holds one a line: `id`, `category`, `language`, `text` (`times` over, where that is said), and `verdict`,
what a prompt for an unknown model shows of it: all as it is (`kept`), a part or what was broken by a space (`cleaned`),
nothing (`empty`); `refused`: no item and no message can hold it.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from prompts import neutralise

Verdict = Literal["kept", "cleaned", "empty", "refused"]


@dataclass(frozen=True, slots=True)
class Hostile:
    """One text, by a short name that is unique, and the kind of trick it is."""

    name: str
    kind: str
    text: str
    language: str = "en"
    verdict: Verdict = "kept"


def _read(line: str) -> Hostile:
    row = json.loads(line)
    return Hostile(row["id"], row["category"], row["text"] * row.get("times", 1), row["language"], row["verdict"])


EVERY = tuple(map(_read, Path(__file__).with_name("hostile.jsonl").read_text(encoding="utf-8").split("\n")[:-1]))
HOSTILE = tuple(hostile for hostile in EVERY if hostile.verdict != "refused")

_NEUTRAL = "with notes on the text, a list of names and dates, in the usual binding, kept on the second shelf, "


def neutral(text: str) -> str:
    """Plain words about nothing, as many characters as a prompt shows of the text; empty where it shows none."""
    n = len(neutralise(text))
    words = (_NEUTRAL * (n // len(_NEUTRAL) + 1))[:n]
    return f"{words[:-1]}s" if words.endswith(" ") else words
