"""How answers are drawn: pure pieces by value, whole drawings by what a terminal of 80 columns would show."""

from __future__ import annotations

import io
import json
import unicodedata
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.commands import render
from agent.types import Degradation, Evidence, Item, Rationale, Recommendation, Slate, Step

HOSTILE = "A\x1b[31m\nB\u202eC\x07 \u200b"


@given(st.text())
def test_plain_text_holds_nothing_a_terminal_obeys(text: str) -> None:
    drawn = render.plain(text)
    assert all(unicodedata.category(char) not in ("Cc", "Cs", "Zl", "Zp") for char in drawn)
    assert "\u202e" not in drawn


def test_plain_text_keeps_letters_and_joined_signs() -> None:
    assert render.plain("千与千寻  Amélie 👩\u200d🍳") == "千与千寻 Amélie 👩\u200d🍳"
    assert render.plain(HOSTILE) == "A[31m BC"


@given(st.floats(), st.integers(0, 200))
def test_a_bar_never_leaves_its_width(share: float, width: int) -> None:
    assert len(render.bar(share, width)) <= max(width, 1)


@pytest.mark.parametrize(
    ("share", "drawn"), [(0, ""), (1, "████"), (0.5, "██"), (0.25 + 1 / 32, "█▏"), (0.0001, "▏"), (7, "████")]
)
def test_bars_are_drawn_in_eighths(share: float, drawn: str) -> None:
    assert render.bar(share, 4) == drawn


@pytest.mark.parametrize(
    ("milliseconds", "words"), [(8.4, "8 ms"), (999, "999 ms"), (1_240, "1.2 s"), (200_000, "3 min 20 s")]
)
def test_durations_are_readable(milliseconds: float, words: str) -> None:
    assert render.duration(milliseconds) == words


@pytest.mark.parametrize(("n", "words"), [(0, "0 items"), (1, "1 item"), (3_000, "3,000 items")])
def test_counts_are_readable(n: int, words: str) -> None:
    assert render.count(n, "item") == words


def test_progress_tells_the_time_left() -> None:
    assert render.progress_line("Indexing", 1_000, 3_000, 60) == "Indexing: 1,000 of 3,000, about 2 min 0 s left"
    assert render.progress_line("Reading", 1_000, 0, 60) == "Reading: 1,000"
    assert render.progress_line("Reading", 0, 10, 60) == "Reading: 0"


def test_no_bar_is_drawn_without_a_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    meter = render.Meter("Indexing")
    for done in range(11):
        meter(done, 10)
    meter.close()
    assert capsys.readouterr() == ("", "")


@pytest.mark.parametrize(("encoding", "written"), [("utf-8", '"é"\n'), ("ascii", '"\\u00e9"\n')])
def test_json_can_be_written_to_any_stdout(monkeypatch: pytest.MonkeyPatch, encoding: str, written: str) -> None:
    stream = io.TextIOWrapper(io.BytesIO(), encoding=encoding)
    monkeypatch.setattr("sys.stdout", stream)
    render.write_json("é", indent=None)
    stream.seek(0)
    assert stream.read() == written


def a_slate(**more: Any) -> Slate:
    evidence = (
        Evidence(kind="event", ref="e1", value="Toy Story (1995)"),
        Evidence(kind="item", ref="tags", value="Comedy"),
        Evidence(kind="item", ref="tags", value="Comedy"),
        Evidence(kind="item", ref="year", value="2007"),
    )
    path = (
        Step(stage="recall", source="fuse", score=0.5, rank=4),
        Step(stage="recall", source="taste", score=0.5, rank=2),
        Step(stage="rerank", source="likelihood", score=-3.25, rank=None),
        Step(stage="blend", source="blend", score=1.5, rank=1),
    )
    place = Recommendation(
        item=Item(item_id="a", title=HOSTILE.strip(), tags=("Comedy", "[red]")),
        rank=1,
        score=1.5,
        path=path,
        rationale=Rationale(sentence="It is funny " + "and long " * 20, evidence=evidence, source="composed"),
    )
    return Slate(user_id="ada", recommendations=(place,), wish="fun", **more)


def test_a_slate_is_drawn_in_eighty_columns_and_what_degraded_on_stderr(capsys: pytest.CaptureFixture[str]) -> None:
    degraded = (Degradation(stage="rerank", reason="the model is out of time"),)
    render.draw_slate(a_slate(degraded=degraded, timings_ms={"recall": 12.0, "total": 1_200.0}), "For ada")
    out, err = capsys.readouterr()
    assert max(map(len, out.splitlines())) <= 80
    assert out.startswith("For ada  “fun”\n")
    assert "  1 A[31m BC" in out
    assert "Comedy · [red]" in out
    assert "rests on Toy Story (1995) · tags: Comedy · year: 2007 (composed)" in out
    assert "recall\u00a012\u00a0ms · total\u00a01.2\u00a0s" in out
    assert err == "! rerank: the model is out of time\n"


def test_why_draws_every_step_and_the_prompts(capsys: pytest.CaptureFixture[str]) -> None:
    render.draw_why(a_slate(prompts={"en/rank-likelihood": "ab" * 32}))
    out, err = capsys.readouterr()
    assert "rank: recall 4 → blend 1" in out
    assert all(word in out for word in ("fuse", "taste", "likelihood", "-3.25"))
    assert "prompt en/rank-likelihood  abababababababab" in out
    assert err == ""


def test_what_has_no_path_and_no_evidence_is_drawn_as_such() -> None:
    assert render.rank_line(()) == "rank: none"
    assert render.evidence_line(()) == "rests on nothing stored"


def test_json_of_a_slate_is_plain(capsys: pytest.CaptureFixture[str]) -> None:
    render.write_json(a_slate().as_json())
    assert json.loads(capsys.readouterr().out)["recommendations"][0]["rank"] == 1
