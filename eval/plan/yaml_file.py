"""The keys and values of eval.yaml, before what they mean is looked at. The only importer of yaml.

Keys that stand twice are refused, and so are aliases, with which a few lines can stand for more than memory holds.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from agent.errors import ConfigError

MAX_BYTES, MAX_DEPTH, MAX_PARTS = 100_000, 20, 5_000
WRITE = "Write one with: palate eval init"
TAB = "found character '\\t' that cannot start any token"
PLAIN = {TAB: "a tab stands here; YAML is indented by spaces"}


def read(path: Path) -> dict[str, object]:
    """The keys and values of a YAML file. Raises ConfigError naming the line and column where it is none."""
    try:
        if path.exists() and not path.is_file():
            raise ConfigError(f"{path} is {'a folder' if path.is_dir() else 'no file'}", "Name the file, eval.yaml")
        if path.stat().st_size > MAX_BYTES:
            raise ConfigError(f"{path} is larger than {MAX_BYTES:,} bytes", "An evaluation takes a few lines")
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) and error.strerror else f"it is no UTF-8 text: {error}"
        raise ConfigError(f"cannot read {path}: {reason}", WRITE) from error
    return keys_in(text, str(path))


def keys_in(text: str, where: str) -> dict[str, object]:
    """The keys and values of a YAML text. Raises ConfigError naming `where`, line and column where it is none."""
    import yaml

    try:
        _refuse_unclear(text)
        found = yaml.safe_load(text)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark
        line = f", line {mark.line + 1}, column {mark.column + 1}" if mark else ""
        problem = PLAIN.get(str(error.problem), error.problem) or "is not YAML"
        raise ConfigError(f"{where}{line}: {problem}", "Mend the file") from error
    except RecursionError as error:
        raise ConfigError(f"{where}: it is nested too deeply", WRITE) from error
    except (yaml.YAMLError, ValueError, OverflowError) as error:
        raise ConfigError(f"{where}: {str(error).partition(chr(10))[0]}", "Mend the file") from error
    if not isinstance(found, dict):
        raise ConfigError(f"{where} holds no keys", WRITE)
    return {str(key): value for key, value in found.items()}


def _refuse_unclear(text: str) -> None:
    """Raises MarkedYAMLError where a key stands twice, an alias anywhere, or more than an evaluation takes."""
    import yaml

    depth = 0
    for n, event in enumerate(yaml.parse(text, Loader=yaml.SafeLoader)):
        depth += isinstance(event, yaml.CollectionStartEvent) - isinstance(event, yaml.CollectionEndEvent)
        if depth > MAX_DEPTH or n > MAX_PARTS:
            problem = "it is nested too deeply" if depth > MAX_DEPTH else f"more than {MAX_PARTS:,} keys and values"
            raise yaml.MarkedYAMLError(problem=problem, problem_mark=event.start_mark)
        if isinstance(event, yaml.AliasEvent):
            raise yaml.MarkedYAMLError(problem="an alias stands here; write it out", problem_mark=event.start_mark)
    waiting = [yaml.compose(text, Loader=yaml.SafeLoader)]
    while waiting:
        node = waiting.pop()
        if isinstance(node, yaml.MappingNode):
            waiting += [value for _, value in node.value]
            if twice := _twice(node.value):
                raise yaml.MarkedYAMLError(problem=f"{twice.value[:60]} stands twice", problem_mark=twice.start_mark)
        elif isinstance(node, yaml.SequenceNode):
            waiting += node.value


def _twice(pairs: Sequence[tuple[Any, Any]]) -> Any:
    """The node of the first key that stood before; None where there is none."""
    seen: set[str] = set()
    for key, _ in pairs:
        if isinstance(key.value, str):
            if key.value in seen:
                return key
            seen.add(key.value)
    return None
