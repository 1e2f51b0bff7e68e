"""Choosing, arranging and writing after a shared prefix, with the real default model."""

import json
import threading
from contextlib import closing

import numpy as np
import pytest

from agent.deadline import Deadline
from agent.errors import ModelTimeout, PromptError
from agent.llm.base import Sampling
from agent.llm.local.llama import Llama
from agent.llm.local.options import Options
from agent.llm.local.writing import Arrangement, drawn
from agent.rerank.listwise import order_schema

NEVER = Deadline.never()
CAPITALS = "Capital of France: Paris\nCapital of Italy: Rome\n"
ASKED = ["Capital of Spain:", "Capital of Japan:", "Capital of Germany:", "Capital of Spain:"]


def test_a_choice_is_the_score_of_its_first_token(llama: Llama) -> None:
    found = llama.choose(CAPITALS, ASKED, [[" Madrid"], [" Tokyo"], [" Berlin"]], NEVER)
    for suffix, chances in zip(ASKED, found, strict=True):
        scores = llama.score(CAPITALS + suffix, [" Madrid", " Tokyo", " Berlin"], NEVER)
        assert chances == pytest.approx([score.logprob for score in scores], abs=0.3)
    assert [int(np.argmax(chances)) for chances in found][1:3] == [1, 2]
    assert found[0] == found[3]


def test_spellings_of_one_token_are_summed(llama: Llama) -> None:
    (alone,) = llama.choose(CAPITALS, ASKED[:1], [[" Madrid"], [" Rome"]], NEVER)
    ((both,),) = llama.choose(
        CAPITALS, ASKED[:1], [[" Madrid", " Rome", " Madrid", "no single token of any model"]], NEVER
    )
    assert both == pytest.approx(np.logaddexp(*alone), abs=1e-4)
    assert max(alone) < both < 0


def test_options_that_cannot_be_told_apart_are_refused(llama: Llama) -> None:
    with pytest.raises(PromptError, match="same token"):
        llama.choose(CAPITALS, ASKED, [[" A"], [" B", " A"]], NEVER)
    with pytest.raises(PromptError, match="one token"):
        llama.choose(CAPITALS, ASKED, [["more than one token"]], NEVER)
    assert llama.choose(CAPITALS, [], [[" A"]], NEVER) == []


def test_an_empty_suffix_asks_the_prefix(llama: Llama) -> None:
    whole = llama.choose(CAPITALS + "Capital of Japan:", [""], [[" Tokyo"]], NEVER)
    parts = llama.choose(CAPITALS, ["Capital of Japan:"], [[" Tokyo"]], NEVER)
    assert whole[0] == pytest.approx(parts[0], abs=0.3)


def test_arranged_labels_are_a_permutation_and_the_first_is_the_likeliest(llama: Llama) -> None:
    labels = [f" {chr(65 + n)}" for n in range(20)]
    suffixes = [f"Letters, in the order of {name}:" for name in ("the alphabet", "beauty", "the alphabet")]
    orders = llama.arrange("Answer with letters.\n", suffixes, labels, NEVER)
    assert all(sorted(order) == list(range(20)) for order in orders)
    assert orders[0] == orders[2]
    chances = llama.choose("Answer with letters.\n", suffixes, [[label] for label in labels], NEVER)
    assert [order[0] for order in orders] == [int(np.argmax(row)) for row in chances]


def test_few_labels_and_none(llama: Llama) -> None:
    assert llama.arrange("x", ["y"], [" A"], NEVER) == [(0,)]
    assert llama.arrange("x", ["y", "z"], [], NEVER) == [(), ()]
    assert llama.arrange("x", [], [" A"], NEVER) == []
    with pytest.raises(PromptError, match="same token"):
        llama.arrange("x", ["y"], [" A", " A"], NEVER)


def test_an_arrangement_takes_the_likeliest_of_those_left() -> None:
    writer = Arrangement([4, 5, 6], [9])
    logits = np.array([9, 9, 9, 9, 1, 3, 2], dtype=np.float32)
    assert writer.next(logits) == (5, 9)
    assert writer.next(logits) == ()
    assert writer.order == [1, 2, 0]


def test_a_schema_is_followed(llama: Llama) -> None:
    replies = llama.complete("Rank 1 to 5.\n", ["Order:", "Best first:"], NEVER, max_tokens=80, schema=order_schema(5))
    for reply in replies:
        order = json.loads(reply.text)["order"]
        assert len(order) == 5
        assert set(order) <= {1, 2, 3, 4, 5}
        assert reply.finish_reason == "stop"


def test_a_schema_that_no_grammar_can_say_is_refused(llama: Llama) -> None:
    with pytest.raises(PromptError, match="schema"):
        llama.complete("x", ["y"], NEVER, max_tokens=4, schema={"$ref": "#/nowhere"})


def test_a_seed_repeats_the_text(llama: Llama) -> None:
    sampling = Sampling(temperature=1.2, top_p=0.95, seed=7)
    one, two = (llama.complete("Once upon a time", [" there"], NEVER, max_tokens=12, sampling=sampling) for _ in "ab")
    other = llama.complete("Once upon a time", [" there"], NEVER, max_tokens=12, sampling=Sampling(1.2, 0.95, 8))
    assert one[0].text == two[0].text
    assert one[0].text != other[0].text


def test_every_text_has_a_seed_of_its_own_and_company_changes_no_draw() -> None:
    logits = np.random.default_rng(0).normal(0, 3, 5_000).astype(np.float32)
    rounded = logits + np.random.default_rng(1).normal(0, 1e-4, logits.size).astype(np.float32)
    sampling = Sampling(temperature=10.0)
    draws = [[drawn(row, sampling, np.random.default_rng(seed)) for seed in range(50)] for row in (logits, rounded)]
    assert draws[0] == draws[1]
    assert len(set(draws[0])) > 40


def test_drawing_follows_the_chances() -> None:
    logits = np.log(np.array([0.5, 0.3, 0.15, 0.05], dtype=np.float32))
    chance = np.random.default_rng(1)
    counts = np.bincount([drawn(logits, Sampling(1.0), chance) for _ in range(4000)], minlength=4) / 4000
    assert counts == pytest.approx([0.5, 0.3, 0.15, 0.05], abs=0.03)
    within = {drawn(logits, Sampling(1.0, 0.7), chance) for _ in range(500)}
    assert within == {0, 1}
    assert drawn(logits, Sampling(0.0), chance) == 0


def test_pieces_are_told_as_they_stand_and_add_up(llama: Llama) -> None:
    told: dict[int, list[str]] = {}

    def hear(n: int, piece: str) -> bool:
        told.setdefault(n, []).append(piece)
        return True

    whole = llama.complete(CAPITALS, ASKED, NEVER, max_tokens=12, stop=["\nCapital of"], on_text=hear)
    assert ["".join(told[n]) for n in range(4)] == [reply.text for reply in whole]
    assert all("\nCapital of" not in reply.text for reply in whole)
    assert whole == llama.complete(CAPITALS, ASKED, NEVER, max_tokens=12, stop=["\nCapital of"])


def test_characters_are_told_whole(llama: Llama) -> None:
    told: list[str] = []
    llama.complete(
        "Ten smileys: 😀😁😂🤣😃😄", [" 😅"], NEVER, max_tokens=24, on_text=lambda n, p: bool(told.append(p)) or True
    )
    assert "�" not in "".join(told)


def test_one_text_is_cancelled_and_the_others_go_on(llama: Llama) -> None:
    heard: list[int] = []

    def hear(n: int, piece: str) -> bool:
        heard.append(n)
        return n != 1 or heard.count(1) < 3

    first, second = llama.complete("Count: one two three", [" four", " 4 5"], NEVER, max_tokens=20, on_text=hear)
    assert (second.finish_reason, second.tokens_out) == ("cancelled", 3)
    assert first.finish_reason in {"stop", "length"}
    assert first.tokens_out > 3


def test_a_cancelled_text_gives_its_cells_back_at_once(llama: Llama) -> None:
    with closing(
        Llama(llama.path, name="small", sha256="", options=Options(context_tokens=256, n_gpu_layers=0))
    ) as small:
        for _ in range(20):
            small.complete("word " * 60, [" again", " once"], NEVER, max_tokens=60, on_text=lambda n, p: False)
        assert small.score("word " * 60, [" again"], NEVER)[0].logprob < 0


def test_the_deadline_ends_writing(llama: Llama) -> None:
    told: list[str] = []  # each piece takes a tenth of a second of this clock
    deadline = Deadline(0.55, lambda: len(told) / 10)
    with pytest.raises(ModelTimeout):
        llama.complete(
            "Once upon a time", [" there"], deadline, max_tokens=2000, on_text=lambda _n, p: not told.append(p)
        )
    assert len(told) <= 6
    assert llama.score("Once upon a time", [" there"], NEVER)
    assert len(told) <= 6


def test_more_texts_than_are_decoded_at_once(llama: Llama) -> None:
    suffixes = [f"Number {n}, Number {n + 1}, Number" for n in range(45)]
    together = llama.complete("Numbers: ", suffixes, NEVER, max_tokens=3)
    assert [t.tokens_out for t in together] == [3] * 45
    alone = llama.complete("Numbers: ", suffixes[40:41], NEVER, max_tokens=3)
    assert together[40].text == alone[0].text


def test_at_least_one_token_is_asked_for(llama: Llama) -> None:
    with pytest.raises(PromptError, match="at least 1"):
        llama.complete("x", ["y"], NEVER, max_tokens=0)


def test_writing_and_scoring_from_several_threads(llama: Llama) -> None:
    expected = llama.complete(CAPITALS, ASKED[:1], NEVER, max_tokens=4, stop=["\n"])[0].text
    found: list[str] = []
    threads = [
        threading.Thread(
            target=lambda: found.append(llama.complete(CAPITALS, ASKED[:1], NEVER, max_tokens=4, stop=["\n"])[0].text)
        )
        for _ in range(4)
    ]
    for thread in threads:
        thread.start()
    llama.score(CAPITALS, ASKED, NEVER)
    for thread in threads:
        thread.join()
    assert found == [expected] * 4
