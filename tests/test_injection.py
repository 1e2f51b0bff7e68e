"""Hostile texts in every place that people and catalogues fill: no id gets lost, no control token gets in, nothing is
evaluated. The texts are those of eval/probe/hostile.jsonl."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

import prompts
from agent.deadline import Deadline
from agent.errors import PromptError
from agent.llm.control import KNOWN_CONTROL_TOKENS
from agent.llm.local.llama import Llama
from agent.llm.scripted import Scripted
from agent.rerank.strategies import Workshop
from agent.store.cache import Cache
from agent.types import Item
from eval.probe.asking import answer_of
from eval.probe.hostile import EVERY, HOSTILE
from prompts import neutralise
from tests.support import tiny_gguf
from tests.support.posing import ASKED, PLAIN, UNFILLED, Texts, written
from tests.support.promises import Say
from tests.support.vocabularies import Read, on_this_machine, vocabulary_of

ROOT = Path(__file__).parents[1]
ROOM = "Injection"
STRATEGIES = (
    "likelihood", "renown", "pointwise", "listwise", "listwise (written)", "first-token", "pairwise", "setwise",
    "likelihood+renown", "likelihood>setwise",
)  # fmt: skip
PLACES = ("title", "text", "tags", "wish", "history", "twin")
REFERENCES = ("smollm2-135m", "qwen2.5-coder-0.5b", "gemma3-270m")
VICTIM = "f2"

# ---- ids -------------------------------------------------------------------------------------------------------------


def film(item_id: str, title: str) -> Item:
    plain = Item(item_id=item_id, title="x", tags=("Drama",), attributes={"year": 1990})
    return plain.model_copy(update={"title": title})


def asked_with(text: str, place: str) -> tuple[list[Item], list[Item], str | None]:
    """History, candidates and wish with the text in its place; as `twin`, two candidates bear it alike."""
    borne: dict[str, dict[str, object]] = {"title": {"title": text}, "text": {"text": text}, "twin": {"title": text}}
    borne["tags"] = {"tags": (text, "Drama", text)}
    victim = film(VICTIM, "The Plain One").model_copy(update=borne.get(place, {}))
    twin = film("f4", victim.title) if place == "twin" else film("f4", "The Fourth")
    history = [film("h1", "Seen Before"), film("h2", text if place == "history" else "Seen Too")]
    return history, [film("f1", "The First"), victim, film("f3", "The Third"), twin], text if place == "wish" else None


def obeying(text: str, *, writes: bool) -> Scripted:
    """A model that does what whoever wrote the text may want: it likes nothing else, and writes what breaks lists."""
    lure = neutralise(text, KNOWN_CONTROL_TOKENS)[:12]
    replies = (
        text, json.dumps({"order": [2, 2, 2, 2]}), json.dumps({"order": [99, -1, 0, VICTIM]}), "", "[1] > [99] > [1",
        f"<think>{text}</think>", json.dumps([text]), "０１ > ２", "3", text * 3,
    )  # fmt: skip

    def score(prompt: str, more: str) -> float:
        return -0.01 if lure and lure in (prompt[-400:] + more) else -7.0 - len(more) % 5

    if not writes:
        return Scripted(scores=score, control_tokens=KNOWN_CONTROL_TOKENS)
    count = iter(range(1_000))
    reply = replies[sum(map(ord, text[:50])) % len(replies)]
    return Scripted(
        lambda *_: reply if next(count) % 2 == 0 else replies[1],
        abilities=["chat"],
        control_tokens=KNOWN_CONTROL_TOKENS,
    )


def wrong_of(text: str, place: str, strategy: str) -> Counter[str]:
    """The ids that the strategy loses, adds or repeats where the model obeys the text."""
    history, candidates, wish = asked_with(text, place)
    model = obeying(text, writes=strategy.endswith("(written)"))
    reranker = Workshop(model, Cache(None), noun="films").reranker(strategy.removesuffix(" (written)"))
    ranking = reranker.rank(history, candidates, wish, Deadline.never())
    answer = answer_of(ranking, [item.item_id for item in candidates], "lot")
    assert model.calls, "the model was asked"
    return Counter(answer.ids) + Counter({"undefined": sum(score != score for score in ranking.scores)})


@pytest.mark.parametrize("whole", [False, pytest.param(True, marks=pytest.mark.thorough)])
def test_no_text_in_any_place_makes_a_strategy_lose_invent_or_repeat_an_id(whole: bool, promise: Say) -> None:
    """Every text everywhere, on a model that obeys it; in short, each text in one place, with one strategy."""
    pairs = [(place, strategy) for strategy in STRATEGIES for place in PLACES]
    wrong: Counter[str] = Counter()
    asked = 0
    for n, hostile in enumerate(HOSTILE):
        for place, strategy in pairs if whole else [pairs[n % len(pairs)]]:
            wrong += wrong_of(hostile.text, place, strategy)
            asked += 1
    tried = f"{len(HOSTILE)} texts, {len(PLACES)} places, {len(STRATEGIES)} strategies"
    figure = f"{sum(wrong.values())} in {asked:,} rankings ({tried})"
    promise(ROOM, "0 foreign, lost or repeated ids, whatever a text says and a model obeys", figure, not wrong)
    assert not wrong


# ---- control tokens --------------------------------------------------------------------------------------------------


@pytest.fixture(params=REFERENCES)
def vocabulary(request: pytest.FixtureRequest) -> Read:
    if request.param not in on_this_machine():
        pytest.skip(f"the model {request.param} is not on this machine: palate models pull {request.param}")
    return vocabulary_of(request.param)


def halves(token: str) -> Texts:
    """The token cut in two: what stands in one place, and what in the next."""
    middle = len(token) // 2
    return token[:middle], token[middle:]


def forms(token: str) -> Iterator[Texts]:
    """The token as text, hidden in ways that what reads it may undo."""
    middle = len(token) // 2
    wide = "".join(chr(ord(char) + 0xFEE0) if 0x21 <= ord(char) <= 0x7E else char for char in token)
    for text in (
        token, f"{token[:middle]}\u200b{token[middle:]}", wide, token * 2, token[:middle] + token + token[middle:],
        f"\u202e{token[:middle]}\ufe0f{token[middle:]}", f"{token[0]}\u00ad{token[1:]}", f"a{token}b",
    ):  # fmt: skip
        yield text, text
    yield halves(token)
    yield token[:1], token[1:]


def extra_specials(read: Read, tasks: Sequence[str], texts: Texts, control: Sequence[str], language: str) -> int:
    """By how many special tokens the prompts with the texts differ from those with plain words."""
    found = 0
    for task in tasks:
        bare = read.specials_in(written(task, PLAIN, control, language))
        posing = read.specials_in(written(task, texts, control, language))
        found += (posing - bare).total() + (bare - posing).total()
    return found


@pytest.mark.parametrize("whole", [False, pytest.param(True, marks=pytest.mark.thorough)])
def test_no_text_puts_a_special_token_into_a_prompt(whole: bool, vocabulary: Read, promise: Say) -> None:
    """Each text, and each special token of the vocabulary in ten forms; in short, a sample in two prompts each."""
    control, tasks = vocabulary.own.control_tokens, list(ASKED)
    tokens = sorted(set(vocabulary.special.values()))
    assert set(tokens) == set(control) - {"\n"}, "Palate knows every special token"
    many = len(tokens) > 100  # such as the 6,242 tokens of Gemma that nobody uses
    step = 1 if whole and not many else max(1, len(tokens) // (100 if whole else 4))
    texts = [(one.text[:3_000], one.text[:3_000]) for one in EVERY[:: 1 if whole else 20 if many else 7]]
    texts += [form for token in tokens[::step] for form in forms(token)]
    texts += [form for token in KNOWN_CONTROL_TOKENS[:: 1 if whole else 20] for form in forms(token)]
    extra = 0
    for n, text in enumerate(texts):
        some = tasks if whole and not many else [tasks[(n + k) % len(tasks)] for k in range(2)]
        extra += extra_specials(vocabulary, some, text, control, "zh" if n % 5 == 4 else "en")
    assert extra == 0
    what = "0 extra special tokens in the prompts of each vocabulary (smollm2, qwen2.5, gemma3)"
    promise(ROOM, what, f"0 with {len(texts):,} texts a vocabulary, each special token in 10 forms", extra == 0)


def test_a_prompt_for_an_unknown_vocabulary_holds_no_control_token_of_any_that_is_known(vocabulary: Read) -> None:
    """What is sent to a server whose vocabulary nobody can ask: what steers these models is broken all the same."""
    tokens = sorted(set(vocabulary.control.values()))
    for n, token in enumerate(tokens[:: max(1, len(tokens) // 40)]):
        for form in forms(token):
            task = list(ASKED)[n % len(ASKED)]
            text = written(task, form, KNOWN_CONTROL_TOKENS)
            assert not [t for t in vocabulary.specials_in(text) if t in vocabulary.control], (task, form)


def test_every_prompt_that_a_model_reads_is_looked_at() -> None:
    replies = {"rationale-compose", "reply-about", "reply-ask", "reply-noted", "reply-slate", "reply-talk", "reply-why"}
    for language in ("en", "zh"):
        named = {name[3:] for name in prompts.available() if name.startswith(language)}
        assert named == {*ASKED, *UNFILLED, *replies}
        for task in ASKED:
            assert "PLACEHOLDER" in written(task, ("PLACEHOLDER", "ANOTHER"), (), language), task


# ---- templates -------------------------------------------------------------------------------------------------------

NAMES = (
    "../secret", "..", "../../etc/passwd", "..\\secret", "/etc/passwd", "C:\\secret", "%2e%2e/x", "%2e%2e%2fx",
    "....//x", "rank.j2\0.txt", "test\0", "./rank", "./test", "test/../test", "", " ", ".", "a" * 4_096, "test.j2",
    "test.txt", "TEST", "CON", "NUL", "file:///etc/passwd", "test\n", "test ", " test", "~/x", "*", "t?st", "[t]est",
    "tést", "ｔｅｓｔ", "test\u200b",
    "folder", "link", "{{ 7 }}", "${HOME}", "-test", "1test", "en/test", "\ud800",
)  # fmt: skip
HEADER = "{#\npurpose: a test\nvariables: x\noutput: text\n#}\n"
TEMPLATE = HEADER + "{% block prefix %}say {{ x }}{% endblock %}{% block candidate %} {{ x }}{% endblock %}"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder of prompts with a true one, a link out of it, and a folder named like a prompt."""
    own = tmp_path / "prompts"
    (own / "en" / "folder.j2").mkdir(parents=True)
    (own / "en" / "test.j2").write_text(TEMPLATE, encoding="utf-8")
    (tmp_path / "secret.j2").write_text(TEMPLATE, encoding="utf-8")
    (own / "en" / "link.j2").symlink_to(tmp_path / "secret.j2")
    return own


def test_no_name_leads_out_of_the_folder_of_prompts(folder: Path, promise: Say) -> None:
    assert prompts.load("test", folder=folder).prefix(x="a") == "say a"
    refused = 0
    for name in NAMES:
        with pytest.raises(PromptError, match="there is no prompt"):
            prompts.load(name, folder=folder)
        refused += 1
    for language in ("..", "../en", "en/..", "/etc", "", "EN", "en\0", "e", "eng", "."):
        with pytest.raises(PromptError, match="there is no prompt"):
            prompts.load("test", language, folder=folder)
        refused += 1
    promise(
        ROOM, "0 names of prompts lead out of their folder, links included", f"{refused} of {refused} refused", True
    )


def test_a_language_that_is_a_link_leads_nowhere(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere" / "rank-likelihood.j2").write_text(TEMPLATE, encoding="utf-8")
    (folder / "zh").symlink_to(tmp_path / "elsewhere")
    built_in = prompts.load("rank-likelihood", "zh")
    assert prompts.load("rank-likelihood", "zh", folder=folder) == built_in
    (folder / "en" / "link.j2").unlink()
    with pytest.raises(PromptError, match="is a link"):
        prompts.check(folder)


@pytest.mark.parametrize("name", ["en/link", "en/folder"])
def test_a_folder_of_a_user_with_a_link_or_a_folder_for_a_prompt_is_refused(folder: Path, name: str) -> None:
    for other in ("test", "link", "folder"):
        path = folder / "en" / f"{other}.j2"
        if f"en/{other}" != name:
            path.rmdir() if path.is_dir() else path.unlink()
    with pytest.raises(PromptError, match="is a link or has a wrong name"):
        prompts.check(folder)


def masked(text: str) -> str:
    """The text with every letter and digit as w and every sign as §: as long, with its spaces where they were."""
    return re.sub(r"[^\w\s]", "§", re.sub(r"\w", "w", text))


def test_templates_in_texts_are_never_evaluated(promise: Say) -> None:
    """What stands in the prompt is the text itself, where another would stand, and nothing else is changed by it."""
    payloads = [one.text for one in EVERY if one.kind == "template"]
    shown = 0
    for payload in payloads:
        text = neutralise(payload)
        for task in ASKED:
            found, meant = written(task, (text, "b")), written(task, (masked(text), "b"))
            assert masked(found) == masked(meant), (task, payload)
            shown += text.casefold() in found.casefold()
    assert shown > 0.8 * len(payloads) * len(ASKED), "where it is not cut off, it stands there"
    figure = f"0 of {len(payloads)}, in {len(ASKED)} prompts"
    promise(ROOM, "0 of 60 template payloads in texts are evaluated", figure, True)


def found_in_code(pattern: str) -> set[tuple[str, str]]:
    """Where the code matches, as file and match."""
    paths = (path for room in ("agent", "prompts", "eval") for path in sorted((ROOT / room).rglob("*.py")))
    return {
        (str(path.relative_to(ROOT)), found)
        for path in paths
        for found in re.findall(pattern, path.read_text(encoding="utf-8"))
    }


def test_templates_are_made_in_one_sandboxed_place() -> None:
    """One file makes Jinja's environments, sandboxes all; nothing renders the chat template of a model's file.

    But the bindings that `palate eval speed` measures for comparison, and those do it in a sandbox.
    """
    made = found_in_code(r"(?<!class )\b\w*Environment(?=\()")
    assert made == {("prompts/sandbox.py", "_Environment"), ("prompts/sandbox.py", "SandboxedEnvironment")}
    assert found_in_code(r"\bfrom_string\b|\bNativeEnvironment\b|\bTemplate\(") == set()
    rendering = r"llama_chat_apply_template|llama_chat_format|ChatFormatter|create_chat_completion|llama_cpp\.Llama\b"
    assert {path for path, _ in found_in_code(rendering)} <= {"eval/speed/bindings.py", "eval/speed/table.py"}
    import llama_cpp.llama_chat_format

    theirs = Path(llama_cpp.llama_chat_format.__file__).read_text(encoding="utf-8")
    assert set(re.findall(r"\b\w*Environment(?=\()", theirs)) == {"ImmutableSandboxedEnvironment"}


LOOPING = "{% for i in range(10**12) %}{{ cycler.__init__.__globals__.os.system('touch PWNED') }}{% endfor %}"


@pytest.mark.parametrize(
    "template",
    [LOOPING, "{{ raise_exception('x') }}", "{{ 'x' * 10**12 }}", "{% include '/etc/passwd' %}", "{{", "x" * 1_000_000],
)
def test_the_chat_template_of_a_model_file_is_never_rendered(template: str, tmp_path: Path) -> None:
    """A crafted file is loaded, scored with and written with; what its template says is left alone."""
    path = tmp_path / "crafted.gguf"
    path.write_bytes(tiny_gguf.llama(more={"tokenizer.chat_template": template}))
    model = Llama(path, name="crafted", sha256="0" * 64)
    try:
        assert model.facts["chat_template"] is True
        (written_by_it,) = model.complete("the film", [" likes"], Deadline(20), max_tokens=3)
        assert written_by_it.tokens_in < 30, "no template was put around the prompt"
        assert model.score("the film", [" likes"], Deadline(20))[0].logprob < 0
    finally:
        model.close()
    assert [one.name for one in Path.cwd().iterdir()] == ["crafted.gguf"]
