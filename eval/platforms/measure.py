"""NDCG of people who are new on a platform, with and without what is known of them on another."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import asdict, dataclass

from agent.deadline import Deadline
from agent.parts.learning import learn_now
from agent.parts.parts import Parts
from agent.path.stages import items_of, ranker_of, recall
from agent.people.people import People
from agent.people.person import person_of
from agent.people.transfer import background_on, kappa, transfers
from agent.profile.transfer import carried
from agent.recall.where import parse_where
from agent.settings import Settings
from agent.types import Item
from eval.apart import apart
from eval.comparisons import Comparison, compare
from eval.metrics import PerCase, per_case
from eval.platforms.splitting import KNOWN, NEW, Split, account
from eval.statistics import UNIT, Estimate, estimate

METRICS = ("ndcg@10", "recall@10")
HEADLINE = "ndcg@10"
ALONE, LINKED = "not linked", "linked"
NOTHING, LEARNED = "interests, nothing carried", "interests, learned kappa"
FIXED = (1.0, 10.0, 100.0)
N = 10
METHOD = {
    ALONE: "the path of palate recommend without a model, there, for an account of which nothing is known",
    LINKED: "the same after palate link with the person's account on the known platform",
    NOTHING: "items of the new platform by popularity times the mean over their tags of interest against prior;"
    " with the prior alone that is the order of popularity",
    LEARNED: "the same with kappa times the mean interest on the known platform in the prior, kappa as learned",
    "interests, kappa N": "the same with N in place of what was learned",
    "people": "half of them, by a hash of their name, are known on both platforms: popularity, behaviour and kappa are"
    " learned from these alone; the other half are judged, with all that they like on the new platform held out",
}

Show = Callable[[int, int], None]


@dataclass(frozen=True)
class Found:
    """The figures of one split. `kappa` is what was learned, from so many `learned_from` people; None: nothing."""

    how: str
    items: Mapping[str, int]
    people: int
    teachers: int
    kappa: float
    learned_from: int | None
    rows: Mapping[str, Mapping[str, Estimate]]
    comparisons: Sequence[Comparison]

    def as_json(self) -> dict[str, object]:
        """One entry of `splits` in the documented JSON shape of `palate eval platforms --json`."""
        return {
            "split": self.how,
            "items": dict(self.items),
            "people": self.people,
            "teachers": self.teachers,
            "kappa": self.kappa,
            "learned_from": self.learned_from,
            "systems": [
                {"system": name, "metrics": {metric: asdict(value) for metric, value in row.items()}}
                for name, row in self.rows.items()
            ],
            "comparisons": [pair.as_row(HEADLINE) for pair in self.comparisons],
        }


def measured(split: Split, how: str, settings: Settings, show: Show) -> Found:
    """The figures, in a data folder of its own that vanishes in the end. Raises as `Parts` does."""
    orders: dict[str, dict[str, Sequence[str]]] = {}
    with _opened(split, settings) as parts:
        learned = transfers(parts.store).get((KNOWN, NEW))
        worth = kappa(parts, KNOWN, NEW)
        for done, user_id in enumerate(split.judged):
            show(done, len(split.judged))
            for name, order in _orders(parts, user_id, worth):
                orders.setdefault(name, {})[user_id] = order
    relevant = {user_id: split.liked[user_id] for user_id in split.judged}
    values: dict[str, PerCase] = {name: per_case(given, relevant, METRICS) for name, given in orders.items()}
    people = list(split.judged)
    pairs = [(LINKED, ALONE), (LEARNED, NOTHING), *((LEARNED, fixed(value)) for value in FIXED)]
    rows = {
        name: {metric: estimate(list(value[metric].values()), within=UNIT, clusters=people) for metric in METRICS}
        for name, value in values.items()
    }
    held = {name: sum(item.platform == name for item in split.items.values()) for name in (KNOWN, NEW)}
    from_people = learned.people if learned else None
    compared = compare(pairs, values, people)
    return Found(how, held, len(people), len(split.teachers), worth, from_people, rows, compared)


def fixed(value: float) -> str:
    """What a system with a fixed kappa is called."""
    return f"interests, kappa {value:g}"


@contextmanager
def _opened(split: Split, settings: Settings) -> Iterator[Parts]:
    with apart(settings.model_copy(update={"platforms": {}})) as own, closing(Parts(own)) as parts:
        parts.store.put_items(split.items.values())
        parts.store.put_events(split.events())
        learn_now(parts)
        _ = parts.fresh_index
        yield parts


def _orders(parts: Parts, user_id: str, worth: float) -> Iterator[tuple[str, list[str]]]:
    """What each system gives a person, best first; in the end their accounts are linked."""
    people, known, new = People(parts), account(KNOWN, user_id), account(NEW, user_id)
    yield ALONE, _path(parts, new)
    against, means = background_on(parts, NEW), people.interests(known, platform=KNOWN).means
    shelf = [item for item in parts.items if item.platform == NEW]
    for name, value in {NOTHING: 0.0, LEARNED: worth, **{fixed(value): value for value in FIXED}}.items():
        shares = carried(against, [(means, value)]).prior
        yield name, _by_interest(shelf, against.prior, shares)
    people.link(known, new)
    yield LINKED, _path(parts, new)


def _path(parts: Parts, user_id: str) -> list[str]:
    """The first items of the recommender's path on the new platform, without a model."""
    person = person_of(parts, user_id)
    found = recall(parts, person, None, parse_where(f"platform={NEW}"), N)
    ranker, _ = ranker_of(parts, llm=False)
    ranked = ranker.rank(person.taste, items_of(parts.store, found), None, Deadline.never())
    return [place.item.item_id for place in ranked.places[:N]]


def _by_interest(shelf: Sequence[Item], prior: Mapping[str, float], shares: Mapping[str, float]) -> list[str]:
    scores = {item.item_id: (item.popularity or 0.0) * _liking(item, prior, shares) for item in shelf}
    return sorted(scores, key=lambda item_id: (-scores[item_id], item_id))[:N]


def _liking(item: Item, prior: Mapping[str, float], shares: Mapping[str, float]) -> float:
    """How much likelier the item's tags are for the person than in the catalogue, on average; 1 without tags."""
    ratios = [shares[tag] / prior[tag] for tag in dict.fromkeys(item.tags) if tag in prior]
    return sum(ratios) / len(ratios) if ratios else 1.0
