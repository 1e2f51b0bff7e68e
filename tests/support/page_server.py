"""`palate serve` as a person starts it: a process of its own on a port that the system chooses."""

from __future__ import annotations

import contextlib
import os
import re
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from pathlib import Path
from types import TracebackType
from typing import Self

ROOT = Path(__file__).parents[2]
PATIENCE_S, OPENING_S = 60, 300


class PageServer:
    """A server over a data folder, with a model of its own where one is named; `address` ends with a slash."""

    def __init__(self, folder: Path, *, model: str | None = None, noun: str = "films") -> None:
        chosen = ["--model", model] if model else []
        self._command = [sys.executable, "-m", "agent.cli", "--folder", str(folder), *chosen, "serve", "--port", "0"]
        self._noun = noun
        self.folder = folder
        self.address = ""

    def __enter__(self) -> Self:
        own = ("PALATE_", "OPENAI_", "CHROMA_")
        environment = {name: value for name, value in os.environ.items() if not name.startswith(own)}
        environment |= {"PALATE_NOUN": self._noun, "PYTHONPATH": str(ROOT)}
        self._log = tempfile.TemporaryFile("w+")
        self._process = subprocess.Popen(
            self._command,
            stdout=subprocess.PIPE,
            stderr=self._log,
            text=True,
            env=environment,
            cwd=tempfile.gettempdir(),
        )
        for line in self._process.stdout or ():
            if found := re.search(r"https?://[\w.:\[\]]+", line):
                self.address = f"{found[0]}/"
                self._warm()
                return self
        self._process.wait(PATIENCE_S)
        self._log.seek(0)
        raise RuntimeError(f"the server ended with {self._process.returncode}: {self._log.read()[-2000:]}")

    def _warm(self) -> None:
        """Wait until all that answers need is open, so that no patience of a test goes into it."""
        until = time.monotonic() + OPENING_S
        while time.monotonic() < until:
            with (
                contextlib.suppress(urllib.error.HTTPError),
                urllib.request.urlopen(f"{self.address}readyz", timeout=60),
            ):
                return
            time.sleep(0.1)
        raise RuntimeError(f"the server was not ready within {OPENING_S} s")

    def stop(self) -> None:
        """End the server as a person would."""
        self._process.terminate()
        try:
            self._process.wait(PATIENCE_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()
        if self._process.stdout:
            self._process.stdout.close()
        self._log.close()
