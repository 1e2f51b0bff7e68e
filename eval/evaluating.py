"""An evaluation run from Python: from a plan to its run in a folder, scored, as `palate eval run` does it."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from pathlib import Path

from agent.commands.options import Options
from eval.running.asked import Asked
from eval.running.doing import carry_out, folder_for
from eval.running.opening import Opens, open_cells
from eval.running.summary import Summary


def evaluate(
    plan: Path | None,
    output: Path | None,
    changes: Mapping[str, object],
    *,
    config: Path | None = None,
    opens: Opens = open_cells,
) -> Summary:
    """The run, finished and scored. `changes` are keys of the plan, which go before its file.

    Without an output it lies beside the plan's file, or is a new folder among the temporary files where there is no
    file. A run of the same that is there already is gone on with. `config` is the settings file. Raises what
    `Asked.of`, `folder_for` and `carry_out` raise.
    """
    asked = Asked.of(plan, changes, Options(config))
    if plan is None and output is None:
        output = Path(tempfile.mkdtemp(prefix="palate-run-"))
    with folder_for(asked, output) as folder:
        carry_out(asked, folder, opens)
        summary = Summary.of(folder, known=asked.datasets)
        folder.write_summary(summary.as_json())
    return summary
