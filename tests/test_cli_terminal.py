"""The command line at a terminal: questions, colours, bars and interruption, in real processes on a pseudo-terminal."""

from __future__ import annotations

import ctypes
import os
import re
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.terminal import ROOT, Terminal, hears_interruption

FILMS = ROOT / "tests" / "support" / "films.csv"
COLOUR = re.compile(r"\x1b\[[0-9;]*m")


@pytest.fixture(scope="module")
def films(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("terminal")
    done = Terminal(folder, "load", FILMS)
    assert done.finish() == 0, done.text
    return folder


def test_an_ambiguous_title_is_asked_for(films: Path) -> None:
    terminal = Terminal(films, "tell", "ada", "--like", "lion king")
    terminal.read_until("Which one, 1 to 2? ")
    assert re.search(r"1  The Lion King \(1994\).*\n.*2  The Lion King \(2019\)", terminal.text)
    terminal.type("nonsense\n")
    terminal.type("2\n")
    assert terminal.finish() == 0, terminal.text
    assert "The Lion King (2019)" in terminal.text.rpartition("Recorded 1 event")[2]


def test_results_stay_clean_while_questions_are_asked(films: Path) -> None:
    reader, writer = os.pipe()
    terminal = Terminal(films, "forget", "nobody", "--json", stdout=writer)
    os.close(writer)
    terminal.read_until("Erase everything stored about nobody? [y/N] ")
    terminal.type("y\n")
    assert terminal.finish() == 0
    with os.fdopen(reader) as results:
        assert results.read().startswith('{\n  "user": "nobody"')


@pytest.mark.parametrize("answer", ["n\n", "\n", "\x04"])
def test_anything_but_yes_erases_nothing(films: Path, answer: str) -> None:
    terminal = Terminal(films, "forget", "ada")
    terminal.read_until("[y/N] ")
    terminal.type(answer)
    assert terminal.finish() == 130
    assert "interrupted" in terminal.text


def assert_interrupted(terminal: Terminal) -> None:
    assert terminal.finish() == 130, terminal.text
    assert "Traceback" not in terminal.text
    assert terminal.text.endswith("palate: interrupted\r\n")


def test_an_interrupted_command_exits_with_130(films: Path) -> None:
    terminal = Terminal(films, "tell", "ada", "--like", "lion king")
    terminal.read_until("Which one")
    os.killpg(terminal.child.pid, signal.SIGINT)
    assert_interrupted(terminal)


def test_an_interruption_that_comes_just_before_the_wait_for_an_answer_ends_it(films: Path) -> None:
    terminal = Terminal(films, "tell", "ada", "--like", "lion king")
    terminal.read_until("Which one, 1 to 2? ")
    main = terminal.child.pid
    others = [int(task.name) for task in Path(f"/proc/{main}/task").iterdir() if int(task.name) != main]
    assert others
    ctypes.CDLL(None).tgkill(main, others[0], signal.SIGINT)  # as then, it does not end the main thread's system call
    assert_interrupted(terminal)


RAISES_AT = """
import os, signal, sys
wanted, how = sys.argv.pop(1), sys.argv.pop(1)

class Interrupter:
    armed = True

    def find_spec(self, name, path=None, target=None):
        if name == wanted and Interrupter.armed:
            Interrupter.armed = False
            self.interrupt()

    def interrupt(self):
        if how == "plain":
            os.kill(os.getpid(), signal.SIGINT)
        elif how == "twice":
            os.kill(os.getpid(), signal.SIGINT)
            os.kill(os.getpid(), signal.SIGINT)
        elif how == "exec":
            exec("os.kill(os.getpid(), signal.SIGINT)")
        elif how == "import-error":
            try:
                os.kill(os.getpid(), signal.SIGINT)
            except KeyboardInterrupt:
                raise ImportError("it failed to import") from None
        elif how == "finaliser":
            type("Dying", (), {"__del__": lambda _: os.kill(os.getpid(), signal.SIGINT)})()

sys.meta_path.insert(0, Interrupter())
from agent.cli import main
main()
"""


@pytest.mark.parametrize("how", ["plain", "twice", "exec", "import-error", "finaliser"])
@pytest.mark.parametrize("moment", ["agent.commands.tree", "typer", "agent.commands.people", "sqlalchemy", "numpy"])
def test_an_interruption_at_any_import_ends_the_same_way(films: Path, moment: str, how: str) -> None:
    done = run_python(films, RAISES_AT, moment, how, "recommend", "ada")
    assert (done.returncode, done.stdout, done.stderr) == (130, "", "palate: interrupted\n")


def test_an_interruption_while_python_shuts_down_ends_the_same_way(films: Path) -> None:
    script = """
import atexit, os, signal
from agent.cli import main
atexit.register(lambda: os.kill(os.getpid(), signal.SIGINT))
main()
"""
    done = run_python(films, script, "config", "show")
    assert (done.returncode, done.stderr) == (130, "palate: interrupted\n")
    assert done.stdout


def test_where_interruption_is_ignored_it_stays_ignored(films: Path) -> None:
    script = f"import signal; signal.signal(signal.SIGINT, signal.SIG_IGN)\n{RAISES_AT}"
    assert run_python(films, script, "agent.commands.config", "plain", "config", "show").returncode == 0


def run_python(folder: Path, script: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", script, *arguments],
        capture_output=True,
        text=True,
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        preexec_fn=hears_interruption,
        check=False,
    )


def test_no_color_is_obeyed(films: Path) -> None:
    coloured, plain = Terminal(films, "--help"), Terminal(films, "--help", NO_COLOR="1")
    coloured.finish(), plain.finish()
    assert "\x1b[36m" in coloured.text or "\x1b[1;36m" in coloured.text
    assert not re.search(r"\x1b\[(?:\d+;)*3[0-7]", plain.text)


def test_indexing_draws_a_bar_with_the_time_left_at_a_terminal(films: Path) -> None:
    terminal = Terminal(films, "index", "--rebuild")
    assert terminal.finish() == 0, terminal.text
    assert "Indexing" in terminal.text
    assert "index: 15 rows" in COLOUR.sub("", terminal.text)


def _without_override() -> None:
    """Root may write anywhere; take that right (CAP_DAC_OVERRIDE) from what runs next. Others do not have it."""
    ctypes.CDLL(None).prctl(24, 1)


@pytest.fixture
def unwritable() -> Iterator[Path]:
    """A folder that the person who runs the command may read but not write."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder)
        path.chmod(0o555)
        yield path
        path.chmod(0o755)


def test_a_read_only_folder_is_named(unwritable: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "agent.cli", "--folder", unwritable / "data", "status"],
        capture_output=True,
        text=True,
        cwd="/",
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        preexec_fn=_without_override,
    )
    (line,) = done.stderr.splitlines()
    assert done.returncode == 1
    assert line.startswith("palate: ")
    assert str(unwritable) in line
