"""The grammar of filters: from text to (field, operator, values)."""

from __future__ import annotations

import re

from agent.errors import ConfigError

EXAMPLE = "year>=1990 and tags=Comedy and title='Crime and Punishment'"
_BLANK = re.compile(r"\s*")
_AND = re.compile(r"\s+and(?:\s+|$)|\s*&&?\s*", re.IGNORECASE)
_OP = re.compile(r"\s*(?:(!=|>=|<=|==|=|>|<|≥|≤|≠)|in\b(?=\s*[(\[\"'\w]))\s*", re.IGNORECASE)
_BARE_FIELD = re.compile(r"[^\s=!<>≥≤≠&,()\[\]\"']+")
_QUOTED = re.compile(r'"((?:[^"\\]|\\.)*)"|\'((?:[^\'\\]|\\.)*)\'')
_BARE_VALUE = re.compile(r"(?![\"'])(?:(?!\s+and(?:\s|$)|\s*&)[^=<>\"()\[\]])+", re.IGNORECASE)
_BARE_ELEMENT = re.compile(r"(?![\"'])(?:(?!\s+and(?:\s|$)|\s*&)[^=<>,\"()\[\]])+", re.IGNORECASE)
_SPELLINGS = {"==": "=", "≥": ">=", "≤": "<=", "≠": "!="}
_CLOSING = {"(": ")", "[": "]"}

ParsedTest = tuple[str, str, tuple[str, ...]]


def tests_in(text: str) -> list[ParsedTest]:
    """The tests in the order written, as (field, op, values): op is `=`, `!=`, `>`, `>=`, `<`, `<=` or `in`.

    Raises ConfigError naming the place.
    """
    reader = _Reader(text)
    tests = [reader.test()]
    while not reader.at_end():
        reader.expect(_AND, "`and` or the end")
        tests.append(reader.test())
    return tests


class _Reader:
    """Walks over the text, one piece of grammar at a time."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._at = 0

    def at_end(self) -> bool:
        """Whether nothing but blanks is left."""
        return not self._text[self._at :].strip()

    def test(self) -> ParsedTest:
        """The test that begins here. Raises ConfigError."""
        self._take(_BLANK)
        field = self._quoted() or self.expect(_BARE_FIELD, "a field such as year or tags")[0]
        op = (self.expect(_OP, "one of = != > >= < <= in")[1] or "in").strip()
        if op == "in":
            return field, op, self._elements()
        return field, _SPELLINGS.get(op, op), (self._value(_BARE_VALUE),)

    def expect(self, pattern: re.Pattern[str], wanted: str) -> re.Match[str]:
        """What the pattern matches here. Raises ConfigError saying what was wanted."""
        found = self._take(pattern)
        if found is None:
            raise self._error(wanted)
        return found

    def _elements(self) -> tuple[str, ...]:
        opening = self._take(re.compile(r"[(\[]"))
        values = [self._value(_BARE_ELEMENT)]
        while self._take(re.compile(r"\s*,\s*")):
            values.append(self._value(_BARE_ELEMENT))
        if opening:
            self.expect(re.compile(rf"\s*{re.escape(_CLOSING[opening[0]])}"), f"{_CLOSING[opening[0]]!r}")
        return tuple(values)

    def _value(self, bare: re.Pattern[str]) -> str:
        self._take(_BLANK)
        quoted = self._quoted()
        if quoted is not None:
            return quoted
        value = self.expect(bare, "a value")[0].strip()
        if not value:
            raise self._error("a value")
        return value

    def _quoted(self) -> str | None:
        found = self._take(_QUOTED)
        if found is None:
            return None
        return re.sub(r"\\(.)", r"\1", found[1] if found[1] is not None else found[2])

    def _take(self, pattern: re.Pattern[str]) -> re.Match[str] | None:
        found = pattern.match(self._text, self._at)
        if found is not None:
            self._at = found.end()
        return found

    def _error(self, wanted: str) -> ConfigError:
        rest = self._text[self._at :].lstrip()
        place = len(self._text) - len(rest) + 1
        seen = repr(rest[:30]) if rest else "the end"
        return ConfigError(
            f"the filter {self._text[:200]!r} fails at position {place}: expected {wanted}, found {seen}",
            f"Write it like: {EXAMPLE}",
        )
