"""Conversations held to be measured: who names what, when pieces come, and the command that reports it."""

import json
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from click.testing import Result
from typer import Typer
from typer.testing import CliRunner

from agent.converse.pieces import Heard, Mention, Piece, Reply, Slated, Words
from agent.converse.state import Intent, State, Understood
from agent.errors import ModelUnavailable
from agent.settings import Settings
from agent.titles import Titles
from agent.types import Degradation, Evidence, Item, Rationale, Recommendation, Slate
from eval.conversing.command import Opened, talk_with
from eval.conversing.films import films
from eval.conversing.holding import Held, hold
from eval.conversing.naming import Known, strays
from eval.conversing.report import report
from eval.conversing.script import LENGTH, Conversation, Shelf, conversations
from eval.runs import Told, Watch

TOY = Item(
    item_id="1",
    title="Toy Story",
    tags=("Comedy", "Animation"),
    attributes={"year": 1995, "director": ("John Lasseter",), "cast": ("Tom Hanks", "Tim Allen")},
    text="A cowboy doll is jealous of a spaceman.",
)
HOTEL = Item(
    item_id="2",
    title="The Grand Budapest Hotel",
    tags=("Comedy",),
    attributes={"year": 2014, "director": ("Wes Anderson",), "language": "English", "awards": "Won 4 Oscars."},
)
SMALL = Item(item_id="3", title="Y tu mamá también", attributes={"year": 2001})
KNOWN = Known([TOY, HOTEL, SMALL])
SHELF: Shelf = {"en": {intent: (f"{intent.value} one", f"{intent.value} two") for intent in Intent}}


# What is named


@pytest.mark.parametrize(
    "text",
    [
        "Because Tom Hanks plays in it, you may like Toy Story (1995).",
        "You said “something like Paddington”, so here is a Comedy by Wes Anderson.",
        "I think Anderson made The Grand Budapest Hotel; it won 4 Oscars.",
        "1. Toy Story (1995) – Comedy, Animation\n2. Grand Budapest Hotel",
        "Comedy and Animation from the 1990s. Drama? No.",
        "“A cowboy doll is jealous” is what it says.",
        "推荐《Toy Story》，导演是John Lasseter。",
        "Tom Hanks出演，也属于喜剧。",
        "Because you liked Y tu mamá también (2001), and Y tu mamá también only.",
        "If Toy Story (1995) held you, Tom Hanks's comedy and Wes Anderson’s drama are for you.",
        "为“搞笑”而找。",
        "Noted. It's in English. I'd say so on Monday.",
        "",
        "…",
    ],
)
def test_what_the_catalogue_or_the_person_named_is_known(text: str) -> None:
    assert strays(text, KNOWN, [TOY], ["something like Paddington", "想看点搞笑的"]) == []


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("为“悲伤的”而找：标签里有。", "悲伤的"),
        ("You might like “The Silent Orchard” too.", "The Silent Orchard"),
        ("Midnight Harbour is quiet.", "Midnight Harbour"),
        ("Try the lovely Midnight Harbour.", "Midnight Harbour"),
        ("Toy Story Returns is fun.", "Returns"),
        ("It is like Star Wars.", "Star Wars"),
        ("You liked Y tu papá también.", "Y"),
        ("You liked Y tu mamá también Returns.", "Returns"),
        ("推荐《大红灯笼》", "大红灯笼"),
        ("「夜の港」もいい", "夜の港"),
        ('He made "the silent orchard".', "the silent orchard"),
        ("It has Emma Thompson in it.", "Emma Thompson"),
        ("It is by Wes Lasseter.", "Wes Lasseter"),
        ("See Toy Hotel (2003).", "Toy Hotel"),
        ("«Le Silence» is fine", "Le Silence"),
    ],
)
def test_what_nobody_knows_is_found(text: str, found: str) -> None:
    assert found in " / ".join(strays(text, KNOWN, [TOY], ["something sad"]))


def test_a_title_planted_in_any_reply_is_found() -> None:
    """Replies as templates write them, each with an invented title in the place of the item's own."""
    plain = [
        "{} might be for you: it is a Comedy.",
        "You liked Toy Story, so {} may please you too.",
        "更喜欢《{}》吗？",
    ]
    for invented in ("The Glass Cartographer", "Nine Winters in Oslo", "Harlow's Gambit", "Saltmarsh"):
        found = [strays(text.format(invented), KNOWN, [TOY], []) for text in plain[1:]]
        assert all(found), invented
    assert strays(plain[0].format("Nine Winters in Oslo"), KNOWN, [TOY], [])


# What is said


def test_conversations_begin_with_a_wish_and_repeat_for_equal_seeds() -> None:
    first = list(conversations(SHELF, 2 * LENGTH + 3, 7))
    assert [len(one.messages) for one in first] == [LENGTH, LENGTH, 3]
    assert all(one.messages[0].startswith("wish") for one in first)
    assert first == list(conversations(SHELF, 2 * LENGTH + 3, 7))
    assert first != list(conversations(SHELF, 2 * LENGTH + 3, 8))
    both: Shelf = {**SHELF, "zh": SHELF["en"]}
    assert [one.language for one in conversations(both, 2 * LENGTH, 7)] == ["en", "zh"]


# What is answered


class Says:
    """Answers with a slate of one item, whose reason is given, or fails."""

    def __init__(self, reason: str = "It is a Comedy.", *, fails: str = "") -> None:
        self.reason = reason
        self.fails = fails
        self.asked: list[tuple[str, str, str | None, int]] = []

    def reply(
        self, user_id: str, message: str, *, conversation_id: str | None = None, k: int = 5, llm: bool = True
    ) -> Iterator[Piece]:
        self.asked.append((user_id, message, conversation_id, k))
        if self.fails and self.fails in message:
            raise ModelUnavailable("nobody is there", "Come back")
        shares = dict.fromkeys(Intent, 1 / len(Intent))
        heard = Understood(message=message, language="en", intent=Intent.WISH, intents=shares)
        yield Heard(understood=heard)
        yield Words(text="Here is one: ")
        yield Mention(item=TOY)
        evidence = (Evidence(kind="item", ref="tags", value="Comedy"),)
        why = Rationale(sentence=self.reason, evidence=evidence, source="written")
        slate = Slate(user_id=user_id, recommendations=(Recommendation(item=TOY, rank=1, score=1.0, rationale=why),))
        yield Slated(slate=slate)
        yield Reply(
            conversation_id="c1",
            user_id=user_id,
            understood=heard,
            text="Here is one: Toy Story (1995)",
            slate=slate,
            state=State(conversation_id="c1", user_id=user_id),
            degraded=(Degradation(stage="rerank", reason="tired"),),
            timings_ms={"understood": 1.0, "recall": 2.0},
            tokens={"in": 5, "out": 7},
        )


def held(talker: Says, *messages: str) -> list[Held]:
    ticks = iter(range(10_000)).__next__
    return list(hold([Conversation("ada", "en", messages)], talker, 3, clock=lambda: ticks() / 1_000))


def test_pieces_are_timed_as_they_come_and_the_conversation_goes_on() -> None:
    talker = Says()
    first, second = held(talker, "one", "two")
    assert talker.asked == [("ada", "one", None, 3), ("ada", "two", "c1", 3)]
    assert first.ms == {"first_word": pytest.approx(2), "slate": pytest.approx(4), "total": pytest.approx(5)}
    assert first.texts == ("Here is one: Toy Story (1995)", "It is a Comedy.")
    assert (first.reasons, first.written, first.tokens_out, first.degraded) == (1, 1, 7, ("rerank: tired",))
    assert second.said == ("one", "two")


def test_a_reply_that_fails_is_told_and_the_next_message_is_said() -> None:
    first, second, third = held(Says(fails="two"), "one", "two", "three")
    assert second.failed == "nobody is there. Come back"
    assert (first.failed, third.failed) == (None, None)
    done = report([first, second, third], KNOWN)
    assert (done.n, sum(done.failed.values()), done.invented.n) == (3, 1, 2)


def test_invented_titles_are_counted_by_reply_within_bounds() -> None:
    fine = held(Says(), *("message",) * 9)
    wrong = held(Says("Like Star Wars, and “Salt Road”."), "message")
    done = report([*fine, *wrong], KNOWN)
    assert done.invented.value == pytest.approx(0.1)
    assert {one.named for one in done.strays} == {"Like Star Wars", "Salt Road"}
    assert report(fine, KNOWN).invented.high == pytest.approx(0.299, abs=0.01)
    assert done.written is not None
    assert (done.written.value, done.with_tokens, done.tokens_out) == (1.0, 10, 70)


def test_times_leave_out_the_first_conversation_and_are_held_against_targets() -> None:
    warm = held(Says(), "one")
    later = [
        Held("bob", "en", "m", ("m",), intent="wish", ms={"first_word": 900.0, "slate": 2_600.0, "total": 3_000.0})
    ]
    done = report([*warm, *later], KNOWN)
    assert done.ms["slate"] == {"p50": 2_600.0, "p95": 2_600.0, "n": 1}
    assert done.targets == {"first_word": True, "slate": False}
    assert done.by_intent["wish"]["n"] == 1
    assert report(warm, KNOWN).ms["total"]["n"] == 1


# The command


def talk(*arguments: str, talker: Says | None = None) -> Result:
    @contextmanager
    def opener(settings: Settings, watch: Watch, told: Told) -> Iterator[Opened]:
        shelf = films()
        yield Opened(talker or Says(), Titles(shelf), [*shelf, TOY, HOTEL], {"reference": "fake"})

    app = Typer()
    app.command()(talk_with(opener))
    return CliRunner().invoke(app, list(arguments), env={"COLUMNS": "120"})


def test_the_json_has_the_documented_shape() -> None:
    result = talk("--replies", "20", "--json", "-k", "2")
    assert result.exit_code == 0, result.output
    found = json.loads(result.stdout)
    assert set(found) == {
        "task", "n_items", "k", "seed", "model", "replies", "failed", "invented", "written", "ms", "stages_ms",
        "by_intent_ms", "targets", "degraded", "method", "n_candidates", "writer",
    }  # fmt: skip
    assert (found["replies"], found["invented"]["n"], found["invented"]["value"]) == (20, 20, 0.0)
    assert found["invented"]["strays"] == []
    assert set(found["ms"]) == {"first_word", "slate", "total"}
    assert set(found["ms"]["slate"]) == {"p50", "p95", "n"}
    assert set(found["targets"]["slate"]) == {"at_most_ms", "met"}
    assert found["written"] == {"reasons": found["written"]["reasons"], "replies": 20, "tokens_out": 140}
    assert found["degraded"] == {"rerank: tired": 20}


def test_the_drawing_names_what_was_invented() -> None:
    result = talk("--replies", "9", "--language", "en", talker=Says("Like the Salt Road."))
    assert result.exit_code == 0, result.output
    assert "in 9 of 9 replies" in result.stdout
    assert "'Like the Salt Road' in" in result.stdout
    assert "first word" in result.stdout
    assert "2.5 s, met" in result.stdout
