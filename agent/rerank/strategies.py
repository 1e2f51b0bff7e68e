"""From what `rerank.strategy` says to the reranker that does it on a model."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import prompts
from agent.errors import ConfigError
from agent.llm.base import Ability, Model
from agent.rerank.arranged import Arranged
from agent.rerank.base import Reranker
from agent.rerank.combined import Cascaded, Summed
from agent.rerank.expression import Cascade, Expression, Named, Sum, parse
from agent.rerank.first_token import FirstToken
from agent.rerank.likelihood import Likelihood
from agent.rerank.listwise import Listwise
from agent.rerank.pairwise import Pairwise
from agent.rerank.pointwise import Pointwise
from agent.rerank.renown import Renown
from agent.rerank.setwise import Setwise
from agent.store.cache import Cache

NEEDS: dict[str, tuple[Ability, ...]] = {  # any one of these abilities will do, the first that is there is used
    "likelihood": ("score",),
    "renown": ("score",),
    "pointwise": ("choose",),
    "listwise": ("chat", "arrange"),
    "first-token": ("choose",),
    "pairwise": ("choose",),
    "setwise": ("choose",),
}
AUTOMATIC = ("likelihood+renown", "listwise", "pointwise")  # the first that the model can do

_BY_LABELS: dict[str, Callable[..., Reranker]] = {
    "first-token": FirstToken,
    "pairwise": Pairwise,
    "setwise": Setwise,
}


@dataclass(frozen=True, slots=True)
class Workshop:
    """What strategies are made with. `cache` keeps what does not depend on the person; `noun` is what items are.

    `folder` holds prompts that stand in for the built-in ones of the same name.
    """

    model: Model
    cache: Cache
    language: str = "en"
    noun: str = "titles"
    folder: Path | None = None

    def reranker(self, strategy: str) -> Reranker:
        """The reranker of an expression (see `expression`), each part with its own prompt in the language.

        Raises ConfigError: the expression cannot be read, or the model cannot do a part of it, and which strategy it
        can do; PromptError where a prompt is missing or broken.
        """
        return self._made(parse(strategy))

    def _made(self, wanted: Expression) -> Reranker:
        match wanted:
            case Named(name):
                return self._made(parse(self._automatic())) if name == "auto" else self._one(name)
            case Sum(terms):
                parts = [(weight, self._made(term)) for weight, term in terms]
                return Summed(str(wanted), parts)
            case Cascade(first, then):
                return Cascaded(str(wanted), self._made(first), self._made(then))

    def _automatic(self) -> str:
        possible = (one for one in AUTOMATIC if all(self._able(name) for name in one.split("+")))
        return next(possible, AUTOMATIC[0])

    def _able(self, name: str) -> bool:
        return not self.model.abilities.isdisjoint(NEEDS[name])

    def _one(self, name: str) -> Reranker:
        if not self._able(name):
            working = [other for other in NEEDS if self._able(other)]
            hint = f"Set rerank.strategy = '{self._automatic()}'" if working else "Choose another model"
            raise ConfigError(f"{self.model.name} cannot do the strategy {name!r}", hint)
        if name == "likelihood":
            return Likelihood(self.model, self._prompt(name), self.cache, noun=self.noun)
        if name == "renown":
            return Renown(self.model, self._prompt(name), self.cache, noun=self.noun)
        if name == "pointwise":
            return Pointwise(self.model, self._prompt(name), self.cache, noun=self.noun)
        if name == "listwise" and "chat" in self.model.abilities:
            return Listwise(self.model, self._prompt(name), noun=self.noun)
        if name == "listwise":
            return Arranged(self.model, self._prompt("arrange"), noun=self.noun)
        return _BY_LABELS[name](self.model, self._prompt(name), noun=self.noun)

    def _prompt(self, task: str) -> prompts.Prompt:
        control = self.model.control_tokens
        return prompts.load(f"rank-{task}", self.language, control_tokens=control, folder=self.folder)
