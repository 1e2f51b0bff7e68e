"""Messages and what each is for, as data: those that come with Palate, and those of a team's own folder."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from agent.converse.state import Intent
from agent.errors import ConfigError
from agent.toml_file import line_of, read_toml

SHIPPED = tuple(Path(__file__).parent / name for name in ("en.toml", "zh.toml"))
MAX_EXAMPLES = 20_000
MAX_CHARS = 500


@dataclass(frozen=True)
class Example:
    """One message and what it is for."""

    text: str
    intent: Intent


def load_examples(folder: Path | None = None) -> list[Example]:
    """The shipped examples, and those of all .toml files of the folder after them, each text once: the last one counts.

    Raises ConfigError naming the file and the line: no such folder, no file in it, or one that is wrong.
    """
    found = {example.text: example for path in (*SHIPPED, *_files(folder)) for example in _read(path)}
    if len(found) > MAX_EXAMPLES:
        raise ConfigError(f"there are {len(found):,} examples of messages", f"Keep the best {MAX_EXAMPLES:,}")
    return list(found.values())


def _files(folder: Path | None) -> list[Path]:
    if folder is None:
        return []
    if not folder.is_dir():
        raise ConfigError(f"converse.examples: there is no folder {folder}", "Make it, or leave the setting out")
    files = sorted(folder.glob("*.toml"))
    if not files:
        raise ConfigError(f"converse.examples: {folder} holds no .toml file", 'Write lines such as wish = ["a comedy"]')
    return files


def _read(path: Path) -> Iterator[Example]:
    for name, texts in read_toml(path).items():
        if name not in list(Intent):
            raise ConfigError(f"{_place(path, name)}: there is no intent {name}", f"Known: {', '.join(Intent)}")
        if not isinstance(texts, list):
            raise ConfigError(f"{_place(path, name)}: {name} is no list of messages", f'Write {name} = ["..."]')
        where = _place(path, name)
        for number, text in enumerate(texts, 1):
            yield Example(_checked(text, f"{where}: message {number} of {name}"), Intent(name))


def _checked(text: Any, where: str) -> str:
    if not isinstance(text, str) or not text.strip():
        raise ConfigError(f"{where} is no text", "Write it in quotes")
    if len(text) > MAX_CHARS:
        raise ConfigError(f"{where} has {len(text):,} characters", f"Keep it under {MAX_CHARS}")
    return text.strip()


def _place(path: Path, key: str) -> str:
    return f"{path}:{line_of(path, key) or '?'}"
