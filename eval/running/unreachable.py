"""Cases of the task rank that no system can answer right: what is relevant does not stand among the candidates."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from eval.cases import DataSet
from eval.plan.config import RANK

KEY = "unreachable"  # of run.json


def unreachable(datasets: Mapping[str, DataSet], task: str, limit: int | None) -> dict[str, dict[str, int]]:
    """How many of the cases that are run can never be hit, by data set; only data sets that have such cases."""
    if task != RANK:
        return {}
    counted = {name: sum(n < one.n_run(limit) for n in one.unreachable) for name, one in datasets.items()}
    return {name: {"cases": n, "of": datasets[name].n_run(limit)} for name, n in counted.items() if n}


def unreachable_lines(counted: object) -> Iterator[str]:
    """A line for each data set with such cases."""
    for name, found in counted.items() if isinstance(counted, Mapping) else ():
        yield (
            f"{found['cases']:,} of {found['of']:,} cases of {name} can never be hit:"
            " no relevant item is among their candidates"
        )
