"""The rows of finding, measured for real on little: real vectors, real Chroma, a real process that asks."""

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from agent.embed.passage import passage_of
from agent.errors import ConfigError
from agent.settings import Settings
from eval.commands import app
from eval.speed.figures import Ratio
from eval.speed.films import made_up
from eval.speed.finding import drawing, embedding, recall, run, scale
from eval.speed.finding.exact import Exact, shares
from eval.speed.finding.figures import Embedding, Recall, Scale, Times, recall_of
from eval.speed.finding.synthetic import blocks, questions


@contextmanager
def unseen(_what: str) -> Iterator[Callable[[int, int], None]]:
    yield lambda _done, _of: None


def told(_line: str) -> None:
    return None


def test_exact_search_keeps_the_best_of_all_blocks() -> None:
    rows, asked = np.concatenate(list(blocks(700, 1, 100))), questions(5, 1)
    exact = Exact(asked, k=7)
    for start in range(0, 700, 100):
        exact.add([str(n) for n in range(start, start + 100)], rows[start : start + 100])
    units = rows / np.linalg.norm(rows, axis=1, keepdims=True)
    best = [{str(n) for n in np.argsort(-(units @ one))[:7]} for one in asked]
    assert exact.best() == best
    assert shares([[*sorted(best[0])[:3], "none"]], [frozenset(best[0])]) == [3 / 7]
    assert shares([["1"]], [frozenset()]) == []


def test_made_up_vectors_lie_in_clusters_and_come_again() -> None:
    rows = np.concatenate(list(blocks(2_000, 7, 500)))
    assert np.array_equal(rows, np.concatenate(list(blocks(2_000, 7, 500))))
    assert not np.array_equal(rows[:5], questions(5, 7))
    units = rows / np.linalg.norm(rows, axis=1, keepdims=True)
    near = np.sort(units @ units.T, axis=1)
    assert np.median(near[:, -2]) > 0.6  # the next row
    assert abs(np.median(near)) < 0.1  # any row


@pytest.mark.thorough
def test_many_vectors_are_built_asked_and_compared() -> None:
    found = scale.measured(2_000, 20, unseen)
    assert found.vectors == 2_000
    assert found.recall.value > 0.95
    assert found.recall.n == found.times.n == 20
    assert 0 < found.times.p50_ms <= found.times.p95_ms
    assert found.build_s > 0
    assert found.disk_mb > 2_000 * 384 * 4 / 1e6


def test_a_disk_too_small_is_told_before_anything_is_built() -> None:
    with pytest.raises(ConfigError, match="GB free"):
        scale.measured(10**12, 20, unseen)


def test_embedding_is_timed_in_turns_and_compared() -> None:
    texts = [passage_of(film) for film in made_up(24, 1)]
    ticks = iter(np.cumsum([0, *[1.0, 9.0, 3.0, 9.0] * 6]).tolist())
    found = embedding.measured(texts, 2, unseen, each=8, clock=lambda: next(ticks))
    assert found.cosine > 0.999
    assert (found.texts, found.repetitions, found.ratio.n) == (8, 2, 2)
    assert found.as_json()["met"] is (found.ratio.value >= 2)
    with pytest.raises(ConfigError, match="need 40 texts"):
        embedding.measured(texts, 4, unseen, each=8)


@pytest.mark.thorough
def test_recall_is_timed_and_held_against_exact_search(tmp_path: Path) -> None:
    films = tuple(made_up(120, 1))
    settings = Settings(cache_folder=tmp_path)
    found = recall.measured(settings, run.Catalogue("made-up films", films), 20, unseen, told)
    assert found.items == 120
    assert found.total.n == 40
    assert {question: times.n for question, times in found.by_question.items()} == {"taste": 20, "taste and wish": 20}
    assert {"wish", "taste", "interest", "together", "popularity"} <= found.sources_ms.keys()
    assert {"wish", "taste", "interest"} <= found.against_exact.keys()
    assert min(one.value for one in found.against_exact.values()) > 0.98
    assert found.as_json()["target_p50_ms"] == 15.0


def test_the_command_measures_the_rows_that_are_named() -> None:
    arguments = ["speed", "--rows", "vectors", "--vectors", "1000", "--questions", "20", "--json"]
    found = CliRunner().invoke(app, arguments)
    assert found.exit_code == 0, found.output
    written = json.loads(found.stdout)["finding"]
    assert written["vectors"]["vectors"] == 1_000
    assert "embedding" not in written
    assert written["machine"]["cores"] >= 1


def test_every_figure_is_drawn_with_its_target(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "140")
    times, share = Times.of([10.0, 20.0]), recall_of([1.0] * 20)
    drawing.draw(
        run.Findings(
            {"at": "now"},
            Embedding(64, 10, 10.0, 15.0, Ratio(1.5, 1.2, 1.9, 10), 0.9999),
            Recall("films", 9, 1, times, {"taste": times}, {"wish": 1.0}, {"taste": share}),
            Scale(1_000, 384, "clusters", 1.0, None, 3.0, 0.5, 20.0, times, share),
        )
    )
    lines = capsys.readouterr().out.splitlines()
    marks = {words[-1] for line in lines if (words := line.split())}
    assert {"met", "missed"} <= marks
    for part in ("rate / rate", "p50", "exact, taste, recall@50", "1,000 vectors of 384: recall@50"):
        assert any(part in line for line in lines), part


def test_wishes_and_likes_come_again() -> None:
    films = list(made_up(50, 1))
    likes = [(event.user_id, event.item_id) for event in recall.made_up_events(films, 10, 3)]
    assert likes == [(event.user_id, event.item_id) for event in recall.made_up_events(films, 10, 3)]
    assert len({user for user, _ in likes}) == 10
    assert recall.wish_for(films, 1, 3) == recall.wish_for(films, 1, 3)
