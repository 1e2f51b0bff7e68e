"""Writes a GGUF file in another quantisation."""

from __future__ import annotations

import ctypes
import os
import tempfile
from pathlib import Path

import llama_cpp

from agent.cores import available_cores
from agent.errors import ModelUnavailable
from agent.llm.local.loading import listen


def requantise(source: Path, target: Path, *, kind: str = "Q4_0", threads: int | None = None) -> None:
    """Write a variant of a GGUF file in another quantisation, whole or not at all.

    `kind` names one of llama.cpp's file types, such as Q4_0. Raises ModelUnavailable when llama.cpp refuses.
    """
    listen()
    parameters = llama_cpp.llama_model_quantize_default_params()
    parameters.ftype = getattr(llama_cpp, f"LLAMA_FTYPE_MOSTLY_{kind}")
    parameters.allow_requantize = True
    parameters.nthread = threads or available_cores()
    target.parent.mkdir(parents=True, exist_ok=True)
    descriptor, name = tempfile.mkstemp(dir=target.parent, prefix=f".{target.name}.")
    os.close(descriptor)
    part = Path(name)
    try:
        if llama_cpp.llama_model_quantize(os.fsencode(source), os.fsencode(part), ctypes.byref(parameters)) != 0:
            raise ModelUnavailable(f"llama.cpp could not requantise {source} to {kind}", "Set model.requantise = false")
        part.replace(target)
    finally:
        part.unlink(missing_ok=True)
