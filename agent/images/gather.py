"""All pictures of a catalogue: read, several at once, and looked at, each content once."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import partial

from agent.deadline import Deadline
from agent.errors import ModelUnavailable
from agent.images.eye import Reason, Remembering
from agent.images.picture import Picture, Refused
from agent.images.source import Source, is_address
from agent.store.cache import Cache
from agent.types import Item, Vector

_READERS = 8
_ITEMS_PER_ROUND = 64
_ADDRESSES = "picture addresses"  # a namespace of the cache: which content lay at an address

Read = Picture | str | Reason
"""A picture, the hash of a content that was looked at before, or why there is neither."""


@dataclass
class Gathered:
    """By item the hash of its picture, by hash its vector, and by item the reason where there is none."""

    marks: dict[str, str] = field(default_factory=dict)
    vectors: dict[str, Vector] = field(default_factory=dict)
    refused: dict[str, str] = field(default_factory=dict)


class Gatherer:
    """Reads from the source, looks through the eye, and remembers in the cache what lay at which address."""

    def __init__(self, source: Source, eye: Remembering, cache: Cache) -> None:
        self._source = source
        self._eye = eye
        self._cache = cache

    def gather(
        self,
        items: Sequence[Item],
        timeout_s: float,
        *,
        again: bool = False,
        progress: Callable[[int, int], None] | None = None,
    ) -> Gathered:
        """The pictures of these items, each looked at within `timeout_s`; addresses known are not asked, save `again`.

        Raises ModelError where none can be looked at: the model is absent or down, or refuses all that are read.
        """
        found = Gathered()
        with ThreadPoolExecutor(_READERS, thread_name_prefix="pictures") as readers:
            for start in range(0, len(items), _ITEMS_PER_ROUND):
                some = items[start : start + _ITEMS_PER_ROUND]
                read = readers.map(partial(self._read, again=again), some)
                self._look({item.item_id: one for item, one in zip(some, read, strict=True)}, timeout_s, found)
                if progress is not None:
                    progress(start + len(some), len(items))
        return found

    def _read(self, item: Item, *, again: bool) -> Read:
        named = item.image or ""
        key = hashlib.sha256(named.encode("utf-8", "replace")).hexdigest()
        if self._source.fetch and is_address(named) and not again:
            kept = self._cache.get_many(_ADDRESSES, [key]).get(key, b"").decode()
            if kept in self._eye.known([kept]):
                return kept
        try:
            picture = self._source.of_item(named)
        except Refused as refused:
            return Reason(refused)
        if is_address(named):
            self._cache.put_many(_ADDRESSES, {key: picture.mark.encode()})
        return picture

    def _look(self, read: dict[str, Read], timeout_s: float, found: Gathered) -> None:
        """Add what is seen in a round of pictures to what was found. Raises ModelError."""
        pictures = {item_id: one for item_id, one in read.items() if isinstance(one, Picture)}
        rounds = -(-len(pictures) // self._eye.at_once)
        looks = self._eye.look(list(pictures.values()), Deadline(timeout_s * rounds))
        seen = dict(zip(pictures, looks, strict=True))
        for item_id, one in read.items():
            look = seen.get(item_id, one)
            if isinstance(look, Reason):
                found.refused[item_id] = str(look)
            elif isinstance(one, Picture):
                found.marks[item_id], found.vectors[one.mark] = one.mark, seen[item_id]  # type: ignore[assignment]
            else:
                found.marks[item_id] = str(one)
        known = [str(one) for one in read.values() if not isinstance(one, Picture | Reason)]
        found.vectors |= self._eye.known(known)
        if pictures and not found.marks:
            first = found.refused[next(iter(pictures))]
            raise ModelUnavailable(f"no picture could be looked at: the first {first}", "Check images.model")
