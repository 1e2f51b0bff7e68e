"""Finds, renders and fingerprints prompts. The only importer of Jinja.

A prompt is one file, `<language>/<task>.j2`: a header comment (purpose, variables, output), a block `prefix` (what all
candidates share: instructions, history) and a block `candidate` (what differs, always last). This layout is what lets
an engine decode the prefix once. Everything a template prints from its variables is neutralised on the way out, so
text from people and catalogues cannot pose as prompt structure or as a model's control tokens.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import jinja2
from jinja2.sandbox import ImmutableSandboxedEnvironment

from agent.errors import PromptError

FOLDER = Path(__file__).parent
MAX_RENDERED_CHARS = 200_000

_HEADER = re.compile(r"\A\{#-?(?P<header>.*?)-?#\}", re.DOTALL)
_FIELD = re.compile(r"^\s*(?P<key>purpose|variables|output):\s*(?P<value>.+?)\s*$", re.MULTILINE)
_NAME = re.compile(r"\A[a-z]{2}/[a-z][a-z0-9-]{0,60}\Z")
_INVISIBLE = re.compile(
    "[\x00-\x08\x0e-\x1f\x7f-\x9f\u00ad\u200b-\u200f\u202a-\u202e\u2060-\u206f\ufeff\ud800-\udfff\U000e0000-\U000e007f]"
)
_SPACES = re.compile(r"\s+")


def neutralise(text: str, control_tokens: Iterable[str] = ()) -> str:
    """The text on one line, without invisible characters, its control-token spellings broken by a space.

    Drops NUL and other control characters, bidirectional overrides, zero-width and tag characters, lone surrogates;
    runs of white space become one space. A spelling such as `<|im_end|>` becomes `< |im_end|>`, repeatedly, until none
    is left. Total: any string gives a string.
    """
    text = _SPACES.sub(" ", _INVISIBLE.sub("", text)).strip()
    tokens = [token for token in map(str.strip, control_tokens) if len(token) > 1]
    while any(token in text for token in tokens):
        for token in tokens:
            text = text.replace(token, f"{token[0]} {token[1:]}")
    return text


@dataclass(frozen=True)
class Prompt:
    """One prompt file, ready to render. `fingerprint` is the SHA-256 of the file's text, in hexadecimal."""

    name: str
    text: str
    purpose: str
    variables: tuple[str, ...]
    output: str
    control_tokens: tuple[str, ...] = ()

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
        """Raises PromptError: a variable that the header does not name or that is missing, a fault in the template."""
        unknown = sorted(set(variables) - set(self.variables))
        if unknown:
            raise PromptError(
                f"prompt {self.name} has no variable {unknown[0]!r}", f"It takes {', '.join(self.variables)}"
            )
        template = _compiled(self.text, self.control_tokens)
        try:
            rendered = "".join(template.blocks[block](template.new_context(variables)))
        except (jinja2.TemplateError, TypeError, ValueError, ArithmeticError, LookupError, RecursionError) as error:
            raise PromptError(
                f"prompt {self.name}, block {block}: {error}", "Mend the prompt or the variables"
            ) from error
        if len(rendered) > MAX_RENDERED_CHARS:
            raise PromptError(
                f"prompt {self.name}, block {block}: {len(rendered):,} characters", "Shorten its variables"
            )
        return rendered


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
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise PromptError(f"prompt {name}: {path} cannot be read: {error}", "A prompt is a UTF-8 text") from error
    header = _HEADER.match(text)
    fields = dict(_FIELD.findall(header["header"])) if header else {}
    missing = [key for key in ("purpose", "variables", "output") if key not in fields]
    if missing:
        raise PromptError(
            f"prompt {name}: the header lacks {', '.join(missing)}", "Begin the file with {# purpose: ... #}"
        )
    variables = tuple(v for v in re.split(r"[\s,]+", fields["variables"]) if v)
    prompt = Prompt(name, text, fields["purpose"], variables, fields["output"], tuple(sorted(set(control_tokens))))
    blocks = set(_compiled(prompt.text, prompt.control_tokens).blocks)
    if blocks != {"prefix", "candidate"}:
        raise PromptError(
            f"prompt {name}: has the blocks {sorted(blocks)}", "A prompt has the blocks prefix and candidate"
        )
    return prompt


def available(folder: Path = FOLDER) -> list[str]:
    """The names of all prompts in the folder, as `language/task`, sorted."""
    return sorted(f"{path.parent.name}/{path.stem}" for path in folder.glob("??/*.j2"))


def check(folder: Path | None) -> Path | None:
    """The folder, after a look at its prompts: each can be loaded, and stands in for a built-in one of its name.

    Without a folder there is nothing to look at, and the built-in ones are used. Raises PromptError: no such folder, no
    prompt in it, one of another name, one broken or with other variables.
    """
    if folder is None:
        return None
    names = available(folder)
    if not names:
        raise PromptError(f"{folder} holds no prompts", "A prompt is a file such as en/rank-likelihood.j2 in it")
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
    return folder


def _path_of(name: str, folder: Path) -> Path | None:
    path = folder / f"{name}.j2"
    return path if _NAME.match(name) and path.is_file() and not path.is_symlink() else None


@lru_cache(maxsize=64)
def _compiled(text: str, control_tokens: tuple[str, ...]) -> jinja2.Template:
    def _neutral(value: object) -> object:
        return neutralise(value, control_tokens) if isinstance(value, str) else value

    environment = ImmutableSandboxedEnvironment(
        undefined=jinja2.StrictUndefined,
        autoescape=False,
        keep_trailing_newline=False,
        finalize=_neutral,
    )
    try:
        return environment.from_string(text)
    except jinja2.TemplateError as error:
        raise PromptError(f"the prompt does not compile: {error}", "Mend the template") from error
