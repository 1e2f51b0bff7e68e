"""The decoders over one model: one that reads, for scores and choices, and one that writes.

On a processor llama.cpp's flash attention is quick for 64 tokens or more at a time, and slow for the few that texts
in flight add at each step; plain attention is the other way round. A context has one kind for good, so where the
choice is ours each task has a context of its own. Prompts that are read are not those that are written after, so
nothing is kept twice.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import replace

from agent.llm.local.context import Context
from agent.llm.local.options import Options
from agent.llm.local.prefix import PrefixDecoder


class Decoders:
    """A decoder to read with, and one to write with, opened when first asked for; often the same one.

    `make` opens a context. One thread decodes; any thread may `stop`.
    """

    def __init__(self, make: Callable[[Options], Context], options: Options, *, on_gpu: bool) -> None:
        self._make = make
        self._for_writing = _for_writing(options, on_gpu=on_gpu)
        self._lock = threading.Lock()  # between opening a context and stopping all
        self._stopped = False
        self.reading = PrefixDecoder(make(options), options.prefix_cache_mb << 20)
        self._writing = self.reading if self._for_writing == options else None

    @property
    def writing(self) -> PrefixDecoder:
        """The decoder that goes on with texts. Raises ModelUnavailable where its context cannot be made."""
        if self._writing is None:
            with self._lock:
                context = self._make(self._for_writing)
                if self._stopped:
                    context.stop()
                self._writing = PrefixDecoder(context, self._for_writing.prefix_cache_mb << 20)
        return self._writing

    @property
    def contexts(self) -> tuple[Context, ...]:
        """Those that are open."""
        both = (self.reading, self._writing)
        return tuple({id(one): one.context for one in both if one is not None}.values())

    def stop(self) -> None:
        """Cut what is being decoded short, from any thread, and refuse all that comes."""
        with self._lock:
            self._stopped = True
            for context in self.contexts:
                context.stop()

    def close(self) -> None:
        """Free every context. Calling it twice is harmless."""
        self.reading.close()
        if self._writing is not None:
            self._writing.close()


def _for_writing(options: Options, *, on_gpu: bool) -> Options:
    free_to_choose = options.flash_attention == "auto" and not on_gpu and not options.quantised_cache
    return replace(options, flash_attention="off") if free_to_choose else options
