from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.profile.fold import profile_from
from agent.profile.taste import recency_weights, taste_vector
from agent.recall.queries import Around, queries_for
from agent.recall.signals import cosine, tag_affinity, tag_rates, tags_named, year_closeness
from agent.types import Event, Item

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)


def item(item_id: str, *tags: str, year: int | None = None) -> Item:
    return Item(item_id=item_id, title=item_id.upper(), tags=tags, attributes={"year": year} if year else {})


def event(n: int, kind: str, item_id: str | None = "a", **more: Any) -> Event:
    return Event(event_id=f"e{n}", user_id="u", kind=kind, item_id=item_id, at=NOON + timedelta(minutes=n), **more)


def test_no_events_give_an_empty_profile() -> None:
    profile = profile_from("u", [], {})
    assert not profile.liked
    assert not profile.seen
    assert not profile.interests


def test_the_newest_explicit_act_decides() -> None:
    profile = profile_from("u", [event(1, "like"), event(2, "dislike"), event(3, "view")], {})
    assert [(r.item_id, r.strength, r.event_id) for r in profile.disliked] == [("a", -1.0, "e2")]
    assert not profile.liked
    assert profile.seen == {"a"}


@pytest.mark.parametrize(
    ("values", "strength"),
    [([4.0, 1.0], -1.0), ([1.0, 5.0], 1.0), ([10.0, 7.0], 1 / 3), ([3.0], 0.0), ([1.0], -1.0), ([0.0, 1.0], 1.0)],
)
def test_ratings_count_against_the_middle_of_their_scale(values: list[float], strength: float) -> None:
    events = [event(n, "rate", f"i{n}", value=v) for n, v in enumerate(values)]
    profile = profile_from("u", events, {})
    found = {r.item_id: r.strength for r in (*profile.liked, *profile.disliked)}
    assert found.get(f"i{len(values) - 1}", 0.0) == pytest.approx(strength)


def test_clicks_and_skips_do_not_count_as_seen() -> None:
    profile = profile_from("u", [event(1, "click", "a"), event(2, "skip", "b"), event(3, "purchase", "c")], {})
    assert profile.seen == {"c"}


def test_wishes_are_what_was_said() -> None:
    profile = profile_from("u", [event(1, "search", None, text="funny"), event(2, "message", None, text="sad")], {})
    assert [w.text for w in profile.wishes] == ["funny", "sad"]


def test_interests_sum_to_one_and_follow_likes() -> None:
    items = {"a": item("a", "Comedy", "Drama"), "b": item("b", "Comedy")}
    profile = profile_from("u", [event(1, "like", "a"), event(2, "like", "b")], items)
    assert profile.interests == pytest.approx({"Comedy": 0.75, "Drama": 0.25}, abs=1e-6)


kinds = st.sampled_from(["like", "dislike", "view", "click", "skip", "purchase"])


@given(st.lists(st.tuples(kinds, st.sampled_from("abc")), max_size=12), st.randoms())
def test_a_profile_depends_on_the_multiset_of_events(acts: list[tuple[str, str]], random: Any) -> None:
    events = [event(n, kind, i) for n, (kind, i) in enumerate(acts)]
    shuffled = events + events[:3]
    random.shuffle(shuffled)
    assert profile_from("u", shuffled, {}) == profile_from("u", events, {})


def test_taste_leans_to_what_was_liked_last_and_away_from_dislikes() -> None:
    east, north = np.array([1, 0], np.float32), np.array([0, 1], np.float32)
    taste = taste_vector([east, north], recency_weights([1.0, 1.0]))
    assert taste is not None
    assert taste[1] > taste[0] > 0
    assert np.linalg.norm(taste) == pytest.approx(1.0)
    away = taste_vector([east], [1.0], [north])
    assert away is not None
    assert away[1] < 0


def test_nothing_liked_or_everything_cancelled_gives_no_taste() -> None:
    east = np.array([1, 0], np.float32)
    assert taste_vector([], []) is None
    assert taste_vector([east, -east], [0.5, 0.5]) is None


def test_recency_weights_sum_to_one_and_grow() -> None:
    weights = recency_weights([1.0, 1.0, 1.0])
    assert weights.sum() == pytest.approx(1.0)
    assert list(weights) == sorted(weights)
    assert recency_weights([]).size == 0


def test_queries_ask_the_wish_first() -> None:
    vector = np.array([1, 0], np.float32)
    asked = queries_for("scary", vector, [Around(vector, 1.0, ["A"])], {})
    assert [q.source for q in asked] == ["wish", "taste"], "one centre is the taste"
    assert asked[0].text == "scary"


def test_a_centre_of_what_is_too_old_to_weigh_anything_asks_nothing() -> None:
    east, north = np.array([1, 0], np.float32), np.array([0, 1], np.float32)
    asked = queries_for(None, east, [Around(east, 1.0, ["A"]), Around(north, 0.0, ["B"])], {})
    assert [query.source for query in asked] == ["taste", "centre:1"]


def test_a_taste_that_is_more_than_one_asks_around_each_centre_and_names_what_is_liked_there() -> None:
    east, north = np.array([1, 0], np.float32), np.array([0, 1], np.float32)
    centres = [Around(east, 0.6, ["A", "B", "C", "D"]), Around(north, 0.4, ["E"])]
    _, first, second = queries_for(None, (east + north) / np.sqrt(np.float32(2)), centres, {})
    assert [first.source, second.source] == ["centre:1", "centre:2"]
    assert first.why == "close to A, B and C, which you liked"
    assert second.why == "close to E, which you liked"
    assert [first.weight, second.weight] == [0.6, 0.4]
    assert first.vector is not None
    assert second.vector is not None
    assert first.vector[0] > first.vector[1] > 0
    assert second.vector[1] > second.vector[0] > 0


def test_queries_for_a_stranger_are_none() -> None:
    assert queries_for(None, None, [], {}) == []


def test_tag_affinity_prefers_what_is_liked_and_rare() -> None:
    catalogue = [item(f"d{n}", "Drama") for n in range(8)] + [item("w1", "Western"), item("w2", "Western")]
    rates = tag_rates(catalogue)
    liked = [item("x", "Western", "Drama")]
    western, drama, neither = tag_affinity(liked, [1.0], [item("p", "Western"), item("q", "Drama"), item("r")], rates)
    assert western > drama > neither
    assert tag_affinity([], [], catalogue, rates) == [0.0] * 10


def test_tag_affinity_is_the_log_ratio_by_hand() -> None:
    rates = {"W": 0.2}
    own = (1 + 2 * 0.2) / (1 + 2)
    got = tag_affinity([item("x", "W")], [1.0], [item("p", "W"), item("q")], rates)
    assert got == pytest.approx([np.log(own / 0.2), np.log((1 - own) / 0.8)])


def test_year_closeness_is_one_at_the_same_year_and_the_mean_where_unknown() -> None:
    near, far, unknown = year_closeness(
        [item("a", year=2000)], [1.0], [item("b", year=2000), item("c", year=1960), item("d")]
    )
    assert near == pytest.approx(1.0)
    assert far < 0.01
    assert unknown == pytest.approx((near + far) / 2)
    assert year_closeness([item("a")], [1.0], [item("b", year=2000)]) == [0.0]


def test_cosine_of_nothing_and_of_a_zero_vector() -> None:
    query = np.array([3, 4], np.float32)
    assert cosine(query, []) == []
    assert cosine(query, [np.array([6, 8], np.float32), np.zeros(2, np.float32)]) == pytest.approx([1.0, 0.0])


def test_tags_that_a_wish_names_count_by_their_rarity() -> None:
    rates = {"Thriller": 0.2, "Drama": 0.5, "Science Fiction": 0.1}
    films = [item("a", "Thriller"), item("b", "Drama", "Thriller"), item("c", "Science Fiction"), item("d")]
    thriller, drama = -np.log(0.2), -np.log(0.5)
    assert tags_named("dark THRILLERS, no drama", films, rates) == pytest.approx([thriller, drama + thriller, 0, 0])
    assert tags_named("science fiction", films, rates) == pytest.approx([0, 0, -np.log(0.1), 0])
    assert tags_named("fiction of science", films, rates) == [0, 0, 0, 0]
