"""What likes weigh by session and by age, and the centres of a taste that is more than one."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import numpy as np
import pytest

from agent.profile.centres import FEW, HEAVIEST, centres_of, silhouette
from agent.profile.taste import Pace, paced_weights, recency_weights, session_start
from agent.types import Vector

NOW = datetime(2026, 1, 1, 12, tzinfo=UTC)
PACE = Pace(NOW, half_life=timedelta(days=30), gap=timedelta(minutes=30), session=0.5)


def ago(**long: float) -> datetime:
    return NOW - timedelta(**long)


def weights(*times: datetime, strengths: list[float] | None = None, pace: Pace = PACE) -> Vector:
    return paced_weights(times, strengths or [1.0] * len(times), reversed(times), pace)


def test_a_session_is_what_goes_on_now_with_short_pauses() -> None:
    acts = [ago(minutes=5), ago(minutes=30), ago(minutes=59), ago(minutes=95)]
    assert session_start(acts, PACE) == ago(minutes=59)
    assert session_start([ago(minutes=31)], PACE) is None
    assert session_start([ago(minutes=30)], PACE) is None, "a pause of exactly the gap ends it"
    assert session_start([], PACE) is None
    assert session_start([NOW + timedelta(minutes=3), *acts], PACE) == ago(minutes=59), "what is ahead counts as now"


def test_without_a_session_a_like_halves_with_every_half_life() -> None:
    assert weights(ago(days=61), ago(days=31), ago(days=1)) == pytest.approx(np.array([1, 2, 4]) / 7)
    assert weights(ago(days=31), ago(days=1), strengths=[1.0, 0.5]) == pytest.approx([0.5, 0.5])


def test_a_session_counts_by_its_order_and_more_the_more_it_holds() -> None:
    old, new = ago(days=30), ago(minutes=1)
    assert weights(old, new) == pytest.approx([(1 - 1 / 8) / 3, 1 / 8 + (1 - 1 / 8) * 2 / 3], abs=1e-4)
    session = [ago(minutes=m) for m in (9, 8, 7)]
    found = weights(old, *session)
    lasting = (1 - 0.25) * np.array([0.5, 1, 1, 1]) / 3.5
    assert found == pytest.approx(lasting + 0.25 * np.array([0, *recency_weights([1.0] * 3)]), abs=1e-3)
    off = weights(old, *session, pace=Pace(NOW, PACE.half_life, PACE.gap, session=0.0))
    assert off == pytest.approx(np.array([0.5, 1, 1, 1]) / 3.5, abs=1e-3)


def test_weights_sum_to_one_far_from_now_too() -> None:
    for times in ([ago(days=36_500), ago(days=36_000)], [ago(days=9_000), ago(minutes=2)], [NOW + timedelta(days=3)]):
        found = weights(*times)
        assert found.sum() == pytest.approx(1)
        assert (found >= 0).all()
    assert weights().size == 0


def clusters(*sizes: int, spread: float = 0.1) -> list[Vector]:
    """So many vectors around each axis of a space."""
    chance = np.random.default_rng(7)
    axes = np.eye(8, dtype=np.float32)
    return [
        axes[n] + spread * chance.normal(size=8).astype(np.float32) for n, size in enumerate(sizes) for _ in range(size)
    ]


def test_a_date_in_the_future_counts_as_now() -> None:
    times = [NOW - timedelta(days=1)] * 4 + [NOW + timedelta(days=3650)]
    pace = Pace(NOW, half_life=timedelta(days=30), gap=timedelta(minutes=30), session=0.0)
    found = paced_weights(times, [1.0] * 5, reversed(times), pace)
    assert found == pytest.approx([0.2] * 5, abs=0.01)
    assert session_start(reversed(times), pace) == NOW


def test_three_tastes_have_three_centres_by_mass() -> None:
    vectors = clusters(4, 7, 5)
    centres = centres_of(vectors, [1 / 16] * 16, 5)
    assert [sorted(c.members) for c in centres] == [[*range(4, 11)], [*range(11, 16)], [*range(4)]]
    assert [c.mass for c in centres] == pytest.approx([7 / 16, 5 / 16, 4 / 16])
    assert [int(np.argmax(c.vector)) for c in centres] == [1, 2, 0]
    assert all(np.linalg.norm(c.vector) == pytest.approx(1) for c in centres)
    assert len(centres_of(vectors, [1 / 16] * 16, 2)) == 2
    assert centres_of(vectors, [1 / 16] * 16, 5)[0].vector.tolist() == centres[0].vector.tolist(), "no chance in it"


def test_what_weighs_more_moves_its_centre_and_stands_first_in_it() -> None:
    vectors = clusters(6, 6)
    heavy = [0.01] * 12
    heavy[8] = 0.9
    first = centres_of(vectors, heavy, 5)[0]
    assert first.members[0] == 8
    assert float(first.vector @ vectors[8]) / np.linalg.norm(vectors[8]) > 0.99


def test_a_taste_of_few_items_or_of_one_kind_has_one_centre() -> None:
    assert len(centres_of(clusters(3, FEW - 4), [0.2] * (FEW - 1), 5)) == 1
    assert len(centres_of([np.array([1, 0], np.float32)] * 20, [0.05] * 20, 5)) == 1
    assert len(centres_of(clusters(4, 7, 5), [1 / 16] * 16, 1)) == 1
    assert centres_of([], [], 5) == []
    [centre] = centres_of([np.array([3, 4], np.float32)], [1.0], 5)
    assert centre.vector == pytest.approx([0.6, 0.8])
    assert (centre.mass, centre.members) == (1.0, (0,))


def test_of_many_items_the_heaviest_are_looked_at() -> None:
    vectors, heavy = clusters(40, 60), [*[2 / 140] * 40, *[1 / 140] * 60]
    centres = centres_of(vectors, heavy, 5)
    assert sum(len(c.members) for c in centres) == HEAVIEST
    assert sum(c.mass for c in centres) == pytest.approx(1)


def test_the_silhouette_by_hand() -> None:
    places = np.array([0.0, 1.0, 4.0, 6.0])
    apart = np.abs(places[:, None] - places).astype(np.float32)
    widths = [(5 - 1) / 5, (4 - 1) / 4, (3.5 - 2) / 3.5, (5.5 - 2) / 5.5]
    assert silhouette(apart, np.array([0, 0, 3, 3])) == pytest.approx(np.mean(widths))
    assert silhouette(apart, np.array([0, 0, 0, 3])) == pytest.approx(
        np.mean([(6 - 2.5) / 6, (5 - 2) / 5, (2 - 3.5) / 3.5, 0])
    )
    assert silhouette(apart, np.zeros(4, np.intp)) == -1
