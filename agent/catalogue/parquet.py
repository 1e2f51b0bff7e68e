"""Parquet files, streamed in batches. The one file that imports pyarrow."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from agent.catalogue.columns import MAX_COLUMNS, unique_names
from agent.catalogue.rows import BrokenOffError, Refusal, Row, Table
from agent.errors import CatalogueError

BATCH_ROWS = 512

_FAULTS = (pa.ArrowException, OSError, ValueError, OverflowError)


def read_parquet(path: Path) -> Table:
    """The table in a Parquet file; rows are numbered from 1. Raises CatalogueError when the file is damaged."""
    try:
        file = pq.ParquetFile(path)
        columns = file.schema_arrow.names
    except _FAULTS as error:
        raise CatalogueError(
            f"{path} is not a readable Parquet file: {_line(error)}", "Write the file again"
        ) from error
    if len(columns) > MAX_COLUMNS:
        raise CatalogueError(f"{path} has {len(columns):,} columns; {MAX_COLUMNS:,} is the most", "Write fewer columns")
    names = unique_names(columns)
    return Table("Parquet", names, _rows(file, names))


def _rows(file: Any, names: tuple[str, ...]) -> Iterator[Row | Refusal]:
    number = 0
    try:
        with file:
            for batch in file.iter_batches(batch_size=BATCH_ROWS):
                for row in _of_batch(_renamed(batch, names), number):
                    number += 1
                    yield row
    except _FAULTS as error:
        raise BrokenOffError(number + 1, f"the Parquet file is damaged here: {_line(error)}") from error


def _renamed(batch: Any, names: tuple[str, ...]) -> Any:
    """The batch with names that are there once, and times no finer than microseconds (Python has no finer ones)."""
    arrays = []
    for array in batch.columns:
        fine = pa.types.is_timestamp(array.type) and array.type.unit == "ns"
        arrays.append(array.cast(pa.timestamp("us", array.type.tz), safe=False) if fine else array)
    return pa.RecordBatch.from_arrays(arrays, names=list(names))


def _of_batch(batch: Any, before: int) -> Iterator[Row | Refusal]:
    try:
        rows = batch.to_pylist()
    except (pa.ArrowException, ValueError, OverflowError):
        yield from _one_by_one(batch, before)
        return
    for number, cells in enumerate(rows, start=before + 1):
        yield Row(number, cells)


def _one_by_one(batch: Any, before: int) -> Iterator[Row | Refusal]:
    for index in range(batch.num_rows):
        number = before + index + 1
        try:
            yield Row(number, batch.slice(index, 1).to_pylist()[0])
        except (pa.ArrowException, ValueError, OverflowError) as error:
            yield Refusal(number, f"a value cannot be read: {_line(error)}", "")


def _line(error: Exception) -> str:
    return " ".join(str(error).split())[:200]
