"""Requests that schemathesis makes of the OpenAPI document, fitting and unfitting ones, against a real server."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.support.promises import Say
from tests.support.serving import films_in, serving

CONFIG = """
seed = 20260101
request-timeout = 120

# Who gives next to no time is told when to come back, where others come first.
[checks.not_a_server_error]
expected-statuses = ["2xx", "3xx", "4xx", 503]

# "ada/export" is a name as good as any other, so it can be forgotten.
[[operations]]
include-path = "/v1/users/{user}/export"
checks.unsupported_method.enabled = false
"""
REFUSALS = "positive_data_acceptance"  # a filter that is none is refused, though its schema says only that it is text
FORM = {"quick": ("fuzzing", 4, 60), "thorough": ("examples,coverage,fuzzing", 75, 2_000)}
SIZES = ["quick", pytest.param("thorough", marks=pytest.mark.thorough)]


def cases(address: str, folder: Path, phases: str, examples: int) -> tuple[dict[str, Any], str]:
    """What schemathesis found, as its report and in its words."""
    (folder / "schemathesis.toml").write_text(CONFIG, encoding="utf-8")
    report = folder / "report.json"
    command = [sys.executable, "-c", "from schemathesis.cli import schemathesis; schemathesis()"]
    command += ["run", f"{address}/openapi.json", "--phases", phases, "--max-examples", str(examples)]
    command += ["--exclude-checks", REFUSALS, "--no-shrink", "--continue-on-failure"]
    command += ["--report", "json", "--report-json-path", str(report)]
    ended = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=1_800, check=False)
    assert report.exists(), ended.stdout + ended.stderr
    return json.loads(report.read_text(encoding="utf-8")), ended.stdout


@pytest.mark.parametrize("size", SIZES)
def test_requests_made_from_the_document_break_nothing(tmp_path: Path, size: str, promise: Say) -> None:
    phases, examples, least = FORM[size]
    folder = tmp_path / "served"
    films_in(folder)
    with serving(folder, "--no-llm") as server:
        found, words = cases(server.address, tmp_path, phases, examples)
        told = server.ask("GET", "/metrics").raw.decode()
        noted = server.noted
    counts = found["test_cases"]
    errors = sum(one["count"] for one in found["failures"] if one["type"] == "ServerError")
    others = counts["unique_failures"] - errors
    figure = f"{counts['generated']:,} requests of {found['operations']['tested']} operations: "
    figure += f"{errors} internal errors, {others} breaches"
    met = not counts["unique_failures"] and counts["generated"] >= least
    text = "2,000+ requests that schemathesis makes of the OpenAPI document: 0 internal errors, 0 breaches of it"
    promise("Bad input", text, figure, met)
    assert not counts["unique_failures"], words
    assert not counts["errored"]
    assert found["complete"]
    assert found["operations"]["tested"] == found["operations"]["total"]
    assert counts["generated"] >= least
    assert "internal error" not in noted
    unavailable = sum(map(float, re.findall(r'(?m)^palate_requests_total\{(?!.*/readyz).*status="503"\} (\S+)', told)))
    sent_away = float(re.findall(r"(?m)^palate_shed_total (\S+)", told)[0])
    assert unavailable <= sent_away  # no 503 but for want of time
