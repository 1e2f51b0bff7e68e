"""The prompt that is made better: its header stays, its body changes; and the checks that every proposal must pass."""

from __future__ import annotations

import re
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path

import prompts
from agent.errors import ConfigError, PromptError
from agent.rerank.labels import LABELS
from agent.types import Item
from prompts import Prompt

STRATEGY_OF = {
    "rank-likelihood": "likelihood",
    "rank-renown": "renown",
    "rank-pointwise": "pointwise",
    "rank-listwise": "listwise",
    "rank-arrange": "listwise",
    "rank-first-token": "first-token",
    "rank-pairwise": "pairwise",
    "rank-setwise": "setwise",
}
TITLE_WORDS, TITLE_CHARS = 2, 10  # a title of a data set so long is no accident in a prompt

_HEADER = re.compile(r"\A\{#.*?#\}\n?", re.DOTALL)
_NAME = re.compile(r"\A(?:(?P<language>[a-z]{2})/)?(?P<task>[a-z][a-z-]*)\Z")
_HISTORY, _CANDIDATES = (
    [
        Item(item_id=name, title=f"Qx{name}", tags=("Kind",) * n, attributes={"year": 1990} if n else {})
        for n, name in enumerate(names)
    ]
    for names in (("ardle", "bevin"), ("corrow", "dask"))
)
_WISH = "Qxwished thing"


@dataclass(frozen=True)
class Subject:
    """A prompt in its two parts. `name` is `language/task`, `strategy` the one that ranks with it alone."""

    name: str
    header: str
    body: str
    strategy: str

    @property
    def language(self) -> str:
        """The prompt's language."""
        return self.name.partition("/")[0]

    def text(self, body: str) -> str:
        """A whole prompt file: the header as it is, and a body."""
        return self.header + body

    def written(self, body: str, folder: Path) -> Path:
        """The folder, which then holds the prompt with that body, to stand in for the built-in one."""
        path = folder / f"{self.name}.j2"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(self.text(body), encoding="utf-8")
        return folder


def open_subject(reference: str, language: str) -> Subject:
    """The prompt of a reference: a built-in one by name (`rank-likelihood`, `zh/rank-likelihood`), or a file's.

    A file stands in a folder named after its language, as in prompts/v2/en/rank-likelihood.j2. Raises ConfigError: a
    prompt that ranks nothing, a file of another name or place; PromptError: no such prompt, a broken one.
    """
    path = Path(reference)
    if path.suffix == ".j2":
        if not path.is_file():
            raise ConfigError(f"there is no prompt file {path}", "Give a file such as prompts/v2/en/rank-likelihood.j2")
        language, task, folder = path.resolve().parent.name, path.stem, path.resolve().parent.parent
    else:
        match = _NAME.match(reference)
        if match is None:
            raise ConfigError(f"{reference!r} names no prompt", "Give a name such as rank-likelihood, or a .j2 file")
        language, task, folder = match["language"] or language, match["task"], prompts.FOLDER
    if task not in STRATEGY_OF:
        known = ", ".join(STRATEGY_OF)
        raise ConfigError(f"the prompt {task!r} puts nothing in order", f"Prompts that can be optimised: {known}")
    text = prompts.load(task, language, folder=folder).text
    header = _HEADER.match(text)
    cut = header.end() if header else 0
    return Subject(f"{language}/{task}", text[:cut], text[cut:], STRATEGY_OF[task])


class Checks:
    """What a proposal must keep: it can be loaded and rendered, shows all that the original shows, and names no item.

    `titles` are those of the data set's items; long ones must not turn up in a proposal that were not in the original.
    Proposals are written to `folder`.
    """

    def __init__(self, subject: Subject, titles: Collection[str], folder: Path) -> None:
        self._subject = subject
        self._folder = folder
        self._must_show = _marks(self._loaded(subject.body))
        known = subject.body.casefold()
        self._titles = [t for t in map(str.casefold, titles) if _is_telling(t) and t not in known]

    def fault(self, body: str) -> str | None:
        """What is wrong with a body, in a few words that fit many; None where nothing is."""
        try:
            shown = _marks(self._loaded(body))
        except PromptError:
            return "it cannot be loaded or rendered"
        if lost := self._must_show - shown:
            return f"it no longer shows {min(lost)}"
        text = body.casefold()
        if any(title in text for title in self._titles):
            return "it names an item of the data set"
        return None

    def _loaded(self, body: str) -> Prompt:
        """Raises PromptError where the prompt's own checks refuse it."""
        language, _, task = self._subject.name.partition("/")
        return prompts.load(task, language, folder=self._subject.written(body, self._folder))


def _is_telling(title: str) -> bool:
    return len(title) >= TITLE_CHARS and len(title.split()) >= TITLE_WORDS


def _marks(prompt: Prompt) -> set[str]:
    """What the prompt shows of what it is given. Raises PromptError where it cannot be rendered."""
    before, after = _prefixes(prompt), _candidates(prompt, LABELS)
    marks = {f"item {n} of the history": item.title in before for n, item in enumerate(_HISTORY, start=1)}
    marks |= {f"candidate {n}": item.title in after for n, item in enumerate(_CANDIDATES, start=1)}
    marks |= {"the wish": _WISH in before, "the labels": after != _candidates(prompt, LABELS[::-1])}
    return {what for what, is_shown in marks.items() if is_shown}


def _prefixes(prompt: Prompt) -> str:
    """What all candidates share, as rankings ask for it: with and without a history, a wish and fame."""
    asked = ((_HISTORY, _WISH, True), (_HISTORY, None, False), ((), None, True))
    return "\n".join(
        prompt.prefix(**_for(prompt, noun="things", history=history, wish=wish, renowned=renowned))
        for history, wish, renowned in asked
    )


def _candidates(prompt: Prompt, labels: str) -> str:
    return "\n".join(
        prompt.candidate(**_for(prompt, item=item, candidates=_CANDIDATES, labels=labels)) for item in _CANDIDATES
    )


def _for(prompt: Prompt, **given: object) -> dict[str, object]:
    return {name: value for name, value in given.items() if name in prompt.variables}
