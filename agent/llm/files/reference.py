"""What a model reference means, read from its spelling alone."""

from __future__ import annotations

import difflib
import re
from dataclasses import dataclass
from pathlib import Path

from agent.errors import ConfigError
from agent.llm.files.cards import CARDS, ModelCard, card_of

FORMS = "a known name (palate models list), ./file.gguf, hf:org/repo:file-or-quant, or openai:MODEL"

_HUB = re.compile(r"hf:(?P<repository>[\w.-]+/[\w.-]+)(?:@(?P<revision>[\w./-]+))?(?::(?P<wanted>[^:]+))?")


@dataclass(frozen=True)
class FileReference:
    """A file on this machine."""

    path: Path


@dataclass(frozen=True)
class HubReference:
    """A file of a repository on the model hub: `wanted` is its name, a pattern with *, a quantisation, or empty."""

    repository: str
    wanted: str
    revision: str


@dataclass(frozen=True)
class EndpointReference:
    """A model that an OpenAI-compatible server runs."""

    model: str


Reference = ModelCard | FileReference | HubReference | EndpointReference


def parse(reference: str) -> Reference:
    """What a reference names. Raises ConfigError for one that has no known form, suggesting the nearest name."""
    text = reference.strip()
    if any(ord(char) < ord(" ") for char in text):
        raise ConfigError(f"the model reference {text[:60]!r} holds a control character", f"A model is {FORMS}")
    if text.startswith("openai:"):
        return _endpoint(text)
    if text.startswith("hf:"):
        return _hub(text)
    card = card_of(text)
    if card is not None:
        return card
    if _is_path(text):
        return FileReference(_expanded(text))
    raise ConfigError(f"there is no model {text[:80]!r}", _suggestion(text))


def _endpoint(text: str) -> EndpointReference:
    model = text.partition(":")[2].strip()
    if not model:
        raise ConfigError("openai: names no model", "Write openai:MODEL, with the name the server knows it by")
    return EndpointReference(model)


def _hub(text: str) -> HubReference:
    found = _HUB.fullmatch(text)
    if found is None or ".." in text:
        raise ConfigError(f"{text[:120]!r} is not a hub reference", "Write hf:org/repo:file.gguf or hf:org/repo:Q4_K_M")
    return HubReference(found["repository"], found["wanted"] or "", found["revision"] or "main")


def _is_path(text: str) -> bool:
    return (
        text.startswith((".", "~", "/", "\\")) or text.lower().endswith(".gguf") or "/" in text or Path(text).exists()
    )


def _expanded(text: str) -> Path:
    try:
        return Path(text).expanduser()
    except RuntimeError as error:
        raise ConfigError(f"{text!r} has no home folder to stand for ~", "Write the whole path") from error


def _suggestion(text: str) -> str:
    close = difflib.get_close_matches(text.lower(), [card.reference for card in CARDS], n=1, cutoff=0.5)
    return f"Did you mean {close[0]}?" if close else f"A model is {FORMS}"
