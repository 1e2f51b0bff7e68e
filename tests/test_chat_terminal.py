"""The chat at a terminal, in real processes on a pseudo-terminal: streaming, history, completion, Ctrl-C."""

from __future__ import annotations

import os
import re
import signal
from pathlib import Path

import pytest

from agent.catalogue import load_items, read_items
from agent.recommender import Recommender
from agent.settings import Settings
from tests.support.faulty_server import FaultyServer, hangs
from tests.support.terminal import ROOT, Terminal

FILMS = ROOT / "tests" / "support" / "films.csv"
CONTROL = re.compile(r"\x1b(\[[0-9;?]*[a-zA-Z]|[=>])")
PROMPT, ACCEPTED = "› \x1b[0m\r", "\x1b[?2004l"  # the line asked for anew, and left
UP, CTRL_C, CTRL_D = "\x1b[A", "\x03", "\x04"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data folder with fifteen films and their index."""
    path = tmp_path_factory.mktemp("chat")
    with Recommender.open(settings=Settings(folder=path)) as recommender, read_items(FILMS) as rows:
        load_items(rows, recommender.put_items, path / "refused.jsonl")
        recommender.sync_index()
    return path


def chat(folder: Path, *arguments: str, **environment: str) -> Terminal:
    """A chat whose prompt stands: it may be typed to."""
    environment |= {"PROMPT_TOOLKIT_NO_CPR": "1"}  # nobody answers where the cursor is
    model = ["--model", environment["MODEL"]] if "MODEL" in environment else []
    terminal = Terminal(folder, "--folder", folder, *model, "chat", *arguments, lines=40, **environment)
    terminal.read_until(PROMPT)
    return terminal


def say(terminal: Terminal, line: str) -> str:
    """What is shown from the line on to the next prompt; colours and movements left out."""
    terminal.forget()
    terminal.type(f"{line}\r")
    terminal.read_until(ACCEPTED)
    terminal.read_until(PROMPT)
    return shown(terminal)


def shown(terminal: Terminal) -> str:
    """What was written, without colours and movements."""
    return CONTROL.sub("", terminal.text)


def test_a_reply_a_command_and_the_next_evening(folder: Path) -> None:
    terminal = chat(folder, "ada", "--no-llm")
    reply = say(terminal, "an animated family film")
    assert all(re.search(rf"^ +{place} \S", reply, re.MULTILINE) for place in range(1, 6)), reply
    assert "Noted: you like" in say(terminal, "/like 1")
    assert "! no item is called 'nonsense of a title'" in say(terminal, "/like nonsense of a title")
    assert "! there is no command /nothing" in say(terminal, "/nothing")
    terminal.type("/quit\r")
    assert terminal.finish() == 0, shown(terminal)
    assert "Traceback" not in terminal.text
    again = chat(folder, "ada", "--no-llm")
    assert "Last time: “an animated family film”" in shown(again)
    again.forget()
    again.type(UP)
    again.read_until("an animated family film")
    again.type(CTRL_C)
    again.read_until(PROMPT)
    again.type("/op")
    again.read_until("go on with one of them")  # what Tab would complete
    again.type("\t")
    assert "Going on with “an animated family film”." in say(again, "")
    again.type(CTRL_D)
    assert again.finish() == 0, shown(again)


def test_ctrl_c_leaves_the_reply_and_twice_on_an_empty_line_the_chat(folder: Path) -> None:
    with FaultyServer(hangs) as server:
        terminal = chat(folder, "bob", MODEL="openai:m", OPENAI_BASE_URL=server.base_url)
        terminal.forget()
        terminal.type("an animated family film\r")
        while not server.requests:
            terminal.read_on()
        os.killpg(terminal.child.pid, signal.SIGINT)
        terminal.read_until("stopped")
        terminal.read_until(PROMPT)
        assert re.search(r"wanted +an animated family film", say(terminal, "/state"))
        for typed in (f"never mind{CTRL_C}", CTRL_C):
            terminal.forget()
            terminal.type(typed)
            terminal.read_until(ACCEPTED)
            terminal.read_until(PROMPT)
        assert "Ctrl-C again, or Ctrl-D, ends the chat." in shown(terminal)
        terminal.type(CTRL_C)
        assert terminal.finish() == 0, shown(terminal)
    assert "Traceback" not in terminal.text
    assert "interrupted" not in terminal.text
