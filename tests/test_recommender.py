"""The whole path on fifteen films, with the real index, embedder and model."""

import re
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from agent import Item, Recommender, Settings
from agent.catalogue import load_items, read_items
from agent.errors import Ambiguous, ConfigError, NotFound
from agent.explain.evidence import resolves
from agent.path.stages import searched
from agent.people.person import person_of
from agent.settings import ProfileSettings

FILMS = Path(__file__).parent / "support" / "films.csv"


@pytest.fixture(scope="module")
def palate(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Recommender]:
    folder, several = tmp_path_factory.mktemp("palate"), ProfileSettings(centres=5)
    with Recommender.open(settings=Settings(folder=folder, noun="films", profile=several)) as recommender:
        with read_items(FILMS) as rows:
            report = load_items(rows, recommender.put_items, folder / "refused.jsonl")
        assert report.accepted == 15
        recommender.tell("ada", likes=["Toy Story (1995)", "ratatouille"], dislikes=["Alien"])
        yield recommender


def test_a_slate_holds_unseen_items_with_paths_and_checked_reasons(palate: Recommender) -> None:
    slate = palate.recommend("ada", "a clever family film", k=5)
    assert [r.rank for r in slate] == [1, 2, 3, 4, 5]
    assert not {r.item.item_id for r in slate} & palate.profile("ada").seen
    assert not slate.degraded
    assert {"recall", "prior", "rerank", "blend"} <= {step.stage for step in slate[0].path}
    assert slate.prompts["en/rank-likelihood"]
    assert {"recall", "rank", "explain", "total"} <= set(slate.timings_ms)
    profile = palate.profile("ada")
    for r in slate:
        assert r.rationale is not None
        assert r.rationale.sentence
        assert all(resolves(e, r.item, profile) for e in r.rationale.evidence if e.kind == "item" or e.ref in
                   {x.event_id for x in profile.liked})  # fmt: skip
    assert len({r.rationale.sentence for r in slate if r.rationale}) == 5


def test_taste_and_wish_move_the_order(palate: Recommender) -> None:
    family = [r.item.item_id for r in palate.recommend("ada", "an animated film for children", k=5, llm=False)]
    horror = [r.item.item_id for r in palate.recommend("ada", "a frightening film about a killer", k=5, llm=False)]
    assert family != horror
    assert set(family) != set(horror)


def test_where_keeps_only_what_passes(palate: Recommender) -> None:
    slate = palate.recommend("ada", k=10, where="year >= 2000", llm=False)
    assert len(slate) > 0
    assert all((r.item.year or 0) >= 2000 for r in slate)
    assert len(palate.recommend("ada", where="year > 2090", llm=False)) == 0


def test_a_stranger_gets_the_most_popular(palate: Recommender) -> None:
    slate = palate.recommend("nobody", k=3)
    popularity = [r.item.popularity for r in slate]
    assert popularity == sorted((i.popularity for i in palate.store.items()), reverse=True)[:3]
    assert all(r.path[0].source == "popular" for r in slate)
    assert all(r.rationale for r in slate)


def test_the_same_question_gets_the_same_answer(palate: Recommender) -> None:
    first, second = (palate.recommend("ada", "a clever family film", k=5) for _ in range(2))
    assert [r.item.item_id for r in first] == [r.item.item_id for r in second]
    assert [r.rationale for r in first] == [r.rationale for r in second]


def test_why_answers_from_the_slate_that_was_shown(palate: Recommender) -> None:
    slate = palate.recommend("ada", "a clever family film", k=5)
    shown = slate[2]
    why = palate.why("ada", shown.item.title)
    assert len(why) == 1
    assert why.wish == "a clever family film"
    assert why[0].path[:-1] == shown.path
    assert why[0].path[-1].rank == 3
    assert why[0].rationale == shown.rationale


def test_why_computes_the_path_of_an_item_never_shown(palate: Recommender) -> None:
    palate.tell("bob", likes=["Alien"])
    why = palate.why("bob", "Spirited Away")
    assert why[0].item.title == "Spirited Away"
    assert (why[0].path[-1].rank or 0) > 0
    assert why[0].rationale is not None


def test_no_time_for_a_reason_is_refused(palate: Recommender) -> None:
    with pytest.raises(ConfigError, match="timeout_s is 0"):
        palate.why("bob", "Heat", timeout_s=0)
    with pytest.raises(ConfigError, match="timeout_s is 0"):
        palate.explain("bob", ["Heat"], timeout_s=0)


def test_explain_gives_reasons_for_any_items_in_their_order(palate: Recommender) -> None:
    slate = palate.explain("ada", ["Alien", "The Incredibles"])
    assert [r.item.title for r in slate] == ["Alien", "The Incredibles"]
    assert all(r.rationale for r in slate)


def test_rank_orders_ids_and_foreign_items(palate: Recommender) -> None:
    ids = [i.item_id for i in palate.store.items()]
    slate = palate.rank(ids[:2], ids[2:])
    assert sorted(r.item.item_id for r in slate) == sorted(ids[2:])
    foreign = [Item(item_id=f"x{n}", title=t, tags=(g,)) for n, (t, g) in enumerate([("A", "Horror"), ("B", "Comedy")])]
    ranked = palate.rank([Item(item_id="h", title="C", tags=("Comedy",))], foreign)
    assert [r.item.title for r in ranked] == ["B", "A"]
    assert all(r.rationale is None for r in ranked)
    assert len(palate.rank([], [])) == 0


def test_ranking_given_items_looks_at_the_clock_while_it_embeds(palate: Recommender) -> None:
    pool = [Item(item_id=f"i{n}", title=f"A title not met before, no. {n}", tags=("Comedy",)) for n in range(600)]
    slate = palate.rank([Item(item_id="h", title="C", tags=("Comedy",))], pool, llm=False, timeout_s=0.2)
    assert {place.item.item_id for place in slate} == {item.item_id for item in pool}
    (degraded,) = slate.degraded
    assert re.fullmatch(r"out of time while embedding: \d+ of 601 items are ranked .*", degraded.reason)


def test_feedback_is_reflected_in_the_next_answer(palate: Recommender) -> None:
    before = palate.recommend("eve", "a film", k=3, llm=False)
    palate.tell("eve", dislikes=[before[0].item.item_id])
    after = palate.recommend("eve", "a film", k=3, llm=False)
    assert before[0].item.item_id not in {r.item.item_id for r in after}


def test_a_new_item_is_found_without_a_command(palate: Recommender) -> None:
    palate.put_items(
        [Item(item_id="new", title="A Very Special Submarine", text="Sailors in a submarine under the ice.")]
    )
    found = palate.recommend("zed", "sailors in a submarine", k=1, llm=False)
    assert found[0].item.item_id == "new"


def test_titles_are_never_guessed_and_nothing_is_written(palate: Recommender) -> None:
    with pytest.raises(NotFound, match="Toy Story"):
        palate.tell("kim", likes=["Alien", "Toy Stori 9"])
    palate.put_items([Item(item_id="alien2", title="Alien", attributes={"year": 2050})])
    with pytest.raises(Ambiguous) as caught:
        palate.tell("kim", likes=["Alien"])
    assert len(caught.value.choices) == 2
    assert palate.store.events_of("kim") == []


def test_forget_leaves_nothing_of_a_person(palate: Recommender) -> None:
    palate.tell("gone", likes=["Heat"] if any(i.title == "Heat" for i in palate.store.items()) else ["Ratatouille"])
    palate.recommend("gone", "anything", k=2, llm=False)
    gone = palate.forget("gone")
    assert gone.events == 1
    assert gone.turns == 2
    assert palate.profile("gone").liked == ()


def test_a_missing_model_degrades_and_says_so(tmp_path: Path, palate: Recommender) -> None:
    settings = Settings.model_validate({"folder": tmp_path, "model": {"reference": str(tmp_path / "none.gguf")}})
    with Recommender.open(settings=settings) as broken:
        broken.put_items(palate.store.items())
        broken.tell("ada", likes=["Toy Story (1995)"])
        slate = broken.recommend("ada", k=3)
        plain = broken.recommend("ada", k=3, llm=False)
    assert [d.stage for d in slate.degraded] == ["model"]
    assert "none.gguf" in slate.degraded[0].reason
    assert [r.item.item_id for r in slate] == [r.item.item_id for r in plain]
    assert all(r.rationale for r in slate)


def test_an_endpoint_that_is_down_leaves_recall_order(tmp_path: Path, palate: Recommender) -> None:
    endpoint = {"base_url": "http://127.0.0.1:9/v1", "timeout_s": 2}
    settings = Settings.model_validate({"folder": tmp_path, "model": {"reference": "openai:any"}, "endpoint": endpoint})
    with Recommender.open(settings=settings) as broken:
        broken.put_items(palate.store.items())
        broken.tell("ada", likes=["Toy Story (1995)"])
        slate = broken.recommend("ada", k=3)
        plain = broken.recommend("ada", k=3, llm=False)
    assert slate.degraded
    assert [r.item.item_id for r in slate] == [r.item.item_id for r in plain]


def test_an_empty_catalogue_says_what_to_do(tmp_path: Path) -> None:
    with Recommender.open(settings=Settings(folder=tmp_path)) as empty, pytest.raises(NotFound, match="palate load"):
        empty.recommend("ada")


def test_what_cannot_be_meant_is_refused_in_one_line(palate: Recommender) -> None:
    with pytest.raises(ConfigError, match="likes is one text"):
        palate.tell("kim", likes="Alien")
    with pytest.raises(ConfigError, match="is rated 11"):
        palate.tell("kim", ratings={"Heat": 11})
    with pytest.raises(ConfigError, match="k is 0"):
        palate.recommend("kim", k=0)
    with pytest.raises(ConfigError, match="timeout_s"):
        palate.recommend("kim", timeout_s=0)
    assert palate.store.events_of("kim") == []


def test_a_blank_wish_is_no_wish(palate: Recommender) -> None:
    assert palate.recommend("ada", "  ", k=2, llm=False).wish is None


def test_a_filter_on_a_field_that_does_not_exist_is_refused_for_a_stranger_too(palate: Recommender) -> None:
    with pytest.raises(ConfigError, match="yaer"):
        palate.recommend("stranger", where="yaer>=1990", llm=False)


def test_a_closed_recommender_says_so(tmp_path: Path) -> None:
    with Recommender.open(settings=Settings(folder=tmp_path)) as closed:
        assert closed.store.count_items() == 0
    with pytest.raises(ConfigError, match="closed"):
        closed.tell("kim", likes=["Alien"])


def test_rank_for_a_person_uses_their_taste(palate: Recommender) -> None:
    slate = palate.rank_for("ada", ["Heat", "The Incredibles", "Paddington"])
    assert slate[2].item.title == "Heat"


def test_a_deadline_that_has_passed_still_gives_an_answer(palate: Recommender) -> None:
    slate = palate.recommend("ada", "a film with a prompt no other test has made", k=3, timeout_s=0.001)
    assert len(slate) == 3
    assert any("time" in d.reason for d in slate.degraded)
    assert all(r.rationale for r in slate)


def test_the_next_order_reflects_what_was_told_a_moment_ago(palate: Recommender) -> None:
    before = palate.order("flo", k=8)
    liked = before[7].item
    palate.tell("flo", likes=[liked])
    after = palate.order("flo", k=8)
    assert liked.item_id not in {r.item.item_id for r in after}
    assert [r.item.item_id for r in after][:3] != [r.item.item_id for r in before][:3]
    assert palate.profile("flo").liked[0].item_id == liked.item_id
    assert [event.item_id for event in palate.events("flo")] == [liked.item_id]
    assert not palate.store.turns_of("flo"), "an order is not kept"
    palate.forget("flo")
    assert not palate.profile("flo").liked
    assert [r.item.item_id for r in palate.order("flo", k=8)] == [r.item.item_id for r in before]


def test_a_taste_that_is_more_than_one_is_asked_about_at_each_centre(palate: Recommender) -> None:
    films = palate.store.items()
    told = [f for f in films if set(f.tags) & {"Animation", "Horror"}]
    palate.tell("gus", likes=told, at=datetime(2020, 1, 1, tzinfo=UTC))
    person = person_of(palate.parts, "gus")
    centres = [one for one in searched(palate.parts, person, None, None, 20) if one.source.startswith("centre:")]
    assert len(centres) > 1
    assert sum(one.weight for one in centres) == pytest.approx(1, abs=1e-5)
    names = {film.name for film in told}
    assert all(one.why.startswith("close to ") and any(name in one.why for name in names) for one in centres)
