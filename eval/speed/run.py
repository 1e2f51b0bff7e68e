"""One run of the benchmark, from what was asked for to its report."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from agent.errors import ConfigError, ModelUnavailable, PalateError
from agent.settings import Settings
from eval.cases import DataSet
from eval.chance import SEED
from eval.runs import Told, Watch
from eval.speed import memory
from eval.speed.bench import Measured, judge, measure
from eval.speed.machine import machine, model_file
from eval.speed.questions import HISTORY, Question, Source, from_data_set, generated
from eval.speed.report import PROMPTED, Report
from eval.speed.rows import Row
from eval.speed.stand import LONGEST_REPLY, Stand
from eval.speed.table import chosen
from eval.statistics import CONFIDENCE

MOST_CANDIDATES = 1_000
JUDGING_S = 60.0  # how long one row may rank cases for NDCG alone
WHAT_IS_TIMED = (
    "the same person and candidates for every row within a repetition, rows in turn, the first of them another one in"
    " each repetition; the first repetition warms up and is not kept; everything from texts to scores is timed"
)
COLD = (
    "cold: nothing of the person is in any cache; instructions that are alike for all are, and so is each item's"
    " score for nobody, which the strategies likelihood and pointwise keep for good (first-sight: that is unknown too);"
    " peers that reuse a prefix begin with a prompt of somebody else, with the same instructions, in every slot"
)

PEERS = (
    "pointwise peers get the prompts of the strategy pointwise, word for word; listwise peers get the same items;"
    f" llama-server ends a reply after {LONGEST_REPLY} tokens"
)


@dataclass(frozen=True)
class Wanted:
    """What to run: numbers of candidates, repetitions, row names (none is all), cases more for NDCG alone."""

    candidates: tuple[int, ...]
    users: int
    rows: tuple[str, ...] = ()
    cases: int = 0


def candidates_of(text: str) -> tuple[int, ...]:
    """`20,50,100` as numbers, each once, in order. Raises ConfigError for anything else."""
    parts = [part.strip() for part in text.split(",") if part.strip()]
    if not parts or not all(part.isascii() and part.isdigit() and 2 <= int(part) <= MOST_CANDIDATES for part in parts):
        raise ConfigError(
            f"--candidates {text!r} is no list of numbers", f"Write such as 20,50,100, each from 2 to {MOST_CANDIDATES}"
        )
    return tuple(sorted({int(part) for part in parts}))


def run(settings: Settings, dataset: DataSet | None, wanted: Wanted, watch: Watch, told: Told) -> Report:
    """The report of one run. Raises PalateError where nothing can be measured; a row that fails is a row."""
    rows, with_memory = chosen(wanted.rows)
    source = _source(dataset, wanted)
    blocks = _blocks(source, wanted)
    with closing(Stand(settings, told)) as stand:
        with watch("Measuring speed") as show:
            measured = measure(stand, rows, blocks, progress=show)
        _require_any(measured)
        judged = _judged(stand, rows, source, wanted, watch)
        taken = _memory(stand, source, told) if with_memory else None
        return Report(
            measured, stand.shape, _about(stand, source, dataset, wanted), _lengths(stand, measured), judged, taken
        )


def _source(dataset: DataSet | None, wanted: Wanted) -> Source:
    if dataset is not None:
        return from_data_set(dataset)
    needed = len(wanted.candidates) * (wanted.users + 1)
    return generated(max(400, 2 * max(memory.MEMORY_CANDIDATES, *wanted.candidates)), needed, SEED)


def _blocks(source: Source, wanted: Wanted) -> list[tuple[int, list[Question]]]:
    size = wanted.users + 1
    return [(n, source.questions(n, at * size, size)) for at, n in enumerate(wanted.candidates)]


def _require_any(measured: Sequence[Measured]) -> None:
    """Do nothing where a row has an answer, or none was asked. Raises ModelUnavailable where all failed."""
    if measured and not any(one.samples for one in measured):
        raise ModelUnavailable(f"no row could be measured; {measured[0].row.name}: {measured[0].failed}")


def _judged(stand: Stand, rows: Sequence[Row], source: Source, wanted: Wanted, watch: Watch) -> list[Measured]:
    if not (source.judged and wanted.cases):
        return []
    asked = [row for row in rows if row.judged]
    found = []
    with watch("Ranking cases") as show:
        for done, row in enumerate(asked):
            show(done, len(asked))
            found.append(judge(stand, row, source.as_given(wanted.cases), JUDGING_S))
    return found


def _memory(stand: Stand, source: Source, told: Told) -> memory.Memory | str:
    """The memory of a process that ranks; why it is not known, where it cannot be had."""
    told("measuring memory in a process of its own")
    try:
        question = source.questions(memory.MEMORY_CANDIDATES, 0, 1)[0]
        return memory.measured(stand.settings, stand.path, "likelihood", question.history, question.candidates)
    except PalateError as error:
        return str(error)


def _lengths(stand: Stand, measured: Sequence[Measured]) -> dict[tuple[str, str], tuple[int, float]]:
    """P and mean s, in tokens, of what a strategy asks about each question that a row of its has answered."""
    lengths = {}
    for strategy in PROMPTED:
        own = (one for one in measured if one.row.kind == "ours" and one.row.name.startswith(strategy))
        for question in {s.question.name: s.question for one in own for s in one.samples.values()}.values():
            asked = stand.asked(strategy, question)
            tails = [len(stand.engine.tokenise(suffix)) for suffix in asked.suffixes]
            lengths[strategy, question.name] = (
                len(stand.engine.tokenise(asked.prefix, begin=True)),
                sum(tails) / max(1, len(tails)),
            )
    return lengths


def _about(stand: Stand, source: Source, dataset: DataSet | None, wanted: Wanted) -> Mapping[str, object]:
    return {
        "at": datetime.now(UTC).isoformat(timespec="seconds"),
        "machine": machine(stand),
        "model": model_file(stand),
        "language": stand.settings.language,
        "questions": {
            "source": source.name,
            "sha256": dataset.sha256 if dataset else None,
            "seed": None if dataset else SEED,
            "items": len(source.items),
            "history": HISTORY,
            "repetitions": wanted.users,
            "candidates": list(wanted.candidates),
        },
        "method": {
            "timed": WHAT_IS_TIMED,
            "states": COLD,
            "peers": PEERS,
            "ratio": f"median of the paired ratios of the repetitions, {CONFIDENCE:.0%} interval by order statistics",
            "flops": "2 B T + 2 V d R + 4 L h dh sum(n_kv); B body weights, T tokens, R rows of logits, n_kv cells",
            "tokens_avoided": "N (P + s) / (P + N s); P tokens of the prefix, s mean tokens of a candidate",
            "memory": memory.COUNTED,
        },
    }


def folder_of(path: Path | None) -> DataSet | None:
    """The data set of a folder, None for none. Raises as `DataSet.open` does."""
    return DataSet.open(path) if path is not None else None
