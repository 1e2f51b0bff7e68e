"""Whole orders of a stored run: they stay in its files, and are read from there when they are asked for."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path

from agent.errors import ConfigError
from eval.running.lines import line_at
from eval.running.packed import ByCase, Cases, Sums
from eval.systems import Order

Reads = Callable[[Mapping[str, object]], Order]
"""The order that a line of the file holds, as a JSON object."""


class Orders(ByCase[Order]):
    """A system's order for each case, empty where it has none. `starts` are the bytes where lines begin, from 1."""

    def __init__(self, cases: Cases, path: Path, starts: Sums, reads: Reads) -> None:
        super().__init__(cases)
        self._path, self._starts, self._reads = path, starts, reads

    def at(self, row: int) -> Order:
        """See `ByCase.at`. Raises ConfigError where the file is gone, or is another one."""
        start = int(self._starts[int(self.cases.numbers[row])])
        if not start:
            return ()
        try:
            with self._path.open("rb") as file:
                found = json.loads(line_at(file, start - 1))
            if not self.cases.name(row).endswith(str(found["case_id"])):
                raise ValueError(f"the line at byte {start - 1} is of another case")
            return self._reads(found)
        except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
            raise ConfigError(f"cannot read an order from {self._path}: {error}", "Score the run again") from error


def order_of(system: str) -> Reads:
    """Reads the order of a system by the name that it has in the file."""
    return lambda row: tuple(map(str, _orders(row).get(system, ())))


def explained(row: Mapping[str, object]) -> Order:
    """The items that an answer gives rationales for, in its order."""
    rows = row.get("rationales", ())
    return tuple(str(one["item_id"]) for one in rows) if isinstance(rows, list) else ()


def _orders(row: Mapping[str, object]) -> Mapping[str, list[object]]:
    orders = row["orders"]
    return orders if isinstance(orders, Mapping) else {}
