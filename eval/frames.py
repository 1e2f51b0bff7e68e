"""Rows as pandas tables. The only importer of pandas, which is not needed for anything else."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from agent.errors import ConfigError

if TYPE_CHECKING:
    from pandas import DataFrame as DataFrame


def frame(rows: Sequence[Mapping[str, object]], columns: Sequence[str]) -> DataFrame:
    """A table with a line for each row and these columns, in their order; empty, with its columns, for no rows.

    Raises ConfigError where pandas is not installed.
    """
    try:
        import pandas
    except ImportError as error:
        raise ConfigError("pandas is not installed", "Install it with: pip install 'palate[eval]'") from error

    return pandas.DataFrame([dict(row) for row in rows], columns=list(columns))
