"""Asks cases with a prompt's body, each body and case once, and keeps what came of it."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory

from agent.errors import ConfigError
from agent.llm.base import Model
from agent.parts.parts import Parts
from agent.rerank.strategies import Workshop
from agent.settings import Settings
from agent.types import Item
from eval.cases import Case
from eval.metrics import HEADLINE, per_case
from eval.optimising.subject import Subject
from eval.probe.asking import Answer, Asker, Question, Strategy
from eval.rankers import about_model, patience_s
from eval.runs import Told
from eval.systems import Order


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a prompt made of a case: the order, its NDCG@10 (0 where there is none), and why it failed, if it did."""

    case_id: str
    order: Order
    ndcg: float
    failed: str = ""


class Bench:
    """The strategy of a prompt, asked alone. `asker_of` gives the strategy with the prompts of a folder.

    `asked` counts the questions that were put to it; what was asked before is not asked again.
    """

    def __init__(
        self, subject: Subject, items: Mapping[str, Item], folder: Path, asker_of: Callable[[Path], Asker]
    ) -> None:
        self.subject = subject
        self.items = items
        self.folder = folder
        self.asked = 0
        self.degraded: Counter[str] = Counter()
        self._asker_of = asker_of
        self._kept: dict[tuple[str, str], Outcome] = {}

    def outcomes(self, body: str, cases: Sequence[Case]) -> list[Outcome]:
        """What the prompt with this body makes of each case, in their order.

        Raises ConfigError when the model ranks with another prompt than this one.
        """
        mark = hashlib.sha256(body.encode()).hexdigest()
        new = [case for case in cases if (mark, case.case_id) not in self._kept]
        if new:
            asker = self._asker_of(self.subject.written(body, self.folder / mark[:16]))
            for case in new:
                self._kept[mark, case.case_id] = self._outcome(asker, case)
        return [self._kept[mark, case.case_id] for case in cases]

    def _outcome(self, asker: Asker, case: Case) -> Outcome:
        history, candidates = (tuple(self.items[i] for i in ids) for ids in (case.history, case.candidates))
        answer = asker.ask(Question(history, candidates, case.wish), case.case_id)
        self.asked += 1
        self._check(answer)
        if answer.degraded:
            self.degraded[answer.degraded] += 1
        found = per_case({case.case_id: answer.order}, {case.case_id: case.relevant}, (HEADLINE,))
        return Outcome(case.case_id, answer.order, found[HEADLINE][case.case_id], answer.degraded)

    def _check(self, answer: Answer) -> None:
        if answer.prompts and self.subject.name not in answer.prompts:
            used = ", ".join(answer.prompts)
            raise ConfigError(f"the model ranks with {used}, not with {self.subject.name}", f"Optimise {used}")


@dataclass(frozen=True)
class OpenedBench:
    """A bench ready to be asked, the facts of its model, and the model that may write proposals, if there is one."""

    bench: Bench
    model: Mapping[str, object]
    writer: Model | None = None


@contextmanager
def open_bench(
    subject: Subject, items: Mapping[str, Item], settings: Settings, proposer: str | None, told: Told
) -> Iterator[OpenedBench]:
    """The prompt's strategy on the model of the settings. `proposer` is a reference to the model that writes proposals.

    Without one, the model of the settings writes them where it is behind an endpoint. Raises ModelError when a model
    cannot be opened, ConfigError when it cannot do the strategy, or cannot write.
    """
    rerank = settings.rerank.model_copy(update={"strategy": subject.strategy})
    settings = settings.model_copy(update={"rerank": rerank, "language": subject.language, "prompts": None})
    with ExitStack() as stack:
        parts = stack.enter_context(closing(Parts(settings, told=told)))
        folder = Path(stack.enter_context(TemporaryDirectory(prefix="palate-optimize-")))
        about = about_model(parts)
        workshop = Workshop(parts.model, parts.cache, settings.language, settings.noun)

        def _asker(prompts: Path) -> Asker:
            return Strategy(replace(workshop, folder=prompts), subject.strategy, about, patience_s(settings))

        writer = _writer(stack, parts, proposer, told)
        yield OpenedBench(Bench(subject, items, folder, _asker), about, writer)


def _writer(stack: ExitStack, parts: Parts, proposer: str | None, told: Told) -> Model | None:
    if proposer is None:
        is_remote = parts.settings.model.reference.startswith("openai:")
        return parts.model if is_remote and "chat" in parts.model.abilities else None
    model = parts.settings.model.model_copy(update={"reference": proposer, "sha256": None})
    own = stack.enter_context(closing(Parts(parts.settings.model_copy(update={"model": model}), told=told)))
    if "chat" not in own.model.abilities:
        raise ConfigError(f"{proposer} does not follow instructions", "Give --proposer a chat model, or leave it out")
    return own.model
