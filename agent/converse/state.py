"""The values of a conversation: what a message meant, and all that is known when the next one comes. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import Annotated, Literal

from pydantic import Field

from agent.language import Language
from agent.types import EventKind, Value

Share = Annotated[float, Field(ge=0, le=1)]


class Intent(StrEnum):
    """What a message is for: a closed set."""

    WISH = "wish"  # something new is wanted
    CRITIQUE = "critique"  # what was shown is to be changed: funnier, nothing older than 2000
    REACTION = "reaction"  # seen it, loved it, hated it
    ABOUT = "about"  # a question about an item
    WHY = "why"  # why an item was recommended
    TALK = "talk"  # small talk, thanks, greetings
    BYE = "bye"


class Constraint(Value):
    """One thing that items are to be: a test such as `year>=2000` (agent/recall/where.py) and the words it came from.

    A `hard` one holds for every item that is shown; a soft one is a wish, in words, and orders them.
    """

    test: str
    said: str
    hard: bool = True
    lasting: bool = False  # said for good, "never horror": it stays when another wish comes

    @property
    def names(self) -> bool:
        """Whether it is a wish whose words name what is wanted, as `tags=Comedy` does and `year>=2000` does not."""
        return not self.hard and not any(sign in self.test for sign in ("<", ">", "!="))


class Reference(Value):
    """An item that a message speaks of, the words that name it, and how it was found."""

    item_id: str
    said: str
    how: Literal["place", "title", "spelling", "focus"]  # the second one; its title; a misspelt title; it


class Unclear(Value):
    """Words that name no item or several; `choices` are the item ids they may mean, likeliest first, perhaps none."""

    said: str
    choices: tuple[str, ...] = ()


class Feeling(Value):
    """What the person says of an item: `like`, `dislike` or `view` (they know it)."""

    item_id: str
    kind: EventKind


class Understood(Value):
    """What one message meant. `intents` has the calibrated probability of every intent, summing to 1."""

    message: str
    language: Language
    intent: Intent
    intents: Mapping[Intent, Share]
    constraints: tuple[Constraint, ...] = ()
    items: tuple[Reference, ...] = ()
    unclear: tuple[Unclear, ...] = ()
    feelings: tuple[Feeling, ...] = ()
    wish: str = ""  # the words that say what is wanted, without titles that were recognised as references
    skips: bool = False  # the person would rather not answer what was asked, or does not mind


class Option(Value):
    """One answer to a question: the words shown, and the test that it stands for."""

    label: str
    test: str


class Question(Value):
    """What was asked, by a name that stays the same; `gain_nats` is the information expected from the answer."""

    name: str
    options: tuple[Option, ...]
    gain_nats: Annotated[float, Field(ge=0)]


class State(Value):
    """All that a conversation knows, before its next message. Everything in it can be read and shown."""

    conversation_id: str
    user_id: str
    language: Language = "en"
    turn: Annotated[int, Field(ge=0)] = 0  # messages of the person so far
    wishes: tuple[str, ...] = ()  # what is wanted in words, oldest first; a new wish clears what it replaces
    constraints: tuple[Constraint, ...] = ()
    slate: tuple[str, ...] = ()  # item ids as shown last, first place first
    shown: tuple[str, ...] = ()  # item ids shown so far, oldest first, the newest 200
    refused: tuple[str, ...] = ()  # words that items are not to speak of: "nothing with zombies"
    like: tuple[str, ...] = ()  # items that the wish likens itself to: "something like the second"
    focus: str | None = None  # the item spoken of last
    pending: Question | None = None  # asked, and not answered yet
    asked: tuple[str, ...] = ()  # names of all questions asked so far
    told: str = ""  # the newest words of a conversation told in plain text: items are sought by them as they are
    waiting: Understood | None = None  # a message that named no item clearly, until it is told which one is meant
    events: tuple[str, ...] = ()  # ids of the events that the last message became, which `undo` takes back

    @property
    def wish(self) -> str | None:
        """What is wanted, in words: the wishes and the soft constraints, oldest first; None where nothing is."""
        wishes = "; ".join(self.wishes)
        soft = dict.fromkeys(one.said for one in self.constraints if one.names and one.said not in wishes)
        return "; ".join([*self.wishes, *soft]) or None

    @property
    def where(self) -> str | None:
        """The hard constraints as one filter; None where there are none."""
        return " and ".join(one.test for one in self.constraints if one.hard) or None
