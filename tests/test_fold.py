"""A fold that takes events one by one, beside the profile of all of them at once; and the folds kept over a store."""

from __future__ import annotations

import random
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agent.people import folds as keeping
from agent.people.folds import Folds
from agent.profile.fold import Fold, fold_of, profile_from
from agent.profile.identity import ON_ACCOUNTS
from agent.profile.ledger import Background
from agent.profile.wording import TagReader
from agent.store.store import Store
from agent.types import Event, EventKind, Item, Profile

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)
ITEMS = {i: Item(item_id=i, title=i.upper(), tags=tags) for i, tags in {"a": ("War",), "b": ("War", "Comedy")}.items()}
AGAINST = Background({"War": 0.5, "Comedy": 0.3, "Noir": 0.2}, read=TagReader(("War", "Comedy", "Noir")))


def event(n: int, kind: str = "like", item_id: str | None = "a", **more: Any) -> Event:
    more = {"event_id": f"e{n}", "user_id": "ada", "at": NOON + timedelta(minutes=n), **more}
    return Event(kind=EventKind(kind), item_id=item_id, **more)


def _act(draw: st.DrawFn) -> dict[str, Any]:
    kind = draw(st.sampled_from([kind for kind in EventKind if kind not in ON_ACCOUNTS]))
    act: dict[str, Any] = {"kind": kind.value, "at": NOON + timedelta(hours=draw(st.integers(-48, 48)))}
    if kind is EventKind.INTEREST:
        return act | {
            "item_id": None,
            "text": draw(st.sampled_from(["War", "Noir"])),
            "value": draw(st.none() | shares),
        }
    if kind in (EventKind.SEARCH, EventKind.MESSAGE):
        return act | {"item_id": None, "text": draw(st.sampled_from(["no war", "a comedy", " "])) + "?"}
    value = draw(st.sampled_from([0.0, 0.5, 1.0, 3.0, 5.0, 7.0, 10.0, 55.0, 300.0])) if kind is EventKind.RATE else None
    return act | {"item_id": draw(st.sampled_from("abx")), "value": value}


shares = st.sampled_from([0.0, 0.2, 0.5])
acts = st.lists(st.composite(_act)(), max_size=25)


@settings(deadline=None, max_examples=150)
@given(acts, st.randoms(use_true_random=False))
def test_one_event_at_a_time_in_any_order_is_all_events_at_once(
    told: list[dict[str, Any]], chance: random.Random
) -> None:
    events = [event(n, **act) for n, act in enumerate(told)]
    at_once = profile_from("ada", events, ITEMS, AGAINST)
    arriving = [*events, *events[:3]]
    chance.shuffle(arriving)
    fold = Fold("ada", ITEMS, AGAINST)
    for n, one in enumerate(arriving):
        assert fold.add(one) == (one.event_id not in {e.event_id for e in arriving[:n]})
        fold.profile()
    assert fold.profile() == at_once
    assert dict(fold.profile().interests) == dict(at_once.interests), "to the last bit"
    assert list(fold.events) == sorted(events, key=lambda e: (e.at, e.event_id))
    assert len(fold) == len(events)
    assert Profile.model_validate(at_once.model_dump()) == at_once, "what a fold makes is a valid profile"


def test_a_late_event_does_not_overrule_a_newer_one() -> None:
    fold = fold_of("ada", [event(5, "dislike")], ITEMS)
    fold.add(event(1, "like"))
    assert [r.event_id for r in fold.profile().disliked] == ["e5"]
    assert not fold.profile().liked


def test_a_rating_that_shows_another_scale_changes_what_the_others_mean() -> None:
    fold = fold_of("ada", [event(1, "rate", "a", value=4.0)], ITEMS)
    assert fold.profile().liked[0].strength == 0.5
    fold.add(event(2, "rate", "b", value=9.0))
    found = fold.profile()
    strengths = {r.item_id: r.strength for r in (*found.disliked, *found.liked)}
    assert strengths == pytest.approx({"a": -1 / 3, "b": 7 / 9})


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with Store.open(tmp_path) as opened:
        opened.put_items(ITEMS.values())
        yield opened


@pytest.fixture
def folds(store: Store) -> Folds:
    return Folds(store, lambda: AGAINST)


def profile(folds: Folds, user_id: str = "ada") -> Profile:
    return folds.read(user_id, lambda fold, _: fold.profile())


def fold_itself(folds: Folds, user_id: str = "ada") -> int:
    """Which fold it is: another number when it was built anew."""
    return folds.read(user_id, lambda fold, _: id(fold))


def whole(store: Store, user_id: str = "ada") -> Profile:
    return profile_from(user_id, store.events_of(user_id), {i.item_id: i for i in store.items()}, AGAINST)


def test_what_is_written_is_folded_in_and_nothing_built_anew(store: Store, folds: Folds) -> None:
    store.put_events([event(1), event(2, "like", "b")])
    assert profile(folds) == whole(store)
    kept = fold_itself(folds)
    store.put_events([event(3, "dislike", "a"), event(3, "search", None, text="noir", event_id="e4", user_id="ben")])
    assert profile(folds) == whole(store)
    assert [r.item_id for r in profile(folds).disliked] == ["a"]
    assert fold_itself(folds) == kept
    assert profile(folds, "nobody") == profile_from("nobody", [], {}, AGAINST)


def test_a_late_event_that_is_heard_of_is_folded_in_and_one_that_is_not_is_found(store: Store, folds: Folds) -> None:
    store.put_events([event(5)])
    kept = fold_itself(folds)
    late = [event(1, "dislike", "b")]
    store.put_events(late)
    folds.hear(late)
    assert fold_itself(folds) == kept
    store.put_events([event(2, "dislike", "x")])
    assert profile(folds) == whole(store)
    assert len(profile(folds).disliked) == 2


def test_another_process_writes(store: Store, folds: Folds, tmp_path: Path) -> None:
    store.put_events([event(1)])
    assert not profile(folds).disliked
    code = """
import sys
from pathlib import Path
from agent.store.store import Store
from agent.types import Event
with Store.open(Path(sys.argv[1])) as store:
    store.put_events([Event(user_id="ada", kind="dislike", item_id="a")])
"""
    subprocess.run([sys.executable, "-c", code, str(tmp_path)], check=True, timeout=60)
    assert [r.item_id for r in profile(folds).disliked] == ["a"]


def test_who_is_forgotten_elsewhere_and_tells_as_much_again_is_another(
    store: Store, folds: Folds, tmp_path: Path
) -> None:
    store.put_events([event(1), event(2, "like", "b")])
    assert len(profile(folds).liked) == 2
    with Store.open(tmp_path) as elsewhere:
        elsewhere.forget("ada")
        assert profile(folds) == profile_from("ada", [], {}, AGAINST)
        elsewhere.put_events([event(1, "dislike"), event(2, "dislike", "b")])
        assert len(profile(folds).disliked) == 2
        elsewhere.forget("ada")
        elsewhere.put_events([event(1), event(2, "like", "b")])
    assert profile(folds) == whole(store)


def test_items_that_change_are_read_anew(store: Store, folds: Folds) -> None:
    store.put_events([event(1)])
    before = profile(folds).interests
    store.put_items([ITEMS["a"].model_copy(update={"tags": ("Noir",)})])
    assert profile(folds).interests["Noir"] > before["Noir"]
    assert profile(folds) == whole(store)


def test_what_the_store_never_took_does_not_stay(store: Store, folds: Folds) -> None:
    store.put_events([event(1)])
    profile(folds)
    folds.hear([event(9, "dislike", "b")])
    assert profile(folds) == whole(store)


def test_the_people_read_longest_ago_go_first(store: Store, folds: Folds) -> None:
    for n in range(keeping.MOST_PEOPLE + 5):
        folds.read(f"u{n}", lambda fold, _: len(fold))
    assert len(folds) == keeping.MOST_PEOPLE
    assert not folds.holds("u4")
    assert folds.holds("u5")
    folds.drop("u5")
    assert not folds.holds("u5")


def test_a_row_that_vanished_from_the_file_is_gone_from_the_fold(store: Store, folds: Folds, tmp_path: Path) -> None:
    store.put_events([event(1), event(2, "like", "b")])
    assert len(profile(folds).liked) == 2
    with closing(sqlite3.connect(tmp_path / "palate.sqlite")) as connection, connection:
        connection.execute("DELETE FROM events WHERE event_id = 'e2'")
    assert [r.item_id for r in profile(folds).liked] == ["a"]
