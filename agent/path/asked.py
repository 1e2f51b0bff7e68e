"""One request on its way along the path: who asks for what, on which parts, in which time; and what was ranked."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace

from agent.deadline import Deadline
from agent.parts.parts import Parts
from agent.path.ranker import Place
from agent.people.leaning import NO_LEANING, Leaning
from agent.people.person import Person
from agent.recall.where import Where
from agent.slate.making import Stopwatch
from agent.types import Slate


@dataclass(frozen=True)
class Asked:
    """A request: `wish` is what the person is in the mood for, `where` the filter, `llm` whether a model may be asked.

    `sought` stands for the wish where it names more than the person said, such as an item that it likens itself to:
    items are found and ordered by it, and reasons speak of the wish alone. `leaning` is what they would rather have.
    """

    parts: Parts
    person: Person
    wish: str | None
    where: Where | None
    k: int
    llm: bool
    deadline: Deadline
    watch: Stopwatch
    sought: str | None = None
    leaning: Leaning = NO_LEANING

    @property
    def seeking(self) -> str | None:
        """The words that items are found and ordered by."""
        return self.sought or self.wish


@dataclass(frozen=True)
class Ranked:
    """A slate still without reasons, and all that was ranked for it, best first."""

    slate: Slate
    pool: Sequence[Place]


def passing_over(person: Person, item_ids: Collection[str]) -> Person:
    """The same person, to whom these items are not shown."""
    if not item_ids:
        return person
    return replace(person, profile=person.profile.model_copy(update={"seen": person.profile.seen | set(item_ids)}))
