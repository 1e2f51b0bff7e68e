"""Putting a backup in the place of a data folder: checked whole before anything is touched."""

from __future__ import annotations

import hashlib
import os
import shutil
import tempfile
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from agent.backup.making import check_place, store_file
from agent.backup.manifest import LEFT_OUT, NAME, SETTINGS, STORE, Manifest, parsed
from agent.errors import ConfigError, StoreError
from agent.recall.lock import locked
from agent.settings import Settings
from agent.store import sqlite_file
from agent.store.database import Database

_CHUNK_BYTES = 1 << 20
_MANIFEST_BYTES = 1 << 20
_LOCK_TIMEOUT_S = 0.5
_LOCKS = ("lock", "holder")


def restore(settings: Settings, source: Path, settings_file: Path, *, force: bool = False) -> tuple[Manifest, bool]:
    """Make the data folder what it was when the backup was made; what it holds, and whether settings were put back.

    All of it is unpacked and checked first. The index and what was learned are emptied, to be computed anew. Settings
    are put at `settings_file` unless there are some. Raises ConfigError where the folder holds a store and `force` is
    not set, StoreLocked where another process uses it, StoreError for a backup that is damaged.
    """
    folder = settings.folder
    check_place(settings, "restore")
    if store_file(settings).exists() and not force:
        hint = "Choose another one with --folder, or replace it with: palate restore --force"
        raise ConfigError(f"{folder} holds a store already", hint)
    with sqlite_file.translated(f"cannot restore {folder}", (zipfile.BadZipFile,)):
        folder.mkdir(parents=True, exist_ok=True)
        with _alone(folder), tempfile.TemporaryDirectory(prefix=".restoring-", dir=folder) as name:
            manifest = _unpacked(source, Path(name))
            _check_store(Path(name) / STORE, source)
            return manifest, _put_in_place(manifest, Path(name), settings, settings_file)


@contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """Inside, no other process searches this folder or learns in it."""
    with ExitStack() as stack:
        for room in LEFT_OUT:
            if room == "index" or (folder / room).is_dir():
                stack.callback(locked(folder / room, _LOCK_TIMEOUT_S).release)
        yield


def _unpacked(source: Path, room: Path) -> Manifest:
    """Every file that the manifest names, with the hash that it names; nothing else is read."""
    if not source.is_file():
        raise ConfigError(f"there is no backup {source}", "Name a file that palate backup wrote")
    with zipfile.ZipFile(source) as whole:
        manifest = parsed(_member(whole, NAME, source, room / NAME, _MANIFEST_BYTES), source)
        for name, member in manifest.files.items():
            _member(whole, name, source, room / name, member.bytes, member.sha256)
    return manifest


def _member(
    whole: zipfile.ZipFile, name: str, source: Path, target: Path, most_bytes: int, sha256: str | None = None
) -> bytes:
    """Write one file, and give its first bytes. Raises StoreError where it is longer or another one than it says."""
    digest, size, beginning = hashlib.sha256(), 0, b""
    damaged = StoreError(f"{source} is damaged: {name} is not what was backed up", "Use another backup")
    try:
        with whole.open(name) as packed, target.open("xb") as file:
            while chunk := packed.read(_CHUNK_BYTES):
                size += len(chunk)
                if size > most_bytes:
                    raise damaged
                digest.update(chunk)
                file.write(chunk)
                beginning = beginning or chunk
    except (KeyError, zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError) as error:
        raise damaged from error
    if sha256 not in (None, digest.hexdigest()):
        raise damaged
    return beginning


def _check_store(path: Path, source: Path) -> None:
    try:
        database = Database.in_file(path, read_only=True)
    except StoreError as error:
        raise StoreError(f"the store in {source} cannot be used: {error.message}", error.hint) from error
    try:
        database.check()
    finally:
        database.close()


def _put_in_place(manifest: Manifest, room: Path, settings: Settings, settings_file: Path) -> bool:
    """The unpacked files, each moved whole; what was derived from the older store goes first."""
    for derived in LEFT_OUT:
        _empty(settings.folder / derived)
    store = store_file(settings)
    for suffix in ("-wal", "-shm", "-journal"):
        store.with_name(store.name + suffix).unlink(missing_ok=True)
    sqlite_file.copy_beside(store).unlink(missing_ok=True)
    _move(room / STORE, store)
    for name in manifest.files:
        if name not in (STORE, SETTINGS):
            _move(room / name, settings.folder / name)
    if SETTINGS not in manifest.files or settings_file.exists():
        return False
    _move(room / SETTINGS, settings_file)
    return True


def _move(source: Path, target: Path) -> None:
    with source.open("r+b") as file:
        os.fsync(file.fileno())
    try:
        source.replace(target)
    except OSError:  # another file system
        shutil.copyfile(source, target)


def _empty(folder: Path) -> None:
    for path in folder.glob("*") if folder.is_dir() else ():
        if path.is_dir():
            shutil.rmtree(path)
        elif path.name not in _LOCKS:
            path.unlink()
    if folder.name == "learned" and folder.is_dir():
        shutil.rmtree(folder)  # a folder of that name says that something was learned
