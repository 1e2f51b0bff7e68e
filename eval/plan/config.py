"""eval.yaml as a checked value: what is compared with what, on which cases, by which metrics, behind which gate.

The JSON schema of this value is published as docs/eval.schema.json.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BeforeValidator, ConfigDict, Field, ValidationError, model_validator

from agent.errors import ConfigError
from agent.setting_values import Strategy, Word
from agent.settings import nearest
from eval.chance import SEED
from eval.metrics import DEFAULT, HEADLINE, named
from eval.plan.cells import TALK
from eval.plan.conditions import Condition, Strict
from eval.plan.prices import Price
from eval.plan.words import in_words
from eval.plan.yaml_file import keys_in, read

FILE = "eval.yaml"
SCHEMA = "eval.schema.json"
EXPLAIN, RANK, CONVERSE = "explain", "rank", "converse"
USUAL = (HEADLINE, *(name for name in DEFAULT if name != HEADLINE))

TaskName = Literal["rank", "recommend", "converse", "explain"]
PathName = Literal["recommend", "talk"]
BaselineName = Literal[
    "random", "popularity", "recall-only", "oracle", "als", "ease", "interest", "sigmoid", "softmax", "interest-blend"
]


def _listed(value: object) -> object:
    return [value] if isinstance(value, str | Path) else value


def _differing(values: tuple[Any, ...]) -> tuple[Any, ...]:
    twice = next((value for n, value in enumerate(values) if value in values[:n]), None)
    if twice is not None:
        raise ValueError(f"holds {str(twice)!r} twice")
    return values


def _nameable(path: Path) -> Path:
    if "\0" in str(path):
        raise ValueError("holds a NUL character")
    return path


Several = (BeforeValidator(_listed), AfterValidator(_differing))


class Evaluation(Strict):
    """What is evaluated. Data sets, models, strategies and prompts are combined each with each: every one is a cell."""

    model_config = ConfigDict(title="Evaluation", frozen=True, extra="forbid", allow_inf_nan=False)

    version: Literal[1] = Field(default=1, description="the version of this format")
    task: TaskName = Field(default="rank", description="what the cases ask")
    data: Annotated[tuple[Annotated[Path, AfterValidator(_nameable)], ...], Field(min_length=1), *Several] = Field(
        description="a data set folder, or a list of them; relative to this file"
    )
    limit: Annotated[int, Field(ge=1)] | None = Field(default=None, description="only the first so many cases of each")
    models: Annotated[tuple[Word, ...], *Several] = Field(
        default=(),
        description='model references, as for palate --model, or "none" for no model; none given: that of the settings',
    )
    strategies: Annotated[tuple[Strategy, ...], *Several] = Field(
        default=(), description="as the setting rerank.strategy; none: that of the settings"
    )
    prompts: Annotated[tuple[Word, ...], *Several] = Field(
        default=(), description="built-in, or folders of prompts that stand in for those of the same name"
    )
    paths: Annotated[tuple[PathName, ...], *Several] = Field(
        default=(),
        description="how cases of converse are answered: recommend, or talk, by conversation; none: recommend",
    )
    language: Literal["en", "zh"] | None = Field(default=None, description="of the prompts; none: that of the settings")
    noun: Word | None = Field(default=None, description="what prompts call the items; none: that of the settings")
    repeat: int = Field(
        default=1, ge=1, le=1_000, description="how often each case is asked; what is drawn, with another seed"
    )
    learn: Literal["none", "events"] = Field(
        default="none", description="whether Palate learns from the data set's events, or crosswise from conversations"
    )
    orders: int = Field(
        default=1, ge=1, le=100, description="in how many orders of its candidates a case of rank is asked"
    )
    seed: int = Field(default=SEED, ge=0, description="the seed of all that is drawn by lot")
    metrics: Annotated[tuple[Word, ...], Field(min_length=1), *Several] | None = Field(
        default=None, description="the first one is the headline, on which verdicts are given; none: the usual ones"
    )
    baselines: Annotated[tuple[BaselineName, ...], *Several] | None = Field(
        default=None, description="systems to be beaten; none: all that the data allow"
    )
    versus: Word = Field(default="recall-only", description="what every cell is compared with: a system or a cell")
    prices: Mapping[Word, Price] = Field(
        default_factory=dict,
        description="what a million tokens of a model cost, by its reference; a local one: nothing",
    )
    currency: Word = Field(default="USD", description="what prices are in; any text")
    gate: tuple[Condition, ...] = Field(default=(), description="the conditions that palate eval gate judges")

    @model_validator(mode="after")
    def _metrics_of_the_task(self) -> Evaluation:
        try:
            check_metrics((*(self.metrics or ()), *(one.metric for one in self.gate if one.metric)), self.task)
        except ConfigError as error:
            raise ValueError(f"metrics: {error}") from error
        if self.orders > 1 and self.task != RANK:
            raise ValueError(f"orders: only cases of {RANK} give candidates that can be put in other orders")
        if TALK in self.paths and self.task != CONVERSE:
            raise ValueError(f"paths: only cases of {CONVERSE} are conversations that can be talked through")
        return self

    @property
    def learns(self) -> bool:
        """Whether Palate learns from what people did in the data set before it answers."""
        return self.learn != "none"

    @property
    def measured(self) -> tuple[str, ...]:
        """The metrics, the headline first: those that are named, or the usual ones of the task."""
        return self.metrics or (_of_rationales() if self.task == EXPLAIN else USUAL)

    @property
    def headline(self) -> str:
        """The metric that verdicts are given on."""
        return self.measured[0]

    def as_plan(self) -> dict[str, object]:
        """The evaluation as plain JSON values; a condition of the gate holds only what it names."""
        plan: dict[str, object] = self.model_dump(mode="json", by_alias=True)
        plan["gate"] = [condition.model_dump(mode="json", exclude_none=True) for condition in self.gate]
        return plan


def load(path: Path, flags: Mapping[str, object] | None = None) -> Evaluation:
    """The evaluation in the file, with flags (by key, None for not given) before what it says.

    Its relative paths are taken from the file's folder, those of flags from the working folder. Raises ConfigError
    naming file, line where it is not YAML, and key; an unknown key with the nearest one that there is.
    """
    return checked({**_beside(path.parent, read(path)), **_given(flags)}, str(path))


def checked(values: Mapping[str, object], where: str) -> Evaluation:
    """The evaluation that these values make. Raises ConfigError, its message beginning with `where`."""
    _refuse_unknown(values, tuple(Evaluation.model_fields), where)
    gate = values.get("gate")
    for n, row in enumerate(gate if isinstance(gate, list) else []):
        if isinstance(row, Mapping):
            _refuse_unknown(row, tuple(Condition.model_fields), f"{where}, gate {n + 1}")
    for key in ("limit", "repeat", "orders", "seed"):
        if isinstance(values.get(key), bool):
            raise ConfigError(f"{where}: {key} should be a whole number, not yes or no", "Correct it")
    try:
        return Evaluation.model_validate(values)
    except ValidationError as error:
        raise ConfigError(f"{where}: {in_words(error)}", "Correct it; palate eval init writes an example") from error


def check_metrics(names: Sequence[str], task: str) -> None:
    """Do nothing where the task has all these metrics. Raises ConfigError naming the first that it does not have."""
    if task != EXPLAIN and names:
        named(",".join(names))
    known = _of_rationales() if task == EXPLAIN else ()
    for name in names if task == EXPLAIN else ():
        if name not in known:
            raise ConfigError(f"{EXPLAIN} has no metric {name!r}", nearest(name, known, f"It has {', '.join(known)}"))


def condition(text: str) -> dict[str, object]:
    """A condition of the gate as it stands on a command line, such as `{rate: failed, at_most: 0.1}`.

    Raises ConfigError for a text that is none.
    """
    try:
        return keys_in(text, f"--gate {text[:60]!r}")
    except ConfigError as error:
        raise ConfigError(error.message, "Write '{rate: failed, at_most: 0.1}'") from error


def schema() -> dict[str, object]:
    """The JSON schema of eval.yaml."""
    made = Evaluation.model_json_schema()
    properties = made["properties"]
    for key in ("data", "models", "strategies", "prompts", "paths", "metrics", "baselines"):
        _allow_single(properties[key])
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **made}


def _allow_single(key: dict[str, Any]) -> None:
    """A single value may stand in the place of a list of one."""
    lists = key.pop("anyOf", None) or [{part: key.pop(part) for part in ("type", "items", "minItems") if part in key}]
    key["anyOf"] = [*lists, *(one["items"] for one in lists if "items" in one)]


def _of_rationales() -> tuple[str, ...]:
    """The metrics of the task that gives rationales; what computes them takes a while to import."""
    from eval.tasks.rationales import PER_CASE

    return PER_CASE


def _given(flags: Mapping[str, object] | None) -> dict[str, object]:
    return {key: value for key, value in (flags or {}).items() if value is not None}


def _beside(folder: Path, values: dict[str, object]) -> dict[str, object]:
    """The values with relative paths seen from the folder; built-in prompts and model names stay as they are."""
    found = dict(values)
    for key in ("data", "prompts"):
        if key in values:
            found[key] = [_path(folder, one) for one in _each(values[key])]
    if "models" in values:
        found["models"] = [_model(folder, one) for one in _each(values["models"])]
    return found


def _each(value: object) -> Sequence[object]:
    return value if isinstance(value, list) else [value]


def _path(folder: Path, value: object) -> object:
    if not isinstance(value, str) or value == "built-in":
        return value
    return str(folder / Path(value).expanduser())


def _model(folder: Path, value: object) -> object:
    from agent.settings import is_relative_file

    return str(folder / value) if isinstance(value, str) and is_relative_file(value) else value


def _refuse_unknown(values: Mapping[str, object], known: Sequence[str], where: str) -> None:
    for key in values:
        if key not in known:
            raise ConfigError(
                f"{where}: there is no key {key!r}", nearest(str(key), known, f"Keys: {', '.join(known)}")
            )
