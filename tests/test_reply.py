"""The reply parser: any text gives a permutation, and every form a model may choose is read as it is meant."""

from __future__ import annotations

import json
import random
import time

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from agent.rerank.reply import Parsed, permutation_from

PIECES = r"""[ ] { } "order" : , > 1 2 3 12 0 -1 . <think> </think> ```json label a ① ３ 、 1. - **""".split()  # noqa: SIM905
LIKELY = st.lists(st.sampled_from([*PIECES, "\n", " ", "\ud800", "\0", "9" * 30])).map("".join)


def order(reply: str, n: int = 3) -> list[int]:
    """The labels in the order read, those that were not named left out."""
    parsed = permutation_from(reply, n)
    return [place + 1 for place in parsed.order[: parsed.named]]


@settings(max_examples=400, deadline=None)
@given(reply=st.one_of(st.text(), LIKELY, st.binary().map(lambda raw: raw.decode("latin-1"))), n=st.integers(-2, 40))
@example(reply="", n=0)
@example(reply="[1] > [1", n=20)
def test_any_text_gives_a_permutation(reply: str, n: int) -> None:
    parsed = permutation_from(reply, n)
    assert sorted(parsed.order) == list(range(n))
    assert parsed.named + parsed.missing == max(0, n)
    assert min(parsed.named, parsed.missing, parsed.foreign, parsed.repeated) >= 0
    rest = parsed.order[parsed.named :]
    assert list(rest) == sorted(rest)
    assert parsed == permutation_from(reply, n)


@settings(max_examples=150, deadline=None)
@given(st.permutations(range(1, 13)).flatmap(lambda p: st.integers(1, 12).map(lambda m: p[:m])), st.integers(0, 9))
def test_every_usual_form_of_an_order_is_read(labels: list[int], form: int) -> None:
    words = [str(label) for label in labels]
    reply = [
        json.dumps({"order": labels}),
        json.dumps({"order": words}, indent=2),
        json.dumps(labels),
        " > ".join(f"[{w}]" for w in words),
        "\n".join(f"{i}. [{w}] A Film ({1950 + i})" for i, w in enumerate(words, start=1)),
        "```json\n" + json.dumps({"order": labels}) + "\n```",
        "<think>12, 11, 10</think>" + json.dumps({"order": labels}) + "\nI hope this helps with your 7 films!",
        json.dumps([{"label": label, "reason": "it is the 1 for 2"} for label in labels]),
        "排序结果：" + "、".join(f"[{w}]" for w in words) + "。",
        "\n".join(f"- candidate {w}: fits" for w in words),
    ][form]
    assert order(reply, 12) == labels


@pytest.mark.parametrize(
    ("reply", "labels"),
    [
        ("", []),
        ("  \n\t ", []),
        ("I'm sorry, but I cannot rank these 3 films.", []),
        ("I cannot help with that. As of 2023, 1 in 3 people ask.", []),
        ("Sure! Here is the ranking:\n[3] > [1] > [2]\nEnjoy your evening!", [3, 1, 2]),
        ("[4] > [2] > [99]", [2]),
        ("[0] > [1] > [2]", [1, 2]),
        ("[-1, 2, 3]", [2, 3]),
        ("[2, 2, 1, 2]", [2, 1]),
        ("[2]", [2]),
        ("2", [2]),
        ("2.", [2]),
        ("[01] > [03]", [1, 3]),
        ("［３］＞［１］＞［２］", [3, 1, 2]),
        ("３、１、２", [3, 1, 2]),
        ("③ > ① > ②", [3, 1, 2]),
        ("٣، ١، ٢", [3, 1, 2]),
        ("III > I > II", []),
        ("[III] > [I] > [II]", []),
        ("three, one, two", []),
        ("[1] > [2] > [3]\nOn reflection: [3] > [2] > [1]", [3, 2, 1]),
        ("[1, 2, 3]\n[3, 2, 1]", [3, 2, 1]),
        ("Given [1], [2] and [3], the best is [3] > [1] > [2].", [3, 1, 2]),
        ("[3, 1, 2], and of these [3] is best", [3, 1, 2]),
        ('{"order": [3, 1, 2], "given": [1, 2, 3]}', [3, 1, 2]),
        ('{"given": [1, 2, 3], "order": [3, 1, 2]}', [3, 1, 2]),
        ('{"order": [[3], [1], [2]]}', [3, 1, 2]),
        ('{"order": "3 > 1 > 2"}', [3, 1, 2]),
        ('{"ranking": [{"label": 3, "score": 0.9}, {"label": "1", "score": 0.5}]}', [3, 1]),
        ('{"order": {"films": 3}}', []),
        ('{"order": null}', []),
        ("```json\n[3, 1]\n```", [3, 1]),
        ("<think>[1] > [2] > [3]</think>", []),
        ("<think>[1] > [2] > [3]", []),
        ("[1] > [2]?</think>[3] > [1]", [3, 1]),
        ("推荐顺序：3、1、2。", [3, 1, 2]),
        ("Je recommande [2], puis [1].", [2, 1]),
        ("1. 3\n2. 1\n3. 2", [3, 1, 2]),
        ("1) 3\n2) 1", [3, 1]),
        ("1、选项3\n2、选项1", [3, 1]),
        ("1. Heat (1995)\n2. Alien (1979)", []),
        ("3: Heat\n1: Alien\n2: Big", [3, 1, 2]),
        ("- 3\n- 1\n- 2", [3, 1, 2]),
        ("3 - 1 - 2", [3, 1, 2]),
        ("3 -> 1 -> 2", [3, 1, 2]),
        ("**3**, **1**", [3, 1]),
        ("Item 3 first, then item 1.", [3, 1]),
        ("#2, then #3", [2, 3]),
        ("Scores: 1.5, 2.5, 3.5", []),
        ("9999999999999999999999999, 2", [2]),
    ],
)
def test_a_reply_is_read_as_it_is_meant(reply: str, labels: list[int]) -> None:
    assert order(reply) == labels


def test_missing_foreign_and_repeated_labels_are_counted() -> None:
    assert permutation_from("[2] > [7] > [2] > [-3] > [0] > [4]", 5) == Parsed((1, 3, 0, 2, 4), 2, 3, 3, 1)
    assert permutation_from('{"order": [3, 3, 3]}', 3) == Parsed((2, 0, 1), 1, 2, 0, 2)
    assert permutation_from("[8] > [9]", 3) == Parsed((0, 1, 2), 0, 3, 2, 0)


def test_a_label_that_may_be_cut_does_not_count() -> None:
    assert order("[1] > [1", 20) == [1]
    assert order('{"order": [3, 1, 1', 20) == [3, 1]
    assert order('{"order": [3, 1, 2', 19) == [3, 1, 2]
    assert order("[3] > [2", 5) == [3, 2]
    assert order("3, 2", 40) == [3, 2]


def test_a_list_given_twice_repeats_nothing_and_a_longer_one_does() -> None:
    assert permutation_from("1 2 3 3 2 1", 3) == Parsed((2, 1, 0), 3, 0, 0, 0)
    assert permutation_from("1 2 3 3 2", 3) == Parsed((0, 1, 2), 3, 0, 0, 2)


def test_a_whole_order_survives_a_long_reply() -> None:
    labels = random.Random(7).sample(range(1, 101), 100)
    assert order(json.dumps({"order": labels}) + "\n" + "so it is. " * 100_000, 100) == labels


UNITS = r"""1 [ <think> </think> - "order": "order":[1, # ** 1, ﷺ ［１］ ]""".split()  # noqa: SIM905


@pytest.mark.parametrize("unit", [*UNITS, "[1] > ", "[ ", "1. ", "1\n", "\n", " ", "label ", "label: ["])
def test_a_megabyte_is_read_in_linear_time(unit: str) -> None:
    start = time.monotonic()
    permutation_from(unit * (1_000_000 // len(unit)), 30)
    assert time.monotonic() - start < 5
