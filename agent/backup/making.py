"""Making a backup, also of a folder that a server is writing to."""

from __future__ import annotations

import os
import shutil
import tempfile
import zipfile
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path

from agent.backup.manifest import NAME, SETTINGS, STORE, Manifest, member_of, parsed
from agent.errors import ConfigError, StoreError
from agent.settings import Settings
from agent.store import sqlite_file
from agent.store.database import Database
from agent.store.tables import EVENTS, ITEMS, TURNS
from agent.supply.locked import version_of


def back_up(settings: Settings, destination: Path, settings_file: Path | None = None) -> tuple[Path, Manifest]:
    """Write catalogue, events, conversations, server keys and settings into one file; where it lies and what is in it.

    A folder as the destination gets a file named after the moment. The store is copied as of one moment, whoever is
    writing; the index and what was learned are left out, for both are computed anew. Only its owner may read the file:
    it holds what people did and said. An older backup in its place is replaced. Raises StoreError, ConfigError also
    where another file lies there.
    """
    check_place(settings, "back up")
    if not store_file(settings).is_file():
        raise ConfigError(f"there is nothing to back up in {settings.folder}", "Load a catalogue: palate load FILE")
    now = datetime.now(UTC)
    target = destination / f"palate-{now:%Y%m%dT%H%M%SZ}.zip" if destination.is_dir() else destination
    _check_free(target)
    with (
        sqlite_file.translated(f"cannot write the backup {target}"),
        tempfile.TemporaryDirectory(prefix=".palate-backup-", dir=target.parent) as name,
    ):
        files = dict(_gathered(settings, settings_file, Path(name)))
        items, events, turns = _counts(files[STORE])
        manifest = Manifest(
            palate=version_of("palate"),
            at=now.isoformat(timespec="seconds"),
            items=items,
            events=events,
            turns=turns,
            learned=(settings.folder / "learned" / "record.json").exists(),
            files={member: member_of(path) for member, path in files.items()},
        )
        _write(manifest, files, Path(name) / "whole.zip")
        (Path(name) / "whole.zip").replace(target)
    return target, manifest


def check_place(settings: Settings, doing: str) -> None:
    """Do nothing where the store is a file. Raises ConfigError where it is in PostgreSQL: that has tools of its own."""
    if settings.database is not None and not settings.database.get_secret_value().startswith("sqlite"):
        hint = "Use its own tools: pg_dump --format=custom, and pg_restore"
        raise ConfigError(f"the store is in PostgreSQL, which Palate does not {doing}", hint)


def store_file(settings: Settings) -> Path:
    """The SQLite file of the settings."""
    if settings.database is None:
        return settings.folder / STORE
    return Path(settings.database.get_secret_value().partition("///")[2])


def _gathered(settings: Settings, settings_file: Path | None, room: Path) -> Iterator[tuple[str, Path]]:
    """Each file by its name in the backup: the copied store, small files of the folder, the settings."""
    copy = room / STORE
    sqlite_file.copy_whole(store_file(settings), copy)
    yield STORE, copy
    small = {path.name: path for path in sorted(settings.folder.glob("*.json"))}
    if settings_file is not None and settings_file.is_file():
        small[SETTINGS] = settings_file
    for name, path in small.items():  # copied first: what is hashed is what is packed, whoever writes meanwhile
        shutil.copyfile(path, room / name)
        yield name, room / name


def _check_free(target: Path) -> None:
    """Do nothing where nothing or an older backup lies. Raises ConfigError for another file, as for the store."""
    if not target.exists():
        return
    try:
        with zipfile.ZipFile(target) as whole:
            parsed(whole.read(NAME), target)
    except (OSError, KeyError, zipfile.BadZipFile, StoreError) as error:
        hint = "Name another file, or a folder"
        raise ConfigError(f"{target} is there and is no backup that can be replaced", hint) from error


def _counts(copy: Path) -> tuple[int, int, int]:
    database = Database.in_file(copy, read_only=True)
    try:
        database.check()
        return database.count(ITEMS), database.count(EVENTS), database.count(TURNS)
    finally:
        database.close()


def _write(manifest: Manifest, files: Mapping[str, Path], target: Path) -> None:
    descriptor = os.open(target, os.O_CREAT | os.O_EXCL | os.O_RDWR, 0o600)
    with os.fdopen(descriptor, "w+b") as file:
        with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED, compresslevel=6) as whole:
            whole.writestr(NAME, manifest.model_dump_json(indent=1))
            for name, path in files.items():
                whole.write(path, name)
        file.flush()
        os.fsync(file.fileno())
