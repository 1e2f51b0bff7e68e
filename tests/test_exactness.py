"""Scores and choices after shared prefixes equal those of texts decoded one by one (docs/decisions/004-exactness.md).

Quantised weights round activations to 8 bits, differently in batches of different shape: one text alone, in batches of
512 and of 48 tokens, differs from itself by up to 0.07 nats per token. So they agree within a tolerance; with 16-bit
weights, and for long prefixes without flash attention, the arithmetic does not hide what the method does.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

from agent.deadline import Deadline
from agent.errors import ModelUnavailable
from agent.llm.local.llama import Llama
from agent.llm.local.options import Options
from agent.llm.local.requantise import requantise
from agent.llm.registry import prepare, resolve
from agent.settings import Settings
from tests.support.one_by_one import CONTEXT, OneByOne, one_by_one

NEVER = Deadline.never()
PER_LINE = 0.05  # nats, of a whole line and of a choice, with 16-bit weights
MEAN_PER_TOKEN, MOST_PER_TOKEN = 0.08, 0.15  # nats, of lines, with quantised weights
MEAN_PER_CHOICE = 0.2  # nats, of one token with quantised weights, where nothing averages out
WINDOW = 512  # tokens that gemma3's sliding layers see

LINES = [" Toy Story (1995), Animation, Comedy\n", " Heat (1995), Action, Crime\n", " Amélie (2001), Comedy, Romance\n"]
ASKED = [" Toy Story (1995),", " Heat (1995),"]
GENRES = [[" Comedy"], [" Drama"], [" Action"], [" Crime"]]
FILMS = [
    f"- {article} {noun} ({1950 + 7 * n + k}), {genre}\n"
    for n, noun in enumerate(("Samurai", "Winter", "River", "Machine", "Detective", "Garden"))
    for k, article in enumerate(("The Last", "A Long", "My Blue", "Return to the", "Night of the", "Brothers of the"))
    for genre in ("Comedy", "Drama, War")
]


def prefix(n: int, films: int) -> str:
    """One of several prefixes, which begin alike."""
    shown = (FILMS[9 * n :] + FILMS)[:films]
    return "Films this person enjoyed, in order:\n" + "".join(shown) + "-"


@dataclass(frozen=True)
class Difference:
    """How far scores are from those one by one, in nats: of each line, of each line per token, of each choice."""

    lines: list[float]
    per_token: list[float]
    choices: list[float]

    def __add__(self, other: Difference) -> Difference:
        return Difference(self.lines + other.lines, self.per_token + other.per_token, self.choices + other.choices)


class Comparison:
    """The engine beside the plain context, with `n` lines and as many choices. What was decoded one by one is kept."""

    def __init__(self, model: Llama, plain: OneByOne, n: int) -> None:
        self._model = model
        self._plain = plain
        self._texts = LINES[:n]
        self._asked = ASKED[:n]
        self._lines: dict[str, list[float]] = {}
        self._choices: dict[str, list[float]] = {}

    def of(self, head: str) -> Difference:
        """The difference for all lines and choices after that prefix."""
        scores = self._model.score(head, self._texts, NEVER)
        found = np.ravel(self._model.choose(head, self._asked, GENRES, NEVER))
        if head not in self._lines:
            self._decode(head)
        lines = [abs(score.logprob - exact) for score, exact in zip(scores, self._lines[head], strict=True)]
        return Difference(
            lines,
            [line / score.tokens for line, score in zip(lines, scores, strict=True)],
            [float(difference) for difference in np.abs(found - self._choices[head])],
        )

    def _decode(self, head: str) -> None:
        tokens = self._model.tokenise(head, begin=True)
        genres = [self._model.tokenise(spelling)[0] for (spelling,) in GENRES]
        self._lines[head] = [
            float(self._plain.logprobs(tokens, self._model.tokenise(line)).sum()) for line in self._texts
        ]
        rows = [self._plain.rows([*tokens, *self._model.tokenise(text)], 1)[0] for text in self._asked]
        self._choices[head] = [float(row[genre]) for row in rows for genre in genres]


@pytest.fixture
def file(tmp_path: Path) -> Iterator[Callable[[str, str], Path]]:
    """The file of a known model: as it is run on this machine, or requantised to another type."""

    def _file(reference: str, kind: str) -> Path:
        settings = Settings.model_validate({"model": {"reference": reference}})
        try:
            found = resolve(reference, settings)
        except ModelUnavailable as error:
            pytest.skip(f"{reference} is not here and cannot be fetched: {error}")
        if not kind:
            return prepare(found, settings).path
        requantise(found.path, tmp_path / f"{kind}.gguf", kind=kind)
        return tmp_path / f"{kind}.gguf"

    return _file


def compare(
    path: Path, heads: list[str], *, n: int = len(LINES), cells: int = CONTEXT, flash_attention: bool = True
) -> Difference:
    """The difference summed over these prefixes, asked in this order."""
    options = Options(context_tokens=cells, n_gpu_layers=0, flash_attention="auto" if flash_attention else "off")
    total = Difference([], [], [])
    with (
        closing(Llama(path, name=path.stem, sha256=path.stem, options=options)) as model,
        one_by_one(path, flash_attention=flash_attention) as plain,
    ):
        comparison = Comparison(model, plain, n)
        for head in heads:
            total += comparison.of(head)
    return total


def check_quantised(found: Difference) -> None:
    assert np.mean(found.per_token) < MEAN_PER_TOKEN, found
    assert max(found.per_token) < MOST_PER_TOKEN, found
    assert np.mean(found.choices) < MEAN_PER_CHOICE, found


@pytest.mark.parametrize("reference", ["smollm2-135m", pytest.param("qwen2.5-coder-0.5b", marks=pytest.mark.thorough)])
def test_quantised_weights_agree_token_by_token(file: Callable[[str, str], Path], reference: str) -> None:
    heads = [prefix(n, 8) for n in (0, 1, 0)]
    check_quantised(compare(file(reference, ""), heads))


def test_16_bit_weights_agree_on_whole_lines(file: Callable[[str, str], Path]) -> None:
    found = compare(file("smollm2-135m", "F16"), [prefix(n, 8) for n in (0, 1, 0)], n=2)
    assert max(found.lines) < PER_LINE, found
    assert max(found.choices) < PER_LINE, found


def around_the_window(path: Path) -> list[str]:
    """A prefix longer than the window, twice; one that leaves it where the window has passed by; the first again."""
    with closing(Llama(path, name="tokens", sha256="", options=Options(context_tokens=256, n_gpu_layers=0))) as model:
        films = next(n for n in range(8, 100) if len(model.tokenise(prefix(0, n))) > WINDOW + 80)
    long = prefix(0, films)
    short = long[: len(long) // 4].rpartition("\n")[0] + "\n- Another film (1999), Western\n-"
    return [long, long, short, long]


@pytest.mark.thorough
def test_a_sliding_window_is_kept_whole(file: Callable[[str, str], Path]) -> None:
    path = file("gemma3-270m", "")
    check_quantised(compare(path, around_the_window(path), n=2, cells=2048))  # all that is kept has room


@pytest.mark.thorough
def test_a_sliding_window_with_16_bit_weights_agrees_on_whole_lines(file: Callable[[str, str], Path]) -> None:
    path = file("gemma3-270m", "F16")
    heads = around_the_window(path)
    found = compare(path, heads, n=1, cells=1024, flash_attention=False)  # each prefix makes room for the next
    assert max(found.lines) < PER_LINE, found
    assert max(found.choices) < PER_LINE, found
