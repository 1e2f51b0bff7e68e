"""Every setting of Palate: what it may be, what it is by default, and where its value came from.

A value is taken from the first that has one: a flag, the environment, the settings file, the default. Only this file
reads `PALATE_*` from the environment. A key that does not exist is refused, with the nearest one that does.
"""

from __future__ import annotations

import difflib
import json
import os
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Annotated, Any

from pydantic import ConfigDict, SecretStr, TypeAdapter, ValidationError

from agent.errors import ConfigError
from agent.sections import (
    DEFAULT_MODEL,
    ChromaSettings,
    EndpointSettings,
    ExplainSettings,
    LearnSettings,
    ModelSettings,
    ProfileSettings,
    RecallSettings,
    RerankSettings,
    Settings,
)
from agent.setting_values import Section
from agent.toml_file import line_of, read_toml

__all__ = [
    "DEFAULT_MODEL",
    "ChromaSettings",
    "EndpointSettings",
    "ExplainSettings",
    "LearnSettings",
    "Loaded",
    "ModelSettings",
    "ProfileSettings",
    "RecallSettings",
    "RerankSettings",
    "Settings",
    "load_settings",
]

FILE_NAME = "palate.toml"
PREFIX = "PALATE_"
RECORD = "tuned"  # the table of a settings file that tells how values were chosen, and sets none

NOT_IN_FILES = frozenset({"encryption_key"})
"""What a settings file may not hold: backups take it in, and the key would lie beside what it locks."""

_SEE = "A variable is named after a setting: PALATE_MODEL_REFERENCE sets model.reference"

ECOSYSTEM = {
    "OPENAI_BASE_URL": "endpoint.base_url",
    "OPENAI_API_KEY": "endpoint.api_key",
    "CHROMA_HOST": "chroma.host",
    "CHROMA_PORT": "chroma.port",
    "CHROMA_API_KEY": "chroma.api_key",
    "CHROMA_TENANT": "chroma.tenant",
    "CHROMA_DATABASE": "chroma.database",
    "OTEL_EXPORTER_OTLP_ENDPOINT": "otel.endpoint",
}


@dataclass(frozen=True)
class Loaded:
    """The settings and, for every dotted key, its origin: `flag`, `env NAME`, `file PATH` or `default`.

    `file` is the settings file that was read, None where there was none.
    """

    settings: Settings
    origins: Mapping[str, str]
    file: Path | None = None

    def rows(self) -> Iterator[tuple[str, Any, str]]:
        """Each setting in order as (dotted key, value, origin); paths are text, secrets are masked."""
        for key, origin in self.origins.items():
            section, _, name = key.rpartition(".")
            value = getattr(getattr(self.settings, section) if section else self.settings, name)
            shown = "********" if isinstance(value, SecretStr) else str(value) if isinstance(value, Path) else value
            yield key, shown, origin


def load_settings(
    path: Path | None = None,
    *,
    environment: Mapping[str, str] | None = None,
    overrides: Mapping[str, object] | None = None,
) -> Loaded:
    """The settings by precedence: `overrides` (flags, by dotted key), environment, file, default.

    Without a `path`, ./palate.toml is read where there is one. `environment` stands in for the process's own; a
    variable set to nothing counts as not set. A relative path in the file is relative to the file's folder.
    Raises ConfigError naming the value, where it stands, and what to write instead.
    """
    file = path if path is not None else Path(FILE_NAME) if Path(FILE_NAME).is_file() else None
    found = dict.fromkeys(_types(), "default")
    values: dict[str, Any] = {}
    sources = (
        _from_file(file),
        _from_environment(os.environ if environment is None else environment),
        _flags(overrides),
    )
    for key, value, origin in (row for source in sources for row in source):
        values[key], found[key] = value, origin
    return Loaded(_settings_of(values), found, file)


def environment_name(key: str) -> str:
    """The environment variable of a dotted key: model.reference is PALATE_MODEL_REFERENCE."""
    return PREFIX + key.replace(".", "_").upper()


def nearest(name: str, names: Iterable[str], otherwise: str) -> str:
    """A hint: the closest of the names, the first that continues `name` before one that only resembles it."""
    known = list(names)
    longer = [other for other in known if other.startswith(name)]
    close = longer or difflib.get_close_matches(name, known, n=1, cutoff=0.6)
    return f"Did you mean {close[0]}?" if close else otherwise


def _hint(key: str) -> str:
    """What to write instead of a key that does not exist: the closest, else what its section or the top level holds."""
    section, _, name = key.rpartition(".")
    beside = [other.rpartition(".")[2] for other in _types() if section and other.startswith(f"{section}.")]
    if beside:
        return nearest(name, beside, f"Known here: {', '.join(beside)}")
    top = dict.fromkeys(other.partition(".")[0] for other in _types())
    return nearest(key, _types(), f"Known here: {', '.join(top)}")


@cache
def _types() -> dict[str, Any]:
    """The annotated type of each setting by its dotted key, in order."""
    types: dict[str, Any] = {}
    for name, field in Settings.model_fields.items():
        if isinstance(field.annotation, type) and issubclass(field.annotation, Section):
            inner = field.annotation.model_fields
            types |= {f"{name}.{key}": Annotated[f.annotation, *f.metadata, None] for key, f in inner.items()}
        else:
            types[name] = Annotated[field.annotation, *field.metadata, None]
    return types


def _settings_of(values: Mapping[str, Any]) -> Settings:
    nested: dict[str, Any] = {}
    for key, value in values.items():
        section, _, name = key.rpartition(".")
        (nested.setdefault(section, {}) if section else nested)[name] = value
    try:
        return Settings.model_validate(nested)
    except ValidationError as error:
        raise ConfigError(f"the settings are refused: {_reason(error)}", f"Correct {FILE_NAME}") from error


def _from_file(path: Path | None) -> Iterator[tuple[str, Any, str]]:
    if path is None:
        return
    for key, raw in _flat(read_toml(path), path):
        where = f"{path}:{line_of(path, key) or '?'}"
        if key not in _types():
            raise ConfigError(f"{where}: there is no setting {key}", _hint(key))
        if key in NOT_IN_FILES:
            hint = f"Set the variable {environment_name(key)}, and take it out of the file, which backups hold"
            raise ConfigError(f"{where}: {key} may not stand in a settings file", hint)
        value = _checked(key, raw, where, json_text=True)
        yield key, _beside(path, key, value), f"file {path}"


def _flat(table: Mapping[str, Any], path: Path) -> Iterator[tuple[str, Any]]:
    """The values of the file by dotted key. Raises ConfigError where a section is given a value."""
    sections = {key.partition(".")[0] for key in _types() if "." in key}
    for name, value in table.items():
        if name == RECORD and isinstance(value, dict):
            continue
        if name in sections and not isinstance(value, dict):
            where = f"{path}:{line_of(path, name) or '?'}"
            raise ConfigError(f"{where}: {name} is a section, not a value", f"Write [{name}] on a line of its own")
        if isinstance(value, dict) and name not in _types() and (value or name in sections):
            yield from ((f"{name}.{key}", inner) for key, inner in value.items())
        else:
            yield name, value


def _from_environment(environment: Mapping[str, str]) -> Iterator[tuple[str, Any, str]]:
    names = {environment_name(key): key for key in _types()}
    for name in environment:
        if name.startswith(PREFIX) and name not in names:
            raise ConfigError(f"there is no environment variable {name}", nearest(name, names, _SEE))
    for name, key in {**ECOSYSTEM, **names}.items():
        if raw := environment.get(name, ""):
            yield key, _checked(key, raw, name), f"env {name}"


def _flags(overrides: Mapping[str, object] | None) -> Iterator[tuple[str, Any, str]]:
    for key, raw in (overrides or {}).items():
        if key not in _types():
            raise ConfigError(f"there is no setting {key}", _hint(key))
        yield key, _checked(key, raw, "flag"), "flag"


def _checked(key: str, raw: object, where: str, *, json_text: bool = False) -> Any:
    """The value as its type wants it. A file's values must have the right type already; other sources may be text."""
    adapter = TypeAdapter(_types()[key], config=ConfigDict(allow_inf_nan=False))
    try:
        if json_text:
            return adapter.validate_json(json.dumps(raw), strict=True)
        return adapter.validate_strings(raw) if isinstance(raw, str) else adapter.validate_python(raw)
    except (ValidationError, TypeError) as error:
        reason = _reason(error) if isinstance(error, ValidationError) else "should not be a date or a time"
        shown = "" if key.endswith("_key") or "@" in str(raw) else f" = {str(raw)[:60]!r}"
        raise ConfigError(f"{where}: {key}{shown} {reason}", "Correct it or leave it out") from error


def _reason(error: ValidationError) -> str:
    """The first fault in plain words, such as `should be a valid integer`."""
    message = error.errors(include_url=False)[0]["msg"]
    return message.removeprefix("Value error, ").removeprefix("Input ")


def _beside(path: Path, key: str, value: Any) -> Any:
    """A relative path that stands in a file, seen from the file's folder."""
    if isinstance(value, Path) and not value.is_absolute():
        return path.parent / value
    if key == "model.reference" and is_relative_file(value) and path.parent != Path():
        return str(path.parent / value)
    return value


def is_relative_file(reference: str) -> bool:
    """Whether a model reference is a file by a relative path, such as ./model.gguf."""
    named = reference.startswith(("hf:", "openai:", "~", "/")) or Path(reference).is_absolute()
    return not named and (reference.startswith(("./", "../")) or reference.lower().endswith(".gguf"))
