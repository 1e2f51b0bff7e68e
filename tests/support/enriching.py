"""A process that enriches slowly, to be killed."""

from __future__ import annotations

from pathlib import Path

import prompts
from agent.enrich.enrichment import Thin
from agent.enrich.run import enrich, outlook
from agent.enrich.writer import Prompts, Writer
from agent.llm.scripted import Scripted
from agent.store.cache import Cache
from agent.store.store import Store
from agent.types import Item

FINGERPRINT = "f" * 64


def writer_on(model: Scripted, cache: Cache | None = None, **more: object) -> Writer:
    """A writer on a scripted model, with the built-in prompts."""
    used = Prompts(prompts.load("enrich-describe"), prompts.load("enrich-tags"))
    return Writer(model, used, cache or Cache(None), noun="films", **more)  # type: ignore[arg-type]


def thin_items(n: int) -> list[Item]:
    """n items of which only the title and one tag are known."""
    return [Item(item_id=f"i{i:03}", title=f"Title {i}", tags=("Drama",)) for i in range(n)]


def enrich_slowly(folder: Path, log: Path) -> None:
    """Enrich the store in the folder, every call of the model taking a while; the log counts items written about."""

    def _reply(_prefix: str, suffix: str) -> str:
        with log.open("a") as file:
            file.write(suffix.split("(")[0].strip() + "\n")
        return f" A plain story about {suffix.strip().splitlines()[0]}, told with care."

    model = Scripted(_reply, fingerprint=FINGERPRINT, abilities=["continue", "score"], delay_s=0.02)
    with Store.open(folder) as store:
        writer = writer_on(model)
        enrich(store, writer, outlook(store, writer, Thin()).waiting, lambda _done, _of: None)
