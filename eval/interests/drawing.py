"""The report on the interest posterior in a terminal, and its calibration as an SVG figure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from itertools import pairwise

from rich import box
from rich.table import Table

from agent.commands.render import facts, out, plain
from eval.interests.calibrating import LEVELS
from eval.interests.report import FITTED, POSTERIOR, Report
from eval.reporting.markup import Markup, element
from eval.statistics import Difference, Estimate, shown

DRAWN = (0, 1, 5, 20, 50, 100)  # acts before a question that fit a terminal of 80 columns
SIDE, PAD = 260.0, 40.0
MARKED = "5 % and more"  # the band that the figure draws boldly


def draw(report: Report) -> None:
    """Draw losses, the verdicts on them, coverage by level, and what it all holds for."""
    console = out()
    console.print(_losses(report))
    for name, found in report.comparisons.items():
        console.print(plain(_verdict(name, found, report.p_holm[name])), soft_wrap=True)
    for name in (POSTERIOR, FITTED):
        console.print(_coverage(name, report))
    console.print(facts(_about(report)))


def _about(report: Report) -> list[tuple[str, object]]:
    return [
        ("people", f"fitted on {report.people['fitted_on']}, reported on {report.people['reported_on']}"),
        ("posterior", _listed(asdict(report.shipped))),
        ("fitted here", f"{_listed(asdict(report.fitted.given))}; smoothed adds {report.fitted.added:g}"),
        ("data set", f"{report.dataset.name} {report.dataset.sha256[:12]}"),
    ]


def _listed(given: Mapping[str, float]) -> str:
    return ", ".join(f"{name.replace('_', ' ')} {value:g}" for name, value in given.items())


def _losses(report: Report) -> Table:
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, collapse_padding=True, header_style="bold")
    table.add_column("log-loss in nats", overflow="fold", min_width=12)
    table.add_column("all [95 %]", justify="right", no_wrap=True)
    lengths = [length for length in DRAWN if report.n_questions[length]]
    for length in lengths:
        table.add_column(f"{length}+", justify="right", no_wrap=True)
    for one in report.systems:
        low_high = "" if one.loss.low is None else f" [{one.loss.low:.2f}, {one.loss.high:.2f}]"
        cells = (f"{one.by_length[length]:.2f}" for length in lengths)
        style = "bold" if one.name == POSTERIOR else None
        table.add_row(one.name, f"{one.loss.value:.3f}{low_high}", *cells, style=style)
    table.add_row("questions", str(sum(report.n_questions.values())), *(str(report.n_questions[n]) for n in lengths))
    return table


def _verdict(name: str, found: Difference, p: float) -> str:
    spread = "" if found.low is None else f" [{found.low:+.4f}, {found.high:+.4f}]"
    word = "is shown to differ from" if shown(found, p) else "is not shown to differ from"
    return f"{POSTERIOR} {word} {name}: {found.value:+.4f}{spread} nats, Holm p = {p:.4f}, n = {found.n}"


def _coverage(name: str, report: Report) -> Table:
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, collapse_padding=True, header_style="bold")
    table.add_column(f"coverage, {name}", overflow="fold", min_width=12)
    for level in LEVELS:
        table.add_column(f"{level:.0%}", justify="right", no_wrap=True)
    table.add_column("n", justify="right", no_wrap=True)
    for band, found in report.coverage[name].items():
        table.add_row(band, *map(_share, found), str(found[0].n))
    return table


def _share(found: Estimate) -> str:
    if found.low is None or found.high is None:
        return f"{found.value:.1%}"
    return f"{found.value:.1%}\n[{100 * found.low:.0f}, {100 * found.high:.0f}]"


def figure(report: Report) -> str:
    """The reliability diagram of the shipped posterior as an SVG document: held against stated, by band of shares."""
    lines = [_line(0.0, 0.0, 1.0, 1.0, "#999", 1.0)]
    for level in LEVELS:
        lines += [_text(_x(level), SIDE + PAD + 16, f"{level:.0%}"), _text(PAD - 18, _y(level) + 4, f"{level:.0%}")]
    for band, found in report.coverage[POSTERIOR].items():
        lines += _curve(band, found)
    lines += [
        _text(PAD + SIDE / 2, SIDE + PAD + 34, "stated level of the interval"),
        _text(PAD + SIDE / 2, PAD - 16, f"intervals that held, {report.dataset.name} (green: shares of {MARKED})"),
        element("rect", x=PAD, y=PAD, width=SIDE, height=SIDE, fill="none", stroke="#333"),
    ]
    whole = 2 * PAD + SIDE
    head = {"xmlns": "http://www.w3.org/2000/svg", "viewBox": f"0 0 {whole:g} {whole:g}", "width": 2 * whole}
    return str(element("svg", lines, font_family="sans-serif", font_size="11", **head)) + "\n"


def _curve(band: str, found: Sequence[Estimate]) -> list[Markup]:
    colour, width = ("#0a6", 2.0) if band == MARKED else ("#59c", 1.0)
    points = list(zip(LEVELS, found, strict=True))
    pairs = pairwise(points)
    lines = [_line(a, first.value, b, second.value, colour, width) for (a, first), (b, second) in pairs]
    for level, one in points:
        title = element("title", f"{band}: {one.value:.3f} held of {level:.0%}")
        lines.append(element("circle", title, cx=_x(level), cy=_y(one.value), r=3, fill=colour))
        if band == MARKED and one.low is not None and one.high is not None:
            lines.append(_line(level, one.low, level, one.high, colour, 1.0))
    return lines


def _x(share: float) -> float:
    return round(PAD + SIDE * (max(share, 0.4) - 0.4) / 0.6, 2)


def _y(share: float) -> float:
    return round(PAD + SIDE * (1 - (max(share, 0.4) - 0.4) / 0.6), 2)


def _line(x1: float, y1: float, x2: float, y2: float, colour: str, width: float) -> Markup:
    a, b, c, d = _x(x1), _y(y1), _x(x2), _y(y2)
    return element("line", x1=a, y1=b, x2=c, y2=d, stroke=colour, stroke_width=width)


def _text(x: float, y: float, text: str) -> Markup:
    return element("text", text, x=x, y=y, text_anchor="middle")
