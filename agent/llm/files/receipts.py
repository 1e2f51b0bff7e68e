"""What was found out about a file, kept so that half a gigabyte is not hashed at every start.

A receipt holds for a path as long as the file's size and time of change stay the same. Losing one costs a hash.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import tempfile
from dataclasses import asdict, dataclass
from pathlib import Path

from agent.llm.files.fetch import Progress, WrongHash, quiet, sha256_of
from agent.llm.files.gguf import read_header


@dataclass(frozen=True)
class Receipt:
    """A file seen to be a whole GGUF: its hash, how it is quantised, its licence, and where it came from."""

    path: str
    size: int
    changed_ns: int
    sha256: str
    file_type: str = ""
    license: str = ""
    source: str = ""


class Receipts:
    """The receipts of one cache folder, one small file each. A folder that cannot be written in keeps none."""

    def __init__(self, cache_folder: Path) -> None:
        self.folder = cache_folder / "receipts"

    def check(self, path: Path, expected: str | None, *, source: str = "", progress: Progress = quiet) -> Receipt:
        """The receipt of a file that is a whole GGUF and, where a hash is expected, has it.

        The hash is taken before anything of the file is parsed. `source` is recorded when the file is new here.
        Raises WrongHash, or ModelUnavailable saying what else is wrong with it.
        """
        known = self.of(path)
        if known is None:
            sha256 = sha256_of(path, progress) if path.is_file() else ""
            if sha256 and expected not in (None, sha256):
                raise WrongHash(path, expected or "", sha256)
            header = read_header(path)
            known = self.keep(path, sha256, header.file_type, license_name=header.license, source=source)
        if expected not in (None, known.sha256):
            raise WrongHash(path, expected or "", known.sha256)
        return known

    def of(self, path: Path) -> Receipt | None:
        """The receipt of a file as it is now; None when there is none, or the file changed since."""
        receipt = self.last(path)
        try:
            now = path.stat()
        except OSError:
            return None
        return receipt if receipt and (receipt.size, receipt.changed_ns) == (now.st_size, now.st_mtime_ns) else None

    def last(self, path: Path) -> Receipt | None:
        """The receipt of what the file was when it was last looked at, None when it never was."""
        try:
            receipt = Receipt(**json.loads(self._file(path).read_text(encoding="utf-8")))
        except (OSError, ValueError, TypeError):
            return None
        return receipt if receipt.path == _key(path) else None

    def keep(self, path: Path, sha256: str, file_type: str, *, license_name: str = "", source: str = "") -> Receipt:
        """Record what a file was found to be."""
        now = path.stat()
        receipt = Receipt(_key(path), now.st_size, now.st_mtime_ns, sha256, file_type, license_name, source)
        with contextlib.suppress(OSError):
            self.folder.mkdir(parents=True, exist_ok=True)
            write_whole(self._file(path), json.dumps(asdict(receipt)))
        return receipt

    def _file(self, path: Path) -> Path:
        return self.folder / f"{hashlib.sha256(_key(path).encode('utf-8', 'surrogateescape')).hexdigest()[:24]}.json"


def _key(path: Path) -> str:
    return str(path.absolute())


def write_whole(path: Path, text: str) -> None:
    """Put a small text in place, whole or not at all. Raises OSError."""
    descriptor, name = tempfile.mkstemp(dir=path.parent, prefix=".receipt-")
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            file.write(text)
        Path(name).replace(path)
    finally:
        Path(name).unlink(missing_ok=True)
