import random
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path

import pytest

import prompts
from agent.cores import available_cores
from agent.deadline import Deadline
from agent.errors import ModelTimeout, ModelUnavailable, PromptError
from agent.llm.local.llama import Llama
from agent.llm.local.options import Options
from agent.llm.local.requantise import requantise
from agent.llm.registry import resolve
from agent.settings import Settings
from agent.types import Item

NEVER = Deadline.never()
PREFIX = "Films this person enjoyed, in order:\n- Toy Story (1995), Animation, Comedy\n- Heat (1995), Action, Crime\n-"
LINES = [f" Film number {n} ({1950 + n}), {'Comedy' if n % 2 else 'Drama, Western'}\n" for n in range(60)]
SMALL = Options(context_tokens=512, n_gpu_layers=0)
TOLERANCE = 0.05 * 16  # nats per token of a line: int8 activations round differently in batches of different shape


def scores(model: Llama, prefix: str, lines: list[str]) -> list[float]:
    return [s.logprob for s in model.score(prefix, lines, NEVER)]


def test_scores_equal_one_by_one_scoring(llama: Llama) -> None:
    together = scores(llama, PREFIX, LINES)
    alone = [scores(llama, PREFIX, [line])[0] for line in LINES[:20]]
    assert together[:20] == pytest.approx(alone, abs=TOLERANCE)
    assert all(s < 0 for s in together)


def test_scores_equal_the_whole_text_decoded_afresh(llama: Llama) -> None:
    head, line = llama.tokenise(PREFIX, begin=True), llama.tokenise(LINES[3])
    whole = head + line
    steps = [
        llama._decoders.reading.score(whole[:n], [[whole[n]]], NEVER)[0].logprob for n in range(len(head), len(whole))
    ]
    assert scores(llama, PREFIX, [LINES[3]])[0] == pytest.approx(sum(steps), abs=TOLERANCE)


def test_with_16_bit_weights_whole_lines_agree(tmp_path: Path) -> None:
    source = resolve("smollm2-135m", Settings()).path
    requantise(source, tmp_path / "f16.gguf", kind="F16")
    with closing(Llama(tmp_path / "f16.gguf", name="f16", sha256="f16")) as model:
        together = scores(model, PREFIX, LINES[:12])
        alone = [scores(model, PREFIX, [line])[0] for line in LINES[:12]]
    assert together == pytest.approx(alone, abs=0.05)


def test_scores_do_not_depend_on_order_or_company(llama: Llama) -> None:
    shuffled = LINES[:]
    random.Random(7).shuffle(shuffled)
    by_line = dict(zip(shuffled, scores(llama, PREFIX, shuffled), strict=True))
    assert scores(llama, PREFIX, LINES) == pytest.approx([by_line[line] for line in LINES], abs=TOLERANCE)


def test_a_kept_prefix_is_not_decoded_again(llama: Llama) -> None:
    prefix = "A prefix that no other test uses, long enough to count for something:"
    before = llama.tokens_decoded
    first = scores(llama, prefix, LINES[:4])
    cold = llama.tokens_decoded - before
    before = llama.tokens_decoded
    again = scores(llama, prefix, LINES[:4])
    warm = llama.tokens_decoded - before
    before = llama.tokens_decoded
    scores(llama, prefix + " and a little more", LINES[:4])
    longer = llama.tokens_decoded - before
    assert first == pytest.approx(again, abs=TOLERANCE)
    assert cold - warm == len(llama.tokenise(prefix, begin=True))
    assert warm < longer < cold


def test_many_prefixes_in_turn_stay_exact(llama: Llama) -> None:
    heads = [f"{PREFIX} Number {n} of many different beginnings (20{n:02d})\n-" for n in range(12)]
    first = [scores(llama, head, LINES[:3]) for head in heads]
    again = [scores(llama, head, LINES[:3]) for head in reversed(heads)][::-1]
    for a, b in zip(first, again, strict=True):
        assert a == pytest.approx(b, abs=TOLERANCE)


def test_a_small_context_is_used_to_the_last_cell(llama: Llama) -> None:
    head, lines = PREFIX + " and so on" * 60, [" word" * 200 + f" {n}" for n in range(3)]
    with closing(Llama(llama.path, name="small", sha256=llama.fingerprint, options=SMALL)) as small:
        scores(small, "Another prefix that takes room" * 20, LINES[:2])
        found = scores(small, head, lines)
    assert found == pytest.approx(scores(llama, head, lines), abs=TOLERANCE * 12)


def test_equal_lines_get_equal_scores_and_nothing_gets_nothing(llama: Llama) -> None:
    a, b = scores(llama, PREFIX, [LINES[0], LINES[0]])
    assert a == pytest.approx(b, abs=TOLERANCE)
    assert llama.score(PREFIX, [], NEVER) == []
    empty = llama.score(PREFIX, ["", LINES[0]], NEVER)
    assert (empty[0].logprob, empty[0].tokens) == (0.0, 0)


def test_prefix_and_line_tokenise_as_the_whole_does(llama: Llama) -> None:
    prompt = prompts.load("rank-likelihood")
    titles = [
        "Toy Story",
        "Léon: The Professional",
        "千と千尋の神隠し",
        "8½",
        "...And Justice for All",
        "'night, Mother",
        "$9.99",
    ]
    items = [Item(item_id=str(n), title=t, tags=("Drama",), attributes={"year": 1990}) for n, t in enumerate(titles)]
    prefix = prompt.prefix(noun="films", history=items, wish="something, funny")
    for item in items:
        line = prompt.candidate(item=item)
        assert llama.tokenise(prefix, begin=True) + llama.tokenise(line) == llama.tokenise(prefix + line, begin=True)


def test_control_tokens_in_text_are_plain_text(llama: Llama) -> None:
    assert "<|im_start|>" in llama.control_tokens
    specials = {t for text in llama.control_tokens for t in llama.tokenise(text) if not llama.piece(t)}
    assert not specials


def test_a_prompt_beyond_the_context_is_refused_and_the_model_lives(llama: Llama) -> None:
    with pytest.raises(PromptError, match="the context holds"):
        llama.score("word " * 6000, [" end"], NEVER)
    assert scores(llama, PREFIX, LINES[:1])[0] < 0


def test_a_line_longer_than_a_batch_is_scored_and_leaves_nothing_behind(llama: Llama) -> None:
    before = scores(llama, PREFIX, LINES[:3])
    long, short = scores(llama, PREFIX, [" word" * 450, LINES[0]])
    assert long < short < 0
    assert short == pytest.approx(before[0], abs=TOLERANCE)
    assert scores(llama, PREFIX, LINES[:3]) == pytest.approx(before, abs=TOLERANCE)


def test_two_prompts_that_do_not_fit_together_take_turns(llama: Llama) -> None:
    heads = [f"{word} " * 300 for word in ("red", "blue")]
    with closing(Llama(llama.path, name="small", sha256=llama.fingerprint, options=SMALL)) as small:
        first = [scores(small, head, LINES[:2]) for head in heads]
        again = [scores(small, head, LINES[:2]) for head in heads]
    for a, b in zip(first, again, strict=True):
        assert a == pytest.approx(b, abs=TOLERANCE)


def test_the_deadline_cuts_a_long_decode_and_the_model_lives(llama: Llama) -> None:
    long = " ".join(f"word{n}" for n in range(1000))
    exact = scores(llama, PREFIX, LINES[:2])
    with pytest.raises(ModelTimeout):
        llama.score(long, LINES, Deadline(0.15))
    assert scores(llama, PREFIX, LINES[:2]) == pytest.approx(exact, abs=TOLERANCE)


def test_completions_together_equal_completions_alone(llama: Llama) -> None:
    prefix = "Capital of France: Paris\nCapital of Italy: Rome\n"
    asked = ["Capital of Spain:", "Capital of Japan:", "Capital of Germany:"]
    together = llama.complete(prefix, asked, NEVER, max_tokens=6, stop=["\n"])
    alone = [llama.complete(prefix, [a], NEVER, max_tokens=6, stop=["\n"])[0] for a in asked]
    assert [c.text for c in together] == [c.text for c in alone]
    assert [c.text.strip() for c in together[1:]] == ["Tokyo", "Berlin"]
    assert {c.finish_reason for c in together} == {"stop"}


def test_a_completion_that_runs_out_of_tokens_says_so(llama: Llama) -> None:
    cut = llama.complete("One, two, three,", [" four,"], NEVER, max_tokens=3)[0]
    assert (cut.finish_reason, cut.tokens_out) == ("length", 3)
    assert llama.complete("x", [], NEVER, max_tokens=3) == []


def test_calls_from_many_threads_get_their_own_answers(llama: Llama) -> None:
    expected = scores(llama, PREFIX, LINES[:16])
    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(lambda line: scores(llama, PREFIX, [line])[0], LINES[:16]))
    assert found == pytest.approx(expected, abs=TOLERANCE)


def test_a_file_that_is_no_model_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "broken.gguf"
    path.write_bytes(b"GGUF" + bytes(64))
    with pytest.raises(ModelUnavailable, match="cannot load"):
        Llama(path, name="broken", sha256="")
    with pytest.raises(ModelUnavailable, match="could not requantise"):
        requantise(path, tmp_path / "out.gguf")
    assert [p.name for p in tmp_path.iterdir()] == ["broken.gguf"]


def test_a_closed_model_says_so(llama: Llama) -> None:
    other = Llama(llama.path, name="again", sha256=llama.fingerprint, options=SMALL)
    other.close()
    other.close()
    with pytest.raises(ModelUnavailable, match="closed"):
        other.score(PREFIX, LINES[:1], NEVER)


def test_facts_name_threads_and_offload(llama: Llama) -> None:
    facts = llama.facts
    assert facts["threads"] == available_cores() >= 1
    assert facts["chat_template"] is True
    assert str(facts["gpu_layers_offloaded"]).split("/")[1] == "31"
