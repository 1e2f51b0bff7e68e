"""The versions that Palate was tested with, as its lock names them, against those that are installed."""

from __future__ import annotations

import re
from collections.abc import Mapping
from importlib import metadata
from pathlib import Path

LOCK = Path(__file__).parents[2] / "requirements" / "base.lock"  # there in a checkout, not in an installed package
_PIN = re.compile(r"^([A-Za-z0-9._-]+)==([^\s;\\]+)", re.MULTILINE)


def locked(path: Path = LOCK) -> Mapping[str, frozenset[str]]:
    """The versions of each package that a lock names, by its normalised name; empty where there is no lock."""
    if not path.is_file():
        return {}
    found: dict[str, set[str]] = {}
    for name, version in _PIN.findall(path.read_text(encoding="utf-8")):
        found.setdefault(normalised(name), set()).add(version)
    return {name: frozenset(versions) for name, versions in found.items()}


def strays(path: Path = LOCK) -> list[str]:
    """What is installed in another version than the lock names, as `name 1.0 (locked: 1.1)`, by name."""
    found = []
    for name, versions in locked(path).items():
        installed = version_of(name)
        if installed is not None and installed not in versions:
            found.append(f"{name} {installed} (locked: {', '.join(sorted(versions))})")
    return found


def version_of(name: str) -> str | None:
    """The version of an installed package, or None."""
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return None


def normalised(name: str) -> str:
    """A package's name as indexes write it."""
    return re.sub(r"[-_.]+", "-", name).lower()
