"""The quicker variant of a model file: on a CPU, Q4_0 reads prompts faster than other 4 and 5 bit kinds.

Why this one, and what others cost: docs/decisions/010-which-quantisation.md.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from agent.errors import ModelUnavailable
from agent.llm.files.cards import GGUF
from agent.llm.files.fetch import Progress, alone, make_folder, quiet, sha256_of
from agent.llm.files.receipts import Receipt, Receipts
from agent.settings import Settings

KIND = "Q4_0"
# Kinds of about as many bits, from which little is lost. Whoever chose more or fewer bits gets what they chose.
WORTH_IT = frozenset({"Q4_1", "Q4_K_S", "Q4_K_M", "Q5_0", "Q5_1", "Q5_K_S", "Q5_K_M"})

Requantise = Callable[[Path, Path, str], None]


def kind_for(model: GGUF, settings: Settings, supports_gpu: Callable[[], bool]) -> str | None:
    """The kind of the variant to use of this file: the one asked for, or the quickest; None for the file itself.

    By itself none is made where layers go to a GPU, of a variant, or of a file of more or fewer bits (see `WORTH_IT`).
    """
    asked = settings.model.requantise
    if asked == "off" or model.variant:
        return None
    if asked != "auto":
        return asked.upper() if asked.upper() != model.file_type else None
    on_cpu = settings.model.n_gpu_layers == 0 or not supports_gpu()
    return KIND if on_cpu and model.file_type in WORTH_IT else None


def path_of(model: GGUF, settings: Settings, kind: str) -> Path:
    """Where that variant of a file lies once it is made."""
    return settings.cache_folder / "models" / f"{model.sha256[:12]}-{kind.lower()}.gguf"


def existing(model: GGUF, settings: Settings, kind: str) -> GGUF | None:
    """The variant where it is made and whole: what it was when it was made, or else None."""
    path, receipts = path_of(model, settings, kind), Receipts(settings.cache_folder)
    receipt = receipts.of(path)
    if receipt is None:
        made = receipts.last(path)
        if made is None or not path.is_file() or sha256_of(path) != made.sha256:
            return None
        receipt = receipts.keep(path, made.sha256, kind, source=made.source)
    return _as_variant(model, path, receipt) if receipt.source == _made_from(model, kind) else None


def made(model: GGUF, settings: Settings, kind: str, requantise: Requantise, *, progress: Progress = quiet) -> GGUF:
    """The variant, made when it is missing or damaged; the model itself, with a line, when it cannot be made."""
    try:
        folder = make_folder(settings.cache_folder / "models" / ".partial")
        with alone(folder / f"{path_of(model, settings, kind).name}.lock", f"making the {kind} variant", progress):
            return existing(model, settings, kind) or _make(model, settings, kind, requantise, progress)
    except ModelUnavailable as error:
        progress(f"no {kind} variant of {model.reference}: {error.message}; the file is used as it is")
        return model


def _make(model: GGUF, settings: Settings, kind: str, requantise: Requantise, progress: Progress) -> GGUF:
    target = path_of(model, settings, kind)
    again = " again (it was damaged)" if target.exists() else ""
    for leftover in (target, *target.parent.glob(f".{target.name}.*")):
        leftover.unlink(missing_ok=True)
    progress(f"making the {kind} variant of {model.reference}{again}, once: prompts are read faster with it")
    try:
        requantise(model.path, target, kind)
        target.chmod(0o644)
        sha256 = sha256_of(target)
        receipt = Receipts(settings.cache_folder).keep(target, sha256, kind, source=_made_from(model, kind))
    except OSError as error:
        raise ModelUnavailable(f"{target} cannot be written: {error.strerror}", "Free some space") from error
    return _as_variant(model, target, receipt)


def _made_from(model: GGUF, kind: str) -> str:
    return f"{kind} of {model.sha256}"


def _as_variant(model: GGUF, path: Path, receipt: Receipt) -> GGUF:
    return replace(model, path=path, sha256=receipt.sha256, file_type=receipt.file_type, variant=receipt.file_type)
