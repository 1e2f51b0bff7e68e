"""The answer in a text that comes in pieces: what is told, joined, is what the whole text would have given."""

from __future__ import annotations

import time
from collections.abc import Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agent.llm.remote.answer import Answer
from agent.llm.remote.chat import cut_at, storable
from agent.llm.thoughts import ThoughtFilter, begins_a_thought, without_thoughts

PARTS = [
    "<think>",
    "</think>",
    "<reasoning>",
    "</reasoning>",
    "<",
    "</",
    "thi",
    "nk>",
    "a",
    "b",
    " ",
    "\n",
    "END",
    "EN",
    "D",
]
TEXTS = st.lists(st.sampled_from(PARTS), max_size=14)


def told(pieces: list[str], stop: Sequence[str] = (), *, opened: bool = False) -> tuple[list[str], Answer]:
    """What is given for each piece until a stop string has come, and at the end."""
    answer = Answer(stop, opened=opened)
    given: list[str] = []
    for piece in pieces:
        given.append(answer.add(piece))
        if answer.is_over:
            return given, answer
    return [*given, answer.end()], answer


@settings(deadline=None)
@given(TEXTS)
def test_however_it_is_cut_the_answer_is_that_of_the_whole(pieces: list[str]) -> None:
    given, answer = told(pieces)
    assert answer.text == without_thoughts("".join(pieces))
    if not answer.orphans:
        assert "".join(given) == answer.text


@settings(deadline=None)
@given(TEXTS)
def test_thoughts_that_the_template_opened_are_never_given(pieces: list[str]) -> None:
    given, answer = told(pieces, opened=True)
    whole = without_thoughts("".join(pieces))
    assert answer.text == whole
    if not {"<think>", "<reasoning>"} & set(pieces) and answer.orphans <= 1:
        assert "".join(given) == whole


@settings(deadline=None)
@given(st.lists(st.sampled_from(["a", "b", " ", "EN", "END", "D", "\n", "E"]), max_size=12))
def test_a_stop_string_is_met_wherever_it_is_cut(pieces: list[str]) -> None:
    stop = ["END", "\n\n"]
    given, answer = told(pieces, stop)
    whole = cut_at("".join(pieces).strip(), stop)
    assert "".join(given) == answer.text
    assert answer.text.rstrip() == whole.rstrip()
    assert answer.is_over == any(end in "".join(pieces).lstrip() for end in stop)


@settings(deadline=None)
@given(st.lists(st.sampled_from(["\ud83c", "\udf55", "a", "\0"]), max_size=8))
def test_halves_of_a_character_are_joined(pieces: list[str]) -> None:
    assert told(pieces)[1].text == storable("".join(pieces))
    assert "\ufffd" not in told(["\ud83c", "\udf55"])[1].text


@pytest.mark.parametrize(
    ("pieces", "given"),
    [
        (["one", " two"], ["one", " two", ""]),
        ([" \n", "one ", "two "], ["", "one", " two", ""]),
        (["a<th", "ink>no</th", "ink>b"], ["a", "", "b", ""]),
        (["a <b", "> c"], ["a <b", "> c", ""]),
        (["x < y"], ["x < y", ""]),
        (["x <"], ["x", " <"]),
    ],
)
def test_a_piece_is_given_as_soon_as_it_stands(pieces: list[str], given: list[str]) -> None:
    assert told(pieces)[0] == given


def test_it_takes_one_pass() -> None:
    start = time.monotonic()
    for opened in (False, True):
        thoughts = ThoughtFilter(opened=opened)
        for _ in range(50_000):
            thoughts.add("<th")
        thoughts.end()
    assert time.monotonic() - start < 10


@pytest.mark.parametrize(
    ("text", "begins"), [("<think>", True), (" <THINKING> so", True), ("</think>", False), ("a<think>", False)]
)
def test_the_beginning_of_a_thought(text: str, begins: bool) -> None:
    assert begins_a_thought(text) is begins
