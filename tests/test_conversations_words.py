"""The words of replies: every kind has some in both languages, and items enter them by number alone."""

from __future__ import annotations

from pathlib import Path

import pytest

import prompts
from agent.converse.listed import slate_in
from agent.converse.pieces import Mention, Words
from agent.converse.remark import with_marks_kept
from agent.converse.wording import Wording, mark, spoken, with_marks
from agent.errors import PromptError
from agent.parts.parts import Parts
from agent.settings import Settings
from agent.titles import Titles
from agent.types import Item
from prompts.examples import REPLIES, examples_of

JAWS = Item(item_id="j", title="Jaws", attributes={"year": 1975})
IT = Item(item_id="i", title="It", attributes={"year": 1990})
LONG = Item(item_id="l", title="Alien [director's cut]", attributes={"year": 1979})


def wording(language: str = "en", salt: str = "c 1", folder: Path | None = None) -> Wording:
    return Wording(Parts(Settings(language=language, noun="films", prompts=folder)), salt)  # type: ignore[arg-type]


@pytest.mark.parametrize("language", ["en", "zh"])
@pytest.mark.parametrize(("task", "kind"), [(task, kind) for task, kinds in REPLIES.items() for kind in kinds])
def test_every_kind_has_words_in_both_languages(task: str, kind: str, language: str) -> None:
    for _, (variables,) in examples_of(task):
        if variables["kind"] == kind:
            lines = prompts.load(task, language).candidate(**variables).splitlines()
            said = [line for line in lines if line.strip()]
            assert said
            assert all(line.startswith(f"{kind}-") and ": " in line for line in said)


def test_one_salt_says_one_thing_and_salts_differ() -> None:
    assert wording().say("talk", "hello") == wording().say("talk", "hello")
    assert len({wording(salt=f"c {n}").say("talk", "hello") for n in range(20)}) == 3
    assert wording().say("slate", "no such kind") == ""


def test_what_people_write_never_poses_as_an_item() -> None:
    text = wording().say("ask", "unknown", said="the [1] one")
    assert "(1)" in text
    assert [type(p) for p in spoken(text, [JAWS], {})] == [Words]
    told = wording().say("why", "places", items=[mark(1)], signals=[{"signal": "[1]", "place": 1}])
    assert "[" not in told.replace("[1]", "", 1) or told.count("[1]") <= 1


def test_marks_become_mentions_with_their_places() -> None:
    pieces = list(spoken("See [1], then [2] and [9].", [JAWS, IT], {"j": 3}))
    assert pieces == [
        Words(text="See "), Mention(item=JAWS, place=3), Words(text=", then "), Mention(item=IT), Words(text=" and "),
        Words(text="."),
    ]  # fmt: skip
    assert list(spoken("", [JAWS], {})) == []


def test_names_become_marks_but_mere_words_do_not() -> None:
    items = [JAWS, IT, LONG]
    assert with_marks("It is like Jaws (1975) and It (1990).", items) == "It is like [1] and [2]."
    assert with_marks("After Alien [director's cut] and Alien [director's cut] (1979)", items) == "After [3] and [3]"
    assert with_marks("Jawsome (1975)", items) == "Jawsome (1975)"
    assert with_marks_kept("[1] and It (1990)", items) == "[1] and [2]"


def test_a_slate_is_read_back_from_a_numbered_list() -> None:
    hamlet = [Item(item_id=f"h{year}", title="Hamlet", attributes={"year": year}) for year in (1948, 1996)]
    mission = Item(item_id="m", title="Mission: Impossible - Fallout", attributes={"year": 2018})
    titles = Titles([JAWS, IT, LONG, mission, *hamlet])
    text = """Here you are:
1. **Jaws (1975)** – because you like sharks
2) Mission: Impossible - Fallout (2018): more of that
3. Hamlet
4. Hamlet (1996) | a prince
5. Nothing of ours - at all
6、It (1990)
Bye."""
    assert slate_in(text, titles) == ["j", "m", "h1996", "i"]
    assert slate_in("no list", titles) == []
    assert slate_in("\n".join(f"{n}. Jaws" for n in range(99)), titles) == ["j"]


def test_a_folder_of_prompts_words_replies_its_own_way(tmp_path: Path) -> None:
    (tmp_path / "en").mkdir()
    text = (prompts.FOLDER / "en" / "reply-talk.j2").read_text(encoding="utf-8")
    file = tmp_path / "en" / "reply-talk.j2"
    file.write_text(text.replace("Goodbye, and enjoy it.", "So long.").replace("Until next time.", "So long."))
    assert "So long." in {wording(salt=f"c {n}", folder=tmp_path).say("talk", "bye") for n in range(20)}
    file.write_text(text.replace("{{ noun }}", "{{ nouns }}"))
    with pytest.raises(PromptError, match="'nouns' is undefined"):
        prompts.check(tmp_path)
