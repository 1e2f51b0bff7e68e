"""Finds, renders and fingerprints prompts.

A prompt is one file, `<language>/<task>.j2`: a header comment (purpose, variables, output), a block `prefix` (what all
candidates share: instructions, history) and a block `candidate` (what differs, always last). This layout is what lets
an engine decode the prefix once. Everything a template prints from its variables is neutralised on the way out, so
text from people and catalogues cannot pose as prompt structure or as a model's control tokens; what a template may
take in time and memory is bounded (see `sandbox`).
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path

from agent.errors import PromptError
from agent.types import Item
from prompts.examples import examples_of
from prompts.neutral import neutralise
from prompts.sandbox import Fault, blocks_of, rendered

__all__ = ["FOLDER", "Prompt", "available", "check", "load", "neutralise"]

FOLDER = Path(__file__).parent
MAX_FILE_BYTES = 100_000
MAX_HEADER_CHARS = 4_000
BLOCKS = frozenset(("prefix", "candidate"))

_HEADER = re.compile(r"\A\{#-?(?P<header>.*?)-?#\}", re.DOTALL)
_FIELD = re.compile(r"^[ \t]*(?P<key>purpose|variables|output):[ \t]*(?P<value>\S.*)$", re.MULTILINE)
_NAME = re.compile(r"\A[a-z]{2}/[a-z][a-z0-9-]{0,60}\Z")


@dataclass(frozen=True)
class Prompt:
    """One prompt file, ready to render. `fingerprint` is the SHA-256 of the file's text, in hexadecimal.

    `path` is the file that it was read from, None for a text made by hand.
    """

    name: str
    text: str
    purpose: str
    variables: tuple[str, ...]
    output: str
    control_tokens: tuple[str, ...] = ()
    path: Path | None = field(default=None, compare=False)

    @property
    def fingerprint(self) -> str:
        """The SHA-256 of the file's text."""
        return hashlib.sha256(self.text.encode()).hexdigest()

    def prefix(self, **variables: object) -> str:
        """The rendered block that all candidates share. Raises PromptError as `_render` does."""
        return self._render("prefix", variables)

    def candidate(self, **variables: object) -> str:
        """The rendered block of one candidate. Raises PromptError as `_render` does."""
        return self._render("candidate", variables)

    def _render(self, block: str, variables: dict[str, object]) -> str:
        """Raises PromptError: a variable that the header does not name or that is missing, a fault in the template.

        So it does for a rendering that takes too long, and for one that is too long or makes too much on its way.
        """
        unknown = sorted(set(variables) - set(self.variables))
        if unknown:
            raise PromptError(
                f"prompt {_called(self.name, self.path)} has no variable {unknown[0]!r}",
                f"It takes {', '.join(self.variables)}",
            )
        try:
            return rendered(self.text, self.control_tokens, block, variables)
        except Fault as fault:
            where = _called(self.name, self.path, fault.line)
            hint = f"There are: {', '.join(variables)}" if variables else "No variable is given to this block"
            if "Item object" in fault.reason:
                hint = f"{hint}; an item has {', '.join((*Item.model_fields, 'name', 'year'))}"
            raise PromptError(f"prompt {where}, block {block}: {fault.reason}", hint) from fault


def load(task: str, language: str = "en", *, control_tokens: Iterable[str] = (), folder: Path | None = None) -> Prompt:
    """The prompt `<language>/<task>.j2`, for a model with these control tokens.

    It is that of the folder where it holds one, else the built-in one. Raises PromptError: no such prompt, a link or a
    path out of the folder, an incomplete header, a missing block.
    """
    name = f"{language}/{task}"
    path = _path_of(name, folder or FOLDER) or _path_of(name, FOLDER)
    if path is None:
        known = [other.partition("/")[2] for other in available() if other.startswith(f"{language}/")]
        raise PromptError(f"there is no prompt {name!r}", f"Prompts in {language!r}: {', '.join(known) or 'none'}")
    text, called = _text_of(name, path), _called(name, path)
    header = _HEADER.match(text[:MAX_HEADER_CHARS])
    fields = dict(_FIELD.findall(header["header"])) if header else {}
    missing = [key for key in ("purpose", "variables", "output") if key not in fields]
    if missing:
        raise PromptError(
            f"prompt {called}: the header lacks {', '.join(missing)}", "Begin the file with {# purpose: ... #}"
        )
    variables = tuple(v for v in re.split(r"[\s,]+", fields["variables"]) if v)
    control = tuple(sorted(set(control_tokens)))
    prompt = Prompt(name, text, fields["purpose"].strip(), variables, fields["output"].strip(), control, path)
    try:
        blocks = blocks_of(prompt.text, prompt.control_tokens)
    except Fault as fault:
        at = _called(name, path, fault.line)
        raise PromptError(f"prompt {at} does not compile: {fault.reason}", "Mend the template") from fault
    if blocks != BLOCKS:
        raise PromptError(
            f"prompt {called}: has the blocks {sorted(blocks)}", "A prompt has the blocks prefix and candidate"
        )
    return prompt


def available(folder: Path = FOLDER) -> list[str]:
    """The names of all prompts in the folder, as `language/task`, sorted."""
    return sorted(f"{path.parent.name}/{path.stem}" for path in folder.glob("??/*.j2"))


def check(folder: Path | None) -> Path | None:
    """The folder, after a look at its prompts: each stands in for a built-in one of its name, and can be rendered.

    Without a folder there is nothing to look at, and the built-in ones are used. Raises PromptError: no such folder, no
    prompt in it, one of another name, one broken or with other variables, one that made-up examples cannot be put into.
    """
    if folder is None:
        return None
    names = available(folder)
    if not names:
        missing = "" if folder.is_dir() else ": there is no such folder"
        raise PromptError(
            f"{folder} holds no prompts{missing}", "A prompt is a file such as en/rank-likelihood.j2 in it"
        )
    for name in names:
        if _path_of(name, folder) is None:
            raise PromptError(f"{folder}: {name}.j2 is a link or has a wrong name", "Put the prompt itself there")
        language, _, task = name.partition("/")
        ours, theirs = load(task, language), load(task, language, folder=folder)
        if set(ours.variables) != set(theirs.variables):
            raise PromptError(
                f"{folder}: prompt {name} has the variables {', '.join(theirs.variables)}",
                f"It is given {', '.join(ours.variables)}",
            )
        _try_out(theirs)
    return folder


@lru_cache(maxsize=256)
def _try_out(prompt: Prompt) -> None:
    """Render a prompt on made-up examples of what it is given. Raises PromptError where none of a kind can be."""
    for block, alike in examples_of(prompt.name.partition("/")[2]):
        failed = []
        for variables in alike:
            try:
                prompt.prefix(**variables) if block == "prefix" else prompt.candidate(**variables)
                break
            except PromptError as error:
                failed.append(error)
        else:
            raise failed[0]


def _text_of(name: str, path: Path) -> str:
    """The text of a prompt's file. Raises PromptError where it is none, or too long for one."""
    try:
        if (found := path.stat().st_size) > MAX_FILE_BYTES:
            raise PromptError(f"prompt {_called(name, path)} has {found:,} bytes", f"Write at most {MAX_FILE_BYTES:,}")
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise PromptError(
            f"prompt {_called(name, path)} cannot be read: {error}", "A prompt is a UTF-8 text"
        ) from error


def _called(name: str, path: Path | None, line: int = 0) -> str:
    """The name of a prompt, with its file, or that it is built in, and the line."""
    place = [] if path is None else ["built-in" if path.is_relative_to(FOLDER) else str(path)]
    where = ", ".join([*place, *([f"line {line}"] if line else [])])
    return f"{name} ({where})" if where else name


def _path_of(name: str, folder: Path) -> Path | None:
    """The file of a prompt, where the folder itself holds it, and no link, that of a language included."""
    path = folder / f"{name}.j2"
    if not _NAME.match(name) or path.is_symlink() or path.parent.is_symlink() or not path.is_file():
        return None
    return path
