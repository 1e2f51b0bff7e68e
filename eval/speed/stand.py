"""What the rows of one run share: the settings, the model file, and each engine over it, opened when first needed."""

from __future__ import annotations

import math
from collections.abc import Callable
from contextlib import ExitStack, closing
from pathlib import Path

import prompts
from agent.deadline import Deadline
from agent.errors import ConfigError, ModelUnavailable
from agent.llm.files.gguf import read_sizes
from agent.llm.local.llama import Llama
from agent.llm.registry import open_model
from agent.once import once
from agent.parts.workshop import workshop
from agent.rerank.base import Reranker
from agent.settings import Settings
from agent.store.cache import Cache
from eval.runs import Told
from eval.speed.asked import Asked, Listener
from eval.speed.bindings import Bindings, Limit
from eval.speed.figures import Shape
from eval.speed.questions import Question
from eval.speed.server import LlamaServer, Serving

SERVER_TOKENS = 4096  # for each slot
LONGEST_REPLY = 512  # tokens after which llama-server ends a reply that goes nowhere


class Stand:
    """Every engine reads the same file with the same number of threads. Close it when the run is over.

    Raises ConfigError where the settings name no model file, ModelUnavailable where it cannot be loaded.
    """

    def __init__(self, settings: Settings, told: Told) -> None:
        self.settings = settings
        self._open = ExitStack()
        model = open_model(settings, progress=told)
        if not isinstance(model, Llama):
            model.close()
            raise ConfigError(f"{model.name} is a model of a server", "Speed is measured on a model file: give --model")
        self.engine: Llama = self._open.enter_context(closing(model))
        self.cache = Cache(None)
        self._open.callback(self.cache.close)
        self._asked: dict[tuple[str, ...], Asked] = {}

    def close(self) -> None:
        """Close every engine that was opened."""
        self._open.close()

    @property
    def path(self) -> Path:
        """The model file."""
        return self.engine.path.resolve()

    @property
    def n_gpu_layers(self) -> int:
        """Layers for a GPU, as our engine was asked; the same for all."""
        return self.engine.options.n_gpu_layers

    @once
    def shape(self) -> Shape:
        """The sizes of the model."""
        sizes = read_sizes(self.path)
        return Shape(sizes.body, sizes.vocabulary, sizes.width, sizes.layers, sizes.heads * sizes.head_size)

    @once
    def bindings(self) -> Bindings:
        """The bindings as people use them."""
        bindings = Bindings(self.path, threads=self.engine.threads, n_gpu_layers=self.n_gpu_layers)
        return self._open.enter_context(closing(bindings))

    @once
    def limit(self) -> Limit:
        """llama.cpp bare."""
        limit = Limit(self.path, threads=self.engine.threads, n_gpu_layers=self.n_gpu_layers)
        return self._open.enter_context(closing(limit))

    @once
    def server(self) -> LlamaServer:
        """llama-server with one slot."""
        return self._serving(1)

    @once
    def wide_server(self) -> LlamaServer:
        """llama-server with four slots."""
        return self._serving(4)

    def _serving(self, slots: int) -> LlamaServer:
        serving = Serving(
            str(self.path), SERVER_TOKENS * slots, slots, self.engine.threads, self.n_gpu_layers, LONGEST_REPLY
        )
        return self._open.enter_context(LlamaServer(serving))

    def at_close(self, close: Callable[[], None]) -> None:
        """Do this too when the stand closes, before what was opened earlier is closed."""
        self._open.callback(close)

    def reranker(self, strategy: str, cache: Cache | None = None) -> Reranker:
        """Palate's own reranker, made as `rerank.strategy` makes it; with a cache of its own where one is given."""
        return workshop(self.engine, cache or self.cache, self.settings).reranker(strategy)

    def asked(self, strategy: str, question: Question) -> Asked:
        """What the strategy asks the model about this question. Raises ModelUnavailable where it asks nothing."""
        key = (strategy, question.name, *(item.item_id for item in question.candidates))
        if key not in self._asked:
            listener = Listener(self.engine)
            with closing(Cache(None)) as cache:
                made = workshop(listener, cache, self.settings).reranker(strategy)
                made.rank(question.history, question.candidates, None, Deadline(math.inf))
            call = listener.main_call()
            if call is None:
                raise ModelUnavailable(f"the strategy {strategy} asked the model nothing about {question.name}")
            self._asked = {**dict(list(self._asked.items())[-8:]), key: call}
        return self._asked[key]

    def prompt(self, task: str) -> prompts.Prompt:
        """A prompt of Palate, for this model."""
        s, control = self.settings, self.engine.control_tokens
        return prompts.load(task, s.language, control_tokens=control, folder=s.prompts)
