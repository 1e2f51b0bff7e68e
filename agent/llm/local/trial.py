"""Tries llama.cpp and model files in a process of their own, where a crash is an answer like any other.

`python -m agent.llm.local.trial [REFERENCE]` opens a model as a user gets it and decodes a little. A library built for
another processor, or miscompiled, kills the process that calls it. Exit status 0 is all well, 1 a reason in one line,
a signal a crash. With `--files OPTIONS` it reads paths from its input and answers each with a line of JSON.
"""

from __future__ import annotations

import contextlib
import importlib.util
import json
import os
import re
import signal
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from importlib import metadata
from pathlib import Path
from typing import IO, TYPE_CHECKING, Literal, NamedTuple

from agent.errors import ModelUnavailable, PalateError, PromptError

if TYPE_CHECKING:
    from agent.llm.local.options import Options

TIMEOUT_S = 120.0
FILE_TIMEOUT_S = 20.0  # for a small file
_READ_BYTES_PER_S = 100e6  # what may be expected of a slow disk, where a file is large
_OF_THE_FILE = ("SIGSEGV", "SIGABRT", "SIGBUS", "SIGILL", "SIGFPE")  # it would happen again; others come from outside
_ROOT = Path(__file__).parents[3]
_PYTHON = (sys.executable, "-P", "-m")
_FILES = "--files"

Ending = Literal["lived", "refused", "crashed", "late", "killed"]


class Fate(NamedTuple):
    """What became of a file that was tried: `reason` in one line, and what to do, unless it `lived`.

    It `crashed` llama.cpp and would do so again; it was `late`, or its process was `killed` from outside: it may do
    better another time.
    """

    ending: Ending
    reason: str = ""
    hint: str = ""


def crashes(reference: str) -> str | None:
    """How llama.cpp dies of that model here, tried in a child process; None where it lives, even if it refuses it."""
    try:
        tried = alone("agent.llm.local.trial", reference, timeout_s=TIMEOUT_S)
    except subprocess.TimeoutExpired:
        return f"llama.cpp did not decode a few tokens in {TIMEOUT_S:g} s"
    if tried.returncode >= 0:
        return None
    return f"llama.cpp crashes on this processor (signal {-tried.returncode}); build it again with: make clean install"


def build() -> str:
    """The llama.cpp that is installed: its version, and when it was put there."""
    spec = importlib.util.find_spec("llama_cpp")
    put = Path(spec.origin).stat().st_mtime_ns if spec and spec.origin else 0
    return f"{metadata.version('llama-cpp-python')} {put}"


def fates(paths: Sequence[Path], options: Options, *, timeout_s: float = FILE_TIMEOUT_S) -> Iterator[Fate]:
    """What becomes of each file, in order: loaded, and one token decoded, in a child process that takes the harm.

    One child tries file after file; after a crash another one goes on with the next. A file has `timeout_s`, a large
    one as much longer as reading it takes. Raises ModelUnavailable where no child can be started.
    """
    remaining = list(paths)
    while remaining:
        with _child(options) as (child, said):
            for fate in _asked(child, said, remaining, timeout_s):
                remaining.pop(0)
                yield fate


def alone(module: str, *arguments: str, timeout_s: float | None = None) -> subprocess.CompletedProcess[str]:
    """A module of ours, run to its end as a process of its own.

    Raises ModelUnavailable where none can be started, subprocess.TimeoutExpired.
    """
    with _starting():
        return subprocess.run(
            [*_PYTHON, module, *arguments],
            capture_output=True,
            text=True,
            errors="replace",
            env=_environment(),
            timeout=timeout_s,
            check=False,
        )


@contextlib.contextmanager
def _starting() -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise ModelUnavailable(
            f"no process could be started for a model file: {error.strerror}", "Free memory, then try again"
        ) from error


def _environment() -> dict[str, str]:
    paths = filter(None, (str(_ROOT), os.environ.get("PYTHONPATH", "")))
    return {**os.environ, "PYTHONPATH": os.pathsep.join(paths), "GGML_NO_BACKTRACE": "1"}


@contextlib.contextmanager
def _child(options: Options) -> Iterator[tuple[subprocess.Popen[str], IO[bytes]]]:
    command = [*_PYTHON, "agent.llm.local.trial", _FILES, json.dumps(asdict(options))]
    with contextlib.ExitStack() as undo:
        with _starting():
            said = undo.enter_context(tempfile.TemporaryFile())
            child = subprocess.Popen(
                command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=said, text=True, env=_environment()
            )
        undo.enter_context(child)
        undo.callback(_hang_up, child)
        undo.callback(child.kill)
        yield child, said


def _hang_up(child: subprocess.Popen[str]) -> None:
    if child.stdin is not None:
        with contextlib.suppress(BrokenPipeError):  # of what a dead one did not read
            child.stdin.close()


def _asked(child: subprocess.Popen[str], said: IO[bytes], paths: Sequence[Path], timeout_s: float) -> Iterator[Fate]:
    """What the child says of these files, up to one that ends it."""
    for path in list(paths):
        late = threading.Event()
        limit_s = timeout_s + (path.stat().st_size if path.is_file() else 0) / _READ_BYTES_PER_S
        watch = threading.Timer(limit_s, _give_up, (child, late))
        watch.start()
        try:
            line = _answer_of(child, path)
        finally:
            watch.cancel()
        if line:
            yield Fate(*json.loads(line))
            continue
        yield _ended(child, said, path, f"{limit_s:.0f} s" if late.is_set() else "")
        return


def _give_up(child: subprocess.Popen[str], late: threading.Event) -> None:
    late.set()
    child.kill()


def _answer_of(child: subprocess.Popen[str], path: Path) -> str:
    """The line that the child answers with; empty where it died instead."""
    if child.stdin is None or child.stdout is None:
        return ""
    with contextlib.suppress(BrokenPipeError):
        child.stdin.write(json.dumps(str(path)) + "\n")
        child.stdin.flush()
        return child.stdout.readline()
    return ""


def _ended(child: subprocess.Popen[str], said: IO[bytes], path: Path, late_after: str) -> Fate:
    status = child.wait()
    if late_after:
        reason = f"{path} was not loaded within {late_after}, tried in a process of its own"
        return Fate("late", reason, "Choose a smaller model, or try again when the machine is less busy")
    name = signal.Signals(-status).name if status < 0 else f"exit status {status}"
    last = _last_words(said)
    if name in _OF_THE_FILE:
        reason = f"llama.cpp crashes on {path} ({name}{last}), tried in a process of its own"
        return Fate("crashed", reason, "Fetch the file again, or choose another model")
    reason = f"the process that tried {path} was ended ({name}{last})"
    return Fate("killed", reason, "See that there is memory enough for the model, then try again")


def _last_words(said: IO[bytes]) -> str:
    """What failed, as ggml, C++ or Python said it before the process ended; empty where nothing was said."""
    said.seek(0)
    lines = said.read().decode("utf-8", "replace").split("\n")
    told = [m[0] for line in lines if (m := re.search(r"GGML_ASSERT\(.*|what\(\): .*", line))]
    last = next((line.strip() for line in reversed(told or lines) if line.strip()), "")
    return f": {last[:120]}" if last else ""


def main() -> int:
    """Decode a few tokens with the model named, or with the default one; or try files."""
    if sys.argv[1:2] == [_FILES]:
        return _try_files(sys.argv[2])
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


def _try_files(options: str) -> int:
    from agent.llm.local.options import Options

    _leave_no_core()
    chosen = Options(**json.loads(options))
    for line in sys.stdin:
        sys.stdout.write(json.dumps(_tried(Path(json.loads(line)), chosen)) + "\n")
        sys.stdout.flush()
    return 0


def _tried(path: Path, options: Options) -> Fate:
    from agent.deadline import Deadline
    from agent.llm.local.llama import Llama

    try:
        with contextlib.closing(Llama(path, name=path.stem, sha256="", options=options)) as model:
            model.score("One", [" two"], Deadline.never())
    except PromptError:  # a context too small even for that: loaded, and it says so itself
        return Fate("lived")
    except PalateError as error:
        return Fate("refused", error.message, error.hint)
    return Fate("lived")


def _leave_no_core() -> None:
    if sys.platform != "win32":
        import resource

        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


if __name__ == "__main__":
    sys.exit(main())
