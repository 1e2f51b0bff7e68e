"""Enrichment of a store: which items wait for it, batch after batch, each kept before the next begins."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from agent.deadline import Deadline
from agent.enrich.enrichment import Enrichment, Thin, read
from agent.enrich.writer import Writer
from agent.store.store import Store
from agent.types import Item

BATCH = 16
TIMED = 4  # items written to estimate the time of all; the cache keeps them
BATCH_TIMEOUT_S = 600.0

Progress = Callable[[int, int], None]


@dataclass(frozen=True, slots=True)
class Outlook:
    """What there is to do: items in all, thin ones, those already enriched, and those that wait, in order."""

    items: int
    thin: int
    current: int
    waiting: tuple[Item, ...]


@dataclass(frozen=True, slots=True)
class Report:
    """What was done: how many enrichments were kept, how many of them are empty, and the time it took."""

    written: int
    empty: int
    seconds: float


def outlook(store: Store, writer: Writer, thin: Thin, limit: int | None = None) -> Outlook:
    """The thin items of the store that have no enrichment of this model and these prompts, at most `limit`, by id."""
    kept = read(store.generated())
    total = 0
    found: list[Item] = []
    for item in store.iter_items():
        total += 1
        if thin.holds(item):
            found.append(item)
    waiting = [item for item in found if not writer.is_current(item, kept.get(item.item_id))]
    return Outlook(total, len(found), len(found) - len(waiting), tuple(waiting[:limit]))


def estimate_s(writer: Writer, waiting: Sequence[Item]) -> float:
    """About how many seconds these items will take, from writing a few of them now; the store is left alone.

    What was written is in the cache, so that it is not written twice; what the cache holds takes no time. Raises
    ModelError.
    """
    unknown = writer.unknown(waiting)
    if not unknown:
        return 0.0
    some = unknown[:: max(1, len(unknown) // TIMED)][:TIMED]
    began = time.perf_counter()
    writer.write(some, Deadline(BATCH_TIMEOUT_S))
    return (time.perf_counter() - began) / len(some) * len(unknown)


def enrich(store: Store, writer: Writer, waiting: Sequence[Item], progress: Progress) -> Report:
    """Write about these items and keep every batch before the next: an interruption loses one batch at most.

    Raises ModelError and StoreError; what was kept by then stays.
    """
    began, empty = time.perf_counter(), 0
    progress(0, len(waiting))
    for start in range(0, len(waiting), BATCH):
        fresh = writer.write(waiting[start : start + BATCH], Deadline(BATCH_TIMEOUT_S))
        store.put_generated({one.item_id: one.model_dump_json() for one in fresh})
        empty += sum(_is_empty(one) for one in fresh)
        progress(min(start + BATCH, len(waiting)), len(waiting))
    return Report(len(waiting), empty, time.perf_counter() - began)


def _is_empty(one: Enrichment) -> bool:
    return not (one.text or one.tags)
