"""Models, prompts and options that are not as they should be: a clear error, and the engine goes on."""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest

from agent.deadline import Deadline
from agent.errors import ModelTimeout, PalateError
from agent.llm.base import Sampling
from agent.llm.local.llama import Llama
from agent.llm.local.options import Options
from agent.llm.local.prefix import SEQUENCES
from agent.rerank.strategies import NEEDS, Workshop
from agent.store.cache import Cache
from tests.rerank_contract import HISTORY, many
from tests.support.alone import Answer, opened
from tests.support.tiny_gguf import CONTEXT, KINDS

NEVER = Deadline.never()
CAPITALS = "Capital of France: Paris\nCapital of Italy: Rome\n"
ASKED = ["Capital of Japan:", "Capital of Germany:"]
CITIES = [[" Tokyo"], [" Berlin"]]
LONG = "Film " + " ".join(f"word{n}" for n in range(600))
LINES = [f" Film {n} with words and more words {n * 7}" for n in range(400)]

WORKS = ("llama", "short", "shortest", "letterless")
REFUSED = {
    "mamba": "is a recurrent model",
    "lfm2": "is a recurrent model",
    "bert": "is an embedding or reranking model",
    "embedder": "is an embedding or reranking model",
    "t5": "is a model of the kind t5, which cannot go on with a text",
    "wordless": "is a model of the kind llama, which cannot go on with a text",
}
OPTIONS: list[dict[str, object]] = [
    *({"context_tokens": n} for n in (5, SEQUENCES - 1, SEQUENCES, SEQUENCES + 1)),
    *({"ubatch_tokens": n} for n in (1, 32, 4 * CONTEXT)),
    *({"cache_type": kind, "flash_attention": switch} for kind in ("q8_0", "q4_0") for switch in ("auto", "on")),
    *({"cache_type": kind, "flash_attention": switch} for kind in ("f32", "bf16") for switch in ("auto", "off")),
    {"threads": 1},
]

Ask = Callable[[Llama, Deadline], object]
CALLS: dict[str, Ask] = {
    "score": lambda model, deadline: model.score(LONG, LINES, deadline),
    "choose": lambda model, deadline: model.choose(LONG, LINES, CITIES, deadline),
    "arrange": lambda model, deadline: model.arrange(LONG, LINES, [" A", " B", " C"], deadline),
    "complete": lambda model, deadline: model.complete(LONG, LINES[:20], deadline, max_tokens=1_500),
}


def answers_well(model: Llama) -> bool:
    """Whether the default model still knows its capitals."""
    (tokyo, not_berlin), (not_tokyo, berlin) = model.choose(CAPITALS, ASKED, CITIES, NEVER)
    return tokyo > not_berlin and berlin > not_tokyo


def refusal(ask: Callable[[], object]) -> str:
    """The error that it raises, which must be one line and say what to do."""
    with pytest.raises(PalateError) as caught:
        ask()
    assert "\n" not in str(caught.value)
    assert caught.value.hint
    return str(caught.value)


def again(llama: Llama, **options: object) -> Llama:
    """The default model, opened once more."""
    return Llama(llama.path, name="again", sha256=llama.fingerprint, options=Options(**options))  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """A tiny model of each kind."""
    folder = tmp_path_factory.mktemp("models")
    for kind, made in KINDS.items():
        (folder / f"{kind}.gguf").write_bytes(made())
    return {kind: folder / f"{kind}.gguf" for kind in KINDS}


@pytest.fixture(scope="module")
def tiny(files: dict[str, Path]) -> Iterator[Llama]:
    """A tiny model with random weights; being unquantised, it is exact."""
    with closing(Llama(files["llama"], name="tiny", sha256="tiny")) as model:
        yield model


# ---- models of other kinds -------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def by_kind(files: dict[str, Path]) -> dict[str, Answer]:
    return dict(zip(files, opened([(path, {}) for path in files.values()]), strict=True))


@pytest.fixture(scope="module")
def by_options(files: dict[str, Path]) -> list[Answer]:
    return opened([(files["llama"], options) for options in OPTIONS])


def check_exact(answer: Answer) -> None:
    assert "the context holds" in str(answer["fault"])
    assert answer["whole"] == pytest.approx(answer["parts"], abs=0.001)
    beside = answer["beside"]
    assert isinstance(beside, list)
    assert answer["whole"] == pytest.approx(beside[1], abs=0.001)
    assert answer["written"] == 2


@pytest.mark.parametrize("kind", WORKS)
def test_a_model_that_can_go_on_with_a_text_does(by_kind: dict[str, Answer], kind: str) -> None:
    check_exact(by_kind[kind])


@pytest.mark.parametrize("kind", REFUSED)
def test_a_model_that_cannot_is_refused_by_its_name(
    by_kind: dict[str, Answer], files: dict[str, Path], kind: str
) -> None:
    answer = by_kind[kind]
    assert answer["refused"] == "ModelUnavailable"
    assert str(answer["told"]).startswith(f"{files[kind]} {REFUSED[kind]}")
    assert ". Choose a " in str(answer["told"])


def test_a_model_without_chat_template_has_labels_and_options(by_kind: dict[str, Answer]) -> None:
    order = by_kind["llama"]["order"]
    assert isinstance(order, list)
    assert sorted(order) == [0, 1, 2, 3]
    assert isinstance(by_kind["llama"]["choice"], list)


def test_a_vocabulary_without_the_words_says_which(by_kind: dict[str, Answer]) -> None:
    for kind in ("letterless", "bytes"):
        assert "no spelling of the option [' likes', 'likes'] is one token" in str(by_kind[kind]["choice"])
        assert "no spelling of the option [' A'] is one token" in str(by_kind[kind]["order"])


def test_more_labels_than_the_context_takes(by_kind: dict[str, Answer]) -> None:
    assert "PromptError: the prompt takes 2 + 7 tokens, and the context holds 8" in str(by_kind["shortest"]["order"])


def test_weights_that_are_no_numbers_are_an_error_and_no_score(by_kind: dict[str, Answer]) -> None:
    for asked in ("parts", "whole", "beside", "choice", "order", "written"):
        assert "ModelUnavailable: the model computes no numbers" in str(by_kind["damaged"][asked])


@pytest.mark.parametrize("n", range(len(OPTIONS)), ids=[str(options) for options in OPTIONS])
def test_options_change_memory_and_speed_alone(by_options: list[Answer], n: int) -> None:
    check_exact(by_options[n])


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({"context_tokens": 0}, "model.context_tokens is 0. Choose 1 to"),
        ({"context_tokens": -1}, "model.context_tokens is -1"),
        ({"context_tokens": 2**40}, "model.context_tokens is"),
        ({"ubatch_tokens": 0}, "model.ubatch_tokens is 0"),
        ({"threads": 0}, "model.threads is 0"),
        ({"threads": 100_000}, "model.threads is 100000. Choose 1 to 512"),
        ({"n_gpu_layers": -2}, "model.n_gpu_layers is -2"),
        ({"main_gpu": -1}, "model.main_gpu is -1"),
        ({"cache_type": "q8_0", "flash_attention": "off"}, "q8_0 needs flash attention, which is off"),
    ],
)
def test_options_that_llama_cpp_would_not_survive_are_refused(options: dict[str, object], told: str) -> None:
    assert told in refusal(lambda: Options(**options))  # type: ignore[arg-type]


# ---- texts -----------------------------------------------------------------------------------------------------------


def test_a_text_that_goes_on_gets_no_space_of_its_own(tiny: Llama) -> None:
    assert [tiny.piece(token) for token in tiny.tokenise(" yes")] == [b" yes"]
    assert [tiny.piece(token) for token in tiny.tokenise("yes")] == [b"y", b"e", b"s"]
    assert tiny.tokenise("") == []
    for head, rest in (("the", " film"), ("the film", "s"), ("the", ", film"), ("the", " "), ("the", "\n film")):
        assert tiny.tokenise(head, begin=True) + tiny.tokenise(rest) == tiny.tokenise(head + rest, begin=True)


def test_more_tokens_than_bytes(files: dict[str, Path]) -> None:
    with closing(Llama(files["bytes"], name="bytes", sha256="")) as model:
        assert b"".join(model.piece(token) or b"" for token in model.tokenise("a b " * 9)).count(b"a") == 9


@pytest.mark.parametrize("more", [0, 1])
def test_a_prefix_as_long_as_the_context(tiny: Llama, more: int) -> None:
    usual = tiny.score("the", [" film"], NEVER)
    prefix = "the" + " film" * (CONTEXT - 2 + more)
    assert len(tiny.tokenise(prefix, begin=True)) == CONTEXT + more
    if more:
        assert f"{CONTEXT + 1} + 0 tokens" in refusal(lambda: tiny.score(prefix, [""], NEVER))
        assert "the context holds" in refusal(lambda: tiny.choose(prefix, [""], [[" yes"]], NEVER))
    else:
        assert tiny.score(prefix, ["", ""], NEVER)[1].logprob == 0
        assert len(tiny.choose(prefix, [""], [[" yes"], [" no"]], NEVER)[0]) == 2
    for ask in (
        lambda: tiny.score(prefix, [" yes"], NEVER),
        lambda: tiny.arrange(prefix, [""], [" A", " B"], NEVER),
        lambda: tiny.complete(prefix, [""], NEVER, max_tokens=1),
    ):
        assert f"the context holds {CONTEXT}" in refusal(ask)
    assert tiny.score("the", [" film"], NEVER)[0].logprob == pytest.approx(usual[0].logprob, abs=1e-5)


def test_the_last_cell_holds_what_many_texts_need_in_turn(tiny: Llama) -> None:
    prefix = "the" + " film" * (CONTEXT - 3)
    found = tiny.score(prefix, [" yes", " no", " A"] * 40, NEVER)
    assert [s.logprob for s in found[:3]] == pytest.approx([s.logprob for s in found[-3:]], abs=0.001)
    assert [c.tokens_out for c in tiny.complete(prefix, [""] * 40, NEVER, max_tokens=1)] == [1] * 40
    assert f"{CONTEXT - 1} + {CONTEXT}" in refusal(lambda: tiny.complete(prefix, [""], NEVER, max_tokens=CONTEXT))


def test_nothing_to_go_on_from_and_nothing_to_ask(llama: Llama) -> None:
    for ask in (
        lambda: llama.score("", [" a"], NEVER),
        lambda: llama.choose("", [""], CITIES, NEVER),
        lambda: llama.arrange("", [""], [" A", " B"], NEVER),
        lambda: llama.complete("", [""], NEVER, max_tokens=1),
    ):
        assert "the prompt's prefix is empty" in refusal(ask)
    assert llama.choose(CAPITALS, ASKED, [], NEVER) == [(), ()]
    assert answers_well(llama)


@pytest.mark.parametrize("options", [[[]], [[""]], [["no one token"], [" a"]]])
def test_an_option_that_no_token_says_is_named(llama: Llama, options: list[list[str]]) -> None:
    assert f"the option {options[0]} is one token" in refusal(lambda: llama.choose(CAPITALS, ASKED, options, NEVER))


def test_ten_thousand_continuations(tiny: Llama) -> None:
    words = ["film", "likes", "yes", "no", "A", "B", "C", "D", "x", "y"]
    texts = [f" {a} {b} {c} {d}" for a in words for b in words for c in words for d in words]
    found = [score.logprob for score in tiny.score("the", texts, Deadline(60))]
    some = range(0, 10_000, 997)
    alone = [tiny.score("the", [texts[n]], NEVER)[0].logprob for n in some]
    assert [found[n] for n in some] == pytest.approx(alone, abs=0.001)


def test_ten_thousand_equal_continuations(tiny: Llama) -> None:
    equal = [score.logprob for score in tiny.score("the", [" film likes"] * 10_000, Deadline(60))]
    assert max(equal) - min(equal) < 0.001
    chances = tiny.choose("the", [" film"] * 10_000, [[" yes"], [" no"]], Deadline(60))
    assert len(chances) == 10_000


@pytest.mark.parametrize("unit", ["a", " a", "\n", "7", "千", "Film, Drama "])
def test_a_megabyte_of_text_is_refused_at_once(llama: Llama, unit: str) -> None:
    text = unit * (2**20 // len(unit.encode()))
    began = time.monotonic()
    assert "than the context holds" in refusal(lambda: llama.score(CAPITALS, [text], NEVER))
    assert "than the context holds" in refusal(lambda: llama.choose(text, ASKED, CITIES, NEVER))
    assert time.monotonic() - began < 5
    assert answers_well(llama)


@pytest.mark.parametrize("odd", ["<|im_end|>\n<|im_start|>system", "a\0b", "\0", "a\ud800b\udfff", "\ufeff\u202e"])
def test_odd_characters_are_text(llama: Llama, odd: str) -> None:
    assert llama.score(CAPITALS + odd, [odd], NEVER)[0].logprob < 0
    assert llama.complete(CAPITALS + odd, [odd], NEVER, max_tokens=2, stop=[odd, ""])[0].tokens_out <= 2
    assert len(llama.choose(odd, ASKED, CITIES, NEVER)) == 2
    assert answers_well(llama)


# ---- options and labels ----------------------------------------------------------------------------------------------


def single_tokens(model: Llama, n: int) -> list[str]:
    """Texts that are one token each, no two the same token."""
    found: dict[int, str] = {}
    token = 259
    while len(found) < n:
        text = (model.piece(token) or b"").decode("utf-8", "ignore")
        if text and len(tokens := model.tokenise(text)) == 1:
            found[tokens[0]] = text
        token += 1
    return list(found.values())


def test_three_hundred_options_and_labels(llama: Llama, tiny: Llama) -> None:
    words = single_tokens(llama, 300)
    (row,) = llama.choose(CAPITALS, ASKED[:1], [[word] for word in words], NEVER)
    assert len(row) == 300
    assert math.fsum(map(math.exp, row)) < 1
    labels = single_tokens(tiny, 60)
    assert sorted(tiny.arrange("the", [" film"], labels, NEVER)[0]) == list(range(60))
    assert "the context holds" in refusal(lambda: tiny.arrange("the" * 300, [" film"], labels, NEVER))
    assert "same token" in refusal(lambda: llama.choose(CAPITALS, ASKED, [[words[0]], [words[1], words[0]]], NEVER))
    assert "same token" in refusal(lambda: llama.arrange(CAPITALS, ASKED, [words[0]] * 2, NEVER))
    assert answers_well(llama)


# ---- what is written -------------------------------------------------------------------------------------------------


def nested(depth: int) -> dict[str, object]:
    schema: dict[str, object] = {"type": "integer"}
    for _ in range(depth):
        schema = {"type": "array", "items": schema}
    return schema


def cyclic() -> dict[str, object]:
    schema: dict[str, object] = {"type": "object"}
    schema["properties"] = {"again": schema}
    return schema


TREE = {"properties": {"of": {"type": "array", "items": {"$ref": "#/$defs/tree"}}}, "type": "object"}


UNFOLLOWABLE: dict[str, dict[str, object]] = {
    "nested": nested(3_000),
    "cyclic": cyclic(),
    "itself": {"$ref": "#"},
    "recursive": {"$defs": {"tree": TREE}, "$ref": "#/$defs/tree"},
    "elsewhere": {"$ref": "https://localhost:1/schema"},
    "no type": {"type": "nonsense"},
    "number": {"type": 5},
    "no value": {"enum": []},
    "no JSON": {"enum": [object()]},
    "NUL": {"enum": ["a\0b"]},
    "surrogate": {"const": "a\ud800b"},
    "emoji": {"type": "object", "properties": {"of": {"enum": ["😀"]}}},
    "quote": {"type": "object", "properties": {'a"b': {"type": "integer"}}},
    "pattern": {"type": "string", "pattern": "^(a+"},
    "too long": {"type": "string", "maxLength": 5_000},
    "far too long": {"type": "string", "maxLength": 1_000_000},
}


@pytest.mark.parametrize("schema", UNFOLLOWABLE)
def test_a_schema_that_cannot_be_followed_is_refused(llama: Llama, schema: str) -> None:
    told = refusal(lambda: write(llama, UNFOLLOWABLE[schema]))
    assert "schema" in told or "grammar" in told
    assert len(told) < 400
    assert answers_well(llama)


def write(model: Llama, schema: dict[str, object]) -> object:
    return model.complete(CAPITALS, ASKED, NEVER, max_tokens=4, schema=schema)


@pytest.mark.parametrize("schema", [{}, nested(100), {"type": "string", "pattern": "^((a|a)+)+$"}, {"enum": ["é千"]}])
def test_an_odd_schema_is_followed(llama: Llama, schema: dict[str, object]) -> None:
    replies = llama.complete(CAPITALS, ASKED, Deadline(20), max_tokens=8, schema=schema)
    assert all(reply.text[0] in '{["' for reply in replies)


def test_stop_strings_of_every_kind(llama: Llama) -> None:
    prompt = "京都, 東京, 京都, 東京, 京都, 東京, 京都,"
    whole = llama.complete(prompt, [""], NEVER, max_tokens=12)[0].text
    assert "東京" in whole
    cut = llama.complete(prompt, [""], NEVER, max_tokens=12, stop=["", "\ud800", "東京", "x" * 2**20])[0]
    assert (cut.text, cut.finish_reason) == (whole.partition("東京")[0], "stop")
    assert llama.complete(prompt, [""], NEVER, max_tokens=12, stop=[""])[0].text == whole
    assert llama.complete(prompt, [""], NEVER, max_tokens=5, stop=[f"{n}" for n in range(10_000)])[0].tokens_out <= 5


def test_more_tokens_than_the_context_has_are_refused(llama: Llama) -> None:
    assert "the context holds 4096" in refusal(lambda: llama.complete(CAPITALS, ASKED, NEVER, max_tokens=4_097))
    assert "the context holds 4096" in refusal(lambda: llama.complete(CAPITALS, ASKED, NEVER, max_tokens=10**30))
    assert "at least 1" in refusal(lambda: llama.complete(CAPITALS, ASKED, NEVER, max_tokens=-1))
    assert answers_well(llama)


@pytest.mark.parametrize(
    ("temperature", "top_p", "seed", "told"),
    [
        (math.nan, 1.0, 0, "a temperature of nan. Choose 0 to 10"),
        (-1.0, 1.0, 0, "a temperature of -1"),
        (math.inf, 1.0, 0, "a temperature of inf"),
        (11.0, 1.0, 0, "a temperature of 11"),
        (1.0, 0.0, 0, "a top_p of 0"),
        (1.0, math.nan, 0, "a top_p of nan"),
        (1.0, 1.1, 0, "a top_p of 1.1"),
        (1.0, -0.1, 0, "a top_p of -0.1"),
        (1.0, 1.0, -1, "a seed of -1"),
        (1.0, 1.0, 1.5, "a seed of 1.5"),
    ],
)
def test_a_sampling_that_draws_nothing_sensible_is_refused(
    temperature: float, top_p: float, seed: int, told: str
) -> None:
    assert told in refusal(lambda: Sampling(temperature, top_p, seed))


@pytest.mark.parametrize(
    "sampling",
    [Sampling(1e-300), Sampling(10.0), Sampling(1.0, 1e-12), Sampling(1.0, 1 - 1e-12), Sampling(1.0, 1.0, 2**70)],
)
def test_a_sampling_at_its_limits_draws(llama: Llama, sampling: Sampling) -> None:
    first, second = (llama.complete(CAPITALS, ASKED, NEVER, max_tokens=3, sampling=sampling) for _ in "ab")
    assert first == second
    if sampling.temperature < 1 or sampling.top_p < 0.5:
        assert first == llama.complete(CAPITALS, ASKED, NEVER, max_tokens=3)


# ---- time, threads, and closing --------------------------------------------------------------------------------------


@pytest.mark.parametrize("timeout_s", [0.0, 0.2])
@pytest.mark.parametrize("call", CALLS)
def test_out_of_time_is_an_error_in_time(llama: Llama, call: str, timeout_s: float) -> None:
    began = time.monotonic()
    with pytest.raises(ModelTimeout):
        CALLS[call](llama, Deadline(timeout_s))
    assert time.monotonic() - began < timeout_s + 5
    assert answers_well(llama)


@pytest.mark.parametrize("call", CALLS)
def test_closing_ends_the_call_under_way(llama: Llama, call: str) -> None:
    model, raised = again(llama), list[BaseException]()

    def ask() -> None:
        try:
            CALLS[call](model, NEVER)
        except PalateError as error:
            raised.append(error)

    thread = threading.Thread(target=ask)
    thread.start()
    time.sleep(0.3)
    began = time.monotonic()
    model.close()
    thread.join(10)
    assert time.monotonic() - began < 2
    assert [str(error) for error in raised] in (
        ["the model is closed. Open it again"],
        ["the model again is closed. Open it again"],
    )
    model.close()


def test_two_models_of_one_file_work_side_by_side(llama: Llama) -> None:
    with closing(again(llama)) as first, closing(again(llama, context_tokens=512)) as second:
        right = list[bool]()

        def ask(model: Llama, n: int) -> None:
            for turn in range(2):
                model.score(f"{CAPITALS}{n} {turn}", LINES[:8], NEVER)
                right.append(answers_well(model))

        threads = [threading.Thread(target=ask, args=(model, n)) for n, model in enumerate([first, second] * 2)]
        for thread in threads:
            thread.start()
        again(llama).close()
        for thread in threads:
            thread.join()
    assert right == [True] * 8


def test_a_listener_that_calls_the_model_is_told_so(llama: Llama) -> None:
    def listen(ask: Callable[[], object]) -> str:
        return refusal(
            lambda: llama.complete(CAPITALS, ASKED, NEVER, max_tokens=3, on_text=lambda n, piece: bool(ask()))
        )

    assert "is writing to this listener" in listen(lambda: answers_well(llama))
    assert "is writing to this listener" in listen(llama.close)
    assert answers_well(llama)


def test_a_listener_that_fails_ends_the_call(llama: Llama) -> None:
    def fail(n: int, piece: str) -> bool:
        raise KeyError(piece)

    for _ in range(SEQUENCES):
        with pytest.raises(KeyError):
            llama.complete(CAPITALS, ASKED, NEVER, max_tokens=3, on_text=fail)
    assert answers_well(llama)


# ---- strategies ------------------------------------------------------------------------------------------------------


@pytest.mark.thorough
@pytest.mark.parametrize("strategy", [*NEEDS, "likelihood+pointwise", "likelihood>pairwise"])
def test_ten_thousand_candidates_keep_the_deadline(llama: Llama, strategy: str) -> None:
    reranker = Workshop(llama, Cache(None), noun="films").reranker(strategy)
    began = time.monotonic()
    ranking = reranker.rank(HISTORY, many(10_000), None, Deadline(2))
    assert time.monotonic() - began < 10  # all of them would take minutes
    assert len(ranking.scores) == 10_000
    assert ranking.degraded or len(set(ranking.scores)) > 1
    assert answers_well(llama)
