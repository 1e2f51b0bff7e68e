"""What a backup says of itself: which files it holds, their sizes and hashes, and what made it."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, ValidationError

from agent.errors import StoreError
from agent.setting_values import Sha256
from agent.store.store import FILE_NAME

NAME = "manifest.json"
LAYOUT = 1
STORE = FILE_NAME  # under the name that it has in a data folder
SETTINGS = "palate.toml"
KEYS = "keys.json"  # hashes of the server's keys
LEFT_OUT = ("index", "learned")  # both are computed anew from what is kept

PlainName = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,99}$")]


class Member(BaseModel):
    """One file of a backup."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    bytes: Annotated[int, Field(ge=0)]
    sha256: Sha256


class Manifest(BaseModel):
    """The whole backup. `at` is when it was made (UTC, ISO 8601); `learned`: whether something was learned there."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    layout: int = LAYOUT
    palate: str | None
    at: str
    items: int
    events: int
    turns: int
    learned: bool
    files: Mapping[PlainName, Member]


def parsed(text: bytes, where: Path) -> Manifest:
    """The manifest as it was written. Raises StoreError for one that is damaged or of a newer layout."""
    try:
        found = Manifest.model_validate_json(text)
    except ValidationError as error:
        raise StoreError(f"{where} is no backup of Palate's: its manifest cannot be read", "Use another one") from error
    if found.layout > LAYOUT:
        hint = "Install the newer Palate"
        raise StoreError(f"{where} was made by a newer Palate (layout {found.layout}, known up to {LAYOUT})", hint)
    if STORE not in found.files:
        raise StoreError(f"{where} is no backup of Palate's: it holds no {STORE}", "Use another one")
    return found


def member_of(path: Path) -> Member:
    """The size and the hash of a file. Raises OSError."""
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256")
        return Member(bytes=file.tell(), sha256=digest.hexdigest())
