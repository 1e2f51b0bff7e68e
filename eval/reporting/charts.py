"""Figures drawn as inline SVG and tables: a forest of intervals, points on two axes, a heat map of shares. Pure.

Drawings hold lines only and stretch with the page; what is to be read stands beside them as text of the page.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

from agent.commands.render import duration
from eval.reporting.markup import Markup, element

Tone = Literal["better", "worse", "open"]

PAD = 0.06  # of the axis, beyond the outermost value at either end
WIDE, HIGH, LEFT, TOP, RIGHT, BOTTOM = 320.0, 200.0, 38.0, 10.0, 12.0, 26.0
LOG_FROM = 8.0  # times the smallest: from there on the axis of times is logarithmic


@dataclass(frozen=True, slots=True)
class Bar:
    """One line of a forest: a value with its interval, if there is one, `text` beside it, and what it shows."""

    label: str
    value: float
    low: float | None
    high: float | None
    text: str
    tone: Tone = "open"


@dataclass(frozen=True, slots=True)
class Point:
    """One system: how good it is (with its interval), and how long a case takes it: median and 95th percentile, ms."""

    label: str
    value: float
    low: float | None
    high: float | None
    p50_ms: float
    p95_ms: float


def forest(bars: Sequence[Bar]) -> Markup:
    """The bars in their order over one axis that holds 0, whose ends are written below; nothing without bars."""
    if not bars:
        return Markup()
    low, high = _ends([0.0, *(v for bar in bars for v in (bar.value, bar.low, bar.high) if v is not None)])
    rows = [
        element(
            "div",
            element("span", bar.label, class_="name"),
            _strip(bar, low, high),
            element("span", bar.text, class_="num"),
            class_=f"bar {bar.tone}",
        )
        for bar in bars
    ]
    axis = element("div", element("span", f"{low:+.3f}"), element("span", f"{high:+.3f}"), class_="axis")
    ends = element("div", element("span"), axis, element("span"), class_="bar ends")
    return element("div", rows, ends, class_="forest")


def scatter(points: Sequence[Point], level: tuple[str, float] | None = None) -> Markup:
    """The points over the time a case takes, numbered from 1 as in their order; `level` is drawn across, with its name.

    The axis of times is logarithmic where they differ much. Nothing without points.
    """
    if not points:
        return Markup()
    across = _times([p.p50_ms for p in points] + [p.p95_ms for p in points])
    values = [v for p in points for v in (p.value, p.low, p.high) if v is not None] + ([level[1]] if level else [])
    upright = _Axis(*_ends(values), HIGH - BOTTOM, TOP)
    drawn = [_frame(), *_marks(across, upright), *(_dot(n, p, across, upright) for n, p in enumerate(points, start=1))]
    if level:
        drawn.append(_level(level, upright))
    label = "quality over the time a case takes; the points are listed below"
    return element("svg", drawn, viewBox=f"0 0 {WIDE:g} {HIGH:g}", class_="scatter", role="img", aria_label=label)


def heat(rows: Sequence[Sequence[int]], names: Sequence[str], columns: Sequence[str], corner: str) -> Markup:
    """Counts as a table whose cells are shaded by their share of their row, in per cent; an empty row stays blank."""
    head = element("tr", element("th", corner), (element("th", c, scope="col") for c in columns), element("th", "n"))
    body = [
        element("tr", element("th", name, scope="row"), _heat_cells(row), element("td", f"{sum(row):,}", class_="num"))
        for name, row in zip(names, rows, strict=True)
    ]
    return element("table", element("thead", head), element("tbody", body), class_="heat")


def _heat_cells(row: Sequence[int]) -> Iterator[Markup]:
    total = sum(row)
    for n in row:
        share = n / total if total else 0.0
        yield element("td", f"{100 * share:.0f}" if n else "", style=f"--share:{share:.3f}")


@dataclass(frozen=True, slots=True)
class _Axis:
    """Places values between two ends of the drawing."""

    low: float
    high: float
    start: float
    end: float
    log: bool = False

    def __call__(self, value: float) -> float:
        low, high, at = (math.log10(v) if self.log else v for v in (self.low, self.high, value))
        return round(self.start + (self.end - self.start) * (at - low) / ((high - low) or 1.0), 2)


def _ends(values: Sequence[float]) -> tuple[float, float]:
    low, high = min(values), max(values)
    pad = PAD * (high - low) or 0.01
    return low - pad, high + pad


def _times(values: Sequence[float]) -> _Axis:
    low, high = max(min(values), 0.1), max(max(values), 0.1)
    if high / low >= LOG_FROM:
        return _Axis(low / 1.3, high * 1.3, LEFT, WIDE - RIGHT, log=True)
    return _Axis(0.0, high * (1 + PAD), LEFT, WIDE - RIGHT)


def _strip(bar: Bar, low: float, high: float) -> Markup:
    axis = _Axis(low, high, 0.0, 100.0)
    zero, at = axis(0.0), axis(bar.value)
    lines = [_line(zero, 0, zero, 10, "zero")]
    if bar.low is not None and bar.high is not None:
        lines.append(_line(axis(bar.low), 5, axis(bar.high), 5, "reach"))
    lines.append(_line(at, 5, at, 5, "dot"))
    return element("svg", lines, viewBox="0 0 100 10", preserveAspectRatio="none", aria_hidden="true")


def _line(x1: float, y1: float, x2: float, y2: float, kind: str) -> Markup:
    return element("line", x1=x1, y1=y1, x2=x2, y2=y2, class_=kind, vector_effect="non-scaling-stroke")


def _text(x: float, y: float, text: str, anchor: str = "middle") -> Markup:
    return element("text", text, x=x, y=y, text_anchor=anchor)


def _frame() -> Markup:
    foot = HIGH - BOTTOM
    return Markup(_line(LEFT, foot, WIDE - RIGHT, foot, "frame") + _line(LEFT, TOP, LEFT, foot, "frame"))


def _marks(across: _Axis, upright: _Axis) -> Iterator[Markup]:
    """What the ends and the middle of both axes stand for."""
    middle = math.sqrt(across.low * across.high) if across.log else (across.low + across.high) / 2
    for value, anchor in ((across.low, "start"), (middle, "middle"), (across.high, "end")):
        yield _text(across(value), HIGH - 8, duration(value), anchor)
    for value in (upright.low, (upright.low + upright.high) / 2, upright.high):
        yield _text(LEFT - 4, upright(value) + 3, f"{value:.2f}", "end")


def _dot(n: int, point: Point, across: _Axis, upright: _Axis) -> Markup:
    x, y = across(max(point.p50_ms, across.low)), upright(point.value)
    lines = [_line(x, y, across(max(point.p95_ms, across.low)), y, "reach")]
    if point.low is not None and point.high is not None:
        lines.append(_line(x, upright(point.low), x, upright(point.high), "reach"))
    title = element("title", f"{point.label}: {point.value:.3f}, {duration(point.p50_ms)}")
    return element("g", title, lines, element("circle", cx=x, cy=y, r=8, class_="dot"), _text(x, y + 4, str(n)))


def _level(level: tuple[str, float], upright: _Axis) -> Markup:
    y = upright(level[1])
    return Markup(_line(LEFT, y, WIDE - RIGHT, y, "level") + _text(WIDE - RIGHT, y - 3, level[0], "end"))
