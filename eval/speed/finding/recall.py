"""The row `recall`: how long finding candidates takes in a whole catalogue, and what Chroma misses of the nearest."""

from __future__ import annotations

import random
import time
from collections import defaultdict
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta

from agent.parts.learning import learn_now
from agent.parts.parts import Parts
from agent.path.stages import recall, searched
from agent.people.person import person_of
from agent.recall.weights import family_of
from agent.recommender import Recommender
from agent.settings import Settings
from agent.types import Event, EventKind, Item
from eval.apart import apart
from eval.chance import SEED
from eval.runs import Told, Watch
from eval.speed.finding.against import against_exact
from eval.speed.finding.figures import Recall, Times
from eval.speed.finding.run import Catalogue
from eval.statistics import percentile

WITHOUT, WITH = "taste", "taste and wish"
SLATE = 5
LEARNED_FROM = 500  # people whose behaviour is learned from, those who ask among them
_LIKES = (5, 40)
_SET_BY_HAND = 0.2
_EVERY_NTH_SETS = 3


def measured(
    settings: Settings, catalogue: Catalogue, people: int, watch: Watch, told: Told, seed: int = SEED
) -> Recall:
    """The times of two questions of each of so many made-up people, one with a wish, by all sources but generated ones.

    Everything lies in a temporary folder but the vectors of texts, which stay in the cache of the settings. Raises as
    the recommender does.
    """
    with (
        apart(settings) as own,
        watch("Embedding and indexing") as show,
        Recommender.open(settings=own, progress=show) as recommender,
    ):
        recommender.put_items(catalogue.items)
        recommender.put_events(made_up_events(catalogue.items, max(people, LEARNED_FROM), seed))
        recommender.sync_index()
        _, notes = learn_now(recommender.parts, seed=seed)
        _set_interests(recommender, catalogue.items, people, seed)
        told(f"asking {2 * people} questions to {len(catalogue.items):,} items")
        return _asked(recommender.parts, catalogue, people, seed, notes)


def made_up_events(items: Sequence[Item], people: int, seed: int) -> Iterator[Event]:
    """What made-up people liked over the last year: 5 to 40 items each, most of them of two tags of theirs."""
    by_tag: dict[str, list[Item]] = defaultdict(list)
    for item in items:
        for tag in item.tags:
            by_tag[tag].append(item)
    tags = sorted(by_tag, key=lambda tag: (-len(by_tag[tag]), tag))[:20]
    for n in range(people):
        chance = random.Random(f"{seed} {n}")
        own = chance.sample(tags, min(2, len(tags)))
        for at in range(chance.randint(*_LIKES)):
            pool = by_tag[chance.choice(own)] if own and chance.random() < 0.8 else items
            liked = pool[int(len(pool) * chance.random() ** 2)]
            then = datetime.now(UTC) - timedelta(hours=chance.random() * 24 * 365)
            yield Event(event_id=f"{n}-{at}", user_id=f"user-{n}", kind=EventKind.LIKE, item_id=liked.item_id, at=then)


def _set_interests(recommender: Recommender, items: Sequence[Item], people: int, seed: int) -> None:
    tags = sorted({tag for item in items for tag in item.tags})
    for n in range(0, people if tags else 0, _EVERY_NTH_SETS):
        recommender.correct(f"user-{n}", random.Random(f"{seed} set {n}").choice(tags), _SET_BY_HAND)


def wish_for(items: Sequence[Item], n: int, seed: int) -> str:
    """Words somebody might ask with: two tags and a year of some item, or its title where it has no tags."""
    item = random.Random(f"{seed} wish {n}").choice(items)
    words = " ".join(item.tags[:2]) or item.title
    return f"something like {words}" + (f" from about {item.year}" if item.year else "")


def _asked(parts: Parts, catalogue: Catalogue, people: int, seed: int, notes: Sequence[str]) -> Recall:
    ms: dict[str, list[float]] = {WITHOUT: [], WITH: []}
    sources: dict[str, list[float]] = defaultdict(list)
    for n in range(-1, people):  # the first warms up
        user, wish = f"user-{max(0, n)}", wish_for(catalogue.items, n, seed)
        for question in (WITHOUT, WITH) if n % 2 else (WITH, WITHOUT):
            said = wish if question == WITH else None
            began = time.perf_counter()
            recall(parts, person_of(parts, user), said, None, SLATE)
            ms[question].append((time.perf_counter() - began) * 1e3)
        for found in searched(parts, person_of(parts, user), wish, None, parts.settings.recall.per_query):
            sources[family_of(found.source)].append(found.ms)
    asked = [(person_of(parts, f"user-{n}"), wish_for(catalogue.items, n, seed)) for n in range(people)]
    kept = {question: walls[1:] for question, walls in ms.items()}
    return Recall(
        source=catalogue.source,
        items=len(catalogue.items),
        people=people,
        total=Times.of([one for walls in kept.values() for one in walls]),
        by_question={question: Times.of(walls) for question, walls in kept.items()},
        sources_ms={source: percentile(walls, 0.5) for source, walls in sources.items()},
        against_exact=against_exact(parts, catalogue.items, asked),
        notes=notes,
    )
