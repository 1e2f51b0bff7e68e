"""Figures drawn as inline SVG: a forest of intervals, points on two axes with their front, a heat map of shares. Pure.

Forests hold lines only and stretch with the page: what is to be read stands beside them as text of the page.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

from eval.reporting.markup import Markup, element

Tone = Literal["better", "worse", "open"]

PAD = 0.06  # of the axis, beyond the outermost value at either end
WIDE, HIGH, LEFT, TOP, RIGHT, BOTTOM = 320.0, 200.0, 38.0, 10.0, 12.0, 26.0
LOG_FROM = 8.0  # times the smallest: from there on the lower axis is logarithmic
SIDE, HEAD, ROW, TAIL = 30.0, 30.0, 16.0, 34.0  # of a heat map: left, above, a row, right


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
    """One system: how good it is (with its interval), and what it takes for that; a line runs to it from `start`."""

    label: str
    value: float
    low: float | None
    high: float | None
    at: float
    start: float


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


def scatter(
    points: Sequence[Point],
    told: Callable[[float], str],
    about: str,
    level: tuple[str, float] | None = None,
    fronts: Sequence[Sequence[int]] = (),
) -> Markup:
    """The points over what they take, numbered from 1 as in their order; `level` is drawn across, with its name.

    `fronts` hold the places of those that are joined by a line, in its order. `told` puts a value of the lower axis in
    words, `about` the whole; that axis is logarithmic where values differ much. Nothing without points.
    """
    if not points:
        return Markup()
    across = _across([p.start for p in points] + [p.at for p in points])
    values = [v for p in points for v in (p.value, p.low, p.high) if v is not None] + ([level[1]] if level else [])
    upright = _Axis(*_ends(values), HIGH - BOTTOM, TOP)
    drawn = [_frame(), *_marks(across, upright, told)]
    if level:
        drawn.append(_level(level, upright))
    for front in fronts:
        line = " ".join(f"{across(points[n].at)},{upright(points[n].value)}" for n in front)
        drawn.append(element("polyline", points=line, class_="front"))
    best = {n for front in fronts for n in front}
    drawn += [_dot(n, p, across, upright, told, on_front=n - 1 in best) for n, p in enumerate(points, start=1)]
    return element("svg", drawn, viewBox=f"0 0 {WIDE:g} {HIGH:g}", class_="scatter", role="img", aria_label=about)


def heat(rows: Sequence[Sequence[int]], names: Sequence[str], axes: tuple[str, str], about: str) -> Markup:
    """Counts as a square, shaded by their share of their row, in per cent; `n` at the end of each. Nothing for none.

    `names` are those of rows and columns alike, `axes` what these are. A row without counts stays blank.
    """
    if not rows:
        return Markup()
    width = (WIDE - SIDE - TAIL) / len(names)
    middles = [SIDE + width * (n + 0.5) for n in range(len(names))]
    foot = HEAD + ROW * len(rows)
    drawn = [
        _text(SIDE, 10, f"{axes[1]} \u2192", "start"),
        _text(SIDE - 4, HEAD - 7, axes[0], "end"),
        _text(WIDE, HEAD - 7, "n", "end"),
        *(_text(x, HEAD - 7, name) for x, name in zip(middles, names, strict=True)),
    ]
    for n, (name, row) in enumerate(zip(names, rows, strict=True)):
        base = HEAD + ROW * n + ROW - 5
        drawn += [_text(SIDE - 4, base, name, "end"), _text(WIDE, base, f"{sum(row):,}", "end")]
        drawn += _squares(row, width, HEAD + ROW * n)
    return element("svg", drawn, viewBox=f"0 0 {WIDE:g} {foot + 2:g}", class_="heat", role="img", aria_label=about)


def _squares(row: Sequence[int], width: float, top: float) -> Iterator[Markup]:
    total = sum(row)
    for n, count in enumerate(row):
        share, left = count / total if total else 0.0, SIDE + width * n
        size = {"width": round(width - 1, 2), "height": ROW - 1}
        yield element("rect", x=round(left, 2), y=top, **size, fill_opacity=round(0.04 + 0.71 * share, 3))
        if count:
            yield _text(round(left + width / 2, 2), top + ROW - 5, f"{100 * share:.0f}")


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


def _across(values: Sequence[float]) -> _Axis:
    low, high = min(values), max(values)
    if low > 0 and high / low >= LOG_FROM:
        return _Axis(low / 1.3, high * 1.3, LEFT, WIDE - RIGHT, log=True)
    return _Axis(0.0, high * (1 + PAD) or 1.0, LEFT, WIDE - RIGHT)


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


def _marks(across: _Axis, upright: _Axis, told: Callable[[float], str]) -> Iterator[Markup]:
    """What the ends and the middle of both axes stand for."""
    middle = math.sqrt(across.low * across.high) if across.log else (across.low + across.high) / 2
    for value, anchor in ((across.low, "start"), (middle, "middle"), (across.high, "end")):
        yield _text(across(value), HIGH - 8, told(value), anchor)
    for value in (upright.low, (upright.low + upright.high) / 2, upright.high):
        yield _text(LEFT - 4, upright(value) + 3, f"{value:.2f}", "end")


def _dot(
    n: int, point: Point, across: _Axis, upright: _Axis, told: Callable[[float], str], *, on_front: bool
) -> Markup:
    x, y = across(point.at), upright(point.value)
    lines = [_line(across(point.start), y, x, y, "reach")]
    if point.low is not None and point.high is not None:
        lines.append(_line(x, upright(point.low), x, upright(point.high), "reach"))
    title = element("title", f"{point.label}: {point.value:.3f}, {told(point.at)}")
    circle = element("circle", cx=x, cy=y, r=8, class_="dot")
    return element("g", title, lines, circle, _text(x, y + 3, str(n)), class_=None if on_front else "beaten")


def _level(level: tuple[str, float], upright: _Axis) -> Markup:
    y = upright(level[1])
    return Markup(_line(LEFT, y, WIDE - RIGHT, y, "level") + _text(WIDE - RIGHT, y - 3, level[0], "end"))
