"""What one server was found to take and to refuse: believed once it helped, so that no passing fault is held for it."""

from __future__ import annotations

import threading

from agent.llm.remote.dialect import Dialect
from agent.llm.remote.lane import Call

MOST_PARTS = 5  # left out for one request; OpenAI's first reasoning models refused as many


class Habits:
    """The `dialect` that a server is spoken to in. Safe for several threads."""

    def __init__(self) -> None:
        self.dialect = Dialect()
        self._doubt: tuple[Call, str] | None = None  # who first heard the last refusal that is doubted
        self._lock = threading.Lock()

    def learn(self, dialect: Dialect) -> Dialect:
        """The dialect of all requests to come, now that this one is known to be right."""
        with self._lock:  # another thread may have learnt the same, or more
            self.dialect = self.dialect.joined(dialect)
            return self.dialect

    def heard_before(self, refusal: str, call: Call) -> bool:
        """Whether an earlier call met the same words."""
        with self._lock:
            if self._doubt is None or self._doubt[1] != refusal:
                self._doubt = (call, refusal)
            return self._doubt[0] is not call

    def disprove(self, dialect: Dialect, body: dict[str, object]) -> None:
        """Forget the refusal that is doubted if it names a part of this body, which was answered."""
        with self._lock:
            if self._doubt is not None and dialect.after(self._doubt[1], body) is not None:
                self._doubt = None


class Manner:
    """How one request is put, which begins as the server's habits have it. `dialect`: the one to ask in now."""

    def __init__(self, habits: Habits, call: Call) -> None:
        self.dialect = habits.dialect
        self._habits = habits
        self._call = call
        self._parts_left = MOST_PARTS
        self._is_sure = True

    def change(self, refusal: str, body: dict[str, object], *, doubted: bool) -> bool:
        """Ask without the part that a refusal names; whether it names one that may still be left out.

        What a `doubted` refusal names is left out of this request only, unless an earlier call heard the same.
        """
        other = self.dialect.after(refusal, body) if refusal and self._parts_left else None
        if other is None:
            return False
        self._parts_left -= 1
        self._is_sure = self._is_sure and not (doubted and not self._habits.heard_before(refusal, self._call))
        if not other.mute:
            self.dialect = other
        elif self._is_sure:
            self.mute(other.mute)
        return True

    def mute(self, why: str) -> None:
        """Ask for no log-probabilities, neither now nor later."""
        self.dialect = self._habits.learn(self.dialect.muted(why))

    def answered(self, body: dict[str, object]) -> None:
        """Remember that this was the way to ask."""
        self._habits.disprove(self.dialect, body)
        if self._is_sure:
            self._habits.learn(self.dialect)
