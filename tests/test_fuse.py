from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.recall.fuse import fuse
from agent.types import Candidate


def ranked(source: str, *ids: str) -> list[Candidate]:
    return [Candidate(item_id=i, source=source, rank=r, score=-r) for r, i in enumerate(ids, start=1)]


def test_scores_are_sums_of_reciprocal_ranks() -> None:
    fused = fuse([ranked("x", "a", "b"), ranked("y", "b")], damping=60)
    assert [(c.item_id, c.rank) for c in fused] == [("b", 1), ("a", 2)]
    assert fused[0].score == pytest.approx(1 / 62 + 1 / 61)


def test_a_weight_moves_a_list_up() -> None:
    assert [c.item_id for c in fuse([ranked("x", "a"), ranked("y", "b")], [1.0, 2.0])] == ["b", "a"]


def test_ties_go_by_id_and_empty_lists_add_nothing() -> None:
    assert [c.item_id for c in fuse([[], ranked("x", "b"), ranked("y", "a")])] == ["a", "b"]
    assert fuse([]) == []


def test_damping_below_one_is_refused() -> None:
    with pytest.raises(ValueError, match="damping"):
        fuse([], damping=0)


@given(st.lists(st.lists(st.sampled_from("abcdefgh"), unique=True), max_size=5), st.randoms())
def test_the_order_of_lists_does_not_matter(lists: list[list[str]], random: Random) -> None:
    candidates = [ranked(str(n), *ids) for n, ids in enumerate(lists)]
    shuffled = candidates[:]
    random.shuffle(shuffled)
    assert [c.item_id for c in fuse(candidates)] == [c.item_id for c in fuse(shuffled)]
    assert len({c.item_id for c in fuse(candidates)}) == len(fuse(candidates))
