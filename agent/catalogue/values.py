"""Cells into the values of Items and Events: text, identifiers, numbers and times. Every function raises RowError."""

from __future__ import annotations

import json
import math
import re
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal

from agent.catalogue.rows import RowError

ABSENT_WORDS = frozenset({"", "\\N", "N/A", "n/a", "NaN", "nan", "NULL", "null", "None", "<NA>"})
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
MAX_EXACT = 1 << 53

_NUMBER = re.compile(r"[+-]?(\d{1,3}(,\d{3})+|\d{1,18})(\.\d{0,18})?([eE][+-]?\d{1,3})?", re.ASCII)
_PLAIN_NUMBER = re.compile(r"-?(0|[1-9]\d{0,14})(\.\d{1,15})?", re.ASCII)


def is_absent(value: object) -> bool:
    """Whether a cell says nothing: None, NaN, an empty list, or one of `ABSENT_WORDS` (trimmed)."""
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return True
    if isinstance(value, str):
        return len(value) <= 100 and value.strip() in ABSENT_WORDS
    return isinstance(value, list | tuple | dict) and not value


def text_of(value: object, column: str) -> str:
    """The cell as text, trimmed: numbers written out, lists joined by spaces, "" for None."""
    if value is None:
        return ""
    if isinstance(value, list | tuple):
        return " ".join(filter(None, (text_of(part, column) for part in value)))
    if isinstance(value, str | bytes):
        return checked(value, column).strip()
    return scalar_text(value, column)


def checked(value: str | bytes, column: str) -> str:
    """Text that can be stored: decoded, without NUL and lone surrogates."""
    text = _decoded(value, column) if isinstance(value, bytes) else str(value)
    if "\0" in text:
        raise RowError(f"{column} holds a NUL character")
    try:
        text.encode("utf-8")
    except UnicodeEncodeError as error:
        raise RowError(f"{column} holds a lone surrogate, which is not valid Unicode text") from error
    return text


def _decoded(value: bytes, column: str) -> str:
    try:
        return value.decode("utf-8")
    except UnicodeDecodeError as error:
        raise RowError(f"{column} is binary or not UTF-8 text") from error


def scalar_text(value: object, column: str) -> str:
    """A number, a truth value, a date or a nested value as text (nested: JSON)."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float) and value.is_integer() and abs(value) < MAX_EXACT:
        return str(int(value))
    if isinstance(value, date | datetime | time):
        return value.isoformat()
    if isinstance(value, float | Decimal):
        _finite(value, column)
    if isinstance(value, int | float | Decimal | timedelta):
        return _digits(value, column)
    return _json(value, column)


def _digits(value: int | float | Decimal | timedelta, column: str) -> str:
    try:
        return str(value)
    except ValueError as error:
        raise RowError(f"{column} is a number of too many digits") from error


def _json(value: object, column: str) -> str:
    try:
        return checked(json.dumps(value, ensure_ascii=False, allow_nan=False, default=str), column)
    except (ValueError, TypeError, RecursionError) as error:
        raise RowError(
            f"{column} is nested too deeply or cannot be written as JSON ({type(error).__name__})"
        ) from error


def identifier_of(value: object, column: str) -> str:
    """The cell as an identifier, trimmed. Whole numbers become digits; no other kind is taken."""
    if is_absent(value):
        raise RowError(f"{column} is empty")
    if isinstance(value, str | bytes):
        return checked(value, column).strip()
    if isinstance(value, bool):
        raise RowError(f"{column} is {value}, not an identifier")
    if isinstance(value, float) and not (value.is_integer() and abs(value) < MAX_EXACT):
        raise RowError(f"{column} is the fraction {value}, not an identifier")
    if isinstance(value, int | float | Decimal):
        return scalar_text(value, column)
    raise RowError(f"{column} is {_kind_of(value)}, not an identifier")


def number_of(value: object, column: str) -> float | None:
    """The cell as a finite number, None when absent. Text such as "1,234" and "4.5" counts as a number."""
    if is_absent(value):
        return None
    if isinstance(value, bool):
        raise RowError(f"{column} is {value}, not a number")
    if isinstance(value, bytes):
        value = _decoded(value, column)
    if isinstance(value, str):
        value = _number_in(value, column)
    if not isinstance(value, int | float | Decimal):
        raise RowError(f"{column} is {_kind_of(value)}, not a number")
    return _finite(value, column)


def _number_in(text: str, column: str) -> float:
    text = text.strip()
    if not _NUMBER.fullmatch(text):
        raise RowError(f"{column} is {text[:40]!r}, not a number")
    return float(text.replace(",", ""))


def _finite(value: int | float | Decimal, column: str) -> float:
    try:
        number = float(value)
    except (OverflowError, ValueError) as error:
        raise RowError(f"{column} is too large a number") from error
    if not math.isfinite(number):
        raise RowError(f"{column} is {number}, not a finite number")
    return number


def tidy_number(value: float | int | Decimal, column: str) -> int | float | str:
    """A number as an attribute keeps it: whole ones as int; those beyond 64 bits as text, to lose no digit."""
    if isinstance(value, int):
        return value if -(1 << 63) <= value < 1 << 63 else _digits(value, column)
    number = _finite(value, column)
    return int(number) if number.is_integer() and abs(number) < MAX_EXACT else number


def number_like(text: str) -> int | float | None:
    """The number a text of a CSV cell writes plainly ("12", "-0.5"); None for "007", "1e5", "+1" and other text."""
    if not _PLAIN_NUMBER.fullmatch(text):
        return None
    number = float(text) if "." in text else int(text)
    return int(number) if isinstance(number, float) and number.is_integer() else number


def time_of(value: object, column: str) -> datetime | None:
    """The cell as a moment in UTC, None when absent.

    Numbers are Unix time: seconds below 1e11, milliseconds below 1e14, microseconds below 1e17, else nanoseconds.
    Text is such a number or ISO 8601; without a zone it is UTC.
    """
    if is_absent(value):
        return None
    try:
        return _moment(value, column)
    except (OverflowError, ValueError) as error:
        if isinstance(error, RowError):
            raise
        raise RowError(f"{column} is {str(value)[:40]!r}, not a time: use Unix seconds or ISO 8601") from error


def _moment(value: object, column: str) -> datetime:
    if isinstance(value, str | bytes):
        text = text_of(value, column).removesuffix("UTC").strip()
        value = _number_in(text, column) if _NUMBER.fullmatch(text) else datetime.fromisoformat(text)
    if isinstance(value, datetime):
        return (value if value.tzinfo else value.replace(tzinfo=UTC)).astimezone(UTC)
    if isinstance(value, date):
        return datetime(value.year, value.month, value.day, tzinfo=UTC)
    number = number_of(value, column)
    if number is None:
        raise RowError(f"{column} is empty")
    return EPOCH + _since_epoch(number)


def _since_epoch(number: float) -> timedelta:
    for limit, unit in ((1e11, 1.0), (1e14, 1e3), (1e17, 1e6)):
        if abs(number) < limit:
            return timedelta(seconds=number / unit)
    return timedelta(seconds=number / 1e9)


def _kind_of(value: object) -> str:
    names: dict[type[object], str] = {list: "a list", tuple: "a list", dict: "an object", str: "text", bytes: "binary"}
    return names.get(type(value), f"a {type(value).__name__}")
