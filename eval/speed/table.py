"""Every row of the benchmark, in the order in which they are drawn."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

from agent.errors import ConfigError
from eval.speed.ours import REASONS, STATES, Reasons, State, Strategy
from eval.speed.peers import FakeDialogue, ListOfNumbers, OneAtATime, OneByOne, OverHTTP, Prefill
from eval.speed.rows import Row, Runner
from eval.speed.stand import Stand

MEMORY = "memory"  # measured once, in a process of its own


def _strategy(stand: Stand, strategy: str, state: State) -> Runner:
    return Strategy(stand, strategy, state)


def _ours(strategy: str, state: State = "cold", about: str = "") -> Row:
    name = strategy if state == "cold" else f"{strategy}-{state}"
    return Row(
        name, "ours", about or STATES[state], partial(_strategy, strategy=strategy, state=state), judged=state == "cold"
    )


ROWS = (
    _ours("likelihood"),
    _ours("likelihood", "warm"),
    _ours("likelihood", "next"),
    _ours("likelihood", "next-wish"),
    _ours("likelihood", "first-sight"),
    _ours("pointwise"),
    _ours("pointwise", "warm"),
    _ours("pointwise", "next"),
    _ours("pointwise", "first-sight"),
    _ours("first-token", about="logits of labels, a few orders of the candidates averaged"),
    _ours("listwise", about="labels written under a grammar that allows each once"),
    _ours("pairwise", about="comparisons of two, both ways round"),
    _ours("setwise", about="the best of a few, again and again"),
    Row(
        "naive-pointwise",
        "peer",
        "llama_cpp.Llama, a full prompt each, prefix reuse off",
        lambda stand: OneByOne(stand, reuse=False),
        judged=True,
    ),
    Row(
        "bindings-reuse",
        "peer",
        "the same prompts with the bindings' one-slot prefix reuse",
        lambda stand: OneByOne(stand, reuse=True),
        judged=True,
    ),
    Row(
        "naive-listwise",
        "peer",
        "create_chat_completion held to a JSON schema, temperature 0",
        ListOfNumbers,
        judged=True,
    ),
    Row(
        "server-1",
        "peer",
        "the same prompts to llama-server, cache_prompt, 1 slot",
        lambda stand: OverHTTP(stand, stand.server, 1),
        judged=True,
    ),
    Row(
        "server-4",
        "peer",
        "the same prompts to llama-server, cache_prompt, 4 slots",
        lambda stand: OverHTTP(stand, stand.wide_server, 4),
        judged=True,
    ),
    Row("rankgpt", "peer", "rerankers' RankGPT on llama-server", FakeDialogue, judged=True),
    Row("pp512", "limit", "512 tokens read at once, as llama-bench does", lambda stand: Prefill(stand.limit)),
    Row(
        "tg128",
        "limit",
        "128 tokens written one by one, as llama-bench does",
        lambda stand: OneAtATime(stand.limit),
        each_size=False,
    ),
    Row(
        "reasons-together",
        "writing",
        f"{REASONS} reasons written in one call",
        lambda stand: Reasons(stand, together=True),
        each_size=False,
    ),
    Row(
        "reasons-one-by-one",
        "writing",
        f"{REASONS} reasons, a call each",
        lambda stand: Reasons(stand, together=False),
        each_size=False,
    ),
)

KINDS = {"ours": "ours", "peers": "peer", "limits": "limit", "writing": "writing"}


def chosen(names: Sequence[str]) -> tuple[tuple[Row, ...], bool]:
    """The rows named, in the table's order, and whether memory is measured; all of it for no names.

    A name is that of a row or of a kind of rows. Raises ConfigError for any other.
    """
    known = {row.name for row in ROWS}
    unknown = [name for name in names if name not in known and name not in KINDS and name != MEMORY]
    if unknown:
        raise ConfigError(
            f"there is no row {unknown[0]!r}", f"Rows: {', '.join([*KINDS, *(row.name for row in ROWS), MEMORY])}"
        )
    kinds = {KINDS[name] for name in names if name in KINDS}
    rows = tuple(row for row in ROWS if not names or row.name in names or row.kind in kinds)
    return rows, not names or MEMORY in names
