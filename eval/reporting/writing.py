"""A report into a file, in the form that its name ends in: .html, .md, .csv, .json, .xml (JUnit) or .trec."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from pathlib import Path

from agent.errors import ConfigError
from eval.files import write_text
from eval.reporting import tabular
from eval.reporting.diffing import Diff, diff
from eval.reporting.junit import junit
from eval.reporting.page import page
from eval.reporting.report import Report, as_json, report_of

JUDGEMENTS = ".qrels"  # beside a .trec file: what is relevant

Files = dict[Path, Iterable[str]]


def write_report(runs: Sequence[Path], output: Path) -> list[Path]:
    """Write one report of all the runs, and the files written. A later run is also compared with the first.

    Raises ConfigError: an ending that is none of the known ones, no run there, a file that cannot be written.
    """
    _writer(output)
    return write_reports([report_of(run) for run in runs], output)


def write_reports(reports: Sequence[Report], output: Path) -> list[Path]:
    """The same of reports that are made already."""
    written = _writer(output)(reports, output)
    for path, lines in written.items():
        write_lines(path, lines)
    return list(written)


def write_lines(path: Path, lines: Iterable[str]) -> None:
    """Write the text so that the file is never seen half-written, with its folders. Raises ConfigError."""
    with suppress(OSError):  # writing says what is wrong
        path.parent.mkdir(parents=True, exist_ok=True)
    write_text(path, lines)


def diffs_of(reports: Sequence[Report]) -> list[Diff]:
    """Every later run against the first, where they share cells, cases and a metric; others are left out."""
    found = []
    for report in reports[1:]:
        try:
            found.append(diff(reports[0].reading, report.reading))
        except ConfigError:
            continue
    return found


def _html(reports: Sequence[Report], output: Path) -> Files:
    return {output: [page(reports, diffs_of(reports))]}


def _markdown(reports: Sequence[Report], output: Path) -> Files:
    return {output: [tabular.markdown(reports)]}


def _csv(reports: Sequence[Report], output: Path) -> Files:
    return {output: tabular.csv_rows([report.reading for report in reports])}


def _json(reports: Sequence[Report], output: Path) -> Files:
    found = {"runs": [as_json(report) for report in reports], "diffs": [one.as_json() for one in diffs_of(reports)]}
    return {output: [json.dumps(found, ensure_ascii=False, indent=2, allow_nan=False), "\n"]}


def _junit(reports: Sequence[Report], output: Path) -> Files:
    return {output: [junit([report.gate for report in reports])]}


def _trec(reports: Sequence[Report], output: Path) -> Files:
    readings = [report.reading for report in reports]
    return {
        output: tabular.trec_run(readings),
        output.with_suffix(JUDGEMENTS): tabular.trec_judgements(readings),
    }


def _writer(output: Path) -> Callable[[Sequence[Report], Path], Files]:
    writer = _WRITERS.get(output.suffix.lower())
    if writer is None:
        raise ConfigError(f"no report is written as {output.name!r}", f"Endings: {', '.join(_WRITERS)}")
    return writer


_WRITERS: dict[str, Callable[[Sequence[Report], Path], Files]] = {
    ".html": _html,
    ".md": _markdown,
    ".csv": _csv,
    ".json": _json,
    ".xml": _junit,
    ".trec": _trec,
}
