"""Chosen settings put into a settings file, with the evidence for them beside them."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path

from agent.settings import RECORD
from agent.toml_file import write_values
from eval.tuning.report import Tuned

RECALL = f"{RECORD}.recall"


def write(path: Path, found: Tuned, about: Mapping[str, object]) -> None:
    """Set the chosen settings in a settings file, made where there is none, and record how they were chosen.

    All of it or nothing is written; what else the file holds stays. Raises ConfigError.
    """
    chosen = [(*_parted(key), value) for key, (_, value) in found.settings.items() if value is not None]
    record = [(RECALL, key, value) for key, value in evidence(found, about).items() if value is not None]
    write_values(path, [*chosen, *record])


def evidence(found: Tuned, about: Mapping[str, object]) -> dict[str, object]:
    """How the settings were chosen, and what they are worth on held-out people: the table `tuned.recall`."""
    values = {row.name: row.metrics[found.metric].value for row in found.rows}
    told: dict[str, object] = {"at": datetime.now(UTC).isoformat(timespec="seconds"), **about}
    if found.gain:
        gain = found.gain.metrics[found.metric]
        figures = {"difference": gain.value, "low": gain.low, "high": gain.high, "p": gain.p}
        told |= {name: None if value is None else round(value, 6) for name, value in figures.items()}
    held = {"current": round(values["current"], 6), "chosen": round(values["chosen"], 6)}
    return {**told, **held, "held_out_cases": found.n, "held_out_people": found.people, "fitted_on": found.fitted.n}


def _parted(key: str) -> tuple[str, str]:
    table, _, name = key.rpartition(".")
    return table, name
