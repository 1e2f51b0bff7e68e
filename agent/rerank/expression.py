"""What a user may write for `rerank.strategy`: a name, a sum `0.7*a+b`, a cascade `a>b`. Pure, and quick to import.

cascade = sum { ">" sum }        the right side reorders the best of the left side
sum     = term { "+" term }      the z-scored scores, weighted and added
term    = [ number "*" ] name    the weight is 1 where none is given
"""

from __future__ import annotations

import difflib
import re
from dataclasses import dataclass

from agent.errors import ConfigError

STRATEGIES = ("auto", "likelihood", "renown", "pointwise", "listwise", "first-token", "pairwise", "setwise")
MAX_CHARS = 200

_WORD = re.compile(r"\s*(?P<word>[+>*]|[^\s+>*]+)")
_NUMBER = re.compile(r"\d{1,6}(\.\d{1,6})?|\.\d{1,6}")


@dataclass(frozen=True, slots=True)
class Named:
    """One strategy by its name."""

    name: str

    def __str__(self) -> str:
        return self.name


@dataclass(frozen=True, slots=True)
class Sum:
    """Two or more strategies, each with its weight above 0."""

    terms: tuple[tuple[float, Named], ...]

    def __str__(self) -> str:
        return "+".join(str(term) if weight == 1 else f"{weight:g}*{term}" for weight, term in self.terms)


@dataclass(frozen=True, slots=True)
class Cascade:
    """`then` reorders the best of `first`."""

    first: Named | Sum | Cascade
    then: Named | Sum

    def __str__(self) -> str:
        return f"{self.first}>{self.then}"


Expression = Named | Sum | Cascade


def parse(text: str) -> Expression:
    """The expression that a text stands for; `str` of it is the text without spaces.

    Raises ConfigError naming the character (from 1) where it goes wrong, and the nearest name there is.
    """
    if len(text) > MAX_CHARS:
        raise ConfigError(f"an expression of {len(text):,} characters", f"Write at most {MAX_CHARS}")
    return _Reader(text).whole()


class _Reader:
    """The words of a text, taken from the left."""

    def __init__(self, text: str) -> None:
        self._words = [(match["word"], match.start("word") + 1) for match in _WORD.finditer(text)]
        self._end = len(text.rstrip()) + 1
        self._next = 0

    def whole(self) -> Expression:
        """All of it as one expression."""
        found: Expression = self._sum()
        while self._took(">"):
            found = Cascade(found, self._sum())
        word, at = self._peek()
        if word:
            raise ConfigError(f"{word!r} at character {at} joins nothing", "Join strategies by + or >")
        return found

    def _sum(self) -> Named | Sum:
        at = self._peek()[1]
        terms = [self._term()]
        while self._took("+"):
            terms.append(self._term())
        if len(terms) > 1:
            return Sum(tuple(terms))
        if terms[0][0] != 1:
            raise ConfigError(f"the weight at character {at} weighs nothing against nothing", "Leave it out, or add +")
        return terms[0][1]

    def _term(self) -> tuple[float, Named]:
        word, at = self._peek()
        if not _NUMBER.fullmatch(word):
            return 1.0, self._name()
        self._next += 1
        if not self._took("*"):
            raise ConfigError(f"the weight {word} at character {at} has no strategy", f"Write {word}*NAME")
        if float(word) == 0:
            raise ConfigError(f"the weight at character {at} is 0", "A weight is above 0; leave the strategy out")
        return float(word), self._name()

    def _name(self) -> Named:
        word, at = self._peek()
        if not word or word in "+>*":
            found = f"not {word!r}" if word else "but the text ends"
            raise ConfigError(f"a strategy should stand at character {at}, {found}", _known())
        if word not in STRATEGIES:
            raise ConfigError(f"there is no strategy {word!r} at character {at}", _nearest(word))
        self._next += 1
        return Named(word)

    def _peek(self) -> tuple[str, int]:
        """The next word and its character; an empty word where the text ends."""
        return self._words[self._next] if self._next < len(self._words) else ("", self._end)

    def _took(self, mark: str) -> bool:
        here = self._peek()[0] == mark
        self._next += here
        return here


def _nearest(word: str) -> str:
    plain = word.lower().replace("_", "-")
    longer = [name for name in STRATEGIES if plain and name.startswith(plain)]
    close = longer or difflib.get_close_matches(plain, STRATEGIES, n=1, cutoff=0.5)
    return f"Did you mean {close[0]}?" if close else _known()


def _known() -> str:
    return f"Strategies: {', '.join(STRATEGIES)}"
