"""From sources to a data set folder, in one call."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from agent.types import Item
from eval.building.acts import KINDS, Acts
from eval.building.folder import BUILT, Written, refused_files, row_of, whole, write_lines
from eval.building.leaks import refuse_leaks
from eval.building.questions import Questions, Wanted, popularity
from eval.building.reading import Gathered, Progress, gather
from eval.building.sources import AUTO, Sources, sources_of
from eval.building.splits import TEMPORAL, Split, leave_last, temporal
from eval.cases import CASES, EVENTS, ITEMS

QUANTILE, LAST = 0.8, 1
_SECOND = 1_000_000


@dataclass(frozen=True)
class Parting:
    """How past and future are parted: the kind of split, the share of events before the cut, or each one's last."""

    kind: str = TEMPORAL
    quantile: float = QUANTILE
    last: int = LAST

    def of(self, acts: Acts) -> Split:
        """The split of these acts. Raises what `splits` raises."""
        return temporal(acts, self.quantile) if self.kind == TEMPORAL else leave_last(acts, self.last)

    def as_json(self) -> dict[str, object]:
        """What was asked for."""
        asked = {"quantile": self.quantile} if self.kind == TEMPORAL else {"last": self.last}
        return {"split": self.kind, **asked}


def build(
    source: Path,
    output: Path,
    parting: Parting,
    wanted: Wanted,
    *,
    items: Path | None = None,
    form: str = AUTO,
    progress: Progress = lambda _: None,
) -> Mapping[str, object]:
    """Write a data set folder, and what `built.json` in it says: sources, options, counts, files, what was left out.

    `progress` is told the events read. Equal sources, options and seed give equal bytes. When anything is wrong nothing
    is left at `output`. Raises ConfigError, CatalogueError, StoreError.
    """
    sources = sources_of(source, items, form)
    with whole(output) as folder:
        gathered = gather(sources, folder, progress)
        split = parting.of(gathered.acts)
        counts, left_out = _write(folder, gathered, split, wanted)
        refuse_leaks(folder, cut=None if split.cut is None else split.cut / _SECOND)
        built = {
            "source": _source(sources, gathered.acts),
            "options": {**parting.as_json(), **asdict(wanted)},
            "cut": None if split.cut is None else _seconds(split.cut),
            "counts": counts,
            "left_out": {part: dict(sorted(reasons.items())) for part, reasons in left_out.items()},
            "files": [Written.of(path).as_json() for path in _files(folder)],
        }
        (folder / BUILT).write_text(json.dumps(built, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
    return built


def _write(
    folder: Path, gathered: Gathered, split: Split, wanted: Wanted
) -> tuple[dict[str, int], dict[str, dict[str, int]]]:
    acts, items = gathered.acts, gathered.items
    ids = [item.item_id for item in items]
    counted = popularity(acts, split, len(ids))
    questions = Questions(ids, acts, split, wanted)
    counts = {
        "items": write_lines(folder / ITEMS, (row_of(*pair) for pair in zip(items, counted, strict=True))),
        "cases": write_lines(folder / CASES, questions.cases()),
        "events": write_lines(folder / EVENTS, _events(acts, split, items)),
        "users": len(acts.users),
        "events_withheld": int((~split.past).sum()),
        "item_rows_read": gathered.read["items"],
        "event_rows_read": gathered.read["events"],
    }
    left_out = {part: dict(reasons) for part, reasons in (*gathered.left_out.items(), *questions.left_out.items())}
    return counts, {part: {reason: n for reason, n in reasons.items() if n} for part, reasons in left_out.items()}


def _events(acts: Acts, split: Split, items: Sequence[Item]) -> Iterator[dict[str, object]]:
    """The past, oldest first; ties in the file's order."""
    for place in acts.in_time():
        if not split.past[place]:
            continue
        row: dict[str, object] = {
            "user_id": acts.users[acts.user[place]],
            "item_id": items[acts.item[place]].item_id,
            "kind": KINDS[acts.kind[place]].value,
            "at": _seconds(int(acts.at[place])) if acts.dated else int(acts.at[place]),
        }
        value = float(acts.value[place])
        yield row if np.isnan(value) else row | {"value": int(value) if value.is_integer() else value}


def _seconds(microseconds: int) -> int | float:
    """Unix seconds, as a whole number where they are one."""
    return microseconds / _SECOND if microseconds % _SECOND else microseconds // _SECOND


def _source(sources: Sources, acts: Acts) -> dict[str, object]:
    return {
        "format": sources.form,
        "files": [Written.of(path).as_json() for path in sources.files],
        "dated": acts.dated,
    }


def _files(folder: Path) -> list[Path]:
    return [folder / ITEMS, folder / CASES, folder / EVENTS, *refused_files(folder)]
