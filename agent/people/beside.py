"""What a data folder holds of people beside its store: rows of files that were refused, and keys bound to somebody."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path

from agent.catalogue.report import forget_refused, refused_of
from agent.serve.keys import FILE_NAME, Keys

_RUN = "run.json"  # what a folder of `palate eval run` is known by
_RUNS = "runs"
_BACKUPS = "palate-*.zip"  # as `palate backup` names them in a folder


def erased_beside(folder: Path, accounts: Iterable[str]) -> dict[str, int]:
    """Erase what names these accounts; how much there was of each kind."""
    erased = {"refused_rows": 0, "keys": 0}
    for account in accounts:
        erased["refused_rows"] += forget_refused(folder / "refused", account)
        erased["keys"] += Keys(folder).forget(account) if (folder / FILE_NAME).exists() else 0
    return erased


def told_beside(folder: Path, account: str) -> dict[str, list[object]]:
    """What names an account: refused rows as they are kept, and the names of keys."""
    keys = Keys(folder).all() if (folder / FILE_NAME).exists() else ()
    named: list[object] = [key.name for key in keys if account in (key.user, key.name)]
    return {"refused_rows": list(refused_of(folder / "refused", account)), "keys": named}


def left_alone(*places: Path) -> Mapping[Path, str]:
    """What forgetting does not reach, of what lies in these places, and what it is: runs of evaluations, backups."""
    runs = {run.parent.resolve() for place in places for run in (place / _RUNS).glob(f"*/{_RUN}")}
    backups = {backup.resolve() for place in places for backup in place.glob(_BACKUPS)}
    return dict.fromkeys(sorted(runs), "a run of palate eval") | dict.fromkeys(sorted(backups), "a backup")
