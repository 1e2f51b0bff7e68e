"""Better words for a prompt: the changes, the checks, the split, the search, and the one look at the test."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

import prompts
from agent.errors import ConfigError, ModelUnavailable, PromptError
from agent.llm.scripted import Scripted
from eval.optimising.bench import Bench
from eval.optimising.mutations import mutations
from eval.optimising.proposing import Failure, Proposing, Rules, Writer, body_from
from eval.optimising.report import Report, report
from eval.optimising.search import Searched, search
from eval.optimising.splits import Split, split
from eval.optimising.subject import STRATEGY_OF, Checks, open_subject
from tests.support.wordings import ITEMS, KIND, bench_on, cases_of, reader

BUDGET = 400
RANKING = [f"{language}/{task}" for language in ("en", "zh") for task in STRATEGY_OF]
FAILURE = Failure(("The Old House",), "something new", ("A", "B"), ("C",), 4, 0.4)


CASES = cases_of(40)


def searched_on(
    bench: Bench, parts: Split, *, budget: int = BUDGET, seed: int = 3, sources: tuple[Writer, ...] = ()
) -> tuple[Searched, Proposing]:
    checks = Checks(bench.subject, [item.title for item in ITEMS.values()], bench.folder / "checked")
    rules = Rules(bench.subject.language, seed)
    proposing = Proposing([*sources, rules], checks.fault, bench.subject.body)
    return search(bench, proposing, parts, budget=budget, seed=seed), proposing


# The prompt and its checks


def test_a_prompt_is_found_by_name_and_by_file(tmp_path: Path) -> None:
    by_name = open_subject("rank-likelihood", "en")
    text = prompts.load("rank-likelihood").text
    assert (by_name.name, by_name.strategy) == ("en/rank-likelihood", "likelihood")
    assert by_name.text(by_name.body) == text
    assert by_name.header.startswith("{#")
    assert by_name.header.endswith("#}\n")
    assert open_subject("zh/rank-setwise", "en").language == "zh"
    (tmp_path / "zh").mkdir()
    file = tmp_path / "zh" / "rank-likelihood.j2"
    file.write_text(prompts.load("rank-likelihood", "zh").text + "\n", encoding="utf-8")
    assert open_subject(str(file), "en").name == "zh/rank-likelihood"
    assert open_subject(str(file), "en").body.endswith("\n\n")


@pytest.mark.parametrize(
    ("reference", "said"),
    [
        ("rationale-chat", "puts nothing in order"),
        ("Rank Likelihood", "names no prompt"),
        ("nowhere/en/rank-likelihood.j2", "there is no prompt file"),
        ("rank-best", "puts nothing in order"),
    ],
)
def test_a_reference_that_is_none_is_refused(reference: str, said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        open_subject(reference, "en")


def test_a_language_without_prompts_is_refused() -> None:
    with pytest.raises(PromptError, match="there is no prompt"):
        open_subject("fr/rank-likelihood", "en")


@pytest.mark.parametrize(
    ("old", "new", "fault"),
    [
        ("this person enjoyed", "they loved", None),
        ("{%- endblock %}\n", "", "loaded or rendered"),
        ("{% if wish -%}", "{% if wishes -%}", "loaded or rendered"),
        ("{{ wish | truncate(500) }}", "something", "the wish"),
        ("{{ item.title | truncate(200) }}", "{{ item.year }}", "item 1 of the history"),
        ("{{ item.title | truncate(200) }}\n{%- endblock", "{%- endblock", "candidate 1"),
        ("item in history -%}", "item in history[:1] -%}", "item 2 of the history"),
        ("-\n{%- endblock", "- Such as The Title 7 of old\n-\n{%- endblock", "names an item"),
    ],
)
def test_a_proposal_that_loses_something_is_refused(tmp_path: Path, old: str, new: str, fault: str | None) -> None:
    subject = open_subject("rank-likelihood", "en")
    checks = Checks(subject, ["The Title 7 of old", "Her", "Films"], tmp_path)
    found = checks.fault(subject.body.replace(old, new, 1))
    assert found is None if fault is None else fault in (found or "")


def test_labels_must_stay_and_may_look_different(tmp_path: Path) -> None:
    subject = open_subject("rank-first-token", "en")
    checks = Checks(subject, (), tmp_path)
    assert checks.fault(subject.body.replace("{{ labels[loop.index0] }}. ", "({{ labels[loop.index0] }}) ")) is None
    assert checks.fault(subject.body.replace("{{ labels[loop.index0] }}", "*")) == "it no longer shows the labels"


# Changes by rule


@pytest.mark.parametrize("name", RANKING)
def test_every_ranking_prompt_can_be_changed_and_stays_whole(name: str, tmp_path: Path) -> None:
    subject = open_subject(name, "en")
    checks = Checks(subject, (), tmp_path)
    found = list(mutations(subject.body, subject.language))
    assert found
    assert all(body != subject.body for _, body in found)
    looked_at = found[::5]
    passed = [body for _, body in looked_at if checks.fault(body) is None]
    assert len(passed) >= len(looked_at) / 2


def changed(name: str, change: str) -> str:
    subject = open_subject(name, "en")
    return dict(mutations(subject.body, subject.language))[change]


def test_a_history_newest_first_says_so() -> None:
    body = changed("rank-likelihood", "history newest first")
    assert "{% for item in history | reverse -%}" in body
    assert "this person enjoyed, the latest first:" in body
    again = dict(mutations(body, "en"))["the whole history, oldest first"]
    assert "{% for item in history -%}" in again
    assert "the latest last" in again
    assert "最近的排在最前" in changed("zh/rank-pointwise", "history newest first")


def test_fields_are_dropped_in_both_blocks() -> None:
    body = changed("rank-likelihood", "items without tags")
    assert "item.tags" not in body
    assert body.count("{% if item.year is not none %}: {% endif %}") == 2
    assert "item.year" not in changed("rank-likelihood", "items without their year")
    assert "item.name" not in changed("rank-pointwise", "items without their year")
    assert "item.text" not in changed("rank-listwise", "items without their text")


def test_tags_separators_bullets_and_wordings_change() -> None:
    assert changed("rank-likelihood", "at most 1 tag").count("item.tags[:1]") == 2
    assert changed("rank-likelihood", "tags joined by “/”").count('join("/")') == 2
    assert "\n* {% if item.tags" in changed("rank-likelihood", "bullets “*”")
    assert "this person loved" in changed("rank-likelihood", "“this person loved” for “this person enjoyed”")


def test_instructions_and_examples_can_go() -> None:
    found = dict(mutations(open_subject("rank-pointwise", "en").body, "en"))
    paragraphs = [change for change in found if change.startswith("left out the paragraph")]
    lines = [change for change in found if change.startswith("left out the line")]
    assert len(paragraphs) >= 1
    assert "left out the line “- The Old House (1982), Horror, Mystery”" in lines


# Proposals


def test_the_first_new_proposal_that_passes_is_taken() -> None:
    class Three:
        def propose(self, body: str, failures: object) -> Iterator[tuple[str, str]]:
            yield from (("same", body), ("bad", "bad"), ("good", body + "!"))

    proposing = Proposing([Three()], lambda body: "it is bad" if body == "bad" else None, "original")
    assert proposing.next("original", ()) == "original!"
    assert proposing.changes == {"original!": "good"}
    assert proposing.refused == {"it is bad": 1}
    assert proposing.next("original", ()) is None
    assert proposing.next("original!", ()) == "original!!"


@pytest.mark.parametrize(
    ("reply", "body"),
    [
        ("Sure:\n```jinja\n{% block prefix %}x\n```\nDone.", "{% block prefix %}x\n"),
        ("```\nno template\n```\n```\n{% block a %}\n```", "{% block a %}\n"),
        ("<think>```{% block z %}```</think>{% block b %}", "{% block b %}\n"),
        ("I cannot.", "I cannot.\n"),
    ],
)
def test_the_template_is_cut_out_of_a_reply(reply: str, body: str) -> None:
    assert body_from(reply) == body


def test_a_writer_is_shown_the_template_and_what_failed() -> None:
    model = Scripted(["```\n{% block prefix %}1\n```", "```\n{% block prefix %}2\n```"])
    first, second = Writer(model, 5).propose("THE BODY", [FAILURE])
    assert (first[1], second[1]) == ("{% block prefix %}1\n", "{% block prefix %}2\n")
    assert first[0] == "written anew by scripted"
    asked = model.calls[0].texts[0]
    assert "```\nTHE BODY\n```" in asked
    assert "The Old House" in asked
    assert "stood at place 4 (NDCG@10 0.40)" in asked
    assert model.calls[0].sampling.seed != model.calls[1].sampling.seed


def test_a_writer_that_fails_proposes_nothing() -> None:
    writer = Writer(Scripted([ModelUnavailable("it is down", "Ask again")]), 5)
    assert list(writer.propose("body", [FAILURE])) == []
    assert writer.failures == {"it is down. Ask again": 1}


# The split


def test_nobody_has_cases_in_two_parts_and_order_does_not_count() -> None:
    cases = cases_of(90, users=30)
    parts = split(cases, 400, 1)
    people = [{case.user_id for case in part} for part in (parts.train, parts.val, parts.test)]
    assert sum(map(len, people)) == len(set.union(*people)) == 30
    assert [len(part) for part in people] == [9, 9, 12]
    assert len(parts.train + parts.val + parts.test) == 90
    turned = split(cases[::-1], 400, 1)
    assert {c.case_id for c in turned.test} == {c.case_id for c in parts.test}
    assert {c.case_id for c in split(cases, 400, 2).test} != {c.case_id for c in parts.test}


def test_a_small_budget_looks_at_fewer_val_cases_and_never_at_more_of_the_test() -> None:
    cases = cases_of(200)
    large, small = split(cases, 2_000, 1), split(cases, 60, 1)
    assert small.test == large.test
    assert len(small.val) == 10
    assert len(small.train) == len(large.train) + len(large.val) - 10
    assert len(small.val) + small.step_cost <= 60


@pytest.mark.parametrize(("n", "budget", "said"), [(9, 400, "9 people cannot be split"), (40, 3, "allows no step")])
def test_what_cannot_be_split_is_refused(n: int, budget: int, said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        split(cases_of(n), budget, 1)


# The search


@dataclass(frozen=True)
class Sealed:
    """A report, and the cases that were asked before it."""

    parts: Split
    done: Report
    before: set[str]


def sealed(model: Scripted, folder: Path) -> Sealed:
    """What comes of a search on this model."""
    parts = split(CASES, BUDGET, 3)
    asked: set[str] = set()
    bench = bench_on(model, open_subject("rank-likelihood", "en"), folder, asked)
    found, proposing = searched_on(bench, parts)
    before = set(asked)
    done = report(bench, parts, found, proposing, BUDGET, 3)
    assert done.tested is not None or asked == before
    return Sealed(parts, done, before)


@pytest.fixture(scope="module")
def search_done(tmp_path_factory: pytest.TempPathFactory) -> Sealed:
    return sealed(reader(), tmp_path_factory.mktemp("bench"))


def test_the_search_finds_the_words_that_the_model_waits_for(search_done: Sealed, tmp_path: Path) -> None:
    parts, found, done = search_done.parts, search_done.done.searched, search_done.done
    assert 0 < found.asked <= BUDGET
    best = found.tried[found.best]
    assert KIND in best.body
    assert best.mean > found.tried[0].mean
    assert found.tried[0].parent is None
    assert done.is_new
    assert done.tested is not None
    assert done.tested.after.value > done.tested.before.value
    assert done.tested.after.n == len(parts.test)
    assert any("newest first" in change for change in done.changes)
    assert "+" in done.diff()
    assert done.text.startswith(done.subject.header)
    assert prompts.load("rank-likelihood", folder=done.subject.written(done.body, tmp_path / "new"))


def test_the_test_cases_are_asked_by_nobody_before_the_report(search_done: Sealed) -> None:
    parts, before = search_done.parts, search_done.before
    assert not before & {case.case_id for case in parts.test}
    assert before == {case.case_id for case in (*parts.train, *parts.val)}
    assert search_done.done.tested is not None


def test_where_nothing_helps_the_prompt_stays_and_the_test_stays_sealed(tmp_path: Path) -> None:
    constant = Scripted(scores=lambda _text, _line: -20.0)
    found = sealed(constant, tmp_path)
    done, before = found.done, found.before
    assert not done.is_new
    assert done.tested is None
    assert done.diff() == ""
    assert done.changes == ()
    assert not before & {case.case_id for case in found.parts.test}


def test_equal_seeds_search_alike(tmp_path: Path) -> None:
    parts = split(CASES, 80, 3)
    one, other = (
        searched_on(bench_on(reader(), open_subject("rank-likelihood", "en"), tmp_path / str(n)), parts, budget=80)[0]
        for n in range(2)
    )
    assert one == other


def test_without_gepa_the_search_says_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "gepa", None)
    bench = bench_on(reader(), open_subject("rank-likelihood", "en"), tmp_path)
    with pytest.raises(ConfigError, match="gepa is not installed"):
        searched_on(bench, split(CASES, BUDGET, 3))
    assert bench.asked == 0


def test_a_writer_is_asked_first_and_rules_stand_in_for_it(tmp_path: Path) -> None:
    subject = open_subject("rank-likelihood", "en")
    better = subject.body.replace("in order:", f"{KIND}:")
    writes = Scripted(lambda prefix, suffix: f"```\n{better}```")
    bench = bench_on(reader(), subject, tmp_path)
    found, _ = searched_on(bench, split(CASES, 120, 3), budget=120, sources=(Writer(writes, 3),))
    assert found.tried[1].change == "written anew by scripted"
    assert found.tried[1].body.strip() == better.strip()
    assert len(found.tried) >= 2


def test_a_model_that_fails_scores_nothing_and_says_why(tmp_path: Path) -> None:
    broken = Scripted(abilities=("score",))
    bench = bench_on(broken, open_subject("rank-likelihood", "en"), tmp_path)
    outcome = bench.outcomes(bench.subject.body, CASES[:1])[0]
    assert (outcome.ndcg, outcome.order) == (0.0, ())
    assert "no script for scores" in outcome.failed
    assert sum(bench.degraded.values()) == 1


def test_each_body_and_case_is_asked_once(tmp_path: Path) -> None:
    bench = bench_on(reader(), open_subject("rank-likelihood", "en"), tmp_path)
    first = bench.outcomes(bench.subject.body, CASES[:3])
    assert bench.outcomes(bench.subject.body, CASES[:4])[:3] == first
    assert bench.asked == 4


def test_a_model_that_ranks_with_another_prompt_is_refused(tmp_path: Path) -> None:
    bench = bench_on(reader(), open_subject("rank-listwise", "en"), tmp_path)
    with pytest.raises(ConfigError, match="ranks with en/rank-arrange, not with en/rank-listwise"):
        bench.outcomes(bench.subject.body, CASES[:1])
