"""Tries llama.cpp on this processor: `python -m agent.llm.local.trial [REFERENCE]` loads a model and decodes a little.

A library built for another processor, or miscompiled, kills the process that calls it; run as a child, this shows it.
Exit status 0 is all well, 1 a reason in one line, a signal a crash.
"""

from __future__ import annotations

import subprocess
import sys

from agent.errors import PalateError

TIMEOUT_S = 120.0


def crashes(reference: str) -> str | None:
    """How llama.cpp dies of that model here, tried in a child process; None where it lives, even if it refuses it."""
    try:
        tried = subprocess.run(
            [sys.executable, "-m", "agent.llm.local.trial", reference],
            capture_output=True,
            text=True,
            timeout=TIMEOUT_S,
            check=False,
        )
    except subprocess.TimeoutExpired:
        return f"llama.cpp did not decode a few tokens in {TIMEOUT_S:g} s"
    if tried.returncode >= 0:
        return None
    return f"llama.cpp crashes on this processor (signal {-tried.returncode}); build it again with: make clean install"


def main() -> int:
    """Decode a few tokens with the model named, or with the default one."""
    from agent.deadline import Deadline
    from agent.llm.registry import open_model
    from agent.settings import Settings

    try:
        model = open_model(Settings.model_validate({"model": {"reference": sys.argv[1]}} if sys.argv[1:] else {}))
        score = model.score("One, two,", [" three"], Deadline(TIMEOUT_S))[0]
        model.close()
    except PalateError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    return 0 if score.logprob < 0 else 1


if __name__ == "__main__":
    sys.exit(main())
