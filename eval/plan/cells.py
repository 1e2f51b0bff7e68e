"""Cells: one data set, model, strategy and set of prompts each, out of all that an evaluation compares. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from itertools import product
from pathlib import Path

from agent.errors import ConfigError

ONE_CELL = "model"
RECOMMEND, TALK = "recommend", "talk"
BUILT_IN = "built-in"
NO_MODEL = "none"
"""A model reference: nobody is asked, and cases are answered by recall and the signals that need no model."""


@dataclass(frozen=True)
class Cell:
    """One way to answer cases. `name` is unique among the cells of a run, and holds only what differs between them.

    `prompts` is "built-in", or the folder of prompts that stand in for the built-in ones, as it was written; `path`
    says by which way cases of conversations are answered.
    """

    name: str
    data: Path
    task: str
    model: str
    strategy: str
    prompts: str
    language: str
    noun: str
    path: str = RECOMMEND

    def as_row(self) -> dict[str, str]:
        """The cell as plain texts, by field."""
        return {key: str(value) for key, value in asdict(self).items()}

    @classmethod
    def from_row(cls, row: Mapping[str, object]) -> Cell:
        """The cell of such a row. Raises ConfigError where a field is missing."""
        try:
            known = {"path": RECOMMEND, **row}  # runs of before there were two have none
            texts = {key: str(known[key]) for key in cls.__dataclass_fields__ if key != "data"}
            return cls(data=Path(str(row["data"])), **texts)
        except KeyError as error:
            raise ConfigError(f"a cell of the run has no {error}", "Its run.json was changed: run it again") from error


def cells_of(
    data: Sequence[Path],
    models: Sequence[str],
    strategies: Sequence[str],
    prompts: Sequence[str],
    paths: Sequence[str] = (RECOMMEND,),
    *,
    task: str,
    language: str,
    noun: str,
) -> tuple[Cell, ...]:
    """Every combination, data sets outermost, then models, strategies, prompts, paths; one alone is "model".

    Raises ConfigError where two cells would be the same or bear the same name.
    """
    axes = [
        _short([path.resolve().name for path in data], [str(path) for path in data]),
        _short([_tail(model) for model in models], models),
        _short(strategies, strategies),
        _short([_tail(folder) for folder in prompts], prompts),
        list(paths),
    ]
    cells = [
        Cell(_name(axes, place), data[d], task, models[m], strategies[s], prompts[p], language, noun, paths[w])
        for place in product(*(range(len(axis)) for axis in axes))
        for d, m, s, p, w in (place,)
    ]
    names = [cell.name for cell in cells]
    twice = next((name for name in names if names.count(name) > 1), None)
    if twice is not None:
        raise ConfigError(f"two cells of the plan would both be called {twice!r}", "Name everything in it once")
    return tuple(replace(cell, name=cell.name or ONE_CELL) for cell in cells)


def data_names(cells: Sequence[Cell]) -> dict[str, str]:
    """The name of each cell's data set, by cell: its folder's name, or its path where two folders have one name."""
    folders = list(dict.fromkeys(cell.data for cell in cells))
    short = _short([path.resolve().name for path in folders], [str(path) for path in folders])
    names = dict(zip(folders, short, strict=True))
    return {cell.name: names[cell.data] for cell in cells}


def _name(axes: Sequence[Sequence[str]], place: Sequence[int]) -> str:
    """What differs, joined: only the axes with more than one value speak."""
    return " ".join(axis[n] for axis, n in zip(axes, place, strict=True) if len(axis) > 1)


def _short(tails: Sequence[str], whole: Sequence[str]) -> list[str]:
    """The short names of an axis where all differ, else the whole ones."""
    return list(tails) if len(set(tails)) == len(tails) else list(whole)


def _tail(reference: str) -> str:
    """The last part of a path or reference, without the ending of a model file."""
    return reference.rstrip("/").rpartition("/")[2].removesuffix(".gguf") or reference
