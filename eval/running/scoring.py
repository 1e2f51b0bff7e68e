"""The answers of a run as figures: every system's orders, metrics with intervals, comparisons. No model is asked."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, get_args

from agent.commands.render import count
from agent.errors import ConfigError
from eval.cases import Stock
from eval.comparisons import Comparison, compare, together
from eval.plan.cells import Cell, data_names
from eval.plan.config import EXPLAIN, Evaluation, check_metrics
from eval.results import Results
from eval.running.answers import Answer
from eval.running.collecting import Collection
from eval.running.folder import RunFolder
from eval.running.packed import Joined
from eval.running.standing import Catalogues, Standing, shelf_of_run
from eval.runs import Run
from eval.systems import Kind, System

if TYPE_CHECKING:
    from eval.tasks.rationales import Rationales

Hears = Callable[[Answer], None]


@dataclass(frozen=True)
class Reckoned:
    """A run as results, and as what was collected; `notes` say what cannot be told, and why.

    `missing` is how many answers are still to come; `rationales` are each cell's, of the task that gives them;
    `catalogues` are those that were read.
    """

    results: Results
    run: Run
    notes: tuple[str, ...] = ()
    missing: int = 0
    rationales: Mapping[str, Rationales] = field(default_factory=dict)
    catalogues: Catalogues = field(default_factory=Catalogues)


def results_of(folder: RunFolder, metrics: Sequence[str] | None = None) -> tuple[Results, Run]:
    """The run as results, and as what was collected. Raises ConfigError where there are no answers.

    Systems are the baselines and references, then each cell by its name with its parts as "<cell>/without-model"; with
    one cell they bear the names that they have alone. Cases are those that every cell has answered that was begun.
    Repeats are averaged per case. Failures score 0.
    """
    found = reckon(folder, metrics)
    return found.results, found.run


def reckon(
    folder: RunFolder,
    metrics: Sequence[str] | None = None,
    hears: Hears = lambda _: None,
    known: Mapping[Path, Stock] | None = None,
) -> Reckoned:
    """The same, with notes; `hears` is called with every answer on the way. Raises as `results_of` does.

    Data sets that are `known`, by their folders, are not read again.
    """
    catalogues = Catalogues(known)
    plan, cells = plan_of(folder), folder.cells()
    asked = tuple(metrics or plan.measured)
    check_metrics(asked, plan.task)
    rationales = {cell.name: _rationales(cell, catalogues) for cell in cells} if plan.task == EXPLAIN else {}
    collection = _collected(folder, plan, asked, rationales, hears)
    found = [Standing(collection, data, cells, folder.path) for data in collection.data.values()]
    standings = [one for one in found if len(one.cases)]
    if not standings:
        raise ConfigError(f"the run in {folder.path} has no answers yet", "Go on with: palate eval run --resume")
    missing = _missing(folder, plan, collection)
    notes = [*_unfinished(missing, standings), *_shelves(folder, plan, standings, catalogues)]
    results = Results(
        tuple(result for one in standings for result in one.results()),
        _compared(standings, plan.versus),
        {name: values for one in standings for name, values in one.values.items()},
        standings[0].shelf,
        asked[0],
    )
    return Reckoned(results, _run(folder, collection, standings), tuple(notes), missing, rationales, catalogues)


def plan_of(folder: RunFolder) -> Evaluation:
    """What was asked. Raises ConfigError where run.json is of another format."""
    try:
        return Evaluation.model_validate(folder.about.get("plan"))
    except ValueError as error:
        reason = str(error).partition("\n")[0]
        raise ConfigError(f"the plan of {folder.path} cannot be read: {reason}", "Run it again") from error


def _collected(
    folder: RunFolder, plan: Evaluation, metrics: Sequence[str], rationales: Mapping[str, Rationales], hears: Hears
) -> Collection:
    cells = folder.cells()
    judging = {name: one.take for name, one in rationales.items()} if plan.task == EXPLAIN else None
    collection = Collection(cells, data_names(cells), metrics, judging)
    known = {cell.name for cell in cells}
    for start, answer in folder.located_answers():
        hears(answer)
        if answer.cell in known:
            collection.take(answer, start)
    systems = {name: _systems(rows) for name, rows in _mapping(folder.about.get("systems")).items()}
    for start, row in folder.located_baselines():
        if row.get("data") in collection.data:
            collection.take_baselines(row, systems.get(str(row["data"]), ()), start)
    collection.end()
    return collection


def _rationales(cell: Cell, catalogues: Catalogues) -> Rationales:
    """What judges the rationales of a cell. Raises ConfigError where the data set is gone."""
    from eval.tasks.rationales import Judge, Rationales

    stock = catalogues.stock(cell.data)
    wishes = {case.case_id: case.wish for case in stock.cases() if case.wish}
    return Rationales(Judge(stock.items, cell.language), wishes)


def _missing(folder: RunFolder, plan: Evaluation, collection: Collection) -> int:
    """How many answers are still to come, of all cells: a case that is not there yet lacks all its repeats."""
    told, names = _mapping(folder.about.get("datasets")), data_names(folder.cells())
    missing = 0
    for cell in folder.cells():
        data = collection.data[names[cell.name]]
        run = _mapping(told.get(data.name)).get("n_run")
        of = run if isinstance(run, int) else len(data.numbers)
        missing += of * plan.repeat - data.n_answered(cell.name, plan.repeat)
    return max(0, missing)


def _unfinished(missing: int, standings: Sequence[Standing]) -> Iterator[str]:
    if missing:
        cases = count(sum(len(one.cases) for one in standings), "case")
        told = f"figures are of {cases} that every cell has answered that was begun"
        yield f"the run is not finished: {count(missing, 'answer')} still to come; {told}"


def _systems(rows: object) -> list[System]:
    """The systems that the rows of run.json tell of; their orders are in the folder."""
    found = []
    for row in map(_mapping, rows if isinstance(rows, list) else []):
        kinds: dict[object, Kind] = {kind: kind for kind in get_args(Kind)}
        kind = kinds.get(row.get("kind"), "baseline")
        found.append(System(str(row.get("name")), kind, str(row.get("about")), lambda _case, _slate: ()))
    return found


def _shelves(
    folder: RunFolder, plan: Evaluation, standings: Sequence[Standing], catalogues: Catalogues
) -> Iterator[str]:
    """Give each data set its catalogue, where there is one; why not, where there is none."""
    names = data_names(folder.cells())
    for one in standings if plan.task != EXPLAIN else ():
        cell = next(cell for cell in folder.cells() if names[cell.name] == one.data.name)
        shelf = shelf_of_run(folder, one.data.name, cell, catalogues)
        if isinstance(shelf, str):
            yield shelf
        else:
            one.shelf = shelf


def _compared(standings: Sequence[Standing], versus: str) -> tuple[Comparison, ...]:
    """All comparisons as one family, over all data sets."""
    return together([one for s in standings for one in compare(s.pairs(versus), s.values, s.clusters)])


def _run(folder: RunFolder, collection: Collection, standings: Sequence[Standing]) -> Run:
    troubles = collection.troubles
    return Run(
        relevant=Joined([one.relevant for one in standings]),
        users=Joined([one.users for one in standings]),
        histories=Joined([one.histories for one in standings]),
        disliked=Joined([one.disliked for one in standings]),
        orders={name: orders for s in standings for name, orders in s.orders.items()},
        n_degraded=troubles.n_degraded,
        degraded=troubles.degraded,
        failed=troubles.failed,
        prompts=prompts_of(folder),
    )


def prompts_of(folder: RunFolder) -> dict[str, str]:
    """The fingerprints of the prompts that were used, by name; by cell and name where there are several cells."""
    told, alone = _mapping(folder.about.get("prompts")), len(folder.cells()) == 1
    return {
        name if alone else f"{cell}: {name}": str(_mapping(row).get("fingerprint"))
        for cell, rows in told.items()
        for name, row in _mapping(rows).items()
    }


def _mapping(value: object) -> Mapping[str, object]:
    return value if isinstance(value, Mapping) else {}
