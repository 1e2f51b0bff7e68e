"""The command line as one tree: the global flags, the commands that are loaded when called, and how one run ends."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import typer
import typer.main

from agent.commands.ask import headline
from agent.commands.deferred import Deferred, DeferredGroup, tidied
from agent.commands.interruption import INTERRUPTED
from agent.commands.options import Options
from agent.commands.render import plain
from agent.errors import Ambiguous, PalateError

Row = tuple[str, str, str, str]  # name, module:attribute, line, panel of the help

app = typer.Typer(
    cls=DeferredGroup, invoke_without_command=True, context_settings={"help_option_names": ["-h", "--help"]}
)


def _version(wanted: bool) -> None:
    if wanted:
        from agent.supply.locked import version_of

        typer.echo(f"palate {version_of('palate') or '(run from its source, not installed)'}")
        raise typer.Exit


@app.callback()
def palate(
    ctx: typer.Context,
    config: Annotated[Path | None, typer.Option(metavar="PATH", help="Settings file (default: ./palate.toml).")] = None,
    folder: Annotated[Path | None, typer.Option(metavar="PATH", help="Folder that holds the catalogue.")] = None,
    model: Annotated[str | None, typer.Option(metavar="REF", help="Language model, such as: ./file.gguf")] = None,
    _: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version and stop.")
    ] = False,
) -> None:
    """Recommendations with checked reasons, from a catalogue and a language model on this machine.

    Begin with: palate load FILE, palate index, palate tell ada --like "Toy Story", palate recommend ada
    """
    given = {"folder": folder, "model.reference": model}
    ctx.obj = Options(config, {key: value for key, value in given.items() if value is not None})
    if ctx.invoked_subcommand is None:
        typer.echo(ctx.get_help(), nl=False)


def command(table: Sequence[Row]) -> Any:
    """The whole tree, as a fresh object that `main(arguments)` runs."""
    tree: Any = tidied(typer.main.get_command(app))
    if isinstance(tree, DeferredGroup):
        tree.commands = {name: Deferred(name, target, line, panel) for name, target, line, panel in table}
    return tree


@dataclass(frozen=True)
class End:
    """How a command line ended: its exit code, the line that says why, and the choices listed below that line."""

    code: int
    line: str = ""
    choices: Sequence[str] = ()

    def tell(self) -> int:
        """Write the line and the choices, if there are any, on stderr; gives the exit code."""
        if self.line:
            colour = "red" if sys.stderr.isatty() and not os.environ.get("NO_COLOR") else None
            typer.secho("palate:", err=True, nl=False, fg=colour)
            typer.echo(f" {plain(self.line)}", err=True)
        for choice in self.choices:
            typer.echo(f"  {plain(choice)}", err=True)
        return self.code


BROKEN_OFF = End(INTERRUPTED, "interrupted")


def end_of(table: Sequence[Row], arguments: Sequence[str] | None = None) -> End:
    """Run one command line (None: that of this process); every error of ours becomes the end it leads to."""
    try:
        result = command(table).main(arguments, prog_name="palate", standalone_mode=False)
        code = result if isinstance(result, int) else 0
        return BROKEN_OFF if code == INTERRUPTED else End(code)  # typer makes this code of a KeyboardInterrupt
    except Ambiguous as error:
        return End(error.exit_code, f"{headline(error)}. {error.hint}", error.choices)
    except PalateError as error:
        return End(error.exit_code, str(error))
    except typer.TyperException as error:
        return End(error.exit_code, _usage(error))
    except (KeyboardInterrupt, typer.Abort):
        return BROKEN_OFF
    except OSError as error:
        where = f": {error.filename}" if error.filename else ""
        return End(1, f"{error.strerror or error}{where}")


def _usage(error: typer.TyperException) -> str:
    message = error.format_message().strip().rstrip(".")
    context = getattr(error, "ctx", None)
    if not message:
        return ""  # a group without a command has drawn its help
    if context is None:
        return f"{message}. See: palate --help"
    flags = [flag for flag in ("--config", "--folder", "--model") if f"option: {flag}" in message]
    if flags and context.parent is not None:
        return f"{message}. Global flags stand before the command: palate {flags[0]} ... {context.info_name}"
    return f"{message}. See: {context.command_path} --help"
