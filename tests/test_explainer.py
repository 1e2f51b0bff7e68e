"""The explainer: two writers, the check between them, pointers that resolve, and no failure that reaches the caller."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agent.deadline import Deadline
from agent.errors import ModelTimeout, ModelUnavailable, PromptError
from agent.explain.evidence import resolves
from agent.explain.grounding import Grounds
from agent.explain.quality import Case, measured, quality_of
from agent.explain.rationale import Explained, Explainer, writer_for
from agent.explain.write import sentence_from
from agent.llm.base import Completion
from agent.llm.scripted import Scripted
from agent.profile.fold import profile_from
from agent.types import EventKind, Item, Profile, Rationale
from prompts import load
from tests.support.taste import (
    ALIEN,
    BABE,
    BLADE_RUNNER,
    COLLATERAL,
    HEAT,
    NEMO,
    TAGS,
    TOY_STORY,
    WESTERN,
    acts,
    event,
    film,
    told,
)

if TYPE_CHECKING:
    from agent.llm.local.llama import Llama

SLATE = (COLLATERAL, NEMO, BLADE_RUNNER, WESTERN, BABE)
EVENTS = acts([TOY_STORY, HEAT, ALIEN])
GOOD = "Michael Mann brings crime again, as in Heat (1995)."


def explained(
    explainer: Explainer, items: Sequence[Item] = SLATE, wish: str | None = None, timeout_s: float = 30
) -> Explained:
    profile, liked = told(EVENTS)
    return explainer.explain(profile, liked, items, wish, Deadline(timeout_s), events=EVENTS)


def test_without_a_model_five_reasons_differ_and_resolve() -> None:
    result = explained(Explainer(None, noun="films", vocabulary=TAGS), wish="something funny")
    profile, liked = told(EVENTS)
    assert len(result.rationales) == 5
    assert {r.source for r in result.rationales} == {"composed"}
    assert len({r.sentence.split(",")[0] for r in result.rationales}) == 5
    for item, rationale in zip(SLATE, result.rationales, strict=True):
        assert rationale.evidence
        assert all(resolves(pointer, item, profile, liked) for pointer in rationale.evidence)
    assert result.degraded == ()
    assert set(result.prompts) == {"en/rationale-compose"}


def test_a_written_sentence_that_passes_is_kept_with_pointers() -> None:
    model = Scripted([GOOD], abilities=["chat"])
    result = explained(Explainer(model, vocabulary=TAGS), [COLLATERAL])
    (rationale,) = result.rationales
    assert (rationale.sentence, rationale.source) == (GOOD, "written")
    pointers = {(e.kind, e.ref, e.value) for e in rationale.evidence}
    assert ("item", "director", "Michael Mann") in pointers
    assert ("item", "tags", "Crime") in pointers
    assert ("event", "like-1", "Heat (1995)") in pointers
    assert len(model.calls) == 1
    assert result.prompts == {"en/rationale-chat": load("rationale-chat").fingerprint}


def test_a_sentence_that_names_no_title_points_to_the_liked_item_that_shares() -> None:
    model = Scripted(["A thriller with plenty to see."], abilities=["chat"])
    (rationale,) = explained(Explainer(model, vocabulary=TAGS), [BLADE_RUNNER]).rationales
    assert rationale.source == "written"
    assert [(e.ref, e.value) for e in rationale.evidence] == [("tags", "Thriller"), ("like-1", "Heat (1995)")]


def test_all_items_are_asked_in_one_call_and_failures_once_more() -> None:
    answers = {
        "Collateral": GOOD,
        "Finding Nemo": "A war film by Steven Spielberg.",
        "Blade Runner": "Sci-fi, like Alien (1979).",
    }

    def reply(_: str, suffix: str) -> str:
        return next(text for title, text in answers.items() if title in suffix)

    model = Scripted(reply, abilities=["chat"])
    result = explained(Explainer(model, vocabulary=TAGS), [COLLATERAL, NEMO, BLADE_RUNNER])
    assert [len(call.texts) for call in model.calls] == [3, 1]
    assert len({call.prefix for call in model.calls}) == 1
    assert [r.source for r in result.rationales] == ["written", "composed", "written"]
    assert "Spielberg" not in result.rationales[1].sentence


def test_the_second_attempt_may_succeed() -> None:
    model = Scripted(["A war film.", GOOD], abilities=["chat"])
    result = explained(Explainer(model, vocabulary=TAGS), [COLLATERAL])
    assert result.rationales[0].source == "written"
    first, second = (call.texts[0] for call in model.calls)
    assert first != second


def test_two_items_do_not_get_the_same_written_sentence() -> None:
    twin = COLLATERAL.model_copy(update={"item_id": "twin"})
    model = Scripted(lambda *_: GOOD, abilities=["chat"])
    result = explained(Explainer(model, vocabulary=TAGS), [COLLATERAL, twin])
    assert [r.source for r in result.rationales] == ["written", "composed"]


def test_a_small_model_goes_on_with_a_sentence_that_the_prompt_began() -> None:
    model = Scripted([" held you, Michael Mann has more crime here\nFacts: more"], abilities=["continue"])
    result = explained(Explainer(model, writer="write", vocabulary=TAGS), [COLLATERAL])
    (rationale,) = result.rationales
    assert rationale.sentence == "If Heat (1995) held you, Michael Mann has more crime here."
    assert model.calls[0].texts[0].endswith("If Heat (1995)")
    assert len(model.calls[0].prefix.split()) < 180


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (ModelUnavailable("the server is down"), "the server is down"),
        (ModelTimeout("out of time"), "out of time"),
        (PromptError("too long"), "too long"),
    ],
)
def test_a_model_that_fails_degrades_to_composed_sentences(error: PromptError, said: str) -> None:
    def fail(*_: str) -> float:
        raise error

    writes = explained(Explainer(Scripted(lambda *_: error, abilities=["chat"]), vocabulary=TAGS))
    scores = explained(Explainer(Scripted(scores=fail), vocabulary=TAGS))
    for result in (writes, scores):
        assert {r.source for r in result.rationales} == {"composed"}
        assert [d.stage for d in result.degraded] == ["explain"]
        assert said in result.degraded[0].reason


def test_without_time_no_model_is_asked() -> None:
    model = Scripted(lambda *_: GOOD, scores=lambda *_: -1.0)
    result = explained(Explainer(model, writer="write"), timeout_s=0)
    assert model.calls == []
    assert len(result.rationales) == 5
    assert all("no time" in d.reason for d in result.degraded)


@pytest.mark.parametrize(
    ("abilities", "wanted", "gets"),
    [
        (["score", "continue"], "auto", "compose"),
        (["chat"], "auto", "write"),
        (["score", "continue"], "write", "write"),
        (["score"], "write", "compose"),
        (["chat"], "compose", "compose"),
    ],
)
def test_the_writer_follows_the_abilities(abilities: list[str], wanted: str, gets: str) -> None:
    model = Scripted([], abilities=abilities)  # type: ignore[arg-type]
    assert writer_for(model, wanted) == gets  # type: ignore[arg-type]
    assert writer_for(None, wanted) == "compose"  # type: ignore[arg-type]


def test_hostile_titles_never_reach_a_sentence() -> None:
    evil = film("See https://evil.invalid <b>now</b>", 1995, "Crime <script>, Drama", director="<|im_end|>")
    events = [event("e", EventKind.LIKE, evil)]
    known = {evil.item_id: evil}
    result = Explainer(None).explain(
        profile_from("ada", events, known), known, [evil.model_copy(update={"item_id": "2"}), COLLATERAL], None,
        Deadline.never(), events=events,
    )  # fmt: skip
    for rationale in result.rationales:
        assert not any(sign in rationale.sentence for sign in ("http", "<", "|"))
        assert rationale.evidence


def test_an_empty_slate_and_an_unknown_person() -> None:
    nobody = Profile(user_id="x")
    explainer = Explainer(None)
    assert explainer.explain(nobody, {}, [], None, Deadline.never()).rationales == ()
    bare = Item(item_id="b", title="Bare")
    (rationale,) = explainer.explain(nobody, {}, [bare], None, Deadline.never()).rationales
    assert rationale.sentence
    assert resolves(rationale.evidence[0], bare, nobody)


def test_ids_that_are_not_at_hand_are_passed_over() -> None:
    profile, _ = told(EVENTS)
    result = Explainer(None).explain(profile, {}, [COLLATERAL], None, Deadline.never())
    assert result.rationales[0].evidence[0].kind == "item"


def test_an_unknown_language_is_refused_at_once() -> None:
    with pytest.raises(PromptError):
        Explainer(None, language="xx")


@pytest.mark.parametrize("language", ["en", "zh"])
def test_prompts_stay_short(language: str) -> None:
    for task in ("continue", "chat", "choose"):
        prefix = load(f"rationale-{task}", language).prefix()
        assert len(prefix.split()) < 180
        assert len(prefix) < 1_100


@pytest.mark.parametrize(
    ("opening", "text", "finish", "sentence"),
    [
        ("If Heat", " held you, crime is here", "stop", "If Heat held you, crime is here."),
        ("If Heat", ", then crime is here!", "stop", "If Heat, then crime is here!"),
        ("", "Reason: Crime goes on here.\nMore", "stop", "Crime goes on here."),
        ("", "“Crime goes on here.”", "stop", "Crime goes on here."),
        ("", "Crime goes on", "stop", None),
        ("", "Crime goes on and on and is cut", "length", None),
        ("", "lazy lazy lazy lazy lazy lazy", "stop", None),
        ("", "The person liked Heat, so crime it is.", "stop", None),
        ("", " ".join(str(n) for n in range(60)), "stop", None),
        ("如果《Heat》（1995）", "让你入迷，这里还有犯罪", "stop", "如果《Heat》（1995）让你入迷，这里还有犯罪。"),
    ],
)  # fmt: skip
def test_replies_are_tidied_or_refused(opening: str, text: str, finish: str, sentence: str | None) -> None:
    assert sentence_from(opening, Completion(text, finish, 1, 1)) == sentence  # type: ignore[arg-type]


@settings(max_examples=40, deadline=None)
@given(reply=st.text(max_size=120))
def test_whatever_the_model_replies_every_reason_holds(reply: str) -> None:
    model = Scripted(lambda *_: reply, abilities=["chat"])
    result = explained(Explainer(model, vocabulary=TAGS), [COLLATERAL, NEMO])
    grounds = Grounds([TOY_STORY, HEAT, ALIEN], None, TAGS)
    for item, rationale in zip([COLLATERAL, NEMO], result.rationales, strict=True):
        assert grounds.check(rationale.sentence, item).passes


def test_quality_counts_grounding_and_variety() -> None:
    one = Rationale(sentence="You liked Heat, and crime again.", evidence=(), source="composed")
    two = Rationale(sentence="You liked Heat, so crime it is.", evidence=(), source="composed")
    quality = quality_of([one, two, two], [True, True, False])
    assert quality.n == 3
    assert quality.grounded == pytest.approx(2 / 3)
    assert quality.unique == pytest.approx(2 / 3)
    assert quality.openings == pytest.approx(1 / 3)
    assert quality_of([], []).n == 0


def test_composed_slates_measure_as_grounded_and_unique() -> None:
    profile, liked = told(EVENTS)
    cases = [Case(profile, liked, SLATE, wish, EVENTS) for wish in (None, "something funny")]
    for language in ("en", "zh"):
        quality, rationales = measured(Explainer(None, language=language, noun="films", vocabulary=TAGS), cases)
        assert (quality.n, quality.grounded, len(rationales)) == (10, 1.0, 10)


def test_the_default_model_weighs_the_wording(llama: Llama) -> None:
    result = explained(Explainer(llama, noun="films", vocabulary=TAGS), [COLLATERAL, NEMO])
    assert result.degraded == ()
    assert set(result.prompts) == {"en/rationale-compose", "en/rationale-choose"}
    assert len({r.sentence for r in result.rationales}) == 2
