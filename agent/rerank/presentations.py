"""Which candidates a model is shown together, and in which order. Pure.

A block is a tuple of indices into the candidates, in the order of its slots. Orders follow from a seed and the item
ids, never from the order in which candidates came, so that the same candidates are always shown alike.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from itertools import pairwise, permutations

Block = tuple[int, ...]


def shuffled(ids: Sequence[str], *salt: object) -> list[int]:
    """The indices of the ids in an order that looks random and depends on ids and salt alone."""
    start = hashlib.blake2b("|".join(map(str, salt)).encode(), digest_size=8)

    def _drawn(n: int) -> tuple[bytes, str]:
        lot = start.copy()
        lot.update(f"|{ids[n]}".encode())
        return lot.digest(), ids[n]

    return sorted(range(len(ids)), key=_drawn)


def windows_of(ids: Sequence[str], size: int, times: int, seed: int) -> list[Block]:
    """Blocks of at most `size`, in which each of the ids (best first) stands `times` times.

    More ids than one window holds are dealt out like cards: of each run of as many neighbours as there are windows,
    every window gets one. So all windows hold the same mix of good and bad, and are comparable. Every second time
    shows the same windows backwards: a steady preference for early or late slots then cancels.
    """
    found = []
    for time in range(times):
        dealt = _dealt(ids, size, (seed, time // 2))
        for window in dealt:
            order = shuffled([ids[n] for n in window], seed, time // 2, "order")
            block = tuple(window[k] for k in order)
            found.append(block[::-1] if time % 2 else block)
    return found


def rounds_of(ids: Sequence[str], size: int, rounds: int, seed: int) -> list[Block]:
    """Blocks of at most `size`, nearly equal; each round shuffles all ids anew and cuts them up."""
    found = []
    n_blocks = -(-len(ids) // size)
    for time in range(rounds):
        order = shuffled(ids, seed, time)
        cuts = [len(ids) * k // n_blocks for k in range(n_blocks + 1)]
        found += [tuple(order[start:end]) for start, end in pairwise(cuts)]
    return found


def pairs_of(n: int) -> list[Block]:
    """Every pair of 0..n-1 in both orders."""
    return list(permutations(range(n), 2))


def _dealt(ids: Sequence[str], size: int, salt: tuple[object, ...]) -> list[list[int]]:
    n_windows = max(1, -(-len(ids) // size))
    dealt: list[list[int]] = [[] for _ in range(n_windows)]
    for start in range(0, len(ids), n_windows):
        run = range(start, min(start + n_windows, len(ids)))
        for window, k in enumerate(shuffled([ids[n] for n in run], *salt, "deal")):
            dealt[window].append(run[k])
    return dealt
