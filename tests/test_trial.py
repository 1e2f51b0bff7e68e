"""The child process that tries llama.cpp before it is used here."""

import subprocess
import sys

from agent.llm.local.trial import crashes


def tried(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "agent.llm.local.trial", *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def test_the_default_model_decodes() -> None:
    ran = tried()
    assert (ran.returncode, ran.stderr) == (0, "")
    assert crashes("smollm2-135m") is None


def test_a_missing_model_is_one_line_and_no_crash() -> None:
    ran = tried("./nothing.gguf")
    assert ran.returncode == 1
    assert len(ran.stderr.strip().splitlines()) == 1
    assert crashes("./nothing.gguf") is None
