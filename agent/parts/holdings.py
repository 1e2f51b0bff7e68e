"""What a recommender holds: items, what people did, and the indexes over them."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from agent.parts.parts import Progress
from agent.parts.pictures import PictureReport, sync_pictures
from agent.people.people import People
from agent.types import Event, Item

if TYPE_CHECKING:
    from agent.recall.report import SyncReport


class Holdings(People):
    """The catalogue and the people of a recommender: put items and events in, bring the indexes up to date."""

    def put_items(self, items: Iterable[Item]) -> int:
        """Add or replace items; how many. The index follows at the next question, or with `sync_index`."""
        try:
            return self.parts.store.put_items(items)
        finally:
            self.parts.catalogue_changed()

    def sync_index(self, *, rebuild: bool = False) -> SyncReport:
        """Bring the vector index up to date with the catalogue; what was done. Raises StoreError, StoreLocked."""
        return self.parts.sync_index(rebuild=rebuild)

    def sync_pictures(self, *, rebuild: bool = False, progress: Progress | None = None) -> PictureReport | None:
        """Bring the index of pictures up to date with the catalogue; None where `images.source` is off.

        Raises ConfigError, StoreError, StoreLocked.
        """
        return sync_pictures(self.parts, rebuild=rebuild, progress=progress)

    def put_events(self, events: Iterable[Event], *, strict: bool = False) -> int:
        """Add events; how many were new. When `strict`, raises Taken for an id that another account's event has."""
        return self.parts.store.put_events(events, strict=strict)

    def status(self) -> dict[str, Any]:
        """Counts, folders and settings in short; opens neither index nor model."""
        store, settings = self.parts.store, self.parts.settings
        return {
            "folder": str(settings.folder.resolve()),
            "items": store.count_items(),
            "events": store.count_events(),
            "users": len(store.users()),
            "model": settings.model.reference,
            "language": settings.language,
        }
