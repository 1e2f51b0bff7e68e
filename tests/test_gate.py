from __future__ import annotations

import json
import xml.etree.ElementTree as ET
from dataclasses import replace
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from agent.errors import ConfigError
from eval.commands import app
from eval.reporting.conditions import told
from eval.reporting.gating import Gate, Judgement, Outcome, gate_of, gate_of_run
from eval.reporting.junit import junit
from eval.running.answers import Answer
from eval.running.folder import RunFolder
from eval.running.tally import Tally, latency
from eval.statistics import rate
from tests.support.stored_run import data_set, failing, stored_run

BETTER = {"metric": "ndcg@10", "versus": "random", "not_worse_than": 0.01}


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return data_set(tmp_path_factory.mktemp("data") / "films", 80, bare=True)


def run_with(tmp_path: Path, data: Path, *gate: dict[str, object], quality: float = 0.9, **given: object) -> Path:
    return stored_run(tmp_path / "run", data, {"model": quality}, gate=gate, **given)  # type: ignore[arg-type]


def only(gate: Gate) -> Judgement:
    (judgement,) = gate.judgements
    return judgement


def palate_eval(*arguments: object) -> Result:
    return CliRunner().invoke(app, [str(a) for a in arguments], env={"COLUMNS": "140"})


def test_a_good_run_passes_every_kind_of_condition(tmp_path: Path, data: Path) -> None:
    conditions = (
        BETTER,
        {"metric": "ndcg@10", "at_least": 0.5},
        {"rate": "failed", "at_most": 0.05},
        {"latency_p95_s": 0.2},
    )
    gate = gate_of_run(run_with(tmp_path, data, *conditions))
    assert [j.outcome for j in gate.judgements] == ["passed"] * 4, gate.sentence
    assert (gate.exit_code, gate.outcome) == (0, "passed")
    assert gate.sentence == "the gate passed: 4 conditions met"


def test_a_metric_is_judged_by_its_lower_bound_not_by_its_value(tmp_path: Path, data: Path) -> None:
    run = run_with(tmp_path, data, quality=0.5)
    value = only(gate_of_run(run, [{"metric": "ndcg@10", "at_least": 0.0}])).value
    assert value is not None
    judgement = only(gate_of_run(run, [{"metric": "ndcg@10", "at_least": value - 0.01}]))
    assert judgement.outcome == "failed"
    assert "is not shown to reach" in judgement.sentence
    assert "is below" in only(gate_of_run(run, [{"metric": "ndcg@10", "at_least": 0.99}])).sentence


def test_a_cell_that_is_worse_fails_and_one_of_few_cases_is_undecided(tmp_path: Path, data: Path) -> None:
    worse = {**BETTER, "versus": "oracle"}
    assert only(gate_of_run(run_with(tmp_path, data, worse, quality=0.7))).outcome == "failed"
    few = stored_run(tmp_path / "few", data, {"model": 0.5}, gate=[{**BETTER, "versus": "recall-only"}], cases=4)
    gate = gate_of_run(few)
    assert (gate.exit_code, only(gate).outcome) == (3, "too few"), gate.sentence
    assert "the cases are too few" in gate.sentence
    single = stored_run(
        tmp_path / "one", data, {"model": 0.5}, gate=[BETTER, {"metric": "ndcg@10", "at_least": 0.1}], cases=1
    )
    assert [j.outcome for j in gate_of_run(single).judgements] == ["too few"] * 2


def test_a_rate_is_judged_by_its_upper_bound(tmp_path: Path, data: Path) -> None:
    run = run_with(tmp_path, data, edit=failing("c1", "c2"))
    failed = only(gate_of_run(run, [{"rate": "failed", "at_most": 0.03}]))
    assert (failed.outcome, failed.value, failed.high) == ("too few", 2 / 80, rate(2, 80).high)
    assert only(gate_of_run(run, [{"rate": "failed", "at_most": 0.01}])).outcome == "failed"
    assert only(gate_of_run(run, [{"rate": "failed", "at_most": 0.2}])).outcome == "passed"
    assert "failed for 2 of 80 people" in failed.sentence


def test_flaws_of_replies_are_counted_once_an_answer(tmp_path: Path, data: Path) -> None:
    def edit(answer: Answer) -> Answer:
        return replace(answer, validity={"missing": 3}) if answer.case_id == "c5" else answer

    run = run_with(tmp_path, data, edit=edit)
    assert only(gate_of_run(run, [{"rate": "missing", "at_most": 0.5}])).value == 1 / 80


def test_a_latency_is_judged_by_the_upper_bound_of_its_percentile(tmp_path: Path, data: Path) -> None:
    run = run_with(tmp_path, data)
    assert only(gate_of_run(run, [{"latency_p95_s": 0.11}])).outcome == "passed"
    assert only(gate_of_run(run, [{"latency_p95_s": 0.105}])).outcome == "failed"
    few = stored_run(tmp_path / "few", data, {"model": 0.5}, cases=40)
    assert only(gate_of_run(few, [{"latency_p95_s": 4}])).outcome == "too few"
    assert only(gate_of_run(few, [{"latency_p95_s": 0.01}])).outcome == "failed", "no case was that quick"
    kept = stored_run(tmp_path / "kept", data, {"model": 0.5}, edit=lambda answer: replace(answer, ms=0.0))
    assert only(gate_of_run(kept, [{"latency_p95_s": 4}])).outcome == "too few"


def test_a_run_that_is_not_finished_passes_nothing(tmp_path: Path, data: Path) -> None:
    conditions = [{"metric": "ndcg@10", "at_least": 0.1}, {"rate": "failed", "at_most": 0.9}]
    run = stored_run(tmp_path / "run", data, {"v1": 1.0, "v2": 1.0}, gate=conditions)
    assert gate_of_run(run).exit_code == 0
    answers = run / "answers.jsonl"
    lines = answers.read_text(encoding="utf-8").splitlines(keepends=True)
    answers.write_text("".join(lines[:120]), encoding="utf-8")
    for cell in (None, "v1"):
        gate = gate_of_run(run, cell=cell)
        assert gate.exit_code == 3
        assert {judgement.outcome for judgement in gate.judgements} == {"too few"}
        assert "the run is not finished, 40 answers still to come" in gate.sentence


def test_a_few_people_pass_no_metric(tmp_path: Path, data: Path) -> None:
    conditions = [{"metric": "ndcg@10", "at_least": 0.1}, {**BETTER, "not_worse_than": 1.0}]
    for cases, outcome in ((2, "too few"), (9, "too few"), (10, "passed")):
        run = stored_run(tmp_path / str(cases), data, {"model": 1.0}, cases=cases)
        gate = gate_of_run(run, conditions)
        assert [judgement.outcome for judgement in gate.judgements] == [outcome] * 2, gate.sentence
    one_person = stored_run(tmp_path / "one", data, {"model": 1.0}, edit=lambda answer: replace(answer, user_id="u"))
    assert "a metric needs 10 people and has 1" in gate_of_run(one_person, conditions).sentence


def test_people_who_are_all_alike_are_no_certainty(tmp_path: Path, data: Path) -> None:
    run = stored_run(tmp_path / "run", data, {"v1": 1.0, "v2": 1.0})
    bound = 1 - (rate(0, 80).high or 0)
    for least, outcome in ((0.99, "too few"), (0.95, "passed")):
        found = only(gate_of_run(run, [{"metric": "ndcg@10", "at_least": least}], "v2"))
        assert (found.outcome, found.high) == (outcome, 1.0)
        assert found.low == pytest.approx(bound)
    for margin, outcome in ((0.01, "too few"), (0.05, "passed")):
        found = only(gate_of_run(run, [{"metric": "ndcg@10", "versus": "v1", "not_worse_than": margin}], "v2"))
        assert found.outcome == outcome, found.sentence
        assert found.low == pytest.approx(bound - 1)
    bad = run_with(tmp_path / "bad", data, edit=failing(*(f"c{k}" for k in range(80))))
    below = only(gate_of_run(bad, [{"metric": "ndcg@10", "at_least": 0.5}]))
    assert (below.outcome, below.low) == ("failed", 0.0)
    worse = only(gate_of_run(bad, [{**BETTER, "versus": "oracle"}]))
    assert (worse.outcome, worse.low) == ("failed", -1.0)


def test_a_baseline_with_fewer_answers_is_not_good_enough_to_pass_against(tmp_path: Path, data: Path) -> None:
    """The cell fails where recall has no order either: both score 0 there, and the difference hides it."""

    def edit(answer: Answer) -> Answer:
        alike = replace(answer, orders={**answer.orders, "model": answer.orders["recall-only"]})
        return failing(*(f"c{k}" for k in range(10)))(alike)

    run = run_with(tmp_path, data, edit=edit)
    found = only(gate_of_run(run, [{**BETTER, "versus": "recall-only", "not_worse_than": 0.2}]))
    assert found.outcome == "too few"
    assert "recall-only has no order for 10 cases" in found.sentence
    whole = run_with(tmp_path / "whole", data)
    assert only(gate_of_run(whole, [{**BETTER, "versus": "recall-only"}])).outcome == "passed"


def test_a_condition_that_no_cell_is_judged_by_is_undecided(tmp_path: Path, data: Path) -> None:
    gate = gate_of_run(run_with(tmp_path, data, {**BETTER, "versus": "model"}))
    assert (gate.exit_code, only(gate).cell) == (3, "model")
    assert "no cell is judged: model is the cell itself" in gate.sentence
    with pytest.raises(ConfigError, match="nothing to judge"):
        gate_of_run(run_with(tmp_path / "none", data))


def test_people_count_once_and_only_whole_answers_are_timed(tmp_path: Path, data: Path) -> None:
    (answer,) = RunFolder.open(stored_run(tmp_path / "run", data, {"model": 1.0}, cases=1)).answers()
    tally = Tally("model")
    for repeat in range(10):
        for user in ("a", "b"):
            failed = "no answer" if (repeat, user) == (3, "b") else None
            kept = {"asked": 1, "kept": int(repeat == 5)}
            tally.take(replace(answer, repeat=repeat, user_id=user, failed=failed, calls=kept))
    assert tally.rate("failed") == rate(1, 2)
    assert (tally.n, tally.flawed["failed"], tally.n_people(), tally.n_people("failed")) == (20, 1, 2, 1)
    assert len(tally.times_ms) == 20 - 1 - 2


def test_the_bounds_of_a_percentile_are_order_statistics() -> None:
    assert latency([]) is None
    for n, bounded in ((71, False), (72, True)):
        found = latency([float(k) for k in range(1, n + 1)])
        assert found is not None
        assert (found.high is not None) is bounded
    hundred = latency([float(k) for k in range(1, 101)])
    # of 100 values below q95 there are 90 to 99 with a chance of .983, by the binomial distribution
    assert hundred is not None
    assert (hundred.low, hundred.high) == (90.0, 100.0)


def test_each_cell_is_judged_and_none_against_itself(tmp_path: Path, data: Path) -> None:
    condition = {"metric": "ndcg@10", "versus": "v1", "not_worse_than": 0.02}
    run = stored_run(
        tmp_path / "run", data, {"v1": 0.3, "v2": 0.95}, gate=[condition, {"metric": "rr", "at_least": 0.1}]
    )
    gate = gate_of_run(run)
    assert [(j.cell, j.outcome) for j in gate.judgements] == [("v2", "passed"), ("v1", "passed"), ("v2", "passed")]
    assert {j.cell for j in gate_of_run(run, cell="v1").judgements} == {"v1"}
    with pytest.raises(ConfigError, match="no cell 'v3'"):
        gate_of_run(run, cell="v3")


@pytest.mark.parametrize(
    ("condition", "words"),
    [
        ({"metric": "ndcg@10", "versus": "nobody", "not_worse_than": 0.1}, "no system 'nobody'"),
        ({"metric": "hits", "at_least": 0.1}, "no metric 'hits'"),
        ({"rate": "rude", "at_most": 0.1}, "no rate 'rude'"),
        ({"metric": "ndcg@10"}, "is no condition"),
        ({"metric": "ndcg@10", "at_least": "much"}, "is no number"),
    ],
)
def test_a_wrong_condition_is_refused(tmp_path: Path, data: Path, condition: dict[str, object], words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        gate_of_run(run_with(tmp_path, data), [condition])


def test_conditions_are_told_and_read_from_a_plan() -> None:
    assert told(BETTER) == "ndcg@10 not worse than random by more than 0.01"
    assert told({"rate": "failed", "at_most": 0.01}) == "failed at most 0.01"
    assert told({"latency_p95_s": 4}) == "p95 latency at most 4 s"
    assert gate_of({}) == []
    assert gate_of({"gate": [{**BETTER, "rate": None}]}) == [BETTER]


def judged(*outcomes: Outcome) -> Gate:
    return Gate("run", tuple(Judgement("model", "c & d", one, "a <b>", 0.1, None, None, 1) for one in outcomes))


def test_the_exit_code_names_the_worst() -> None:
    assert judged().exit_code == judged("passed").exit_code == 0
    assert judged("passed", "too few").exit_code == 3
    assert judged("too few", "failed").exit_code == 1
    assert judged().sentence == "the gate has no conditions"


def test_junit_has_a_failure_and_an_error() -> None:
    root = ET.fromstring(junit([judged("passed", "failed", "too few"), judged()]))
    assert root.attrib == {"tests": "3", "failures": "1", "errors": "1"}
    (suite,) = root
    assert suite.attrib["name"] == "run model"
    assert [[child.tag for child in case] for case in suite] == [
        ["system-out"],
        ["failure", "system-out"],
        ["error", "system-out"],
    ]
    assert suite[1][0].attrib["message"] == "a <b>"
    broken = replace(judged("failed").judgements[0], sentence="\x00bell\x07")
    ET.fromstring(junit([Gate("r", (broken,))]))


def test_the_command_exits_with_what_came_of_it(tmp_path: Path, data: Path) -> None:
    good = run_with(tmp_path, data, BETTER)
    file = tmp_path / "gate.xml"
    result = palate_eval("gate", good, "--junit", file)
    assert result.exit_code == 0, result.output
    assert "passed: 1 condition met" in result.stdout
    assert ET.parse(file).getroot().attrib["tests"] == "1"
    config = tmp_path / "eval.yaml"
    config.write_text(f"data: {data}\ngate:\n  - {{metric: ndcg@10, at_least: 0.999}}\n")
    failed = palate_eval("gate", good, "--config", config, "--json")
    found = json.loads(failed.stdout)
    assert (failed.exit_code, found["exit_code"], found["outcome"]) == (1, 1, "failed")
    assert set(found["conditions"][0]) == {"cell", "condition", "outcome", "sentence", "value", "low", "high", "n"}
    config.write_text(f"data: {data}\n")
    none = palate_eval("gate", good, "--config", config)
    assert isinstance(none.exception, ConfigError)
    assert "the plan has no gate" in str(none.exception)
    missing = palate_eval("gate", tmp_path / "nowhere")
    assert isinstance(missing.exception, ConfigError)
