"""The command `palate`: every command in one table, the global flags, and one way to fail.

Results go to stdout; progress, questions, notes and errors to stderr. Exit codes: 0 done, 1 failed, 2 wrong usage or
settings, 130 interrupted. Nothing heavy is imported here, so that `palate --help` answers at once.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

import typer
import typer.main

from agent.commands.ask import headline
from agent.commands.deferred import Deferred, DeferredGroup, tidied
from agent.commands.options import Options
from agent.commands.render import plain
from agent.errors import Ambiguous, PalateError

INTERRUPTED = 130

_CATALOGUE, _PEOPLE, _PIECES, _MACHINE = "The catalogue", "A person", "Piece by piece", "The machine"

COMMANDS = (
    ("demo", "agent.commands.demo:demo", "Try Palate on 3,000 real films: load, index, tell, recommend.", _CATALOGUE),
    ("load", "agent.commands.load:load", "Load a file of items, or of events with --events.", _CATALOGUE),
    ("index", "agent.commands.load:index", "Bring the vector index up to date with the catalogue.", _CATALOGUE),
    ("tell", "agent.commands.people:tell", "Record what a person likes, dislikes, rated or has seen.", _PEOPLE),
    ("recommend", "agent.commands.people:recommend", "Recommend titles to a person, with checked reasons.", _PEOPLE),
    ("why", "agent.commands.people:why", "Show the whole path of one item: every stage, score and rank.", _PEOPLE),
    ("profile", "agent.commands.people:profile", "Draw what is known of a person's taste.", _PEOPLE),
    ("forget", "agent.commands.people:forget", "Erase everything that is stored about a person.", _PEOPLE),
    ("explain", "agent.commands.rank:explain", "Give reasons for items that any system chose.", _PIECES),
    ("rank", "agent.commands.rank:rank", "Put given candidates in order for a person or a history.", _PIECES),
    ("models", "agent.commands.models:app", "List, pull, inspect and choose language models.", _MACHINE),
    ("config", "agent.commands.config:app", "Show the settings and where each value comes from.", _MACHINE),
    ("status", "agent.commands.status:status", "Show what is stored, indexed and configured.", _MACHINE),
    ("doctor", "agent.commands.status:doctor", "Check every part of this installation, one by one.", _MACHINE),
)

app = typer.Typer(
    cls=DeferredGroup, invoke_without_command=True, context_settings={"help_option_names": ["-h", "--help"]}
)


def _version(wanted: bool) -> None:
    if wanted:
        from agent.commands.checks import installed_version

        typer.echo(f"palate {installed_version('palate') or '(run from its source, not installed)'}")
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


def command() -> Any:
    """The whole tree, as a fresh object that `main(arguments)` runs."""
    tree: Any = tidied(typer.main.get_command(app))
    if isinstance(tree, DeferredGroup):
        tree.commands = {name: Deferred(name, target, line, panel) for name, target, line, panel in COMMANDS}
    return tree


def run(arguments: Sequence[str] | None = None) -> int:
    """Run one command line (None: that of this process) and give its exit code; errors become one line on stderr."""
    try:
        result = command().main(arguments, prog_name="palate", standalone_mode=False)
        return result if isinstance(result, int) else 0
    except Ambiguous as error:
        return _fail(f"{headline(error)}. {error.hint}", error.exit_code, error.choices)
    except PalateError as error:
        return _fail(str(error), error.exit_code)
    except typer.TyperException as error:
        return _fail(_usage(error), error.exit_code)
    except (KeyboardInterrupt, typer.Abort):
        return _fail("interrupted", INTERRUPTED)
    except OSError as error:
        where = f": {error.filename}" if error.filename else ""
        return _fail(f"{error.strerror or error}{where}", 1)


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


def _fail(line: str, exit_code: int, choices: Sequence[str] = ()) -> int:
    if line:
        colour = "red" if sys.stderr.isatty() and not os.environ.get("NO_COLOR") else None
        typer.secho("palate:", err=True, nl=False, fg=colour)
        typer.echo(f" {plain(line)}", err=True)
    for choice in choices:
        typer.echo(f"  {plain(choice)}", err=True)
    return exit_code


def main() -> None:
    """Run the command line of this process and exit with its code."""
    for stream in (sys.stdout, sys.stderr):
        stream.reconfigure(errors="backslashreplace")  # type: ignore[union-attr]  # text streams of a process have it
    sys.exit(run())


if __name__ == "__main__":
    main()
