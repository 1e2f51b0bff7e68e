"""Loads a GGUF file, refuses what cannot go on with a text, and tells where its layers really went."""

from __future__ import annotations

import ctypes
import logging
import os
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import cast

import llama_cpp

from agent.errors import ModelUnavailable
from agent.llm.local.options import Options

log = logging.getLogger(__name__)

_SPLIT_MODES = {"none": 0, "layer": 1, "row": 2}
_ALL_LAYERS = 2**31 - 1
_OFFLOADED = re.compile(r"offloaded (\d+)/(\d+) layers")


@dataclass(frozen=True)
class Loaded:
    """A model in memory; `offloaded` layers of `layers` are on a GPU, as llama.cpp reported. To be freed once."""

    pointer: ctypes.c_void_p
    offloaded: int
    layers: int

    def free(self) -> None:
        """Give its memory back."""
        llama_cpp.llama_model_free(self.pointer)

    def cache_shape(self) -> tuple[int, int]:
        """How many layers keep keys and values, and how many numbers a token has there in each."""
        architecture = _said(self.pointer, "general.architecture")
        plain = llama_cpp.llama_model_n_embd(self.pointer) // max(1, llama_cpp.llama_model_n_head(self.pointer))
        lengths = (_said(self.pointer, f"{architecture}.attention.{kind}_length") for kind in ("key", "value"))
        sizes = sum(int(length) if length.isdecimal() else plain for length in lengths)
        return self.layers - 1, int(llama_cpp.llama_model_n_head_kv(self.pointer)) * sizes


def load(path: Path, options: Options) -> Loaded:
    """The model of a file, its layers where the options ask for. Warns where layers were asked for and none went.

    Raises ModelUnavailable: llama.cpp cannot load it, or it is of a kind that cannot score continuations.
    """
    heard = listen()
    parameters = llama_cpp.llama_model_default_params()
    gpu = supports_gpu()
    parameters.n_gpu_layers = (_ALL_LAYERS if options.n_gpu_layers < 0 else options.n_gpu_layers) if gpu else 0
    parameters.split_mode = _SPLIT_MODES[options.split_mode]
    parameters.main_gpu = options.main_gpu
    parameters.load_mode = llama_cpp.LLAMA_LOAD_MODE_AUTO if options.mapped else llama_cpp.LLAMA_LOAD_MODE_NONE
    model = llama_cpp.llama_model_load_from_file(os.fsencode(path), parameters)
    if not model:
        raise ModelUnavailable(
            f"llama.cpp cannot load {path}: {_reason(heard)}", "Check the file with: palate models info"
        )
    if fault := _unfit(model):
        llama_cpp.llama_model_free(model)
        raise ModelUnavailable(f"{path} {fault[0]}", fault[1])
    found = next((m for line in heard if (m := _OFFLOADED.search(line))), None)
    layers = int(llama_cpp.llama_model_n_layer(model)) + 1
    loaded = Loaded(cast(ctypes.c_void_p, model), int(found[1]) if found else 0, int(found[2]) if found else layers)
    _warn(options, loaded, gpu)
    return loaded


def _reason(heard: Sequence[str]) -> str:
    """What llama.cpp said last of what was wrong; the cause itself, where it named one, not that there is one."""
    signs = ("error loading model: ", "error", "failed")
    lines = (line for sign in signs for line in reversed(heard) if sign in line)
    said = next(lines, "no reason given").strip()
    return said.rpartition(signs[0])[2][:300]


def _unfit(model: ctypes.c_void_p) -> tuple[str, str] | None:
    """What the model is that makes it unfit, and what to do; None where it will do."""
    if llama_cpp.llama_model_is_recurrent(model) or llama_cpp.llama_model_is_hybrid(model):
        return "is a recurrent model, whose state cannot be shared by texts", "Choose a model with plain attention"
    architecture = _said(model, "general.architecture")
    if _said(model, f"{architecture}.pooling_type") not in ("", "0"):
        return "is an embedding or reranking model, and cannot go on with a text", "Choose a generative model"
    no_words = llama_cpp.llama_vocab_type(llama_cpp.llama_model_get_vocab(model)) == llama_cpp.LLAMA_VOCAB_TYPE_NONE
    both_ways = _said(model, f"{architecture}.attention.causal") == "false"
    if no_words or both_ways or llama_cpp.llama_model_has_encoder(model):
        return f"is a model of the kind {architecture}, which cannot go on with a text", "Choose a generative model"
    return None


def _said(model: ctypes.c_void_p, key: str) -> str:
    """What the file's metadata says under a key; empty where it says nothing."""
    value = ctypes.create_string_buffer(256)
    found = llama_cpp.llama_model_meta_val_str(model, key.encode(), value, len(value)) >= 0
    return value.value.decode("utf-8", "replace") if found else ""


def _warn(options: Options, loaded: Loaded, gpu: bool) -> None:
    if options.n_gpu_layers > 0 and not gpu:
        log.warning(
            "%d GPU layers were asked for, but this build of llama.cpp has no GPU; build it with: make gpu",
            options.n_gpu_layers,
        )
    elif gpu and options.n_gpu_layers != 0 and loaded.offloaded == 0:
        log.warning("GPU layers were asked for, and none of %d was put on the GPU", loaded.layers)


def supports_gpu() -> bool:
    """Whether this build of llama.cpp found a GPU to put layers on."""
    return bool(llama_cpp.llama_supports_gpu_offload())


_lines: list[str] = []


def _hear(_level: int, text: bytes, _user: ctypes.c_void_p) -> None:
    line = text.decode("utf-8", "replace")
    _lines.append(line)
    del _lines[:-2_000]
    log.debug("%s", line.rstrip())


_heard = llama_cpp.llama_log_callback(_hear)  # kept for as long as llama.cpp may call it


def listen() -> Sequence[str]:
    """Route llama.cpp's own log into ours at debug level; the lines heard since, which the next call forgets."""
    llama_cpp.llama_log_set(_heard, ctypes.c_void_p(0))
    _lines.clear()
    return _lines
