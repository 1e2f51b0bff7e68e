"""One case a person: what they met before the split, what they liked after it, and candidates that they never met.

What they disliked after it stands among the candidates too, as up to a quarter of them, so that `negatives@K` has
something to count; who tells of no dislike has none.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np

from agent.errors import CatalogueError, ConfigError
from eval.building.acts import Acts
from eval.building.draws import strangers
from eval.building.splits import Split
from eval.cases import DISLIKED
from eval.chance import drawn

Row = dict[str, object]


@dataclass(frozen=True)
class Wanted:
    """What the cases shall be. `candidates` None: the whole catalogue; `limit_users` None: everybody."""

    history: int = 50
    candidates: int | None = 20
    min_rating: float | None = None
    limit_users: int | None = None
    seed: int = 0


@dataclass(frozen=True)
class Person:
    """One person's acts in items' places: the liked past, the newly liked and the newly disliked, oldest first.

    With all that was ever met. What counts as liked is not disliked, whatever its rating.
    """

    user: int
    history: Sequence[int]
    relevant: Sequence[int]
    disliked: Sequence[int]
    met: frozenset[int]


@dataclass
class Questions:
    """Makes the cases of one split. `left_out` counts people without a case, and answers no case asks for, by reason.

    Of an item met several times the newest meeting counts: it gives the place in the history, and whether it was liked.
    """

    ids: Sequence[str]
    acts: Acts
    split: Split
    wanted: Wanted
    left_out: dict[str, Counter[str]] = field(default_factory=lambda: {"users": Counter(), "answers": Counter()})

    def __post_init__(self) -> None:
        if self.wanted.min_rating is not None and not self.acts.judged.any():
            raise ConfigError("no event has a rating that --min-rating could choose by", "Leave --min-rating out")
        self._order, self._starts = self.acts.by_user()
        self._liked = self.acts.liked(self.wanted.min_rating)
        self._disliked = self.acts.disliked & ~self._liked

    def cases(self) -> Iterator[Row]:
        """The cases, in the order in which people first appear. Raises CatalogueError when nobody has one."""
        users = [user for user in range(len(self.acts.users)) if self._has_answer(user)]
        limit = self.wanted.limit_users
        if limit is not None and limit < len(users):
            self.left_out["users"]["not among --limit-users"] += len(users) - limit
            users = sorted(sorted(users, key=self._lot)[:limit])
        if not users:
            raise CatalogueError("nobody has both a past and something new that they liked", self._why_nobody())
        for user in users:
            if (case := self._case(self._person(user))) is not None:
                yield case

    def _lot(self, user: int) -> str:
        return drawn(self.wanted.seed, "user", self.acts.users[user])

    def _has_answer(self, user: int) -> bool:
        person = self._person(user)
        if person.history and person.relevant:
            return True
        lacking = "liked nothing before the split" if not person.history else "liked nothing new after the split"
        self.left_out["users"][lacking] += 1
        return False

    def _person(self, user: int) -> Person:
        rows = self._order[self._starts[user] : self._starts[user + 1]]
        past = self.split.past[rows]
        before = self._newest(rows[past].tolist())
        after = self._newest(rows[~past].tolist())
        history = [item for item, row in before.items() if self._liked[row]]
        new = {item: row for item, row in after.items() if item not in before}
        relevant, disliked = ([item for item, row in new.items() if of[row]] for of in (self._liked, self._disliked))
        return Person(user, history, relevant, disliked, frozenset((*before, *after)))

    def _newest(self, rows: Sequence[int]) -> dict[int, int]:
        """The newest meeting with each item, in the order of those meetings."""
        newest: dict[int, int] = {}
        for row in rows:
            item = int(self.acts.item[row])
            newest.pop(item, None)
            newest[item] = row
        return newest

    def _case(self, person: Person) -> Row | None:
        user_id = self.acts.users[person.user]
        relevant = self._named(person.relevant)
        history = self._named(person.history[-self.wanted.history :])
        case: Row = {"case_id": user_id, "user_id": user_id, "history": history}
        if self.wanted.candidates is None:
            return case | {"relevant": relevant} | _given(self._named(person.disliked))
        asked = relevant[: max(1, self.wanted.candidates // 2)]
        disliked = self._named(person.disliked[: self.wanted.candidates // 4])
        shown = self._candidates(user_id, [*asked, *disliked], person.met)
        if shown is None:
            self.left_out["users"]["too few items that they never met"] += 1
            return None
        self.left_out["answers"]["beyond half of the candidates"] += len(relevant) - len(asked)
        self.left_out["answers"]["disliked, beyond a quarter of the candidates"] += len(person.disliked) - len(disliked)
        return case | {"candidates": shown, "relevant": asked} | _given(disliked)

    def _candidates(self, user_id: str, asked: Sequence[str], met: frozenset[int]) -> list[str] | None:
        n = (self.wanted.candidates or 0) - len(asked)
        known = frozenset(self._named(tuple(met)))
        others = strangers(self.ids, known, n, seed=self.wanted.seed, user_id=user_id)
        if len(others) < n:
            return None
        return sorted([*asked, *others], key=lambda item_id: drawn(self.wanted.seed, "place", user_id, item_id))

    def _named(self, items: Sequence[int]) -> list[str]:
        return [self.ids[item] for item in items]

    def _why_nobody(self) -> str:
        reasons = ", ".join(f"{n:,} {reason}" for reason, n in self.left_out["users"].most_common())
        return f"Of {len(self.acts.users):,} people {reasons}; try another split or --min-rating"


def _given(disliked: Sequence[str]) -> Row:
    return {DISLIKED: list(disliked)} if disliked else {}


def popularity(acts: Acts, split: Split, n_items: int) -> Sequence[int]:
    """How many past acts each item has: what a count may know without knowing the answers."""
    counts: Sequence[int] = np.bincount(acts.item[split.past], minlength=n_items).tolist()
    return counts
