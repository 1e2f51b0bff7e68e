"""A picture as bytes: what kind it is, by how it begins, and the name its content has. Pure."""

from __future__ import annotations

import base64
import hashlib
from dataclasses import dataclass
from functools import cached_property

MIME = {"png": "image/png", "jpeg": "image/jpeg", "gif": "image/gif", "webp": "image/webp"}
_BEGINNINGS = ((b"\x89PNG\r\n\x1a\n", "png"), (b"\xff\xd8\xff", "jpeg"), (b"GIF87a", "gif"), (b"GIF89a", "gif"))


class Refused(Exception):
    """Why a picture cannot be used, in a few words."""


@dataclass(frozen=True)
class Picture:
    """The bytes of a PNG, JPEG, GIF or WebP file; `kind` says which. Nothing of it is decoded here."""

    content: bytes
    kind: str

    @classmethod
    def of(cls, content: bytes) -> Picture:
        """The picture that these bytes are. Raises Refused where they begin like none: names and headers count not."""
        if (kind := kind_of(content)) is None:
            raise Refused("is empty" if not content else "is no PNG, JPEG, GIF or WebP picture")
        return cls(content, kind)

    @cached_property
    def mark(self) -> str:
        """The SHA-256 of its bytes: what it is cached by."""
        return hashlib.sha256(self.content).hexdigest()

    @property
    def address(self) -> str:
        """The whole picture as a `data:` URL, as servers take it."""
        return f"data:{MIME[self.kind]};base64,{base64.b64encode(self.content).decode()}"


def kind_of(content: bytes) -> str | None:
    """The kind of picture, by its first bytes; None for anything else, drawings in SVG among it."""
    for beginning, kind in _BEGINNINGS:
        if content.startswith(beginning):
            return kind
    return "webp" if content[:4] == b"RIFF" and content[8:12] == b"WEBP" else None
