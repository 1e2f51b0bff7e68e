"""Chroma's own OpenCLIP function as an eye: a model on this machine, where `open_clip` and `torch` are installed."""

from __future__ import annotations

import io
import threading
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from agent.deadline import Deadline
from agent.errors import ModelUnavailable
from agent.images.eye import Reason, Seen, unit
from agent.images.picture import Picture, Refused

MAX_PIXELS = 50_000_000
MODEL, CHECKPOINT = "ViT-B-32", "laion2b_s34b_b79k"
_INSTALL = "Install them with: pip install open-clip-torch, or set images.source = 'endpoint'"

Pixels = NDArray[np.uint8]
Function = Callable[[list[Pixels]], Sequence[Any]]


class OpenClip:
    """Loads the function at the first look. `load` makes it, `decode` turns a file's bytes into rows of RGB."""

    at_once = 8

    def __init__(
        self, model: str, checkpoint: str, load: Callable[[str, str], Any], decode: Callable[[bytes], Pixels]
    ) -> None:
        self.name = f"openclip/{model}/{checkpoint}"
        self._wanted = model, checkpoint
        self._load = load
        self._decode = decode
        self._function: Function | None = None
        self._loading = threading.Lock()

    def look(self, pictures: Sequence[Picture], deadline: Deadline) -> list[Seen]:
        """See `Eye.look`."""
        function = self._loaded()
        return [self._seen(function, picture, deadline) for picture in pictures]

    def close(self) -> None:
        """See `Eye.close`."""
        self._function = None

    def _seen(self, function: Function, picture: Picture, deadline: Deadline) -> Seen:
        deadline.check("looking at pictures")
        try:
            pixels = self._decode(picture.content)
        except Refused as refused:
            return Reason(refused)
        except ImportError as error:
            raise _absent(error) from error
        return unit(function([pixels])[0], self.name)

    def _loaded(self) -> Function:
        with self._loading:
            if self._function is None:
                try:
                    self._function = self._load(*self._wanted)
                except (ImportError, ValueError) as error:
                    raise _absent(error) from error
                except (OSError, RuntimeError) as error:
                    raise ModelUnavailable(f"{self.name} cannot be loaded: {error}", "Check images.model") from error
            return self._function


def decoded(content: bytes) -> Pixels:
    """The pixels of a picture, shape (height, width, 3). Raises Refused: damaged, or too many of them; ImportError."""
    from PIL import Image

    try:
        with Image.open(io.BytesIO(content)) as image:
            if image.width * image.height > MAX_PIXELS:
                raise Refused(f"has more than {MAX_PIXELS:,} pixels")
            return np.asarray(image.convert("RGB"), dtype=np.uint8)
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
        raise Refused("cannot be decoded: it is damaged or far too large") from error


def _absent(error: BaseException) -> ModelUnavailable:
    first = (str(error).strip().splitlines() or ["not installed"])[0].split(". ")[0].rstrip(".")
    return ModelUnavailable(f"OpenCLIP cannot be used: {first}", _INSTALL)
