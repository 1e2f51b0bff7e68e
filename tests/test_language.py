"""Which language a text is in, which model that asks for, and reasons in the language of the wish."""

import pytest

from agent.language import language_of
from agent.llm.registry import open_model
from agent.settings import DEFAULT_MODEL, Settings, load_settings

QWEN = "qwen2.5-coder-0.5b"


@pytest.mark.parametrize(
    ("text", "language"),
    [
        ("一部适合全家看的动画片", "zh"),
        ("我想看像 The Princess Bride 那样的电影", "zh"),
        ("想看Toy Story", "zh"),
        ("推荐一些 sci-fi 电影", "zh"),
        ("千与千寻", "zh"),
        ("繁體中文的片名", "zh"),
        ("a clever film for the family", "en"),
        ("Something like 千与千寻 (Spirited Away)", "en"),
        ("a film by 李安, please", "en"),
        ("Amélie", "en"),
        ("Toy Story (1995)", "en"),
        ("映画を見たい", None),
        ("영화 추천", None),
        ("семейное кино", None),
        ("Фильм Heat", None),
        ("1995!", None),
        ("", None),
        ("  \n", None),
    ],
)
def test_the_language_is_told_by_script(text: str, language: str | None) -> None:
    assert language_of(text) == language


def test_the_default_model_speaks_the_language() -> None:
    assert Settings().model.reference == DEFAULT_MODEL
    assert load_settings(overrides={"language": "zh"}, environment={}).settings.model.reference == QWEN
    assert Settings(language="zh").model.reference == QWEN
    assert Settings().speaking("zh").model.reference == QWEN
    assert Settings().speaking("zh").speaking("en").model.reference == DEFAULT_MODEL


def test_a_model_that_was_named_stays() -> None:
    named = load_settings(overrides={"language": "zh", "model.reference": DEFAULT_MODEL}, environment={}).settings
    assert named.model.reference == DEFAULT_MODEL
    assert Settings.model_validate({"model": {"reference": DEFAULT_MODEL}}).speaking("zh").names_model


def test_other_settings_of_the_model_survive_its_choice() -> None:
    settings = Settings.model_validate({"language": "zh", "model": {"threads": 1, "timeout_s": 7}})
    assert (settings.model.reference, settings.model.threads, settings.model.timeout_s) == (QWEN, 1, 7)
    assert not settings.names_model
    assert settings.names_language
    assert not Settings().names_language


class _HeardError(Exception):
    """Raised where enough was heard, so that nothing is loaded."""


def test_opening_a_model_that_nobody_named_says_why_it_is_that_one() -> None:
    def _hear(line: str) -> None:
        raise _HeardError(line)

    with pytest.raises(_HeardError, match=f"{QWEN} answers: it is the default for the language 'zh'"):
        open_model(Settings(language="zh"), progress=_hear)


def test_a_hash_names_a_model_too() -> None:
    assert Settings.model_validate({"model": {"sha256": "0" * 64}}).speaking("zh").model.reference == DEFAULT_MODEL
