"""What the explaining room knows of English and Chinese: word forms and the lists of `words.toml`. Pure once loaded."""

from __future__ import annotations

import re
import tomllib
import unicodedata
from pathlib import Path

CJK = re.compile(r"[\u3400-\u9fff\uf900-\ufaff]")
LETTER = r"[^\W_\u3400-\u9fff\uf900-\ufaff]"  # of any script that writes words apart
_WORD = re.compile(rf"[\u3400-\u9fff\uf900-\ufaff]+|{LETTER}+(?:['’]{LETTER}+)*")
_UNIT = re.compile(rf"[\u3400-\u9fff\uf900-\ufaff]|{LETTER}+")
_LISTS = tomllib.loads((Path(__file__).parent / "words.toml").read_text(encoding="utf-8"))

STOP = frozenset(_LISTS["stop"].split())
OPENERS = STOP | frozenset(_LISTS["openers"].split())
COMMON_TAGS = frozenset(tag.replace("+", " ") for tag in _LISTS["common_tags"].split())
FORMS: dict[str, str] = _LISTS["forms"]
MEANINGS: dict[str, list[str]] = _LISTS["meanings"]
PEOPLES: dict[str, list[str]] = _LISTS["peoples"]
NUMBERS: dict[str, str] = _LISTS["numbers"]
DECADES: dict[str, str] = _LISTS["decades"]
CHINESE: dict[str, str] = _LISTS["chinese"]
HONOURS: dict[str, list[str]] = _LISTS["honours"]


def folded(text: str) -> str:
    """The text in one case, without accents on Latin letters: `É` and `e` compare equal."""
    decomposed = unicodedata.normalize("NFKD", text.casefold())
    return unicodedata.normalize("NFC", "".join(char for char in decomposed if not unicodedata.combining(char)))


def stem(word: str) -> str:
    """A folded word without possessive and plural: `comedies` and `comedy's` give `comedy`. Rough, English only."""
    word = re.sub(r"['’]s?$|['’]", "", word)
    if len(word) > 4 and word.endswith("ies"):
        return word[:-3] + "y"
    if len(word) > 3 and word.endswith("s") and not word.endswith(("ss", "us", "is")):
        return word[:-1]
    return word


def word_spans(text: str) -> list[tuple[int, int, str]]:
    """Each word of the text as (start, end, stem), in order; `science fiction` has the stems of `sci-fi`."""
    found = [(m.start(), m.end(), stem(folded(m.group()))) for m in _WORD.finditer(text)]
    for at in range(len(found) - 1):
        if (found[at][2], found[at + 1][2]) == ("science", "fiction"):
            found[at] = (*found[at][:2], "sci")
            found[at + 1] = (*found[at + 1][:2], "fi")
    return found


def stems(text: str) -> list[str]:
    """The words of the text, folded and stemmed, in order."""
    return [word for _, _, word in word_spans(text) if word]


def words_of(text: str) -> list[str]:
    """The words of the text as written, in order, without punctuation."""
    return _WORD.findall(text)


def spelled(tag: str) -> str:
    """The tag as an English sentence spells it: common nouns small, everything else as the catalogue has it."""
    return tag.lower() if tag.lower() in COMMON_TAGS else tag


def wish_words(wish: str) -> list[str]:
    """The telling words of a wish as the person wrote them: no stop words, none twice, in order."""
    words = {stem(folded(m.group())): m.group() for m in _WORD.finditer(wish) if not CJK.search(m.group())}
    telling = [word for key, word in words.items() if len(key) > 2 and key not in STOP and folded(word) not in STOP]
    return telling + [word for word in MEANINGS if CJK.search(word) and word in wish]


def recites(sentence: str, text: str) -> bool:
    """Whether ten words of the text, or sixteen Chinese characters, stand in the sentence one after the other."""
    said, known = (_UNIT.findall(one.casefold()) for one in (sentence, text))
    run = 16 if CJK.search(sentence) else 10
    runs = {tuple(known[n : n + run]) for n in range(len(known) - run + 1)}
    return any(tuple(said[n : n + run]) in runs for n in range(len(said) - run + 1))
