"""Offline evaluation: data sets in, per-case orders, metrics with intervals and paired comparisons out.

    from eval import load, run, diff

    finished = run("eval.yaml")         a finished run; `load("runs/v1")` reads one that is stored
    finished.to_pandas(), finished.gate().sentence
    diff("runs/v1", "runs/v2").sentences

cases -> systems -> runs (orders) -> metrics (per case) -> statistics (intervals, p) -> results (table, JSON)
                                   beyond (of what is shown)
                      signals -> fit (the blend's weights)
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from eval.finished import Compared, Finished

__all__ = ["diff", "load", "run"]


def load(folder: str | Path, *, metrics: Sequence[str] | None = None) -> Finished:
    """The run that is stored in a folder, with these metrics or those of its plan. No model is asked.

    Raises ConfigError when there is no run, or for a name that is no metric.
    """
    from eval.finished import Finished
    from eval.reporting.reading import Reading

    return Finished(Reading.of(Path(folder), metrics))


def run(
    plan: str | Path | None = None,
    *,
    output: str | Path | None = None,
    config: str | Path | None = None,
    **changes: object,
) -> Finished:
    """The finished run of a plan: a file such as eval.yaml, or its keys alone, as in `run(data="films", limit=50)`.

    `changes` are keys of the plan and go before its file; `config` is the settings file, by default ./palate.toml.
    Without an output the run lies beside the file, in runs, or without a file in a new temporary folder. One of the
    same plan that is there is gone on with. Answers are kept, so that no model is asked the same twice. Raises
    PalateError.
    """
    from eval.evaluating import evaluate
    from eval.finished import Finished
    from eval.reporting.reading import Reading

    def _path(given: str | Path | None) -> Path | None:
        return None if given is None else Path(given)

    return Finished(Reading(evaluate(_path(plan), _path(output), changes, config=_path(config))))


def diff(base: str | Path | Finished, new: str | Path | Finished | None = None) -> Compared:
    """The new run against the base on the cases that they share; with one run, its later cells against its first.

    Raises ConfigError when there is no run, or when the two share no metric, cell or case.
    """
    from eval.finished import Compared
    from eval.reporting import diffing

    one = _loaded(base)
    other = one if new is None else _loaded(new)
    return Compared(diffing.diff(one.reading, other.reading))


def _loaded(given: str | Path | Finished) -> Finished:
    return load(given) if isinstance(given, str | Path) else given
