"""What is wrong with a value of eval.yaml, in plain words."""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from typing import Any

from pydantic import ValidationError

_SHOULD = {  # by pydantic's name of the fault; {} are its own facts
    "string_type": "should be text",
    "string_sub_type": "should be text",
    "string_pattern_mismatch": "holds a character that cannot be printed",
    "string_too_long": "is longer than {max_length} characters",
    "string_too_short": "is empty",
    "int_type": "should be a whole number",
    "int_parsing": "should be a whole number",
    "int_parsing_size": "is too large",
    "int_from_float": "should be a whole number",
    "float_type": "should be a number",
    "float_parsing": "should be a number",
    "finite_number": "should be a finite number",
    "path_type": "should be the path of a folder",
    "tuple_type": "should be a list",
    "list_type": "should be a list",
    "mapping_type": "should hold keys and values",
    "dict_type": "should hold keys and values",
    "model_type": "should hold keys and values",
    "model_attributes_type": "should hold keys and values",
    "too_short": "is empty",
    "missing": "is missing",
    "extra_forbidden": "is no key",
    "greater_than": "should be more than {gt}",
    "greater_than_equal": "should be {ge} or more",
    "less_than": "should be less than {lt}",
    "less_than_equal": "should be {le} or less",
}
_ALONE = {"missing", "extra_forbidden", "too_short", "string_too_short", "string_too_long", "string_pattern_mismatch"}


def in_words(error: ValidationError) -> str:
    """The first fault: the key, by dots and with places counted from 1, what it should be, and what it is."""
    first = error.errors(include_url=False)[0]
    kind, facts = first["type"], first.get("ctx", {})
    where = ".".join(str(part + 1 if isinstance(part, int) else part) for part in first["loc"] if part != "[key]")
    if kind == "literal_error":
        said = _one_of(facts, first["input"])
    elif kind in _SHOULD:
        given = "" if kind in _ALONE else f", not {_shown(first['input'])}"
        said = _SHOULD[kind].format(**facts) + given
    else:
        said = first["msg"].removeprefix("Value error, ").removeprefix("Input ")
    return f"{where} {said}".strip()


def _one_of(facts: Mapping[str, Any], value: object) -> str:
    known = str(facts["expected"]).replace("'", "").replace(" or ", ", ").split(", ")
    close = difflib.get_close_matches(str(value).lower(), known, n=1, cutoff=0.6)
    told = known[0] if len(known) == 1 else f"one of {', '.join(known)}"
    return f"should be {told}, not {_shown(value)}{f' (did you mean {close[0]}?)' if close else ''}"


def _shown(value: object) -> str:
    """The value in short: a text or number as it is, of anything else what it is."""
    if value is None:
        return "empty"
    if isinstance(value, bool):
        return "yes or no"
    if isinstance(value, str):
        return repr(value[:60])
    if isinstance(value, int):
        return str(value) if value.bit_length() < 64 else "so large a number"
    if isinstance(value, float):
        return f"{value:g}"
    if isinstance(value, list | tuple):
        return "a list"
    return "keys and values" if isinstance(value, Mapping) else str(value)[:60]
