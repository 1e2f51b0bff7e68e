"""What of a reply has been given so far: its words, and when they came."""

from __future__ import annotations

import time

from agent.converse.pieces import Mention, Piece, Slated, Words


class Recording:
    """Words and times of one reply, from the moment its message came."""

    def __init__(self) -> None:
        self._begun = time.perf_counter()
        self._text: list[str] = []
        self._ms: dict[str, float] = {}

    @property
    def text(self) -> str:
        """What was said, items by their names."""
        return "".join(self._text).strip()

    @property
    def timings_ms(self) -> dict[str, float]:
        """Milliseconds from the message to `understood`, to the `first_word`, to the `slate`, and in `total` by now."""
        return {**self._ms, "total": self._since()}

    def heard(self) -> None:
        """Note that the message is understood."""
        self._ms["understood"] = self._since()

    def note(self, piece: Piece) -> None:
        """Note a piece that is about to be given."""
        if isinstance(piece, Words | Mention):
            self._ms.setdefault("first_word", self._since())
            self._text.append(piece.text if isinstance(piece, Words) else piece.item.name)
        elif isinstance(piece, Slated):
            self._ms.setdefault("slate", self._since())

    def _since(self) -> float:
        return round((time.perf_counter() - self._begun) * 1e3, 1)
