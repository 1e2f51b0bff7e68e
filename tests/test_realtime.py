"""`palate eval realtime`, in small."""

from __future__ import annotations

import json

import pytest

from agent.errors import ConfigError
from agent.settings import Settings
from eval.commands import app
from eval.realtime.command import sizes_of
from eval.realtime.measure import TARGET_MS, Times, measure


def test_the_way_of_an_event_is_timed_for_each_size() -> None:
    steps: list[tuple[int, int]] = []
    small, large = measure(Settings(), [1, 40], 25, 7, lambda done, of: steps.append((done, of)))
    assert (small.events, large.events, large.repetitions) == (1, 40, 25)
    for one in (small, large):
        assert 0 < one.update_p50_ms <= one.update_p95_ms
        assert 0 < one.write_p50_ms <= one.write_p95_ms
        assert one.anew_ms > 0
    assert steps == [(0, 2), (1, 2), (2, 2)]


def test_the_target_is_on_the_95th_percentile() -> None:
    assert Times(1, 1, 9, 9, 1, TARGET_MS - 0.1, 9).met
    assert not Times(1, 1, 1, 1, 1, TARGET_MS, 1).as_json()["met"]


def test_the_command_writes_its_shape_or_draws(capsys: pytest.CaptureFixture[str]) -> None:
    app(["realtime", "--events", "3", "--repeat", "4", "--json"], standalone_mode=False)
    shape = json.loads(capsys.readouterr().out)
    assert [row["events"] for row in shape["rows"]] == [3]
    app(["realtime", "--events", "3", "--repeat", "4"], standalone_mode=False)
    assert "update p50" in capsys.readouterr().out


def test_sizes_are_numbers() -> None:
    assert sizes_of("1000,10, 10") == [10, 1000]
    for text in ("", "ten", "0", "-3", "9999999"):
        with pytest.raises(ConfigError, match="is no list of numbers"):
            sizes_of(text)
