"""Trade-offs in a terminal, a table a knob with bars of hits and gain, and as curves in an SVG figure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import pairwise

from rich import box
from rich.table import Table

from agent.commands.render import facts, out, plain
from eval.metrics import HEADLINE
from eval.reporting.markup import Markup, element
from eval.statistics import Difference
from eval.tradeoffs.measuring import EXPLORED
from eval.tradeoffs.report import MARGIN, Knob, Report, Row

BAR = 10  # columns of the longest bar
WIDE, HIGH, PAD = 300.0, 190.0, 46.0


def draw(report: Report, about: Mapping[str, object]) -> None:
    """Draw each knob on the people who did not choose, and a line on what was chosen and whether it holds."""
    console = out()
    for knob in report.knobs:
        console.print(_table(knob))
        console.print(plain(verdict(knob)), soft_wrap=True)
    if report.together is not None:
        changes = (f"{_named(name)} {_change(found)}" for name, found in report.together.change.items())
        console.print(plain(f"all of these together: {', '.join(changes)}"), soft_wrap=True)
    people = f"chosen on {report.people[0]}, reported on {report.people[1]}"
    p50, p95 = report.choice_ms
    times = f"p50 {p50:.2f} ms, p95 {p95:.2f} ms of {report.candidates:.0f} candidates"
    console.print(facts({**about, "people": people, "a choice takes": times}))


def verdict(knob: Knob) -> str:
    """What was chosen on one half, and what that did to the other."""
    if knob.target == EXPLORED:
        return "slate.exploration: nothing is chosen; what it brings shows only in what people do later"
    if not knob.chosen:
        return f"slate.{knob.name} = 0: no value gains {_named(knob.target)} within a loss of {MARGIN:g} {HEADLINE}"
    row = next(row for row in knob.rows if row.value == knob.chosen)
    words = "holds" if knob.holds else "does not hold"
    hits, gain = (_change(row.reported_on.change[name]) for name in (HEADLINE, knob.target))
    told = f"{HEADLINE} {hits}, {_named(knob.target)} {gain}"
    return f"slate.{knob.name} = {knob.chosen:g} by one half; it {words} on the other: {told}"


def _table(knob: Knob) -> Table:
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, collapse_padding=True, header_style="bold")
    table.title, table.title_justify, table.title_style = f"slate.{knob.name}", "left", "bold"
    for name in ("value", HEADLINE, "change [95 %]"):
        table.add_column(name, justify="right", no_wrap=True)
    table.add_column(_named(knob.target), justify="right", min_width=11)
    table.add_column("coverage", justify="right", no_wrap=True)
    table.add_column("hits, gain", no_wrap=True, min_width=BAR)
    for row in knob.rows:
        table.add_row(*_cells(knob, row), style="bold" if row.value == knob.chosen else None)
    return table


def _cells(knob: Knob, row: Row) -> list[str]:
    side = row.reported_on
    target = side.figures.get(knob.target)
    return [
        f"{row.value:g}",
        f"{side.figures[HEADLINE]:.4f}",
        _change(side.change[HEADLINE]) if row.value else "",
        "–" if target is None else f"{target:.3f}",
        f"{side.coverage:.3f}",
        f"{_bar(knob, row, HEADLINE)}\n{_bar(knob, row, knob.target)}",
    ]


def _bar(knob: Knob, row: Row, name: str) -> str:
    values = [row.reported_on.figures[name] for row in knob.rows if name in row.reported_on.figures]
    most = max(values, default=0.0)
    mine = row.reported_on.figures.get(name, 0.0)
    return "▄" * round(BAR * mine / most) if most > 0 else ""


def _change(found: Difference) -> str:
    spread = "" if found.low is None or found.high is None else f" [{found.low:+.4f}, {found.high:+.4f}]"
    return f"{found.value:+.4f}{spread}"


def _named(target: str) -> str:
    return target.replace("_", " ")


def figure(report: Report, name: str) -> str:
    """The hits over what each knob gains, a curve a knob with intervals, as an SVG document."""
    panels = [_panel(knob, n % 2 * WIDE, 24 + n // 2 * HIGH) for n, knob in enumerate(report.knobs)]
    title = element("text", f"{HEADLINE} over what each knob gains, {name}", x=WIDE, y=16, text_anchor="middle")
    high = 24 + HIGH * ((len(panels) + 1) // 2)
    head = {"xmlns": "http://www.w3.org/2000/svg", "viewBox": f"0 0 {2 * WIDE:g} {high:g}", "width": 4 * WIDE}
    return str(element("svg", title, panels, font_family="sans-serif", font_size="10", **head)) + "\n"


def _panel(knob: Knob, left: float, top: float) -> Markup:
    points = [_point(row, knob.target) for row in knob.rows if knob.target in row.reported_on.figures]
    if not points:
        return Markup()
    ends, gains = (left + PAD, left + WIDE - 14), [p.gain for p in points]
    across = _Axis(min(gains), max(gains), *ends)
    level = points[0].hits - MARGIN
    hits = [level, *(v for p in points for v in (p.low, p.high))]
    upright = _Axis(min(hits), max(hits), top + HIGH - 34, top + 8)
    lines = [_line(ends[0], upright(level), ends[1], upright(level), "#c60", "4 3")]
    for one, other in pairwise(points):
        lines.append(_line(across(one.gain), upright(one.hits), across(other.gain), upright(other.hits), "#0a6"))
    for point in points:
        x = across(point.gain)
        lines += [_line(x, upright(point.low), x, upright(point.high), "#9cb"), _dot(x, upright(point.hits), point)]
    words = f"{knob.name}: {_named(knob.target)}"
    return element("g", lines, _ticks(across, upright), _text(left + WIDE / 2, top + HIGH - 8, words))


@dataclass(frozen=True)
class _Point:
    """One value of a knob in the figure; the interval is that of the change against 0."""

    value: float
    gain: float
    hits: float
    low: float
    high: float


def _point(row: Row, target: str) -> _Point:
    side = row.reported_on
    hits, change = side.figures[HEADLINE], side.change.get(HEADLINE)
    ends = (None, None) if change is None else (change.low, change.high)
    low, high = (hits if end is None or change is None else hits - change.value + end for end in ends)
    return _Point(row.value, side.figures[target], hits, low, high)


@dataclass(frozen=True)
class _Axis:
    """Places values between two ends of the drawing."""

    low: float
    high: float
    start: float
    end: float

    def __call__(self, value: float) -> float:
        share = (value - self.low) / ((self.high - self.low) or 1.0)
        return round(self.start + (self.end - self.start) * share, 2)


def _ticks(across: _Axis, upright: _Axis) -> list[Markup]:
    foot = upright(upright.low) + 14
    ends = [_text(across(v), foot, f"{v:.3g}", a) for v, a in ((across.low, "start"), (across.high, "end"))]
    left = across(across.low) - 4
    return [*ends, *(_text(left, upright(v) + 3, f"{v:.3f}", "end") for v in (upright.low, upright.high))]


def _dot(x: float, y: float, point: _Point) -> Markup:
    title = element("title", f"{point.value:g}: {point.hits:.4f} [{point.low:.4f}, {point.high:.4f}], {point.gain:.3f}")
    return element("circle", title, cx=x, cy=y, r=3, fill="#0a6")


def _line(x1: float, y1: float, x2: float, y2: float, colour: str, dashes: str | None = None) -> Markup:
    return element("line", x1=x1, y1=y1, x2=x2, y2=y2, stroke=colour, stroke_dasharray=dashes)


def _text(x: float, y: float, text: str, anchor: str = "middle") -> Markup:
    return element("text", text, x=x, y=y, text_anchor=anchor)
