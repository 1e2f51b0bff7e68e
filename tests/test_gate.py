from __future__ import annotations

import json
import xml.etree.ElementTree as ET
from dataclasses import replace
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from agent.errors import ConfigError
from eval.commands import app
from eval.reporting.gating import Gate, Judgement, Outcome, gate_of, gate_of_run, told
from eval.reporting.junit import junit
from eval.reporting.tally import latency
from eval.running.answers import Answer
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
    assert only(gate_of_run(run_with(tmp_path, data, worse))).outcome == "failed"
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
    assert "2 of 80 answers failed" in failed.sentence


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
    assert "no conditions" in palate_eval("gate", good, "--config", config).stdout
    missing = palate_eval("gate", tmp_path / "nowhere")
    assert isinstance(missing.exception, ConfigError)
