"""The words of the page: both dictionaries say the same things, and whatever the page says is in them."""

from __future__ import annotations

import re
from pathlib import Path

PAGE = Path(__file__).parent.parent / "agent" / "serve" / "page"
KEY = re.compile(r'^  (?:"([^"]+)"|(\w+)):', re.MULTILINE)
VALUES = re.compile(r'^  (?:"([^"]+)"|(\w+)): "(.*)",$', re.MULTILINE)


def keys(language: str) -> list[str]:
    text = (PAGE / "js" / f"words.{language}.js").read_text("utf-8")
    return [quoted or plain for quoted, plain in KEY.findall(text)]


def holes(language: str) -> dict[str, set[str]]:
    """What stands in braces, by key."""
    text = (PAGE / "js" / f"words.{language}.js").read_text("utf-8")
    return {quoted or plain: set(re.findall(r"\{(\w+)\}", words)) for quoted, plain, words in VALUES.findall(text)}


def test_both_languages_have_every_key_once() -> None:
    english, chinese = keys("en"), keys("zh")
    assert len(english) == len(set(english))
    assert len(chinese) == len(set(chinese))
    assert {key for key in english if not key.endswith(".one")} == set(chinese)
    assert len(chinese) > 100


def test_translations_hold_the_same_values() -> None:
    english, chinese = holes("en"), holes("zh")
    assert len(english) == len(keys("en"))
    assert {key: chinese[key] - english[key] for key in chinese if chinese[key] - english[key]} == {}


def test_whatever_is_named_on_the_page_has_words() -> None:
    page = (PAGE / "index.html").read_text("utf-8")
    used = set(re.findall(r'data-(?:words|label|tip|hint)="([^"]+)"', page))
    for script in (PAGE / "js").glob("*.js"):
        text = script.read_text("utf-8")
        used |= set(re.findall(r'(?:words|label|tip|hint): \[?"([^"]+)"', text))
        used |= set(re.findall(r'\b(?:word|button)\("([^"]+)"', text))
    assert len(used) > 60
    assert used - set(keys("en")) == set()


def test_nothing_of_the_page_comes_from_elsewhere_or_is_written_as_markup() -> None:
    for file in PAGE.rglob("*"):
        if file.is_file():
            text = file.read_text("utf-8").replace("http://www.w3.org/2000/svg", "")
            assert not re.search(
                r"https?:|//[a-z]+\.|innerHTML|outerHTML|insertAdjacent|document\.write|eval\(", text
            ), file
            assert not re.search(r"\son\w+=|style=", text), file
            assert text.count("\n") < 300, file
