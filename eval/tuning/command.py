"""Choose settings by what they are worth on cases with known answers."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from agent.commands import render
from agent.commands.options import JsonOption
from agent.errors import ConfigError
from eval.options import DEFAULT_SEED, DataOption, LimitOption, ModelOption, SeedOption, listed, settings_of, watch
from eval.recall.command import LearnOption, LikedOption, TaskOption

if TYPE_CHECKING:
    from collections.abc import Sequence

    from agent.settings import Settings
    from eval.cases import DataSet
    from eval.tuning.gathering import Lists
    from eval.tuning.report import Tuned
    from eval.tuning.space import Writing

NOT_BETTER = 3
MOST_WRITTEN = 16

app = typer.Typer(no_args_is_help=True, add_completion=False, help=__doc__)

MetricOption = Annotated[
    str, typer.Option("--metric", metavar="NAME", help="What to fit: recall@20, recall@50 or recall@100.")
]
GeneratedOption = Annotated[
    str, typer.Option("--generated", metavar="N,N", help="Try so many queries written by the model; 0: none.")
]
PromptsOption = Annotated[
    list[Path] | None, typer.Option("--prompts", metavar="DIR", help="Try these prompts for them too; repeatable.")
]
WriteOption = Annotated[
    Path | None, typer.Option("--write", metavar="PATH", help="Put them into this settings file if they are better.")
]


@app.callback()
def tune() -> None:
    """Choose settings by what they are worth on cases with known answers."""


@dataclass(frozen=True)
class Wanted:
    """What is asked: the task and its cases, what is learned before, what to fit by, and what the model may write."""

    task: str
    limit: int | None
    least_liked: int
    learn: bool
    metric: str
    seed: int
    writings: tuple[Writing | None, ...]


@app.command("recall")
def recall(
    ctx: typer.Context,
    folder: DataOption,
    task: TaskOption = "recommend",
    metric: MetricOption = "recall@50",
    limit: LimitOption = None,
    min_liked: LikedOption = 0,
    learn: LearnOption = False,
    model: ModelOption = None,
    generated: GeneratedOption = "0",
    prompts: PromptsOption = None,
    seed: SeedOption = DEFAULT_SEED,
    write: WriteOption = None,
    as_json: JsonOption = False,
) -> None:
    """Choose which sources recall asks and what each weighs, on half of the people; judge it on the others.

    Shows recall and time of every source, what each adds, and how far the choice beats the settings in force. Settings
    that are not shown to be better are never written: then the exit code is 3.
    """
    from eval.cases import DataSet
    from eval.tasks.converse import CONVERSE, suited
    from eval.tuning import drawing
    from eval.tuning.space import writings_of

    settings = settings_of(ctx, model=model)
    talk = task == CONVERSE.name
    settings = suited(settings) if talk else settings
    writings = writings_of(settings, _numbers(generated), [path.resolve() for path in prompts or ()])
    _writable(write)
    wanted = Wanted(task, limit, min_liked, learn, _metric(metric), seed, writings)
    dataset = DataSet.open(folder, CONVERSE.needs if talk else ())
    found = _tuned(dataset, settings, wanted)
    about = _about(dataset, settings, wanted)
    written = _written(write, found, about)
    if as_json:
        render.write_json(drawing.as_json(found, about, written))
    else:
        drawing.draw(found, about)
    if not found.better:
        raise typer.Exit(NOT_BETTER)


def _tuned(dataset: DataSet, settings: Settings, wanted: Wanted) -> Tuned:
    from eval.tuning.report import tuned
    from eval.tuning.space import Space, current

    centres = _centres(settings)
    cases = _gathered(dataset, settings, wanted, centres)
    there = dict.fromkeys(row.partition("@")[0] for case in cases for row in case.rows)
    families = tuple(name for name in there if name != "generated")
    space = Space(families, any(case.wished for case in cases), centres, wanted.writings)
    return tuned(cases, space, settings, current(settings, families), wanted.metric, wanted.seed)


def _gathered(dataset: DataSet, settings: Settings, wanted: Wanted, centres: Sequence[int]) -> list[Lists]:
    from eval.learning import taught
    from eval.tasks.catalogue import open_folder
    from eval.tuning.gathering import Gatherer, even, generators

    with open_folder(dataset, even(settings), watch, render.told) as parts:
        learned = taught(dataset, settings.learn) if wanted.learn else None
        gatherer = Gatherer(parts, centres, generators(parts, wanted.writings))
        with watch("Asking") as show:
            return gatherer.gather(dataset, wanted.task, wanted.limit, wanted.least_liked, learned, show)


def _written(path: Path | None, found: Tuned, about: dict[str, object]) -> str | None:
    """Where the settings were written; nowhere where nobody asked, or they are not better."""
    from eval.tuning.writing import write

    if path is None:
        return None
    if not found.better:
        render.note(f"nothing was written to {path}: the settings are not shown to be better")
        return None
    write(path, found, about)
    render.note(f"settings written to {path}")
    return str(path)


def _writable(path: Path | None) -> None:
    """Do nothing where settings can be written there. Raises ConfigError: before the long work, not after it."""
    from agent.toml_file import read_toml
    from eval.weights import writable

    if path is not None and writable(path).exists():
        read_toml(path)


def _centres(settings: Settings) -> tuple[int, ...]:
    from eval.tuning.space import CENTRES

    return tuple(sorted({*CENTRES, settings.profile.centres}))


def _about(dataset: DataSet, settings: Settings, wanted: Wanted) -> dict[str, object]:
    asked = any(wanted.writings)
    return {
        "task": wanted.task,
        "data": dataset.name,
        "data_sha256": dataset.sha256,
        "metric": wanted.metric,
        "seed": wanted.seed,
        "learn": wanted.learn,
        "model": settings.model.reference if asked else None,
    }


def _metric(name: str) -> str:
    from eval.recall.measure import METRICS

    if name not in METRICS:
        raise ConfigError(f"recall is not fitted by {name!r}", f"Metrics: {', '.join(METRICS)}")
    return name


def _numbers(text: str) -> list[int]:
    """`2,4` as numbers, each once, in order. Raises ConfigError for anything else."""
    parts = listed(text)
    if not parts or not all(part.isascii() and part.isdigit() and int(part) <= MOST_WRITTEN for part in parts):
        raise ConfigError(f"--generated {text!r} is no list of numbers", f"Write such as 2,4, up to {MOST_WRITTEN}")
    return sorted({int(part) for part in parts})
