"""The slate in the path of a recommendation: rules, knobs and what `why` tells of them, over a real index."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path

import pytest

from agent import Event, Item, Recommender, Settings
from agent.errors import ConfigError
from agent.sections import SlateSettings
from agent.types import EventKind, Slate

Opening = Callable[..., Recommender]

DIRECTORS = ("Ann", "Ben", "Cem", "Dee")
TAGS = (("Comedy",), ("Drama",), ("Comedy", "War"), ("Horror",))


def films() -> list[Item]:
    return [
        Item(
            item_id=f"f{n:02}",
            title=f"Film number {n}",
            tags=TAGS[n % 4],
            text=f"A story about {('a king', 'two cooks', 'the sea', 'a robot', 'a long war')[n % 5]}.",
            attributes={"director": DIRECTORS[n // 6], "year": 1980 + n},
            popularity=float(100 - n),
        )
        for n in range(24)
    ]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("slates")
    with Recommender.open(settings=Settings(folder=made)) as palate:
        palate.put_items(films())
        palate.tell("ada", likes=["f00", "f04", "f02"], dislikes=["f03"], seen=["f07"])
        palate.sync_index()
    return made


@pytest.fixture
def opened(folder: Path) -> Iterator[Opening]:
    made: list[Recommender] = []

    def opening(**slate: float | Mapping[str, int]) -> Recommender:
        while made:
            made.pop().close()
        palate = Recommender.open(settings=Settings(folder=folder, slate=SlateSettings.model_validate(slate)))
        made.append(palate)
        return palate

    yield opening
    while made:
        made.pop().close()


def ids(slate: Slate) -> list[str]:
    return [r.item.item_id for r in slate]


def test_with_every_knob_at_0_the_path_is_the_rankers(opened: Opening) -> None:
    palate = opened(calibration=0, diversity=0)
    slate = palate.order("ada", k=8)
    scores = [r.score for r in slate]
    assert scores == sorted(scores, reverse=True)
    assert not any(step.stage == "slate" for r in slate for step in r.path)
    assert slate.degraded == ()


@pytest.mark.parametrize("knob", ["calibration", "diversity", "novelty", "exploration"])
def test_each_choice_is_in_the_path_and_why_shows_it(opened: Opening, knob: str) -> None:
    palate = opened(**{knob: 0.6})
    slate = palate.recommend("ada", k=6, llm=False)
    assert ids(slate) == ids(palate.order("ada", k=6)), "the same again"
    for rank, r in enumerate(slate, start=1):
        steps = {step.source: step for step in r.path if step.stage == "slate"}
        assert {"relevance", "slate"} < set(steps)
        assert steps.keys() & {knob, "explored"}
        parts = sum(step.score for source, step in steps.items() if source != "slate")
        assert steps["slate"].score == pytest.approx(parts)
        assert steps["slate"].rank == rank
    assert "slate" in slate.timings_ms
    why = palate.why("ada", slate[1].item)
    assert why[0].path == slate[1].path
    assert why[0].path[-1].rank == 2


def test_rules_hold_whatever_the_knobs(opened: Opening) -> None:
    palate = opened(diversity=0.9, novelty=0.9, exploration=1, max_per={"director": 2})
    slate = palate.recommend("ada", k=7, where="year >= 1983", llm=False)
    assert len(slate) == 7
    assert not set(ids(slate)) & {"f00", "f02", "f03", "f04", "f07"}
    assert all((r.item.year or 0) >= 1983 for r in slate)
    assert max(Counter(r.item.attributes["director"] for r in slate).values()) == 2
    assert slate.degraded == ()


def test_what_was_skipped_is_not_shown_again(opened: Opening, tmp_path: Path) -> None:
    with Recommender.open(settings=Settings(folder=tmp_path / "own")) as palate:
        palate.put_items(films())
        skip = Event(event_id="s", user_id="eve", kind=EventKind.SKIP, item_id="f09", at=datetime.now(UTC))
        palate.put_events([skip])
        assert "f09" in {r.item_id for r in palate.profile("eve").disliked}
        assert "f09" not in ids(palate.order("eve", k=24))


def test_where_rules_leave_fewer_the_slate_says_which(opened: Opening) -> None:
    palate = opened(max_per={"director": 1, "tags=Drama": 0})
    slate = palate.recommend("ada", k=6, llm=False)
    assert len(slate) == 3
    (told,) = slate.degraded
    assert told.stage == "slate"
    assert told.reason.startswith("3 of 6 places: at most ")
    assert "at most 1 per director" in told.reason
    filtered = palate.recommend("ada", k=4, where="year >= 2000 and tags=War", llm=False)
    assert [d.reason for d in filtered.degraded] == [
        "1 of 4 places: no other item is unseen, not disliked and passes the filter"
    ]


def test_a_field_that_no_item_has_cannot_be_capped(opened: Opening) -> None:
    palate = opened(max_per={"directr": 1})
    with pytest.raises(ConfigError, match="no item has the field 'directr'"):
        palate.order("ada")


def test_a_wish_goes_before_calibration_and_exploration(opened: Opening) -> None:
    plain = ids(opened().recommend("ada", "a long war", k=6, llm=False))
    knobs = {"calibration": 1.0, "exploration": 1.0}
    assert ids(opened(**knobs).recommend("ada", "a long war", k=6, llm=False)) == plain


def test_explored_places_are_told_and_change_with_the_seed(opened: Opening) -> None:
    slates = [opened(exploration=1.0, seed=seed).order("ada", k=6) for seed in range(4)]
    plain = set(ids(opened(calibration=0).order("ada", k=6)))
    assert len({tuple(ids(slate)) for slate in slates}) > 1
    for slate in slates:
        assert {r.item.item_id for r in slate if r.explored} == set(ids(slate)) - plain
        assert [row["explored"] for row in slate.as_json()["recommendations"]] == [r.explored for r in slate]
