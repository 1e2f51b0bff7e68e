"""The row `embedding`: texts to vectors, one by one as the engine itself does it, and as Palate does it, in turns."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence

import numpy as np

from agent.embed.e5 import E5, Engine
from agent.errors import ConfigError
from agent.types import Vector
from eval.runs import Watch
from eval.speed.figures import paired_ratio
from eval.speed.finding.figures import Embedding
from eval.statistics import percentile

TEXTS = 64  # in each repetition, all of them other ones

Clock = Callable[[], float]


def measured(
    texts: Sequence[str], repetitions: int, watch: Watch, each: int = TEXTS, clock: Clock = time.perf_counter
) -> Embedding:
    """The rates over so many repetitions of `each` texts, a further one first to warm up; nothing is cached.

    The engine gets a text at a time and as many threads as it takes by default. Raises ModelUnavailable, and
    ConfigError for too few texts.
    """
    if len(texts) < each * (repetitions + 1):
        raise ConfigError(
            f"{repetitions} repetitions need {each * (repetitions + 1)} texts, there are {len(texts)}",
            "Ask for fewer --users, or give a larger --data",
        )
    engine, ours = Engine(), E5()
    ways: dict[str, Callable[[Sequence[str]], Vector]] = {
        "engine": lambda some: _one_by_one(engine, some),
        "ours": ours.passages,
    }
    walls: dict[str, list[float]] = {name: [] for name in ways}
    cosines: list[float] = []
    with watch("Embedding") as show:
        for at in range(repetitions + 1):
            some, found = texts[at * each : (at + 1) * each], {}
            for name in ways if at % 2 else reversed(ways):
                began = clock()
                found[name] = ways[name](some)
                walls[name].append(clock() - began)
            cosines.append(float((found["engine"] * found["ours"]).sum(axis=1).min()))
            show(at + 1, repetitions + 1)
    engine_s, ours_s = walls["engine"][1:], walls["ours"][1:]
    return Embedding(
        texts=each,
        repetitions=repetitions,
        one_by_one_per_s=each / percentile(engine_s, 0.5),
        ours_per_s=each / percentile(ours_s, 0.5),
        ratio=paired_ratio(engine_s, ours_s),
        cosine=min(cosines),
    )


def _one_by_one(engine: Engine, texts: Sequence[str]) -> Vector:
    return np.array([engine.alone(text, is_query=False) for text in texts])
