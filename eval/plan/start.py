"""An evaluation to begin with: eval.yaml, its schema, two versions of one prompt, and a small data set."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import prompts
from agent.errors import ConfigError
from eval.files import whole
from eval.plan.config import FILE, SCHEMA, schema
from eval.plan.toy import write_toy

PROMPT = "en/rank-likelihood"
OLD, NEW = "prompts/v1", "prompts/v2"
DATA = "data/toy"

YAML = f"""\
# yaml-language-server: $schema={SCHEMA}
# What is compared with what, on which cases, by which metrics. Every key is also a flag of plan and run.
version: 1
task: rank                     # rank | recommend | converse | explain
data: {DATA}                 # a folder with items.jsonl and cases.jsonl, or a list of such folders
# limit: 20                    # only the first cases of each data set
# models: [smollm2-135m]       # references as for palate --model; by default that of your settings
strategies: [likelihood]       # as the setting rerank.strategy
prompts: [{OLD}, {NEW}]   # built-in, or folders of prompts that stand in for those of the same name
language: en
noun: books                    # what prompts call the items
repeat: 1
seed: 20260101
metrics: [ndcg@10, recall@5, mrr]   # the first one is the headline
# baselines: [random, popularity, recall-only, oracle]   # by default all that the data allow
versus: recall-only            # what every cell is compared with; later cells are also compared with the first
gate:
  - {{metric: ndcg@10, versus: v1, not_worse_than: 0.1}}   # the whole interval lies above -0.1
  - {{rate: failed, at_most: 0.1}}                         # the upper bound of the rate
"""

REWORDED = """\
{#
purpose: the reworded version to compare: the newest come last, without tags and with years behind the titles
variables: noun, history, wish, item
output: continuation
#}
{% block prefix -%}
A reader's favourite {{ noun }}, one after the other:
{% for item in history -%}
- {{ item.name | truncate(200) }}
{% endfor -%}
{% if wish -%}
Next they want: {{ wish | truncate(500) }}
{% endif -%}
-
{%- endblock %}
{% block candidate %} {{ item.name | truncate(200) }}
{%- endblock %}
"""


def write_start(folder: Path) -> list[Path]:
    """Write the files of an evaluation into the folder, and which they are.

    Raises ConfigError where one of them is there already (then nothing is written), or the folder cannot be written.
    """
    files = dict(_files())
    targets = [*files, DATA]
    for name in targets:
        if (folder / name).exists():
            raise ConfigError(f"{folder / name} is there already", "Give palate eval init another folder")
    try:
        for name, text in files.items():
            _write(folder / name, text)
        _write_data(folder / DATA)
    except OSError as error:
        raise ConfigError(f"cannot write to {folder}: {error.strerror or error}", "Give another folder") from error
    return [folder / name for name in targets]


def _files() -> Iterator[tuple[str, str]]:
    language, _, task = PROMPT.partition("/")
    yield f"{OLD}/{PROMPT}.j2", prompts.load(task, language).text
    yield f"{NEW}/{PROMPT}.j2", REWORDED
    yield SCHEMA, json.dumps(schema(), indent=2) + "\n"
    yield FILE, YAML


def _write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("x", encoding="utf-8") as file:
        file.write(text)


def _write_data(folder: Path) -> None:
    """The data set, whole or not at all."""
    with whole(folder) as part:
        part.mkdir(parents=True)
        write_toy(part)
