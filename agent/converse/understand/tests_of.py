"""Tests of fields in the grammar of filters (agent/recall/where.py), made from names and values. Pure."""

from __future__ import annotations

import re
from collections.abc import Sequence

from agent.converse.state import Constraint

_BARE = re.compile(r"\w[\w.\-]*(?: \w[\w.\-]*)*")
_AND = re.compile(r"\b(?:and|in)\b", re.IGNORECASE)


def quoted(value: str) -> str:
    """The value as a filter holds it: bare where that is unmistakable, else in quotes."""
    if _BARE.fullmatch(value) and not _AND.search(value):
        return value
    escaped = value.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'


def equal(field: str, values: Sequence[str]) -> str:
    """The test that a field has one of these values."""
    if len(values) == 1:
        return f"{quoted(field)}={quoted(values[0])}"
    return f"{quoted(field)} in ({', '.join(map(quoted, values))})"


def unequal(field: str, values: Sequence[str]) -> list[str]:
    """The tests that a field has none of these values."""
    return [f"{quoted(field)}!={quoted(value)}" for value in values]


def compared(field: str, op: str, number: float) -> str:
    """The test that a field is on one side of a number."""
    return f"{quoted(field)}{op}{number:g}"


def constraints(tests: Sequence[str], said: str, *, hard: bool) -> list[Constraint]:
    """A constraint for each test, all said in the same words."""
    return [Constraint(test=test, said=said, hard=hard) for test in tests]
