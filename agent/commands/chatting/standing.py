"""What the foot of a chat says: what is being opened, else who talks and with which model."""

from __future__ import annotations

from collections.abc import Callable


class Standing:
    """Hears of slow steps, and tells of the one under way; `changed` is called whenever that is another one."""

    def __init__(self, user_id: str, model: str) -> None:
        self._settled = f"{user_id} · {model} · /help · Ctrl-D ends"
        self._step = f"opening {model}"
        self._indexed = ""
        self.changed: Callable[[], None] = lambda: None

    def __call__(self) -> str:
        """The line as it stands."""
        return self._indexed or self._step or self._settled

    @property
    def waited(self) -> str:
        """What one waits for, in short."""
        return self._indexed or self._step or "thinking"

    def progress(self, done: int, of: int) -> None:
        """How far indexing is."""
        self._indexed = f"indexing {done:,} of {of:,}" if done < of else ""
        self.changed()

    def told(self, line: str) -> None:
        """What is being fetched or opened."""
        self._step = line
        self.changed()

    def ready(self) -> None:
        """Nothing is on its way any more."""
        self._step = self._indexed = ""
        self.changed()
