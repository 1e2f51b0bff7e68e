"""Scripted messages: what people may write, the state they write it in, and what they mean by it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from agent.converse.state import Intent, Option, Question, State
from agent.errors import ConfigError
from agent.language import LANGUAGES, Language
from agent.titles import Titles
from agent.toml_file import read_toml
from agent.types import EventKind
from eval.chance import part_of

Half = Literal["development", "final"]
HALVES: tuple[Half, Half] = ("development", "final")
FEELINGS = {"like": EventKind.LIKE, "dislike": EventKind.DISLIKE, "view": EventKind.VIEW}


class Row(BaseModel):
    """A message as it stands in the file. None: nothing is said of that, and nothing is measured.

    `where` is the filter that its constraints amount to, `other` another reading that is as good; `items` the titles
    it speaks of, `feels` what it says of them all.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    say: str = Field(min_length=1)
    shown: bool = False
    focus: str | None = None
    asked: bool = False
    where: str | None = None
    other: str | None = Field(default=None, alias="or")
    items: tuple[str, ...] | None = None
    unclear: bool | None = None
    feels: Literal["like", "dislike", "view"] | None = None
    skips: bool | None = None


class Asked(BaseModel):
    """The question that may be pending: its name, and its options as label and test."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str
    options: dict[str, str]


class _Intended(BaseModel):
    """The rows of one intent, and what holds for those that do not say otherwise."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    shown: bool = False
    asked: bool = False
    rows: tuple[str | Row, ...] = Field(min_length=1)


class _Script(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    language: Language
    slate: tuple[str, ...]
    question: Asked
    wish: _Intended
    critique: _Intended
    reaction: _Intended
    about: _Intended
    why: _Intended
    talk: _Intended
    bye: _Intended


@dataclass(frozen=True)
class Message:
    """A message to be understood: its intent, the state before it, and what else is known of it, by item ids."""

    intent: Intent
    language: Language
    half: Half
    row: Row
    state: State
    items: tuple[str, ...] | None
    feels: EventKind | None


def messages(language: Language, titles: Titles, folder: Path | None = None) -> list[Message]:
    """The scripted messages of a language, from the folder's `<language>.toml` or those that come with Palate.

    Raises ConfigError where the file is wrong, NotFound and Ambiguous for a title that is none of the catalogue's.
    """
    path = (folder or Path(__file__).parent) / f"{language}.toml"
    script = _script(path)
    slate = tuple(titles.find(title).item_id for title in script.slate)
    groups: dict[Intent, _Intended] = {intent: getattr(script, intent.value) for intent in Intent}
    rows = [(intent, _row(one, group)) for intent, group in groups.items() for one in group.rows]
    return [_message(intent, script, row, slate, titles) for intent, row in rows]


def half_of(language: Language, say: str) -> Half:
    """Which half a message falls into by lot: equal messages always into the same."""
    return HALVES[part_of(2, "understand", language, say)]


def languages(named: str | None) -> tuple[Language, ...]:
    """The language of that name, all of them for None. Raises ConfigError for another."""
    found = tuple(language for language in LANGUAGES if named in (None, language))
    if not found:
        raise ConfigError(f"there are no messages in {named!r}", f"Give one of: {', '.join(LANGUAGES)}")
    return found


def _script(path: Path) -> _Script:
    try:
        return _Script.model_validate(read_toml(path))
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(str(part) for part in first["loc"])
        raise ConfigError(f"{path}, {place}: {first['msg']}", "See the head of en.toml for what a row holds") from error


def _row(one: str | Row, group: _Intended) -> Row:
    said: dict[str, Any] = one.model_dump(exclude_unset=True, by_alias=True) if isinstance(one, Row) else {"say": one}
    return Row.model_validate({"shown": group.shown, "asked": group.asked, **said})


def _message(intent: Intent, script: _Script, row: Row, slate: tuple[str, ...], titles: Titles) -> Message:
    question = script.question
    options = tuple(Option(label=label, test=test) for label, test in question.options.items())
    turn = int(row.shown or row.asked or row.focus is not None)
    state = State(
        conversation_id="scripted",
        user_id="scripted",
        language=script.language,
        turn=turn,
        slate=slate if row.shown else (),
        shown=slate if row.shown else (),
        focus=titles.find(row.focus).item_id if row.focus else None,
        pending=Question(name=question.name, options=options, gain_nats=1.0) if row.asked else None,
        asked=(question.name,) if row.asked else (),
    )
    items = None if row.items is None else tuple(titles.find(title).item_id for title in row.items)
    feels = FEELINGS[row.feels] if row.feels else None
    return Message(intent, script.language, half_of(script.language, row.say), row, state, items, feels)
