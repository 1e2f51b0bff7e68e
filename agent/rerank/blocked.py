"""What strategies share that show candidates in labelled blocks, several times each in other company and order."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence

from agent.deadline import Deadline
from agent.errors import ConfigError
from agent.llm.base import Model
from agent.rerank.labels import LABELS, bias_extras, chosen
from agent.rerank.presentations import Block, windows_of
from agent.rerank.prompted import Opinion, Prompted, with_rest
from agent.rerank.slots import item_scores, position_bias
from agent.types import Item
from prompts import Prompt

DEPTH = 100


class Blocked(Prompted):
    """The best `depth` candidates by the prior in blocks of at most `size` (2 to 26), each `times` times.

    The rest tie below them. Which stand together, and in which order, follows from the seed and the item ids. `counts`:
    calls, blocks, unseen (the rest). `extras`: `bias.A`, `bias.B`, ...: the position bias of each slot on this
    ranking, in the unit of the scores (see `position_bias`). Raises ConfigError for a size that labels do not reach.
    """

    def __init__(
        self, model: Model, prompt: Prompt, *, noun: str, times: int, size: int, depth: int = DEPTH, seed: int = 0
    ) -> None:
        super().__init__(model, prompt, noun=noun)
        if not 2 <= size <= len(LABELS):
            raise ConfigError(f"{size} candidates cannot be shown together", f"Choose 2 to {len(LABELS)}")
        self._times = times
        self._size = size
        self._depth = depth
        self._seed = seed

    def _opinion(self, prefix: str, candidates: Sequence[Item], deadline: Deadline) -> Opinion:
        shown = candidates[: self._depth]
        blocks = self._blocks([item.item_id for item in shown])
        values, calls = self._values(prefix, shown, blocks, deadline)
        scores = with_rest(item_scores(blocks, values, len(shown)), len(candidates))
        counts = {"calls": calls, "blocks": len(blocks), "unseen": len(candidates) - len(shown)}
        return Opinion(scores, counts, bias_extras(position_bias(values)))

    @abstractmethod
    def _blocks(self, ids: Sequence[str]) -> list[Block]:
        """The blocks to show, over candidates that are given best first by the prior."""

    def _values(
        self, prefix: str, shown: Sequence[Item], blocks: Sequence[Block], deadline: Deadline
    ) -> tuple[list[tuple[float, ...]], int]:
        """What the model gives each slot of each block, and in how many calls."""
        return chosen(self._model, self._prompt, prefix, shown, blocks, deadline), 1


class Windowed(Blocked):
    """The candidates in windows: `window` is the most that are shown together.

    More candidates are dealt over windows that all hold the same mix of the prior's good and bad (see `windows_of`), so
    that scores around each window's mean compare.
    """

    def __init__(
        self,
        model: Model,
        prompt: Prompt,
        *,
        noun: str = "titles",
        times: int = 4,
        window: int = 20,
        depth: int = DEPTH,
        seed: int = 0,
    ) -> None:
        super().__init__(model, prompt, noun=noun, times=times, size=window, depth=depth, seed=seed)

    def _blocks(self, ids: Sequence[str]) -> list[Block]:
        return windows_of(ids, self._size, self._times, self._seed)
