"""How many tokens a strategy takes for a case, told without a model: it asks one that only weighs what it is asked.

Tokens are guessed at four bytes of text each, which is about right for English and for Chinese; what is written counts
as the most that may be written. So a plan tells about what a run costs at most.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

from agent.deadline import Deadline
from agent.llm.base import GREEDY, Ability, Completion, OnText, Sampling, Score
from agent.parts.workshop import workshop
from agent.settings import Settings
from agent.store.cache import Cache
from agent.types import Item
from eval.cases import Case, DataSet
from eval.plan.prices import IN, OUT, REMOTE

BYTES_A_TOKEN = 4
WEIGHED = 20  # cases of a cell
AT_SERVERS: frozenset[Ability] = frozenset({"chat", "choose"})
AT_HOME: frozenset[Ability] = frozenset({"score", "choose", "arrange", "continue", "chat"})


class Scales:
    """A `Model` that answers nothing worth reading, and counts in `used` the tokens that a real one would take.

    A server (`remote`) is sent the prefix with every suffix; a local model reads it once.
    """

    control_tokens: tuple[str, ...] = ()

    def __init__(self, *, remote: bool) -> None:
        self.name = self.fingerprint = "scales"
        self.abilities = AT_SERVERS if remote else AT_HOME
        self.used = Counter[str]()
        self._remote = remote

    def score(self, prefix: str, continuations: Sequence[str], deadline: Deadline) -> list[Score]:  # noqa: ARG002
        """See `Model.score`: all alike."""
        self._weigh(prefix, continuations, 0)
        return [Score(-1.0, _tokens(text)) for text in continuations]

    def choose(
        self,
        prefix: str,
        suffixes: Sequence[str],
        options: Sequence[Sequence[str]],
        deadline: Deadline,  # noqa: ARG002
    ) -> list[tuple[float, ...]]:
        """See `Model.choose`: all alike."""
        self._weigh(prefix, suffixes, 1)
        return [tuple(-math.log(len(options)) for _ in options) for _ in suffixes]

    def arrange(
        self,
        prefix: str,
        suffixes: Sequence[str],
        labels: Sequence[str],
        deadline: Deadline,  # noqa: ARG002
    ) -> list[tuple[int, ...]]:
        """See `Model.arrange`: as they were given."""
        self._weigh(prefix, suffixes, len(labels))
        return [tuple(range(len(labels))) for _ in suffixes]

    def complete(
        self,
        prefix: str,
        suffixes: Sequence[str],
        deadline: Deadline,  # noqa: ARG002
        *,
        max_tokens: int,
        stop: Sequence[str] = (),  # noqa: ARG002
        schema: dict[str, object] | None = None,  # noqa: ARG002
        sampling: Sampling = GREEDY,  # noqa: ARG002
        on_text: OnText | None = None,  # noqa: ARG002
    ) -> list[Completion]:
        """See `Model.complete`: a text that says nothing, and weighs as much as it may."""
        self._weigh(prefix, suffixes, max_tokens)
        return [Completion("1", "stop", 0, 0) for _ in suffixes]

    def close(self) -> None:
        """Do nothing."""

    def _weigh(self, prefix: str, suffixes: Sequence[str], written: int) -> None:
        times = len(suffixes) if self._remote else min(1, len(suffixes))
        self.used[IN] += times * _tokens(prefix) + sum(map(_tokens, suffixes))
        self.used[OUT] += written * len(suffixes)


def tokens_a_case(settings: Settings, dataset: DataSet, cases: Iterable[Case]) -> dict[str, float]:
    """The tokens "in" and "out" that a case takes by these settings, the mean of the cases, which are to be few.

    Cases without candidates count as if asked about the first items of the catalogue. Raises PromptError, and
    ConfigError where the model cannot do the strategy.
    """
    scales, n = Scales(remote=settings.model.reference.startswith(REMOTE)), 0
    with TemporaryDirectory(prefix="palate-eval-") as folder, Cache(Path(folder) / "weighed.sqlite") as cache:
        reranker = workshop(scales, cache, settings).reranker(settings.rerank.strategy)
        for case in cases:
            history = [dataset.items[item_id] for item_id in case.history or case.mentioned or _met(dataset, case)]
            reranker.rank(history, _shown(dataset, case, settings), case.wish or _said(case), Deadline.never())
            n += 1
    return {kind: used / max(1, n) for kind, used in scales.used.items()}


def _met(dataset: DataSet, case: Case) -> list[str]:
    """What the events tell of a person whose case tells nothing, oldest first."""
    past = dataset.past
    return list(dict.fromkeys(past.items[past.acts.item[n]] for n in past.places(case.user_id).tolist()))


def _shown(dataset: DataSet, case: Case, settings: Settings) -> list[Item]:
    ids = case.candidates or list(dataset.items)[: settings.recall.n_candidates]
    return [dataset.items[item_id] for item_id in ids]


def _said(case: Case) -> str | None:
    from eval.tasks.converse import wish_of

    return wish_of(case.messages) or None


def _tokens(text: str) -> int:
    return math.ceil(len(text.encode("utf-8", "replace")) / BYTES_A_TOKEN)
