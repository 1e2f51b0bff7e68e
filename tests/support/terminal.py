"""A command of Palate on a pseudo-terminal, which a test types to and reads from."""

from __future__ import annotations

import fcntl
import os
import pty
import select
import signal
import struct
import subprocess
import sys
import termios
import time
from pathlib import Path

ROOT = Path(__file__).parents[2]


def hears_interruption() -> None:
    """Let what runs next hear Ctrl-C, even where the tests run as a background job, whose children would ignore it."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


class Terminal:
    """A command on a terminal of 80 columns; stdout may be a pipe instead."""

    def __init__(
        self, folder: Path, *arguments: str | Path, stdout: int | None = None, lines: int = 24, **environment: str
    ) -> None:
        self._mine, theirs = pty.openpty()
        fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", lines, 80, 0, 0))
        clean = {k: v for k, v in os.environ.items() if k not in ("COLUMNS", "NO_COLOR", "TERM")}
        self.child = subprocess.Popen(
            [sys.executable, "-m", "agent.cli", *map(str, arguments)],
            cwd=folder,
            stdin=theirs,
            stdout=theirs if stdout is None else stdout,
            stderr=theirs,
            env={**clean, "PYTHONPATH": str(ROOT), "TERM": "xterm-256color", **environment},
            start_new_session=True,
            preexec_fn=hears_interruption,
        )
        os.close(theirs)
        self.text = ""

    def read_until(self, words: str, timeout_s: float = 60) -> None:
        """Wait until the words stand on the terminal."""
        end = time.monotonic() + timeout_s
        while words not in self.text:
            assert time.monotonic() < end, self.text
            assert self.read_on(), self.text

    def forget(self) -> None:
        """Look only at what comes from now on."""
        self.text = ""

    def type(self, text: str) -> None:
        os.write(self._mine, text.encode())

    def finish(self) -> int:
        """Read to the end; the exit code."""
        while self.read_on():
            pass
        os.close(self._mine)
        return self.child.wait(60)

    def read_on(self) -> bool:
        """Read what comes next; False at the end."""
        ready, _, _ = select.select([self._mine], [], [], 60)
        try:
            part = os.read(self._mine, 65536) if ready else b""
        except OSError:  # Linux says so when the other end is closed
            part = b""
        self.text += part.decode(errors="replace")
        return bool(part)
