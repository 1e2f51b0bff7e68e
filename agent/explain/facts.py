"""What the catalogue says of an item, as facts: each with the field it stands in, so that a claim can point to it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from agent.explain.words import folded
from agent.types import Attribute, Item

Role = Literal["director", "author", "cast", "artist", "maker", "series", "tag", "year", "country", "language", "other"]

PEOPLE: frozenset[Role] = frozenset({"director", "author", "cast", "artist", "maker"})
MAX_VALUE_CHARS = 60
MAX_NAME_CHARS = 70

_ROLE_NAMES: dict[Role, str] = {
    "director": "director directedby 导演",
    "author": "author writer screenwriter writtenby 作者 编剧",
    "cast": "cast actor actress star starring 主演 演员",
    "artist": "artist band singer musician composer performer 艺术家 歌手",
    "maker": "developer studio publisher brand maker manufacturer label creator producer production 开发商 品牌 出版社",
    "series": "series franchise saga 系列",
    "country": "country origin nation 国家",
    "language": "language 语言",
}
_ROLES: dict[str, Role] = {name: role for role, names in _ROLE_NAMES.items() for name in names.split()}
_DULL = re.compile(
    r"(^|_)(id|ids|imdb\w*|tmdb\w*|isbn\w*|asin|url|uri|link|image|poster|thumbnail|date|updated|released?|released|price"
    r"|title|name|text|plot|summary|description|overview|rating|rated|score|meter|votes?|reviews?|runtime|duration|pages"
    r"|year|dvd|website|box_?office|awards?|oscars?|tags?|genres?|keywords?|popularity|consensus|lastupdated)(_|$)"
)


@dataclass(frozen=True, slots=True)
class Fact:
    """One thing the catalogue says of an item: `ref` is the field as in `Evidence`, `value` is spelled as there."""

    role: Role
    ref: str
    value: str

    @property
    def key(self) -> tuple[Role, str]:
        """What two items' facts are compared by; case and accents do not count."""
        return self.role, folded(self.value)


def facts_of(item: Item) -> list[Fact]:
    """The facts of an item that another item may share: tags, people, year, country, language, short attributes.

    In catalogue order, none twice. A field such as `cast` may be a list or one text with commas.
    """
    facts = [*(Fact("tag", "tags", tag) for tag in item.tags), *_from_attributes(item)]
    if item.language:
        facts.append(Fact("language", "language", item.language))
    if item.year is not None:
        facts.append(Fact("year", "year", str(item.year)))
    return list({fact.key: fact for fact in reversed(facts)}.values())[::-1]


def role_of(attribute: str) -> Role:
    """What an attribute's name says its values are; `other` where it says nothing known."""
    name = re.sub(r"[\W_]+", "", folded(attribute))
    return _ROLES.get(name, _ROLES.get(name.removesuffix("s"), _ROLES.get(name.removesuffix("ies") + "y", "other")))


def field_texts(item: Item) -> Iterator[tuple[str, str]]:
    """Every field of the item that holds text or numbers, as (ref, text), lists one entry at a time."""
    yield "title", item.title
    yield from (("tags", tag) for tag in item.tags)
    if item.text:
        yield "text", item.text
    for ref, value in item.attributes.items():
        for entry in value if isinstance(value, tuple) else (value,):
            if str(entry).strip():
                yield ref, str(entry)
    for ref, text in (("language", item.language), ("platform", item.platform)):
        if text:
            yield ref, text
    if item.popularity is not None:
        yield "popularity", f"{item.popularity:g}" if item.popularity % 1 else str(int(item.popularity))


def called(item: Item) -> tuple[str, int | None]:
    """What a sentence calls the item: its title, cut at a natural break where it is long, and its year if known."""
    title = item.title
    if len(title) > MAX_NAME_CHARS:
        head = re.split(r"\s[-–—|]\s|[,(:;|，（：；]", title)[0].strip()
        title = head if 0 < len(head) <= MAX_NAME_CHARS else title[:MAX_NAME_CHARS].rsplit(" ", 1)[0]
    year = item.year
    if year is not None and title.rstrip().endswith((f"({year})", f"（{year}）")):
        title = title.rstrip()[: -len(str(year)) - 2].rstrip() or title
    return title, year


def _from_attributes(item: Item) -> Iterator[Fact]:
    for ref, value in item.attributes.items():
        role = role_of(ref)
        if role == "other" and (_dull(ref) or not isinstance(value, str | tuple)):
            continue
        for entry in _entries(role, value):
            if 1 < len(entry) <= MAX_VALUE_CHARS and not entry.isdigit():
                yield Fact(role, ref, entry)


def _entries(role: Role, value: Attribute) -> Iterator[str]:
    for entry in value if isinstance(value, tuple) else (str(value),):
        parts = re.split(r"[,;|，；、]", entry) if role not in ("other", "series") else [entry]
        yield from (part.strip() for part in parts if part.strip())


def _dull(ref: str) -> bool:
    snake = re.sub(r"(?<=[a-z])(?=[A-Z])", "_", ref).lower()
    return bool(_DULL.search(re.sub(r"\W+", "_", snake)))
