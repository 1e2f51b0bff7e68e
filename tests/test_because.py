"""Reasons from behaviour: said where what was learned holds the pair, refused elsewhere, and damage is told."""

from __future__ import annotations

import gzip
import json
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from typer.testing import CliRunner

from agent.deadline import Deadline
from agent.explain.evidence import resolves
from agent.explain.grounding import Grounds
from agent.explain.person import Because
from agent.explain.rationale import Explained, Explainer
from agent.learn.behaviour import behaviour_of
from agent.learn.learned import Learned, Recipe, learn
from agent.llm.scripted import Scripted
from agent.parts.learning import learn_now
from agent.recommender import Recommender
from agent.sections import LearnSettings
from agent.settings import Settings
from agent.types import Event, EventKind, Item
from eval.commands import app
from tests.support.taste import ALIEN, BABE, COLLATERAL, FILMS, HEAT, TAGS, TOY_STORY, WESTERN, acts, told

EVENTS = acts([TOY_STORY, HEAT, ALIEN])
TRUE = "People who chose Heat (1995) also chose this one."
START = datetime(2026, 1, 1, tzinfo=UTC)


@pytest.fixture(scope="module")
def learned() -> Learned:
    """Three people took up Heat, the western and Collateral."""
    ids = [item.item_id for item in FILMS]
    return learn(behaviour_of([[HEAT.item_id, WESTERN.item_id, COLLATERAL.item_id]] * 3, ids), Recipe(factors=0))


@pytest.mark.parametrize(("people", "said"), [(1, None), (2, HEAT.item_id)])
def test_what_one_person_did_is_no_reason_for_another(people: int, said: str | None) -> None:
    ids = [item.item_id for item in FILMS]
    found = learn(behaviour_of([[HEAT.item_id, WESTERN.item_id]] * people, ids), Recipe(factors=0))
    assert found.signals([HEAT.item_id], [WESTERN.item_id])["together"][0] > 0
    assert found.because([HEAT.item_id], WESTERN.item_id) == said


def explained(explainer: Explainer, items: Sequence[Item], because: Because | None) -> Explained:
    profile, liked = told(EVENTS)
    return explainer.explain(profile, liked, items, None, Deadline.never(), events=EVENTS, because=because)


@pytest.mark.parametrize(("language", "named", "said"), [("en", "Heat (1995)", "chose"), ("zh", "《Heat》", "选择")])
def test_what_nothing_else_links_is_told_by_behaviour(learned: Learned, language: str, named: str, said: str) -> None:
    explainer = Explainer(None, language=language, noun="films", vocabulary=TAGS)
    (rationale,) = explained(explainer, [WESTERN], learned.because).rationales
    assert named in rationale.sentence
    assert said in rationale.sentence
    assert [(one.kind, one.ref, one.value) for one in rationale.evidence] == [("event", "like-1", "Heat (1995)")]
    assert resolves(rationale.evidence[0], WESTERN, *told(EVENTS))
    (without,) = explained(explainer, [WESTERN], None).rationales
    assert said not in without.sentence


def test_a_better_reason_stands_and_a_pair_that_was_not_learned_is_not_told(learned: Learned) -> None:
    explainer = Explainer(None, noun="films", vocabulary=TAGS)
    shared, apart = explained(explainer, [COLLATERAL, BABE], learned.because).rationales
    assert "Michael Mann" in shared.sentence
    assert "chose" not in apart.sentence


@pytest.mark.parametrize(
    "sentence",
    [
        TRUE,
        "You liked Heat (1995); people who chose it also chose this one.",
        "Others who liked Heat (1995) liked this one too.",
        "Loved by people who loved Heat (1995).",
        "选择《Heat》（1995）的人也选择了这部。",
        "同样的人选择了你喜欢的《Heat》（1995），也选择了这部。",
    ],
)
def test_the_check_passes_what_was_learned_and_refuses_all_else(learned: Learned, sentence: str) -> None:
    grounds = Grounds([HEAT, ALIEN], None, TAGS, learned.because)
    found = grounds.check(sentence, WESTERN)
    assert found.passes, found
    assert [claim.kind for claim in found.shared] == ["together"]
    refused = [
        grounds.check(sentence, BABE),
        grounds.check(sentence.replace("Heat", "Alien").replace("1995", "1979"), WESTERN),
        Grounds([HEAT, ALIEN], None, TAGS).check(sentence, WESTERN),
    ]
    assert [[claim.kind for claim in one.unsupported] for one in refused] == [["together"]] * 3


@pytest.mark.parametrize(
    "sentence",
    [
        "People with a taste like yours also chose this one.",
        "Others liked it as well.",
        "Viewers have loved this one.",
        "People who chose Heat (1995) and Alien (1979) also chose this one.",
        "大家都喜欢这部。",
    ],
)
def test_what_names_no_neighbour_is_refused(learned: Learned, sentence: str) -> None:
    found = Grounds([HEAT, ALIEN], None, TAGS, learned.because).check(sentence, WESTERN)
    assert [claim.kind for claim in found.unsupported] == ["together"]


def test_a_phrase_about_the_reader_claims_nothing_of_others() -> None:
    for sentence in ("For those who enjoyed Heat (1995), crime again.", "If you liked Heat (1995), here is crime."):
        assert Grounds([HEAT], None, TAGS).check(sentence, COLLATERAL).passes


def test_a_model_is_told_of_it_and_may_say_it_where_it_is_true(learned: Learned) -> None:
    model = Scripted(lambda *_: TRUE, abilities=["chat"])
    true, false = explained(Explainer(model, vocabulary=TAGS), [WESTERN, BABE], learned.because).rationales
    assert (true.source, true.sentence) == ("written", TRUE)
    assert [(one.kind, one.ref) for one in true.evidence] == [("event", "like-1")]
    assert false.source == "composed"
    assert "people who chose Heat (1995) also chose this one" in model.calls[0].texts[0]
    assert "also chose" not in model.calls[0].texts[1]


def test_a_small_model_goes_on_with_it(learned: Learned) -> None:
    model = Scripted([" also chose this one\nFacts: more"], abilities=["continue"])
    explainer = Explainer(model, writer="write", vocabulary=TAGS)
    (rationale,) = explained(explainer, [WESTERN], learned.because).rationales
    assert (rationale.source, rationale.sentence) == ("written", TRUE)


@pytest.fixture
def recommender(tmp_path: Path) -> Iterator[Recommender]:
    """Twelve items that share no tag, and twenty people in two circles, by even and odd number."""
    items = [Item(item_id=f"i{n}", title=f"Story {n:02}", tags=(f"tag{n}",)) for n in range(12)]
    settings = Settings(
        folder=tmp_path / "data", cache_folder=tmp_path / "cache", learn=LearnSettings(every_events=20, factors=0)
    )
    with Recommender.open(settings=settings) as opened:
        opened.put_items(items)
        for user in range(20):
            opened.put_events(likes(f"p{user}", [f"i{n}" for n in range(user % 2, 12, 2)]))
        yield opened


def likes(user: str, ids: Sequence[str]) -> list[Event]:
    return [
        Event(event_id=f"{user}-{n}", user_id=user, kind=EventKind.LIKE, item_id=i, at=START + timedelta(hours=n))
        for n, i in enumerate(ids)
    ]


def chosen(recommender: Recommender) -> list[str]:
    """Items that are recommended to ada because other people chose them."""
    slate = recommender.recommend("ada", k=10, llm=False)
    return [r.item.item_id for r in slate if r.rationale and "chose" in r.rationale.sentence]


def test_a_slate_says_it_once_it_was_learned_and_why_says_the_same(recommender: Recommender) -> None:
    recommender.put_events(likes("ada", ["i0", "i2"]))
    assert chosen(recommender) == []
    learn_now(recommender.parts)
    assert set(chosen(recommender)) == {"i4", "i6", "i8", "i10"}
    because = recommender.explain("ada", ["i4", "i5"], llm=False)
    assert ["chose" in r.rationale.sentence for r in because if r.rationale] == [True, False]
    (why,) = recommender.why("ada", "i4")
    assert why.rationale
    assert "chose" in why.rationale.sentence
    assert why.rationale.evidence[0].ref in ("ada-0", "ada-1")


def test_items_of_elsewhere_are_not_explained_by_behaviour(recommender: Recommender) -> None:
    learn_now(recommender.parts)
    first, other = recommender.store.items(["i0", "i2"])
    (alone,) = recommender.explain_items([first], [other], llm=False)
    assert alone.rationale
    assert "chose" not in alone.rationale.sentence


def test_damaged_and_outdated_learning_is_told_on_the_slate(recommender: Recommender) -> None:
    recommender.put_events(likes("ada", ["i0", "i2"]))
    learn_now(recommender.parts)
    assert recommender.recommend("ada", llm=False).degraded == ()
    recommender.put_events(likes("bo", [f"i{n}" for n in range(12)]))  # not due
    assert troubles(recommender) == []
    for n in range(6):
        recommender.put_events(likes(f"new{n}", [f"i{n}" for n in range(12)]))
    (outdated,) = troubles(recommender)
    assert outdated.endswith("rests on 122 events, and 84 came or went since; learn again: palate learn")
    learn_now(recommender.parts)
    assert troubles(recommender) == []
    (file,) = (recommender.settings.folder / "learned").glob("learned-*.npz")
    recommender.close()
    file.write_bytes(file.read_bytes()[:-9])
    with Recommender.open(settings=recommender.settings) as damaged:
        assert troubles(damaged) == [
            "what was learned from behaviour is not used, for its file is damaged; learn again: palate learn"
        ]
        assert chosen(damaged) == []


def troubles(recommender: Recommender) -> list[str]:
    """What a slate of a new process says of recall."""
    recommender.parts.learned_anew()
    return [d.reason for d in recommender.recommend("ada", llm=False).degraded if d.stage == "recall"]


def test_weights_are_fitted_with_what_behaviour_teaches_and_no_model(tmp_path: Path) -> None:
    folder = tmp_path / "set"
    folder.mkdir()
    ids = [f"i{n}" for n in range(12)]
    write(folder / "items.jsonl", [{"item_id": i, "title": f"Story {i}", "tags": ["x"]} for i in ids])
    cases = [
        {"case_id": f"c{u}", "user_id": f"u{u}", "history": ids[u % 2 : 6 : 2], "candidates": ids[6:],
         "relevant": [ids[6 + u % 2]]}
        for u in range(8)
    ]  # fmt: skip
    write(folder / "cases.jsonl", cases)
    histories = [{"user_id": f"p{u}", "history": ids[u % 2 : 8 : 2]} for u in range(12)]
    with gzip.open(folder / "train-histories.jsonl.gz", "wt") as file:
        file.write("".join(f"{json.dumps(row)}\n" for row in histories))
    wanted = ["fit", "--data", str(folder), "--no-model", "--json"]
    result = CliRunner().invoke(app, [*wanted, "--learn", "events"])
    assert result.exit_code == 0, result.output
    found = json.loads(result.stdout)
    assert found["model"]["reference"] == "none"
    assert found["learn"]["source"] == "train-histories.jsonl.gz"
    assert found["weights"]["prior"]["together"] > 0
    assert [row["system"] for row in found["results"]] == ["recall-only", "without-model", "without-model, weights now"]
    assert [(one["system"], one["against"]) for one in found["comparisons"]] == [
        ("without-model", "without-model, weights now")
    ]
    assert "likelihood" in found["carried"]
    plain = json.loads(CliRunner().invoke(app, wanted).stdout)
    assert "together" in plain["carried"]
    assert "learn" not in plain
    wrong = CliRunner().invoke(app, [*wanted, "--learn", "all"])
    assert "--learn is 'all'" in str(wrong.exception)


def write(path: Path, rows: Sequence[Mapping[str, object]]) -> None:
    """The rows as JSON lines."""
    path.write_text("".join(f"{json.dumps(row)}\n" for row in rows))
