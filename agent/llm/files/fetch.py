"""Bytes from an address into a file: resumed where they stopped, counted aloud, one process at a time."""

from __future__ import annotations

import errno
import hashlib
import http.client
import os
import re
import sys
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Protocol

from agent.errors import ModelUnavailable

CHUNK_BYTES = 1 << 20
READ_TIMEOUT_S = 30.0
AGENT = "palate"
STALLS_ALLOWED = 4


class Progress(Protocol):
    """Told what is being done: one line, and how far it is in bytes where that is known (`total` 0: it is not)."""

    def __call__(self, doing: str, done: int = 0, total: int = 0) -> None:
        """Show it; called often, from the thread that works."""
        ...


def quiet(doing: str, done: int = 0, total: int = 0) -> None:
    """A progress that shows nothing."""


class Refused(ModelUnavailable):
    """The server answered, and said no: `status` is its HTTP status."""

    def __init__(self, message: str, status: int) -> None:
        super().__init__(message)
        self.status = status


class WrongHash(ModelUnavailable):
    """What was fetched or found does not have the hash it must have; nothing of it was parsed."""

    def __init__(self, what: str | Path, expected: str, got: str) -> None:
        super().__init__(f"{what} has the wrong hash: expected sha256 {expected}, got {got}", "It is not used")


def fetch_checked(
    url: str,
    target: Path,
    sha256: str | None,
    *,
    doing: str,
    progress: Progress = quiet,
    headers: Mapping[str, str] | None = None,
) -> None:
    """As `fetch`, and what came has the hash, where one is given; a stale beginning is thrown away once.

    Raises WrongHash, with the bad file removed, and as `fetch` does.
    """
    for resumed in (target.exists(), False):
        fetch(url, target, doing=doing, progress=progress, headers=headers)
        got = sha256_of(target, progress) if sha256 else None
        if got == sha256:
            return
        target.unlink()
        if not resumed:
            raise WrongHash(f"what came when {doing}", sha256 or "", got or "")


def fetch(
    url: str,
    target: Path,
    *,
    doing: str,
    progress: Progress = quiet,
    headers: Mapping[str, str] | None = None,
    pause_s: float = 1.0,
) -> None:
    """Put what stands at an address (http, https or file) into `target`, going on after the bytes already there.

    A connection that breaks is taken up again while it still brings bytes, after `pause_s`. What was received stays in
    the target when this raises, so that the next call goes on from there. `headers` are not sent on to another host.
    Raises Refused for a 4xx answer, ModelUnavailable when the server is down or the disk is full.
    """
    stalls = 0
    while True:
        before = _size_of(target)
        try:
            if _receive(url, target, doing, progress, headers or {}):
                return
            fault = "the connection closed early"
        except urllib.error.HTTPError as error:
            error.close()
            if error.code < 500:
                raise Refused(f"{_place(url)} answered {error.code} {error.reason}", error.code) from error
            fault = f"{_place(url)} answered {error.code}"
        except (OSError, http.client.HTTPException) as error:
            _raise_if_local(error, target)
            fault = _reason(error)
        stalls = 0 if _size_of(target) > before else stalls + 1
        if stalls >= STALLS_ALLOWED:
            kept = f"{_size_of(target) / 1e6:.0f} MB are kept, the next try goes on from there"
            raise ModelUnavailable(f"{doing} failed: {fault}", kept if _size_of(target) else "Check the connection")
        progress(f"{doing}: {fault}, trying again", _size_of(target))
        time.sleep(pause_s)


def _receive(url: str, target: Path, doing: str, progress: Progress, headers: Mapping[str, str]) -> bool:
    """One connection's worth of bytes; whether the file is now whole."""
    have = _size_of(target)
    request = urllib.request.Request(url, headers={"Accept-Encoding": "identity", "User-Agent": AGENT})  # noqa: S310  # only what pip or the hub gave
    for name, value in headers.items():
        request.add_unredirected_header(name, value)
    if have and not url.startswith("file:"):
        request.add_header("Range", f"bytes={have}-")
    try:
        answer = urllib.request.urlopen(request, timeout=READ_TIMEOUT_S)  # noqa: S310
    except urllib.error.HTTPError as error:
        if error.code != http.HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE:
            raise
        error.close()
        return _settle_range(target, have, error.headers.get("Content-Range", ""))
    with answer:
        start, total = _extent(answer, have)
        with target.open("r+b" if start else "wb") as file:
            file.seek(start)
            done = _copy(answer, file, start, lambda done: progress(doing, done, total))
    return not total or done == total


def _settle_range(target: Path, have: int, content_range: str) -> bool:
    """What a 416 means: the file is whole, or what is there belongs to another file and is dropped."""
    if content_range.rpartition("/")[2] == str(have):
        return True
    target.unlink(missing_ok=True)
    return False


def _extent(answer: http.client.HTTPResponse, have: int) -> tuple[int, int]:
    """Where the answer's bytes begin in the file, and the size of the whole file (0: unknown)."""
    span = re.match(r"bytes (\d+)-\d+/(\d+)", answer.headers.get("Content-Range", ""))
    if getattr(answer, "status", None) == http.HTTPStatus.PARTIAL_CONTENT and span and int(span[1]) == have:
        return have, int(span[2])
    return 0, int(answer.headers.get("Content-Length") or 0)


def _copy(source: IO[bytes] | http.client.HTTPResponse, file: IO[bytes], done: int, tell: Callable[[int], None]) -> int:
    while chunk := source.read(CHUNK_BYTES):
        file.write(chunk)
        done += len(chunk)
        tell(done)
    return done


def sha256_of(path: Path, progress: Progress = quiet) -> str:
    """The hash of a file, in hexadecimal. Raises ModelUnavailable when it cannot be read."""
    digest = hashlib.sha256()
    try:
        total = path.stat().st_size
        with path.open("rb") as file:
            done = 0
            while chunk := file.read(CHUNK_BYTES):
                digest.update(chunk)
                done += len(chunk)
                progress(f"checking {path.name}", done, total)
    except OSError as error:
        raise ModelUnavailable(
            f"{path} cannot be read: {error.strerror}", "Check the path and the permissions"
        ) from error
    return digest.hexdigest()


def make_folder(folder: Path) -> Path:
    """The folder, made where it was missing. Raises ModelUnavailable where it cannot be made or written in."""
    probe = folder / f".write-{os.getpid()}"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        probe.touch()
        probe.unlink()
    except OSError as error:
        raise ModelUnavailable(
            f"the model cache {folder} cannot be written in: {error.strerror}",
            "Set cache_folder (PALATE_CACHE_FOLDER) to a folder you may write in",
        ) from error
    return folder


@contextmanager
def alone(lock: Path, doing: str, progress: Progress = quiet) -> Iterator[None]:
    """Inside, no other process is inside with the same lock file; waits for it. A dead process holds nothing."""
    with lock.open("a+b") as file:
        told = False
        while not _lock(file.fileno()):
            if not told:
                progress(f"waiting for another process that is {doing}")
                told = True
            time.sleep(0.1)
        yield


if sys.platform == "win32":
    import msvcrt

    def _lock(descriptor: int) -> bool:
        try:
            msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)
        except OSError:
            return False
        return True

else:
    import fcntl

    def _lock(descriptor: int) -> bool:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        return True


def _size_of(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError:
        return 0


def _place(url: str) -> str:
    """The host of an address, without what may be secret in it."""
    return urllib.parse.urlsplit(url).hostname or "the server"


def _reason(error: OSError | http.client.HTTPException) -> str:
    cause = error.reason if isinstance(error, urllib.error.URLError) else error
    return str(getattr(cause, "strerror", None) or cause) or type(cause).__name__


def _raise_if_local(error: OSError | http.client.HTTPException, target: Path) -> None:
    """A fault of our own disk is no reason to ask the server again."""
    number = getattr(error, "errno", None)
    if number in (errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EACCES, errno.EFBIG, errno.ENOTDIR, errno.EISDIR):
        raise ModelUnavailable(
            f"{target} cannot be written: {os.strerror(number)}", "Free some space, or set cache_folder elsewhere"
        ) from error
