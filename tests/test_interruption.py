"""What an Interruption hears, keeps and repeats; how a whole process ends is tested at a terminal."""

from __future__ import annotations

import signal
import sys
import threading
import time
from collections.abc import Iterator

import pytest

from agent.commands.interruption import Interruption, stop


@pytest.fixture(autouse=True)
def _as_a_process_begins() -> Iterator[None]:
    before, hook = signal.signal(signal.SIGINT, signal.default_int_handler), sys.unraisablehook
    sys.unraisablehook = sys.__unraisablehook__
    yield
    signal.signal(signal.SIGINT, before)
    sys.unraisablehook = hook


def test_nothing_is_heard_where_nothing_comes() -> None:
    with Interruption() as interruption:
        pass
    assert not interruption.heard
    assert signal.getsignal(signal.SIGINT) is stop


def test_whatever_error_comes_of_it_is_kept() -> None:
    with Interruption() as interruption:
        try:
            signal.raise_signal(signal.SIGINT)
        except KeyboardInterrupt as error:
            raise ImportError("it failed to import") from error
    assert interruption.heard


def test_another_error_passes() -> None:
    with pytest.raises(ValueError, match="mine"), Interruption():
        raise ValueError("mine")


def test_an_echo_does_not_disturb_the_clean_up() -> None:
    cleaned = False
    with Interruption():
        try:
            signal.raise_signal(signal.SIGINT)
        finally:
            signal.raise_signal(signal.SIGINT)
            cleaned = True
    assert cleaned


def test_one_that_is_lost_in_a_finaliser_is_raised_again(capfd: pytest.CaptureFixture[str]) -> None:
    class Dying:
        def __del__(self) -> None:
            signal.raise_signal(signal.SIGINT)

    waited, began = True, time.monotonic()
    with Interruption() as interruption:
        Dying()
        assert interruption.heard
        threading.Event().wait(60)
        waited = False
    assert waited
    assert time.monotonic() - began < 30, "what was waited for is given up at once"
    assert capfd.readouterr().err == ""


def test_other_errors_of_finalisers_are_told_as_ever(capfd: pytest.CaptureFixture[str]) -> None:
    class Dying:
        def __del__(self) -> None:
            raise ValueError("in a finaliser")

    with Interruption():
        Dying()
    assert "ValueError: in a finaliser" in capfd.readouterr().err


def test_what_is_ignored_stays_ignored() -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    with Interruption() as interruption:
        signal.raise_signal(signal.SIGINT)
    assert not interruption.heard
    assert signal.getsignal(signal.SIGINT) is signal.SIG_IGN
