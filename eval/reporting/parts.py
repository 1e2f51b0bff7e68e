"""Pieces that every section of the page is made of: figures in words, tables, boxes to open. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Literal

from eval.beyond import Missing
from eval.reporting.charts import Tone
from eval.reporting.markup import Child, Markup, element
from eval.results import interval_text
from eval.statistics import Difference, Estimate, shown

Word = Literal["passed", "failed", "too few"]
ABSENT = "–"


def figure(found: Estimate | Difference | Missing | None, digits: int = 3) -> str:
    """`0.512 [0.471, 0.553]`, signed for a difference; a dash where there is none."""
    if found is None or isinstance(found, Missing):
        return ABSENT
    sign = "+" if isinstance(found, Difference) else ""
    return f"{found.value:{sign}.{digits}f}{interval_text(found, digits)}"


def percentage(found: Estimate | None) -> str:
    """`2.1 % [0.6 %, 7.4 %]`, with the bounds of a rate."""
    if found is None:
        return ABSENT
    low, high = (100 * (bound or 0) for bound in (found.low, found.high))
    return f"{100 * found.value:.1f} % [{low:.1f} %, {high:.1f} %]"


def tone_of(found: Difference, p: float) -> Tone:
    """What a difference shows, with its p as corrected."""
    if not shown(found, p):
        return "open"
    return "better" if found.value > 0 else "worse"


def table(head: Sequence[str], rows: Iterable[Sequence[Child]], own: Iterable[bool] = (), kind: str = "") -> Markup:
    """A table that scrolls by itself where it is too wide: each row's first cell names it, the others are figures.

    `own` says of each row whether it stands out; rows beyond it do not. Cells of the kind `words` are text to read.
    """
    marks = iter(own)
    body = [_row(row, next(marks, False)) for row in rows]
    heads = [element("th", name, scope="col", class_="num" if n and not kind else None) for n, name in enumerate(head)]
    inside = element("table", element("thead", element("tr", heads)), element("tbody", body))
    return element("div", inside, class_=f"wide {kind}".strip())


def box(summary: Child, *inside: Child, is_open: bool = False) -> Markup:
    """Something to open and close, without a script."""
    return element("details", element("summary", summary), inside, open=is_open)


def named(rows: Iterable[tuple[str, Child]]) -> Markup:
    """Names with what they stand for."""
    return element("dl", ((element("dt", name), element("dd", value)) for name, value in rows))


def soft(*text: Child) -> Markup:
    """A remark in small print."""
    return element("p", text, class_="soft")


def _row(cells: Sequence[Child], own: bool) -> Markup:
    first, *others = cells
    figures = (element("td", cell, class_="num") for cell in others)
    return element("tr", element("th", first, scope="row"), figures, class_="own" if own else None)
