"""The weights file: a TOML file of the blend's weights, with a record of how they were fitted."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path

from agent.errors import ConfigError
from eval.files import write_text

HEADING = (
    "# The blend's weights, written by `palate eval fit`. Signals are z-scored within a slate, weighted, added.\n"
    "# Use it with the setting rerank.weights. The figures come from cases that the weights were not fitted on.\n"
)


def as_toml(tables: Mapping[str, Mapping[str, object]]) -> str:
    """The tables as TOML text, in the order given; nested mappings become tables of their own, None is left out.

    Raises TypeError for a value that TOML has no form for.
    """
    return HEADING + "".join(_table((name,), table) for name, table in tables.items())


def writable(path: Path) -> Path:
    """The path, when a file can be written there. Raises ConfigError: ask before the long work, not after it."""
    folder = path.parent
    if path.is_dir() or not folder.is_dir() or not os.access(folder, os.W_OK):
        raise ConfigError(f"cannot write {path}", "Give --output a file in a folder that is there and can be written")
    return path


def write_weights(path: Path, tables: Mapping[str, Mapping[str, object]]) -> None:
    """Write the tables to the file, whole or not at all. Raises ConfigError when it cannot be written."""
    write_text(path, [as_toml(tables)])


def _table(path: tuple[str, ...], table: Mapping[str, object]) -> str:
    plain = {key: value for key, value in table.items() if value is not None and not isinstance(value, Mapping)}
    lines = [f"{_key(key)} = {_value(value)}\n" for key, value in plain.items()]
    head = f"\n[{'.'.join(_key(part) for part in path)}]\n" if lines or not table else ""
    nested = (_table((*path, key), value) for key, value in table.items() if isinstance(value, Mapping))
    return head + "".join(lines) + "".join(nested)


def _key(key: str) -> str:
    return key if key and all(char.isascii() and (char.isalnum() or char in "-_") for char in key) else _text(key)


def _text(text: str) -> str:
    return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007f")


def _value(value: object) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        return _text(value)
    if isinstance(value, float):
        return repr(round(value, 6))
    if isinstance(value, datetime):
        return value.isoformat(timespec="seconds")
    if isinstance(value, int):
        return str(value)
    if isinstance(value, (list, tuple)):
        return f"[{', '.join(_value(part) for part in value)}]"
    raise TypeError(f"TOML has no form for {type(value).__name__}")
