"""What an item and a person share, most telling first: the reasons to give, with pointers. Pure."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal

from agent.explain.facts import PEOPLE, Fact, Role, field_texts
from agent.explain.person import Cited, Person
from agent.explain.standing import Standing, standing_of
from agent.explain.words import MEANINGS, folded, stem, stems, wish_words, words_of
from agent.types import Evidence, Item, Profile

Kind = Literal[
    "people",
    "pairing",
    "tags",
    "thread",
    "period",
    "era",
    "origin",
    "trait",
    "together",
    "wish",
    "named",
    "match",
    "apart",
    "start",
    "yours",
    "bare",
]

MAX_TAGS = 3
NEWEST = 20  # of the person's items, which behaviour is asked about: older ones hardly bring an item up
TOGETHER_WEIGHT = 1.0  # above one common tag, a decade or a country; below shared people, rare tags and threads
# How much one shared name says, before rarity and the strength of the liking. Judgements, not fits.
_PEOPLE_WEIGHT: dict[Role, float] = {
    "director": 2.6, "author": 2.6, "artist": 2.6, "maker": 1.8, "cast": 1.7
}  # fmt: skip
_TRAITS: tuple[tuple[Role, Kind, float], ...] = (
    ("series", "trait", 1.3), ("country", "origin", 0.25), ("language", "origin", 0.25), ("other", "trait", 0.5)
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Reason:
    """One thing that can truthfully be said.

    `facts` are the item's own, most telling first; `asked` are words of the wish; `usual` is the tag the person mostly
    goes for. `weight` orders the reasons of one person; it has no unit.
    """

    kind: Kind
    weight: float
    facts: tuple[Fact, ...] = ()
    cited: tuple[Cited, ...] = ()
    asked: tuple[str, ...] = ()
    usual: Fact | None = None
    standing: Standing | None = None
    wish_event: str | None = None

    @property
    def given(self) -> list[str]:
        """What a sentence may say of the person besides their items: ratings they gave, the tag they mostly go for."""
        ratings = [cited.rating for cited in self.cited if cited.rating is not None]
        return ratings + ([self.usual.value] if self.usual is not None else [])

    def evidence(self, wish: str = "") -> tuple[Evidence, ...]:
        """The pointers that this reason rests on, the item's fields first; never empty for a reason built here."""
        fields = [Evidence(kind="item", ref=f.ref, value=f.value) for f in self.facts]
        if self.standing is not None:
            fields.append(Evidence(kind="item", ref=self.standing.ref, value=self.standing.value))
        acts = [Evidence(kind="event", ref=c.event_id, value=c.item.name) for c in self.cited]
        if self.asked and self.wish_event:
            acts.append(Evidence(kind="event", ref=self.wish_event, value=wish))
        return tuple(dict.fromkeys([*fields, *acts]))


def reasons_for(item: Item, person: Person) -> list[Reason]:
    """All reasons to recommend the item to the person, most telling first; never empty.

    Ties keep a fixed order of kinds. Where nothing else holds, `apart` says honestly that little is shared, and `start`
    that nothing is known of the person.
    """
    found = [*_wished(item, person), *_from_pairs(item, person), *_threads(item, person), *_together(item, person)]
    found += _last(item, person)
    return sorted(found, key=lambda reason: -reason.weight)


def resolves(evidence: Evidence, item: Item, profile: Profile, liked: Mapping[str, Item] | None = None) -> bool:
    """Whether a pointer leads to what it says: a field of this item that holds the value, or an event of this profile.

    With `liked` (the person's items by id) an event on an item must also carry that item's name as its value.
    """
    if evidence.kind == "item":
        value, figure = folded(evidence.value), evidence.value.replace(",", "")
        texts = [text for ref, text in field_texts(item) if ref == evidence.ref]
        return any(evidence.value == text or (value and (value in folded(text) or figure == text)) for text in texts)
    if any(wish.event_id == evidence.ref and evidence.value.strip() in wish.text for wish in profile.wishes):
        return True
    known = {r.event_id: r.item_id for r in (*profile.liked, *profile.disliked)}
    if evidence.ref not in known or liked is None:
        return evidence.ref in known
    return known[evidence.ref] in liked and liked[known[evidence.ref]].name == evidence.value


def _wished(item: Item, person: Person) -> list[Reason]:
    """Reasons from the wish: names it holds, tags that answer it, words of it that stand in the item's text."""
    if not person.wish:
        return []
    wish = f" {' '.join(stems(person.wish))} "
    named = [
        f for f in person.facts[item.item_id] if f.role != "tag" and f" {' '.join(stems(f.value)) or '?'} " in wish
    ]
    found = [Reason("named", 3.0, (f,), asked=(f.value,), wish_event=person.wish_event) for f in named[:1]]
    by_tag, in_text = _answers(item, person.wish)
    if by_tag:
        facts = tuple(by_tag)[:2]
        answer = Reason(
            "wish", 2.0 + 0.5 * len(facts), facts, asked=tuple(by_tag[f] for f in facts), wish_event=person.wish_event
        )
        found += [answer, *_matched(answer, item, person)]
    if in_text:
        fact = max(in_text, key=lambda f: len(f.value))
        found.append(Reason("match", 2.0, (fact,), asked=(in_text[fact],), wish_event=person.wish_event))
    return found


def _answers(item: Item, wish: str) -> tuple[dict[Fact, str], dict[Fact, str]]:
    """The item's tags that answer a word of the wish, and the words of the wish that its text holds, with that word."""
    tags = {tuple(stems(tag)): Fact("tag", "tags", tag) for tag in item.tags}
    text = {stem(folded(word)): word for word in words_of(item.text)}
    by_tag: dict[Fact, str] = {}
    in_text: dict[Fact, str] = {}
    for word in wish_words(wish):
        key = stem(folded(word))
        meant = [word, *MEANINGS.get(folded(word), ()), *MEANINGS.get(key, ())]
        tag = next((tags[found] for one in meant if (found := tuple(stems(one))) in tags), None)
        if tag is not None:
            by_tag.setdefault(tag, word)
        elif key in text:
            in_text.setdefault(Fact("other", "text", text[key]), word)
    return by_tag, in_text


def _matched(answer: Reason, item: Item, person: Person) -> list[Reason]:
    """The same answer to the wish, with the liked item that has those tags too."""
    keys = {fact.key for fact in answer.facts}
    holders = [c for c in _others(item, person) if keys <= {f.key for f in person.facts[c.item.item_id]}]
    best = max(holders[::-1], key=lambda c: c.strength, default=None)
    return [replace(answer, weight=answer.weight + 0.2 * best.strength, cited=(best,))] if best else []


def _others(item: Item, person: Person) -> list[Cited]:
    return [cited for cited in person.cited if cited.item.item_id != item.item_id]


def _from_pairs(item: Item, person: Person) -> list[Reason]:
    """The reasons that rest on one liked item each."""
    found: list[Reason] = []
    for age, cited in enumerate(reversed(_others(item, person))):
        theirs = {fact.key for fact in person.facts[cited.item.item_id]}
        shared = [fact for fact in person.facts[item.item_id] if fact.key in theirs]
        weight = (0.55 + 0.45 * cited.strength) * (0.85 + 0.15 * math.exp(-0.3 * age))
        found += [replace(reason, weight=reason.weight * weight) for reason in _pair(item, cited, shared, person)]
    return found


def _pair(item: Item, cited: Cited, shared: Sequence[Fact], person: Person) -> list[Reason]:
    tags = sorted((f for f in shared if f.role == "tag"), key=lambda f: -person.rarity[f.key])[:MAX_TAGS]
    tag_weight = person.rareness(tags) * (1.0 if len(tags) > 1 else 0.8)
    found = [Reason("tags", tag_weight, tuple(tags), (cited,))] if tags else []
    people = _people(shared)
    if people:
        weight = _PEOPLE_WEIGHT[people[0].role] + 0.3 * person.rareness(people[:1]) + 0.3 * (len(people) - 1)
        found.append(Reason("people", weight, people, (cited,)))
        if tags:
            found.append(Reason("pairing", weight + 0.35 * person.rareness(tags[:2]), (*people, *tags[:2]), (cited,)))
    year = _same_decade(item, cited.item)
    if year is not None:
        found.append(Reason("era", 0.2, (year,), (cited,)))
        if tags:
            found.append(Reason("period", tag_weight + 0.2, (*tags[:2], year), (cited,)))
    for role, kind, worth in _TRAITS:
        same = next((f for f in shared if f.role == role), None)
        if same is not None:
            found.append(Reason(kind, worth * person.rareness([same]), (same,), (cited,)))
    return found


def _people(shared: Sequence[Fact]) -> tuple[Fact, ...]:
    """The shared people of the most telling role, at most two; empty where none is shared."""
    by_role: defaultdict[Role, list[Fact]] = defaultdict(list)
    for fact in shared:
        if fact.role in PEOPLE:
            by_role[fact.role].append(fact)
    best = max(by_role, key=lambda role: _PEOPLE_WEIGHT[role], default=None)
    return tuple(by_role[best][:2]) if best else ()


def _same_decade(item: Item, other: Item) -> Fact | None:
    if item.year is None or other.year is None or item.year < 1000 or item.year // 10 != other.year // 10:
        return None
    return Fact("year", "year", str(item.year))


def _threads(item: Item, person: Person) -> list[Reason]:
    """For each tag that two or more liked items hold too: the thread that runs through them."""
    found = []
    for fact in person.facts[item.item_id]:
        if fact.role != "tag":
            continue
        holders = [c for c in _others(item, person) if fact.key in {f.key for f in person.facts[c.item.item_id]}]
        if len(holders) > 1:
            two = sorted(holders[::-1], key=lambda c: -c.strength)[:2]
            weight = person.rarity[fact.key] + 0.5 * math.log(len(holders))
            found.append(Reason("thread", weight * (0.55 + 0.45 * two[1].strength), (fact,), tuple(two[::-1])))
    return found


def _together(item: Item, person: Person) -> list[Reason]:
    """The liked item that people took up together with this one, where behaviour was learned from and knows of one."""
    others = _others(item, person)[-NEWEST:]
    best = person.because([cited.item.item_id for cited in others], item.item_id) if person.because else None
    found = [cited for cited in others if cited.item.item_id == best]
    return [Reason("together", TOGETHER_WEIGHT * (0.55 + 0.45 * c.strength), cited=(c,)) for c in found[:1]]


def _last(item: Item, person: Person) -> list[Reason]:
    """What can be said where nothing or little is shared, or where the item is one of the person's own."""
    tags = tuple(Fact("tag", "tags", tag) for tag in item.tags[:2])
    year = (Fact("year", "year", str(item.year)),) if item.year is not None else ()
    own = tags or year or (Fact("other", "title", item.title),)
    standing = standing_of(item)
    yours = [Reason("yours", 9.0, own, (c,)) for c in person.cited if c.item.item_id == item.item_id]
    others = _others(item, person)
    if yours or not others:
        return yours or [Reason("start", 0.3, own, standing=standing)]
    usual = person.usual
    holders = [c for c in others if usual and usual.key in {f.key for f in person.facts[c.item.item_id]}]
    if usual is None or not holders:
        return [Reason("apart", 0.05, own, standing=standing)]
    if usual.key in {fact.key for fact in person.facts[item.item_id]}:
        return []
    return [Reason("apart", 0.3, own, (holders[-1],), usual=usual, standing=standing)]
