"""The vector index of the parts: opened, brought up to date with the catalogue, shared with other processes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from agent.enrich.enrichment import for_embedding, read
from agent.errors import StoreError, StoreLocked, StoreUnreachable
from agent.once import forget, kept

if TYPE_CHECKING:
    from agent.parts.parts import Parts
    from agent.recall.index import Index
    from agent.recall.report import SyncReport


def open_index(parts: Parts) -> Index:
    """The index of the data folder, or of the Chroma server where the database is shared as well.

    Where the folder cannot be written, it is one in memory. Raises StoreLocked, and as `Index.shared_by`.
    """
    from agent.recall.index import Index

    s, most = parts.settings, parts.settings.recall.where_pushdown_max_rows
    if s.chroma.host and parts.store.shared:
        return Index.shared_by(parts.store, parts.embedder, s.chroma, pushdown_max_rows=most)
    try:
        return Index.open(s.folder, parts.embedder, chroma=s.chroma, pushdown_max_rows=most)
    except StoreError as error:
        if s.chroma.host or isinstance(error, StoreLocked):
            raise
        parts.say(f"{error.message}; until it can be, vectors are kept in memory")
        return Index.in_memory(parts.embedder, pushdown_max_rows=most)


def brought_up(parts: Parts) -> Index:
    """The index, equal to the catalogue; where another process is bringing it there, as it was before until then.

    It also stays as it was while its server does not answer. In a folder that cannot be written any more, as on a full
    disk, it goes on in memory.
    """
    index = parts.index
    if index.trouble and index.usable:
        return index
    try:
        index.refresh()
        if not index.equals(parts.store.catalogue_version, parts.store.count_items()):
            sync_index(parts, wait_s=0.0 if index.usable else None)
    except StoreLocked:
        parts.say("another process brings the index up to date; until then, answers come from the older one")
    except StoreUnreachable as error:
        if not index.usable:
            raise
        parts.say(f"{error.message}; until it answers, the index stays as it is")
    except StoreError as error:
        if parts.settings.chroma.host:
            raise
        parts.say(f"{error.message}; until it can be written, vectors are kept in memory")
        index.turn_to_memory()
        sync_index(parts)
    return index


def sync_index(parts: Parts, *, rebuild: bool = False, wait_s: float | None = None) -> SyncReport:
    """Make the index equal the catalogue and what was written about its thin items; what was done.

    Raises StoreLocked where another process is at it for longer than `wait_s`; None: however long that takes.
    """
    with parts.index.alone(wait_s):
        version = parts.store.catalogue_version
        if parts.items_of != version:
            forget(parts, "items")
        items = for_embedding(parts.items, read(parts.store.generated()))
        return parts.index.sync(items, rebuild=rebuild, progress=parts.progress, catalogue=version)


def behind(parts: Parts, version: str) -> bool:
    """Whether the index must be brought up: rows are lost, others wrote since it was looked at, or it is of another
    catalogue, as where its server was away.
    """
    index: Index | None = kept(parts, "index")
    if index is None:
        return False
    return not index.usable or not index.follows(version) or (index.shared and index.stale)


def trouble_of(parts: Parts) -> str:
    """Why the index found nothing when it was last asked; empty where it was answered, or was not asked."""
    index: Index | None = kept(parts, "index")
    return "" if index is None else index.trouble
