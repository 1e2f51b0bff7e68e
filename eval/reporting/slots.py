"""What the slot of a candidate does: cases in several orders, and where relevant items were shown and put."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from agent.commands.render import count
from eval.reporting.charts import heat
from eval.reporting.markup import Markup, element, joined
from eval.reporting.parts import ABSENT, box, figure, named, percentage, soft, table
from eval.reporting.report import Report
from eval.running.stability import BIAS, BY_SLOT, SAME_TOP, SLOTS, TAU, Stable


def stability_section(report: Report) -> Markup:
    """How alike answers are in other orders of the candidates, and the place that each slot gets; a map a cell."""
    found = report.reading.summary.stable
    if not found:
        return Markup()
    heads = ["order of", "Kendall's tau [95 %]", "same item first", "slot bias"]
    n = max(stable.orders for stable in found.values())
    formulas = named([("tau", TAU), ("same item first", SAME_TOP), ("slot bias", BIAS), ("mean place", BY_SLOT)])
    boxes = (box(name, *_slots(stable), is_open=True) for name, stable in found.items() if stable.slots)
    return joined(
        [
            element("h3", "The same candidates in other orders"),
            table(heads, (row for name, stable in found.items() for row in _rows(name, stable))),
            *boxes,
            soft(
                f"Each case was asked in {n} orders. Each row of a map is a slot in which candidates were shown, each"
                " column the place that the model gave them by its own scores, in per cent of the row; orders were"
                " drawn by lot, so that every row would be alike if the slot did nothing."
            ),
            element("details", element("summary", "What these figures are"), formulas),
        ]
    )


def slots_section(report: Report) -> Markup:
    """Where relevant items stood in the order that the model was shown, and where it put them; a map a cell."""
    maps = [
        box(
            f"{name}: {count(sum(tally.slots.values()), 'relevant item')}",
            _map(tally.slots, tally.longest, f"{name}: relevant items by the slot they were shown in and their place"),
            is_open=n == 0,
        )
        for n, (name, tally) in enumerate(report.reading.tallies.items())
        if tally.slots
    ]
    if not maps:
        return Markup()
    return joined(
        [
            element("h3", "Relevant items: shown there, put there"),
            *maps,
            soft(
                "Each row is the slot in which relevant items were shown (the order without the model), each column the"
                " place that the model gave them, in per cent of the row. All weight on the diagonal: the model repeats"
                " what it is shown; in the first columns: it finds what is relevant wherever it stands. Good orders put"
                " relevant items into the first slots, too: what the slot itself does, a run with --orders 3 says."
            ),
        ]
    )


def _rows(name: str, stable: Stable) -> Iterator[tuple[str, ...]]:
    yield name, figure(stable.tau), percentage(stable.same_top), ABSENT
    alone = figure(stable.alone_tau), percentage(stable.alone_same_top), figure(stable.bias)
    yield f"{name}, model alone", *alone


def _slots(stable: Stable) -> Iterator[Markup]:
    yield _map(stable.slots, stable.longest, "candidates by the slot they were shown in and the place they were given")
    names = _names(stable.longest)
    places = ((name, figure(found, 2)) for name, found in zip(names, stable.by_slot, strict=False))
    yield element("details", element("summary", "Mean place by slot"), table(["slot", "mean place [95 %]"], places))


def _map(slots: Counter[tuple[int, int]], longest: int, about: str) -> Markup:
    names = _names(longest)
    counts = [[slots[row, column] for column in range(len(names))] for row in range(len(names))]
    return heat(counts, names, ("slot", "place"), about)


def _names(longest: int) -> list[str]:
    """The slots by number, or in tenths of longer lists."""
    if longest <= SLOTS:
        return [str(n + 1) for n in range(longest)]
    return [f"{100 // SLOTS * (n + 1)} %" for n in range(SLOTS)]
