"""How a local model is loaded and run: where its layers go, and the memory of its context."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from agent.errors import ConfigError

SplitMode = Literal["none", "layer", "row"]
CacheType = Literal["f32", "f16", "bf16", "q8_0", "q5_1", "q5_0", "q4_1", "q4_0"]
Switch = Literal["auto", "on", "off"]

_LIMITS = {  # beyond these llama.cpp wraps around, or ends the process
    "n_gpu_layers": (-1, 2**31 - 1),
    "main_gpu": (0, 63),
    "context_tokens": (1, 1 << 20),
    "ubatch_tokens": (1, 1 << 20),
    "prefix_cache_mb": (0, 1 << 20),
    "threads": (1, 512),
}


@dataclass(frozen=True, slots=True)
class Options:
    """The choices of a user; the defaults suit a processor as well as one GPU.

    `n_gpu_layers`: layers to put on a GPU, -1 for all. `split_mode`: how several GPUs share a model; `none` puts all on
    `main_gpu`. `context_tokens`: cells of the key-value cache, for one prefix and the batch in flight together.
    `cache_type`: what a key or value in it is kept as; quantised ones need flash attention, which by default is used
    for all but writing on a processor (see `decoders`). `prefix_cache_mb`: memory, in MiB, for prefixes read before
    (see `prefixes`). `ubatch_tokens`: tokens that go through the layers at once, by default 512 on a processor, 2,048
    on a GPU. `threads`: by default the cores this process may use. `mapped`: the file is mapped into memory, not read,
    which is quicker; whoever cuts it off in place then ends this process. Raises ConfigError for a number out of its
    range, and for a quantised cache without flash attention.
    """

    n_gpu_layers: int = -1
    split_mode: SplitMode = "layer"
    main_gpu: int = 0
    context_tokens: int = 4096
    cache_type: CacheType = "f16"
    ubatch_tokens: int | None = None
    flash_attention: Switch = "auto"
    prefix_cache_mb: int = 128
    threads: int | None = None
    mapped: bool = True

    def __post_init__(self) -> None:
        for name, (least, most) in _LIMITS.items():
            value = getattr(self, name)
            if value is not None and not least <= value <= most:
                raise ConfigError(f"model.{name} is {value}", f"Choose {least} to {most}")
        if self.flash_attention == "off" and self.quantised_cache:
            raise ConfigError(
                f"model.cache_type = {self.cache_type} needs flash attention, which is off",
                "Set model.flash_attention = auto, or model.cache_type = f16",
            )

    @property
    def quantised_cache(self) -> bool:
        """Whether keys and values are kept in fewer than 16 bits, which only flash attention reads."""
        return self.cache_type not in ("f32", "f16", "bf16")
