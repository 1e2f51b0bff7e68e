"""Opening what an answer needs while one waits for the first question."""

from __future__ import annotations

import threading
from collections.abc import Callable
from contextlib import suppress
from typing import TYPE_CHECKING

from agent.errors import PalateError

if TYPE_CHECKING:
    from agent.recommender import Recommender


def open_ahead(recommender: Recommender, *, llm: bool, then: Callable[[], None] = lambda: None) -> None:
    """Begin to open index and model, on another thread, and call `then`; what fails is told with the first answer."""

    def open_all() -> None:
        """Open them."""
        from agent.path.stages import make_ready

        with suppress(PalateError):
            make_ready(recommender.parts, llm)
        then()

    threading.Thread(target=open_all, name="opening", daemon=True).start()
