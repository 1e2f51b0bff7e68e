"""What all routes share: the recommender, its conversations, the lane to the model, and how answers are waited for."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, TypeVar

from starlette.requests import Request

from agent.errors import PalateError
from agent.llm.remote.breaker import Breaker, Standing
from agent.parts.reopening import open_model_again
from agent.path.stages import make_ready
from agent.recommender import Recommender
from agent.serve.callers import Caller, Door
from agent.serve.lane import Answer, Lane
from agent.serve.meters import Meters
from agent.serve.streams import heard_out
from agent.settings import Settings

if TYPE_CHECKING:
    from agent.converse.conversations import Conversations

T = TypeVar("T")

OPENING_S = 86_400.0  # a model may have to be fetched first
AGAIN_S = 60.0


@dataclass
class Serving:
    """One server's parts. `opened` once model and index were, or could not be: then `trouble` says why.

    A model that could not be opened may be tried again after `again_s`, or 20 times as long as it took to fail: answers
    wait meanwhile.
    """

    recommender: Recommender
    conversations: Conversations
    lane: Lane
    meters: Meters
    door: Door
    opened: bool = False
    trouble: PalateError | None = None
    again_s: float = AGAIN_S
    _opening: bool = field(default=False, repr=False)
    _again_at: float = field(default=0.0, repr=False)

    @property
    def settings(self) -> Settings:
        """All settings."""
        return self.recommender.settings

    @property
    def llm(self) -> bool:
        """Whether the language model takes part."""
        return self.settings.serve.llm

    def time_s(self, asked: float | None) -> float:
        """The seconds that an answer may take: what is asked for, at most what the settings allow."""
        most = self.settings.serve.timeout_s
        return most if asked is None else min(asked, most)

    def pieces(self, work: Callable[[float], Iterator[T]], timeout_s: float | None = None) -> Answer[T]:
        """What the work gives piece by piece when its turn comes. Raises Overloaded."""
        return self.lane.answer(lambda left_s: self._begun(work, left_s), self.time_s(timeout_s))

    def _begun(self, work: Callable[[float], Iterator[T]], left_s: float) -> Iterator[T]:
        _ = self.fresh
        return work(left_s)

    async def one(self, request: Request, work: Callable[[float], T], timeout_s: float | None = None) -> T:
        """What the work gives when its turn comes. Raises Overloaded, and Left where the client has gone."""
        return await heard_out(self.pieces(lambda left_s: iter([work(left_s)]), timeout_s), request.receive)

    @property
    def model_trouble(self) -> PalateError | None:
        """Why no model answers, where one should; None while none was opened. Opens nothing."""
        try:
            _ = self.recommender.model if self.llm and self.opened else None
        except PalateError as error:
            return error
        return None

    @property
    def breaker(self) -> Standing | None:
        """How the breaker of the endpoint stands; None where no endpoint is open. Opens nothing."""
        if not (self.llm and self.opened) or self.model_trouble:
            return None
        found: Breaker | None = getattr(self.recommender.model, "breaker", None)
        return found.standing if found else None

    @property
    def model_tokens(self) -> Mapping[str, int]:
        """The tokens that the model took so far; nothing while none is open. Opens nothing."""
        if not (self.llm and self.opened) or self.model_trouble:
            return {}
        model = self.recommender.model
        used = getattr(model, "used", None)  # an endpoint counts what replies said; a local model what it decoded
        return {"decoded": getattr(model, "tokens_decoded", 0)} if used is None else {k: used[k] for k in ("in", "out")}

    @property
    def may_open(self) -> bool:
        """Whether something could not be opened that may be tried again by now."""
        return self.trouble is not None or (self.model_trouble is not None and time.monotonic() >= self._again_at)

    async def open(self) -> None:
        """Open what the first answer would wait for, in the lane, and keep what went wrong; once at a time."""
        if self._opening:
            return
        self._opening = True
        try:
            async for _ in self.lane.answer(self._open, OPENING_S, usual=False):
                pass
        except PalateError as error:
            self.trouble = error
        finally:
            self._opening = False

    def _open(self, _left_s: float) -> Iterator[None]:
        began = time.monotonic()
        try:
            parts = self.fresh.parts
            if self.model_trouble is not None and began >= self._again_at:
                open_model_again(parts)
            make_ready(parts, self.llm)
            _ = parts.reader, parts.background, parts.embedder.queries(["a film"])  # the first one loads its weights
            self.trouble = None
        except PalateError as error:
            self.trouble = error
        self.opened = True
        if self.model_trouble is not None and began >= self._again_at:
            ended = time.monotonic()
            self._again_at = ended + max(self.again_s, 20 * (ended - began))
        yield None

    @property
    def fresh(self) -> Recommender:
        """The recommender, which knows of a catalogue or an index that another process changed."""
        self.recommender.parts.heed()
        return self.recommender


def serving(request: Request) -> Serving:
    """The parts of the server that got this request."""
    found: Serving = request.app.state.serving
    return found


def caller(request: Request) -> Caller:
    """Whoever sent it."""
    found: Caller = request.state.caller
    return found
