"""Which language a text is in, told by its script alone. Pure."""

from __future__ import annotations

import re
from typing import Literal

Language = Literal["en", "zh"]

LANGUAGES: tuple[Language, ...] = ("en", "zh")
SIGNS_A_WORD = 2  # Chinese signs that say about as much as one English word

_HAN = re.compile(r"[\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U000323af]")
_KANA_OR_HANGUL = re.compile(r"[\u3040-\u30ff\u31f0-\u31ff\uff66-\uff9f\u1100-\u11ff\uac00-\ud7af]")
_LATIN = re.compile(r"[A-Za-z\u00c0-\u024f]+(?:['’-][A-Za-z\u00c0-\u024f]+)*")


def language_of(text: str) -> Language | None:
    """The language of a text by its script: `zh` for Chinese signs, `en` for Latin letters; None where neither leads.

    Words with a capital are taken for names, so that an English title in a Chinese sentence does not make it English;
    the first word of the text is none. Kana and Hangul are Japanese and Korean, of which nothing is known here: None.
    Other languages of Latin script cannot be told from English. The ranges are blocks of the Unicode Standard.
    """
    signs, words = len(_HAN.findall(text)), _LATIN.findall(text)
    latin = sum(map(len, words))
    letters = sum(map(str.isalpha, text))
    if _KANA_OR_HANGUL.search(text) or 2 * (signs + latin) < letters or not letters:
        return None
    if not signs:
        return "en"
    begins = text.lstrip(" \t\"'“‘(").startswith(words[0]) if words else False
    said = [word for n, word in enumerate(words) if word[0].islower() or (n == 0 and begins)]
    return "zh" if signs > SIGNS_A_WORD * len(said) else "en"
