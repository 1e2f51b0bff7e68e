from __future__ import annotations

import json
import math
import socket
import sys
from contextlib import nullcontext
from itertools import count
from pathlib import Path
from typing import Any, cast

import pytest
from typer.testing import CliRunner, Result

from agent.deadline import Deadline
from agent.errors import ConfigError, ModelUnavailable
from agent.llm.files.gguf import read_sizes
from agent.llm.local.llama import Llama
from agent.llm.local.requantise import requantise
from agent.llm.registry import resolve
from agent.settings import Settings
from eval.cases import DataSet
from eval.commands import app
from eval.speed import memory
from eval.speed.asked import Listener
from eval.speed.bench import Measured, Sample, judge, measure
from eval.speed.figures import Ratio, Shape, Work, flops, paired_ratio, prefill, tokens_avoided
from eval.speed.over_http import Connections
from eval.speed.peers import order_of, schema_of
from eval.speed.quantised import compare
from eval.speed.questions import HISTORY, Question, from_data_set, generated
from eval.speed.rankgpt import RankGPT
from eval.speed.report import COMPARED, Report, as_json
from eval.speed.rows import Outcome, Row
from eval.speed.run import candidates_of
from eval.speed.table import ROWS, chosen
from tests.support.fake_ranker import FILMS
from tests.support.gguf_files import tiny_gguf
from tests.support.llama_server import LlamaServer

SMALL = Shape(body=100, vocabulary=10, width=4, layers=2, attention=8)
NO_STAND = cast(Any, None)  # rows of these tests open without one


def palate_eval(*arguments: object) -> Result:
    return CliRunner().invoke(app, [str(a) for a in arguments], env={"COLUMNS": "140"})


class Answering:
    """A row that notes its calls and fails from a given question on."""

    def __init__(self, name: str, calls: list[str], fails_at: int = 1_000) -> None:
        self.name, self.calls, self.fails_at = name, calls, fails_at

    def prepare(self, question: Question) -> None:
        self.calls.append(f"prepare {self.name}")

    def run(self, question: Question) -> Outcome:
        self.calls.append(self.name)
        if self.calls.count(self.name) > self.fails_at:
            raise ModelUnavailable("the fake is down")
        return Outcome(order=tuple(range(len(question.candidates))), tokens=10)


def row(name: str, calls: list[str] | None = None, *, each_size: bool = True, fails_at: int = 1_000) -> Row:
    return Row(name, "peer", "", lambda _: Answering(name, calls if calls is not None else [], fails_at), each_size)


def answered(name: str, walls: list[float], *, candidates: int = 50, work: Work | None = None) -> Measured:
    question = generated(60, 1, 1).questions(4, 0, 1)[0]
    outcome = Outcome(tokens=work.tokens if work else None, work=work)
    one = Measured(row(name), candidates)
    if work:
        one.row = Row(name, "ours", "", one.row.open)
    one.samples = {n: Sample(question, wall, outcome) for n, wall in enumerate(walls, start=1)}
    return one


def test_operations_by_hand() -> None:
    assert flops(SMALL, Work(tokens=5, rows=0, cells=0)) == 2 * 100 * 5
    assert flops(SMALL, Work(tokens=0, rows=2, cells=0)) == 2 * 10 * 4 * 2
    assert flops(SMALL, Work(tokens=0, rows=0, cells=15)) == 4 * 2 * 8 * 15
    assert flops(SMALL, Work(tokens=5, rows=2, cells=15)) == 1_000 + 160 + 960
    assert prefill(4) == Work(4, 1, 1 + 2 + 3 + 4)


def test_operations_of_the_default_model(llama: Llama) -> None:
    sizes = read_sizes(llama.path)
    shape = Shape(sizes.body, sizes.vocabulary, sizes.width, sizes.layers, sizes.heads * sizes.head_size)
    assert flops(shape, Work(1, 0, 0)) == pytest.approx(0.212e9, rel=0.01)
    assert flops(shape, Work(0, 1, 0)) == 2 * 49_152 * 576
    assert flops(shape, Work(0, 0, 1)) == 4 * 30 * 576


def test_sizes_that_a_file_does_not_say(tmp_path: Path) -> None:
    (tmp_path / "tiny.gguf").write_bytes(tiny_gguf())
    with pytest.raises(ModelUnavailable, match=r"does not say its llama\.block_count"):
        read_sizes(tmp_path / "tiny.gguf")


def test_the_engine_counts_the_work_that_it_does(llama: Llama) -> None:
    prefix, lines = "An untold beginning of seven words or so", [" and one end", " then another", " or none"]
    head = len(llama.tokenise(prefix, begin=True))
    tails = [len(llama.tokenise(line)) for line in lines]
    before = Work(llama.tokens_decoded, llama.rows_read, llama.cells_attended)
    llama.score(prefix, lines, Deadline.never())
    work = Work(
        llama.tokens_decoded - before.tokens, llama.rows_read - before.rows, llama.cells_attended - before.cells
    )
    assert work.tokens <= head + sum(tails)
    assert work.rows <= 1 + sum(tails)
    assert work.cells >= prefill(head).cells - prefill(head - 1).cells


def test_tokens_avoided_by_hand() -> None:
    assert tokens_avoided(50, 400, 35) == pytest.approx(21_750 / 2_150)
    assert tokens_avoided(1, 400, 35) == 1
    assert tokens_avoided(10, 0, 0) == 0


def test_paired_ratios() -> None:
    assert paired_ratio([10, 20, 40], [5, 5, 5]) == Ratio(4, None, None, 3)
    assert paired_ratio([1, 2, 3, 4, 5, 60], [1] * 6) == Ratio(3.5, 1, 60, 6)
    ten = paired_ratio([float(n) for n in range(1, 11)], [1.0] * 10)
    assert (ten.low, ten.high) == (2, 9), "one of ten may lie outside at each end: P = 11 / 1024"
    assert paired_ratio([2, 200], [1, 100]).value == 2, "what slows one repetition slows both"
    for above, below in (([], []), ([1.0], [1.0, 2.0]), ([0.0], [1.0])):
        with pytest.raises(ValueError, match="paired ratios"):
            paired_ratio(above, below)


def test_rows_take_turns_and_the_first_question_warms_up() -> None:
    calls: list[str] = []
    questions = generated(60, 3, 1).questions(4, 0, 3)
    ticks = count()
    seen: list[tuple[int, int]] = []
    measured = measure(
        NO_STAND,
        [row("a", calls), row("b", calls), row("c", calls, each_size=False)],
        [(4, questions), (8, questions)],
        progress=lambda done, of: seen.append((done, of)),
        clock=lambda: float(next(ticks)),
    )
    answers = [call for call in calls if not call.startswith("prepare")]
    assert answers == [*"abc", *"bca", *"cab", *"ab", *"ba", *"ab"]
    assert calls[:2] == ["prepare a", "a"]
    assert [(m.row.name, m.candidates, sorted(m.samples)) for m in measured] == [
        ("a", 4, [1, 2]),
        ("b", 4, [1, 2]),
        ("c", 0, [1, 2]),
        ("a", 8, [1, 2]),
        ("b", 8, [1, 2]),
    ]
    assert {s.wall_s for m in measured for s in m.samples.values()} == {1.0}
    assert seen[-1] == (15, 15)


def test_a_row_that_fails_stops_and_the_others_go_on() -> None:
    questions = generated(60, 4, 1).questions(4, 0, 4)
    broken, whole = measure(NO_STAND, [row("broken", [], fails_at=2), row("whole")], [(4, questions)])
    assert (sorted(broken.samples), broken.failed) == ([1], "the fake is down")
    assert (sorted(whole.samples), whole.failed) == ([1, 2, 3], "")


def test_judging_ends_when_its_time_is_up() -> None:
    questions = generated(60, 9, 1).questions(4, 0, 9)
    ticks = count()
    assert len(judge(NO_STAND, row("a"), questions, 5, clock=lambda: float(next(ticks))).samples) == 2
    assert len(judge(NO_STAND, row("a"), questions, math.inf).samples) == 9


def test_figures_of_a_report() -> None:
    work = Work(tokens=1_024, rows=1, cells=2 * prefill(512).cells)
    measured = [
        answered("likelihood", [0.2] * 6, work=work),
        answered("likelihood-next", [0.1] * 6, work=work),
        answered("pointwise", [0.3] * 6, work=work),
        answered("naive-pointwise", [3.0] * 6),
        answered("server-1", [0.9] * 6),
        answered("server-4", [0.4] * 6),
        answered("pp512", [0.1] * 6),
        answered("reasons-together", [1.0] * 6, candidates=0),
        answered("reasons-one-by-one", [2.0] * 6, candidates=0),
    ]
    found: Any = as_json(Report(measured, SMALL, {}, {("likelihood", "made-up-0"): (400, 35.0)}))
    assert found["headline_candidates"] == 50
    assert found["ratios"] == pytest.approx(
        {"naive_pointwise": 15, "llama_server_pointwise": 4 / 3, "next_turn": 0.5, "rationales_batched": 2}
    )
    met = {one["name"]: one["met"] for one in found["comparisons"]}
    assert met == {
        "naive_pointwise": True,
        "llama_server_pointwise": False,
        "next_turn": True,
        "rationales_batched": False,
    }
    assert {one["above"] for one in found["comparisons"]} >= {"server-4"}, "the better of the two servers"
    assert found["efficiency"]["raw"] == pytest.approx(1.0), "1,024 tokens in twice the time of 512"
    assert 0.99 < found["efficiency"]["flop_corrected"] < 1, "one row of logits in the place of two"
    first = found["rows"][0]
    assert (first["p50_ms"], first["tokens_per_s"], first["n"]) == pytest.approx((200, 5_120, 6))
    assert first["tokens_avoided"] == pytest.approx(21_750 / 2_150)
    assert json.loads(json.dumps(found)) == found


def test_every_compared_row_is_in_the_table() -> None:
    names = {row.name for row in ROWS}
    assert len(names) == len(ROWS)
    assert {name for compared in COMPARED for name in (*compared.above, *compared.below)} <= names


def test_a_tiny_run_has_the_documented_shape() -> None:
    result = palate_eval("speed", "--candidates", 4, "--users", 1, "--rows", "likelihood,naive-pointwise", "--json")
    assert result.exit_code == 0, result.output
    found = json.loads(result.stdout)
    documented = (Path(__file__).parent.parent / "docs/json.md").read_text(encoding="utf-8")
    documented = documented.partition("## eval speed")[2].split("```")[1]
    assert all(f'"{key}"' in documented for key in (*found, *found["rows"][0], *found["comparisons"][0]))
    assert list(found["ratios"]) == ["naive_pointwise"]
    ours, naive = found["rows"]
    assert (ours["row"], ours["candidates"], ours["n"], ours["failed"]) == ("likelihood", 4, 1, None)
    assert (naive["row"], naive["kind"], naive["n"], naive["failed"]) == ("naive-pointwise", "peer", 1, None)
    assert naive["tokens_decoded"] > 2 * ours["tokens_decoded"] > 0
    assert ours["tokens_avoided"] > 1
    assert ours["p50_ms"] > 0
    assert found["efficiency"] == {"raw": None, "flop_corrected": None}, "pp512 was not run"
    assert found["model"]["file_type"] == "Q4_0"
    assert found["judged"] == []


def test_peers_agree_with_the_engine(llama: Llama, llama_server: LlamaServer) -> None:
    from contextlib import closing

    from eval.speed.bindings import Bindings

    prefix, options = "Fire is hot. Ice is", ((" hot", "hot"), (" cold", "cold"))
    tails = [" very", " not", ""]
    ours = [hot - cold for hot, cold in llama.choose(prefix, tails, options, Deadline.never())]
    with closing(Bindings(llama.path, threads=llama.threads, n_gpu_layers=0)) as bindings:
        theirs = [bindings.leaning(prefix + tail, options) for tail in tails]
        shared = bindings.tokens_decoded
        bindings.forget()
        bindings.leaning(prefix + tails[-1], options)
        assert bindings.tokens_decoded > shared
    assert theirs == pytest.approx(ours, abs=0.7)  # four-bit weights answer to the shape of a batch
    with closing(Connections(llama_server.address, 1)) as connections:
        connections.renew()
        found = connections.leanings([prefix + tail for tail in tails], options)
        for connection in connections._all:
            connection.sock.shutdown(socket.SHUT_RDWR)  # as a server does with one that lay idle
        assert connections.leanings([prefix], options)
    assert all(math.isfinite(one.value) for one in found)
    assert found[1].tokens_decoded < len(llama.tokenise(prefix, begin=True))


def test_a_server_that_is_not_there_is_a_reason() -> None:
    connections = Connections("http://127.0.0.1:9", 1)
    with pytest.raises(ModelUnavailable, match="llama-server"):
        connections.leanings(["x"], ((" yes",), (" no",)))
    connections.close()


def test_a_peer_that_is_not_installed_says_how_to_install_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "litellm", None)
    with pytest.raises(ModelUnavailable, match=r"litellm is not installed.*pip install .*speed"):
        RankGPT("http://127.0.0.1:9/v1", "tiny")


def test_a_run_in_which_every_row_fails_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "litellm", None)
    result = palate_eval("speed", "--candidates", 4, "--users", 1, "--rows", "rankgpt")
    assert isinstance(result.exception, ModelUnavailable)
    assert "no row could be measured; rankgpt: " in str(result.exception)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--rows", "likelihood,warp"], "there is no row 'warp'"),
        (["--candidates", "0"], "is no list of numbers"),
        (["--candidates", "20;50"], "is no list of numbers"),
        (["--candidates", ","], "is no list of numbers"),
        (["--data", "nowhere"], "there is no data set folder nowhere"),
        (["--data", FILMS, "--rows", "likelihood", "--candidates", "4"], "holds 6 cases and 11 are needed"),
        (["--data", FILMS, "--rows", "likelihood", "--users", "2", "--candidates", "50"], "has too few items"),
        (["--model", "openai:some"], ""),
    ],
)
def test_wrong_wishes_are_errors_before_any_work(arguments: list[object], said: str) -> None:
    result = palate_eval("speed", *arguments)
    assert isinstance(result.exception, ConfigError)
    assert said in str(result.exception)
    assert result.stdout == ""


def test_numbers_of_candidates() -> None:
    assert candidates_of("50, 20,20") == (20, 50)


def test_rows_by_name_and_kind() -> None:
    everything, with_memory = chosen([])
    assert everything == ROWS
    assert with_memory
    some, with_memory = chosen(["limits", "likelihood"])
    assert [row.name for row in some] == ["likelihood", "pp512", "tg128"]
    assert not with_memory
    assert chosen(["memory"]) == ((), True)


def test_made_up_questions_repeat_and_differ_in_person() -> None:
    one, two = (generated(100, 5, 7).questions(20, 1, 3) for _ in range(2))
    assert one == two
    assert len({question.name for question in one}) == 3
    for question in one:
        assert len(question.history) == HISTORY
        assert len({item.item_id for item in (*question.history, *question.candidates)}) == HISTORY + 20
        orders = [tuple(item.item_id for item in question.turned(n)) for n in range(2 * HISTORY)]
        assert len(set(orders)) == 2 * HISTORY
        assert question.of_somebody_else.candidates == question.candidates
        assert question.of_somebody_else.history[0] != question.history[0]
    assert question.wish == two[-1].wish


def test_questions_of_a_data_set_hold_the_answer_and_not_the_history() -> None:
    source = from_data_set(DataSet.open(FILMS))
    for n in (2, 4, 6):
        for question in source.questions(n, 0, 3):
            ids = [item.item_id for item in question.candidates]
            assert len(set(ids)) == n
            assert set(question.relevant) <= set(ids)
            assert not {item.item_id for item in question.history} & set(ids)
    assert len(source.as_given(100)) == 6


def test_the_listener_hears_the_call_that_knows_the_person(llama: Llama) -> None:
    listener = Listener(llama)
    assert listener.main_call() is None
    listener.score("nobody", ["a"], Deadline.never())
    assert listener.choose("somebody liked", ["b", "c"], [[" yes"], [" no"]], Deadline.never()) == [(-1, -1)] * 2
    listener.arrange("x", ["d"], ["1", "2"], Deadline.never())
    listener.complete("y", ["e"], Deadline.never(), max_tokens=3)
    call = listener.main_call()
    assert call is not None
    assert call.prompts == ["somebody likedb", "somebody likedc"]
    assert call.options == ((" yes",), (" no",))


def test_orders_that_a_model_wrote() -> None:
    assert order_of('{"order": [2, 3, 1]}', 3) == ((1, 2, 0), True)
    assert order_of('{"order": [2, 2, 9]}', 3) == ((1, 0, 2), False)
    assert order_of('{"order": [2, 3, 1, 1]}', 3) == ((1, 2, 0), False)
    assert order_of('{"order": [2, "3"', 3) == ((0, 1, 2), False)
    assert order_of("[1]", 2) == ((0, 1), False)
    assert schema_of(3)["required"] == ["order"]


def test_memory_of_a_process(llama: Llama) -> None:
    question = generated(60, 1, 1).questions(4, 0, 1)[0]
    found = memory.measured(Settings(), llama.path.resolve(), "likelihood", question.history, question.candidates)
    assert found.weights == llama.path.stat().st_size
    assert 0 < found.before < found.after <= found.peak
    assert found.mapped + found.own <= found.after
    assert 0 < found.above_mb < 4_000


def test_memory_that_cannot_be_measured_is_a_reason(tmp_path: Path) -> None:
    question = generated(60, 1, 1).questions(4, 0, 1)[0]
    with pytest.raises(ModelUnavailable, match="in a process of its own failed"):
        memory.measured(Settings(), tmp_path / "none.gguf", "likelihood", question.history, question.candidates)


@pytest.mark.thorough
def test_quantisations_are_compared_on_the_same_cases(tmp_path: Path) -> None:
    small = tmp_path / "small.gguf"
    requantise(resolve("smollm2-135m", Settings()).path, small, kind="Q4_0")
    result = palate_eval("quantise", "--data", FILMS, "--limit", 2, "--kinds", "q8_0,Q4_0", "--model", small, "--json")
    assert result.exit_code == 0, result.output
    published, other = json.loads(result.stdout)["rows"]
    assert (published["kind"], other["kind"]) == ("Q4_0", "Q8_0")
    assert other["bytes"] > published["bytes"] > 50_000_000
    assert published["against"] is None
    assert other["against"]["n"] == published["ndcg"]["n"] == 2
    assert min(row[rate] for row in (published, other) for rate in ("reading", "writing")) > 0


def test_a_quantisation_that_there_is_not_is_refused() -> None:
    with pytest.raises(ConfigError, match="there is no quantisation 'Q9_9'"):
        compare(Settings(), None, ["Q9_9"], None, lambda _doing: nullcontext(lambda _done, _of: None), print)
