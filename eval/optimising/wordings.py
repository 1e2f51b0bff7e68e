"""Phrases of ranking prompts and what may stand in their place, in English and Chinese. Own texts."""

from __future__ import annotations

NEWEST_FIRST = {  # what a prompt says of a history oldest first, and of one newest first
    "en": (("the latest last", "the latest first"), (", in order:", ", the latest first:")),
    "zh": (("最近的排在最后", "最近的排在最前"), ("依次喜欢过的", "从近到远喜欢过的")),
}
SYNONYMS = {
    "en": (
        ("this person enjoyed, in order", "that one person liked, one after the other"),
        ("this person enjoyed, in order", "I watched lately and loved"),
        ("this person enjoyed", "this person loved"),
        ("this person enjoyed", "on this person's list of favourites"),
        ("Enjoyed before", "Liked before"),
        ("would enjoy", "would like"),
        ("Would they enjoy", "Will they like"),
        ("Now they ask for:", "What they want now:"),
        ("Now they ask for:", "In the mood for:"),
        ("Candidates:", "Choose among:"),
        ("Candidates:", "Options:"),
        ("Obscure", "Forgotten"),
        ("The most popular", "The best known"),
    ),
    "zh": (
        ("这个人依次喜欢过的", "同一个人先后爱上的"),
        ("这个人依次喜欢过的", "最近看过并且很喜欢的"),
        ("这个人喜欢过的", "这个人最爱的"),
        ("过去喜欢的", "以前爱看的"),
        ("现在想要：", "此刻想看："),
        ("当前的要求：", "现在想要："),
        ("候选：", "可选："),
    ),
}
JOINERS = {"en": (", ", "/", " | ", " and "), "zh": ("、", "/", "，", "和")}
