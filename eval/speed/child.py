"""Work in a process of its own, which begins with nothing loaded: a job in, as JSON, and what came of it out."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from agent.errors import ModelUnavailable


def done_by(module: str, job: Mapping[str, object], doing: str, timeout_s: float) -> dict[str, Any]:
    """What the module prints as its last line, run with the job on its standard input.

    Raises ModelUnavailable where it fails or is late, with the last line of what it complained and what it was `doing`.
    """
    try:
        child = subprocess.run(
            [sys.executable, "-m", module],
            input=json.dumps(job),
            capture_output=True,
            text=True,
            timeout=timeout_s,
            check=False,
            cwd=Path(__file__).parents[2],
        )
    except subprocess.TimeoutExpired as error:
        raise ModelUnavailable(f"{doing} in a process of its own took more than {timeout_s:g} s") from error
    if child.returncode:
        last = child.stderr.strip().splitlines()[-1:] or [f"exit status {child.returncode}"]
        raise ModelUnavailable(f"{doing} in a process of its own failed: {last[0]}")
    found: dict[str, Any] = json.loads(child.stdout.strip().splitlines()[-1])
    return found
