"""Other words for the same: frames to put around a wish, and nouns for the items, in English and Chinese. Own texts."""

from __future__ import annotations

import re

FRAMES = {  # by language, then by a name that no other frame has
    "en": {
        "want": "I would like {wish}",
        "please": "{wish}, please",
        "mood": "in the mood for this: {wish}",
        "question": "Can you find me something? {wish}",
        "sentence": "What I want right now is the following. {wish}.",
        "shouted": "{wish}!!!",
        "chatty": "hi, so basically {wish}, thanks a lot",
    },
    "zh": {
        "want-zh": "我想要{wish}",
        "please-zh": "请推荐：{wish}",
        "any-zh": "有没有这样的：{wish}",
        "thanks-zh": "现在比较想要{wish}，谢谢",
        "question-zh": "能帮我找一下吗？{wish}。",
        "shouted-zh": "{wish}！！！",
    },
}
NOUNS = {
    "en": ("items", "things", "works", "picks", "favourites"),
    "zh": ("作品", "条目", "内容", "东西", "收藏"),
}

_CHINESE = re.compile("[\u3400-\u9fff]")


def language_of(text: str) -> str:
    """`zh` for a text with a Chinese character, else `en`."""
    return "zh" if _CHINESE.search(text) else "en"
