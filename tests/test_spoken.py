"""People who write Chinese over a catalogue in English: what they find, and the language of the reasons."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

import prompts
from agent import Recommender, Settings, Slate
from agent.catalogue import load_items, read_items
from agent.errors import ModelUnavailable
from agent.explain.evidence import resolves
from agent.once import once
from agent.parts.parts import Parts
from agent.parts.spoken import Spoken
from agent.settings import DEFAULT_MODEL

FILMS = Path(__file__).parent / "support" / "films.csv"
QWEN = "qwen2.5-coder-0.5b"
CHINESE = re.compile(r"[\u4e00-\u9fff]")


@pytest.fixture(scope="module")
def heard() -> list[str]:
    return []


@pytest.fixture(scope="module")
def palate(tmp_path_factory: pytest.TempPathFactory, heard: list[str]) -> Iterator[Recommender]:
    folder = tmp_path_factory.mktemp("spoken")
    with Recommender.open(settings=Settings(folder=folder, noun="films"), told=heard.append) as recommender:
        with read_items(FILMS) as rows:
            load_items(rows, recommender.put_items, folder / "refused.jsonl")
        recommender.tell("mei", likes=["Toy Story (1995)", "Ratatouille"])
        yield recommender


def sentences(slate: Slate) -> list[str]:
    return [r.rationale.sentence for r in slate if r.rationale]


@pytest.mark.parametrize(
    ("wish", "item_id"),
    [
        ("一只老鼠在巴黎的厨房里做饭", "f02"),
        ("一个小女孩在神灵的澡堂里工作，救她的父母", "f04"),
        ("外星怪物在飞船上追杀船员", "f07"),
        ("天气预报员一次又一次重复同一天", "f12"),
        ("程序员发现他的世界只是模拟的", "f09"),
        ("来自秘鲁的小熊在伦敦找家", "f15"),
    ],
)
def test_a_chinese_wish_finds_english_items(palate: Recommender, wish: str, item_id: str) -> None:
    slate = palate.recommend("nobody", wish, k=2, llm=False)
    assert item_id in [r.item.item_id for r in slate]


def test_the_reasons_are_in_the_language_of_the_wish(palate: Recommender) -> None:
    chinese = palate.recommend("mei", "一部适合孩子看的动画片", k=3, llm=False)
    english = palate.recommend("mei", "an animated film for children", k=3, llm=False)
    assert len(sentences(chinese)) == 3
    assert all(CHINESE.search(sentence) for sentence in sentences(chinese))
    assert not any(CHINESE.search(sentence) for sentence in sentences(english))
    assert all(name.startswith("zh/") for name in chinese.prompts)
    assert all(name.startswith("en/") for name in english.prompts)
    profile = palate.profile("mei")
    liked = {item.item_id: item for item in palate.store.items([r.item_id for r in profile.liked])}
    for r in chinese:
        events = {x.event_id for x in profile.liked}
        assert r.rationale is not None
        assert all(
            resolves(e, r.item, profile, liked) for e in r.rationale.evidence if e.kind == "item" or e.ref in events
        )


def test_explain_follows_the_wish_too(palate: Recommender) -> None:
    told = palate.explain("mei", ["Paddington"], wish="温馨的家庭电影", llm=False)
    assert CHINESE.search(sentences(told)[0])
    items = palate.store.items(["f01", "f15"])
    alone = palate.explain_items(items[:1], items[1:], "温馨的家庭电影", llm=False)
    assert CHINESE.search(sentences(alone)[0])


def test_a_language_that_was_named_stays(palate: Recommender) -> None:
    for language, chinese in (("en", False), ("zh", True)):
        settings = palate.settings.model_copy(update={"folder": palate.settings.folder}).speaking(language)
        parts = Parts(settings)
        assert parts.speaking("一部适合孩子看的动画片") is parts
        assert parts.speaking("a film for children") is parts
        assert (parts.settings.model.reference == QWEN) is chinese
        parts.close()


def test_what_belongs_to_no_language_is_shared(palate: Recommender) -> None:
    spoken = palate.parts.speaking("中文")
    assert spoken is palate.parts.speaking("再来一部")
    assert spoken is not palate.parts
    assert palate.parts.speaking("english") is palate.parts
    assert palate.parts.speaking(None) is palate.parts
    own = {"_opened_model", "_spoken", "generator", "reranker", "ranker"}
    shared = {name for name, part in vars(Parts).items() if isinstance(part, once)} - own
    assert {"store", "cache", "embedder", "index", "fresh_index"} <= shared
    for name in ("store", "cache", "embedder", "fresh_index", "items", "tag_rates"):
        assert getattr(spoken, name) is getattr(palate.parts, name)
    assert all(isinstance(vars(Spoken).get(name), property) for name in shared)


def test_with_real_qwen_the_whole_answer_speaks_chinese(palate: Recommender, heard: list[str]) -> None:
    slate = palate.recommend("mei", "一部关于做饭的温馨动画片", k=3, timeout_s=120)
    assert palate.parts.speaking("中文").model.name == QWEN
    assert f"{QWEN} answers: it is the default for the language 'zh'" in heard
    assert not slate.degraded
    assert "zh/rank-likelihood" in slate.prompts
    assert len(sentences(slate)) == 3
    assert all(CHINESE.search(sentence) for sentence in sentences(slate))
    assert {"rerank", "blend"} <= {step.stage for step in slate[0].path}


def test_where_that_model_cannot_be_had_the_other_answers_and_it_is_said(tmp_path: Path) -> None:
    lines: list[str] = []

    def _told(line: str) -> None:
        lines.append(line)
        if "is the default for the language" in line:
            raise ModelUnavailable("it is not here", "Pull it")

    base = Parts(Settings(folder=tmp_path), told=_told)
    spoken = base.speaking("一部电影")
    assert spoken.model is base.model
    assert spoken.model.name == DEFAULT_MODEL
    assert lines[-1].startswith(f"{DEFAULT_MODEL} answers in place of {QWEN}: it is not here")
    base.close()


@pytest.mark.parametrize("task", sorted(name[3:] for name in prompts.available() if name.startswith("en/")))
def test_every_prompt_takes_the_same_variables_in_both_languages(task: str) -> None:
    assert set(prompts.load(task, "en").variables) == set(prompts.load(task, "zh").variables)
