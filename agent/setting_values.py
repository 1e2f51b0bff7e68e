"""What a value of a setting may be, beyond its plain type: read from text too, and refused in words."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, StringConstraints

from agent.errors import ConfigError
from agent.recall.weights import Family, weights_in
from agent.rerank.expression import parse
from agent.slate.rules import caps_in, caps_of


class Section(BaseModel):
    """A group of settings: frozen, strict about unknown names, no NaN or infinity."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False, validate_default=True)


def _home_expanded(path: Path) -> Path:
    try:
        return path.expanduser()
    except RuntimeError as error:
        raise ValueError(f"has no home folder to stand for ~: {error}") from error


def _strategy(text: str) -> str:
    try:
        return str(parse(text))
    except ConfigError as error:
        raise ValueError(f"is refused: {error.message} ({error.hint})") from error


def _web_address(text: str) -> str:
    if not text.startswith(("http://", "https://")):
        raise ValueError("should begin with http:// or https://")
    if "@" in text.split("/")[2]:
        raise ValueError("holds a user name or a password: give the key as a setting of its own")
    return text.rstrip("/")


def _caps(given: object) -> object:
    try:
        caps = caps_in(given) if isinstance(given, str) else given
        caps_of(caps if isinstance(caps, dict) else {})
    except ConfigError as error:
        raise ValueError(f"is refused: {error.message} ({error.hint})") from error
    return caps


def _weights(given: object) -> object:
    try:
        return weights_in(given) if isinstance(given, str) else given
    except ConfigError as error:
        raise ValueError(f"is refused: {error.message} ({error.hint})") from error


def _listed(given: object) -> object:
    found = filter(None, map(str.strip, given.split(","))) if isinstance(given, str) else given
    return tuple(found) if isinstance(found, list | filter) else found


Folder = Annotated[Path, AfterValidator(_home_expanded)]
Word = Annotated[
    str, StringConstraints(strip_whitespace=True, min_length=1, max_length=200, pattern=r"^[^\x00-\x1f]*$")
]
Words = Annotated[tuple[Word, ...], BeforeValidator(_listed)]
WebAddress = Annotated[Word, AfterValidator(_web_address)]
Strategy = Annotated[Word, AfterValidator(_strategy)]
Sha256 = Annotated[str, StringConstraints(to_lower=True, pattern="^[0-9a-fA-F]{64}$")]
Seconds = Annotated[float, Field(gt=0, le=86_400)]
Share = Annotated[float, Field(ge=0, le=1)]
MostPer = Annotated[dict[Word, Annotated[int, Field(ge=0, le=10_000)]], BeforeValidator(_caps)]
Weight = Annotated[float, Field(ge=0, le=1_000)]
SourceWeights = Annotated[dict[Family, Weight], BeforeValidator(_weights)]
