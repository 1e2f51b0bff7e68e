"""A TOML file as people write it: read with its faults named by line, changed in one value and kept in all others."""

from __future__ import annotations

import json
import os
import re
import shutil
import tempfile
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from agent.errors import ConfigError

_BOM = "\ufeff"
_HEADER = re.compile(r"^\s*\[+([^\]#]+)\]")
_ASSIGNMENT = re.compile(r"^\s*([^=#\[]+)=")


def read_toml(path: Path) -> dict[str, Any]:
    """The tables and values of a TOML file; a byte-order mark is allowed.

    Raises ConfigError naming the file, and the line and column where it is not TOML.
    """
    return _parse(_text_of(path), path)


def line_of(path: Path, key: str) -> int | None:
    """The 1-based line on which a dotted key, or its table, first stands in the file; None where none is seen."""
    table = ""
    for number, line in enumerate(_text_of(path).removeprefix(_BOM).splitlines(), 1):
        if header := _HEADER.match(line):
            table = _plain(header[1])
        assigned = _ASSIGNMENT.match(line)
        here = ".".join(filter(None, (table, _plain(assigned[1])))) if assigned else table
        if here == key:
            return number
    return None


def _plain(key: str) -> str:
    """A key as it is written, without its quotes and spaces."""
    return re.sub(r"""["'\s]""", "", key)


def write_value(path: Path, table: str, key: str, value: str) -> None:
    """Set `key` in the table of a TOML file, keeping every other byte of it; the file is made where there is none.

    The file is replaced whole or not at all. Raises ConfigError where the file is not TOML, is written in a way that
    cannot be changed safely, or cannot be written.
    """
    text = _text_of(path) if path.exists() else ""
    wanted = _parse(text, path)
    wanted[table] = {**_table_in(wanted, table, path), key: value}
    for candidate in _candidates(text, table, key, json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")):
        if _same(candidate, wanted):
            _replace(path.resolve(), candidate)
            return
    raise ConfigError(f"{path} could not be changed safely", f'Write {table}.{key} = "{value}" into it by hand')


def _table_in(tables: dict[str, Any], table: str, path: Path) -> dict[str, Any]:
    found = tables.get(table, {})
    if not isinstance(found, dict):
        raise ConfigError(f"{path}: {table} is a value, not a table", f"Write [{table}] on a line of its own")
    return found


def _text_of(path: Path) -> str:
    try:
        return path.read_bytes().decode("utf-8")
    except UnicodeDecodeError as error:
        raise ConfigError(f"{path} is not UTF-8 text (byte {error.start})", "Save it as UTF-8") from error
    except OSError as error:
        raise ConfigError(f"{path} cannot be read: {error.strerror}", "Give the path of a TOML file") from error


def _parse(text: str, path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(text.removeprefix(_BOM))
    except tomllib.TOMLDecodeError as error:
        fault = str(error).replace("at end of document", f"at line {text.rstrip().count(chr(10)) + 1}, the end")
        raise ConfigError(f"{path} is not valid TOML: {fault[:1].lower()}{fault[1:]}", "Correct that line") from error
    except RecursionError as error:
        raise ConfigError(f"{path} is nested too deeply", "Write plain tables and values") from error


def _same(text: str, wanted: dict[str, Any]) -> bool:
    try:
        return tomllib.loads(text.removeprefix(_BOM)) == wanted
    except tomllib.TOMLDecodeError:
        return False


def _candidates(text: str, table: str, key: str, literal: str) -> Iterator[str]:
    """Every way to write the value into the text, the least intrusive first. Most are wrong: the caller parses them."""
    name = rf"""["']?{re.escape(key)}["']?"""
    strings = r'"(?:[^"\\\n]|\\.)*"' + r"|'[^'\n]*'"
    for found in re.finditer(rf"({name}[ \t]*=[ \t]*)({strings}|[^\s#,}}]+)", text):
        yield text[: found.start(2)] + literal + text[found.end(2) :]
    newline = "\r\n" if "\r\n" in text else "\n"
    for found in re.finditer(rf"^[ \t]*\[[ \t]*{re.escape(table)}[ \t]*\][^\r\n]*", text, re.MULTILINE):
        yield f"{text[: found.end()]}{newline}{key} = {literal}{text[found.end() :]}"
    for found in re.finditer(rf"^[ \t]*{re.escape(table)}[ \t]*=[ \t]*{{", text, re.MULTILINE):
        yield f"{text[: found.end()]} {key} = {literal},{text[found.end() :]}"
        yield f"{text[: found.end()]} {key} = {literal} {text[found.end() :]}"
    gap = "" if not text or text.endswith("\n\n") else newline if text.endswith("\n") else newline * 2
    yield f"{text}{gap}[{table}]{newline}{key} = {literal}{newline}"
    yield f"{table}.{key} = {literal}{newline}{text}"


def _replace(path: Path, text: str) -> None:
    try:
        descriptor, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
        part = Path(name)
        try:
            with os.fdopen(descriptor, "wb") as file:
                file.write(text.encode("utf-8"))
                file.flush()
                os.fsync(file.fileno())
            if path.exists():
                shutil.copymode(path, part)
            else:
                part.chmod(0o644)
            part.replace(path)
        finally:
            part.unlink(missing_ok=True)
    except OSError as error:
        raise ConfigError(f"{path} cannot be written: {error.strerror}", "Choose a folder you may write in") from error
