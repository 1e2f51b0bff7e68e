"""Sentences in the model's own words: what it is shown, how it is asked, what of its replies is usable."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from agent.deadline import Deadline
from agent.explain.compose import display, shown
from agent.explain.evidence import Reason
from agent.explain.facts import called
from agent.explain.words import CJK, recites
from agent.llm.base import Completion, Model
from agent.types import Item
from prompts import Prompt

MAX_TOKENS = {"continue": 48, "chat": 120}
MIN_WORDS, MAX_WORDS = 4, 34
MIN_CHARS, MAX_CHARS = 8, 80  # where the sentence is Chinese
MOST_CHARS = 400  # of any sentence
_ENDS = (".", "!", "?", "。", "！", "？", "…")
_ECHO = re.compile(r"(?i)\bthe (?:person|user|reader)\b|\b(?:facts?|sentence|reason|note)\s*:|事实：|句子：|用户|此人")
_LABEL = re.compile(r"(?i)^\s*(?:sentence|reason|answer|句子|理由|推荐理由)\s*[:：]\s*")
_WRAPPERS = ('""', "“”", "''", "‘’", "「」")


@dataclass(frozen=True, slots=True)
class Draft:
    """One item to be explained, by one reason. `turn` varies how the sentence begins, where the prompt begins it."""

    item: Item
    reason: Reason
    turn: int


def written(
    drafts: Sequence[Draft], model: Model, prompt: Prompt, language: str, deadline: Deadline
) -> list[str | None]:
    """One sentence for each draft, all asked in one call; None where the reply is no usable sentence. Unchecked.

    What recites the instructions that a chatting model was given is none.

    Raises ModelError and PromptError as the model does.
    """
    chats = prompt.name.endswith("chat")
    suffixes = [prompt.candidate(**_variables(draft, language)) for draft in drafts]
    stop = () if chats else ("\n",)
    most = MAX_TOKENS["chat" if chats else "continue"]
    told = prompt.prefix()
    replies = model.complete(told, suffixes, deadline, max_tokens=most, stop=stop)
    openings = ["" if chats else _opening(suffix) for suffix in suffixes]
    found = [sentence_from(opening, reply) for opening, reply in zip(openings, replies, strict=True)]
    return [None if chats and one and recites(one, told) else one for one in found]


def sentence_from(opening: str, reply: Completion) -> str | None:
    """The one sentence of a reply, tidied; None where there is none: cut off, too short or long, stammering, an echo.

    `opening` is how the prompt began the sentence. Total: any reply gives a sentence or None.
    """
    text = _LABEL.sub("", reply.text.strip().split("\n")[0]) if not opening else reply.text.split("\n")[0]
    joined = opening + (
        text if not opening or text[:1] in ("", " ", ",", ".", "'", "’") or CJK.search(opening) else f" {text}"
    )
    sentence = re.sub(r"\s+", " ", joined).strip()
    for pair in _WRAPPERS:
        if len(sentence) > 2 and sentence[0] == pair[0] and sentence[-1] == pair[1] and pair[1] not in sentence[1:-1]:
            sentence = sentence[1:-1].strip()
    if reply.finish_reason == "length" or _ECHO.search(sentence) or not _has_good_length(sentence):
        return None
    words = sentence.casefold().split()
    if len(set(words)) < 0.6 * len(words):
        return None
    sentence = sentence.rstrip(" ,;:，；：—-")
    return sentence if sentence.endswith(_ENDS) else sentence + ("。" if CJK.search(sentence) else ".")


def _has_good_length(sentence: str) -> bool:
    if len(sentence) > MOST_CHARS:
        return False
    if len(CJK.findall(sentence)) > 3:
        return MIN_CHARS <= len(sentence) <= MAX_CHARS + sentence.count("《") * 30
    return MIN_WORDS <= len(sentence.split()) <= MAX_WORDS


def _opening(suffix: str) -> str:
    """How the prompt begins the sentence: what its last line holds behind the first colon."""
    last = suffix.rsplit("\n", 1)[-1]
    return re.split(r"[:：]\s*", last, maxsplit=1)[-1] if re.search(r"[:：]", last) else ""


def _variables(draft: Draft, language: str) -> dict[str, object]:
    reason = draft.reason
    decades = [
        f"{int(fact.value) // 10 * 10}{'年代' if language == 'zh' else 's'}"
        for fact in reason.facts
        if fact.role == "year"
    ]
    facts = [display(fact, language) for fact in reason.facts if fact.role != "year"] + decades
    title, year = called(draft.item)
    return {
        "item": {"title": title, "year": year},
        "facts": facts,
        "cited": [shown(cited) for cited in reason.cited],
        "asked": list(reason.asked),
        "turn": draft.turn,
        "together": reason.kind == "together",
    }
