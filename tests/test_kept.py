"""A model whose answers are kept: what is asked, what is not, what stands in the notes."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from agent.deadline import Deadline
from agent.errors import ModelTimeout, ModelUnavailable
from agent.llm.base import Completion, Sampling
from agent.llm.scripted import Scripted
from agent.store.cache import Cache
from eval.running.kept import ASKED, FILE, KEPT, UNAVAILABLE, Kept
from eval.running.replies import is_refusal
from eval.running.trace import cut

NEVER = Deadline.never()


@pytest.fixture
def cache(tmp_path: Path) -> Iterator[Cache]:
    with Cache(tmp_path / FILE) as found:
        yield found


def model(**more: object) -> Scripted:
    return Scripted(
        lambda prefix, suffix: f"reply to {suffix}",
        scores=lambda prefix, text: -float(len(text)),
        fingerprint="f" * 64,
        **more,  # type: ignore[arg-type]
    )


def ask_all(kept: Kept) -> list[object]:
    return [
        kept.score("p", ["a", "bb"], NEVER),
        kept.choose("p", ["x", "y"], [[" yes", "yes"], [" no"]], NEVER),
        kept.arrange("p", ["x"], ["1", "22", "333"], NEVER),
        kept.complete("p", ["x", "y"], NEVER, max_tokens=9),
    ]


def test_every_method_answers_the_second_time_without_the_model(cache: Cache) -> None:
    first, second = model(), model()
    one = Kept(first, cache, seed=1)
    noted = one.begin(0)
    answers = ask_all(one)
    assert noted.calls == {ASKED: 4, KEPT: 0}
    other = Kept(second, cache, seed=1)
    again = other.begin(0)
    assert ask_all(other) == answers
    assert again.calls == {ASKED: 0, KEPT: 4}
    assert len(first.calls) == 4
    assert second.calls == []
    assert again.trace == noted.trace
    assert again.tokens == noted.tokens == {"in": 2, "out": 6}


def test_what_an_answer_depends_on_is_in_its_key(cache: Cache) -> None:
    def asked(
        *, seed: int = 1, repeat: int = 0, prefix: str = "p", fingerprint: str = "f", run_as: str = "", **how: object
    ) -> int:
        inner = Scripted(lambda *_: "r", scores=lambda *_: -1.0, fingerprint=fingerprint)
        kept = Kept(inner, cache, seed=seed, run_as=run_as)
        kept.begin(repeat)
        kept.complete(prefix, ["s"], NEVER, **{"max_tokens": 5, **how})  # type: ignore[arg-type]
        return len(inner.calls)

    assert asked() == 1
    assert asked() == 0
    for other in (
        {"seed": 2},
        {"repeat": 1},
        {"prefix": "q"},
        {"fingerprint": "g"},
        {"run_as": "another precision"},
        {"max_tokens": 6},
        {"stop": ["."]},
        {"schema": {"type": "object"}},
        {"sampling": Sampling(temperature=0.5)},
        {"sampling": Sampling(temperature=0.5, seed=3)},
    ):
        assert asked(**other) == 1, other  # type: ignore[arg-type]
        assert asked(**other) == 0, other  # type: ignore[arg-type]


def test_what_is_drawn_is_drawn_anew_in_each_repeat_and_with_each_seed(cache: Cache) -> None:
    seeds = set()
    for seed, repeat, temperature in [(1, 0, 0.5), (1, 1, 0.5), (2, 0, 0.5), (1, 0, 0.0), (1, 1, 0.0)]:
        inner = Scripted(lambda *_: "r", fingerprint="f")
        kept = Kept(inner, cache, seed=seed, fresh=True)
        kept.begin(repeat)
        kept.complete("p", ["s"], NEVER, max_tokens=5, sampling=Sampling(temperature=temperature, seed=3))
        drawn = inner.calls[0].sampling
        seeds.add(drawn.seed)
    assert len(seeds) == 4  # three drawn apart; at temperature 0 the seed that was given
    assert 3 in seeds


def test_failures_are_not_kept(cache: Cache) -> None:
    inner = Scripted([ModelUnavailable("down"), "up"], fingerprint="f")
    kept = Kept(inner, cache, seed=0)
    noted = kept.begin(0)
    with pytest.raises(ModelUnavailable):
        kept.complete("p", ["s"], NEVER, max_tokens=5)
    assert kept.complete("p", ["s"], NEVER, max_tokens=5)[0].text == "up"
    assert noted.calls[ASKED] == 2
    assert kept.complete("p", ["s"], NEVER, max_tokens=5)[0].text == "up"
    assert noted.calls[KEPT] == 1
    with pytest.raises(ModelTimeout):
        kept.score("p", ["s"], Deadline(0))


def test_fresh_asks_again_and_replaces(cache: Cache) -> None:
    for text in ("old", "new"):
        Kept(Scripted([text], fingerprint="f"), cache, seed=0, fresh=True).complete("p", ["s"], NEVER, max_tokens=5)
    found = Kept(Scripted([], fingerprint="f"), cache, seed=0).complete("p", ["s"], NEVER, max_tokens=5)
    assert found[0].text == "new"


def test_a_listener_hears_kept_texts_and_what_it_cuts_short_is_not_kept(cache: Cache) -> None:
    heard: list[tuple[int, str]] = []

    def listen(n: int, piece: str) -> bool:
        heard.append((n, piece))
        return True

    inner = Scripted(lambda *_: "two words", fingerprint="f")
    kept = Kept(inner, cache, seed=0)
    kept.complete("p", ["a"], NEVER, max_tokens=5, on_text=listen)
    kept.complete("p", ["a"], NEVER, max_tokens=5, on_text=listen)
    assert heard == [(0, "two"), (0, " words"), (0, "two words")]
    kept.complete("p", ["b"], NEVER, max_tokens=5, on_text=lambda n, piece: False)
    assert kept.complete("p", ["b"], NEVER, max_tokens=5)[0].text == "two words"
    assert len(inner.calls) == 3


def test_the_notes_count_what_was_wrong_with_replies_and_hold_the_calls_in_words(cache: Cache) -> None:
    long = Completion("x " * 20_000, "length", 7, 9)
    inner = Scripted([long, "I'm sorry, but I cannot rank films.", "3 1 2"], scores=lambda *_: -1.5, fingerprint="f")
    kept = Kept(inner, cache, seed=0)
    noted = kept.begin(0)
    for suffix in "abc":
        kept.complete("asked ", [suffix], NEVER, max_tokens=9)
    kept.score("scored\n", ["one", "two"], NEVER)
    assert noted.flaws == {"truncated": 1, "refused": 1}
    assert noted.tokens["in"] == 7 + 2 + 2
    cutoff, refusal, _, scores = noted.trace
    assert str(cutoff["reply"]).endswith("more characters]")
    assert refusal == {"method": "complete", "prompt": "asked b", "reply": "I'm sorry, but I cannot rank films."}
    assert scores["prompt"] == "scored\n\n> one\n> two"
    assert str(scores["reply"]).split() == ["-1.500", "one", "-1.500", "two"]
    assert json.loads(json.dumps(noted.trace)) == noted.trace
    kept.begin(0)
    assert len(noted.trace) == 4, "the notes of a case that is over do not grow"


def test_it_is_the_other_model_in_all_else(cache: Cache) -> None:
    inner = model(control_tokens=["<|end|>"], name="inner")
    kept = Kept(inner, cache, seed=0)
    assert (kept.name, kept.fingerprint, kept.abilities) == (inner.name, inner.fingerprint, inner.abilities)
    assert kept.control_tokens == ("<|end|>",)
    kept.close()
    assert not inner.closed


def test_threads_may_ask_together(cache: Cache) -> None:
    kept = Kept(model(), cache, seed=0)
    noted = kept.begin(0)
    threads = [threading.Thread(target=kept.score, args=(f"p{n % 3}", ["a"], NEVER)) for n in range(12)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert noted.calls[ASKED] + noted.calls[KEPT] == len(noted.trace) == 12
    assert noted.calls[ASKED] >= 3


def test_a_cache_that_is_damaged_costs_calls_and_nothing_else(tmp_path: Path) -> None:
    (tmp_path / FILE).write_bytes(b"no database" * 100)
    with Cache(tmp_path / FILE) as broken:
        inner = model()
        kept = Kept(inner, broken, seed=0)
        assert kept.score("p", ["a"], NEVER) == kept.score("p", ["a"], NEVER)
        assert len(inner.calls) == 2


@pytest.mark.parametrize(
    "text",
    ["I'm sorry, but I can't help", "  As an AI language model", "抱歉，我无法", "Unfortunately I am unable to say"],
)
def test_refusals(text: str) -> None:
    assert is_refusal(text)


@pytest.mark.parametrize("text", ["", "[3] > [1]", '{"order": [1]}', "I can see that", "Sorry, Wrong Number (1948)"])
def test_no_refusals(text: str) -> None:
    assert not is_refusal(text)


def test_cut_says_how_much_is_gone() -> None:
    assert cut("abc", 3) == "abc"
    assert cut("abcd" * 500, 4) == "abcd [1,996 more characters]"


def test_a_model_that_is_down_is_noted(cache: Cache) -> None:
    def down(*_: str) -> str:
        raise ModelUnavailable("down")

    kept = Kept(Scripted(down), cache, seed=0)
    noted = kept.begin(0)
    with pytest.raises(ModelUnavailable):
        kept.complete("a", ["b"], NEVER, max_tokens=3)
    assert noted.flaws == {UNAVAILABLE: 1}
