"""What a model file gains and loses in other quantisations: its size, its speed, and how well it ranks."""

from __future__ import annotations

import math
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack, closing
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from agent.cores import available_cores
from agent.deadline import Deadline
from agent.errors import ConfigError, PalateError
from agent.llm.files.cards import GGUF
from agent.llm.local.llama import Llama
from agent.llm.local.options import Options
from agent.llm.local.requantise import requantise
from agent.llm.registry import resolve
from agent.parts.workshop import workshop
from agent.rerank.base import Reranker
from agent.settings import Settings
from agent.store.cache import Cache
from eval.cases import Case, DataSet
from eval.chance import best_first
from eval.metrics import HEADLINE, per_case
from eval.runs import Told, Watch
from eval.speed.bindings import Limit
from eval.speed.figures import PREFILL_TOKENS, WRITTEN_TOKENS
from eval.statistics import UNIT, Difference, Estimate, difference, estimate, percentile

STRATEGY = "likelihood"
KINDS = ("Q4_0", "IQ4_NL", "Q4_K_M", "Q8_0")  # llama.cpp has quick kernels for these on x86 processors
ROUNDS = 7


@dataclass(frozen=True)
class Quantised:
    """One file: its `kind`, size, median tokens a second, and NDCG@10 of the strategy `likelihood` alone.

    `against` is the paired difference to the file as it was published, None for that file itself and where there are
    no cases. `failed` says why there are no figures.
    """

    kind: str
    bytes: int = 0
    reading: float = 0.0
    writing: float = 0.0
    ndcg: Estimate | None = None
    against: Difference | None = None
    failed: str = ""

    def as_json(self) -> dict[str, object]:
        """The documented JSON shape of one row."""
        return asdict(self)


def compare(
    settings: Settings, dataset: DataSet | None, kinds: Sequence[str], limit: int | None, watch: Watch, told: Told
) -> list[Quantised]:
    """The model file of the settings as published, then in each kind. Variants live in a folder that is deleted.

    Reading (512 tokens at once) and writing (128 one by one) take turns among the files, so that what slows the machine
    slows all of them. Raises ConfigError for a kind that llama.cpp does not have, ModelUnavailable without a file.
    """
    source = resolve(settings.model.reference, settings)
    known = [kind for kind in dict.fromkeys(kind.upper() for kind in kinds) if kind != source.file_type]
    with tempfile.TemporaryDirectory(prefix="palate-") as folder:
        paths, faults = _made(source, known, Path(folder), told)
        speeds = _speeds(paths, settings, watch)
        values = {kind: _ranked(path, settings, dataset, limit, kind, watch) for kind, path in paths.items()}
        rows = [_row(kind, path, speeds[kind], values[kind], values[source.file_type]) for kind, path in paths.items()]
    rows[0] = replace(rows[0], against=None)
    return [*rows, *(Quantised(kind, failed=reason) for kind, reason in faults.items())]


def _made(source: GGUF, kinds: Sequence[str], folder: Path, told: Told) -> tuple[dict[str, Path], dict[str, str]]:
    paths, faults = {source.file_type: source.path}, dict[str, str]()
    for kind in kinds:
        told(f"writing {kind}")
        try:
            requantise(source.path, folder / f"{kind}.gguf", kind)
            paths[kind] = folder / f"{kind}.gguf"
        except ConfigError:
            raise
        except PalateError as error:
            faults[kind] = str(error)
    return paths, faults


def _speeds(paths: Mapping[str, Path], settings: Settings, watch: Watch) -> dict[str, tuple[float, float]]:
    """Median tokens a second of reading and writing; the first round warms up."""
    threads, layers = settings.model.threads or available_cores(), settings.model.n_gpu_layers
    seconds: dict[str, list[tuple[float, float]]] = {kind: [] for kind in paths}
    with ExitStack() as opened, watch("Measuring speed") as show:
        limits = {
            kind: opened.enter_context(closing(Limit(path, threads=threads, n_gpu_layers=layers)))
            for kind, path in paths.items()
        }
        for turn in range(ROUNDS + 1):
            show(turn, ROUNDS + 1)
            for kind, limit in limits.items():
                seconds[kind].append((_timed(limit, limit.read), _timed(limit, limit.write)))
    return {kind: _rates(found[1:]) for kind, found in seconds.items()}


def _timed(limit: Limit, work: Callable[[], None]) -> float:
    limit.clear()
    began = time.perf_counter()
    work()
    return time.perf_counter() - began


def _rates(seconds: Sequence[tuple[float, float]]) -> tuple[float, float]:
    reading, writing = (percentile([pair[n] for pair in seconds], 0.5) for n in (0, 1))
    return PREFILL_TOKENS / reading, WRITTEN_TOKENS / writing


def _ranked(
    path: Path, settings: Settings, dataset: DataSet | None, limit: int | None, kind: str, watch: Watch
) -> list[float]:
    """NDCG@10 of each case, in order; empty without a data set."""
    if dataset is None:
        return []
    options = Options(n_gpu_layers=settings.model.n_gpu_layers, threads=settings.model.threads)
    total = dataset.n_run(limit)
    orders, relevant = {}, {}
    with closing(Llama(path, name=kind, sha256=kind, options=options)) as model, closing(Cache(None)) as cache:
        reranker = workshop(model, cache, settings).reranker(STRATEGY)
        with watch(f"Ranking cases with {kind}") as show:
            for done, case in enumerate(dataset.cases(limit)):
                show(done, total)
                orders[case.case_id] = _ordered(reranker, dataset, case)
                relevant[case.case_id] = case.relevant
    return list(per_case(orders, relevant, [HEADLINE])[HEADLINE].values())


def _ordered(reranker: Reranker, dataset: DataSet, case: Case) -> tuple[str, ...]:
    """The case's candidates, best first; ties by lot, alike for all files."""
    history, candidates = ([dataset.items[i] for i in ids] for ids in (case.history, case.candidates))
    scores = reranker.rank(history, candidates, case.wish, Deadline(math.inf)).scores
    return best_first(dict(zip(case.candidates, scores, strict=True)), case.case_id)


def _row(
    kind: str, path: Path, speed: tuple[float, float], values: Sequence[float], published: Sequence[float]
) -> Quantised:
    return Quantised(
        kind,
        path.stat().st_size,
        *speed,
        ndcg=estimate(values, within=UNIT) if values else None,
        against=difference(values, published) if values else None,
    )
