"""Tuned settings, drawn in a terminal and as JSON."""

from __future__ import annotations

from collections.abc import Mapping

from rich import box
from rich.table import Table

from agent.commands.render import count, facts, out, plain
from eval.recall.drawing import table_of
from eval.results import verdict
from eval.tuning.report import CHOSEN, Tuned

Facts = Mapping[str, object]


def draw(found: Tuned, about: Facts) -> None:
    """Draw the figures of held-out people, the settings, what each source adds, and the verdict."""
    console = out()
    console.print(table_of(found.rows, CHOSEN))
    console.print(_settings(found))
    for pair in found.adds:
        console.print(plain(verdict(pair, found.metric)), soft_wrap=True)
    fitted = found.fitted
    searched = f"{fitted.looked_at:,} choices in {fitted.seconds:.1f} s"
    rows = {
        **about,
        "searched": f"{searched}, on {count(fitted.n, 'case')} of {fitted.people:,} people",
        "there": f"{found.metric} {fitted.before:.3f} -> {fitted.after:.3f}",
        "held out": f"{count(found.n, 'case')} of {found.people:,} people",
        **({"less than asked": count(found.missing, "case")} if found.missing else {}),
    }
    console.print(facts(rows))
    console.print(plain(sentence(found)), style="green" if found.better else "yellow", soft_wrap=True)


def sentence(found: Tuned) -> str:
    """The verdict in a plain sentence."""
    if found.gain is None:
        return f"no settings were found that beat those in force by {found.metric}"
    return verdict(found.gain, found.metric)


def as_json(found: Tuned, about: Facts, written: str | None) -> dict[str, object]:
    """The documented JSON shape of `palate tune recall --json`."""
    return {
        **about,
        "fitted_on": found.fitted.as_json(),
        "held_out": {"n": found.n, "people": found.people},
        "missing": found.missing,
        "settings": {key: {"current": now, "chosen": then} for key, (now, then) in found.settings.items()},
        "results": [row.as_json() for row in found.rows],
        "gain": found.gain.as_row(found.metric) if found.gain else None,
        "adds": [pair.as_row(found.metric) for pair in found.adds],
        "better": found.better,
        "verdict": sentence(found),
        "written": written,
    }


def _settings(found: Tuned) -> Table:
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, header_style="bold")
    for name in ("setting", "current", "chosen"):
        table.add_column(name, overflow="fold", no_wrap=name == "setting")
    for key, (now, then) in found.settings.items():
        table.add_row(key, _written(now), _written(then), style=None if now != then else "dim")
    return table


def _written(value: object) -> str:
    if isinstance(value, Mapping):
        return ", ".join(f"{plain(name)}={weight:g}" for name, weight in value.items())
    return "–" if value is None else plain(f"{value:g}" if isinstance(value, float) else value)
