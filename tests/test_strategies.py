"""Expressions of strategies, and the rerankers made from them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing

import pytest
from hypothesis import given
from hypothesis import strategies as st

import prompts
from agent.deadline import Deadline
from agent.errors import ConfigError, PalateError
from agent.llm.base import Ability
from agent.llm.local.llama import Llama
from agent.llm.local.options import Options
from agent.llm.scripted import Scripted
from agent.rerank.expression import STRATEGIES, Cascade, Named, Sum, parse
from agent.rerank.strategies import AUTOMATIC, NEEDS, Workshop
from agent.settings import load_settings
from agent.store.cache import Cache
from agent.types import Item
from tests.rerank_contract import CANDIDATES, HISTORY, many

NEVER = Deadline.never()
TITLES = ("Toy Story", "Léon: The Professional", "千と千尋の神隠し", "8½", "...And Justice for All", "'night", "$9.99")


def able(*abilities: Ability) -> Workshop:
    return Workshop(Scripted([], name="mute", abilities=abilities), Cache(None))


# ---- expressions -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "meant"),
    [
        ("likelihood", Named("likelihood")),
        (" first-token ", Named("first-token")),
        ("likelihood+pointwise", Sum(((1.0, Named("likelihood")), (1.0, Named("pointwise"))))),
        ("0.7 * likelihood + .25*setwise", Sum(((0.7, Named("likelihood")), (0.25, Named("setwise"))))),
        ("auto>pairwise", Cascade(Named("auto"), Named("pairwise"))),
        (
            "likelihood+pointwise>setwise>pairwise",
            Cascade(
                Cascade(Sum(((1.0, Named("likelihood")), (1.0, Named("pointwise")))), Named("setwise")),
                Named("pairwise"),
            ),
        ),
    ],
)
def test_an_expression_is_read(text: str, meant: object) -> None:
    assert parse(text) == meant
    assert parse(str(parse(text))) == meant


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("", "a strategy should stand at character 1, but the text ends. Strategies: auto, likelihood"),
        ("likelihod", "there is no strategy 'likelihod' at character 1. Did you mean likelihood?"),
        ("pointwise + First_Token", "no strategy 'First_Token' at character 13. Did you mean first-token?"),
        ("pair>setwise", "no strategy 'pair' at character 1. Did you mean pairwise?"),
        ("qqqq", "Strategies: auto"),
        ("likelihood+", "should stand at character 12, but the text ends"),
        ("likelihood ++ setwise", "should stand at character 13, not '+'"),
        ("> setwise", "should stand at character 1, not '>'"),
        ("likelihood setwise", "'setwise' at character 12 joins nothing. Join strategies by + or >"),
        ("0.5*likelihood", "the weight at character 1 weighs nothing"),
        ("likelihood+0.5", "the weight 0.5 at character 12 has no strategy. Write 0.5*NAME"),
        ("0*likelihood+setwise", "the weight at character 1 is 0"),
        ("-1*likelihood+setwise", "no strategy '-1' at character 1"),
        ("2*3*setwise", "no strategy '3' at character 3"),
        ("likelihood\0", "no strategy 'likelihood\\x00'"),
        ("a+" * 200, "at most 200"),
    ],
)
def test_a_bad_expression_is_refused_with_place_and_remedy(text: str, told: str) -> None:
    with pytest.raises(ConfigError) as caught:
        parse(text)
    assert told in str(caught.value)
    assert caught.value.hint


@given(st.text(alphabet="0123456789.*+> aeilkhodpntws-", max_size=40))
def test_any_text_is_read_or_refused(text: str) -> None:
    try:
        found = parse(text)
    except ConfigError:
        return
    assert parse(str(found)) == found


def test_the_setting_takes_expressions_without_spaces() -> None:
    loaded = load_settings(environment={"PALATE_RERANK_STRATEGY": " 0.7*likelihood + pointwise > pairwise "})
    assert loaded.settings.rerank.strategy == "0.7*likelihood+pointwise>pairwise"
    with pytest.raises(ConfigError, match=r"character 12 \(Did you mean pairwise\?\)"):
        load_settings(environment={}, overrides={"rerank.strategy": "likelihood>parwise"})


# ---- rerankers -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", sorted(NEEDS))
def test_every_strategy_is_made_for_a_model_that_can(name: str) -> None:
    for ability in NEEDS[name]:
        reranker = able(ability).reranker(name)
        assert reranker.name == name


def test_every_name_is_known_to_both() -> None:
    assert set(STRATEGIES) == {"auto", *NEEDS}


@pytest.mark.parametrize(
    ("abilities", "chosen"),
    [
        (("score", "choose", "arrange", "continue"), AUTOMATIC[0]),
        (("chat", "choose"), "listwise"),
        (("arrange",), "listwise"),
        (("choose",), "pointwise"),
    ],
)
def test_auto_takes_the_first_that_works(abilities: tuple[Ability, ...], chosen: str) -> None:
    assert able(*abilities).reranker("auto").name == chosen
    assert able(*abilities).reranker("auto+auto").name == "auto+auto"


@pytest.mark.parametrize(
    ("abilities", "wanted", "told"),
    [
        (("chat",), "likelihood", "mute cannot do the strategy 'likelihood'. Set rerank.strategy = 'listwise'"),
        (("score",), "listwise", f"mute cannot do the strategy 'listwise'. Set rerank.strategy = '{AUTOMATIC[0]}'"),
        (
            ("score",),
            "likelihood>pairwise",
            f"cannot do the strategy 'pairwise'. Set rerank.strategy = '{AUTOMATIC[0]}'",
        ),
        (("continue",), "auto", "mute cannot do the strategy 'likelihood'. Choose another model"),
    ],
)
def test_a_model_that_cannot_is_refused_with_what_works(abilities: tuple[Ability, ...], wanted: str, told: str) -> None:
    with pytest.raises(ConfigError) as caught:
        able(*abilities).reranker(wanted)
    assert told in str(caught.value)


# ---- prompts and a real model ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("language", ["en", "zh"])
@pytest.mark.parametrize("task", ["likelihood", "pointwise", "first-token", "setwise", "pairwise", "arrange"])
def test_prefix_and_candidate_tokenise_as_the_whole_does(llama: Llama, task: str, language: str) -> None:
    prompt = prompts.load(f"rank-{task}", language)
    items = [Item(item_id=str(n), title=title, tags=("Drama", "War")) for n, title in enumerate(TITLES)]
    alone = "item" in prompt.variables
    suffixes = [
        prompt.candidate(item=items[n])
        if alone
        else prompt.candidate(candidates=items[n:] + items[:n], labels="ABCDEFG")
        for n in range(len(items))
    ]
    for history, wish in ((items, "something, funny"), (items, None), ([], "a wish!"), ([], None)):
        prefix = prompt.prefix(noun="films", history=history, wish=wish)
        for suffix in suffixes:
            apart = llama.tokenise(prefix, begin=True) + llama.tokenise(suffix)
            assert apart == llama.tokenise(prefix + suffix, begin=True)


@pytest.fixture(scope="module")
def cramped(llama: Llama) -> Iterator[Llama]:
    """The default model with the smallest context there is."""
    with closing(
        Llama(llama.path, name="cramped", sha256=llama.fingerprint, options=Options(context_tokens=256))
    ) as model:
        yield model


@pytest.mark.parametrize("strategy", ["likelihood", "pointwise", "first-token", "setwise", "pairwise", "listwise"])
def test_a_prompt_beyond_the_context_names_itself_and_the_budget(cramped: Llama, strategy: str) -> None:
    long = [Item(item_id=str(n), title=f"{n} very many words " * 8) for n in range(10)]
    ranking = Workshop(cramped, Cache(None)).reranker(strategy).rank(long, CANDIDATES, None, NEVER)
    assert len(set(ranking.scores)) == 1
    (degraded,) = ranking.degraded
    assert f"prompt {next(iter(ranking.prompts))}: " in degraded.reason
    assert "256" in degraded.reason


def test_a_closed_model_is_a_degradation(llama: Llama) -> None:
    model = Llama(llama.path, name="closed", sha256=llama.fingerprint, options=Options(context_tokens=256))
    rerankers = [Workshop(model, Cache(None)).reranker(name) for name in NEEDS]
    model.close()
    for reranker in rerankers:
        ranking = reranker.rank(HISTORY, CANDIDATES, None, NEVER)
        assert len(set(ranking.scores)) == 1
        assert "closed" in ranking.degraded[0].reason


def test_no_strategy_raises_whatever_the_model_does() -> None:
    def fail(_text: str, _more: str) -> float:
        raise error

    for kind in PalateError.__subclasses__():
        if kind.__name__ not in ("ModelError", "PromptError"):
            continue
        error = kind("broken")
        for name in NEEDS:
            ranking = Workshop(Scripted(scores=fail), Cache(None)).reranker(name).rank(HISTORY, many(3), None, NEVER)
            assert "broken" in ranking.degraded[0].reason
