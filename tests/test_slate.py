"""The choice of a slate: each knob by hand, and what holds for all of them."""

from __future__ import annotations

import math
import time
from collections import Counter
from datetime import UTC, datetime, timedelta
from statistics import median

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agent.errors import ConfigError
from agent.profile.fold import fold_of
from agent.profile.interests import Interests
from agent.profile.ledger import Background
from agent.profile.posterior import Posterior
from agent.sections import SlateSettings
from agent.settings import load_settings
from agent.slate.choosing import Pool, choose
from agent.slate.exploring import drawn_affinity, lot_of
from agent.slate.rules import Cap, Caps, caps_in, caps_of
from agent.slate.terms import ALPHA, Calibration, Diversity, novelty, scaled
from agent.types import Event, EventKind, Item
from eval.beyond import calibration, vector_diversity

TAGS = ("Comedy", "Drama", "Horror", "War")


def film(n: int, *tags: str, director: str = "", year: int | None = None) -> Item:
    attributes: dict[str, str | int] = {"director": director} if director else {}
    return Item(
        item_id=f"f{n:03}", title=f"Film {n}", tags=tags, attributes=attributes | ({"year": year} if year else {})
    )


def pool_of(n: int, seed: int = 0, dimensions: int = 8) -> Pool:
    lot = np.random.default_rng(seed)
    items = [
        film(k, *lot.choice(TAGS, size=lot.integers(0, 4), replace=False), director=f"d{lot.integers(4)}")
        for k in range(n)
    ]
    scores = sorted((float(x) for x in lot.normal(size=n).round(1)), reverse=True)
    vectors = {item.item_id: lot.normal(size=dimensions).astype(np.float32) for item in items[: n - n // 5]}
    return Pool(
        items,
        scores,
        interests=dict(zip(TAGS, (float(x) for x in lot.dirichlet(np.ones(4))), strict=True)),
        vectors=vectors,
        popularity={item.item_id: float(lot.integers(0, 500)) for item in items[: n - n // 7]},
        drawn=lot.normal(size=n),
    )


def ids(pool: Pool, knobs: SlateSettings, k: int, caps: tuple[Cap, ...] = ()) -> list[str]:
    return [pool.items[one.at].item_id for one in choose(pool, knobs, k, caps).choices]


def turned(**values: float) -> SlateSettings:
    return SlateSettings.model_validate(values)


# What holds for every knob

share = st.floats(0, 1, allow_nan=False)
knobs = st.builds(turned, calibration=share, diversity=share, novelty=share, exploration=share)
pools = st.builds(pool_of, st.integers(0, 40), st.integers(0, 1_000))


@settings(max_examples=150, deadline=None)
@given(pools, knobs, st.integers(1, 15))
def test_there_are_always_k_different_items_where_there_are_enough(pool: Pool, given: SlateSettings, k: int) -> None:
    chosen = ids(pool, given, k)
    assert len(chosen) == len(set(chosen)) == min(k, len(pool.items))
    assert chosen == ids(pool, given, k), "and always the same"
    assert chosen[: k // 2] == ids(pool, given, k // 2), "place by place"


@settings(max_examples=150, deadline=None)
@given(pools, st.integers(1, 15))
def test_with_every_knob_at_0_the_order_is_the_rankers(pool: Pool, k: int) -> None:
    assert ids(pool, SlateSettings(), k) == [item.item_id for item in pool.items[:k]]


@settings(max_examples=150, deadline=None)
@given(pools, knobs, st.integers(1, 15), st.integers(0, 3), st.integers(0, 3))
def test_caps_hold_for_every_knob_and_keep_out_no_more_than_they_must(
    pool: Pool, given: SlateSettings, k: int, per_director: int, horror: int
) -> None:
    caps = caps_of({"director": per_director, "tags=Horror": horror})
    chosen = choose(pool, given, k, caps)
    items = [pool.items[one.at] for one in chosen.choices]
    directors = Counter(item.attributes["director"] for item in items)
    assert max(directors.values(), default=0) <= per_director
    assert sum("Horror" in item.tags for item in items) <= horror
    if len(items) < min(k, len(pool.items)):
        assert chosen.refused
        left = [item for item in pool.items if item not in items]
        assert not any(
            directors[item.attributes["director"]] < per_director
            and ("Horror" not in item.tags or sum("Horror" in one.tags for one in items) < horror)
            for item in left
        )


@settings(max_examples=100, deadline=None)
@given(pools, knobs)
def test_the_parts_of_a_choice_sum_to_its_gain(pool: Pool, given: SlateSettings) -> None:
    for one in choose(pool, given, 10).choices:
        assert sum(one.parts.values()) == pytest.approx(one.gain)


# Each knob by hand


def test_calibration_is_stecks_objective() -> None:
    items = [film(1, "Comedy"), film(2, "Comedy"), film(3, "Drama", "War"), film(4)]
    interests = {"Comedy": 0.6, "Drama": 0.3, "Horror": 0.1}
    term = Calibration(interests, items, 1.0)
    nothing = -math.log(ALPHA)
    comedy = 0.6 * math.log(0.6 / (0.99 + 0.006)) + 0.4 * nothing
    both = 0.6 * nothing + 0.1 * nothing + 0.3 * math.log(0.3 / (0.99 * 0.5 + 0.003))
    assert list(-term.values) == pytest.approx([comedy, comedy, both, nothing])
    term.take(0)
    tags = {item.item_id: item.tags for item in items}
    assert -term.values[3] == pytest.approx(comedy), "an item without tags leaves the mix as it is"
    mixed = 0.6 * math.log(0.6 / (0.99 * 0.5 + 0.006)) + 0.3 * math.log(0.3 / (0.99 * 0.25 + 0.003)) + 0.1 * nothing
    assert -term.values[2] == pytest.approx(mixed)
    alike = calibration(["f001", "f003"], ["f001", "f003"], tags)
    assert alike == pytest.approx(0)
    assert list(-Calibration({"Comedy": 0.5, "Drama": 0.25, "War": 0.25}, items[:1], 1.0).values) == pytest.approx(
        [calibration(["f001"], ["f001", "f003"], tags)]
    )


def test_calibration_brings_the_tags_that_a_person_goes_for() -> None:
    items = [film(n, "Comedy") for n in range(8)] + [film(n, "Drama") for n in range(8, 16)]
    pool = Pool(items, [float(-n) for n in range(16)], interests={"Comedy": 0.7, "Drama": 0.3})
    plain, calibrated = (ids(pool, turned(calibration=value), 10) for value in (0, 0.9))
    assert sum(int(i[1:]) >= 8 for i in plain) == 2
    assert sum(int(i[1:]) >= 8 for i in calibrated) == 3
    assert ids(Pool(items, pool.scores), turned(calibration=1), 10) == plain, (
        "without interests there is nothing to heed"
    )


def test_diversity_is_maximal_marginal_relevance() -> None:
    items = [film(n) for n in range(4)]
    vectors = {"f000": np.array([1, 0]), "f001": np.array([2, 0]), "f002": np.array([0, 3])}
    pool = Pool(items, [3.0, 2.9, 2.0, 0.0], vectors={i: v.astype(np.float32) for i, v in vectors.items()})
    assert ids(pool, turned(diversity=0.5), 4) == ["f000", "f002", "f003", "f001"]
    term = Diversity(pool.vectors, items, 1.0)
    assert not term.values.any()
    term.take(0)
    assert list(-term.values) == pytest.approx([1, 1, 0, 0])
    term.take(2)
    assert list(-term.values) == pytest.approx([1, 1, 1, 0]), "the nearest of the slate counts"


def test_novelty_is_self_information_on_a_scale_of_its_own() -> None:
    items = [film(n) for n in range(4)]
    found = novelty({"f000": 7, "f001": 0, "f002": 1}, items)
    assert list(found) == pytest.approx([0, 1, 2 / 3, 1 - (3 + 0 + 1) / 3 / 3])
    assert not novelty({}, items).any()
    assert not novelty({item.item_id: 5.0 for item in items}, items).any()
    assert list(scaled(np.array([2.0, 4.0, 3.0]))) == [0, 1, 0.5]


@pytest.mark.parametrize("knob", ["calibration", "diversity", "novelty"])
def test_a_knob_moves_its_own_figure(knob: str) -> None:
    figures: dict[float, list[float]] = {0: [], 0.7: []}
    for seed in range(30):
        pool = pool_of(60, seed)
        tags = {item.item_id: item.tags for item in pool.items}
        for value, found in figures.items():
            shown = ids(pool, turned(**{knob: value}), 10)
            if knob == "novelty":
                known = [pool.popularity[i] for i in shown if i in pool.popularity]
                found.append(-sum(map(math.log, [c + 1 for c in known])) / len(known))
            elif knob == "diversity":
                found.append(vector_diversity(shown, pool.vectors) or 0.0)
            else:
                likes = [f"{tag}" for tag, share in pool.interests.items() for _ in range(round(100 * share))]
                found.append(-(calibration(shown, likes, tags | {tag: (tag,) for tag in TAGS}) or 0.0))
    assert np.mean(figures[0.7]) > np.mean(figures[0]) + 0.02


# Rules


def test_caps_by_field_by_value_and_by_test() -> None:
    items = [film(1, "War", director="A", year=1940), film(2, "War", director="a ", year=1990), film(3, director="B")]
    assert [Caps(caps_of({"director": 1})).admit(item) for item in items[:1]] == [True]
    per_director, war, old = (Caps(caps_of(one)) for one in ({"director": 1}, {"tag = War": 1}, {"year<1950": 0}))
    assert [per_director.admit(item) for item in items] == [True, False, True], "as filters compare, without case"
    assert [war.admit(item) for item in items] == [True, False, True]
    assert [old.admit(item) for item in items] == [False, True, True]
    assert per_director.refused == {"at most 1 per director": 1}
    assert old.refused == {"at most 0 of year<1950": 1}


def test_an_item_counts_for_each_of_its_values() -> None:
    caps = Caps(caps_of({"tags": 1}))
    films = [film(1, "War", "Drama"), film(2, "Drama"), film(3, "Comedy"), film(4)]
    assert [caps.admit(one) for one in films] == [True, False, True, True]
    assert caps.admit(film(5)), "what has no value is never too many"


def test_caps_in_words() -> None:
    assert caps_in("director=2, tags=Horror=1,") == {"director": 2, "tags=Horror": 1}
    for wrong in ("director", "director=two", "=2", "director=-1"):
        with pytest.raises(ConfigError, match="is no cap"):
            caps_in(wrong)
    found = load_settings(environment={"PALATE_SLATE_MAX_PER": "director=2", "PALATE_SLATE_DIVERSITY": "0.2"}).settings
    assert (found.slate.max_per, found.slate.diversity) == ({"director": 2}, 0.2)
    with pytest.raises(ConfigError, match=r"slate\.max_per .* is refused"):
        load_settings(environment={"PALATE_SLATE_MAX_PER": "year>>3=2"})
    with pytest.raises(ConfigError, match=r"slate\.novelty"):
        load_settings(environment={"PALATE_SLATE_NOVELTY": "1.5"})


# Exploration


def interests_of(n_likes: int) -> Interests:
    known = {"f001": film(1, "Comedy"), "f002": film(2, "Drama")}
    background = Background(dict.fromkeys(TAGS, 0.25))
    start = datetime(2026, 1, 1, tzinfo=UTC)
    events = [
        Event(event_id=f"e{n}", user_id="u", kind=EventKind.LIKE, item_id="f001", at=start + timedelta(hours=n))
        for n in range(n_likes)
    ]
    known |= {f"g{n}": film(1, "Comedy") for n in range(n_likes)}
    events = [event.model_copy(update={"item_id": f"g{n}"}) for n, event in enumerate(events)]
    return fold_of("u", events, known, background).interests()


def test_draws_are_fair_and_narrow_as_a_person_becomes_known() -> None:
    items = [film(1, "Comedy"), film(2, "Drama", "War"), film(3), film(4, "Unheard of")]
    spreads = []
    for n_likes in (0, 60):
        interests, lot = interests_of(n_likes), np.random.default_rng(1)
        draws = np.array([drawn_affinity(interests, items, lot) for _ in range(3_000)])
        assert abs(draws.mean(axis=0)) == pytest.approx(np.zeros(4), abs=0.03)
        assert not draws[:, 2:].any(), "nothing is known of items without known tags"
        spreads.append(draws[:, 1].std())
    assert spreads[1] < spreads[0] / 2


def test_a_draw_sums_to_one_and_heeds_pins() -> None:
    posterior = Posterior(("a", "b", "c"), np.array([2.0, 1.0, 3.0]), {"b": 0.4})
    lot = np.random.default_rng(0)
    draws = [posterior.drawn(lot) for _ in range(2_000)]
    assert all(sum(draw.values()) == pytest.approx(1) and draw["b"] == 0.4 for draw in draws)
    assert np.mean([draw["a"] for draw in draws]) == pytest.approx(posterior.means["a"], abs=0.01)
    assert Posterior((), np.zeros(0), {}).drawn(lot) == {}


def test_places_won_by_the_draw_are_told() -> None:
    items = [film(n) for n in range(6)]
    pool = Pool(items, [5.0, 4, 3, 2, 1, 0], drawn=np.array([0, 0, 0, 0, 0, 3.0]))
    chosen = choose(pool, turned(exploration=0.5), 3).choices
    assert [(one.at, one.explored) for one in chosen] == [(5, True), (0, False), (1, False)]
    assert not any(one.explored for one in choose(pool, turned(exploration=0), 3).choices)


def test_a_draw_stays_until_the_person_acts_or_the_seed_changes() -> None:
    acts = [Event(event_id="e1", user_id="u", kind=EventKind.LIKE, item_id="x")]
    more = [*acts, acts[0].model_copy(update={"event_id": "e2"})]
    first, *others = (lot_of(*one).random() for one in ((1, "u", acts), (2, "u", acts), (1, "v", acts), (1, "u", more)))
    assert first == lot_of(1, "u", acts).random()
    assert len({first, *others}) == 4


def test_the_time_of_a_slate_grows_no_faster_than_the_candidates_do() -> None:
    every, caps = (
        turned(calibration=0.3, diversity=0.3, novelty=0.3, exploration=0.3),
        caps_of({"director": 4}),
    )

    def took(pool: Pool) -> float:
        began = time.thread_time()
        choose(pool, every, 10, caps)
        return time.thread_time() - began

    small, large = pool_of(100, 1, dimensions=384), pool_of(1_000, 1, dimensions=384)
    assert median(took(large) for _ in range(9)) < 30 * median(took(small) for _ in range(9))  # a square would be 100
