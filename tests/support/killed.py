"""A whole run of fakes in a process of its own, slow enough to be killed in the midst of it."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Sequence
from pathlib import Path

from agent.commands.options import Options
from agent.types import Item, Slate
from eval.commands import commands_with
from eval.running.asked import Asked
from eval.running.doing import carry_out, folder_for
from tests.support.fake_ranker import FakeRanker, opener_of, opens

SLEEP_S = 0.004


class Slow(FakeRanker):
    """Takes its time, and writes a line to a log for everything that it is asked."""

    def __init__(self, log: Path) -> None:
        super().__init__()
        self._log = os.open(log, os.O_WRONLY | os.O_APPEND | os.O_CREAT)

    def rank(self, history: Sequence[Item], candidates: Sequence[Item], wish: str | None = None) -> Slate:
        os.write(self._log, f"{wish}\n".encode())
        time.sleep(SLEEP_S)
        return super().rank(history, candidates, wish)


def run_slowly(data: Path, prompts: Path, output: Path, log: Path) -> None:
    """Run two cells over the data set into the folder, or go on with what is there."""
    flags = {"data": [str(data)], "prompts": ["built-in", str(prompts)], "baselines": ["random", "oracle"]}
    asked = Asked.of(None, flags, Options())
    with folder_for(asked, output) as folder:
        carry_out(asked, folder, opens(Slow(log)))


def command_slowly(arguments: Sequence[str], log: Path, told: Path) -> None:
    """The command line `palate eval` with the same fakes; what it writes to stderr goes to a file.

    Ctrl-C is heard, also where the tests run in the background, whose children are born deaf to it.
    """
    signal.signal(signal.SIGINT, signal.default_int_handler)
    os.dup2(os.open(told, os.O_WRONLY | os.O_CREAT), 2)
    ranker = Slow(log)
    commands_with(opener_of(ranker), opens(ranker))(arguments)
