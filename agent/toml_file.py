"""A TOML file as people write it: read with its faults named by line, changed in one value and kept in all others."""

from __future__ import annotations

import json
import os
import re
import shutil
import tempfile
import tomllib
from collections.abc import Iterator, Sequence
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


def write_value(path: Path, table: str, key: str, value: object) -> None:
    """Set `key` in the table of a TOML file: `write_values` of one."""
    write_values(path, [(table, key, value)])


def write_values(path: Path, values: Sequence[tuple[str, str, object]]) -> None:
    """Set these keys of tables (`a.b`; `""` is the top) in a TOML file, keeping every other byte of it.

    A value is text, a number, a truth value, a list or a mapping of these. The file is made where there is none, and
    replaced whole or not at all. Raises ConfigError where the file is not TOML, is written in a way that cannot be
    changed safely, or cannot be written.
    """
    text = _text_of(path) if path.exists() else ""
    for table, key, value in values:
        text = _changed(text, table, key, value, path)
    _replace(path.resolve(), text)


def _changed(text: str, table: str, key: str, value: object, path: Path) -> str:
    wanted, literal = _parse(text, path), _literal(value)
    _table_in(wanted, table, path)[key] = value
    for candidate in _candidates(text, table, key, literal):
        if _same(candidate, wanted):
            return candidate
    name = f"{table}.{key}" if table else key
    raise ConfigError(f"{path} could not be changed safely", f"Write {name} = {literal} into it by hand")


def _literal(value: object) -> str:
    """The value as TOML has it, on one line. Raises TypeError for one that it has no form for."""
    if isinstance(value, str):
        return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
    if isinstance(value, bool | int | float):
        return json.dumps(value)
    if isinstance(value, list | tuple):
        return f"[{', '.join(map(_literal, value))}]"
    if isinstance(value, dict):
        return f"{{{', '.join(f'{_name(key)} = {_literal(inner)}' for key, inner in value.items())}}}"
    raise TypeError(f"TOML has no form for {type(value).__name__}")


def _name(key: str) -> str:
    return key if re.fullmatch(r"[A-Za-z0-9_-]+", key) else _literal(key)


def _table_in(tables: dict[str, Any], table: str, path: Path) -> dict[str, Any]:
    """The table of that name, made where there is none."""
    found = tables
    for part in filter(None, table.split(".")):
        inner = found.setdefault(part, {})
        if not isinstance(inner, dict):
            raise ConfigError(f"{path}: {table} is a value, not a table", f"Write [{table}] on a line of its own")
        found = inner
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
    groups = r"\{[^{}\n]*\}|\[[^\[\]]*\]"
    for found in re.finditer(rf"({name}[ \t]*=[ \t]*)({strings}|{groups}|[^\s#,}}]+)", text):
        yield text[: found.start(2)] + literal + text[found.end(2) :]
    newline = "\r\n" if "\r\n" in text else "\n"
    for found in re.finditer(rf"^[ \t]*\[[ \t]*{re.escape(table)}[ \t]*\][^\r\n]*", text, re.MULTILINE):
        yield from _within(text, found.end(), newline, f"{key} = {literal}")
    for found in re.finditer(rf"^[ \t]*{re.escape(table)}[ \t]*=[ \t]*{{", text, re.MULTILINE):
        yield f"{text[: found.end()]} {key} = {literal},{text[found.end() :]}"
        yield f"{text[: found.end()]} {key} = {literal} {text[found.end() :]}"
    gap = "" if not text or text.endswith("\n\n") else newline if text.endswith("\n") else newline * 2
    yield f"{text}{gap}[{table}]{newline}{key} = {literal}{newline}"
    yield f"{table + '.' if table else ''}{key} = {literal}{newline}{text}"


def _within(text: str, header: int, newline: str, line: str) -> Iterator[str]:
    """The line as the last one of the table whose header ends there, and as its first one."""
    rest = re.search(r"^[ \t]*\[", text[header:], re.MULTILINE)
    end = header + (rest.start() if rest else len(text) - header)
    last = len(text[:end].rstrip())
    yield f"{text[:last]}{newline}{line}{text[last:]}" if last >= header else text
    yield f"{text[:header]}{newline}{line}{text[header:]}"


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
