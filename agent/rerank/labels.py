"""Asking a model to choose among candidates that stand under labels A, B, C, ..."""

from __future__ import annotations

import string
from collections.abc import Sequence

from agent.deadline import Deadline
from agent.llm.base import Model
from agent.rerank.presentations import Block
from agent.types import Item
from prompts import Prompt

LABELS = string.ascii_uppercase


def suffixes_of(prompt: Prompt, items: Sequence[Item], blocks: Sequence[Block]) -> list[str]:
    """The rendered `candidate` block for each block of items, labelled in slot order."""
    return [prompt.candidate(candidates=[items[n] for n in block], labels=LABELS) for block in blocks]


def chosen(
    model: Model, prompt: Prompt, prefix: str, items: Sequence[Item], blocks: Sequence[Block], deadline: Deadline
) -> list[tuple[float, ...]]:
    """For each block, the log-probability (nats) of each of its labels as the next token; all in one call.

    Raises as `Model.choose` does.
    """
    options = [[f" {label}", label] for label in LABELS[: max(map(len, blocks))]]
    rows = model.choose(prefix, suffixes_of(prompt, items, blocks), options, deadline)
    return [row[: len(block)] for row, block in zip(rows, blocks, strict=True)]


def bias_extras(bias: Sequence[float]) -> dict[str, float]:
    """The position bias of each slot as `bias.A`, `bias.B`, ..., for `Ranking.extras`."""
    return {f"bias.{label}": value for label, value in zip(LABELS, bias, strict=False)}
