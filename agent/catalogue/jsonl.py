"""JSON lines: one object a line, read strictly."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import NoReturn

from agent.catalogue.lines import TOO_LONG, Decoder, Line
from agent.catalogue.rows import Refusal, Row, RowError, Table


def read_jsonl(lines: Iterator[Line], decode: Decoder) -> Table:
    """The table in JSON lines. Every row has its own columns."""
    return Table("JSON lines", None, _rows(lines, decode))


def _rows(lines: Iterator[Line], decode: Decoder) -> Iterator[Row | Refusal]:
    for line in lines:
        if line.too_long:
            yield line.refused(TOO_LONG)
        elif not line.blank:
            try:
                yield Row(line.number, strict_object(decode(line.raw)), line.raw)
            except RowError as error:
                yield line.refused(str(error))


def strict_object(text: str) -> dict[str, object]:
    """The JSON object in a text. Raises RowError for anything else, for repeated keys, and for NaN and Infinity."""
    try:
        value = _STRICT.decode(text)
    except json.JSONDecodeError as error:
        raise RowError(f"not JSON: {error.msg} at column {error.colno}") from error
    except RecursionError as error:
        raise RowError("not usable JSON: nested too deeply") from error
    except ValueError as error:
        if isinstance(error, RowError):
            raise
        raise RowError("not usable JSON: a number of too many digits") from error
    if not isinstance(value, dict):
        kind = "an array" if isinstance(value, list) else "a bare value"
        raise RowError(f"{kind}, not an object: write one JSON object a line")
    return value


def _without_repeats(pairs: list[tuple[str, object]]) -> dict[str, object]:
    members: dict[str, object] = {}
    for name, value in pairs:
        if name in members:
            raise RowError(f"the key {name[:40]!r} stands twice in one object")
        members[name] = value
    return members


def _refuse_constant(name: str) -> NoReturn:
    raise RowError(f"{name} is not JSON: leave the key out or write null")


_STRICT = json.JSONDecoder(object_pairs_hook=_without_repeats, parse_constant=_refuse_constant)
