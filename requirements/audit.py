"""What is known against the locked versions, as `make audit` tells it.

pip-audit asks an advisory service about every line of requirements/test.lock. Where that service is out of reach, or
does not know a package, the list in advisories.json is used, and its date is told. What audit.toml allows passes until
its date; everything else fails, and so does a list that nobody has renewed for 90 days.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tomllib
from collections.abc import Iterator, Sequence, Set
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet

HERE = Path(__file__).parent
LOCK, ALLOWED, KEPT = HERE / "test.lock", HERE / "audit.toml", HERE / "advisories.json"
SERVICE_TIMEOUT_S = 900
KEPT_FOR = timedelta(days=90)


@dataclass(frozen=True)
class Finding:
    """One advisory against one locked package; `ids` are all its names."""

    package: str
    version: str
    ids: tuple[str, ...]
    summary: str


@dataclass(frozen=True)
class Allowance:
    """One advisory that is allowed until `expires`; `test` shows that it does not reach us."""

    ids: tuple[str, ...]
    package: str
    reason: str
    test: str
    since: date
    expires: date


def locked(path: Path = LOCK) -> dict[str, str]:
    """Name to version of everything in a lock, for this Python and platform."""
    lines = (line.partition(" \\")[0] for line in path.read_text(encoding="utf-8").splitlines() if "==" in line[:200])
    parsed = [Requirement(line) for line in lines if not line.lstrip().startswith(("#", "--"))]
    fitting = [one for one in parsed if one.marker is None or one.marker.evaluate()]
    return {one.name: str(one.specifier).removeprefix("==") for one in fitting}


def allowances(path: Path = ALLOWED) -> list[Allowance]:
    """What is allowed. Raises KeyError where an entry lacks a part."""
    rows = tomllib.loads(path.read_text(encoding="utf-8"))["allowed"]
    return [
        Allowance((r["id"], *r["aliases"]), r["package"], r["reason"], r["test"], r["since"], r["expires"])
        for r in rows
    ]


def known_offline(versions: dict[str, str], path: Path = KEPT) -> Iterator[Finding]:
    """What the kept list says of these versions."""
    for row in json.loads(path.read_text(encoding="utf-8"))["advisories"]:
        version = versions.get(row["package"])
        if version is not None and version in SpecifierSet(row["affected"], prereleases=True):
            yield Finding(row["package"], version, (row["id"],), row["summary"])


def answered(report: dict[str, Any]) -> tuple[list[Finding], set[str]]:
    """What a service's report says, and the packages that it says nothing about."""
    findings, unknown = [], set()
    for row in report["dependencies"]:
        if "skip_reason" in row:
            unknown.add(row["name"])
        for one in row.get("vulns", ()):
            ids = (one["id"], *one.get("aliases", ()))
            findings.append(Finding(row["name"], row["version"], ids, one.get("description", "").split("\n")[0][:120]))
    return findings, unknown


def asked(lock: Path = LOCK) -> dict[str, Any] | None:
    """pip-audit's report on a lock; None where its service is out of reach."""
    command = [sys.executable, "-m", "pip_audit", "-r", str(lock), "--require-hashes", "--disable-pip", "-f", "json"]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=SERVICE_TIMEOUT_S, check=False)
        report: dict[str, Any] = json.loads(done.stdout)
    except (subprocess.TimeoutExpired, json.JSONDecodeError):
        return None
    return report


def verdict(findings: Sequence[Finding], allowed: Sequence[Allowance], today: date) -> tuple[list[str], bool]:
    """A line for each finding, and whether all of them may pass."""
    lines, passes = [], True
    for found in findings:
        way = next((one for one in allowed if one.package == found.package and set(one.ids) & set(found.ids)), None)
        if way is None:
            how = "NOT ALLOWED"
        elif way.expires < today:
            how = f"ALLOWED ONLY UNTIL {way.expires}: look again, or renew it in audit.toml"
        else:
            how = f"allowed until {way.expires}: {way.reason} ({way.test})"
        passes = passes and way is not None and way.expires >= today
        lines.append(f"{found.package} {found.version} {found.ids[0]}: {found.summary}\n  {how}")
    return lines, passes


def sources(versions: Set[str], unknown: Set[str], today: date, path: Path = KEPT) -> tuple[str, bool]:
    """In words who was asked, the kept list about what no service knows; whether that list is new enough to be used."""
    by_service = f"an advisory service told of {len(versions) - len(unknown)} of {len(versions)} packages"
    if not unknown:
        return by_service, True
    kept = json.loads(path.read_text(encoding="utf-8"))
    as_of = date.fromisoformat(kept["as_of"])
    told = f"{by_service}; of the other {len(unknown)} only the {len(kept['advisories'])} advisories tell that were "
    told += f"kept on {as_of} (requirements/{path.name}), which is no whole list"
    if today - as_of <= KEPT_FOR:
        return told, True
    return f"{told} and TOO OLD: audit where a service is in reach, and renew it with what that tells", False


def main() -> int:
    """Ask, compare, and tell; 0 where nothing is left."""
    versions, report, today = locked(), asked(), datetime.now(UTC).date()
    findings, unknown = answered(report) if report else ([], set(versions))
    findings += known_offline({name: version for name, version in versions.items() if name in unknown})
    lines, passes = verdict(findings, allowances(), today)
    told, is_new = sources(versions.keys(), unknown, today)
    end = "passed" if passes and is_new else "FAILED"
    sys.stdout.write("".join(f"{line}\n" for line in [*lines, told]))
    sys.stdout.write(f"{len(versions)} locked packages, {len(findings)} advisories, {end}\n")
    return 0 if passes and is_new else 1


if __name__ == "__main__":
    sys.exit(main())
