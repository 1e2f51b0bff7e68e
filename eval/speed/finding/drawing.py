"""The rows of finding drawn in a terminal, each with its targets."""

from __future__ import annotations

from collections.abc import Iterator

from rich import box
from rich.table import Table

from agent.commands.render import facts, out
from eval.results import interval_text
from eval.speed.finding.figures import CHROMA_RECALL, EMBEDDING_RATIO, RECALL_MS, Embedding, Recall, Scale, Times
from eval.speed.finding.run import Findings

Line = tuple[str, str, str, str]


def draw(findings: Findings) -> None:
    """Draw a line a figure: what, how much, the target, whether it was met."""
    table = Table(box=box.SIMPLE_HEAD, show_edge=False, pad_edge=False, header_style="bold")
    for name in ("figure", "reached [95 %]", "target", ""):
        table.add_column(name, justify="left" if name == "figure" else "right")
    for row in (findings.embedding, findings.recall, findings.vectors):
        for line in _lines(row):
            table.add_row(*line)
    out().print(table)
    out().print(facts([(key, value) for key, value in findings.about.items() if key in ("at", "seed")]))


def _lines(row: Embedding | Recall | Scale | None) -> Iterator[Line]:
    if isinstance(row, Embedding):
        yield from _embedding(row)
    elif isinstance(row, Recall):
        yield from _recall(row)
    elif isinstance(row, Scale):
        yield from _scale(row)


def _embedding(row: Embedding) -> Iterator[Line]:
    yield "embedding: texts a second, one by one", f"{row.one_by_one_per_s:,.1f}", "", ""
    yield "embedding: texts a second, as Palate does it", f"{row.ours_per_s:,.1f}", "", ""
    bounds = f" [{row.ratio.low:.2f}, {row.ratio.high:.2f}]" if row.ratio.low and row.ratio.high else ""
    ratio = f"{row.ratio.value:.2f}x{bounds}"
    yield "embedding: rate / rate", ratio, f">= {EMBEDDING_RATIO:g}x", _mark(row.ratio.value >= EMBEDDING_RATIO)
    yield "embedding: least cosine between the two", f"{row.cosine:.5f}", "", ""


def _recall(row: Recall) -> Iterator[Line]:
    total = f"recall in {row.items:,} items ({row.source}), {row.total.n} answers"
    yield f"{total}: p50", f"{row.total.p50_ms:.1f} ms", f"<= {RECALL_MS:g} ms", _mark(row.total.p50_ms <= RECALL_MS)
    yield f"{total}: p95", f"{row.total.p95_ms:.1f} ms", "", ""
    for question, times in row.by_question.items():
        yield f"  by {question}: p50, p95", _both(times), "", ""
    for source, ms in row.sources_ms.items():
        yield f"  source {source}: p50", f"{ms:.1f} ms", "", ""
    for kind, found in row.against_exact.items():
        target = f">= {CHROMA_RECALL:g}"
        reached = f"{found.value:.4f}{interval_text(found)}"
        yield f"  Chroma against exact, {kind}, recall@50", reached, target, _mark(found.value >= CHROMA_RECALL)


def _scale(row: Scale) -> Iterator[Line]:
    name = f"{row.vectors:,} vectors of {row.dimensions}"
    yield f"{name}: building", f"{row.build_s:,.0f} s", "", ""
    yield f"{name}: memory, building at its peak", _mb(row.build_peak_mb), "", ""
    yield f"{name}: memory, asked in a process of its own", _mb(row.resident_mb), "", ""
    yield f"{name}: disk", _mb(row.disk_mb), "", ""
    yield f"{name}: opening and the first answer", f"{row.open_s:.1f} s", "", ""
    yield f"{name}: p50, p95", _both(row.times), "", ""
    yield f"{name}: recall@50", f"{row.recall.value:.4f}{interval_text(row.recall)}", "", ""


def _both(times: Times) -> str:
    return f"{times.p50_ms:.1f}, {times.p95_ms:.1f} ms"


def _mb(size: float | None) -> str:
    return "unknown" if size is None else f"{size:,.0f} MB"


def _mark(met: bool) -> str:
    return "met" if met else "missed"
