"""Who is shown together, in which order, and what is read from it."""

from __future__ import annotations

import random
from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agent.rerank.presentations import Block, pairs_of, rounds_of, shuffled, windows_of
from agent.rerank.slots import item_scores, position_bias

IDS = [f"id-{n}" for n in range(60)]


def seen(blocks: list[Block]) -> Counter[int]:
    return Counter(n for block in blocks for n in block)


def test_an_order_depends_on_ids_and_salt_alone() -> None:
    order = [IDS[n] for n in shuffled(IDS, 7)]
    mixed = random.Random(1).sample(IDS, len(IDS))
    assert [mixed[n] for n in shuffled(mixed, 7)] == order
    assert sorted(order) == sorted(IDS) != order
    assert [IDS[n] for n in shuffled(IDS, 8)] != order
    assert shuffled([]) == []


def test_a_window_that_holds_all_is_shown_forth_and_back() -> None:
    blocks = windows_of(IDS[:6], 20, 4, 0)
    assert blocks[1] == blocks[0][::-1]
    assert blocks[3] == blocks[2][::-1]
    assert len(set(blocks)) == 4


def test_windows_hold_the_same_mix_of_the_prior() -> None:
    for block in windows_of(IDS, 20, 4, 0):
        assert len(block) == 20
        assert Counter(n // 3 for n in block) == Counter(range(20))


@given(st.integers(1, 70), st.integers(2, 26), st.integers(1, 6), st.integers(0, 9))
@settings(max_examples=60)
def test_everyone_is_shown_equally_often(n: int, size: int, times: int, seed: int) -> None:
    ids = [f"i{k}" for k in range(n)]
    for blocks in (windows_of(ids, size, times, seed), rounds_of(ids, size, times, seed)):
        assert seen(blocks) == Counter(dict.fromkeys(range(n), times))
        assert all(len(set(block)) == len(block) <= size for block in blocks)
        assert max(map(len, blocks)) - min(map(len, blocks)) <= 1


def test_pairs_come_in_both_orders() -> None:
    assert sorted(pairs_of(3)) == [(0, 1), (0, 2), (1, 0), (1, 2), (2, 0), (2, 1)]
    assert pairs_of(1) == []


def test_position_bias_is_the_mean_excess_of_each_slot() -> None:
    assert position_bias([(-1.0, -3.0), (-2.0, -6.0)]) == pytest.approx((1.5, -1.5))
    assert position_bias([(-1.0, -1.0, -4.0), (-1.0, -3.0)]) == pytest.approx((1.0, 0.0, -2.0))
    assert position_bias([]) == ()


@pytest.mark.parametrize("blocks", [windows_of(IDS[:9], 9, 4, 0), rounds_of(IDS[:9], 4, 6, 0)])
def test_items_are_told_from_slots(blocks: list[Block]) -> None:
    liked = [n / 3 for n in range(9)]
    values = [[-9 + liked[n] + 4.0 * (slot == 0) - slot / 2 for slot, n in enumerate(block)] for block in blocks]
    scores = item_scores(blocks, values, 9)
    assert sorted(range(9), key=lambda n: scores[n]) == list(range(9))
    assert scores[8] - scores[0] == pytest.approx(8 / 3, rel=0.15)


def test_scores_of_items_that_no_block_shows_are_nothing() -> None:
    assert item_scores([(0, 2)], [(-1.0, -3.0)], 4)[1::2] == (0.0, 0.0)
    assert item_scores([], [], 2) == (0.0, 0.0)


def test_a_label_that_is_ruled_out_leaves_the_scores_finite() -> None:
    scores = item_scores([(0, 1), (1, 0)], [(-1.0, float("-inf")), (float("-inf"), -1.0)], 2)
    assert scores[0] > scores[1] > -100
