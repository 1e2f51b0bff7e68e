"""The command `palate`: every command in one table, and one way to fail.

Results go to stdout; progress, questions, notes and errors to stderr. Exit codes: 0 done, 1 failed, 2 wrong usage or
settings, 130 interrupted. Next to nothing is imported here, so that `palate --help` answers at once and Ctrl-C is
watched for before the rest is imported.
"""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING

from agent.commands.interruption import Interruption, stop

if TYPE_CHECKING:
    from agent.commands.tree import End

_CATALOGUE, _PEOPLE, _PIECES, _MACHINE = "The catalogue", "A person", "Piece by piece", "The machine"

COMMANDS = (
    ("demo", "agent.commands.demo:demo", "Try Palate on 3,000 real films: load, index, tell, recommend.", _CATALOGUE),
    ("load", "agent.commands.load:load", "Load a file of items, or of events with --events.", _CATALOGUE),
    ("index", "agent.commands.load:index", "Bring the vector index up to date with the catalogue.", _CATALOGUE),
    ("enrich", "agent.commands.enrich:enrich", "Let the model describe thin items, for recall alone.", _CATALOGUE),
    ("learn", "agent.commands.learn:learn", "Learn from everyone's events which items go together.", _CATALOGUE),
    ("chat", "agent.commands.chat:chat", "Talk with Palate: wishes, reactions, questions, reasons.", _PEOPLE),
    ("tell", "agent.commands.people:tell", "Record what a person likes, dislikes, rated or has seen.", _PEOPLE),
    ("recommend", "agent.commands.people:recommend", "Recommend titles to a person, with checked reasons.", _PEOPLE),
    ("why", "agent.commands.people:why", "Show the whole path of one item: every stage, score and rank.", _PEOPLE),
    ("profile", "agent.commands.profile:profile", "Draw what is known of a person's taste, or correct it.", _PEOPLE),
    ("watch", "agent.commands.watch:watch", "Watch interests and recommendations move as events arrive.", _PEOPLE),
    ("link", "agent.commands.accounts:link", "Say that two accounts are one person's.", _PEOPLE),
    ("unlink", "agent.commands.accounts:unlink", "Take the link of two accounts back.", _PEOPLE),
    ("accounts", "agent.commands.accounts:accounts", "List a person's accounts, or keep them apart.", _PEOPLE),
    ("forget", "agent.commands.people:forget", "Erase everything that is stored about a person.", _PEOPLE),
    ("export", "agent.commands.privacy:export", "Write everything stored about a person as one document.", _PEOPLE),
    ("mcp", "agent.commands.mcp:mcp", "Serve Palate as tools to programs that speak MCP.", _PIECES),
    ("batch", "agent.commands.batch:batch", "Write slates for many people to a file, on many cores.", _PIECES),
    ("explain", "agent.commands.rank:explain", "Give reasons for items that any system chose.", _PIECES),
    ("rank", "agent.commands.rank:rank", "Put given candidates in order for a person or a history.", _PIECES),
    ("serve", "agent.commands.serve:app", "Answer over HTTP, with a page to talk to.", _MACHINE),
    ("models", "agent.commands.models:app", "List, pull, inspect and choose language models.", _MACHINE),
    ("config", "agent.commands.config:app", "Show the settings and where each value comes from.", _MACHINE),
    ("backup", "agent.commands.backup:backup", "Write the data folder into one file.", _MACHINE),
    ("restore", "agent.commands.backup:restore", "Make the data folder what a backup holds.", _MACHINE),
    (
        "privacy",
        "agent.commands.privacy:privacy",
        "Show what was released of people and what it cost, and receipts of forgetting.",
        _MACHINE,
    ),
    ("encrypt", "agent.commands.privacy:encrypt", "Encrypt what people did and said, or change the key.", _MACHINE),
    ("sbom", "agent.commands.sbom:sbom", "List all packages and models here, with hashes.", _MACHINE),
    ("status", "agent.commands.status:status", "Show what is stored, indexed and configured.", _MACHINE),
    ("doctor", "agent.commands.status:doctor", "Check every part of this installation, one by one.", _MACHINE),
)


def run(arguments: Sequence[str] | None = None) -> int:
    """Run one command line (None: that of this process) and give its exit code; errors become one line on stderr."""
    from agent.commands.tree import end_of

    return end_of(COMMANDS, arguments).tell()


def main() -> None:
    """Run the command line of this process and exit with its code: 130 if Ctrl-C came at any moment of it."""
    end = None
    interruption = Interruption()
    with contextlib.suppress(KeyboardInterrupt), interruption:
        end = _end()
    if end is None or interruption.heard:
        stop()  # not sys.exit: after a KeyboardInterrupt inside exec(), Python would end itself by the signal instead
    sys.exit(end.tell())


def _end() -> End:
    for stream in (sys.stdout, sys.stderr):
        stream.reconfigure(errors="backslashreplace")  # type: ignore[union-attr]  # text streams of a process have it
    from agent.commands.tree import end_of

    return end_of(COMMANDS)


if __name__ == "__main__":
    main()
