"""Cases and a model with which the words of a prompt matter, so that a search for better ones can find them."""

from __future__ import annotations

from pathlib import Path

from agent.llm.base import Model
from agent.llm.scripted import Scripted
from agent.rerank.strategies import Workshop
from agent.store.cache import Cache
from agent.types import Item
from eval.cases import Case
from eval.optimising.bench import Bench
from eval.optimising.subject import Subject
from eval.probe.asking import Answer, Asker, Question, Strategy

TAGS = ("Drama", "War", "Comedy", "Horror")
KIND = "the latest first"  # the words that the model is waiting for


def item(n: int) -> Item:
    return Item(item_id=f"i{n}", title=f"Title {n}", tags=(TAGS[n % 4],), attributes={"year": 1980 + n % 30})


ITEMS = {f"i{n}": item(n) for n in range(40)}


def cases_of(n: int, users: int | None = None) -> list[Case]:
    """Cases of people who liked items of one tag, and go on to like the one candidate that has it."""
    made = []
    for at in range(n):
        shown = [(at * 5 + other) % 20 for other in range(4)]
        made.append(
            Case(
                case_id=f"c{at}",
                user_id=f"u{at % (users or n)}",
                relevant=tuple(f"i{one}" for one in shown if one % 4 == at % 4),
                history=tuple(f"i{20 + at % 4 + 4 * other}" for other in range(3)),
                candidates=tuple(f"i{one}" for one in shown),
            )
        )
    return made


def reader(*, moved_by: str = KIND) -> Scripted:
    """A model that understands a history only in a prompt with certain words; else it goes by the length of a line."""

    def scores(text: str, line: str) -> float:
        known = moved_by in text and any(tag in line and f"{tag} (" in text for tag in TAGS)
        return -20.0 + 5 * known - (sum(map(ord, line)) % 7) / 10

    return Scripted(scores=scores)


class Noted:
    """A strategy that notes which cases it is asked."""

    def __init__(self, strategy: Strategy, asked: set[str]) -> None:
        self.strategy, self.asked, self.model = strategy, asked, strategy.model

    def ask(self, question: Question, lot: str) -> Answer:
        self.asked.add(lot)
        return self.strategy.ask(question, lot)


def bench_on(model: Model, subject: Subject, folder: Path, asked: set[str] | None = None) -> Bench:
    def _asker(own: Path) -> Asker:
        workshop = Workshop(model, Cache(None), subject.language, "films", own)
        strategy = Strategy(workshop, subject.strategy, {"reference": "scripted"}, 60.0)
        return Noted(strategy, set() if asked is None else asked)

    return Bench(subject, ITEMS, folder, _asker)
