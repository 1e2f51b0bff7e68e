"""Where pictures come from: files under one folder, and, where that is allowed, the web."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from agent.images.fetch import Allowed, fetched, is_public
from agent.images.picture import Picture, Refused


@dataclass(frozen=True)
class Source:
    """Reads pictures of at most `max_bytes`. `folder` holds the files that items may name, `fetch` allows addresses."""

    folder: Path
    max_bytes: int
    fetch: bool = False
    timeout_s: float = 5.0
    allowed: Allowed = is_public

    def of_item(self, named: str) -> Picture:
        """The picture that an item names: a path under the folder, or an address. Raises Refused."""
        if is_address(named):
            return self.of_web(named)
        path = self._under_folder(named)
        return self.of_file(path)

    def of_file(self, path: Path) -> Picture:
        """The picture in a file, wherever it lies. Raises Refused."""
        try:
            if not path.is_file():
                raise Refused("is no file")
            with path.open("rb") as file:
                content = file.read(self.max_bytes + 1)
        except (OSError, ValueError) as error:
            raise Refused(f"cannot be read ({getattr(error, 'strerror', None) or error})") from error
        if len(content) > self.max_bytes:
            raise Refused(f"is larger than {self.max_bytes:,} bytes")
        return Picture.of(content)

    def of_web(self, url: str) -> Picture:
        """The picture at an address. Raises Refused, without asking anyone where fetching is not allowed."""
        if not self.fetch:
            raise Refused("is an address, and images.fetch is off")
        return Picture.of(fetched(url, self.max_bytes, self.timeout_s, self.allowed))

    def _under_folder(self, named: str) -> Path:
        """The file, links followed. Raises Refused where it lies elsewhere."""
        try:
            home = self.folder.resolve()
            path = (home / named).resolve()
        except (OSError, ValueError, RuntimeError) as error:
            raise Refused(f"is no path ({error})") from error
        if not path.is_relative_to(home):
            raise Refused(f"does not lie under {self.folder}")
        return path


def is_address(named: str) -> bool:
    """Whether it is written as an address (`scheme://...` or `data:...`), not as a path."""
    return "://" in named or urlsplit(named).scheme == "data"
