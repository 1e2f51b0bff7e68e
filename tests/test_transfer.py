"""What events count by platform, and what is carried over from one platform to another."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pytest

from agent import Recommender, Settings, cli
from agent.errors import ConfigError, NotFound
from agent.parts.learning import learn_now
from agent.people.transfer import UNLEARNED, kappa, learn_transfer, transfers
from agent.profile.fold import fold_of, profile_from
from agent.profile.ledger import Background
from agent.profile.platforms import weigh_by
from agent.profile.transfer import KAPPAS, Crossing, carried, crossing_of, fit
from agent.settings import load_settings
from agent.types import Event, EventKind, Item

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)
TAGS = ("Comedy", "Drama", "Horror", "War")
FILMS = [Item(item_id=f"f{n}", title=f"Film {n}", tags=(TAGS[n % 4],), platform="films") for n in range(40)]
BOOKS = [Item(item_id=f"b{n}", title=f"Book {n}", tags=(TAGS[n % 4],), platform="books") for n in range(40)]
ITEMS = {item.item_id: item for item in (*FILMS, *BOOKS)}
PRIOR = dict.fromkeys(TAGS, 0.25)


def act(n: int, item_id: str, kind: str = "like", user_id: str = "ada", **more: object) -> Event:
    named = {"platform": ITEMS[item_id].platform, **more}
    at = NOON + timedelta(minutes=n)
    return Event.model_validate(
        {"event_id": f"{user_id}-{n}", "user_id": user_id, "kind": kind, "item_id": item_id, "at": at, **named}
    )


@pytest.fixture
def palate(tmp_path: Path) -> Iterator[Recommender]:
    with Recommender.open(settings=Settings(folder=tmp_path)) as recommender:
        recommender.store.put_items(ITEMS.values())
        yield recommender


def crowd(n: int, alike: bool, seed: int = 3) -> Iterator[Event]:
    """People with an account on each platform, linked; what they like is alike on both, or drawn anew."""
    rng = np.random.default_rng(seed)
    for who in range(n):
        theta = rng.dirichlet([0.4] * 4)
        for k, short in enumerate("fb"):
            shares = theta if alike or not k else rng.dirichlet([0.4] * 4)
            places = [int(tag) + 4 * m for m, tag in enumerate(rng.choice(4, size=10, p=shares))]
            user_id = f"{short}-{who}"
            yield from (act(m, f"{short}{place}", user_id=user_id) for m, place in enumerate(places))
        yield Event(event_id=f"l-{who}", user_id=f"f-{who}", kind=EventKind.LINK, text=f"b-{who}", at=NOON)


def test_events_count_by_platform_and_kind() -> None:
    platforms = {"films": {"weight": 0.5, "kinds": {"view": 0.2}}, "books": {"weight": 0.0}}
    weigh = weigh_by(platforms)
    assert weigh(act(1, "f1")) == 0.5
    assert weigh(act(1, "f1", "view")) == pytest.approx(0.1)
    assert weigh(act(1, "f1", platform="elsewhere")) == 1.0
    assert weigh(Event(user_id="ada", kind="interest", text="War", value=0.5, platform="books")) == 1.0
    events = [act(1, "f0"), act(2, "b1"), act(3, "f2", "dislike")]
    found = profile_from("ada", events, ITEMS, Background(PRIOR, weigh=weigh))
    assert [(r.item_id, r.strength) for r in found.liked] == [("f0", 0.5)]
    assert [(r.item_id, r.strength) for r in found.disliked] == [("f2", -0.5)]
    assert profile_from("ada", events, ITEMS, Background(PRIOR)).liked[0].strength == 1.0


@pytest.mark.parametrize("kind", ["like", "view", "purchase", "dislike"])
def test_an_event_of_half_the_weight_is_half_the_evidence(kind: str) -> None:
    whole, half = (
        fold_of("ada", [act(1, "f0", kind)], ITEMS, Background(PRIOR, weigh=weigh_by({"films": {"weight": weight}})))
        for weight in (1.0, 0.5)
    )
    left, right = (fold.interests().columns for fold in (whole, half))
    assert right.toward[0] == pytest.approx(left.toward[0] / 2)
    assert right.away[0] == pytest.approx(left.away[0] / 2)


def test_what_counts_nothing_decides_nothing_but_was_seen() -> None:
    events = [act(1, "f0", platform="books"), act(2, "f0", "dislike")]
    found = profile_from("ada", events, ITEMS, Background(PRIOR, weigh=weigh_by({"films": {"weight": 0.0}})))
    assert [r.item_id for r in found.liked] == ["f0"]
    seen = profile_from("ada", [act(1, "f0", "view")], ITEMS, Background(weigh=weigh_by({"films": {"weight": 0.0}})))
    assert (seen.seen, seen.liked) == ({"f0"}, ())


@pytest.mark.parametrize(
    ("table", "said"),
    [
        ('{"shop": {"weight": 2}}', "shop.weight"),
        ('{"shop": {"wight": 1}}', "shop.wight"),
        ('{"shop": {"kinds": {"vew": 1}}}', "vew"),
        ('{"shop": 3}', "shop"),
        ("[1]", "table"),
        ("x", "JSON"),
    ],
)
def test_settings_that_say_nothing_are_refused(table: str, said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        load_settings(None, environment={"PALATE_PLATFORMS": table})


def test_settings_of_a_platform_are_a_table_of_the_file(tmp_path: Path) -> None:
    (tmp_path / "p.toml").write_text("[platforms.shop]\nweight = 0.5\ntransfer = 7\nkinds = {view = 0.1}\n")
    found = load_settings(tmp_path / "p.toml").settings.platforms
    assert found == {"shop": {"weight": 0.5, "transfer": 7, "kinds": {"view": 0.1}}}


def test_the_prior_of_another_platform_is_its_own_and_so_much_of_the_mean() -> None:
    own = Background({"War": 0.5, "Drama": 0.5})
    found = carried(own, [({"War": 0.6, "Comedy": 0.4}, 20.0)])
    assert found.given.concentration == own.given.concentration + 20
    assert found.prior == pytest.approx({"War": 0.75, "Drama": 0.25})
    assert carried(own, [({"Comedy": 1.0}, 20.0)]) == own
    assert carried(own, []) == own


def test_kappa_is_found_where_tastes_cross_and_is_0_where_they_do_not() -> None:
    rng = np.random.default_rng(5)

    def people(alike: bool) -> list[Crossing]:
        found = []
        for _ in range(200):
            mean = rng.dirichlet([0.5] * 4)
            shares = rng.dirichlet(30 * mean) if alike else rng.dirichlet([0.5] * 4)
            found.append(Crossing(mean, np.eye(4)[rng.choice(4, size=20, p=shares)]))
        return found

    strong, none = (fit(people(alike), PRIOR, 2.0) for alike in (True, False))
    assert strong is not None
    assert none is not None
    assert 10 <= strong.kappa <= 90
    assert strong.gain_nats > 0.1
    assert none.kappa <= 0.3
    assert fit(people(True)[:9], PRIOR, 2.0) is None
    assert KAPPAS[0] == 0


def test_a_crossing_needs_both_sides() -> None:
    assert crossing_of({"War": 1.0}, [], PRIOR) is None
    assert crossing_of({"Verse": 1.0}, FILMS[:2], PRIOR) is None
    found = crossing_of({"War": 0.5, "Verse": 0.5}, FILMS[:30], PRIOR)
    assert found is not None
    assert list(found.mean) == [0, 0, 0, 1]
    assert found.liked.shape == (20, 4)


def test_a_cold_account_starts_from_what_is_known_elsewhere(palate: Recommender) -> None:
    palate.put_events([act(n, f"f{4 * n}") for n in range(8)])
    assert palate.interests("new", platform="books").posterior.means["Comedy"] == pytest.approx(0.25)
    palate.link("ada", "new")
    found = palate.interests("new", platform="books").posterior
    assert found.means["Comedy"] > 0.3
    assert found.means["Comedy"] < palate.interests("new", platform="films").posterior.means["Comedy"]
    palate.keep_apart("new", True)
    assert palate.interests("new", platform="books").posterior.means["Comedy"] == pytest.approx(0.25)
    assert palate.interests("ada", platform="books").posterior.means["Comedy"] == pytest.approx(0.25)
    with pytest.raises(NotFound, match="games"):
        palate.interests("new", platform="games")


def test_how_much_carries_over_is_learned_and_can_be_fixed(palate: Recommender, tmp_path: Path) -> None:
    assert kappa(palate.parts, "films", "books") == UNLEARNED
    palate.put_events(crowd(40, alike=True))
    learn_now(palate.parts)
    alike = transfers(palate.store)[("films", "books")]
    assert alike.people == 40
    assert kappa(palate.parts, "films", "books") == alike.kappa > 10
    palate.keep_apart("f-3", True)
    assert learn_transfer(palate.parts)[("films", "books")].people == 39
    fixed = Settings(folder=tmp_path, platforms={"books": {"transfer": 3}})
    with Recommender.open(settings=fixed) as other:
        assert kappa(other.parts, "films", "books") == 3


def test_nothing_carries_over_where_tastes_are_others(palate: Recommender) -> None:
    palate.put_events(crowd(40, alike=False))
    assert learn_transfer(palate.parts)[("films", "books")].kappa < 5


def test_the_profile_of_a_platform_on_the_command_line(
    palate: Recommender, tmp_path: Path, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PALATE_FOLDER", str(tmp_path))
    palate.put_events([act(n, f"f{4 * n}") for n in range(8)])
    capfd.readouterr()
    shares = []
    for platform in ("films", "books"):
        assert cli.run(["profile", "ada", "--platform", platform, "--json"]) == 0
        shares.append(json.loads(capfd.readouterr().out)["interests"].get("Comedy", 0.0))
    assert shares[0] > shares[1]
    assert cli.run(["profile", "ada", "--platform", "games"]) == 1
    assert "Platforms here: books, films" in capfd.readouterr().err
