"""Writes a GGUF file in another quantisation; `python -m agent.llm.local.requantise SOURCE TARGET KIND` as well."""

from __future__ import annotations

import ctypes
import os
import sys
import tempfile
from pathlib import Path

import llama_cpp

from agent.cores import available_cores
from agent.errors import ConfigError, ModelUnavailable, PalateError
from agent.llm.local.loading import listen
from agent.llm.local.trial import alone

_FILE_TYPE = "LLAMA_FTYPE_MOSTLY_"


def requantise_apart(source: Path, target: Path, kind: str) -> None:
    """As `requantise`, in a process of its own, where a crash of llama.cpp does no harm. Raises ModelUnavailable."""
    ran = alone("agent.llm.local.requantise", str(source.absolute()), str(target.absolute()), kind)
    if ran.returncode:
        said = ran.stderr.strip().splitlines()[-1:] if ran.returncode > 0 else [f"signal {-ran.returncode}"]
        reason = " ".join(said)[:300] or "no reason given"
        raise ModelUnavailable(f"{source} could not be written as {kind}: {reason}", "Set model.requantise = 'off'")


def requantise(source: Path, target: Path, kind: str = "Q4_0", *, threads: int | None = None) -> None:
    """Write a variant of a GGUF file in another quantisation, whole or not at all.

    `kind` names one of llama.cpp's file types, such as Q4_0. Raises ConfigError for one that it does not know, and
    ModelUnavailable when llama.cpp refuses.
    """
    known = {name.removeprefix(_FILE_TYPE): name for name in dir(llama_cpp) if name.startswith(_FILE_TYPE)}
    if kind not in known:
        raise ConfigError(f"there is no quantisation {kind!r}", f"llama.cpp knows: {', '.join(sorted(known))}")
    listen()
    parameters = llama_cpp.llama_model_quantize_default_params()
    parameters.ftype = getattr(llama_cpp, known[kind])
    parameters.allow_requantize = True
    parameters.nthread = threads or available_cores()
    target.parent.mkdir(parents=True, exist_ok=True)
    descriptor, name = tempfile.mkstemp(dir=target.parent, prefix=f".{target.name}.")
    os.close(descriptor)
    part = Path(name)
    try:
        if llama_cpp.llama_model_quantize(os.fsencode(source), os.fsencode(part), ctypes.byref(parameters)) != 0:
            raise ModelUnavailable(f"llama.cpp could not requantise {source} to {kind}", "Set model.requantise = 'off'")
        part.replace(target)
    finally:
        part.unlink(missing_ok=True)


def main() -> int:
    """Requantise a file; exit status 1 with one line where it cannot be done."""
    source, target, kind = sys.argv[1:]
    try:
        requantise(Path(source), Path(target), kind)
    except (PalateError, OSError) as error:
        sys.stderr.write(f"{error}\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
