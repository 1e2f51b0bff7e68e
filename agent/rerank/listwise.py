"""Rank by asking a chat model to put short labels in order: not titles or ids, so it can name nothing we did not show.

More candidates than fit one prompt go through a window that slides from the last to the first: each window is put in
order in place, and its better half meets the next. Source: Sun et al., "Is ChatGPT Good at Search?" (RankGPT, EMNLP
2023). One pass finds the best few; it does not sort the whole list.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Sequence

from agent.deadline import Deadline
from agent.errors import ConfigError, ModelError, PalateError, PromptError
from agent.llm.base import Model
from agent.rerank.base import Ranking
from agent.rerank.prompted import degradation, recent
from agent.rerank.reply import Parsed, permutation_from
from agent.rerank.windows import scores_of, windows
from agent.types import Degradation, Item
from prompts import Prompt

HISTORY = 20  # the newest items of the history that the prompt shows, at least
WINDOW = 30
STRIDE = 15
SMALLEST_WINDOW = 6  # a prompt that is too long is halved down to this many candidates


class Listwise:
    """The reranker for models that chat: one prompt for `window` candidates, moved by `stride` where there are more.

    Raises ConfigError unless 0 < stride < window: windows must overlap, or no candidate could climb.
    """

    name = "listwise"

    def __init__(
        self, model: Model, prompt: Prompt, *, noun: str = "titles", window: int = WINDOW, stride: int = STRIDE
    ) -> None:
        if not 0 < stride < window:
            raise ConfigError(f"a window of {window} cannot move by {stride}", "Choose 0 < stride < window")
        self._model = model
        self._prompt = prompt
        self._noun = noun
        self._window = window
        self._stride = stride

    def precompute(self, items: Sequence[Item], deadline: Deadline) -> None:
        """Nothing: what a reply says is about one person. See `Reranker.precompute`."""

    def rank(
        self, history: Sequence[Item], candidates: Sequence[Item], wish: str | None, deadline: Deadline
    ) -> Ranking:
        """For each candidate, how many others it is placed above; see `Reranker.rank`.

        Scores run from 0 to n - 1, in steps of 1 where the model named every label. Candidates it left out keep the
        prior's order among themselves, below those it named, and those that stand side by side tie: each counts half
        a win over the others. A reply that names fewer than half of its labels is a degradation, and what it does name
        still counts. A model that fails has no opinion (all scores equal), as has one with fewer than two candidates
        or with neither history nor wish to go by; these two do not ask it. `counts`: calls (also those that failed),
        named, missing, foreign, repeated labels, tokens_in, tokens_out.
        """
        counts = Counter(calls=0, named=0, missing=0, foreign=0, repeated=0, tokens_in=0, tokens_out=0)
        if len(candidates) < 2 or not (history or (wish or "").strip()):
            return self._ranking(range(len(candidates)), (), counts)
        window = min(self._window, len(candidates))
        while True:
            try:
                return self._slide(history, candidates, wish, deadline, window, counts)
            except PromptError as error:
                if window // 2 < SMALLEST_WINDOW:
                    return self._no_opinion(len(candidates), error, counts)
                window //= 2
            except ModelError as error:
                return self._no_opinion(len(candidates), error, counts)

    def _slide(
        self,
        history: Sequence[Item],
        candidates: Sequence[Item],
        wish: str | None,
        deadline: Deadline,
        window: int,
        counts: Counter[str],
    ) -> Ranking:
        prefix = self._prompt.prefix(noun=self._noun, history=recent(history, HISTORY), wish=(wish or "").strip())
        order = list(range(len(candidates)))
        placed: set[int] = set()
        poor: list[Parsed] = []
        for start, end in windows(len(order), window, max(1, self._stride * window // self._window)):
            shown = order[start:end]
            parsed = self._ask(prefix, [candidates[i] for i in shown], deadline, counts)
            order[start:end] = [shown[place] for place in parsed.order]
            placed.difference_update(shown)
            placed.update(order[start : start + parsed.named])
            if parsed.named * 2 < len(shown):
                poor.append(parsed)
        return self._ranking(order, placed, counts, self._complaint(poor))

    def _ask(self, prefix: str, shown: Sequence[Item], deadline: Deadline, counts: Counter[str]) -> Parsed:
        n = len(shown)
        suffix = self._prompt.candidate(candidates=shown)
        counts["calls"] += 1
        reply = self._model.complete(prefix, [suffix], deadline, max_tokens=64 + 8 * n, schema=order_schema(n))[0]
        parsed = permutation_from(reply.text, n)
        counts.update(
            named=parsed.named,
            missing=parsed.missing,
            foreign=parsed.foreign,
            repeated=parsed.repeated,
            tokens_in=reply.tokens_in,
            tokens_out=reply.tokens_out,
        )
        return parsed

    def _complaint(self, poor: Sequence[Parsed]) -> str:
        if not poor:
            return ""
        named, asked = sum(p.named for p in poor), sum(len(p.order) for p in poor)
        return f"{self._model.name} named {named} of the {asked} candidates it was to rank; the rest keep their order"

    def _no_opinion(self, n: int, error: PalateError, counts: Counter[str]) -> Ranking:
        return self._ranking(range(n), (), counts, degradation(error, self._prompt).reason)

    def _ranking(
        self, order: Sequence[int], placed: Collection[int], counts: Counter[str], reason: str = ""
    ) -> Ranking:
        degraded = (Degradation(stage="rerank", reason=reason),) if reason else ()
        prompts = {self._prompt.name: self._prompt.fingerprint}
        return Ranking(scores_of(order, placed), degraded, prompts, dict(counts))


def order_schema(n: int) -> dict[str, object]:
    """The JSON schema of a reply: an object whose `order` holds n labels of 1..n (that none repeats, it cannot say)."""
    label = {"type": "integer", "enum": list(range(1, n + 1))}
    order = {"type": "array", "items": label, "minItems": n, "maxItems": n}
    return {"type": "object", "properties": {"order": order}, "required": ["order"], "additionalProperties": False}
