"""A data folder for what is measured, away from that of the settings."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from agent.sections import ChromaSettings
from agent.settings import Settings


@contextmanager
def apart(settings: Settings) -> Iterator[Settings]:
    """The settings over an empty data folder that vanishes in the end, with its own Chroma inside and no server's.

    What the cache folder keeps, such as vectors of texts, is shared.
    """
    with TemporaryDirectory(prefix="palate-eval-") as folder:
        yield settings.model_copy(update={"folder": Path(folder), "chroma": ChromaSettings()})
