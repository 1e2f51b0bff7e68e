"""The page's second half: slices, failures by kind, and the worst losses to look into."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import groupby

from agent.commands.render import count
from eval.reporting.losses import Loss
from eval.reporting.markup import Child, Markup, element, joined
from eval.reporting.parts import box, figure, named, percentage, soft, table, tone_of
from eval.reporting.reading import Reading
from eval.reporting.report import Report
from eval.reporting.slices import Slice
from eval.running.answers import Answer
from eval.running.tally import MEANINGS, RATES, Tally
from eval.running.trace import cut
from eval.systems import LIKELIHOOD_ONLY, MODEL, RECALL_ONLY, WITHOUT_MODEL

PLACES = 10  # of each order that a case shows
MAX_CHARS = 4_000  # of a prompt or a reply on the page
MAX_CALLS = 4  # of a case on the page


def slices_section(report: Report) -> Markup:
    """The headline metric by length of history, popularity and cold people, tables for each cell."""
    boxes = [
        box(cell, *_slice_tables(report.reading, cell, found), is_open=n == 0)
        for n, (cell, found) in enumerate(report.slices.items())
    ]
    note = soft("Slices are for finding out; p is corrected for all slices of the cell.")
    return joined([element("h3", "Slices"), *boxes, note]) if boxes else Markup()


def _slice_tables(reading: Reading, cell: str, found: Sequence[Slice]) -> Iterator[Markup]:
    columns = ["cases", f"{reading.headline} [95 %]", f"less {reading.baseline(cell)} [95 %]", "p (Holm)"]
    for kind, slices in groupby(found, key=lambda one: one.kind):
        yield table([kind, *columns], map(_slice_row, slices))


def _slice_row(one: Slice) -> tuple[Child, ...]:
    change = element("span", figure(one.change), class_=tone_of(one.change, one.p_holm))
    return one.name, f"{one.value.n:,}", figure(one.value), change, f"{one.p_holm:.2g}"


def failures_section(report: Report) -> Markup:
    """Every kind of failure with its rate and bounds, a column a cell, then the reasons given and a case for each."""
    tallies = report.reading.tallies
    rows = [(f"{name}: {MEANINGS[name]}", *(_rate(tally, name) for tally in tallies.values())) for name in RATES]
    reasons = [
        element("li", f"{cell}, {kind}, {count(reason.n, 'answer')}, such as {reason.case_id}: {reason.words}")
        for cell, tally in tallies.items()
        for kind in ("failed", "degraded")
        for reason in tally.ranked_reasons(kind)[:PLACES]
    ]
    return joined(
        [
            element("h3", "Failures"),
            table(["what went wrong", *tallies], rows),
            element("ul", reasons) if reasons else None,
            soft(
                "Answers with at least one, and the share of people who have such an answer, with Wilson's 95 % bounds."
            ),
        ]
    )


def losses_section(report: Report) -> Markup:
    """The worst losses against the baseline, worst first, each to be opened: orders, prompts, replies."""
    reading = report.reading
    if not report.against:
        return Markup()
    baselines = ", ".join(report.against)
    head = element("h3", f"Worst losses against {baselines}")
    if not report.losses:
        return joined([head, soft(f"No case does worse than {baselines} on {reading.headline}.")])
    boxes = [_loss(reading, loss, report.answers.get((loss.cell, loss.case_id))) for loss in report.losses]
    return joined([head, soft(f"The first {count(len(boxes), 'case')}, the largest loss first; open one."), *boxes])


def _rate(tally: Tally, name: str) -> str:
    return f"{tally.flawed[name]:,}: {percentage(tally.rate(name))}" if tally.n else "no answers"


def _loss(reading: Reading, loss: Loss, answer: Answer | None) -> Markup:
    figures = f"{loss.value:.3f} against {loss.baseline:.3f} ({loss.change:+.3f})"
    summary = [element("strong", loss.case_id), f" {loss.cell}: {figures}"]
    return box(summary, _case(reading, answer) if answer else soft("no answer is stored"))


def _case(reading: Reading, answer: Answer) -> Markup:
    titles = {k: ", ".join(reading.title(answer.cell, i) for i in ids) for k, ids in _lists(answer).items()}
    facts: list[tuple[str, Child]] = [("person", answer.user_id), *titles.items()]
    if answer.failed:
        facts.append(("failed", answer.failed))
    if answer.degraded:
        facts.append(("degraded", "; ".join(answer.degraded)))
    flaws = ", ".join(f"{name} {n}" for name, n in answer.validity.items() if n)
    if flaws:
        facts.append(("reply", flaws))
    return joined([named(facts), _orders(reading, answer), *_calls(answer)])


def _lists(answer: Answer) -> Mapping[str, tuple[str, ...]]:
    disliked = {"disliked": answer.disliked} if answer.disliked else {}
    return {"relevant": answer.relevant, **disliked, "history (newest last)": answer.history[-PLACES:]}


def _orders(reading: Reading, answer: Answer) -> Markup:
    """The first places of each order side by side, and where the relevant items stand beyond them."""
    names = [n for n in (RECALL_ONLY, WITHOUT_MODEL, LIKELIHOOD_ONLY, MODEL) if answer.orders.get(n)]
    if not names:
        return Markup()
    orders = [answer.orders[name] for name in names]
    rows: list[tuple[Child, ...]] = [
        (place + 1, *(_item(reading, answer, order, place) for order in orders))
        for place in range(min(PLACES, max(map(len, orders))))
    ]
    rows.append(("relevant at", *(", ".join(_places(order, answer.relevant)) for order in orders)))
    return table(["place", *names], rows, kind="words")


def _item(reading: Reading, answer: Answer, order: tuple[str, ...], place: int) -> Child:
    if place >= len(order):
        return None
    title = reading.title(answer.cell, order[place])
    return element("span", title, class_="hit" if order[place] in answer.relevant else None)


def _places(order: tuple[str, ...], relevant: tuple[str, ...]) -> Iterator[str]:
    yield from (str(order.index(item_id) + 1) if item_id in order else "nowhere" for item_id in relevant)


def _calls(answer: Answer) -> Iterator[Markup]:
    for n, call in enumerate(answer.trace[:MAX_CALLS], start=1):
        heading = f"Call {n} of {len(answer.trace)}: {call.get('method', '')}"
        prompt, reply = (element("pre", cut(str(call.get(key, "")), MAX_CHARS)) for key in ("prompt", "reply"))
        yield box(heading, prompt, soft("Reply"), reply)
