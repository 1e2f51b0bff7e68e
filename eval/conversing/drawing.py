"""Replies and their times, drawn in a terminal."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from rich import box
from rich.table import Table

from agent.commands.render import count, duration, facts, out, plain
from eval.conversing.report import TARGETS_MS, Report

MAX_DRAWN = 5


def draw(done: Report, about: Mapping[str, object]) -> None:
    """Draw the times by stage, then what was invented and who wrote."""
    console = out()
    console.print(_times("a reply", done.ms, done))
    console.print(_times("by its own clock", done.stages_ms))
    console.print(_times("a message of", done.by_intent))
    console.print(facts([*_rows(done), *about.items()]))


def _times(heading: str, times: Mapping[str, Mapping[str, float]], done: Report | None = None) -> Table:
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, header_style="bold")
    table.add_column(heading, min_width=16)
    for name in ("p50", "p95", "n"):
        table.add_column(name, justify="right", no_wrap=True)
    if done is not None:
        table.add_column("target", justify="right", no_wrap=True)
    for stage, spread in times.items():
        target = [_target(stage, done)] if done is not None else []
        cells = (duration(spread["p50"]), duration(spread["p95"]), str(int(spread["n"])))
        table.add_row(plain(stage.replace("_", " ")), *cells, *target)
    return table


def _target(stage: str, done: Report) -> str:
    if stage not in done.targets:
        return ""
    return f"{duration(TARGETS_MS[stage])}, {'met' if done.targets[stage] else 'missed'}"


def _rows(done: Report) -> Iterator[tuple[str, object]]:
    answered, invented = done.n - sum(done.failed.values()), done.invented
    wrong = round(invented.value * answered)
    yield "invented titles", f"in {wrong} of {_replies(answered)}, at most {100 * (invented.high or 0):.2f} %"
    for stray in done.strays[:MAX_DRAWN]:
        yield "", f"{stray.named!r} in {stray.text!r}"
    if done.written is not None:
        yield "reasons written", f"{100 * done.written.value:.1f} % of {count(done.written.n, 'reason')} by the model"
    yield "words by the model", f"in {_replies(done.with_tokens)}, {done.tokens_out:,} tokens"
    for reason, n in done.failed.items():
        yield "failed", f"{n} times: {reason}"
    for reason, n in list(done.degraded.items())[:MAX_DRAWN]:
        yield "degraded", f"{n} times: {reason}"


def _replies(n: int) -> str:
    return f"{n:,} {'reply' if n == 1 else 'replies'}"
