"""Putting a backup in the place of a data folder: checked whole before anything is touched."""

from __future__ import annotations

import hashlib
import os
import shutil
import tempfile
import uuid
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import NamedTuple

from agent.backup.making import check_place, store_file
from agent.backup.manifest import KEYS, LEFT_OUT, NAME, SETTINGS, STORE, Manifest, parsed
from agent.errors import ConfigError, StoreError
from agent.privacy.ledger import NOTE as LEDGER
from agent.privacy.ledger import longer, spent_in
from agent.recall.lock import locked
from agent.recall.shelf import PREFIX
from agent.settings import Settings
from agent.store import sqlite_file
from agent.store.database import Database
from agent.store.store import FORGETTING
from agent.store.turns import Turns

_CHUNK_BYTES = 1 << 20
_MANIFEST_BYTES = 1 << 20
_LOCK_TIMEOUT_S = 0.5
_STAYING = ("lock", "holder", PREFIX)


class Restored(NamedTuple):
    """What a backup held, whether its settings and keys were put back, and what it tells to be spent of the privacy
    budget where the folder did not know that itself.
    """

    manifest: Manifest
    settings: bool
    keys: bool
    spent: float


def restore(settings: Settings, source: Path, settings_file: Path, *, force: bool = False) -> Restored:
    """Make the data folder what it was when the backup was made.

    All of it is unpacked and checked first. The index and what was learned are emptied, to be computed anew. Settings
    are put at `settings_file` unless there are some; the folder's own keys stay, and its privacy ledger where more was
    spent by it. A process that has the store open reads what was restored from then on. Raises ConfigError where the
    folder holds a store and `force` is not set, StoreLocked where another process uses its index, StoreError for a
    backup that is damaged.
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
            return _put_in_place(manifest, Path(name), settings, settings_file)


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


def _put_in_place(manifest: Manifest, room: Path, settings: Settings, settings_file: Path) -> Restored:
    """The unpacked files, each put there whole; what was derived from the older store goes first."""
    for derived in LEFT_OUT:
        _empty(settings.folder / derived)
    spent = _put_store(room / STORE, store_file(settings))
    own = {SETTINGS: settings_file, KEYS: settings.folder / KEYS}
    put = manifest.files.keys() - {STORE} - {name for name, place in own.items() if place.exists()}
    for name in sorted(put):
        place = own.get(name, settings.folder / name)
        _beside(room / name, place).replace(place)
    return Restored(manifest, SETTINGS in put, KEYS in put, spent)


def _put_store(fresh: Path, store: Path) -> float:
    """Put the store in place, also under those who have it open; what the backup says was spent of the privacy budget.

    Where the older store says that more was spent, that stays.
    """
    with Turns(Database.in_file(fresh, read_only=False)) as notes:
        told, known = notes.meta_get(LEDGER), _ledger_of(store)
        if (book := longer(told, known)) is not None:
            notes.meta_put(LEDGER, book)
        notes.meta_put(FORGETTING, uuid.uuid4().hex)  # so that nobody goes on with what they know of people
    sqlite_file.copy_beside(store).unlink(missing_ok=True)
    if not sqlite_file.overwrite(store, fresh):
        beside = _beside(fresh, store)
        for suffix in ("-wal", "-shm", "-journal"):
            store.with_name(store.name + suffix).unlink(missing_ok=True)
        beside.replace(store)
    return 0.0 if known else spent_in(told)


def _ledger_of(store: Path) -> str | None:
    """The privacy ledger of a store; None where it has none or cannot be read."""
    if not store.exists():
        return None
    try:
        with Turns(Database.in_file(store, read_only=True)) as notes:
            return notes.meta_get(LEDGER)
    except StoreError:
        return None


def _beside(source: Path, target: Path) -> Path:
    """A synced copy beside the target, its owner's alone, to be renamed: also where that is another disk."""
    fresh = target.with_name(f".{target.name}.{uuid.uuid4().hex}")
    with ExitStack() as undo:
        undo.callback(fresh.unlink, missing_ok=True)
        fresh.touch(mode=0o600)
        shutil.copyfile(source, fresh)
        with fresh.open("r+b") as file:
            os.fsync(file.fileno())
        undo.pop_all()
    return fresh


def _empty(folder: Path) -> None:
    """Nothing stays but locks, and the name under which a Chroma server has collections to be replaced."""
    for path in folder.glob("*") if folder.is_dir() else ():
        if path.is_dir():
            shutil.rmtree(path)
        elif path.name not in _STAYING:
            path.unlink()
