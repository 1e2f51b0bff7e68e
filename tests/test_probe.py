"""The probes on a model whose taste is known: every figure can be foreseen, and each is checked by hand."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from unicodedata import category

import pytest
from hypothesis import given as any_of
from hypothesis import strategies as st
from pydantic import ValidationError

from agent.llm.control import KNOWN_CONTROL_TOKENS
from agent.rerank.base import Ranking
from agent.types import Degradation, Item
from eval.cases import Case
from eval.probe import probes
from eval.probe.asking import Answer, Asker, Question, answer_of, merged, wrong_labels
from eval.probe.drawing import verdict
from eval.probe.effects import effect_of, kendall_tau
from eval.probe.history import LENGTHS, history
from eval.probe.hostile import EVERY, HOSTILE, neutral
from eval.probe.injection import bearing, injection, victim_of
from eval.probe.paraphrase import paraphrase
from eval.probe.position import moved, position, slots_of, target_of
from eval.probe.probes import Given, Probe
from eval.probe.report import Report, report
from eval.probe.wordings import FRAMES, NOUNS, language_of
from eval.statistics import mean
from prompts import neutralise

SEED = 7
N_ITEMS = 40
MODEL = {"reference": "fake", "name": "fake", "fingerprint": "cd" * 32, "strategy": "fake"}
ITEMS = {f"i{n}": Item(item_id=f"i{n}", title=f"Title {n:02d}", attributes={"year": 1990}) for n in range(N_ITEMS)}
Scores = Callable[[Question], Sequence[float]]


class Fake:
    """An asker whose scores are a function of the question; it keeps what it was asked."""

    model: Mapping[str, object] = MODEL

    def __init__(self, scores: Scores, *, fails: str = "") -> None:
        self._scores, self._fails = scores, fails
        self.asked: list[Question] = []

    def ask(self, question: Question, lot: str) -> Answer:
        self.asked.append(question)
        ids = [item.item_id for item in question.candidates]
        if self._fails and any(self._fails in item.title for item in question.candidates):
            trouble = Degradation(stage="rerank", reason="no answer")
            return answer_of(Ranking(tuple(0.0 for _ in ids), (trouble,)), ids, lot)
        return answer_of(Ranking(tuple(self._scores(question)), prompts={"en/fake": "ab" * 32}), ids, lot)


def as_shown(question: Question) -> list[float]:
    """Keeps the order of the prompt: all position, no opinion."""
    return [-float(n) for n in range(len(question.candidates))]


def by_number(question: Question) -> list[float]:
    """A firm taste for high numbers, whatever the order."""
    return [float(item.item_id[1:]) for item in question.candidates]


def a_case(n: int = 0, **changes: object) -> Case:
    case = Case(
        case_id=f"c{n}",
        user_id=f"u{n}",
        history=("i30", "i31", "i32", "i33", "i34"),
        candidates=("i0", "i1", "i2", "i3", "i4"),
        relevant=("i2",),
    )
    return case.model_copy(update=changes)


def given_of(*cases: Case, language: str = "en") -> Given:
    return Given(ITEMS, cases, language, SEED)


def done(probe: Probe, given: Given, asker: Asker) -> Report:
    return report(probe, probes.run(probe, given.cases, asker, given.seed))


# ---- answers ---------------------------------------------------------------------------------------------------------


def test_an_answer_puts_the_highest_score_first_and_draws_ties_by_lot_alone() -> None:
    ids = ["a", "b", "c", "d"]
    answer = answer_of(Ranking((0.0, 2.0, 0.0, 1.0)), ids, "lot")
    assert answer.order[:2] == ("b", "d")
    turned = answer_of(Ranking((1.0, 0.0, 2.0, 0.0)), ids[::-1], "lot")
    assert turned.order == answer.order, "the order shown decides no tie"
    lots = {answer_of(Ranking((0.0, 2.0, 0.0, 1.0)), ids, f"lot {n}").order[2:] for n in range(20)}
    assert lots == {("a", "c"), ("c", "a")}


def test_an_answer_without_an_opinion_is_undecided_or_failed() -> None:
    undecided = answer_of(Ranking((0.0, 0.0)), ["a", "b"], "lot")
    assert undecided.undecided
    assert sorted(undecided.order) == ["a", "b"]
    trouble = (Degradation(stage="rerank", reason="down"),)
    failed = answer_of(Ranking((0.0, 0.0), trouble), ["a", "b"], "lot")
    assert (failed.order, failed.undecided, failed.degraded) == ((), False, "down")
    poor = answer_of(Ranking((0.0, 1.0), trouble), ["a", "b"], "lot")
    assert (poor.order, poor.degraded) == (("b", "a"), "down"), "what there is still counts"


@pytest.mark.parametrize(
    ("scores", "wrong"),
    [
        ((3.0, 2.0, 1.0), {"lost": 0, "foreign": 0, "repeated": 0}),
        ((3.0, 2.0), {"lost": 1, "foreign": 0, "repeated": 0}),
        ((3.0, math.nan, 1.0), {"lost": 1, "foreign": 0, "repeated": 0}),
        ((3.0, 2.0, 1.0, 0.0), {"lost": 0, "foreign": 1, "repeated": 0}),
    ],
)
def test_ids_that_an_order_loses_or_invents_are_counted(scores: tuple[float, ...], wrong: dict[str, int]) -> None:
    assert answer_of(Ranking(scores), ["a", "b", "c"], "lot").ids == wrong


def test_the_labels_of_all_parts_of_a_strategy_are_counted_together() -> None:
    counts = {"listwise.missing": 2, "missing": 1, "listwise.foreign": 3, "calls": 9}
    assert wrong_labels(counts) == {"missing": 3, "foreign": 3, "repeated": 0}


@any_of(st.permutations(list("abcdefg")), st.permutations(list("abcdefg")))
def test_tau_counts_pairs(order: list[str], other: list[str]) -> None:
    pairs = [(a, b) for n, a in enumerate(order) for b in order[n + 1 :]]
    same = sum(1 if other.index(a) < other.index(b) else -1 for a, b in pairs)
    assert kendall_tau(tuple(order), tuple(other)) == pytest.approx(same / len(pairs))


def test_tau_needs_two_ids_in_common() -> None:
    assert kendall_tau(("a", "b", "x"), ("b", "a", "y")) == pytest.approx(-1)
    assert kendall_tau(("a", "b"), ("b", "c")) is None


def test_an_effect_holds_a_change_against_its_baseline() -> None:
    before, asked = Answer(("a", "b", "c")), Answer(("b", "a", "c"))
    effect = effect_of(["b"], "b", asked, before)
    assert (effect.place, effect.place_before, effect.lift) == (1, 2, 1.0)
    assert effect.ndcg == 1
    assert effect.ndcg_before == pytest.approx(1 / math.log2(3))
    assert (effect.tau, effect.top_changed) == (pytest.approx(1 / 3), True)


def test_an_answer_that_failed_scores_0_and_says_no_more() -> None:
    effect = effect_of(["b"], "b", Answer((), degraded="down"), Answer(("b", "a")))
    assert (effect.ndcg, effect.ndcg_before, effect.failed) == (0.0, 1.0, True)
    assert (effect.place, effect.lift, effect.tau, effect.top_changed) == (None, None, None, None)
    lot = effect_of(["b"], "b", Answer(("a", "b"), undecided=True), Answer(("b", "a")))
    assert (lot.place, lot.tau, lot.top_changed) == (2, None, None)


# ---- position --------------------------------------------------------------------------------------------------------


def test_the_target_goes_to_the_slot_and_the_others_keep_their_order() -> None:
    case = a_case()
    assert moved(case, 1) == ["i2", "i0", "i1", "i3", "i4"]
    assert moved(case, 3) == list(case.candidates)
    assert moved(case, 5) == ["i0", "i1", "i3", "i4", "i2"]
    assert moved(case, 6) is None
    assert moved(a_case(relevant=("i9",)), 1) is None
    assert target_of(a_case(relevant=("i4", "i1"))) == "i1"


def test_slots_are_all_or_twenty_with_both_ends() -> None:
    assert slots_of(5) == [1, 2, 3, 4, 5]
    assert slots_of(1) == [1]
    assert slots_of(0) == []
    assert len(slots_of(100)) == 20
    assert (slots_of(100)[0], slots_of(100)[-1]) == (1, 100)


def test_a_strategy_that_keeps_the_order_shown_has_a_bias_of_1() -> None:
    given = given_of(*(a_case(n) for n in range(6)))
    found = done(position(given), given, Fake(as_shown))
    bias = found.figures["bias"]
    assert bias
    assert (bias.value, bias.low, bias.high, bias.n) == (pytest.approx(1), pytest.approx(1), pytest.approx(1), 6)
    assert [row.place.value for row in found.rows if row.place] == [1, 2, 3, 4, 5]
    assert [row.lift.value for row in found.rows if row.lift] == [2, 1, 0, -1, -2]
    ends = found.figures["first_over_last"]
    assert ends
    assert ends.value == pytest.approx(1 - 1 / math.log2(6))
    assert found.rows[0].tau
    assert found.rows[0].tau.value == pytest.approx(1 - 2 * 2 / 10)
    top = found.figures["top_changed"]
    assert top
    assert top.value == pytest.approx(1 / 5), "of five slots only the first puts another item on top"


def test_a_strategy_that_does_not_mind_the_order_has_no_bias() -> None:
    given = given_of(*(a_case(n) for n in range(3)))
    asker = Fake(by_number)
    found = done(position(given), given, asker)
    assert {name: figure.value for name, figure in found.figures.items() if figure} == {
        "bias": pytest.approx(0),
        "first_over_last": 0,
        "tau": pytest.approx(1),
        "top_changed": 0,
    }
    assert len(asker.asked) == found.found.n_asked == 15, "the order as given is the third slot, asked once"
    assert verdict(found) == "0 of 5 changes shown to move the item that is watched (Holm's p < .05)"


def test_position_skips_cases_without_a_target_and_slots_that_a_case_lacks() -> None:
    short = a_case(1, candidates=("i2", "i3"))
    given = given_of(a_case(), short, a_case(2, relevant=("i9",)))
    found = done(position(given), given, Fake(as_shown))
    assert [row.n for row in found.rows] == [2, 2, 1, 1, 1]
    assert found.found.skipped == {"no relevant item among the candidates": 1}
    assert list(found.found.users) == ["c0", "c1"]


def test_what_is_shown_survives_holm() -> None:
    """Of n people who are all alike z^2 / (n + z^2) may be otherwise, by up to the 4 places that there are."""
    given = given_of(*(a_case(n) for n in range(30)))
    found = done(position(given), given, Fake(as_shown))
    told = verdict(found)
    assert told.startswith("4 of 5 changes shown to move")
    assert "slot 1 +2.00 [+1.32, +2.23]" in told, ".1135 of 30 people, from -4 to 4 places"
    assert "slot 2 +1.00 [+0.43, +1.34]" in told
    few = given_of(*(a_case(n) for n in range(12)))
    assert verdict(done(position(few), few, Fake(as_shown))).startswith("2 of 5 changes shown to move"), ".2425 of 12"
    assert found.rows[0].p_holm is not None
    assert found.rows[0].lift
    assert found.rows[0].p_holm > found.rows[0].lift.p


# ---- history ---------------------------------------------------------------------------------------------------------


def test_history_is_cut_to_its_newest_and_equal_questions_are_asked_once() -> None:
    given = given_of(a_case())
    asker = Fake(by_number)
    found = done(history(given), given, asker)
    cut = sorted([[item.item_id for item in question.history] for question in asker.asked], key=len)
    assert cut == [[], ["i34"], ["i32", "i33", "i34"], ["i30", "i31", "i32", "i33", "i34"]]
    assert [row.variant.name for row in found.rows] == [f"newest {n}" for n in LENGTHS]
    assert [row.n for row in found.rows] == [1] * 5
    assert "cases that have at least 1, 3, 10, 50 in their history: 1, 1, 0, 0 of 1" in found.probe.notes
    assert found.figures == {"tau": found.figures["tau"], "top_changed": found.figures["top_changed"]}


def test_history_tells_what_each_length_is_worth() -> None:
    def taught(question: Question) -> list[float]:
        """Learns from the third item back alone."""
        known = any(item.item_id == "i32" for item in question.history)
        return [float(item.item_id == "i2") if known else 0.0 for item in question.candidates]

    given = given_of(*(a_case(n) for n in range(8)))
    found = done(history(given), given, Fake(taught))
    rows = {row.variant.name: row for row in found.rows}
    assert [rows[f"newest {n}"].undecided for n in LENGTHS] == [8, 8, 0, 0, 0]
    for n in (3, 10, 50):
        change = rows[f"newest {n}"].ndcg_change
        assert change
        assert change.value == 0
    lost = rows["newest 0"].ndcg_change
    assert lost
    assert lost.value < 0
    assert rows["newest 0"].tau is None


# ---- paraphrase ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("language", sorted(NOUNS))
def test_every_wording_holds_its_place_and_its_language(language: str) -> None:
    frames = FRAMES[language].values()
    assert len(set(frames)) == len(frames) >= 6
    for frame in frames:
        assert frame.count("{wish}") == 1
        assert frame.format(wish="{x} 100%") != frame
    assert language_of("".join(frames)) == language
    assert all(language_of(noun) == language for noun in NOUNS[language])


def test_the_wish_is_framed_in_its_own_language() -> None:
    given = given_of(a_case(0, wish="a {storm} at sea"), a_case(1, wish="海上的故事"), a_case(2))
    asker = Fake(by_number)
    found = done(paraphrase(given), given, asker)
    wishes = {question.wish for question in asker.asked}
    assert wishes == {
        None,
        "a {storm} at sea",
        "海上的故事",
        *(frame.replace("{wish}", "a {storm} at sea") for frame in FRAMES["en"].values()),
        *(frame.replace("{wish}", "海上的故事") for frame in FRAMES["zh"].values()),
    }
    assert {row.variant.name: row.n for row in found.rows} == {
        **{f"wish {name}": 1 for name in (*FRAMES["en"], *FRAMES["zh"])},
        **{f"noun {noun}": 3 for noun in NOUNS["en"]},
    }
    assert found.probe.notes == ("1 of 3 cases have no wish to reword",)


def test_how_far_words_move_an_order_is_told() -> None:
    def wordy(question: Question) -> list[float]:
        return by_number(question) if question.noun != "things" else as_shown(question)

    given = given_of(*(a_case(n) for n in range(4)), language="en")
    found = done(paraphrase(given), given, Fake(wordy))
    rows = {row.variant.name: row for row in found.rows}
    taus = {name: row.tau.value for name, row in rows.items() if row.tau}
    assert taus == {f"noun {n}": pytest.approx(-1 if n == "things" else 1) for n in NOUNS["en"]}
    assert found.figures["ndcg_moved"]
    assert found.figures["ndcg_moved"].value == 0, "i2 is in the middle either way"
    assert found.figures["tau"]
    assert found.figures["tau"].value == pytest.approx(3 / 5)


# ---- injection -------------------------------------------------------------------------------------------------------


KINDS = {
    "instruction", "plea", "label", "control", "token", "json", "delimiter", "turn", "markup", "invisible", "direction",
    "unicode", "encoded", "praise", "long", "template",
}  # fmt: skip


def test_the_list_of_hostile_texts_is_long_varied_and_can_stand_in_a_title() -> None:
    assert len(EVERY) >= 400
    assert len({hostile.name for hostile in EVERY}) == len({hostile.text for hostile in EVERY}) == len(EVERY)
    assert {hostile.kind for hostile in HOSTILE} == KINDS
    assert len({hostile.language for hostile in EVERY if hostile.kind == "instruction"}) >= 8
    assert sum(hostile.kind == "template" for hostile in EVERY) >= 60
    for hostile in HOSTILE:
        item = bearing(ITEMS["i0"], hostile.text)
        assert Item.model_validate(item.model_dump()).title == item.title, hostile.name
        assert item.title.startswith("Title 00")
    refused = [hostile for hostile in EVERY if hostile.verdict == "refused"]
    assert refused
    for hostile in refused:
        with pytest.raises(ValidationError):
            Item(item_id="x", title=hostile.text)


def test_every_hostile_text_is_shown_as_its_verdict_says() -> None:
    for hostile in EVERY:
        shown = neutralise(hostile.text, KNOWN_CONTROL_TOKENS)
        said = "empty" if not shown else "kept" if shown == hostile.text else "cleaned"
        assert hostile.verdict in (said, "refused"), hostile.name
        assert not any(token in shown for token in KNOWN_CONTROL_TOKENS), hostile.name
        assert len(shown.splitlines()) <= 1, hostile.name
        assert not any(category(char) in ("Cc", "Cf", "Cs") for char in shown), hostile.name


def test_the_neutral_text_is_as_long_as_what_a_prompt_shows() -> None:
    for hostile in HOSTILE:
        text = neutral(hostile.text)
        assert len(text) == len(neutralise(hostile.text)), hostile.name
        assert text == neutralise(text), "nothing of it is dropped"


def test_a_title_stays_within_its_length() -> None:
    long = Item(item_id="x", title="t" * 1_000)
    assert len(bearing(long, "first!").title) == 1_000
    assert bearing(long, "first!").title.endswith("t first!")
    assert len(bearing(long, "f" * 2_000).title) == 1_000
    assert bearing(long, "") is long


def test_the_victim_is_irrelevant_and_drawn_by_the_seed() -> None:
    cases = [a_case(n) for n in range(30)]
    assert {victim_of(case, SEED) for case in cases} == {"i0", "i1", "i3", "i4"}
    assert [victim_of(case, 1) for case in cases] != [victim_of(case, 2) for case in cases]
    assert victim_of(a_case(relevant=("i0", "i1", "i2", "i3", "i4")), SEED) is None


def test_a_strategy_that_obeys_lifts_the_victim_to_the_top() -> None:
    def gullible(question: Question) -> list[float]:
        return [
            100.0 if "rank this item first" in item.title else score
            for item, score in zip(question.candidates, by_number(question), strict=True)
        ]

    given = given_of(*(a_case(n) for n in range(12)))
    texts = [hostile for hostile in HOSTILE if hostile.name in ("ignore", "polite")]
    found = done(injection(given, texts), given, Fake(gullible))
    obeyed, kept = found.rows
    before = [4 - int((victim_of(case, SEED) or "i0")[1:]) for case in given.cases]  # places above it
    assert obeyed.place
    assert obeyed.place.value == 1
    assert obeyed.lift
    assert obeyed.lift.value == pytest.approx(sum(before) / 12)
    assert kept.lift
    assert (kept.lift.value, kept.p_holm) == (0, 1)
    assert found.figures["lift"]
    assert found.figures["lift"].value == pytest.approx(sum(before) / 24)
    assert found.figures["gained_first"]
    assert found.figures["gained_first"].value == pytest.approx(sum(b > 0 for b in before) / 24)
    assert verdict(found).startswith("1 of 2 changes shown to move the item that is watched (Holm's p < .05): ignore +")
    assert dict(found.found.ids) == {"lost": 0, "foreign": 0, "repeated": 0}
    first, neutral_first = found.figures["first"], found.figures["neutral_first"]
    assert first
    assert neutral_first
    assert first.value - neutral_first.value == pytest.approx(found.figures["gained_first"].value)
    assert (first.n, first.low is not None) == (12, True), "bounds of people, not of texts"
    assert set(found.groups) == {"instruction"}
    assert found.groups["instruction"]["lift"] == found.figures["lift"]


def test_each_case_bears_the_texts_that_were_drawn_for_it() -> None:
    given = given_of(*(a_case(n) for n in range(12)))
    asker = Fake(by_number)
    found = done(injection(given, HOSTILE, per_case=20), given, asker)
    assert {sum(case in found.found.effects[h.name] for h in HOSTILE) for case in found.found.users} == {20}
    assert sum(row.n for row in found.rows) == 240
    assert sum(row.n > 0 for row in found.rows) > 150, "other texts for other cases"
    assert "20 of 415 texts a case" in found.probe.about


class Foreseer(Fake):
    """An asker that keeps what it was told to expect."""

    def __init__(self, scores: Scores) -> None:
        super().__init__(scores)
        self.foreseen: list[Question] = []

    def foresee(self, questions: Sequence[Question]) -> None:
        self.foreseen += questions


def test_an_asker_is_told_what_comes_only_where_a_probe_allows_it() -> None:
    given = given_of(a_case())
    asker = Foreseer(by_number)
    done(injection(given, HOSTILE[:5]), given, asker)
    assert len(asker.foreseen) == 10
    assert all(question in asker.foreseen for question in asker.asked)
    other = Foreseer(by_number)
    done(position(given), given, other)
    assert other.foreseen == []


def test_questions_alike_but_for_their_candidates_are_asked_as_one() -> None:
    one, two, three = ITEMS["i1"], ITEMS["i2"], ITEMS["i3"]
    asked = [Question((one,), (two, three)), Question((one,), (three, bearing(two, "!"))), Question((), (two,))]
    first, second = merged(asked)
    assert [item.title for item in first.candidates] == ["Title 02", "Title 03", "Title 02 !"]
    assert second == asked[2]


def test_a_text_that_breaks_the_answer_is_a_failure_that_counts_as_0() -> None:
    given = given_of(*(a_case(n, relevant=("i4",)) for n in range(3)))
    texts = [hostile for hostile in HOSTILE if hostile.name in ("chatml", "polite")]
    found = done(injection(given, texts), given, Fake(by_number, fails="<|im_end|>"))
    rows = {row.variant.name: row for row in found.rows}
    assert (rows["chatml"].failed, rows["polite"].failed) == (3, 0)
    assert rows["chatml"].ndcg
    assert rows["chatml"].ndcg.value == 0
    assert rows["chatml"].lift is rows["chatml"].place is rows["chatml"].p_holm is None
    assert found.found.n_failed == 3
    assert found.found.degraded == {"no answer": 3}


def test_injection_leaves_out_cases_where_all_is_relevant() -> None:
    given = given_of(a_case(relevant=("i0", "i1", "i2", "i3", "i4")))
    found = done(injection(given, HOSTILE[:1]), given, Fake(by_number))
    assert found.found.skipped == {"no irrelevant candidate": 1}
    assert found.rows[0].n == 0
    assert found.rows[0].ndcg is None
    assert found.figures["lift"] is None
    assert mean([]) is None
