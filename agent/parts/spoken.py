"""The parts of a request in another language: catalogue and index stay what they are, model and prompts change."""

from __future__ import annotations

from operator import attrgetter

from agent.errors import ModelError
from agent.llm.base import Model
from agent.once import once
from agent.parts.parts import Parts

_OWN = frozenset({"_opened_model", "_spoken", "generator", "reranker", "ranker"})  # what a language changes


class Spoken(Parts):
    """Parts that stand on those of `base` and speak the other language, for people who write in it.

    Where the settings name no model, it is the default one of that language; where that one cannot be had, the model of
    the base answers, and `told` hears why.
    """

    def __init__(self, base: Parts) -> None:
        language = base.settings.speaking("zh" if base.settings.language == "en" else "en")
        super().__init__(language, progress=base.progress, told=base._told)
        self.base = base

    def heed(self) -> None:
        """See `Parts.heed`."""
        self.base.heed()

    def _open_model(self) -> Model | ModelError:
        ours, theirs = self.settings.model.reference, self.base.settings.model.reference
        if ours == theirs:
            return self.base._opened_model
        model = super()._open_model()
        if isinstance(model, ModelError):
            if self._told is not None:
                self._told(f"{theirs} answers in place of {ours}: {model}")
            return self.base._opened_model
        return model


for _name, _part in list(vars(Parts).items()):
    if isinstance(_part, once) and _name not in _OWN:
        setattr(Spoken, _name, property(attrgetter(f"base.{_name}"), doc=_part.__doc__))
