"""Writers: each decides, token by token, how one text goes on, and tells what stands of it."""

from __future__ import annotations

import codecs
from collections.abc import Callable, Sequence
from typing import Literal

import numpy as np

from agent.llm.base import Sampling
from agent.llm.local.grammar import Grammar
from agent.llm.local.logits import Row
from agent.llm.local.vocabulary import Vocabulary

OnPiece = Callable[[str], bool]  # a piece of the text -> go on?
SEPARATOR = ","  # between labels


class Text:
    """A text in free words: drawn by `sampling`, within a grammar if there is one, cut at the first stop string.

    `on_piece` hears what stands: whole characters, and nothing that may yet turn out to be part of a stop string.
    `finish_reason` and `tokens` are as in `Completion`.
    """

    def __init__(
        self,
        vocabulary: Vocabulary,
        *,
        max_tokens: int,
        stop: Sequence[str] = (),
        sampling: Sampling = Sampling(),  # noqa: B008 - frozen
        grammar: Grammar | None = None,
        on_piece: OnPiece | None = None,
    ) -> None:
        self.tokens = 0
        self.finish_reason: Literal["stop", "length", "cancelled"] = "length"
        self._vocabulary = vocabulary
        self._max_tokens = max_tokens
        self._stop = [s.encode("utf-8", "surrogatepass") for s in stop if s]
        self._sampling = sampling
        self._chance = np.random.default_rng(sampling.seed)
        self._grammar = grammar
        self._on_piece = on_piece
        self._raw = b""
        self._told = 0
        self._decoder = codecs.getincrementaldecoder("utf-8")("ignore")

    @property
    def text(self) -> str:
        """What has been written, without the stop string."""
        return self._raw.decode("utf-8", "ignore")

    def next(self, logits: Row) -> Sequence[int]:
        """See `Writer.next`: the token drawn, none at the end of the text."""
        token = self._draw(logits)
        piece = self._vocabulary.piece(token) if token is not None else None
        if token is None or piece is None:
            return self._end("stop")
        self.tokens += 1
        self._raw += piece
        cut = min((at for s in self._stop if (at := self._raw.find(s)) >= 0), default=-1)
        if cut >= 0:
            self._raw = self._raw[:cut]
            return self._end("stop")
        if self.tokens == self._max_tokens:
            return self._end("length")
        if not self._tell(len(self._raw) - self._doubtful()):
            return self._end("cancelled")
        return (token,)

    def _draw(self, logits: Row) -> int | None:
        """The next token; None where the grammar allows none."""
        if self._grammar is None:
            return drawn(logits, self._sampling, self._chance)
        logits = self._grammar.masked(logits)
        if not np.isfinite(logits).any():
            return None
        token = drawn(logits, self._sampling, self._chance)
        if self._vocabulary.piece(token) is not None:
            self._grammar.accept(token)
        return token

    def _doubtful(self) -> int:
        """How many bytes at the end may be the beginning of a stop string."""
        most = max((len(s) - 1 for s in self._stop), default=0)
        sizes = range(min(most, len(self._raw)), 0, -1)
        return next((n for n in sizes if any(s.startswith(self._raw[-n:]) for s in self._stop)), 0)

    def _tell(self, until: int) -> bool:
        """Tell what stands up to that byte; whether to go on."""
        if self._on_piece is None or until <= self._told:
            return True
        piece = self._decoder.decode(self._raw[self._told : until])
        self._told = until
        return not piece or self._on_piece(piece)

    def _end(self, reason: Literal["stop", "length", "cancelled"]) -> tuple[int, ...]:
        self.finish_reason = reason
        if reason != "cancelled":
            self._tell(len(self._raw))
        return ()


class Arrangement:
    """All labels in an order: always the likeliest of those not named yet. `order` are their places, so far.

    `labels` and `separator` are tokens. Equally likely labels keep the order given.
    """

    def __init__(self, labels: Sequence[int], separator: Sequence[int]) -> None:
        self.order: list[int] = []
        self._labels = np.asarray(labels, dtype=np.int64)
        self._left = np.ones(len(labels), dtype=np.bool_)
        self._separator = separator

    @staticmethod
    def room(n_labels: int, separator: Sequence[int]) -> int:
        """How many tokens it writes at most."""
        return max(1, (n_labels - 1) * (1 + len(separator)))

    def next(self, logits: Row) -> Sequence[int]:
        """See `Writer.next`: the label chosen and the separator; none when one label is left, which is the last."""
        chosen = int(np.argmax(np.where(self._left, logits[self._labels], -np.inf)))
        self._left[chosen] = False
        self.order.append(chosen)
        if self._left.sum() < 2:
            self.order.extend(int(n) for n in np.flatnonzero(self._left))
            return ()
        return (int(self._labels[chosen]), *self._separator)


def drawn(logits: Row, sampling: Sampling, chance: np.random.Generator) -> int:
    """The next token: the likeliest at temperature 0 (the first of equals), else one drawn by the Gumbel-max trick.

    The largest of log-probability plus Gumbel noise is a fair draw, and stays the same where logits differ in their
    last bits, as they do with what else is in the cache (Maddison et al., "A* Sampling", NIPS 2014).
    """
    if sampling.temperature <= 0:
        return int(np.argmax(logits))
    scaled = (logits.astype(np.float64) - float(logits.max())) / sampling.temperature
    noise = chance.gumbel(size=len(scaled))
    if sampling.top_p < 1:
        chances = np.exp(scaled)
        likeliest = np.argsort(-chances, kind="stable")
        kept = int(np.searchsorted(np.cumsum(chances[likeliest]), sampling.top_p * chances.sum())) + 1
        scaled[likeliest[kept:]] = -np.inf
    return int(np.argmax(scaled + noise))
