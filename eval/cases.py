"""Reads a data set folder: items.jsonl becomes items, cases.jsonl becomes cases, a bad line an error that names it.

The whole folder is checked once before any model works on it, so that a broken line is found in a second, not after
an hour. Cases are streamed; only the items are held.
"""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from itertools import islice
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from agent.errors import CatalogueError, ConfigError
from agent.types import Identifier, Item, Text
from eval.jsonlines import Fault, chunks, read_objects, refuse
from eval.past import FILE, Past, load_past

ITEMS, CASES, EVENTS = "items.jsonl", "cases.jsonl", FILE
DISLIKED = "disliked"
CARRY = f"Give cases the ids of items that their person is known not to like, under {DISLIKED}: palate eval data build"
_PARTS = frozenset({"recall-only", "likelihood-only", "model", "without-model"})
RESERVED = (
    _PARTS | {"random", "popularity", "als", "ease", "oracle"} | {"interest", "sigmoid", "softmax", "interest-blend"}
)

Ids = tuple[Identifier, ...]
ReferenceName = Annotated[str, Field(min_length=1, max_length=200)]


class Message(BaseModel):
    """One utterance of a conversation."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    role: Literal["user", "assistant"]
    content: Text


class Case(BaseModel):
    """One question to a recommender and its answer. `history` runs oldest first; `relevant` is what counts as a hit.

    `disliked` are items that the person is known not to like, such as those they rated low later; `negatives@K` counts
    them. In a conversation, `messages` are what was said so far, `mentioned` the items named in it; both oldest first.
    `reference` holds other systems' orders of the same candidates; they may be partial or empty, and may name items
    that do not exist (that is what some systems do). Keys that other tasks use are passed over.
    """

    model_config = ConfigDict(frozen=True, extra="ignore", strict=False)

    case_id: Identifier
    user_id: Identifier
    relevant: Annotated[Ids, Field(min_length=1)]
    history: Ids = ()
    candidates: Ids = ()
    disliked: Ids = ()
    messages: tuple[Message, ...] = ()
    mentioned: Ids = ()
    wish: Text | None = None
    reference: Mapping[ReferenceName, tuple[str, ...]] = Field(default_factory=dict)

    @property
    def leaked(self) -> Ids:
        """The relevant items that the case itself gives away, in their order: met before, or named in what was said."""
        return tuple(item_id for item_id in self.relevant if item_id in self.history or item_id in self.mentioned)


@dataclass(frozen=True)
class Stock:
    """The checked items of a data set; its cases are checked one by one when they are asked for.

    `sha256` is that of items.jsonl followed by cases.jsonl, byte for byte.
    """

    folder: Path
    items: Mapping[str, Item]
    sha256: str

    @classmethod
    def of(cls, folder: Path) -> Stock:
        """That of the folder. Raises as `DataSet.open` does, for bad cases not before they are asked for."""
        _present(folder)
        digest = hashlib.sha256()
        items = _items(folder / ITEMS, digest)
        for chunk in chunks(folder / CASES):
            digest.update(chunk)
        return cls(folder, items, digest.hexdigest())

    @property
    def name(self) -> str:
        """The folder's own name."""
        return self.folder.resolve().name

    @cached_property
    def past(self) -> Past:
        """What people did before the cases; empty where the folder does not tell it. Raises CatalogueError."""
        return load_past(self.folder, tuple(self.items))

    def cases(self, limit: int | None = None) -> Iterator[Case]:
        """The cases in the file's order, streamed, at most `limit` of them.

        Raises CatalogueError where one is bad, such as when the file has changed since it was checked.
        """
        return islice(self._stream(), limit)

    def _stream(self) -> Iterator[Case]:
        for found in _cases(self.folder / CASES, self.items, (), None):
            if isinstance(found, Fault):
                refuse([found])
            else:
                yield found


@dataclass(frozen=True)
class DataSet(Stock):
    """A checked folder of items and cases. `references` names the systems that have orders in it.

    `given_away` are the cases that give a relevant item away by themselves. `unreachable` are those with none among
    their candidates, if they have any, by their places in the file from 0; so is `first_disliked` the first case that
    carries disliked items, None where none does.
    """

    n_cases: int
    references: tuple[str, ...] = ()
    given_away: tuple[str, ...] = ()
    unreachable: tuple[int, ...] = ()
    first_disliked: int | None = None

    @classmethod
    def open(cls, folder: Path, needs: Sequence[str] = ("history", "candidates")) -> DataSet:
        """The data set in the folder, every line checked; each case must have the keys in `needs`.

        Raises ConfigError when the folder or one of its files is missing, CatalogueError when a line is bad or there
        are no cases.
        """
        _present(folder)
        digest = hashlib.sha256()
        items = _items(folder / ITEMS, digest)
        checked = _Checked()
        for found in _cases(folder / CASES, items, needs, digest):
            checked.take(found)
        refuse(checked.faults)
        if not checked.n_cases:
            raise CatalogueError(f"{folder / CASES} holds no cases", "Write one JSON object a line")
        references, unreachable = tuple(sorted(checked.references)), tuple(checked.unreachable)
        told = (checked.n_cases, references, tuple(checked.given_away), unreachable, checked.first_disliked)
        return cls(folder, items, digest.hexdigest(), *told)

    @cached_property
    def leaked(self) -> tuple[str, ...]:
        """The cases that can be answered by looking: `Case.leaked`, or an event of the person is about a relevant item.

        Reads the past. Raises CatalogueError.
        """
        if not len(self.past):
            return self.given_away
        return tuple(case.case_id for case in self.cases() if case.leaked or self._done_with(case))

    def _done_with(self, case: Case) -> bool:
        return not self.past.touched(case.user_id).isdisjoint(case.relevant)

    def n_run(self, limit: int | None = None) -> int:
        """How many cases `cases` gives with this limit."""
        return min(self.n_cases, limit or self.n_cases)


@dataclass
class _Checked:
    """What one pass over the cases has found."""

    n_cases: int = 0
    faults: list[Fault] = field(default_factory=list)
    references: set[str] = field(default_factory=set)
    given_away: list[str] = field(default_factory=list)
    unreachable: list[int] = field(default_factory=list)
    first_disliked: int | None = None

    def take(self, found: Case | Fault) -> None:
        """Count one more line."""
        if isinstance(found, Fault):
            self.faults.append(found)
            return
        self.unreachable += [self.n_cases] if set(found.relevant).isdisjoint(found.candidates) else []
        if self.first_disliked is None and found.disliked:
            self.first_disliked = self.n_cases
        self.n_cases += 1
        self.references.update(found.reference)
        self.given_away += [found.case_id] if found.leaked else []


def item_from(row: Mapping[str, object]) -> Item:
    """The row as an item: keys that an item has fill its fields, every other key becomes an attribute.

    Null values are left out; lists among the attributes become tuples of text. Raises pydantic's ValidationError.
    """
    given = {key: value for key, value in row.items() if value is not None}
    named = {key: value for key, value in given.items() if key in Item.model_fields}
    others = {key: _attribute(value) for key, value in given.items() if key not in Item.model_fields}
    attributes = named.get("attributes", {})
    if isinstance(attributes, Mapping):
        named["attributes"] = {**{key: _attribute(value) for key, value in attributes.items()}, **others}
    return Item.model_validate(named)


def _attribute(value: object) -> object:
    return tuple(str(part) for part in value) if isinstance(value, list) else value


def _present(folder: Path) -> None:
    if not folder.is_dir():
        raise ConfigError(f"there is no data set folder {folder}", f"Give a folder that holds {ITEMS} and {CASES}")
    for name in (ITEMS, CASES):
        if not (folder / name).is_file():
            raise ConfigError(f"the data set folder {folder} has no {name}", f"It needs {ITEMS} and {CASES}")


def _items(path: Path, digest: hashlib._Hash) -> dict[str, Item]:
    """Raises CatalogueError on bad lines: a case cannot be judged against a catalogue with holes."""
    items: dict[str, Item] = {}
    faults: list[Fault] = []
    for found in read_objects(path, digest):
        item = found if isinstance(found, Fault) else _item(path, *found)
        if isinstance(item, Fault):
            faults.append(item)
        elif item.item_id in items:
            line = found[0] if isinstance(found, tuple) else 0
            faults.append(Fault(path, line, f"the item {item.item_id!r} is there already"))
        else:
            items[item.item_id] = item
    refuse(faults)
    return items


def _item(path: Path, line: int, row: Mapping[str, object]) -> Item | Fault:
    try:
        return item_from(row)
    except ValidationError as error:
        return Fault(path, line, _in_words(error))


def _cases(
    path: Path, items: Collection[str], needs: Sequence[str], digest: hashlib._Hash | None
) -> Iterator[Case | Fault]:
    seen: set[str] = set()
    for found in read_objects(path, digest):
        if isinstance(found, Fault):
            yield found
            continue
        line, row = found
        case = _case(row, needs)
        reason = case if isinstance(case, str) else _wrong_with(case, items, seen)
        if reason or isinstance(case, str):
            yield Fault(path, line, str(reason))
        else:
            seen.add(case.case_id)
            yield case


def _case(row: Mapping[str, object], needs: Sequence[str]) -> Case | str:
    missing = [key for key in needs if key not in row]
    if missing:
        return f"the case has no {missing[0]!r}; this task needs {', '.join(needs)}"
    try:
        return Case.model_validate({key: value for key, value in row.items() if value is not None})
    except ValidationError as error:
        return _in_words(error)


def _wrong_with(case: Case, items: Collection[str], seen: Collection[str]) -> str | None:
    """Why the case cannot be used, None when it can."""
    if case.case_id in seen:
        return f"the case {case.case_id!r} is there already"
    named = {key: getattr(case, key) for key in ("relevant", "history", "candidates", DISLIKED, "mentioned")}
    for key, ids in named.items():
        unknown = [item_id for item_id in ids if item_id not in items]
        if unknown:
            more = f" (and {len(unknown) - 1} more)" if len(unknown) > 1 else ""
            return f"{key} names the item {unknown[0]!r}{more}, which {ITEMS} does not hold"
    for key, ids in (("relevant", case.relevant), ("candidates", case.candidates), (DISLIKED, case.disliked)):
        if len(set(ids)) != len(ids):
            return f"{key} names the item {next(i for i in ids if ids.count(i) > 1)!r} twice"
    if both := set(case.relevant).intersection(case.disliked):
        return f"the item {min(both)!r} is both relevant and {DISLIKED}"
    taken = sorted(RESERVED.intersection(case.reference))
    return f"the reference {taken[0]!r} bears the name of a system that is always run" if taken else None


def _in_words(error: ValidationError) -> str:
    first = error.errors(include_url=False, include_context=False)[0]
    where = ".".join(str(part) for part in first["loc"])
    return f"{where}: {first['msg']}"[:300]
