"""Ctrl-C at every moment of a command, from its first import to its last clean-up: one line and exit code 130."""

from __future__ import annotations

import _thread
import contextlib
import os
import signal
import sys
import threading
import time
from typing import TYPE_CHECKING, NoReturn

if TYPE_CHECKING:
    from types import FrameType, TracebackType

INTERRUPTED = 130
GRACE_S = 1.0  # for so long a second Ctrl-C is taken for an echo of the first, and clean-up goes on
_AGAIN_S = 0.02


class Interruption:
    """Watches for Ctrl-C while a command runs; `heard` says whether one came. Use it as a context.

    The first one raises KeyboardInterrupt, so that files are closed and temporary ones removed; whatever error comes of
    it is kept from the caller, because libraries make other errors of a KeyboardInterrupt, or swallow it: one that was
    lost in a finaliser or a callback is raised again. One that comes after `GRACE_S`, or when the command is over, ends
    the process at once. Where Ctrl-C is ignored, as in a background job, it stays ignored.
    """

    def __init__(self) -> None:
        self._first_s: float | None = None
        self._lost = False

    @property
    def heard(self) -> bool:
        """Whether Ctrl-C came."""
        return self._first_s is not None

    def __enter__(self) -> Interruption:
        if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
            signal.signal(signal.SIGINT, self._hear)
            sys.unraisablehook = self._unraisable
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None) -> bool:
        if signal.getsignal(signal.SIGINT) == self._hear:
            signal.signal(signal.SIGINT, stop)
        self._lost = False
        return self.heard

    def _hear(self, _number: int, _frame: FrameType | None) -> None:
        if self._first_s is None or self._lost:
            self._first_s, self._lost = time.monotonic(), False
            raise KeyboardInterrupt
        if time.monotonic() - self._first_s > GRACE_S:
            stop()

    def _unraisable(self, unraisable: sys.UnraisableHookArgs) -> None:
        if unraisable.exc_type is not KeyboardInterrupt:
            sys.__unraisablehook__(unraisable)
            return
        self._lost = True
        threading.Timer(_AGAIN_S, self._raise_again).start()

    def _raise_again(self) -> None:
        if not self._lost:
            return
        if hasattr(signal, "pthread_kill"):
            signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGINT)  # ends what it waits for, too
        else:  # on Windows
            _thread.interrupt_main()


def stop(_number: int = 0, _frame: FrameType | None = None) -> NoReturn:
    """End the process at once, with the line (at a terminal below the one begun) and the code of an interrupted one."""
    with contextlib.suppress(OSError):
        os.write(2, b"\npalate: interrupted\n" if os.isatty(2) else b"palate: interrupted\n")
    os._exit(INTERRUPTED)
