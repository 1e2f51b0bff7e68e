"""`palate eval recall`: what every source of recall finds, what it adds to the others, and how long it takes."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from agent.commands import render
from agent.commands.options import JsonOption
from eval.options import DataOption, LimitOption, ModelOption, listed, settings_of, watch

if TYPE_CHECKING:
    from agent.parts.parts import Parts
    from agent.settings import Settings
    from eval.cases import DataSet
    from eval.recall.measure import Measured

TaskOption = Annotated[str, typer.Option("--task", metavar="TASK", help="recommend or converse.")]
SourcesOption = Annotated[
    str | None, typer.Option("--sources", metavar="LIST", help="Only these sources, with commas; by default all.")
]
LikedOption = Annotated[
    int, typer.Option("--min-liked", min=0, metavar="N", help="Only people who liked at least so many items.")
]
GeneratedOption = Annotated[
    int | None, typer.Option("--generated", min=0, max=16, metavar="N", help="Queries the model writes.")
]
WeightOption = Annotated[
    float | None, typer.Option("--generated-weight", min=0.01, max=10, metavar="X", help="What each of them weighs.")
]
EnrichedOption = Annotated[
    bool, typer.Option("--enriched", help="Let the model describe thin items too, and compare with and without.")
]
LearnOption = Annotated[bool, typer.Option("--learn", help="Learn from the data set's behaviour first.")]


@dataclass(frozen=True)
class Wanted:
    """What is asked: the task, its cases, the sources to look at, and what is made before."""

    task: str
    sources: tuple[str, ...]
    limit: int | None
    least_liked: int
    enriched: bool
    learn: bool


def recall(
    ctx: typer.Context,
    folder: DataOption,
    task: TaskOption = "recommend",
    sources: SourcesOption = None,
    limit: LimitOption = None,
    min_liked: LikedOption = 0,
    model: ModelOption = None,
    generated: GeneratedOption = None,
    generated_weight: WeightOption = None,
    enriched: EnrichedOption = False,
    learn: LearnOption = False,
    as_json: JsonOption = False,
) -> None:
    """Measure what each source of recall finds in the whole catalogue, alone and beside the others.

    Recall@20, 50 and 100 with intervals by person, the time of each source, and its ablation: all sources against all
    but that one, paired case by case. What a person has met, or what was named before, is left out.
    """
    from eval.cases import DataSet
    from eval.recall import drawing

    settings = _settings(settings_of(ctx, model=model), generated, generated_weight)
    dataset = DataSet.open(folder, ("messages",) if task == "converse" else ())
    wanted = Wanted(task, listed(sources or ""), limit, min_liked, enriched, learn)
    found = _measured(dataset, settings, wanted)
    about = _about(dataset, settings, wanted, folder)
    if as_json:
        render.write_json(drawing.as_json(found, about))
    else:
        drawing.draw(found, about)


def _settings(settings: Settings, generated: int | None, weight: float | None) -> Settings:
    given = {"generated": generated, "generated_weight": weight}
    changes = {key: value for key, value in given.items() if value is not None}
    return settings.model_copy(update={"recall": settings.recall.model_copy(update=changes)})


def _measured(dataset: DataSet, settings: Settings, wanted: Wanted) -> Measured:
    from eval.learning import taught
    from eval.recall.measure import ENRICHED, gathered, measured
    from eval.tasks.catalogue import open_folder

    with open_folder(dataset, settings, watch, render.told) as parts:
        learned = taught(dataset, settings.learn) if wanted.learn else None
        ask = partial(
            gathered,
            dataset,
            parts,
            wanted.task,
            limit=wanted.limit,
            least_liked=wanted.least_liked,
            taught=learned,
        )
        with watch("Asking") as show:
            found, families = ask(sources=wanted.sources, show=show)
        if not wanted.enriched:
            return measured(found, families)
        _enrich(parts)
        with watch("Asking again") as show:
            again, _ = ask(sources=families, show=show)
        return measured(found, families, {ENRICHED: again})


def _enrich(parts: Parts) -> None:
    from agent.enrich import run
    from agent.enrich.enrichment import Thin
    from agent.parts.enriched import writer_on

    thin = Thin()
    writer = writer_on(parts, thin)
    waiting = run.outlook(parts.store, writer, thin).waiting
    with watch("Describing thin items") as show:
        run.enrich(parts.store, writer, waiting, show)
    parts.catalogue_changed()


def _about(dataset: DataSet, settings: Settings, wanted: Wanted, folder: Path) -> dict[str, object]:
    asked = bool(settings.recall.generated or wanted.enriched)
    return {
        "task": wanted.task,
        "data": str(folder),
        "data_sha256": dataset.sha256,
        "model": settings.model.reference if asked else None,
        "generated": settings.recall.generated,
        "generated_weight": settings.recall.generated_weight,
        "enriched": wanted.enriched,
        "learn": wanted.learn,
    }
