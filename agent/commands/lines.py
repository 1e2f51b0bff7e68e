"""JSON lines on stdin, for people who already have a recommender: one request a line, one answer a line.

A line that cannot be read or answered is answered by `{"error", "line"}` and the rest goes on. Blank lines are skipped.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, BinaryIO, NoReturn

from agent.commands import render
from agent.errors import ConfigError, PalateError

if TYPE_CHECKING:
    from agent.types import Item, Slate

MAX_LINE_BYTES = 8_000_000


Answer = Callable[["Request"], "Slate"]


class BadLineError(ValueError):
    """One line is not a request; the message says what is wrong with it."""


@dataclass(frozen=True)
class Request:
    """What one line asks: items the person had before, items to rank or explain, and a wish."""

    history: tuple[Item, ...]
    items: tuple[Item, ...]
    wish: str | None


def answer_all(key: str, answer: Answer) -> int:
    """Answer every line of stdin on stdout; gives the number of lines that got an error.

    `key` names the field that holds the items asked about. Raises ConfigError when stdin is a terminal.
    """
    if sys.stdin.isatty():
        raise ConfigError(
            "nothing on standard input",
            f'Pipe JSON lines in, one request a line: {{"history": [...], "{key}": [...], "wish": "..."}}',
        )
    bad = 0
    for number, line in numbered_lines(sys.stdin.buffer):
        reply = _reply(number, line, key, answer)
        bad += "error" in reply
        render.write_json(reply, indent=None)
    return bad


def numbered_lines(stream: BinaryIO, max_bytes: int = MAX_LINE_BYTES) -> Iterator[tuple[int, bytes | None]]:
    """The lines that are not blank, with their 1-based numbers; None for a line longer than `max_bytes`.

    A line that is too long is skipped piece by piece: it is never held in memory.
    """
    number = 0
    while line := stream.readline(max_bytes + 1):
        number += 1
        too_long = len(line) > max_bytes and not line.endswith(b"\n")
        while too_long and (rest := stream.readline(max_bytes)) and not rest.endswith(b"\n"):
            pass
        if too_long or line.strip():
            yield number, None if too_long else line


def _reply(number: int, line: bytes | None, key: str, answer: Answer) -> dict[str, Any]:
    try:
        request = request_from(line, key)
        return {"line": number} | _slate_json(answer(request), request.items)
    except (BadLineError, PalateError) as error:
        return {"error": render.plain(error), "line": number}


def _slate_json(slate: Slate, asked: Sequence[Item]) -> dict[str, Any]:
    index = {item.item_id: position for position, item in enumerate(asked)}
    shape = slate.as_json()
    del shape["user"]
    for recommendation in shape["recommendations"]:
        recommendation["index"] = index[recommendation["item_id"]]
    return shape


def request_from(line: bytes | None, key: str) -> Request:
    """The request on one line. Raises BadLineError. Fields other than `history`, `wish` and `key` are refused.

    `explain` takes `candidates` for `items`, so that one request serves both commands.
    """
    if line is None:
        raise BadLineError(f"longer than {MAX_LINE_BYTES:,} bytes")
    fields = _object(line)
    if key == "items" and "items" not in fields and "candidates" in fields:
        fields = {("items" if name == "candidates" else name): value for name, value in fields.items()}
    unknown = sorted(set(fields) - {"history", key, "wish"})
    if unknown:
        raise BadLineError(f"unknown field {unknown[0]!r}; a request has history, {key} and wish")
    wish = fields.get("wish")
    if not (wish is None or isinstance(wish, str)):
        raise BadLineError("wish is not a string")
    history, items = _items(fields, "history"), _items(fields, key)
    if not items:
        raise BadLineError(f"{key} is empty: name at least one item")
    return Request(history, items, (wish or "").strip() or None)


def _object(line: bytes) -> dict[str, Any]:
    try:
        value = json.loads(line.decode("utf-8-sig"), parse_constant=_no_constant)
    except UnicodeDecodeError as error:
        raise BadLineError(f"not UTF-8: byte {error.object[error.start]:#04x} at {error.start}") from error
    except json.JSONDecodeError as error:
        raise BadLineError(f"not JSON: {error.msg} at character {error.pos + 1}") from error
    except BadLineError:
        raise
    except (RecursionError, ValueError) as error:
        raise BadLineError("not usable JSON: nested too deeply, or a number that is too long") from error
    if not isinstance(value, dict):
        raise BadLineError("not a JSON object")
    return value


def _no_constant(name: str) -> NoReturn:
    raise BadLineError(f"not JSON: {name} is not a number")


def _items(fields: Mapping[str, Any], key: str) -> tuple[Item, ...]:
    given = fields.get(key)
    if not (given is None or isinstance(given, list)):
        raise BadLineError(f"{key} is not a list")
    items = tuple(_item(value, f"{key}[{position}]") for position, value in enumerate(given or ()))
    seen: set[str] = set()
    for position, item in enumerate(items):
        if item.item_id in seen:
            raise BadLineError(f"{key}[{position}] repeats the item_id {item.item_id!r}")
        seen.add(item.item_id)
    return items


def _item(value: Any, where: str) -> Item:
    """An item from a title or a JSON object, whose fields go by the names that columns of files go by."""
    from pydantic import ValidationError

    from agent.types import Item

    if isinstance(value, str):
        value = {"title": value}
    if not isinstance(value, dict):
        raise BadLineError(f"{where} is neither an item object nor a title")
    fields = _fields(value, where)
    try:
        return Item.model_validate(fields)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        place = ".".join(map(str, first["loc"]))
        raise BadLineError(f"{where}.{place}: {first['msg'].removeprefix('Value error, ')}") from error


def _fields(value: Mapping[str, Any], where: str) -> dict[str, Any]:
    from agent.catalogue.guesses import ITEM_GUESSES

    rest = {name: content for name, content in value.items() if content is not None}
    own = rest.pop("attributes", {})
    if not isinstance(own, dict):
        raise BadLineError(f"{where}.attributes is not an object")
    fields: dict[str, Any] = {"item_id": where}
    for field, names in ITEM_GUESSES.items():
        name = next((name for name in names if name in rest), None)
        if name is not None:
            fields["item_id" if field == "id" else field] = rest.pop(name)
    if isinstance(fields["item_id"], int):
        fields["item_id"] = str(fields["item_id"])
    if isinstance(fields.get("tags"), str):
        fields["tags"] = [tag for tag in fields["tags"].split("|") if tag.strip()]
    rest = {**own, **rest}
    fields["attributes"] = {name: _attribute(content, f"{where}.{name}") for name, content in rest.items()}
    return fields


def _attribute(content: Any, where: str) -> str | int | float | tuple[str, ...]:
    if isinstance(content, bool):
        return str(content).lower()
    if isinstance(content, str | int | float):
        return content
    if isinstance(content, list) and all(isinstance(entry, str | int | float) for entry in content):
        return tuple(map(str, content))
    raise BadLineError(f"{where} is neither a text, a number nor a list of them")
