"""The measures of rationales, on sentences short enough to work them by hand."""

import json
from dataclasses import replace

import pytest

from agent.types import Item
from eval.running.answers import Answer
from eval.tasks.rationales import (
    CLAIMS,
    COVERAGE,
    DIVERSITY,
    FORMULAS,
    GROUNDED,
    GROUNDING,
    LANGUAGE,
    PER_CASE,
    TITLES,
    UNIQUE,
    UNSUPPORTED_TITLES,
    Judge,
    Rationales,
    Reasons,
    coverage,
    figures,
    language_of,
    per_case,
    shared_features,
    unique_ratio,
)
from tests.support.fake_ranker import FILMS

ITEMS = {
    item["item_id"]: Item(
        item_id=item["item_id"],
        title=item["title"],
        tags=item["tags"],
        attributes={key: item[key] for key in ("year", "director", "star") if item.get(key)},
    )
    for item in map(json.loads, (FILMS / "items.jsonl").read_text(encoding="utf-8").splitlines())
}
JUDGE = Judge(ITEMS)
TRUE = "Comedy like Robot Picnic, which you liked."
FALSE = "A thriller like Robot Picnic."
FOREIGN = "If you liked Salt and Thunder, try this comedy."


def reasons(*sentences: str, case: str = "c", item: str = "f4", history: tuple[str, ...] = ("f3",)) -> Reasons:
    return Reasons(case, f"user of {case}", history, tuple((item, sentence) for sentence in sentences))


def test_claims_are_counted_as_supported_or_not() -> None:
    (true,) = JUDGE.judged(reasons(TRUE))
    assert [claim.text for claim in true.check.supported] == ["Robot Picnic", "Comedy"]
    assert true.check.grounded
    (false,) = JUDGE.judged(reasons(FALSE))
    assert [claim.text for claim in false.check.unsupported] == ["thriller"]
    found = per_case(JUDGE, [reasons(TRUE, FALSE)])
    assert found[GROUNDING] == {"c": pytest.approx(3 / 4)}
    assert found[GROUNDED] == {"c": 1 / 2}


def test_titles_of_other_films_and_invented_ones_are_told() -> None:
    (foreign,) = JUDGE.judged(reasons(FOREIGN))
    assert foreign.unsupported_titles == ("Salt and Thunder",)
    (invented,) = JUDGE.judged(reasons("Like “The Purple Anvil”, a comedy."))
    assert invented.unsupported_titles == ("The Purple Anvil",)
    (known,) = JUDGE.judged(reasons("Robot Picnic Returns follows Robot Picnic."))
    assert known.unsupported_titles == ()
    assert per_case(JUDGE, [reasons(TRUE, FOREIGN)])[TITLES] == {"c": 1 / 2}


def test_a_case_without_a_sentence_counts_as_nothing() -> None:
    found = per_case(JUDGE, [reasons(), reasons("Try this.", case="d")])
    assert all(found[name]["c"] == 0 for name in PER_CASE)
    assert found[GROUNDING]["d"] == 1


def test_features_are_tags_and_people_named() -> None:
    (one,) = JUDGE.judged(reasons("A crime film with Lea Moss.", item="f6", history=("f5",)))
    assert one.features == {("tag", "crime"), ("person", "lea moss")}
    assert JUDGE.features_of(["f6", "nowhere"]) == {("tag", "crime"), ("tag", "thriller"), ("person", "lea moss")}


def test_variety_is_as_worked_by_hand() -> None:
    assert unique_ratio(["a", "b", "a", "c"]) == 3 / 4
    assert unique_ratio([]) == 0
    assert coverage([{("tag", "a")}, {("tag", "a"), ("tag", "z")}], {("tag", "a"), ("tag", "b")}) == 1 / 2
    assert coverage([], set()) == 0
    named = [{("tag", "a"), ("tag", "b")}, {("tag", "a")}, {("tag", "b"), ("tag", "c")}]
    assert shared_features(named) == pytest.approx((1 + 1 + 0) / 3)
    assert shared_features(named[:1]) == 0


@pytest.mark.parametrize(
    ("text", "language"),
    [("A film.", "en"), ("一部由 Spielberg 执导的电影", "zh"), ("12 %", ""), ("A film 电", "en"), ("", "")],
)
def test_a_language_is_told_by_its_script(text: str, language: str) -> None:
    assert language_of(text) == language


def test_titles_in_another_script_do_not_change_the_language() -> None:
    (one,) = JUDGE.judged(reasons("Like 茶馆之夜.", item="f11", history=()))
    assert one.in_language
    (other,) = Judge(ITEMS, "zh").judged(reasons("Like 茶馆之夜.", item="f11", history=()))
    assert not other.in_language


def test_all_figures_of_a_run() -> None:
    found = figures(JUDGE, [reasons(TRUE, FALSE), reasons(TRUE, case="d"), reasons(case="e")])
    assert set(found) == set(FORMULAS)
    assert found[GROUNDING].value == pytest.approx((3 / 4 + 1 + 0) / 3)
    assert found[GROUNDING].n == 3
    assert found[CLAIMS].value == pytest.approx(2)
    assert found[CLAIMS].n == 2
    assert found[UNSUPPORTED_TITLES].value == 0
    assert found[UNIQUE].value == pytest.approx(2 / 3)
    assert found[COVERAGE].value == pytest.approx(1 / 2)
    assert found[DIVERSITY].value == pytest.approx(1 / 3)
    assert found[LANGUAGE].value == pytest.approx(2 / 3)
    assert found[UNIQUE].low is None


def test_cases_asked_several_times_count_once_each_with_the_mean_of_their_answers() -> None:
    told = [reasons(TRUE), reasons(FALSE), reasons(TRUE, case="d"), reasons(TRUE, case="d"), reasons(case="e")]
    found = figures(JUDGE, [*told, reasons(TRUE, case="e")])
    assert found[GROUNDING].value == pytest.approx(((1 + 1 / 2) / 2 + 1 + (0 + 1) / 2) / 3)
    assert (found[GROUNDING].n, found[CLAIMS].n) == (3, 3)
    assert per_case(JUDGE, told[:2])[GROUNDED] == {"c": 1 / 2}
    once = figures(JUDGE, [reasons(TRUE), reasons(FALSE, case="d")])
    twice = figures(JUDGE, [reasons(TRUE), reasons(FALSE, case="d")] * 2)
    assert {name: one.value for name, one in twice.items()} == {name: one.value for name, one in once.items()}


def test_the_same_answer_is_judged_once() -> None:
    assert JUDGE.judged(reasons(TRUE)) is JUDGE.judged(reasons(TRUE))


def test_a_run_without_a_sentence_has_only_zeros() -> None:
    found = figures(JUDGE, [reasons()])
    assert set(found) == set(PER_CASE)
    assert found[GROUNDING].value == 0


def test_reasons_are_read_off_an_answer() -> None:
    rows = ({"item_id": "f4", "sentence": TRUE, "evidence": [], "source": "composed"},)
    answer = Answer("model", "c", "u", 0, ("f4",), ("f3",), 0, {}, 1.0, {}, {}, None, (), {}, rows)
    told = Rationales(JUDGE, {"c": "a wish"})
    assert told.figures() == {}
    assert told.take(answer)[GROUNDED] == 1
    told.take(replace(answer, repeat=1, rationales=()))
    assert (told.figures()[GROUNDED].value, told.figures()[GROUNDED].n) == (1 / 2, 1)
    assert Reasons.of(answer, "a wish") == Reasons("c", "u", ("f3",), (("f4", TRUE),), "a wish")
