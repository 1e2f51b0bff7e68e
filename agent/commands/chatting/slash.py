"""The slash commands of a chat: `/why 2`, `/like 2`, `/undo`; what each does, and what completes it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from rich.console import RenderableType
from rich.text import Text

from agent.commands import render
from agent.commands.chatting.drawing import Listed
from agent.commands.chatting.talk import Talk
from agent.commands.profile import profile_blocks
from agent.commands.render import count, plain
from agent.errors import ConfigError, NotFound
from agent.language import LANGUAGES, Language

if TYPE_CHECKING:
    from agent.types import Item

SLASH = "/"
MAX_LISTED = 12
MAX_OFFERED = 6
_SHORTEST_TITLE = 3  # signs from which on titles are offered

Done = Iterator[RenderableType]


class Offer(NamedTuple):
    """What could stand on the line, what it is, and how many signs before the cursor it stands for."""

    text: str
    about: str
    instead_of: int


@dataclass(frozen=True)
class Command:
    """One slash command: what may follow its name, what it does in one line, and the doing."""

    takes: str
    line: str
    do: Callable[[Talk, str], Done]


def run(talk: Talk, line: str) -> Done:
    """What a line that begins with a slash comes to. Raises ConfigError for no such command, and PalateError."""
    name, words = _parted(line)
    if name not in COMMANDS:
        raise ConfigError(f"there is no command /{plain(name)}", f"There is: {' '.join(SLASH + n for n in COMMANDS)}")
    return COMMANDS[name].do(talk, words)


def ends(line: str) -> bool:
    """Whether the line ends the chat."""
    return line.startswith(SLASH) and _parted(line)[0] == "quit"


def _parted(line: str) -> tuple[str, str]:
    """The command's name, whole or so much of it that it is clear, and what follows it."""
    name, _, words = line.removeprefix(SLASH).strip().partition(" ")
    known = _NAMED_TOO.get(name.lower(), name.lower())
    begun = [each for each in COMMANDS if each.startswith(known)] if known and known not in COMMANDS else []
    return begun[0] if len(begun) == 1 else known, words.strip()


def offers(talk: Talk, before: str) -> Iterator[Offer]:
    """What could complete a line: answers to what was asked, commands, places of the list, titles."""
    name, blank, words = before.partition(" ")
    if not before.startswith(SLASH):
        yield from _answers(talk, before)
    elif not blank:
        fitting = ((each, one) for each, one in COMMANDS.items() if f"{SLASH}{each}".startswith(name.lower()))
        yield from (Offer(f"{SLASH}{each}{' ' if one.takes else ''}", one.line, len(before)) for each, one in fitting)
    elif name[1:] in _OF_ITEMS:
        yield from _items(talk, words)
    elif name[1:] == "lang":
        yield from (Offer(each, "", len(words)) for each in (*LANGUAGES, "auto") if each.startswith(words))


def _answers(talk: Talk, before: str) -> Iterator[Offer]:
    """The options of the question that was asked, once a sign of one is typed."""
    for option in talk.pending.options if talk.pending and before else ():
        if option.label.lower().startswith(before.lower()):
            yield Offer(option.label, "", len(before))


def _items(talk: Talk, words: str) -> Iterator[Offer]:
    for place, item in enumerate(talk.shown, start=1):
        if str(place).startswith(words):
            yield Offer(str(place), item.name, len(words))
    if len(words) >= _SHORTEST_TITLE:
        for item in talk.recommender.parts.titles.suggestions(words, MAX_OFFERED):
            yield Offer(item.name, "", len(words))


def _why(talk: Talk, words: str) -> Done:
    yield from render.why_blocks(talk.recommender.why(talk.user_id, talk.item(words)))


def _like(talk: Talk, words: str) -> Done:
    items = _several(talk, words)
    talk.tell(likes=items)
    yield _noted("you like", items)


def _dislike(talk: Talk, words: str) -> Done:
    items = _several(talk, words)
    talk.tell(dislikes=items)
    yield _noted("you do not like", items)


def _seen(talk: Talk, words: str) -> Done:
    items = _several(talk, words)
    talk.tell(seen=items)
    yield _noted("you know", items)


def _several(talk: Talk, words: str) -> list[Item]:
    """The items at several places of the list, such as `1, 3`; else the one that is named."""
    places = words.replace(",", " ").split()
    if len(places) > 1 and all(place.isdecimal() for place in places):
        return [talk.item(place) for place in places]
    return [talk.item(words)]


def _noted(what: str, items: Sequence[Item]) -> Text:
    return Text(f"Noted: {what} {', '.join(plain(item.name) for item in items)}.", style="green")


def _slate(talk: Talk, _: str) -> Done:
    if talk.slate is not None:
        shown = Listed(talk.slate, width=80)
        shown.waits = False
        yield shown
    elif talk.shown:
        yield render.facts([(str(place), item.name) for place, item in enumerate(talk.shown, start=1)])
    else:
        raise NotFound("nothing was recommended yet", "Say what you are in the mood for")


def _profile(talk: Talk, _: str) -> Done:
    taste, interests = talk.recommender.profile(talk.user_id), talk.recommender.interests(talk.user_id)
    named = {reaction.item_id for reaction in (*taste.liked, *taste.disliked)}
    if not (named or taste.seen or taste.wishes or taste.pinned):
        raise NotFound("nothing is known of your taste", "Say what you liked, or: /like TITLE")
    names = {item.item_id: item.name for item in talk.recommender.store.items(named)}
    yield from profile_blocks(taste, interests, names)


def _state(talk: Talk, _: str) -> Done:
    state = talk.state()
    rows = {
        "wanted": "; ".join(state.wishes),
        "must be": " and ".join(one.test for one in state.constraints if one.hard),
        "should be": "; ".join(one.said for one in state.constraints if not one.hard),
        "asked": ", ".join(state.asked),
        "waits for": state.pending.name if state.pending else "",
        "shown": count(len(state.shown), "title"),
        "messages": state.turn,
    }
    yield render.facts([(name, value) for name, value in rows.items() if value])


def _undo(talk: Talk, _: str) -> Done:
    talk.undo()
    yield Text("Taken back.", style="green")


def _new(talk: Talk, _: str) -> Done:
    talk.begin()
    yield Text("A new conversation. What you like is still known.", style="green")


def _list(talk: Talk, _: str) -> Done:
    begun = talk.conversations.conversations(talk.user_id)
    if not begun:
        raise NotFound("you had no conversation yet", "Say what you are in the mood for")
    rows = [(str(n), Text(f"{one.last:%Y-%m-%d %H:%M}  {plain(one.words)}")) for n, one in enumerate(begun, start=1)]
    yield render.facts(rows[:MAX_LISTED])
    yield Text("go on with one of them: /open 1", style="dim")


def _open(talk: Talk, words: str) -> Done:
    begun = talk.conversations.conversations(talk.user_id)
    place = int(words) if words.isdecimal() else 1 if not words else 0
    if not 1 <= place <= len(begun):
        raise NotFound(f"there is no conversation {plain(words) or 1}", "See: /list")
    talk.resume(begun[place - 1].conversation_id)
    yield Text(f"Going on with “{plain(begun[place - 1].words)}”.", style="green")
    if talk.shown:
        yield from _slate(talk, "")


def _lang(talk: Talk, words: str) -> Done:
    languages: dict[str, Language | None] = {**{each: each for each in LANGUAGES}, "auto": None}
    if words not in languages:
        raise ConfigError(f"no language {plain(words)!r}", f"Write one of: {', '.join(languages)}")
    talk.language = languages[words]
    yield Text(f"Answers come in {words}." if talk.language else "Answers come in your language.", style="green")


def _forget(talk: Talk, words: str) -> Done:
    if words != "yes":
        yield Text(f"This erases everything stored about {plain(talk.user_id)}, for good.", style="yellow")
        yield Text("To do it: /forget yes", style="yellow")
        return
    gone = talk.forget()
    erased = f"{count(gone.events, 'event')} and {count(gone.turns, 'turn')} of conversation"
    yield Text(f"Erased {erased}.", style="green")


def _help(_: Talk, __: str) -> Done:
    yield "Say what you are in the mood for, what you liked, what should be different; ask about a title, or why."
    yield ""
    yield render.facts([(f"{SLASH}{name} {one.takes}".strip(), one.line) for name, one in COMMANDS.items()])


def _quit(_: Talk, __: str) -> Done:
    yield from ()  # the loop ends before this: see `ends`


COMMANDS: Mapping[str, Command] = {
    "why": Command("N", "the whole path of a title: every stage, score and rank", _why),
    "like": Command("N", "say that you like it; a title does as well as a number", _like),
    "dislike": Command("N", "say that you do not like it", _dislike),
    "seen": Command("N", "say that you know it; it is not shown again", _seen),
    "slate": Command("", "the list shown last", _slate),
    "profile": Command("", "what is known of your taste", _profile),
    "state": Command("", "what is known of this conversation", _state),
    "undo": Command("", "take back your last message, and what was noted from it", _undo),
    "new": Command("", "begin another conversation", _new),
    "list": Command("", "your conversations, newest first", _list),
    "open": Command("N", "go on with one of them", _open),
    "lang": Command("zh", "answer in this language: en, zh, or auto for yours", _lang),
    "forget": Command("", "erase everything that is stored about you", _forget),
    "help": Command("", "these lines", _help),
    "quit": Command("", "end the chat, as Ctrl-D does", _quit),
}
_NAMED_TOO = {"exit": "quit", "q": "quit", "bye": "quit", "h": "help", "?": "help", "resume": "open", "love": "like"}
_OF_ITEMS = frozenset(("why", "like", "dislike", "seen"))
