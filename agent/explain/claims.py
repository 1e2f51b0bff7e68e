"""Finds what a sentence claims: titles, quotations, numbers, names, tags, honours. Pure; knows nothing of items.

Each finder reads the sentence and returns spans. What one finder has explained is blanked (with `■`, so that positions
stay) before the next one reads.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from agent.explain.words import (
    CJK,
    DECADES,
    FORMS,
    HONOURS,
    LETTER,
    NUMBERS,
    OPENERS,
    PEOPLES,
    STOP,
    folded,
    word_spans,
)

ClaimKind = Literal["title", "quote", "number", "decade", "name", "tag", "honour", "wish", "act", "form", "together"]
BLANK = "■"


@dataclass(frozen=True, slots=True)
class Span:
    """A piece of a sentence that claims something. `meaning` is what to look up, where that differs from the text."""

    kind: ClaimKind
    text: str
    start: int
    end: int
    meaning: str = ""


_ENDINGS = "com|org|net|io|cn|co|edu|gov|info|biz|ru|de|uk|fr|jp|xyz|top|app|dev"
_DOTS = "·‧۔∙•⋅・"  # what stands in for a dot
_HARD = (
    re.compile(r"(?i)[a-z0-9+.-]://|//\w|\bwww\.|(?<![a-z])h(?:tt|xx)ps?:"),
    re.compile(r"(?i)(?<![a-z])(?:javascript|vbscript|data|blob|file|mailto|tel|sms):\S|\b\d{1,3}(?:\.\d{1,3}){3}\b"),
    re.compile(rf"(?i)\b[\w-]+(?:\.[\w-]+)*[.{_DOTS}](?:{_ENDINGS})\b"),
    re.compile(r"\S@\w+\.\w"),
    re.compile(r"(?i)<[^<>]*>|</|<\||\|>|\]\(|`|\{\{|\}\}|\{%|%\}|&(?:#\w+|[a-z]{2,8});|\[/?INST\]|<<|>>"),
    re.compile(r"\*\*[^*]+\*\*"),
)
_SOFT = re.compile(
    r"[<>\[\]{}|\\~^_=*#@\u2500-\u257f]"
    r"|(?i:(?:[^\W_]|■)\.(?:[^\W\d_]{2}|■)|[a-z0-9-]{2,}[。｡][a-z]{2,})"  # a dot in it, as in a site's
    rf"|(?i:[a-z0-9-]{{2}}(?!(?<=l)·l)[{_DOTS}](?:[a-z]{{2,6}}(?!{LETTER})|■)|■[{_DOTS}][a-z]{{2,6}}(?!{LETTER}))"
    rf"|(?i:[a-z0-9■-][{_DOTS}][a-z]{{2,}}/|[a-z0-9]/[a-z0-9-]+/|/[a-z0-9-]+/[a-z0-9])"  # a/b is prose, a/b/c a path
)
_QUOTES = re.compile(
    r"“([^“”]*)”|\"([^\"]*)\"|《([^《》]*)》|「([^「」]*)」|『([^『』]*)』|(?<!\w)[‘']([^‘’']{2,80})[’'](?!\w)"
)
_NUMBER = re.compile(r"(?<![\w.])['’]?(\d[\d,]*(?:\.\d+)?)(s\b|年代)?")
_CHINESE_COUNT = re.compile(r"([二两三四五六七八九十百千万亿]+)(?=[部本个位次分年星项条名首款座种倍])")
_DECADE_WORD = re.compile(r"\b(" + "|".join(DECADES) + r")\b", re.I)
_NUMBER_WORD = re.compile(r"\b(" + "|".join(NUMBERS) + r")s?\b", re.I)
_NUMBER_WORDS: tuple[tuple[ClaimKind, re.Pattern[str], dict[str, str]], ...] = (
    ("decade", _DECADE_WORD, DECADES),
    ("number", _NUMBER_WORD, NUMBERS),
)
_ACT = re.compile(
    r"(?i)\byou(?:['’]ve)? (?:also |really |once )?(?:liked|loved|enjoyed|rated|bought|watched|saw|reviewed)\b"
)
_ACT_ON_TITLE = re.compile(rf"\s+(?:(?:both|the|films?|games?|books?|such as|like)\s+)*[“\"‘'《]?{BLANK}")
_ACT_BEHIND = re.compile(r"(?i)\b(?:which|that|whom|if|one)\s+$")
_PEOPLE = r"(?:people|others|those|every(?:one|body)|viewers|readers|players|listeners|customers|buyers|users|fans)"
_CHOSE = r"(?:lik|lov|enjoy|watch|play|rat|review)(?:e?d|es?|)|chosen?|choose|picked|b(?:ought|uy)|saw|read|went\s+for"
_OTHERS = re.compile(
    rf"(?i)\b{_PEOPLE}\s+(?:who|that|whose|with|like\s+you)\b[^.!?]*?\b(?:also|too|as\s+well|likewise|often)\b"
    rf"|\b{_PEOPLE}\s+(?:who|that|whose|with|like\s+you)\b[^.!?]*?\b(?:{_CHOSE})\b[^.!?]*?\b(?:{_CHOSE})\b"
    rf"|\b{_PEOPLE}\s+(?:have\s+)?(?:also\s+|often\s+)?(?:{_CHOSE})\b"
    rf"|\b(?:{_CHOSE}|popular|favou?rites?)\s+(?:by|with|among(?:st)?)\s+(?:many\s+|other\s+)*{_PEOPLE}\b"
    r"|(?:喜欢|喜爱|选择|选|看|买|玩|读|听|评论)[^，。！？]*的(?:人|观众|读者|玩家|用户|顾客|听众)[^。！？]*(?:也|还|都|同样|常)"
    r"|(?:其他人|别人|大家|[很许]多人|不少人|同样的人)[^。！？]*(?:也|还|都|同样|喜欢|选择)"
)
_CHINESE_DECADE = re.compile(r"([二三四五六七八九])十年代")
_TOKEN = re.compile(rf"{LETTER}(?:{LETTER}|['’&.-](?={LETTER}))*")
_LINKED = re.compile(r"\.?\s+(?:(?:of|the|de|la|le|van|von|der|den|da|di|du|del|and|&)\s+)*")
_MAKES = re.compile(r"\s+(?:directs|directed|stars|starred|wrote|writes|plays|played|returns|made|makes|and [A-Z])\b")
_NO_LETTER_BEFORE = r"(?<![^\W\u3400-\u9fff])"
_NO_LETTER_AFTER = r"(?![^\W\u3400-\u9fff])"
_PLAIN_CAPITALS = frozenset({"I", "I'm", "I’m", "I'd", "I've", "TV", "OK", "A"})
# Everyday words that happen to be tags: not read as a tag right after these.
_NO_TAG_AFTER = {"history": {"your", "viewing", "watch", "watching", "reading"}, "short": {"in"}}
MAX_TAG_WORDS = 4
_CODED = re.compile(r"\b[a-z]+\d\w*\b")
_CREDIT = re.compile(
    r"由([^，。；：、“”■]{2,24}?)(?:执导|主演|编剧|执笔|创作|出演|饰演|制作|出品|撰写)"
    r"|(?:导演|演员|作者|编剧|主演)(?:是|为|：)([^，。；“”■]{2,24})"
    r"|(?:^|[，。；：、！？])\s*([^，。；：、！？“”■由的是试]{2,24}?)(?:执导|主演|编剧|执笔|出演|饰演)(?=[的，。；])"
)
_HONOURS = {
    kind: re.compile(rf"(?i){_NO_LETTER_BEFORE}(?:{'|'.join(words)}){_NO_LETTER_AFTER}")
    for kind, words in HONOURS.items()
}


def unsafe_in(sentence: str, blanked: str) -> Iterator[Span]:
    """Links, markup and characters that no sentence may carry, also where they are written in wide or odd letters.

    Single signs of markup, words with a dot inside and paths count only where not blanked.
    """
    for at, char in enumerate(sentence):
        if unicodedata.category(char) in ("Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"):
            yield Span("form", f"U+{ord(char):04X}", at, at + 1)
    for text in dict.fromkeys((sentence, unicodedata.normalize("NFKC", sentence))):
        for pattern in _HARD:
            yield from (Span("form", m.group(), m.start(), m.end()) for m in pattern.finditer(text))
    for text in dict.fromkeys((blanked, unicodedata.normalize("NFKC", blanked))):
        yield from (Span("form", m.group(), m.start(), m.end()) for m in _SOFT.finditer(text))


def blank(text: str, spans: Iterable[Span]) -> str:
    """The text with these spans covered, at the same length."""
    for span in spans:
        text = text[: span.start] + BLANK * (span.end - span.start) + text[span.end :]
    return text


def titles_in(text: str, titles: Iterable[str]) -> Iterator[Span]:
    """Where these titles stand, longest first, no two overlapping, in the spelling given (case counts).

    A title that is an everyday word (`It`, `Her`) counts only in quotation marks or with its year behind it; any title
    of a single word counts only with its capital.
    """
    for title in sorted({t for t in titles if t.strip()}, key=lambda t: (-len(t), t)):
        for match in re.finditer(_whole(title), text):
            if _is_plain_word(title) and not _is_marked(text, match):
                continue
            span = Span("title", title, match.start(), match.end())
            text = blank(text, [span])
            yield span


def years_after(text: str, at: int) -> Span | None:
    """The year in brackets that follows position `at`, if one does."""
    match = re.compile(r"[”\"’』」》]?\s?[(（](\d{4})[)）]").match(text, at)
    return Span("number", match.group(1), at, match.end(), match.group(1)) if match else None


def quotes_in(text: str) -> Iterator[Span]:
    """What stands in quotation marks, the span with the marks; marks around what is blanked already are passed by."""
    for match in _QUOTES.finditer(text):
        inner = next(group for group in match.groups() if group is not None)
        if inner.strip(BLANK + " （）()0123456789,，、和"):
            yield Span(
                "title" if match.group().startswith("《") else "quote", inner.strip(), match.start(), match.end()
            )


def acts_in(text: str) -> Iterator[Span]:
    """Where the sentence says `you liked ...` of something else than a title, which must be covered by then.

    `which you liked` and `if you liked ...` claim nothing by themselves.
    """
    for match in _ACT.finditer(text):
        if not (_ACT_ON_TITLE.match(text, match.end()) or _ACT_BEHIND.search(text, 0, match.start())):
            yield Span("act", match.group(), match.start(), match.end())


def others_in(text: str) -> Iterator[Span]:
    """Where the sentence says what other people chose, as in `people who chose ... also chose this one`."""
    for match in _OTHERS.finditer(text):
        yield Span("together", match.group(), match.start(), match.end())


def numbers_in(text: str) -> Iterator[Span]:
    """Numbers in digits or words; `meaning` is the plain number, for a decade its first year or two digits of it."""
    for match in _NUMBER.finditer(text):
        decade = bool(match.group(2))
        plain = match.group(1).replace(",", "")
        yield Span("decade" if decade else "number", match.group().strip(), match.start(), match.end(), plain)
    for kind, pattern, meanings in _NUMBER_WORDS:
        for match in pattern.finditer(text):
            yield Span(kind, match.group(), match.start(), match.end(), meanings[match.group(1).lower()])
    for match in _CHINESE_DECADE.finditer(text):
        tens = "二三四五六七八九".index(match.group(1)) + 2
        yield Span("decade", match.group(), match.start(), match.end(), f"{tens}0")
    for match in _CHINESE_COUNT.finditer(_CHINESE_DECADE.sub(lambda m: BLANK * len(m.group()), text)):
        yield Span("number", match.group(1), match.start(), match.end(), match.group(1))


def tags_in(text: str, vocabulary: Mapping[tuple[str, ...], str]) -> Iterator[Span]:
    """Where tags of the vocabulary (stems -> tag) stand, the longest first; related forms such as `animated` count."""
    words = word_spans(text)
    at = 0
    while at < len(words):
        size, tag = _tag_at([stem for _, _, stem in words], at, vocabulary)
        if size:
            start, end = words[at][0], words[at + size - 1][1]
            yield Span("tag", text[start:end], start, end, tag)
        at += size or 1
    for tag in vocabulary.values() if CJK.search(text) else ():
        if len(tag) > 1 and CJK.search(tag):
            yield from (Span("tag", tag, m.start(), m.end(), tag) for m in re.finditer(re.escape(tag), text))


def names_in(text: str) -> Iterator[Span]:
    """Runs of capitalised words, words with digits inside, and names that a Chinese credit gives.

    At the beginning of a sentence an everyday word that opens a run does not belong to it, and a single word is no name
    unless it stands in the possessive or before a maker's verb (`Spielberg directs`).
    """
    run: list[re.Match[str]] = []
    for match in _TOKEN.finditer(text):
        if not _is_capital(match.group()):
            continue
        if run and not _LINKED.fullmatch(text, run[-1].end(), match.start()):
            yield from _name_of(text, run)
            run = []
        run.append(match)
    yield from _name_of(text, run)
    yield from (Span("name", match.group(), match.start(), match.end()) for match in _CODED.finditer(text))
    for match in _CREDIT.finditer(text):
        group = match.lastindex or 1
        yield Span("name", match.group(group), match.start(group), match.end(group))


def honours_in(text: str) -> Iterator[Span]:
    """Words that claim an award, acclaim, a dislike or a story's origin; `meaning` is which of these."""
    for kind, pattern in _HONOURS.items():
        yield from (Span("honour", m.group(), m.start(), m.end(), kind) for m in pattern.finditer(text))


def _whole(title: str) -> str:
    before, after = (
        ("" if CJK.match(title[0]) else _NO_LETTER_BEFORE),
        ("" if CJK.match(title[-1]) else _NO_LETTER_AFTER),
    )
    return before + re.escape(title) + after


def _is_plain_word(title: str) -> bool:
    return len(title) < 3 or (folded(title) in STOP and " " not in title)


def _is_marked(text: str, match: re.Match[str]) -> bool:
    """Whether a title is set off from the sentence: in quotation marks, or with a year behind it."""
    quoted = text[: match.start()].endswith(("“", "‘", "《", '"', "'", "「", "『"))
    return quoted or years_after(text, match.end()) is not None


def _tag_at(stems: Sequence[str], at: int, vocabulary: Mapping[tuple[str, ...], str]) -> tuple[int, str]:
    """How many words from `at` on make a tag, and which; (0, "") where none does."""
    if at and stems[at - 1] in _NO_TAG_AFTER.get(stems[at], ()):
        return 0, ""
    for size in range(min(MAX_TAG_WORDS, len(stems) - at), 0, -1):
        key = tuple(stems[at : at + size])
        if key in vocabulary and not (size == 1 and key[0] in STOP):
            return size, vocabulary[key]
    related = (FORMS.get(stems[at], ""),)
    return (1, vocabulary[related]) if related in vocabulary else (0, "")


def _is_capital(word: str) -> bool:
    return any(char.isupper() for char in word) and word not in _PLAIN_CAPITALS


def _name_of(text: str, run: Sequence[re.Match[str]]) -> Iterator[Span]:
    if not run:
        return
    before = text[: run[0].start()].rstrip(" \"'“‘(")
    begins = not before or before[-1] in ".!?…。！？"
    plain = folded(run[0].group()) in OPENERS
    if plain and (begins or before[-1] in ":;,—–-"):
        run = run[1:]
    elif begins and len(run) == 1 and not _is_telling(text, run[0]):
        return
    if run:
        start, end = run[0].start(), run[-1].end()
        yield Span("name", re.sub(r"['’]s?$", "", text[start:end]), start, end)


def _is_telling(text: str, match: re.Match[str]) -> bool:
    """Whether a word that opens a sentence is a name all the same: `NASA`, `Mann's`, `French`, `Mann directs`."""
    word = match.group()
    odd = any(char.isupper() for char in word[1:]) or word.endswith(("'s", "’s"))
    return odd or folded(word) in PEOPLES or _MAKES.match(text, match.end()) is not None
