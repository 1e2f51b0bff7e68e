"""The page's first half: the verdict, the gate, every system, differences to the baseline, reasons."""

from __future__ import annotations

from collections.abc import Sequence

from agent.commands.render import count
from eval.beyond import FORMULAS, LOWER_IS_BETTER, OF_ALL, K
from eval.comparisons import Comparison
from eval.intervals import NO_INTERVAL
from eval.metrics import change_in, lower_is_better
from eval.reporting.charts import Bar, forest
from eval.reporting.markup import Markup, element, joined
from eval.reporting.parts import figure, named, soft, table, tone_of
from eval.reporting.report import Report
from eval.results import interval_text
from eval.tasks.rationales import FORMULAS as FORMULAS_OF_REASONS
from eval.tasks.rationales import OF_ALL as REASONS_OF_ALL


def verdict_section(report: Report) -> Markup:
    """The verdicts in plain sentences, the first one large, in the colour of what it shows."""
    headline, pairs = report.reading.headline, report.pairs
    first, *others = report.sentences or ("No system of this run can be compared",)
    tone = tone_of(pairs[0].metrics[headline], pairs[0].p_holm[headline]) if pairs else "open"
    more = element("ul", (element("li", sentence) for sentence in others)) if others else None
    return element("div", element("p", f"{first}."), more, class_=f"verdict {tone}")


def gate_section(report: Report) -> Markup:
    """Whether the gate passed, condition by condition; nothing where it has none."""
    gate = report.gate
    if not gate.judgements:
        return Markup()
    mark = {"passed": "✓", "failed": "✗", "too few": "?"}
    rows = (element("li", f"{mark[j.outcome]} {j.condition}: {j.sentence}") for j in gate.judgements)
    head = {"passed": "Gate passed", "failed": "Gate failed", "too few": "Gate undecided: the cases are too few"}
    word = gate.outcome.replace(" ", "-")
    return element(
        "div", element("h3", head[gate.outcome]), element("ul", rows, class_="gate"), class_=f"verdict {word}"
    )


def systems_section(report: Report) -> Markup:
    """Every system with every metric and how many cases it answered, then what its orders do besides hitting."""
    results, cells = report.reading.results, {cell.name for cell in report.reading.cells}
    names = [results.headline, *(name for name in results.metrics if name != results.headline)]
    rows = [
        (r.system.name, *(figure(r.metrics[name]) for name in names), f"{r.answered:,} of {r.metrics[names[0]].n:,}")
        for r in results.results
    ]
    own = [result.system.name in cells for result in results.results]
    about = named((r.system.name, r.system.about) for r in results.results)
    heads = [f"{name}{' (lower is better)' if lower_is_better(name) else ''} [95 %]" for name in names]
    return joined(
        [
            element("h3", "Every system"),
            table(["system", *heads, "answered"], rows, own),
            soft("A case without an answer scores 0, or the worst where less is better, and stays in the mean."),
            element("details", element("summary", "What the systems are"), about),
            _beyond(report, own),
        ]
    )


def _beyond(report: Report, own: list[bool]) -> Markup:
    found = report.reading.results.results
    names = [name for name in FORMULAS if any(name in result.beyond for result in found)]
    if not names:
        return Markup()
    if same := report.reading.summary.same_items:
        return soft(f"Not shown: {same}.")
    rows = [(r.system.name, *(figure(r.beyond.get(name)) for name in names)) for r in found]
    formulas = named(
        (name, f"{FORMULAS[name].format(k=K)}{'; lower is better' if name in LOWER_IS_BETTER else ''}")
        for name in names
    )
    return joined(
        [
            element("h3", f"Besides hitting: the first {K} places"),
            table(["system", *names], rows, own),
            soft(f"The interval of {', '.join(name for name in names if name in OF_ALL)}: {NO_INTERVAL}."),
            element("details", element("summary", "What these figures are"), formulas),
        ]
    )


def forest_section(report: Report) -> Markup:
    """Every system's paired difference to the baseline, with intervals; a forest for each baseline."""
    headline = report.reading.headline
    return joined(_forest(headline, baseline, pairs) for baseline, pairs in report.against.items() if pairs)


def _forest(headline: str, baseline: str, pairs: Sequence[Comparison]) -> Markup:
    n = pairs[0].metrics[headline].n
    family = max(pair.family for pair in pairs)
    judged = f"p corrected for the {count(family, 'comparison')} of the run (Holm), and none where the run makes none"
    about = (
        f"Paired over {count(n, 'case')}{_lower(headline)}; 95 % intervals;"
        f" {judged if family else 'the run compares none of them'}."
        f" Green is shown to be better, red worse; the dashed line is {baseline}."
    )
    bars = forest([_bar(pair, headline) for pair in pairs])
    return joined([element("h3", f"Difference to {baseline}: {change_in(headline)}"), bars, soft(about)])


def _lower(headline: str) -> str:
    return "; less is better, and to the right is how much less" if lower_is_better(headline) else ""


def _bar(pair: Comparison, headline: str) -> Bar:
    found, p = pair.metrics[headline], pair.p_holm.get(headline)
    text = f"{found.value:+.3f}{interval_text(found)}{'' if p is None else f' p {p:.2g}'}"
    tone = "open" if p is None else tone_of(found, p)
    return Bar(pair.system, found.value, found.low, found.high, text, tone)


def rationales_section(report: Report) -> Markup:
    """How good the reasons are, a row a measure and a column a cell; nothing for tasks that give none."""
    told = report.reading.summary.rationales
    if not told:
        return Markup()
    names = list(dict.fromkeys(name for found in told.values() for name in found))
    rows = [(name, *(figure(found.get(name)) for found in told.values())) for name in names]
    formulas = named((name, FORMULAS_OF_REASONS[name]) for name in names if name in FORMULAS_OF_REASONS)
    about = element("details", element("summary", "What these figures are"), formulas)
    note = soft(f"The interval of {', '.join(name for name in names if name in REASONS_OF_ALL)}: {NO_INTERVAL}.")
    return joined([element("h3", "Reasons"), table(["measure", *told], rows), note, about])
