"""The interest posterior: what moves it, how sure it is, what it rests on, and a person's own word."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError
from scipy.stats import beta

from agent.errors import ModelError, ModelTimeout
from agent.llm.scripted import Scripted
from agent.path.ranker import Taste
from agent.people.tagging import Tagger
from agent.profile.corrections import heeded, only_removed, told_rates
from agent.profile.evidence import Hyperparameters
from agent.profile.fold import fold_of
from agent.profile.interests import Interests
from agent.profile.ledger import Background
from agent.profile.posterior import Posterior
from agent.profile.prior import crowd_prior, liked_shares, prior_of
from agent.profile.wording import TagReader, responsibilities
from agent.recall.queries import queries_for
from agent.recall.signals import corrected
from agent.settings import Settings
from agent.store.cache import Cache
from agent.types import Event, EventKind, Item, Profile

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)
PRIOR = {"Comedy": 0.4, "Drama": 0.4, "Horror": 0.2}
ITEMS = {
    "a": Item(item_id="a", title="A", tags=("Comedy",)),
    "b": Item(item_id="b", title="B", tags=("Comedy", "Drama")),
    "c": Item(item_id="c", title="C", tags=("Horror",)),
    "d": Item(item_id="d", title="D"),
}


def event(n: int, kind: str, item_id: str | None = None, *, hours: float | None = None, **more: Any) -> Event:
    at = NOON + timedelta(hours=n if hours is None else hours)
    return Event(event_id=f"e{n}", user_id="u", kind=EventKind(kind), item_id=item_id, at=at, **more)


def word(n: int, tag: str, share: float | None) -> Event:
    return event(n, "interest", text=tag, value=share)


def interests(*events: Event, now: datetime | None = None, **given: float) -> Interests:
    background = Background(PRIOR, read=TagReader(tuple(PRIOR)), given=Hyperparameters(**given))
    return fold_of("u", events, ITEMS, background).interests(now)


def test_of_a_stranger_the_catalogue_is_believed() -> None:
    stranger = interests()
    assert stranger.posterior.means == pytest.approx(PRIOR)
    assert stranger.means == {}


def test_a_like_speaks_for_its_tags_and_less_for_each_the_more_there_are() -> None:
    one, two = interests(event(1, "like", "a")).means, interests(event(1, "like", "b")).means
    assert one["Comedy"] > two["Comedy"] > PRIOR["Comedy"]
    assert sum(one.values()) == pytest.approx(1)


def test_the_posterior_is_the_dirichlet_of_prior_and_counts() -> None:
    found = interests(event(1, "like", "b"), concentration=10, steadiness=1e12).posterior
    assert dict(zip(found.tags, found.alpha, strict=True)) == pytest.approx({"Comedy": 4.5, "Drama": 4.5, "Horror": 2})
    low, high = found.intervals(0.8)["Horror"]
    assert (low, high) == pytest.approx((beta.ppf(0.1, 2, 9), beta.ppf(0.9, 2, 9)))


def test_a_dislike_speaks_for_everything_else_and_a_low_rating_less_so() -> None:
    disliked = interests(event(1, "dislike", "c")).means
    rated = interests(event(1, "rate", "c", value=1.0)).means
    assert disliked["Horror"] < PRIOR["Horror"]
    assert rated["Horror"] > disliked["Horror"]  # whoever rated it had chosen it
    assert interests(event(1, "rate", "c", value=5.0)).means["Horror"] > rated["Horror"]


def test_an_act_counts_half_at_its_half_life() -> None:
    then = NOON + timedelta(hours=1, days=180)
    aged = interests(event(1, "like", "a"), now=then, steadiness=1e12).contributions("Comedy")[1]
    assert aged.event_id == "e1"
    assert aged.amount == pytest.approx(0.5, abs=1e-6)
    assert 0.8 < interests(event(1, "like", "a")).contributions("Comedy")[1].amount < 1  # steadiness takes something


def test_the_last_word_on_an_item_counts() -> None:
    assert interests(event(1, "like", "c"), event(2, "dislike", "c")).means["Horror"] < PRIOR["Horror"]
    assert interests(event(2, "dislike", "c"), event(1, "like", "c")).means["Horror"] < PRIOR["Horror"]


def test_a_burst_counts_no_more_than_its_cap() -> None:
    many = {f"h{n}": Item(item_id=f"h{n}", title="H", tags=("Horror",)) for n in range(500)}
    at_once = [event(n, "like", f"h{n}", hours=0.0) for n in range(500)]
    slowly = [event(n, "like", f"h{n}", hours=n / 10) for n in range(500)]
    background = Background(PRIOR, given=Hyperparameters(steadiness=1e12, half_life_days=1e9))
    burst, person = (fold_of("u", acts, many, background).interests() for acts in (at_once, slowly))
    assert burst.posterior.alpha.sum() == pytest.approx(20 + 20)
    assert person.posterior.alpha.sum() == pytest.approx(20 + 500)


def test_rating_scales_are_the_persons_own() -> None:
    stars = interests(event(1, "rate", "a", value=5.0), event(2, "rate", "c", value=1.0)).means
    points = interests(event(1, "rate", "a", value=100.0), event(2, "rate", "c", value=0.0)).means
    assert stars == pytest.approx(points)


def test_unknown_items_and_items_without_tags_say_nothing() -> None:
    assert interests(event(1, "like", "d"), event(2, "like", "nowhere")).means == {}


def test_a_tag_of_all_items_moves_nothing() -> None:
    background = Background({"Film": 0.5, "Comedy": 0.25, "Drama": 0.25})
    films = {"f": Item(item_id="f", title="F", tags=("Film", "Comedy"))}
    means = fold_of("u", [event(1, "like", "f")], films, background).interests().means
    assert means["Film"] == pytest.approx(0.5)
    assert means["Comedy"] > 0.25


def test_certainty_grows_with_evidence_and_never_past_steadiness() -> None:
    width = [b - a for n in (0, 3) for a, b in [interests(*_likes(n)).posterior.intervals()["Horror"]]]
    assert width[1] < width[0]
    assert interests(*_likes(3), steadiness=5).posterior.alpha.sum() < 5


def _likes(n: int) -> list[Event]:
    return [event(k, "like", "abc"[k]) for k in range(n)]


acts = st.tuples(st.sampled_from(["like", "dislike", "view", "skip", "rate"]), st.sampled_from("abcd"))


@given(st.lists(acts, max_size=15), st.randoms())
def test_provenance_sums_to_the_posterior_in_any_order(told: list[tuple[str, str]], random: Any) -> None:
    events = [event(n, kind, i, value=float(n % 5 + 1) if kind == "rate" else None) for n, (kind, i) in enumerate(told)]
    events += [event(90, "search", text="comedy, no horror"), word(91, "Drama", 0.1)]
    found = interests(*events)
    random.shuffle(events)
    again = interests(*events)
    assert np.array_equal(found.posterior.alpha, again.posterior.alpha)
    for tag, alpha in zip(found.posterior.tags, found.posterior.alpha, strict=True):
        parts = found.contributions(tag)
        assert sum(part.amount for part in parts) == pytest.approx(alpha)
        assert parts == again.contributions(tag)
        assert {part.event_id for part in parts[1:]} <= {e.event_id for e in events}


# --- words ------------------------------------------------------------------------------------------------------------


def test_words_name_tags_and_refuse_them() -> None:
    said = TagReader(("Comedy", "Sci-Fi", "Horror"))("Something sci-fi please, but no horror; comedies? A COMEDY")
    assert said.toward == {"Sci-Fi": 0.5, "Comedy": 0.5}
    assert said.away == {"Horror": 1.0}
    means = interests(event(1, "search", text="a comedy without horror")).means
    assert means["Comedy"] > PRIOR["Comedy"]
    assert means["Horror"] < PRIOR["Horror"]


def test_responsibilities_leave_room_for_none_of_the_tags() -> None:
    nothing = responsibilities(dict.fromkeys(PRIOR, 0.0), PRIOR)
    assert sum(nothing.values()) == pytest.approx(0.5)
    clear = responsibilities({"Comedy": 8.0, "Drama": 0.0, "Horror": -2.0}, PRIOR)
    assert clear["Comedy"] > 0.99
    assert sum(responsibilities(dict.fromkeys(PRIOR, -9.0), PRIOR).values()) < 0.01
    assert responsibilities({}, PRIOR) == {}
    assert sum(responsibilities(dict.fromkeys(PRIOR, 1_000.0), PRIOR).values()) == pytest.approx(1)


def likely(prefix: str, continuation: str) -> float:
    """A model to which wishes for laughs come from people who love comedy, and 'D' is a horror film."""
    if "laugh" in continuation:
        return -2.0 if "Comedy" in prefix else -9.0
    return -1.0 if "D" in prefix.split("kind.")[-1].split("Kind")[0] and "Horror" in continuation else -6.0


def tagger(model: Scripted, cache: Cache, told: list[str] | None = None) -> Tagger:
    return Tagger.on(model, cache, Settings(), PRIOR, (told if told is not None else []).append)


def test_the_model_reads_texts_and_items_once() -> None:
    model = Scripted(scores=likely)
    with Cache(None) as cache:
        read = tagger(model, cache).read("something that makes me laugh")
        assert max(read.toward, key=lambda tag: read.toward[tag]) == "Comedy"
        assert read.toward["Comedy"] > 0.9
        spread = dict(tagger(model, cache).spread(ITEMS["d"]))
        assert spread["Horror"] > 0.9
        assert sum(spread.values()) == pytest.approx(1)
        asked = len(model.calls)
        tagger(model, cache).read("something that makes me laugh")
        tagger(model, cache).spread(ITEMS["d"])
        assert len(model.calls) == asked
        assert tagger(model, cache).spread(ITEMS["b"]) == (("Comedy", 0.5), ("Drama", 0.5))


def test_the_default_model_reads_wishes(llama: Any) -> None:
    tags = ("Comedy", "Drama", "Horror", "Sci-Fi", "Romance", "War")
    told: list[str] = []
    reader = Tagger.on(llama, Cache(None), Settings(noun="films"), dict.fromkeys(tags, 1 / 6), told.append)
    wishes = {
        "something that makes me laugh": "Comedy",
        "a frightening film about a killer in the dark": "Horror",
        "spaceships and aliens": "Sci-Fi",
        "a love story in Paris": "Romance",
    }
    for wish, tag in wishes.items():
        toward = reader.read(wish).toward
        assert max(toward, key=lambda name: toward[name]) == tag
        assert toward[tag] > 1.5 / 6


def test_a_model_that_fails_leaves_the_rules_and_says_so() -> None:
    def late(prefix: str, continuation: str) -> float:
        raise ModelTimeout("out of time", "Wait")

    told: list[str] = []
    with Cache(None) as cache:
        reader = tagger(Scripted(scores=late), cache, told)
        assert reader.read("a comedy").toward == {"Comedy": 1.0}
        assert reader.spread(ITEMS["d"]) == ()
        assert len(told) == 2
        with pytest.raises(ModelError, match="gives no likelihoods"):
            tagger(Scripted(["hello"]), cache)


# --- the prior --------------------------------------------------------------------------------------------------------


def test_what_all_people_like_moves_the_prior_by_how_much_there_is() -> None:
    likes = liked_shares([ITEMS["c"]] * 500 + [ITEMS["d"]])
    assert likes == {"Horror": 500.0}
    assert crowd_prior(PRIOR, likes)["Horror"] == pytest.approx(0.6)
    assert crowd_prior(PRIOR, liked_shares([ITEMS["c"]]))["Horror"] == pytest.approx(0.2, abs=0.002)
    assert prior_of({}) == {}


# --- a person's own word ----------------------------------------------------------------------------------------------


def test_a_pin_holds_and_leaves_the_ratios_of_the_others() -> None:
    free, pinned = interests(event(1, "like", "a")), interests(event(1, "like", "a"), word(2, "Horror", 0.5))
    assert pinned.means["Horror"] == 0.5
    assert pinned.posterior.intervals()["Horror"] == (0.5, 0.5)
    assert pinned.means["Comedy"] / pinned.means["Drama"] == pytest.approx(free.means["Comedy"] / free.means["Drama"])
    assert sum(pinned.means.values()) == pytest.approx(1)
    assert pinned.posterior.entropy_nats > pinned.posterior.expected_entropy_nats > 0


def test_the_newest_word_counts_and_a_reset_gives_the_tag_back() -> None:
    assert interests(word(2, "Horror", 0.0), word(1, "Horror", 0.9)).means["Horror"] == 0
    assert interests(word(1, "Horror", 0.9), word(2, "Horror", None)).means == {}


@pytest.mark.parametrize(
    ("pins", "means"),
    [
        ({"Comedy": 1.0, "Drama": 1.0}, {"Comedy": 0.5, "Drama": 0.5, "Horror": 0.0}),
        ({"Comedy": 0.1, "Drama": 0.3, "Horror": 0.0}, {"Comedy": 0.25, "Drama": 0.75, "Horror": 0.0}),
        ({"Comedy": 0.0, "Drama": 0.0, "Horror": 0.0}, {}),
    ],
)
def test_pins_that_cannot_hold_are_scaled(pins: Mapping[str, float], means: Mapping[str, float]) -> None:
    found = Posterior(tuple(PRIOR), np.array([4.0, 4.0, 2.0]), pins)
    assert found.means == pytest.approx(means)
    assert found.entropy_nats >= 0


def test_a_level_lies_between_0_and_1() -> None:
    with pytest.raises(ValueError, match="level"):
        interests().posterior.intervals(1.0)


@pytest.mark.parametrize("more", [{"text": "Drama", "value": 1.5}, {"value": 0.5, "item_id": "a"}])
def test_events_of_interest_are_checked(more: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        Event(user_id="u", kind=EventKind.INTEREST, **more)


def test_removed_tags_leave_taste_queries_and_candidates() -> None:
    events = [event(1, "like", "b"), event(2, "like", "c"), word(3, "Horror", 0.0), word(4, "Comedy", 0.3)]
    profile = fold_of("u", events, ITEMS, Background(PRIOR)).profile()
    assert profile.pinned == {"Horror": 0.0, "Comedy": 0.3}
    assert [r.item_id for r in heeded(profile, ITEMS).liked] == ["b"]
    assert only_removed(ITEMS["c"], profile.pinned)
    assert not only_removed(ITEMS["d"], profile.pinned)
    assert [(q.source, q.text, q.weight) for q in queries_for(None, None, [], profile.pinned)] == [
        ("interest:Comedy", "Comedy", 0.6)
    ]


def test_a_removed_tag_takes_its_part_of_an_item_along() -> None:
    profile = fold_of("u", [event(1, "like", "b"), word(2, "Drama", 0.0)], ITEMS).profile()
    assert [r.strength for r in heeded(profile, ITEMS).liked] == [0.5]
    assert heeded(Profile(user_id="u"), ITEMS) == Profile(user_id="u")


def test_candidates_are_ranked_by_the_persons_own_word() -> None:
    rates = {"Comedy": 0.4, "Horror": 0.2}
    told = told_rates({"Comedy": 0.9, "Horror": 0.0, "Opera": 0.5}, rates)
    comedy, horror, neither = corrected([ITEMS["a"], ITEMS["c"], ITEMS["d"]], told, rates)
    assert comedy > neither > horror
    assert corrected([ITEMS["a"]], {}, rates) == [0.0]
    assert Taste.of([]).pinned == {}
