"""The chat without a terminal, its slash commands, and how its words are drawn; without a model."""

from __future__ import annotations

import io
import json
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from agent.catalogue import load_items, read_items
from agent.commands.chatting import slash
from agent.commands.chatting.drawing import Drawn
from agent.commands.chatting.running import Running, Stopped
from agent.commands.chatting.talk import Talk
from agent.commands.chatting.words import Flow
from agent.converse.conversations import Conversations
from agent.converse.pieces import Mention, Reasoned, Slated, Words
from agent.errors import ConfigError, NotFound
from agent.recommender import Recommender
from agent.settings import Settings
from agent.types import Evidence, Item, Rationale, Recommendation, Slate
from tests.support.terminal import ROOT
from tests.test_cli import Answer, palate

FILMS = ROOT / "tests" / "support" / "films.csv"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data folder with fifteen films and their index."""
    path = tmp_path_factory.mktemp("chat")
    with Recommender.open(settings=Settings(folder=path)) as recommender, read_items(FILMS) as rows:
        load_items(rows, recommender.put_items, path / "refused.jsonl")
        recommender.sync_index()
    return path


def chat(folder: Path, *arguments: str, say: str | bytes) -> Answer:
    return palate("--folder", folder, "chat", *arguments, "--no-llm", stdin=say, cwd=folder)


def lines(answer: Answer) -> list[dict[str, Any]]:
    return [json.loads(line) for line in answer.out.splitlines()]


def drawn(blocks: Iterator[Any]) -> str:
    console = Console(file=io.StringIO(), width=80, markup=False, highlight=False)
    for block in blocks:
        console.print(block)
    return console.file.getvalue()  # type: ignore[attr-defined]


def test_every_piece_is_a_line_and_a_conversation_goes_on_in_the_next_process(folder: Path) -> None:
    first = chat(folder, "ada", "--json", "-k", "3", say="I want an animated family film\n")
    assert first.code == 0, first.err
    pieces = lines(first)
    names = [piece["piece"] for piece in pieces]
    assert names[0] == "heard"
    assert names[-1] == "done"
    assert names.count("slate") == 1
    assert names.count("reason") == 3
    said = b"/state\n/like 1\n\xff\xfe\n/nothing\nnothing older than 2000\n"
    second = chat(folder, "ada", "--json", "--resume", say=said)
    assert second.code == 1
    state, liked, unread, unknown, *reply = lines(second)
    assert "3 titles" in state["text"]
    assert liked["command"] == "/like 1"
    assert pieces[-1]["slate"]["recommendations"][0]["item"]["title"] in liked["text"]
    assert (unread["piece"], unread["line"]) == ("error", 3)
    assert "UTF-8" in unread["error"]
    assert "/why /like" in unknown["hint"]
    assert reply[-1]["conversation_id"] == pieces[-1]["conversation_id"]
    assert reply[-1]["state"]["turn"] == 2


def test_text_answers_are_plain_and_a_bad_line_does_not_end_the_chat(folder: Path) -> None:
    answer = chat(folder, "bob", say="/like nonsense of a title\n\nsomething like Alien\n/quit\nnever read\n")
    assert answer.code == 1
    assert "no item is called" in answer.err
    assert "\x1b" not in answer.out
    assert "\n  1 " in answer.out
    assert answer.out.count("\n  1 ") == 1


@pytest.mark.parametrize(
    ("arguments", "told"),
    [(["--lang", "fr"], "--lang 'fr'"), (["carl", "--resume"], "no conversation"), (["a\x01b"], "cannot name")],
)
def test_what_cannot_be_begun_is_one_line(folder: Path, arguments: list[str], told: str) -> None:
    answer = chat(folder, *arguments, say="hello\n")
    assert answer.code in (1, 2)
    assert answer.err.startswith("palate: ")
    assert told in answer.err
    assert len(answer.err.splitlines()) == 1


def test_an_empty_catalogue_says_how_to_load_one(tmp_path: Path) -> None:
    answer = chat(tmp_path, say="hello\n")
    assert answer.code == 1
    assert "palate load" in answer.err


# Slash commands


@pytest.fixture(scope="module")
def recommender(folder: Path) -> Iterator[Recommender]:
    with Recommender.open(settings=Settings(folder=folder, noun="films")) as opened:
        yield opened


@pytest.fixture
def talk(recommender: Recommender) -> Iterator[Talk]:
    yield Talk(recommender, Conversations(recommender), "dora", k=3, llm=False)
    recommender.forget("dora")


def say(talk: Talk, message: str) -> None:
    for piece in talk.reply(message):
        talk.hear(piece)


def test_places_and_titles_are_noted_at_once_and_taken_back_one_by_one(talk: Talk) -> None:
    say(talk, "an animated film")
    liked, other = talk.shown[0].item_id, talk.shown[1].item_id
    assert talk.shown[0].name in drawn(slash.run(talk, "/like 1"))
    drawn(slash.run(talk, "/dislike Heat"))
    drawn(slash.run(talk, "/seen 1, 2"))
    profile = talk.recommender.profile("dora")
    assert {liked, other} <= profile.seen
    assert [one.item_id for one in profile.disliked] == ["f10"]
    drawn(slash.run(talk, "/undo"))
    drawn(slash.run(talk, "/undo"))
    assert not talk.recommender.profile("dora").disliked
    assert [one.item_id for one in talk.recommender.profile("dora").liked] == [liked]
    drawn(slash.run(talk, "/undo"))
    assert not talk.recommender.profile("dora").liked
    assert talk.shown
    drawn(slash.run(talk, "/undo"))
    assert not talk.shown  # the message itself
    with pytest.raises(NotFound):
        drawn(slash.run(talk, "/undo"))


def test_why_profile_state_and_slate_show_what_is_known(talk: Talk) -> None:
    for early in ("/slate", "/profile", "/state", "/list", "/why"):
        with pytest.raises(NotFound):
            drawn(slash.run(talk, early))
    say(talk, "an animated film")
    drawn(slash.run(talk, "/like 2"))
    assert "rank: recall" in drawn(slash.run(talk, "/why 1"))
    assert "The taste of dora" in drawn(slash.run(talk, "/profile"))
    assert "an animated film" in drawn(slash.run(talk, "/state"))
    shown = drawn(slash.run(talk, "/slate"))
    assert all(item.name in shown for item in talk.shown)


def test_conversations_are_listed_and_gone_on_with(talk: Talk) -> None:
    say(talk, "an animated film")
    first, shown = talk.conversation_id, talk.shown
    drawn(slash.run(talk, "/new"))
    assert talk.conversation_id != first
    assert not talk.shown
    say(talk, "a crime film")
    listed = drawn(slash.run(talk, "/list"))
    assert listed.index("a crime film") < listed.index("an animated film")
    assert shown[0].name in drawn(slash.run(talk, "/open 2"))
    assert talk.conversation_id == first
    with pytest.raises(NotFound):
        drawn(slash.run(talk, "/open 9"))


def test_forgetting_asks_for_a_yes(talk: Talk) -> None:
    say(talk, "an animated film")
    assert "/forget yes" in drawn(slash.run(talk, "/forget"))
    assert talk.conversations.conversations("dora")
    assert "Erased" in drawn(slash.run(talk, "/forget yes"))
    assert not talk.conversations.conversations("dora")
    assert not talk.shown


def test_languages_are_named_and_help_lists_every_command(talk: Talk) -> None:
    drawn(slash.run(talk, "/lang zh"))
    assert talk.language == "zh"
    drawn(slash.run(talk, "/lang auto"))
    assert talk.language is None
    with pytest.raises(ConfigError, match="fr"):
        drawn(slash.run(talk, "/lang fr"))
    told = drawn(slash.run(talk, "/help"))
    assert all(f"/{name}" in told for name in slash.COMMANDS)
    assert slash.ends("/quit")
    assert slash.ends("/q ")
    assert not slash.ends("quit")
    assert "/why" in drawn(slash.run(talk, "/he"))
    with pytest.raises(ConfigError, match="no command /s"):
        slash.run(talk, "/s")


def test_lines_are_completed_by_commands_places_titles_and_answers(talk: Talk) -> None:
    say(talk, "an animated film")
    offered = {line: [one.text for one in slash.offers(talk, line)] for line in ("/l", "/why ", "/like godf", "/lang ")}
    assert offered["/l"] == ["/like ", "/list", "/lang "]
    assert offered["/why "] == ["1", "2", "3"]
    assert offered["/like godf"] == ["The Godfather (1972)"]
    assert offered["/lang "] == ["en", "zh", "auto"]
    assert not list(slash.offers(talk, ""))


# A reply that is left


def test_a_reply_that_is_stopped_is_left_at_once_and_asked_for_nothing_more() -> None:
    asked, go_on, left = [], threading.Event(), threading.Event()

    def pieces() -> Iterator[int]:
        for n in range(10):
            asked.append(n)
            yield n
            go_on.wait(60)

    running = Running(pieces, left.set)
    assert running.next_within(60) == 0
    running.stop()
    with pytest.raises(Stopped):
        running.next_within(60)
    assert left.is_set()
    go_on.set()
    assert running.join(60)
    assert len(asked) <= 2


def test_what_fails_on_the_other_thread_is_raised_where_it_is_read() -> None:
    def pieces() -> Iterator[int]:
        yield 1
        raise NotFound("gone")

    running = Running(pieces)
    assert running.next_within(60) == 1
    with pytest.raises(NotFound, match="gone"):
        running.next_within(60)
    assert running.next_within(60) is None
    assert running.over


# How it looks


def flowed(width: int | None, *texts: str) -> str:
    console = Console(file=io.StringIO(), width=200)
    flow = Flow(console, width)
    for text in texts:
        flow.add(text)
    flow.end()
    return console.file.getvalue()  # type: ignore[attr-defined]


@pytest.mark.parametrize("cut", [1, 3, 100])
def test_streamed_words_break_between_words_however_they_are_cut(cut: int) -> None:
    text = "Here are some films that fit your mood tonight."
    pieces = [text[n : n + cut] for n in range(0, len(text), cut)]
    assert flowed(20, *pieces).split("\n") == ["Here are some films ", "that fit your mood ", "tonight.", ""]
    assert flowed(None, *pieces) == f"{text}\n"


def test_chinese_breaks_between_any_two_signs_and_no_escape_gets_through() -> None:
    assert flowed(8, "这是一部好电影").split("\n")[:2] == ["这是一部", "好电影"]
    assert flowed(20, "\x1b[2Jred\x07 \u202egone\r") == "[2Jred gone \n"


def slate_of(*names: str) -> Slate:
    items = [Item(item_id=name, title=name, tags=("Drama",), attributes={"year": 1999}) for name in names]
    places = tuple(Recommendation(item=item, rank=n, score=1.0) for n, item in enumerate(items, start=1))
    return Slate(user_id="ada", recommendations=places)


REASON = Rationale(
    sentence="You liked Heat.", evidence=(Evidence(kind="event", ref="e", value="Heat"),), source="composed"
)


def test_a_slate_is_drawn_with_its_reasons_in_their_places() -> None:
    console = Console(file=io.StringIO(), width=80)
    with Drawn(console) as reply:
        for piece in (
            Words(text="Try these, near "),
            Mention(item=slate_of("Heat").recommendations[0].item),
            Words(text="."),
            Slated(slate=slate_of("Alien", "Brazil")),
            Reasoned(place=2, rationale=REASON),
            Words(text="Older or newer?"),
        ):
            reply.show(piece)
    written = console.file.getvalue()  # type: ignore[attr-defined]
    first, *_, last = [line.strip() for line in written.splitlines() if line.strip()]
    assert first == "Try these, near Heat (1999)."
    assert written.index("Alien (1999)") < written.index("Brazil (1999)") < written.index("You liked Heat.")
    assert last == "Older or newer?"
    assert "…" not in written


@pytest.mark.parametrize("height", [8, 40])
def test_a_list_is_drawn_once_also_where_it_is_longer_than_the_terminal(height: int) -> None:
    console = Console(file=io.StringIO(), width=80, height=height, force_terminal=True, color_system=None)
    with Drawn(console) as reply:
        reply.show(Slated(slate=slate_of("Alien", "Brazil", "Cube", "Dune")))
        for place in (1, 2, 3, 4):
            reply.show(Reasoned(place=place, rationale=REASON))
        reply.show(Words(text=" Older or newer?"))
    written = console.file.getvalue()  # type: ignore[attr-defined]
    last = written.rpartition("\x1b[2K")[2]  # what stands when all that was drawn before has been wiped
    assert [last.count(name) for name in ("Alien", "Brazil", "Cube", "Dune")] == [1] * 4
    assert last.count("You liked Heat.") == 4
    assert "\nOlder or newer?" in last
    assert ("\x1b[2K" in written) is (height == 40)


def test_a_reply_rests_after_a_sentence_and_not_within_one() -> None:
    console = Console(file=io.StringIO(), width=80)
    with Drawn(console) as reply:
        assert reply.pauses()
        for text, rests in (("Here are some", False), (" films. ", True), ("And then", False)):
            reply.show(Words(text=text))
            assert reply.pauses() is rests
    assert console.file.getvalue() == "Here are some films. \nAnd then\n"  # type: ignore[attr-defined]


def test_a_title_cannot_move_the_cursor() -> None:
    console = Console(file=io.StringIO(), width=80)
    evil = Item(item_id="x", title="Heat\x1b[2J\u202e(1)")
    with Drawn(console) as reply:
        reply.show(Mention(item=evil))
        reply.show(Slated(slate=Slate(user_id="a", recommendations=(Recommendation(item=evil, rank=1, score=0),))))
    assert "\x1b" not in console.file.getvalue()  # type: ignore[attr-defined]
