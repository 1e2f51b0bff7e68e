"""Pictures by way of words: a vision model says what one shows, and the embedder of texts reads that.

What it writes is kept as generated, under the picture's hash, the model and the prompt. Only the embedder sees it: no
reason, filter or answer rests on it.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from copy import copy

from agent.deadline import Deadline
from agent.embed.base import Embedder
from agent.images.endpoint import Asking, described
from agent.images.eye import Reason, Seen
from agent.images.picture import Picture
from agent.store.cache import Cache
from prompts import Prompt

MAX_CHARS = 600


class Describing:
    """The eye that describes. `noun` is what the prompt calls the items."""

    def __init__(self, asking: Asking, prompt: Prompt, embedder: Embedder, cache: Cache, noun: str) -> None:
        self._asking = asking
        self._embedder = embedder
        self._cache = cache
        self._instruction = f"{prompt.prefix(noun=noun)}\n{prompt.candidate(noun=noun)}".strip()
        self._namespace = f"descriptions/{asking.where}/{prompt.fingerprint[:16]}/{noun}"
        self.name = f"describe/{asking.where}/{prompt.fingerprint[:16]}/{noun}/{embedder.name}"
        self.at_once = asking.concurrency

    @property
    def forgetful(self) -> Describing:
        """The same eye, keeping nothing in a file of what it describes: for what people show."""
        twin = copy(self)
        twin._cache = Cache(None)
        return twin

    def look(self, pictures: Sequence[Picture], deadline: Deadline) -> list[Seen]:
        """See `Eye.look`: the vectors of what is written about the pictures."""
        texts = self.texts(pictures, deadline)
        told = [text for text in texts if not isinstance(text, Reason)]
        vectors = iter(self._embedder.passages(told))
        return [text if isinstance(text, Reason) else next(vectors) for text in texts]

    def texts(self, pictures: Sequence[Picture], deadline: Deadline) -> list[str | Reason]:
        """What is written about each picture, generated and never a fact; kept once written. Raises ModelError."""
        kept = self._cache.get_many(self._namespace, [picture.mark for picture in pictures])
        known: dict[str, str | Reason] = {mark: str(json.loads(value)["text"]) for mark, value in kept.items()}
        missing = [picture for picture in pictures if picture.mark not in known]
        for picture, text in zip(missing, described(self._asking, self._instruction, missing, deadline), strict=True):
            if not isinstance(text, Reason):
                text = " ".join(text.split())[:MAX_CHARS]
                body = json.dumps({"generated": True, "text": text}, ensure_ascii=False)
                self._cache.put_many(self._namespace, {picture.mark: body.encode()})
            known[picture.mark] = text
        return [known[picture.mark] for picture in pictures]

    def close(self) -> None:
        """See `Eye.close`."""
        self._asking.close()
