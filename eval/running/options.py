"""The flags that stand for the keys of eval.yaml, and the evaluation that they make with a file."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from agent.commands.options import options_of
from agent.errors import ConfigError
from eval.options import listed

if TYPE_CHECKING:
    from eval.running.asked import Asked

FILE = "eval.yaml"

FileArgument = Annotated[
    Path | None, typer.Argument(metavar="FILE", help=f"The evaluation; without --data ./{FILE}.", show_default=False)
]
DataOption = Annotated[
    list[Path] | None, typer.Option("--data", metavar="DIR", help="Folder with items.jsonl and cases.jsonl; several.")
]
TaskOption = Annotated[
    str | None, typer.Option("--task", metavar="TASK", help="What the cases ask: rank, recommend, converse, explain.")
]
LimitOption = Annotated[int | None, typer.Option("--limit", min=1, metavar="N", help="Only the first N cases.")]
ModelsOption = Annotated[
    list[str] | None,
    typer.Option("--model", metavar="REF", help="Language model, as for palate --model; none: without one; several."),
]
StrategiesOption = Annotated[
    list[str] | None, typer.Option("--strategy", metavar="NAME", help="As the setting rerank.strategy; several.")
]
PromptsOption = Annotated[
    list[str] | None, typer.Option("--prompts", metavar="DIR", help="built-in, or a folder of prompts; several.")
]
PathsOption = Annotated[
    list[str] | None, typer.Option("--path", metavar="NAME", help="How converse answers: recommend, talk; several.")
]
LanguageOption = Annotated[str | None, typer.Option("--language", metavar="LANG", help="Of the prompts: en, zh.")]
NounOption = Annotated[str | None, typer.Option("--noun", metavar="WORD", help="What prompts call the items.")]
RepeatOption = Annotated[int | None, typer.Option("--repeat", min=1, metavar="N", help="Ask each case N times.")]
OrdersOption = Annotated[
    int | None, typer.Option("--orders", min=1, max=100, metavar="M", help="Ask in M orders of the candidates.")
]
LearnOption = Annotated[
    str | None, typer.Option("--learn", metavar="WHAT", help="none, or events: learn from the data set's behaviour.")
]
PriceOption = Annotated[
    list[str] | None,
    typer.Option("--price", metavar="REF=IN/OUT", help="What a million tokens of a model cost, read and written."),
]
CurrencyOption = Annotated[str | None, typer.Option("--currency", metavar="TEXT", help="What prices are in; USD.")]
SeedOption = Annotated[int | None, typer.Option("--seed", metavar="N", help="Seed of all that is drawn by lot.")]
MetricsOption = Annotated[
    str | None, typer.Option("--metrics", metavar="LIST", help="Metrics with commas, such as ndcg@10,recall@5,mrr.")
]
BaselinesOption = Annotated[
    str | None, typer.Option("--baselines", metavar="LIST", help="Baselines with commas, such as random,popularity.")
]
VersusOption = Annotated[
    str | None, typer.Option("--versus", metavar="NAME", help="What every cell is compared with: a system or a cell.")
]
GateOption = Annotated[
    list[str] | None,
    typer.Option(
        "--gate", metavar="CONDITION", help="A condition of the gate, such as '{rate: failed, at_most: 0.1}'."
    ),
]


def asked_of(
    ctx: typer.Context,
    file: Path | None,
    *,
    data: Sequence[Path] | None,
    metrics: str | None,
    baselines: str | None,
    gate: Sequence[str] | None,
    prices: Sequence[str] | None = None,
    **flags: object,
) -> Asked:
    """What a file and flags ask for; without both a file and data, ./eval.yaml. `flags` are the other keys.

    Raises ConfigError and CatalogueError for whatever is wrong with it.
    """
    from eval.metrics import KNOWN
    from eval.plan.config import condition
    from eval.plan.prices import prices_in
    from eval.running.asked import Asked

    if file is None and not data:
        file = Path(FILE)
        if not file.is_file():
            raise ConfigError("there is nothing to evaluate", f"Give --data DIR, or write {FILE}: palate eval init")
    if metrics is not None and not listed(metrics):
        raise ConfigError("no metric is named", f"Metrics: {KNOWN}")
    keys: dict[str, object] = {
        **{key: value or None if isinstance(value, list) else value for key, value in flags.items()},
        "data": [str(folder) for folder in data] if data else None,
        "metrics": list(listed(metrics)) if metrics is not None else None,
        "baselines": list(listed(baselines)) if baselines is not None else None,
        "gate": [condition(text) for text in gate] if gate else None,
        "prices": prices_in(prices) if prices else None,
    }
    options = options_of(ctx)
    if not keys.get("models") and "model.reference" in options.overrides:
        keys["models"] = [str(options.overrides["model.reference"])]
    return Asked.of(file, keys, options)


def flags_of(
    task: str | None,
    limit: int | None,
    models: Sequence[str] | None,
    strategies: Sequence[str] | None,
    prompts: Sequence[str] | None,
    language: str | None,
    noun: str | None,
    repeat: int | None,
    seed: int | None,
    versus: str | None,
    orders: int | None,
    currency: str | None,
    learn: str | None,
    paths: Sequence[str] | None = None,
) -> dict[str, object]:
    """The flags whose values are those of the file's keys, by key; None and empty lists for those not given."""
    return {
        "task": task,
        "limit": limit,
        "models": models,
        "strategies": strategies,
        "prompts": prompts,
        "language": language,
        "noun": noun,
        "repeat": repeat,
        "seed": seed,
        "versus": versus,
        "orders": orders,
        "currency": currency,
        "learn": learn,
        "paths": paths,
    }
