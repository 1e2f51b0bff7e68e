"""The rows of finding, from what was asked for to their report."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import islice
from pathlib import Path
from tempfile import TemporaryDirectory

from agent.commands.demo import EVERY_FILM, films_file
from agent.embed.passage import passage_of
from agent.errors import ConfigError
from agent.settings import Settings
from agent.types import Item
from eval.cases import DataSet
from eval.chance import SEED
from eval.runs import Told, Watch
from eval.speed.films import made_up
from eval.speed.finding.figures import Embedding, Recall, Scale
from eval.speed.machine import FINDING_LIBRARIES, alone

ROWS = ("embedding", "recall", "vectors")
MADE_UP = 17_472


@dataclass(frozen=True)
class Catalogue:
    """What is searched, and where it comes from."""

    source: str
    items: tuple[Item, ...]


@dataclass(frozen=True)
class Wanted:
    """What to run: `repetitions` of `embedding`, people or `questions` for the others, and how many `vectors`."""

    rows: tuple[str, ...]
    repetitions: int = 10
    questions: int = 200
    vectors: int = 100_000


@dataclass(frozen=True)
class Findings:
    """A finished run; a row that was not asked for is None. `about` says what was run on what."""

    about: Mapping[str, object]
    embedding: Embedding | None = None
    recall: Recall | None = None
    vectors: Scale | None = None

    def as_json(self) -> dict[str, object]:
        """The documented JSON shape of these rows in `palate eval speed --json`."""
        found = {"embedding": self.embedding, "recall": self.recall, "vectors": self.vectors}
        return {"finding": {**self.about, **{name: row.as_json() for name, row in found.items() if row is not None}}}


def run(settings: Settings, dataset: DataSet | None, wanted: Wanted, watch: Watch, told: Told) -> Findings:
    """The rows asked for, one after the other. Raises PalateError where one cannot be measured."""
    from eval.speed.finding import embedding, recall, scale

    rows = wanted.rows
    catalogue = catalogue_of(dataset, told) if {"embedding", "recall"}.intersection(rows) else Catalogue("", ())
    texts = [passage_of(item) for item in catalogue.items]
    return Findings(
        {"at": datetime.now(UTC).isoformat(timespec="seconds"), "machine": alone(FINDING_LIBRARIES), "seed": SEED},
        embedding.measured(texts, wanted.repetitions, watch) if "embedding" in rows else None,
        recall.measured(settings, catalogue, wanted.questions, watch, told) if "recall" in rows else None,
        scale.measured(wanted.vectors, wanted.questions, watch) if "vectors" in rows else None,
    )


def catalogue_of(dataset: DataSet | None, told: Told) -> Catalogue:
    """The items of the data set; without one, all films of the package bokeh-sampledata, or made-up ones."""
    if dataset is not None:
        return Catalogue(dataset.name, tuple(dataset.items.values()))
    try:
        return Catalogue("bokeh-sampledata", tuple(_films(films_file())))
    except ConfigError as error:
        told(f"{error}: made-up films stand in for them")
        return Catalogue("made-up films", tuple(islice(made_up(MADE_UP, SEED), MADE_UP)))


def _films(path: Path) -> list[Item]:
    from agent.catalogue import load_items, read_items

    items: list[Item] = []

    with TemporaryDirectory() as folder, read_items(path, sql=EVERY_FILM) as rows:
        load_items(rows, items.extend, Path(folder) / "refused.jsonl")
    return items
