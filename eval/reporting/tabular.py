"""Reports as CSV (a row a run, system and case), as TREC files (runs and judgements), and as Markdown."""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Iterator, Sequence
from urllib.parse import quote

from agent.commands.render import count
from eval.comparisons import Comparison
from eval.metrics import change_in
from eval.plan.prices import price_for
from eval.reporting.parts import figure, percentage
from eval.reporting.reading import Reading
from eval.reporting.report import Report
from eval.reporting.trading import COST, TIME, front_sentences, priced, timed
from eval.running.drawing import cost_text, stable_text
from eval.running.spending import cost_of
from eval.running.tally import RATES

FORMULA = ("=", "+", "-", "@", "\t", "\r")


def csv_rows(readings: Sequence[Reading]) -> Iterator[str]:
    """Lines of CSV with a header: what every system scored on every case of every run, metrics in columns.

    A name that a spreadsheet would take for a formula begins with an apostrophe. Where a plan names prices, the last
    column is what a cell's answer to the case cost, the mean of its repeats.
    """
    is_priced = any(reading.summary.plan.prices for reading in readings)
    metrics = list(dict.fromkeys(name for reading in readings for name in reading.results.metrics))
    head = ["run", "system", "kind", "case_id", "user_id", "n_relevant", "answered", *metrics]
    yield csv_line([*head, "cost"] if is_priced else head)
    for reading in readings:
        run, costs = reading.run, _costs(reading) if is_priced else {}
        for result in reading.results.results:
            name, values = result.system.name, reading.results.per_case[result.system.name]
            for case in next(iter(values.values()), {}):
                scored = [_scored(values.get(metric, {}).get(case)) for metric in metrics]
                answered = int(bool(run.orders[name].get(case)))
                about = [reading.name, name, result.system.kind, case, run.users.get(case, ""), len(run.relevant[case])]
                cost = costs.get((name, reading.case_id(name, case)), "") if result.system.kind == "whole" else ""
                yield csv_line([*about, answered, *scored, *([cost] if is_priced else [])])


def _scored(value: float | None) -> float | str:
    """Empty for a metric that the case has no value of."""
    return "" if value is None or math.isnan(value) else value


def _costs(reading: Reading) -> dict[tuple[str, str], float]:
    """What the answers to each case cost, the mean of the repeats, by cell and case; those that are known."""
    prices = {cell.name: price_for(cell.model, reading.summary.plan.prices) for cell in reading.cells}
    found: dict[tuple[str, str], list[float]] = {}
    for answer in reading.folder.answers():
        cost = cost_of(answer.tokens, answer.calls, prices.get(answer.cell))
        if cost is not None:
            found.setdefault((answer.cell, answer.case_id), []).append(cost)
    return {key: sum(costs) / len(costs) for key, costs in found.items()}


def trec_run(readings: Sequence[Reading]) -> Iterator[str]:
    """Lines of a TREC run: `case Q0 item place score system`, scores strictly falling, so ties never decide.

    White space and per cent signs in names are written as in URLs, for the format is parted by white space. With more
    than one run the system's name begins with that of its run.
    """
    for reading in readings:
        prefix = f"{reading.name}/" if len(readings) > 1 else ""
        for result in reading.results.results:
            tag = _word(prefix + result.system.name)
            for case, order in reading.run.orders[result.system.name].items():
                items = list(dict.fromkeys(order))
                for place, item_id in enumerate(items, start=1):
                    yield f"{_word(case)} Q0 {_word(item_id)} {place} {len(items) - place + 1} {tag}\n"


def trec_judgements(readings: Sequence[Reading]) -> Iterator[str]:
    """Lines of TREC judgements (qrels), `case 0 item 1`, each case once, names as in `trec_run`."""
    seen: set[str] = set()
    for reading in readings:
        for case, relevant in reading.run.relevant.items():
            if case not in seen:
                seen.add(case)
                yield from (f"{_word(case)} 0 {_word(item_id)} 1\n" for item_id in relevant)


def markdown(reports: Sequence[Report]) -> str:
    """The reports in short: verdicts, gate, systems, differences, failures, how it was measured."""
    return "\n".join(line for report in reports for line in _markdown(report))


def _markdown(report: Report) -> Iterator[str]:
    reading = report.reading
    results, headline = reading.results, reading.results.headline
    yield from (f"# {_escaped(reading.name)}", "")
    yield from (f"{_escaped(sentence)}.\n" for sentence in report.sentences)
    if report.gate.judgements:
        yield from ("## Gate", "", f"{_escaped(report.gate.sentence)}.", "")
    yield from ("## Systems", "")
    yield from _table(["system", *(f"{name} [95 %]" for name in results.metrics), "answered"], _systems(report))
    for baseline, pairs in report.against.items():
        yield from (f"## Difference to {_escaped(baseline)}: {change_in(headline)}", "")
        head = ["system", "difference [95 %]", "p (Holm)", "better", "worse", "n"]
        yield from _table(head, _differences(pairs, headline))
    yield from _taken(reading)
    yield from ("## Failures", "")
    tallies = reading.tallies.values()
    rows = ([name, *(percentage(t.rate(name)) if t.n else "-" for t in tallies)] for name in RATES)
    yield from _table(["share of people", *(f"{t.cell}, {count(t.n, 'answer')}" for t in tallies)], rows)
    yield from ("## How it was measured", "")
    how = {name: words for name, words in reading.method.items() if isinstance(words, str)}
    yield from (f"- {name}: {_escaped(words)}" for name, words in how.items())
    yield ""


def _taken(reading: Reading) -> Iterator[str]:
    """What time and cost say of several cells, what each costs, and how stable it is in other orders."""
    summary = reading.summary
    lines = [*front_sentences(reading, timed(reading), TIME)]
    if summary.plan.prices:
        lines += front_sentences(reading, priced(reading), COST)
        lines += [f"{name}: {cost_text(cost, summary.plan.currency)}" for name, cost in summary.costs.items()]
    lines += [f"{name}: {stable_text(found)}" for name, found in summary.stable.items()]
    if lines:
        yield from ("## Time, cost and order", "", *(f"- {_escaped(line)}" for line in lines), "")


def _systems(report: Report) -> Iterator[list[str]]:
    results = report.reading.results
    for result in results.results:
        figures = (figure(result.metrics[name]) for name in results.metrics)
        yield [result.system.name, *figures, f"{result.answered} of {result.metrics[results.headline].n}"]


def _differences(pairs: Sequence[Comparison], headline: str) -> Iterator[list[str]]:
    for pair in pairs:
        found, p = pair.metrics[headline], pair.p_holm.get(headline)
        yield [
            pair.system,
            figure(found),
            "-" if p is None else f"{p:.3g}",
            str(found.wins),
            str(found.losses),
            str(found.n),
        ]


def _table(head: Sequence[str], rows: Iterator[list[str]]) -> Iterator[str]:
    yield _row(head)
    yield _row(["---", *["---:"] * (len(head) - 1)])
    yield from map(_row, rows)
    yield ""


def _row(cells: Sequence[str]) -> str:
    return f"| {' | '.join(_escaped(cell) if cell.strip('-:') else cell for cell in cells)} |"


def _escaped(text: str) -> str:
    """Text that Markdown takes as it is, on one line."""
    return "".join(f"\\{c}" if c in "\\`*_[]<>|#" else c for c in " ".join(text.split()))


def _word(name: str) -> str:
    """The name as one word: white space and per cent signs as in URLs."""
    return "".join(quote(c) if c.isspace() or c == "%" else c for c in name) or "%00"


def csv_line(cells: Sequence[object]) -> str:
    """The cells as one line of CSV, its end included."""
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerow(map(_cell, cells))
    return text.getvalue()


def _cell(value: object) -> object:
    """The value as a spreadsheet takes it: a text that it would run as a formula begins with an apostrophe."""
    return f"'{value}" if isinstance(value, str) and value.startswith(FORMULA) else value
