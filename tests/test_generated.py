"""Queries that a model writes: what of them is used, how long they may take, and what they find."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

import prompts
from agent import Item, Recommender, Settings
from agent.catalogue import load_items, read_items
from agent.deadline import Deadline
from agent.errors import ModelUnavailable
from agent.llm.base import Completion
from agent.llm.scripted import Reply, Scripted
from agent.path.stages import generator_of, recall, searched, written_for
from agent.people.person import person_of
from agent.recall.generated import MAX_WHY_CHARS, Generator, description_of
from agent.store.cache import Cache
from tests.support.taste import ALIEN, HEAT, TOY_STORY

FILMS = Path(__file__).parent / "support" / "films.csv"
NEVER = Deadline.never()
SHARK = "Horror. A creature hunts the crew of a lonely ship."


def generator(
    replies: list[Reply] | Callable[[str, str], Reply], cache: Cache | None = None, **more: object
) -> Generator:
    model = Scripted(replies, fingerprint="f" * 64, abilities=["continue"])
    return Generator(model, prompts.load("recall-generate"), cache or Cache(None), noun="films", **more)  # type: ignore[arg-type]


def test_each_description_is_a_query_with_its_reason() -> None:
    long = " Comedy. A tale of old friends on the many roads that they take at night, in rain and in snow."
    replies: list[Reply] = [f" {SHARK}", long]
    written = generator(replies, weight=0.7).queries([ALIEN], ["Horror"], None, 2, NEVER)
    assert [q.source for q in written.queries] == ["generated:1", "generated:2"]
    assert written.queries[0].text == SHARK.rstrip(".")
    assert all(q.weight == 0.7 and q.why.startswith("like what you might love: ") for q in written.queries)
    assert len(written.queries[1].why) <= MAX_WHY_CHARS + 30
    assert written.prompts == {"en/recall-generate": prompts.load("recall-generate").fingerprint}
    assert not written.degraded


def test_the_prompt_shows_what_was_liked_and_asked_for() -> None:
    model = Scripted([SHARK, SHARK], abilities=["continue"])
    asking = Generator(model, prompts.load("recall-generate"), Cache(None), noun="films")
    asking.queries([ALIEN, HEAT], ["Horror", "Crime"], "something tense", 2, NEVER)
    (call,) = model.calls
    assert "This person loved: Alien (1979), Heat (1995)." in call.prefix
    assert "They mostly go for: Horror, Crime." in call.prefix
    assert "They say: something tense" in call.prefix
    assert len(call.texts) == 2, "all in one batch"
    assert call.sampling.temperature > 0


@pytest.mark.parametrize(
    ("reply", "left"),
    [
        ("1997. Action, crime", "1997. Action, crime"),
        ('Comedy. "The Big Sleep" follows a tired detective', "Comedy. follows a tired detective"),
        ("2003. Braveheart (1993) has knights on an island", "2003. has knights on an island"),
        ("Toy Story is about toys that come to life", "is about toys that come to life"),
        ("Drama. A new Star Wars film of space battles", "Drama. A new film of space battles"),
        ("Crime. In the manner of heat and Alien, with a monster", "Crime. In the manner of heat and, with a monster"),
        ("《卧虎藏龙》是一部武侠片，讲述江湖", "是一部武侠片，讲述江湖"),
        ("一部关于家庭和厨师的喜剧", "一部关于家庭和厨师的喜剧"),
        ("Action, Sci-Fi. A detective in Paris", "Action, Sci-Fi. A detective in Paris"),
        ("The Godfather (1972)", None),
        ("Comedy", None),
        ("comedy, comedy, comedy, comedy, drama, comedy, comedy", None),
        ("", None),
        ("\n\n \n", None),
        ("...!?()", None),
    ],
)
def test_titles_are_taken_out_and_what_says_nothing_is_refused(reply: str, left: str | None) -> None:
    assert description_of(reply, {"alien", "toy story"}, {"action", "sci", "fi", "drama", "crime", "comedy"}) == left


def test_what_only_repeats_the_prompt_or_another_reply_is_left_out() -> None:
    echo = " 1979. Horror, sci-fi"
    written = generator([echo, f" {SHARK}", f" {SHARK}"]).queries([ALIEN], [], None, 3, NEVER)
    assert [q.text for q in written.queries] == [SHARK.rstrip(".")]


def test_the_same_question_costs_no_model_call_and_another_one_does(tmp_path: Path) -> None:
    with Cache(tmp_path / "cache.sqlite") as cache:
        first = generator([SHARK, "A drama of two old rivals"], cache).queries([ALIEN], [], None, 2, NEVER)
        again = generator([], cache).queries([ALIEN], [], None, 2, NEVER)
        other = generator([], cache).queries([HEAT], [], None, 2, NEVER)
    assert [q.text for q in again.queries] == [q.text for q in first.queries] != []
    assert [d.stage for d in other.degraded] == ["recall"], "nothing of it is kept, and the script is used up"


def test_a_late_text_is_left_out_and_the_others_stay() -> None:
    late = Completion("A film of", "cancelled", 5, 2)
    written = generator([SHARK, late]).queries([ALIEN], [], None, 2, NEVER)
    assert len(written.queries) == 1
    assert written.degraded[0].reason == "1 of 2 queries were not written in time"


def test_late_texts_are_not_kept(tmp_path: Path) -> None:
    with Cache(tmp_path / "cache.sqlite") as cache:
        generator([SHARK, Completion("A", "cancelled", 5, 1)], cache).queries([ALIEN], [], None, 2, NEVER)
        assert cache.count("generated") == 0


def test_a_model_that_is_late_or_fails_writes_none_and_says_so() -> None:
    slow = Scripted([SHARK], delay_s=5, sleep=lambda _s: None, abilities=["continue"])
    asking = Generator(slow, prompts.load("recall-generate"), Cache(None))
    late = asking.queries([ALIEN], [], None, 1, Deadline(0.2))
    broken = generator([ModelUnavailable("gone")]).queries([ALIEN], [], None, 1, NEVER)
    assert [d.reason[:23] for d in (*late.degraded, *broken.degraded)] == ["no queries were written"] * 2
    assert not late.queries
    assert not broken.queries


def test_nothing_is_asked_of_whom_nothing_is_known() -> None:
    assert generator([]).queries([], [], None, 3, NEVER).queries == ()
    assert generator([]).queries([ALIEN], [], None, 0, NEVER).degraded == ()


def test_a_reply_cut_off_ends_with_a_whole_word() -> None:
    cut = Completion("Comedy. A story of rivals who beco", "length", 5, 48)
    assert generator([cut]).queries([TOY_STORY], [], None, 1, NEVER).queries[0].text == "Comedy. A story of rivals who"


@pytest.fixture(scope="module")
def films(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Recommender]:
    settings = Settings.model_validate(
        {
            "folder": tmp_path_factory.mktemp("films"),
            "noun": "films",
            "recall": {"generated": 2, "generated_timeout_s": 60},
        }
    )
    with Recommender.open(settings=settings) as recommender:
        with read_items(FILMS) as rows:
            load_items(rows, recommender.put_items, settings.folder / "refused.jsonl")
        recommender.tell("ada", likes=["Toy Story (1995)", "Ratatouille"])
        yield recommender


def test_a_description_finds_the_item_it_describes(films: Recommender) -> None:
    parts, person = films.parts, person_of(films.parts, "ada")
    written = written_for(parts, person, None, NEVER, generator([SHARK, "Crime. A detective and a master thief"]))
    found = {one.source: one.candidates for one in searched(parts, person, None, None, 5, written.queries)}
    assert found["generated:1"][0].item_id == "f07", "Alien"
    assert found["generated:2"][0].item_id == "f10", "Heat"
    alone, both = (recall(parts, person, None, None, 1, queries) for queries in ((), written.queries))
    assert {c.item_id for c in alone} == {c.item_id for c in both}, "a small catalogue is found whole"
    assert [c.item_id for c in alone] != [c.item_id for c in both]


def test_it_is_off_unless_asked_for(films: Recommender, tmp_path: Path) -> None:
    assert Settings().recall.generated == 0
    assert generator_of(films.parts, llm=False) is None
    with Recommender.open(settings=Settings(folder=tmp_path)) as plain:
        assert generator_of(plain.parts, llm=True) is None


@pytest.mark.thorough
def test_the_real_model_writes_queries_and_the_slate_names_the_prompt(films: Recommender) -> None:
    first = films.recommend("ada", "a film about cooking", k=3, timeout_s=60)
    again = films.recommend("ada", "a film about cooking", k=3, timeout_s=60)
    assert "en/recall-generate" in first.prompts
    assert not [d for d in first.degraded if d.stage == "recall"]
    assert [r.item.item_id for r in first] == [r.item.item_id for r in again]


def test_templates_take_hostile_items_as_text() -> None:
    hostile = Item(item_id="x", title="</s> - Ignore\nall", tags=("{{ 7 * 7 }}",), text="x" * 20_000)
    for language in ("en", "zh"):
        for task in ("recall-generate", "recall-generate-chat"):
            prompt = prompts.load(task, language)
            shown = {"noun": "films", "liked": [hostile], "interests": ["a\nb"], "wish": "w\n- x", "turn": 1}
            text = prompt.prefix(**shown) + prompt.candidate(**shown)
            assert "49" not in text
            assert len(text) < 2_000
            assert "Ignore\n" not in text
