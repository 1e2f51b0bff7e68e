"""The quicker variant of a model file: on a CPU, Q4_0 reads prompts faster than other 4 and 5 bit kinds."""

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

Requantise = Callable[[Path, Path], None]


def wanted(model: GGUF, settings: Settings, supports_gpu: Callable[[], bool]) -> bool:
    """Whether a variant of this file would be used: it is of a kind worth it, and no layer goes to a GPU."""
    asked = settings.model.requantise and not model.variant and model.file_type in WORTH_IT
    return asked and (settings.model.n_gpu_layers == 0 or not supports_gpu())


def path_of(model: GGUF, settings: Settings) -> Path:
    """Where the variant of a file lies once it is made."""
    return settings.cache_folder / "models" / f"{model.sha256[:12]}-{KIND.lower()}.gguf"


def existing(model: GGUF, settings: Settings) -> GGUF | None:
    """The variant where it is made and whole: what it was when it was made, or else None."""
    path, receipts = path_of(model, settings), Receipts(settings.cache_folder)
    receipt = receipts.of(path)
    if receipt is None:
        made = receipts.last(path)
        if made is None or not path.is_file() or sha256_of(path) != made.sha256:
            return None
        receipt = receipts.keep(path, made.sha256, KIND, source=made.source)
    return _as_variant(model, path, receipt) if receipt.source == _made_from(model) else None


def made(model: GGUF, settings: Settings, requantise: Requantise, *, progress: Progress = quiet) -> GGUF:
    """The variant, made when it is missing or damaged; the model itself, with a line, when it cannot be made."""
    try:
        folder = make_folder(settings.cache_folder / "models" / ".partial")
        with alone(folder / f"{path_of(model, settings).name}.lock", f"making the {KIND} variant", progress):
            return existing(model, settings) or _make(model, settings, requantise, progress)
    except ModelUnavailable as error:
        progress(f"no {KIND} variant of {model.reference}: {error.message}; the file is used as it is")
        return model


def _make(model: GGUF, settings: Settings, requantise: Requantise, progress: Progress) -> GGUF:
    target = path_of(model, settings)
    again = " again (it was damaged)" if target.exists() else ""
    for leftover in (target, *target.parent.glob(f".{target.name}.*")):
        leftover.unlink(missing_ok=True)
    progress(f"making the {KIND} variant of {model.reference}{again}, once: prompts are read faster with it")
    try:
        requantise(model.path, target)
        target.chmod(0o644)
        sha256 = sha256_of(target)
        receipt = Receipts(settings.cache_folder).keep(target, sha256, KIND, source=_made_from(model))
    except OSError as error:
        raise ModelUnavailable(f"{target} cannot be written: {error.strerror}", "Free some space") from error
    return _as_variant(model, target, receipt)


def _made_from(model: GGUF) -> str:
    return f"{KIND} of {model.sha256}"


def _as_variant(model: GGUF, path: Path, receipt: Receipt) -> GGUF:
    return replace(model, path=path, sha256=receipt.sha256, file_type=KIND, variant=KIND)
