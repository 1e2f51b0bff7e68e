"""Commands that are known by a name and a line, and imported only when they are called.

`palate --help` lists every command without importing any of them: the line of a command of ours stands in the table of
`agent/cli.py`; the line of a command that another package joined (entry-point group `palate.commands`) is the first
line of its module's file.
"""

from __future__ import annotations

import ast
import importlib
import importlib.util
import inspect
import re
from collections.abc import Iterator
from importlib.machinery import PathFinder
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer
import typer.main
from typer.core import TyperCommand, TyperGroup

from agent.errors import ConfigError

if TYPE_CHECKING:
    from importlib.metadata import EntryPoint

_LINE_BREAK = re.compile(r"(?<!\n)\n(?!\n)")
GROUP = "palate.commands"
JOINED = "More"


class Deferred(TyperCommand):
    """A command by its name and one line; `target` is `module:attribute`, a function or a typer app."""

    def __init__(self, name: str, target: str, line: str, panel: str | None = None) -> None:
        super().__init__(name=name, help=line, short_help=line, rich_help_panel=panel)
        self.target = target

    def load(self) -> Any:
        """The real command. Raises ConfigError when its module or attribute is not there."""
        module, _, attribute = self.target.partition(":")
        try:
            found = getattr(importlib.import_module(module), attribute)
        except (ImportError, AttributeError) as error:
            raise ConfigError(
                f"the command {self.name!r} cannot be loaded from {self.target}: {error}",
                "Install or remove the package that brings it",
            ) from error
        return _command_from(found, self.name)


def _command_from(found: Any, name: str | None) -> Any:
    if isinstance(found, typer.Typer):
        command = typer.main.get_command(found)
    else:
        app = typer.Typer(add_completion=False)
        app.command(name)(found)
        command = typer.main.get_command(app)
    command.name = name
    command.params = [parameter for parameter in command.params if not parameter.name.endswith("_completion")]
    return tidied(command)


def tidied(command: Any) -> Any:
    """The command with a help that fills its lines, and shows no `<bool>` after flags, which take no value."""
    command.help = _LINE_BREAK.sub(" ", inspect.cleandoc(command.help or ""))
    for parameter in command.params:
        if getattr(parameter, "is_flag", False) and parameter.metavar is None:
            parameter.metavar = ""
    for inner in getattr(command, "commands", {}).values():
        tidied(inner)
    return command


class DeferredGroup(TyperGroup):
    """A group that lists and suggests deferred commands, and imports the one that is called.

    Commands of other packages are looked up when the group is listed, or when a name is not one of ours; a name of
    ours cannot be taken by another package.
    """

    def list_commands(self, ctx: Any) -> list[str]:
        """Every name: ours in the order of the table, then those that other packages joined, by name."""
        self._join()
        return super().list_commands(ctx)

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        """The deferred command of that name, or None."""
        if cmd_name not in self.commands:
            self._join()
        return super().get_command(ctx, cmd_name)

    def resolve_command(self, ctx: Any, args: list[str]) -> tuple[str | None, Any, list[str]]:
        """The name, the real command (imported now) and the arguments left for it."""
        name, found, rest = super().resolve_command(ctx, args)
        return name, found.load() if isinstance(found, Deferred) else found, rest

    def _join(self) -> None:
        for entry in _joined():
            if entry.name not in self.commands:
                self.commands[entry.name] = Deferred(entry.name, entry.value, _first_line(entry.module), JOINED)


def _joined() -> Iterator[EntryPoint]:
    from importlib.metadata import entry_points

    yield from sorted(entry_points(group=GROUP), key=lambda entry: entry.name)


def _first_line(module: str) -> str:
    """The first line of a module's docstring, read from its file; empty when there is none. Nothing is imported."""
    try:
        source = _source_of(module)
        documentation = ast.get_docstring(ast.parse(source.read_bytes())) if source else None
    except (OSError, SyntaxError, ValueError):
        return ""
    return (documentation or "").partition("\n")[0]


def _source_of(module: str) -> Path | None:
    top, *rest = module.split(".")
    spec = importlib.util.find_spec(top)
    name = top
    for part in rest:
        name = f"{name}.{part}"
        spec = PathFinder.find_spec(name, spec.submodule_search_locations) if spec else None
    return Path(spec.origin) if spec and spec.origin and spec.origin.endswith(".py") else None
