"""A message as the rules read it: its words and clauses with their places, and which of them are spoken for."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cached_property

from agent.errors import ConfigError
from agent.titles import normalised
from agent.types import MAX_TEXT_CHARS

MAX_READ = 1_000  # characters of a message that are read: what comes later is kept, and means nothing
HAN = "\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff"
_WORD = re.compile(rf"[{HAN}]|(?:(?![{HAN}])[^\W_])+(?:['’](?:(?![{HAN}])[^\W_])+)*|&")
_BREAK = re.compile(
    r"[,;!?。；\n]|[.:](?=\s|$)|\s-\s|\b(?:(?<!nothing )(?<!anything )but|though|although|however|except that)\b"
    r"|但是|但|不过|可是|然而",
    re.IGNORECASE,
)
_ASKS = re.compile(
    r"\s*(?:(?:and|so|but|ok|okay),? )?(?:is|was|are|were|do|does|did|would|will|can|could|should|has|have you|who|"
    r"what|when|where|which|why|how|any)\b",
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True)
class Span:
    """Some characters of a message, `end` not among them."""

    start: int
    end: int

    def meets(self, other: Span) -> bool:
        """Whether the two share a character."""
        return self.start < other.end and other.start < self.end


@dataclass(frozen=True, slots=True)
class Word:
    """One word, or one Chinese sign, as titles are compared (`key`), and whether it begins with a capital."""

    key: str
    span: Span
    capital: bool


@dataclass
class Message:
    """The beginning of a message in compatibility form (NFKC), so that full-width signs are plain ones.

    `taken` are the spans that some rule has read already: the first one that reads words has them.
    """

    text: str
    taken: list[Span] = field(default_factory=list)

    @classmethod
    def of(cls, said: str) -> Message:
        """The message to be read. Raises ConfigError for one that is empty, too long or no valid Unicode text."""
        if len(said) > MAX_TEXT_CHARS:
            raise ConfigError(f"the message has {len(said):,} characters", f"Say it in {MAX_TEXT_CHARS:,} at most")
        if any("\ud800" <= char <= "\udfff" or char == "\0" for char in said):
            raise ConfigError("the message holds a NUL character or a lone surrogate", "Send valid Unicode text")
        if not said.strip():
            raise ConfigError("the message is empty", "Say what you want, or what you think of an item")
        return cls(unicodedata.normalize("NFKC", said[:MAX_READ])[:MAX_READ])

    @cached_property
    def words(self) -> list[Word]:
        """The words in order; a sign such as & is the word it stands for."""
        found = ((match[0], Span(*match.span())) for match in _WORD.finditer(self.text))
        return [Word(normalised(text), span, text[:1].isupper()) for text, span in found]

    @property
    def word_count(self) -> int:
        """How many words and signs it has."""
        return len(_WORD.findall(self.text))

    @property
    def clauses(self) -> list[Span]:
        """The clauses in order, without what parts them; no clause ends inside words that are taken."""
        spans, start = [], 0
        for match in _BREAK.finditer(self.text):
            if self.free(Span(*match.span())):
                spans.append(Span(start, match.start()))
                start = match.end()
        return [span for span in (*spans, Span(start, len(self.text))) if self.said(span)]

    def clause_at(self, place: int) -> Span:
        """The clause that holds the character."""
        within = [span for span in self.clauses if span.start <= place]
        return within[-1] if within else Span(0, len(self.text))

    def before(self, span: Span) -> str:
        """What stands in the same clause before the span."""
        return self.text[self.clause_at(span.start).start : span.start]

    def after(self, span: Span) -> str:
        """What stands in the same clause after the span."""
        return self.text[span.end : max(span.end, self.clause_at(span.start).end)]

    @property
    def questions(self) -> bool:
        """Whether any of it is a question."""
        return "?" in self.text or any(self.asks(clause) for clause in self.clauses)

    def asks(self, clause: Span) -> bool:
        """Whether the clause is a question by its mark or its particle, and begins as one or has no other way to."""
        text = self.text[clause.start : clause.end].rstrip()
        marked = self.text[clause.end : clause.end + 1] == "?"
        return text.endswith(("吗", "么")) or (marked and (_ASKS.match(text) is not None or not text.isascii()))

    def said(self, span: Span) -> str:
        """The words of the span as they were written."""
        return " ".join(self.text[span.start : span.end].split())

    def free(self, span: Span) -> bool:
        """Whether no rule has read any of it."""
        return not any(span.meets(other) for other in self.taken)

    def take(self, span: Span) -> None:
        """Mark the span as read."""
        self.taken.append(span)

    def matches(self, pattern: re.Pattern[str]) -> Iterator[re.Match[str]]:
        """What the pattern finds among words that no rule has read, in order; each is marked as read."""
        for match in pattern.finditer(self.text):
            if match[0] and self.free(Span(*match.span())):
                self.take(Span(*match.span()))
                yield match
