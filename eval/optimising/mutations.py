"""Changes to a ranking prompt that need no model: each keeps the file readable, and is named. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterator

from eval.optimising.wordings import JOINERS, NEWEST_FIRST, SYNONYMS

MAX_TAGS = (1, 2, 3, 5)
NEWEST = (3, 5)

Mutation = tuple[str, str]  # what was changed, and the whole body with it

_LOOP = re.compile(r"\{%(?P<l>-?) for item in history(?P<how>[^%]*?) (?P<r>-?)%\}")
_IF_TAGS = re.compile(r"\{% if item\.tags %\}.*?\{% endif %\}")
_IF_YEAR = re.compile(r"\{% if item\.year is not none %\}.*?\{% endif %\}")
_EITHER = "item.tags or item.year is not none"
_TAGS_SHOWN = re.compile(r"item\.tags\[:(\d+)\]")
_JOIN = re.compile(r'(item\.tags\[:\d+\] \| join\()"([^"]*)"')
_TEXT_SHOWN = re.compile(r"\{% if item\.text %\}.*?\{% endif %\}")
_JINJA = re.compile(r"\{[{%#]")
_STATEMENT = re.compile(r"\{%")


def mutations(body: str, language: str) -> Iterator[Mutation]:
    """Every change of one step, by kind, in the order of the text; none that leaves the body as it is.

    Kinds: a line or a paragraph left out, the history newest first or shorter, items without tags, year or text, more
    or fewer tags, another separator, another bullet, another wording (in the language).
    """
    for kind in (_lines, _paragraphs, _history, _fields, _tags, _bullets):
        yield from _changed(body, kind(body))
    yield from _changed(body, _joiners(body, language))
    yield from _changed(body, _wordings(body, language))


def _changed(body: str, found: Iterator[Mutation]) -> Iterator[Mutation]:
    return ((change, new) for change, new in found if new != body)


def _lines(body: str) -> Iterator[Mutation]:
    lines = body.splitlines(keepends=True)
    for n, line in enumerate(lines):
        if line.strip() and not _JINJA.search(line):
            yield f"left out the line “{_short(line)}”", "".join([*lines[:n], *lines[n + 1 :]])


def _paragraphs(body: str) -> Iterator[Mutation]:
    """Paragraphs of several lines that no statement reaches into: worked examples, as a rule."""
    paragraphs = body.split("\n\n")
    for n, paragraph in enumerate(paragraphs):
        if paragraph.strip().count("\n") and not _STATEMENT.search(paragraph):
            yield f"left out the paragraph “{_short(paragraph)}”", "\n\n".join([*paragraphs[:n], *paragraphs[n + 1 :]])


def _history(body: str) -> Iterator[Mutation]:
    match = _LOOP.search(body)
    if match is None:
        return
    for how, change in (
        (" | reverse", "history newest first"),
        *((f"[-{n}:]", f"only the newest {n} of the history") for n in NEWEST),
        *((f"[-{n}:] | reverse", f"only the newest {n} of the history, newest first") for n in NEWEST),
        ("", "the whole history, oldest first"),
    ):
        loop = f"{{%{match['l']} for item in history{how} {match['r']}%}}"
        whole = body[: match.start()] + loop + body[match.end() :]
        yield change, _said_in_order(whole, newest_first="reverse" in how)


def _said_in_order(body: str, *, newest_first: bool) -> str:
    """The body, saying of the history in which order it runs. Worked examples run oldest first and go with the rest."""
    for oldest, newest in (pair for pairs in NEWEST_FIRST.values() for pair in pairs):
        old, new = (oldest, newest) if newest_first else (newest, oldest)
        head, found, tail = body.rpartition(old)
        body = f"{head}{new}{tail}" if found else body
    return body


def _fields(body: str) -> Iterator[Mutation]:
    without_tags = _IF_TAGS.sub("", body).replace(_EITHER, "item.year is not none")
    yield "items without tags", without_tags
    without_year = _IF_YEAR.sub("", body).replace(_EITHER, "item.tags").replace("item.name", "item.title")
    yield "items without their year", without_year
    yield "items with their year", body.replace("item.title", "item.name") if "item.year" not in body else body
    yield "items without their text", _TEXT_SHOWN.sub("", body)


def _tags(body: str) -> Iterator[Mutation]:
    for n in MAX_TAGS:
        yield f"at most {n} tag{'' if n == 1 else 's'}", _TAGS_SHOWN.sub(f"item.tags[:{n}]", body)


def _joiners(body: str, language: str) -> Iterator[Mutation]:
    for joiner in JOINERS.get(language, JOINERS["en"]):
        yield f"tags joined by “{joiner.strip()}”", _JOIN.sub(rf'\1"{joiner}"', body)


def _bullets(body: str) -> Iterator[Mutation]:
    for bullet in ("-", "*", "•"):
        pattern = re.compile(r"^(?:-|\*|•)(?=\s|$)", re.MULTILINE)
        yield f"bullets “{bullet}”", pattern.sub(bullet, body)


def _wordings(body: str, language: str) -> Iterator[Mutation]:
    for old, new in SYNONYMS.get(language, ()):
        yield f"“{new}” for “{old}”", body.replace(old, new)


def _short(text: str) -> str:
    line = " ".join(text.split())
    return line if len(line) <= 40 else f"{line[:39]}…"
