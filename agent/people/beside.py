"""What a data folder holds of people beside its store: rows of files that were refused, and keys bound to somebody."""

from __future__ import annotations

import zipfile
from collections.abc import Iterable, Mapping
from pathlib import Path

from agent.backup.manifest import NAME, STORE
from agent.catalogue.report import forget_refused, refused_of
from agent.serve.keys import FILE_NAME, Keys

_RUN = "run.json"  # what a folder of `palate eval run` is known by
_RUNS = "runs"
_BACKUPS = "palate-*.zip"  # as `palate backup` names them in a folder


def erased_beside(folder: Path, accounts: Iterable[str]) -> dict[str, int]:
    """Erase refused rows that name these accounts; how much there was of each kind. Their keys are only counted."""
    erased = {"refused_rows": 0, "keys": 0}
    for account in accounts:
        erased["refused_rows"] += forget_refused(folder / "refused", account)
        erased["keys"] += len(_keys_of(folder, account))
    return erased


def unbind_keys(folder: Path, accounts: Iterable[str]) -> None:
    """Let the keys that are bound to these accounts speak for nobody."""
    for account in accounts:
        if _keys_of(folder, account):
            Keys(folder).forget(account)


def told_beside(folder: Path, account: str) -> dict[str, list[object]]:
    """What is an account's: refused rows as they are kept, and the names of keys."""
    return {"refused_rows": list(refused_of(folder / "refused", account)), "keys": list(_keys_of(folder, account))}


def _keys_of(folder: Path, account: str) -> list[str]:
    keys = Keys(folder).all() if (folder / FILE_NAME).exists() else ()
    return [key.name for key in keys if account in (key.user, key.name)]


def left_alone(*places: Path) -> Mapping[Path, str]:
    """What forgetting does not reach, of what lies in these places, and what it is: runs of evaluations, backups."""
    runs = {run.parent.resolve() for place in places for run in (place / _RUNS).glob(f"*/{_RUN}")}
    backups = {found.resolve() for place in places for found in place.glob("*.zip") if _is_backup(found)}
    return dict.fromkeys(sorted(runs), "a run of palate eval") | dict.fromkeys(sorted(backups), "a backup")


def _is_backup(path: Path) -> bool:
    """Whether a file is a backup, by its name or, whatever it is called, by what it holds."""
    if path.match(_BACKUPS):
        return True
    try:
        with zipfile.ZipFile(path) as packed:
            return {NAME, STORE} <= set(packed.namelist())
    except (OSError, zipfile.BadZipFile):
        return False
