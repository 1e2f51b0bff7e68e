"""What is learned from people under differential privacy: bounded, noisy, paid for, and all that there is of them."""

from __future__ import annotations

import json
import math
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from agent import Recommender, Settings
from agent.cli import run
from agent.errors import ConfigError
from agent.learn.acts import POPULARITY
from agent.parts.learning import learn_now, standing
from agent.parts.releasing import LIKES, questions, released_likes
from agent.people.interests import background_of
from agent.privacy.bounded import UNITS, bounded, likes_by_tag, people_by_item
from agent.privacy.ledger import Ledger, Question
from agent.privacy.noise import noisy
from agent.settings import load_settings
from agent.store.store import Store
from agent.types import Event, Item
from tests.support.promises import Say
from tests.support.serving import films_in

EPSILON = 1.0


def private(folder: Path, **more: object) -> Settings:
    return Settings.model_validate({"folder": folder, "privacy": {"epsilon": EPSILON, "budget": 4, **more}})


def likes(user: str, *items: str) -> Iterator[Event]:
    at = datetime(2026, 1, 1, tzinfo=UTC)
    return (Event(event_id=f"{user}-{item}", user_id=user, kind="like", item_id=item, at=at) for item in items)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    films_in(tmp_path)
    with Store.open(tmp_path) as store:
        for n in range(30):
            store.put_events(likes(f"user-{n}", "f01", "f02", f"f{n % 9 + 3:02}"))
    return tmp_path


def test_one_person_counts_for_so_many_items_whatever_others_do() -> None:
    mine = [f"i{n}" for n in range(50)]
    drawn = bounded(mine, 20, "ada")
    assert len(drawn) == len(set(drawn)) == 20
    assert bounded([*reversed(mine), "i1"], 20, "ada") == drawn
    assert bounded(mine, 20, "bob") != drawn
    assert bounded(["b", "a", "b"], 20, "ada") == ["a", "b"]


def test_one_person_moves_either_question_by_its_sensitivity_at_most() -> None:
    items = {f"i{n}": Item(item_id=f"i{n}", title="T", tags=tuple(f"t{k}" for k in range(n % 11))) for n in range(60)}
    others = [(f"u{n}", list(likes(f"u{n}", *(f"i{k}" for k in range(n))))) for n in range(40)]
    with_ada = questions([*others, ("ada", list(likes("ada", *items)))], items, 7)
    for without, whole in zip(questions(others, items, 7), with_ada, strict=True):
        moved = sum(abs(whole.counts[name] - count) for name, count in without.counts.items())
        assert whole.counts.keys() == without.counts.keys()
        assert 0 < moved <= whole.sensitivity


def test_counts_are_of_the_whole_catalogue_also_what_nobody_has() -> None:
    items = {"a": Item(item_id="a", title="A", tags=("X", "Y")), "b": Item(item_id="b", title="B")}
    assert people_by_item([["a"], ["a"]], items) == {"a": 2, "b": 0}
    assert likes_by_tag([["a"], ["b"]], items) == {"X": UNITS // 2, "Y": UNITS // 2}


def test_noise_is_whole_centred_and_as_wide_as_the_costs_say() -> None:
    drawn = noisy([1_000] * 20_000, sensitivity=5, epsilon=0.5)
    off = [value - 1_000 for value in drawn]
    assert all(isinstance(value, int) for value in drawn)
    ratio = math.exp(-0.5 / 5)
    spread = math.sqrt(2 * ratio) / (1 - ratio)  # of the discrete Laplace distribution
    assert abs(sum(off) / len(off)) < 5 * spread / math.sqrt(len(off))
    assert abs(math.sqrt(sum(x * x for x in off) / len(off)) / spread - 1) < 0.05
    assert noisy([], sensitivity=1, epsilon=1.0) == []


def likely(sensitivity: int, epsilon: float, n: int) -> float:
    """The greatest |ln| of the ratio of how often an outcome comes from two neighbouring inputs."""
    mine, theirs = (Counter(noisy([value] * n, sensitivity=sensitivity, epsilon=epsilon)) for value in (0, sensitivity))
    common = [value for value in range(-3, 4) if min(mine[value], theirs[value]) > 200]
    return max(abs(math.log(mine[value] / theirs[value])) for value in common)


def told(say: Say, found: float, n: int) -> None:
    say(
        "Privacy",
        "what is released of many people tells of one person at most what its epsilon states",
        f"epsilon {EPSILON:g}: outcomes from neighbouring data at most e^{found:.3f} times as likely, {n:,} draws each",
        found <= EPSILON + 0.15,
    )


@pytest.mark.parametrize("n", [30_000, pytest.param(1_000_000, marks=pytest.mark.thorough)])
def test_outcomes_are_about_as_likely_without_a_person(n: int, promise: Say) -> None:
    found = likely(1, EPSILON, n)
    assert found < EPSILON + 0.2
    told(promise, found, n)


def test_learning_is_paid_once_for_the_same_people_and_refused_beyond_the_budget(folder: Path, promise: Say) -> None:
    with Recommender.open(settings=private(folder)) as palate:
        learn_now(palate.parts)
        ledger = Ledger(palate.store)
        first = ledger.book
        assert (first.spent, [entry.name for entry in first.entries]) == (2.0, [POPULARITY, LIKES])
        learn_now(palate.parts)
        assert ledger.book == first
        palate.store.put_events(likes("new", "f05"))
        learn_now(palate.parts)
        assert ledger.book.spent == 4.0
        assert ledger.book.kept(POPULARITY) != first.kept(POPULARITY)
        palate.store.put_events(likes("newer", "f05"))
        before, was = ledger.book, palate.parts.shelved.record
        with pytest.raises(ConfigError, match="4 of 4 is spent, and this would cost 2"):
            learn_now(palate.parts)
        assert (ledger.book, palate.parts.shelved.record) == (before, was)
        assert palate.order("user-1").recommendations
    promise("Privacy", "the privacy budget is never overspent", "4 of 4 spent; the next release refused", True)


def test_one_release_that_the_budget_does_not_reach_leaves_none(folder: Path) -> None:
    with Recommender.open(settings=private(folder, budget=1.5)) as palate:
        with pytest.raises(ConfigError, match=r"0 of 1\.5 is spent, and this would cost 2"):
            learn_now(palate.parts)
        assert Ledger(palate.store).book.entries == ()
        assert palate.parts.collaborative is None or not palate.parts.shelved.record


def test_another_process_that_released_meanwhile_is_noticed(tmp_path: Path) -> None:
    asked = [Question("n", {"a": 1}, 1)]
    with Store.open(tmp_path) as one, Store.open(tmp_path) as other:
        book = Ledger(one).release(asked, epsilon=0.5, budget=1, of="x")
        assert Ledger(other).release(asked, epsilon=0.5, budget=1, of="x") == book
        Ledger(other).release(asked, epsilon=0.5, budget=1, of="y")
        with pytest.raises(ConfigError, match="1 of 1 is spent"):
            Ledger(one).release(asked, epsilon=0.5, budget=1, of="z")


def test_only_what_was_released_is_used(folder: Path) -> None:
    with Recommender.open(settings=Settings(folder=folder)) as palate:
        learn_now(palate.parts)
        exact = palate.parts.background.prior
        assert palate.parts.shelved.record is not None
        assert palate.parts.shelved.record.pairs > 0
    with Recommender.open(settings=private(folder)) as palate:
        assert standing(palate.parts).problem == "it was learned without differential privacy"
        assert standing(palate.parts).due
        assert palate.parts.collaborative is None
        assert palate.parts.background.prior != exact
        learn_now(palate.parts)
        learned = palate.parts.collaborative
        assert learned is not None
        assert learned.learned.neighbours.n_pairs == 0
        assert learned.learned.factors is None
        record = palate.parts.shelved.record
        assert record is not None
        assert (record.epsilon, record.people, record.pairs, record.factors) == (EPSILON, 0, 0, 0)
        kept = Ledger(palate.store).book.kept(POPULARITY)
        places = learned.learned.place
        assert [learned.learned.counts[places[i]] for i in kept] == [max(0, value) for value in kept.values()]
        assert released_likes(palate.store)
        assert set(background_of(palate.parts).prior) == set(exact)
        assert {step.source for place in palate.order("user-1") for step in place.path} & {
            "together",
            "factors",
        } == set()


def test_what_was_spent_is_told(
    folder: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PALATE_PRIVACY_EPSILON", "0.5")
    monkeypatch.setenv("PALATE_PRIVACY_BUDGET", "1")
    assert run(["--folder", str(folder), "learn", "--json"]) == 0
    capsys.readouterr()
    assert run(["--folder", str(folder), "status", "--json"]) == 0
    shown = json.loads(capsys.readouterr().out)["privacy"]
    assert shown == {"encrypted": False, "epsilon": 0.5, "spent": 1.0, "budget": 1.0}
    assert run(["--folder", str(folder), "privacy"]) == 0
    assert "1 of 1 spent; 0.5 a release" in capsys.readouterr().out
    with Store.open(folder) as store:
        store.put_events(likes("new", "f05"))
    assert run(["--folder", str(folder), "learn"]) == 2
    assert "the privacy budget does not reach" in capsys.readouterr().err


def test_accounts_that_are_linked_and_kept_apart_count_as_the_one_person_they_are(tmp_path: Path) -> None:
    items = [f"i{n}" for n in range(5)]
    settings = private(tmp_path, epsilon=100.0, budget=200, max_items_per_person=2)
    with Recommender.open(settings=settings) as palate:
        palate.put_items([Item(item_id=one, title=one, tags=("Drama",)) for one in items])
        for n, one in enumerate(items):
            palate.store.put_events(likes(f"account-{n}", one))
            palate.link("account-0", f"account-{n}") if n else None
        palate.keep_apart("account-0", True)
        assert len(palate.store.people()) == 5
        learn_now(palate.parts)
        counts = Ledger(palate.store).book.kept(POPULARITY)
    assert sum(counts.values()) == 2, "the noise of so large an epsilon is none"


def test_an_epsilon_that_noise_cannot_be_drawn_for_is_refused() -> None:
    with pytest.raises(ConfigError, match="there is no noise for an epsilon of 1e-308"):
        noisy([1], sensitivity=20, epsilon=1e-308)
    for epsilon in ("1e-308", "1e-17", "0"):
        with pytest.raises(ConfigError, match=r"privacy\.epsilon .* should be greater than or equal to 0\.0001"):
            load_settings(environment={"PALATE_PRIVACY_EPSILON": epsilon})
