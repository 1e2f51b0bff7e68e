"""Making slates: from an order, from items as they are, from another slate; and the time each stage took."""

from __future__ import annotations

import time
import uuid
from collections.abc import Iterable, Iterator, Sequence

from pydantic import BaseModel, ValidationError

from agent.errors import ConfigError, StoreError
from agent.path.ranker import Order
from agent.recall.generated import Written
from agent.store.store import Store
from agent.types import Candidate, Degradation, Item, Recommendation, Slate, Step

SLATE = "slate"  # the stage of the path
TURNS_LOOKED_AT = 200  # how far back a slate is looked for


def slate_of(
    user_id: str,
    ranked: Order,
    *,
    k: int,
    wish: str | None = None,
    candidates: Sequence[Candidate] = (),
    degraded: Sequence[Degradation] = (),
    written: Written | None = None,
) -> Slate:
    """The first k places of an order, each path beginning with how recall's candidate came about.

    `written` are the queries that a model wrote for recall, if any: their prompt and what went wrong is told too.
    """
    asked = written or Written()
    found = {c.item_id: Step(stage="recall", source=c.source, score=c.score, rank=c.rank) for c in candidates}
    recommendations = tuple(
        Recommendation(
            item=place.item,
            rank=rank,
            score=place.score,
            path=((found[place.item.item_id],) if place.item.item_id in found else ()) + place.path,
        )
        for rank, place in enumerate(ranked.places[:k], start=1)
    )
    return Slate(
        user_id=user_id,
        recommendations=recommendations,
        wish=wish,
        degraded=(*asked.degraded, *degraded, *ranked.degraded),
        prompts={**asked.prompts, **ranked.prompts},
        timings_ms={stage: round(ms, 1) for stage, ms in ranked.timings_ms.items()},
    )


def unranked(user_id: str, items: Sequence[Item], wish: str | None) -> Slate:
    """A slate of items in the order given, without scores (0) or paths."""
    recommendations = tuple(Recommendation(item=item, rank=n, score=0.0) for n, item in enumerate(items, start=1))
    return Slate(user_id=user_id, recommendations=recommendations, wish=wish)


def listed(name: str, titles: Sequence[str | Item]) -> Sequence[str | Item]:
    """The titles. Raises ConfigError for one text in the place of a list, which would be taken letter by letter."""
    if isinstance(titles, str):
        raise ConfigError(f"{name} is one text, {titles!r}", f"Give a list: {name}=[{titles!r}]")
    return titles


def distinct(items: Iterable[Item]) -> list[Item]:
    """The items, each id once, at the place of its first."""
    return list({item.item_id: item for item in items}.values())


class _Turn(BaseModel):
    """A turn of a conversation, of which only the slate counts here."""

    slate: Slate | None


def kept_slate(text: str) -> Slate | None:
    """A slate from its JSON, alone or in a turn of a conversation; None where there is none, or another Palate's."""
    for read in (Slate.model_validate_json, lambda turn: _Turn.model_validate_json(turn).slate):
        try:
            return read(text)
        except ValidationError:
            continue
    return None


def given_to(store: Store, user_id: str) -> Iterator[Slate]:
    """The slates that a person was given, newest first, as far back as is looked."""
    turns = store.turns_of(user_id, limit=TURNS_LOOKED_AT)
    slates = (kept_slate(turn.content) for turn in reversed(turns) if turn.role == "assistant")
    return (slate for slate in slates if slate is not None)


def _placed(r: Recommendation) -> tuple[Step, ...]:
    """The path, which ends with the place in the slate."""
    if r.path and (r.path[-1].stage, r.path[-1].source) == (SLATE, SLATE):
        return r.path
    return (*r.path, Step(stage=SLATE, source=SLATE, score=r.score, rank=r.rank))


def one_of(slate: Slate | None, item_id: str) -> Slate | None:
    """The slate with that item alone, the place it had being the last step of its path; None where it is not in it."""
    for r in slate or ():
        if r.item.item_id == item_id:
            alone = r.model_copy(update={"rank": 1, "path": _placed(r)})
            return slate.model_copy(update={"recommendations": (alone,)}) if slate else None
    return None


def remembered(slate: Slate, store: Store, erasure: str | None) -> Slate:
    """The slate, kept as a turn of a conversation so that `why` can answer from it; if it cannot be, it says so.

    It is not kept where somebody was forgotten since the store's `erasure` was read, before the request.
    """
    content = slate.model_dump_json()
    try:
        if store.keep_answer(slate.user_id, uuid.uuid4().hex, slate.wish, content, erasure=erasure):
            return slate
        reason = "somebody was forgotten meanwhile"
    except StoreError as error:
        reason = str(error)
    lost = Degradation(stage="store", reason=f"this answer was not kept: {reason}")
    return slate.model_copy(update={"degraded": (*slate.degraded, lost)})


class Stopwatch:
    """Milliseconds per stage, from one reading to the next."""

    def __init__(self) -> None:
        self._begun = self._last = time.perf_counter()
        self._laps_ms: dict[str, float] = {}

    def lap(self, stage: str) -> float:
        """End a stage now; the milliseconds that it took."""
        now = time.perf_counter()
        self._laps_ms[stage] = (now - self._last) * 1e3
        self._last = now
        return self._laps_ms[stage]

    def on(self, slate: Slate) -> Slate:
        """The slate, explained just now, with the time of every stage and the total."""
        self.lap("explain")
        total = {"total": (self._last - self._begun) * 1e3}
        timings = {name: round(ms, 1) for name, ms in {**self._laps_ms, **slate.timings_ms, **total}.items()}
        return slate.model_copy(update={"timings_ms": timings})
