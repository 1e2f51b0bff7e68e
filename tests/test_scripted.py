"""The scripted model keeps the promises of every model, and records what it was asked."""

from __future__ import annotations

import math
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest

from agent.deadline import Deadline
from agent.errors import ConfigError, ModelTimeout, ModelUnavailable, PromptError
from agent.llm.base import Completion, Model
from agent.llm.scripted import Call, Scripted

NEVER = Deadline.never()


def _always(logprob: float) -> Callable[[str, str], float]:
    return lambda _prefix, _continuation: logprob


def test_is_a_model() -> None:
    model: Model = Scripted(["yes"])
    assert model.complete("Q: ", ["a"], NEVER, max_tokens=5) == [Completion("yes", "stop", 2, 1)]


def test_replies_are_taken_in_order_across_calls() -> None:
    model = Scripted(["one", "two", "three"])
    assert [c.text for c in model.complete("", ["a", "b"], NEVER, max_tokens=5)] == ["one", "two"]
    assert [c.text for c in model.complete("", ["c"], NEVER, max_tokens=5)] == ["three"]
    with pytest.raises(ModelUnavailable, match="no reply left"):
        model.complete("", ["d"], NEVER, max_tokens=5)


def test_a_function_sees_prefix_and_suffix() -> None:
    model = Scripted(lambda prefix, suffix: f"{prefix}|{suffix}")
    assert [c.text for c in model.complete("p", ["a", "b"], NEVER, max_tokens=5)] == ["p|a", "p|b"]


def test_no_suffix_gives_no_completion() -> None:
    assert Scripted([]).complete("p", [], NEVER, max_tokens=5) == []


def test_an_error_in_the_script_is_raised() -> None:
    with pytest.raises(PromptError, match="too long"):
        Scripted([PromptError("too long")]).complete("", ["a"], NEVER, max_tokens=5)
    with pytest.raises(ModelTimeout, match="late"):
        Scripted(lambda _prefix, _suffix: ModelTimeout("late")).complete("", ["a"], NEVER, max_tokens=5)


def test_a_text_is_cut_as_a_model_would_cut_it() -> None:
    model = Scripted(["a clever film\nNext: x", "one two three four"])
    stopped, cut = model.complete("p q", ["", " r"], NEVER, max_tokens=3, stop=["\n", ""])
    assert stopped == Completion("a clever film", "stop", 2, 3)
    assert cut == Completion("one two three", "length", 3, 3)


def test_a_whole_completion_is_passed_through() -> None:
    whole = Completion("cut of", "length", 7, 9)
    assert Scripted([whole]).complete("", ["a"], NEVER, max_tokens=1) == [whole]


def test_scores_come_from_the_function() -> None:
    model = Scripted(scores=lambda prefix, continuation: -float(len(prefix) + len(continuation)))
    assert [(s.logprob, s.tokens) for s in model.score("ab", [" c d", ""], NEVER)] == [(-6.0, 2), (-2.0, 1)]
    assert model.score("ab", [], NEVER) == []


def test_a_log_probability_above_zero_is_refused() -> None:
    for wrong in (0.1, float("nan")):
        with pytest.raises(ConfigError, match="never above 0"):
            Scripted(scores=_always(wrong)).score("", ["a"], NEVER)


def test_scores_need_a_script() -> None:
    with pytest.raises(ModelUnavailable, match="no script for scores"):
        Scripted(["a"]).score("", ["a"], NEVER)


def test_abilities_follow_from_the_script_unless_given() -> None:
    assert Scripted([]).abilities == {"chat", "continue"}
    assert Scripted(scores=lambda _p, _c: 0.0).abilities == {"score", "choose", "arrange"}
    assert Scripted([], abilities=["continue"]).abilities == {"continue"}
    assert Scripted().abilities == frozenset()


def test_one_text_instead_of_a_list_is_refused() -> None:
    with pytest.raises(ConfigError, match="list of texts"):
        Scripted("yes")


def test_fingerprints_differ_unless_given() -> None:
    assert Scripted([]).fingerprint != Scripted([]).fingerprint
    assert Scripted([], fingerprint="f").fingerprint == "f"


def test_every_call_is_recorded() -> None:
    model = Scripted(["a"], scores=lambda _p, _c: -1.0)
    model.complete("p", ["s"], NEVER, max_tokens=4, stop=["\n"], schema={"type": "object"})
    model.score("p", ["c"], NEVER)
    assert model.calls == [
        Call("complete", "p", ("s",), 4, ("\n",), {"type": "object"}),
        Call("score", "p", ("c",)),
    ]


def test_a_delay_beyond_the_deadline_is_a_timeout_at_the_deadline() -> None:
    slept: list[float] = []
    with pytest.raises(ModelTimeout):
        Scripted(["a"], delay_s=5, sleep=slept.append).complete("", ["a"], Deadline(0.05, lambda: 7.0), max_tokens=5)
    assert slept == [pytest.approx(0.05)]
    assert Scripted(["a"], delay_s=0.01).complete("", ["a"], Deadline(5), max_tokens=5)[0].text == "a"


def test_an_expired_deadline_is_a_timeout_at_once() -> None:
    with pytest.raises(ModelTimeout):
        Scripted(["a"]).complete("", ["a"], Deadline(0), max_tokens=5)


def test_a_closed_model_refuses() -> None:
    model = Scripted(["a"])
    model.close()
    model.close()
    with pytest.raises(ModelUnavailable, match="closed"):
        model.complete("", ["a"], NEVER, max_tokens=5)


def test_threads_share_one_script_without_loss() -> None:
    model = Scripted([str(i) for i in range(200)])
    with ThreadPoolExecutor(8) as pool:
        texts = list(pool.map(lambda _: model.complete("", ["a"], NEVER, max_tokens=5)[0].text, range(200)))
    assert sorted(texts, key=int) == [str(i) for i in range(200)]


def test_options_and_labels_are_weighed_by_the_scores() -> None:
    model = Scripted(scores=lambda _prefix, text: math.log({" yes": 0.5, "Yes": 0.25, " no": 0.125}[text]))
    assert model.choose("p", ["s"], [[" yes", "Yes"], [" no"]], NEVER) == [
        pytest.approx((math.log(0.75), math.log(0.125)))
    ]
    assert model.arrange("p", ["s"], [" no", "Yes", " yes"], NEVER) == [(2, 1, 0)]
    assert [call.kind for call in model.calls] == ["choose", "arrange"]


def test_a_listener_may_stop_a_reply() -> None:
    reply = Scripted(["one two three"]).complete(
        "p", ["s"], NEVER, max_tokens=9, on_text=lambda _n, piece: piece == "one"
    )
    assert (reply[0].text, reply[0].finish_reason) == ("one two", "cancelled")
