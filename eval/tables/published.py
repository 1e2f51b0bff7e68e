"""Figures that others published, from `published.toml`: by table, and in it by data set."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

from agent.errors import ConfigError

_FILE = Path(__file__).with_name("published.toml")

Share = Annotated[float, Field(ge=0, le=1)]


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class PublishedRow(_Part):
    """One published line: `where` it stands in the source, and on what the system was `trained`; values in [0, 1]."""

    system: str
    where: str
    trained: str
    values: Mapping[str, Share]


class Section(_Part):
    """The rows of one data set; `folders` are names of folders whose cases follow the protocol."""

    name: str
    folders: tuple[str, ...]
    rows: tuple[PublishedRow, ...]


class Published(_Part):
    """One table: its `source` in words (empty where nothing was published), task, metrics, and what must be known.

    Verdicts are given on `headline`, which is one of the metrics.
    """

    title: str
    source: str
    task: str
    metrics: tuple[str, ...]
    headline: str
    notes: tuple[str, ...]
    sections: tuple[Section, ...]

    def sections_for(self, folder: str) -> Sequence[Section]:
        """The sections of a data set by the name of its folder; all of them where none names it."""
        return [section for section in self.sections if folder in section.folders] or self.sections


@cache
def published() -> Mapping[str, Published]:
    """Every table by its name."""
    rows = tomllib.loads(_FILE.read_text(encoding="utf-8"))
    return {name: Published.model_validate(row) for name, row in rows.items()}


def table_named(name: str) -> Published:
    """The table of this name. Raises ConfigError naming those there are."""
    if name not in published():
        raise ConfigError(f"there is no table {name!r}", f"Tables: {', '.join(published())}")
    return published()[name]
