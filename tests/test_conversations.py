"""Conversations over fifteen films, with the real store, index and embedder: what is answered, kept and taken back."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from agent.converse import about
from agent.converse.conversations import Conversations
from agent.converse.pieces import Heard, Mention, Piece, Reasoned, Reply, Slated, Words
from agent.errors import Busy, ConfigError, NotFound
from agent.llm.scripted import Scripted
from agent.types import Attribute, Event, EventKind, Item
from tests.support.talking import GONE, Waiting, done, talking, text_of, told


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("talk")


@pytest.fixture(scope="module")
def talk(folder: Path) -> Iterator[Conversations]:
    with talking(folder) as conversations:
        yield conversations


def say(talk: Conversations, user: str, message: str, conversation: str | None = None, **terms: object) -> list[Piece]:
    return list(talk.reply(user, message, conversation_id=conversation, **{"k": 3, "llm": False, **terms}))  # type: ignore[arg-type]


def ids(reply: Reply) -> list[str]:
    return [r.item.item_id for r in reply.slate or ()]


def test_a_wish_is_heard_shown_and_explained_in_this_order(talk: Conversations) -> None:
    pieces = say(talk, "ann", "wish: an animated film for children")
    kinds = list(dict.fromkeys(type(piece) for piece in pieces))
    assert kinds == [Heard, Words, Slated, Reasoned, Reply]
    reply = done(pieces)
    slated = next(p for p in pieces if isinstance(p, Slated))
    assert all(r.rationale is None for r in slated.slate)
    assert [p.place for p in pieces if isinstance(p, Reasoned)] == [1, 2, 3]
    assert reply.slate is not None
    assert [r.rationale for r in reply.slate] == [p.rationale for p in pieces if isinstance(p, Reasoned)]
    assert reply.text == text_of(pieces).strip()
    assert [(e.kind, e.text) for e in reply.events] == [(EventKind.MESSAGE, "an animated film for children")]
    assert reply.state.slate == tuple(ids(reply))
    assert {"understood", "first_word", "slate", "total", "recall"} <= set(reply.timings_ms)
    assert reply.timings_ms["first_word"] <= reply.timings_ms["slate"] <= reply.timings_ms["total"]
    assert reply.as_json()["text"] == reply.text


def test_no_words_hold_a_title(talk: Conversations) -> None:
    titles = [item.title for item in talk.recommender.store.items()]
    conversation = None
    for message in ("wish: funny", "loved: 2", "why: 1", "ask: 3", "only: year>=1990", "why: 1 2", "hated: 1"):
        pieces = say(talk, "bea", message, conversation)
        conversation = done(pieces).conversation_id
        words = "".join(p.text if isinstance(p, Words) else "|" for p in pieces if isinstance(p, Words | Mention))
        assert not [title for title in titles if title in words and len(title) > 4], words


def test_what_was_shown_does_not_come_again_until_nothing_else_is_left(talk: Conversations) -> None:
    first = done(say(talk, "cat", "wish: a quiet film", k=6))
    second = done(say(talk, "cat", "next", first.conversation_id, k=6))
    third = done(say(talk, "cat", "next", first.conversation_id, k=6))
    assert not set(ids(first)) & set(ids(second))
    assert len({*ids(first), *ids(second), *ids(third)}) == 15
    again = say(talk, "cat", "next", first.conversation_id, k=6)
    assert len(ids(done(again))) == 6
    assert "again" in text_of(again) or "once more" in text_of(again)


def test_what_was_shown_comes_again_when_it_is_asked_for(talk: Conversations) -> None:
    first = done(say(talk, "cid", "wish: a quiet film", k=6))
    again = done(say(talk, "cid", "wish: a quiet film / x: show me those again", first.conversation_id, k=6))
    assert set(ids(again)) == set(ids(first))


def test_only_a_message_that_tells_nothing_is_asked_back_and_the_answer_holds(talk: Conversations) -> None:
    assert done(say(talk, "cob", "wish: a film / more: tags=Comedy | a comedy")).question is None
    asked = done(say(talk, "cob", "wish: a film"))
    assert asked.question is not None
    assert asked.state.pending == asked.question
    option = asked.question.options[0]
    told = done(say(talk, "cob", f"only: {option.test} | {option.label}", asked.conversation_id))
    assert told.question is None
    assert told.state.pending is None
    later = done(say(talk, "cob", "next", asked.conversation_id))
    assert later.question is None or later.question.name != asked.question.name


def test_a_title_that_is_not_there_is_said_to_be_missing(talk: Conversations) -> None:
    reply = done(say(talk, "cyd", "wish: like it / unclear: Gone With It"))
    assert "“Gone With It”" in reply.text
    assert len(ids(reply)) == 3


def test_constraints_hold_and_the_oldest_gives_way_in_words(talk: Conversations) -> None:
    reply = done(say(talk, "dan", "wish: a quiet film / only: year>=2000 | newer than 2000"))
    assert all((r.item.year or 0) >= 2000 for r in reply.slate or ())
    talk_id = reply.conversation_id
    reply = done(say(talk, "dan", "only: tags=Comedy | a comedy", talk_id))
    assert all("Comedy" in r.item.tags and (r.item.year or 0) >= 2000 for r in reply.slate or ())
    pieces = say(talk, "dan", 'only: director="John Lasseter" | by John Lasseter', talk_id)
    reply = done(pieces)
    assert ids(reply) == ["f01"]
    assert "newer than 2000" in text_of(pieces).partition("ohn Lasseter")[2]
    assert reply.state.where == 'tags=Comedy and director="John Lasseter"'


def test_words_that_are_refused_and_soft_constraints_move_the_order(talk: Conversations) -> None:
    first = done(say(talk, "dora", "wish: a tale of a rat with a gift for cooking"))
    assert "f02" in ids(first)
    talk.undo("dora", first.conversation_id)
    pieces = say(talk, "dora", "wish: a tale of cooking, nothing with rats", k=6)
    assert "no rats" in text_of(pieces)
    assert "f02" not in ids(done(pieces))
    newer = done(say(talk, "dot", "wish: an animated adventure / more: year>=2003 | newer", k=3))
    assert all((r.item.year or 0) >= 2003 for r in newer.slate or ())
    assert [s for r in newer.slate or () for s in r.path if s.stage == "preferred"]
    assert newer.state.wish == "an animated adventure"
    assert "catalogue does not say" in done(say(talk, "dov", "wish: a comedy under 90 minutes")).text


def test_where_nothing_helps_it_is_said(talk: Conversations) -> None:
    reply = done(say(talk, "eve", "wish: a quiet film", where="year>2090"))
    assert ids(reply) == []
    assert reply.state.slate == ()
    assert "find nothing" in reply.text or "None of the films fit" in reply.text


def test_reactions_become_events_and_a_new_slate(talk: Conversations) -> None:
    first = done(say(talk, "fay", "wish: something animated"))
    pieces = say(talk, "fay", "loved: 1", first.conversation_id)
    reply = done(pieces)
    assert [(e.kind, e.item_id) for e in reply.events] == [(EventKind.LIKE, ids(first)[0])]
    assert [r.item_id for r in talk.recommender.profile("fay").liked] == ids(first)[:1]
    assert next(p for p in pieces if isinstance(p, Mention)).item.item_id == ids(first)[0]
    assert reply.slate is not None
    assert not set(ids(reply)) & set(ids(first))
    other = done(say(talk, "fay", "hated: f07", first.conversation_id))
    assert other.slate is None
    assert [r.item_id for r in talk.recommender.profile("fay").disliked] == ["f07"]


def test_a_conversation_goes_on_after_a_restart(tmp_path: Path) -> None:
    with talking(tmp_path) as before:
        first = done(say(before, "gus", "wish: a quiet film / only: year>=1990"))
    with talking(tmp_path) as after:
        assert after.state("gus", first.conversation_id) == first.state
        reply = done(say(after, "gus", "why: 2", first.conversation_id))
        assert after.recommender.store.items([ids(first)[1]])[0].name in reply.text
        kept = after.recommender.why("gus", ids(first)[1])
        assert first.slate is not None
        assert kept[0].rationale == first.slate[1].rationale
        assert [(s.role, bool(s.slate)) for s in after.history("gus", first.conversation_id)] == [
            ("user", False), ("assistant", True), ("user", False), ("assistant", False)
        ]  # fmt: skip
        (listed,) = after.conversations("gus")
        assert (listed.conversation_id, listed.words) == (
            first.conversation_id,
            "wish: a quiet film / only: year>=1990",
        )
        assert listed.begun <= listed.last


def test_two_people_never_see_each_others_state(talk: Conversations) -> None:
    mine = done(say(talk, "hal", "wish: a secret wish / only: year>=1990", "shared"))
    theirs = done(say(talk, "ida", "why: 1", "shared"))
    assert theirs.state.constraints == ()
    assert talk.state("hal", "shared") == mine.state
    assert talk.history("ida")[0].text == "why: 1"
    with pytest.raises(NotFound, match="'joe' has no conversation 'shared'"):
        talk.state("joe", "shared")
    assert talk.conversations("joe") == []


def test_undo_takes_back_the_message_and_its_events(talk: Conversations) -> None:
    first = done(say(talk, "kim", "wish: a quiet film"))
    before = talk.recommender.profile("kim")
    loved = done(say(talk, "kim", "loved: 1", first.conversation_id))
    assert talk.recommender.profile("kim") != before
    assert talk.undo("kim", first.conversation_id) == first.state
    assert talk.recommender.profile("kim") == before
    assert len(talk.history("kim")) == 2
    assert not {e.event_id for e in loved.events} & {e.event_id for e in talk.recommender.events("kim")}
    fresh = talk.undo("kim", first.conversation_id)
    assert (fresh.turn, fresh.wishes, talk.recommender.events("kim"), talk.history("kim")) == (0, (), (), [])
    with pytest.raises(NotFound, match="has no conversation"):
        talk.undo("kim", first.conversation_id)


def test_whoever_is_forgotten_meanwhile_is_not_kept(talk: Conversations) -> None:
    pieces = talk.reply("leo", "wish: a quiet film", k=3, llm=False)
    while not isinstance(next(pieces), Slated):
        pass
    talk.recommender.forget("leo")
    reply = done(list(pieces))
    assert [d.stage for d in reply.degraded] == ["store"]
    assert "leo" not in talk.recommender.store.users()


def test_a_slate_whose_person_is_forgotten_while_it_is_ranked_is_not_kept(tmp_path: Path) -> None:
    def score(*_: str) -> float:
        palate.forget("leo")
        return -1.0

    with talking(tmp_path, Scripted(scores=score)) as talk:
        palate = talk.recommender
        palate.tell("leo", likes=["f01"])
        slate = palate.recommend("leo", "a quiet film", k=2)
        assert len(slate) == 2
        assert [(d.stage, d.reason) for d in slate.degraded][-1] == (
            "store",
            "this answer was not kept: somebody was forgotten meanwhile",
        )
        assert palate.store.users() == []
        assert not palate.recommend("leo", "a quiet film", k=2, llm=False).degraded
        assert [turn.role for turn in palate.store.turns_of("leo")] == ["user", "assistant"]


def test_one_reply_at_a_time(talk: Conversations) -> None:
    pieces = talk.reply("max", "wish: a quiet film", conversation_id="one", llm=False)
    next(pieces)
    with pytest.raises(Busy, match="conversation 'one' is still being answered"):
        say(talk, "max", "wish: another", "one")
    with pytest.raises(Busy):
        talk.undo("max", "one")
    assert done(say(talk, "max", "wish: another", "two")).slate
    pieces.close()
    assert done(say(talk, "max", "wish: another", "one")).state.wishes == ("a quiet film", "another")


def test_another_process_that_was_quicker_loses_nothing(talk: Conversations, folder: Path) -> None:
    here = talk.reply("ned", "wish: a quiet film", conversation_id="both", llm=False)
    next(here)
    with talking(folder) as other:
        quicker = done(say(other, "ned", "loved: f07", "both"))
    late = done(list(here))
    assert [d.stage for d in late.degraded] == ["store"]
    assert talk.state("ned", "both") == quicker.state
    assert (quicker.state.wishes, quicker.state.focus) == (("a quiet film",), "f07")


def test_what_was_heard_stays_when_the_reply_is_closed(talk: Conversations) -> None:
    pieces = talk.reply("ola", "wish: a quiet film / only: year>=1990", conversation_id="cut", llm=False)
    next(pieces)
    pieces.close()
    pieces.close()
    assert list(pieces) == []
    assert talk.state("ola", "cut").where == "year>=1990"
    assert [s.role for s in talk.history("ola")] == ["user"]
    with talk.reply("ola", "next", conversation_id="cut", llm=False) as pieces:
        slate = next(p for p in pieces if isinstance(p, Slated)).slate
    assert talk.state("ola", "cut").slate == tuple(r.item.item_id for r in slate)


def test_closing_stops_a_model_at_work(tmp_path: Path) -> None:
    model = Waiting()
    with talking(tmp_path, model) as talk:
        pieces = talk.reply("pam", "wish: a quiet film", conversation_id="slow", timeout_s=600)
        consumer = threading.Thread(target=lambda: list(pieces))
        consumer.start()
        assert model.began.wait(60)
        pieces.close()
        consumer.join(60)
        assert not consumer.is_alive()
        assert model.gave_up.is_set()
        assert [s.slate for s in talk.history("pam")] == [None, None], "what was never shown is not kept"
        assert done(say(talk, "pam", "bye", "slow")).text


def test_without_a_model_it_says_so_and_answers(tmp_path: Path) -> None:
    with talking(tmp_path, GONE) as talk:
        reply = done(say(talk, "quin", "wish: an animated film", llm=True))
    assert len(ids(reply)) == 3
    assert "language model does not answer" in reply.text
    assert reply.degraded[0].stage == "model"


def test_out_of_time_it_says_so_and_answers(tmp_path: Path) -> None:
    with talking(tmp_path, Waiting()) as talk:
        reply = done(say(talk, "rob", "wish: an animated film", llm=True, timeout_s=0.3))
    assert len(ids(reply)) == 3
    assert "not enough time" in reply.text
    assert "rerank" in [d.stage for d in reply.degraded]


def test_a_conversation_that_the_caller_tells(talk: Conversations) -> None:
    before = told(
        "wish: a quiet film / only: year>=1990", "Look:\n1. Toy Story (1995) – a toy\n2. **Heat (1995)**", "loved: 1"
    )
    reply = done(say(talk, "sue", "only: tags=Crime", before=before))
    assert reply.state.where == "year>=1990 and tags=Crime"
    assert not {"f01", "f14"} & set(ids(reply))
    assert [r.item_id for r in talk.recommender.profile("sue").liked] == ["f01"]
    n_events = len(talk.recommender.events("sue"))
    same = done(say(talk, "sue", "only: tags=Crime", before=before))
    assert len(talk.recommender.events("sue")) == n_events, "what is told again happened once"
    assert same.conversation_id == reply.conversation_id
    assert (
        done(say(talk, "sue", "bye", before=told("wish: a quiet film", "ok"))).conversation_id != reply.conversation_id
    )


def test_what_was_taken_back_does_not_return_when_the_conversation_is_told_again(talk: Conversations) -> None:
    before = told("loved: f01", "ok")
    first = done(say(talk, "ted", "loved: f01"))
    second = done(say(talk, "ted", "loved: f02", before=before))
    assert second.conversation_id != first.conversation_id
    palate = talk.recommender
    ours = [event.event_id for event in palate.events("ted") if event.item_id == "f01"]
    assert len(ours) == 2
    palate.take_back("ted", ours)
    told_again = told("loved: f01", "ok", "loved: f02", "ok")
    third = done(say(talk, "ted", "loved: f03", before=told_again))
    assert third.conversation_id == second.conversation_id
    assert sorted(r.item_id for r in palate.profile("ted").liked) == ["f02", "f03"]
    assert len(palate.events("ted")) == 2, "each of the others once"


def test_what_the_other_side_named_in_prose_was_shown(talk: Conversations) -> None:
    before = told("wish: something animated", 'Have you seen "f03" by any chance?')
    reply = done(say(talk, "tam", "loved: it", before=before))
    assert [(e.kind, e.item_id) for e in reply.events] == [(EventKind.LIKE, "f03")]
    assert "f03" not in ids(reply)


def test_an_unclear_name_is_asked_about_and_the_answer_taken(talk: Conversations) -> None:
    pieces = say(talk, "tim", "ask / unclear: the lion one | f05 f06")
    asked = done(pieces)
    assert [p.item.item_id for p in pieces if isinstance(p, Mention)] == ["f05", "f06"]
    assert asked.state.waiting is not None
    reply = done(say(talk, "tim", "2", asked.conversation_id))
    assert reply.state.waiting is None
    assert talk.recommender.store.items(["f06"])[0].name in reply.text
    nothing = done(say(talk, "tim", "why / unclear: Gone With It"))
    assert "Gone With It" in nothing.text
    assert nothing.slate is None


@pytest.mark.parametrize(
    ("message", "words"),
    [
        ("ask: f02", "Brad Bird"),
        ("ask: f02 / x: who directed it", "Brad Bird"),
        ("ask: f02 / x: what year", "2007"),
        ("ask: f02 / x: what is it about", "A rat with a gift for cooking"),
        ("ask: f02 / x: how long is it", "catalogue"),
        ("ask: f02 / x: what genres", "Animation"),
        ("ask: f02 / only: tags=Comedy | funny", "Yes"),
        ("ask: f02 / only: tags=Horror | scary", "Not by what the catalogue says"),
    ],
)
def test_questions_about_an_item_are_answered_from_its_fields(talk: Conversations, message: str, words: str) -> None:
    reply = done(say(talk, "una", message))
    assert words in reply.text
    assert "Ratatouille (2007)" in reply.text
    assert reply.slate is None


def test_what_the_catalogue_says_is_told_as_it_stands() -> None:
    attributes: dict[str, Attribute] = {
        "runtime": 117,
        "oscars": 2,
        "country": ("France", "Italy"),
        "writtenBy": "A. Writer",
    }
    item = Item(item_id="x", title="X", text="One. " * 100, language="French", attributes=attributes)
    assert about.values_of(item, "length") == ["117"]
    assert about.values_of(item, "rating") == ["oscars 2"]
    assert about.values_of(item, "country") == ["France", "Italy"]
    assert about.values_of(item, "author") == ["A. Writer"]
    assert about.values_of(item, "language") == ["French"]
    assert (about.values_of(item, "cast"), about.values_of(item, "year"), about.values_of(item, "tags")) == ([], [], [])
    (told,) = about.values_of(item, "text")
    assert told.endswith("One.")
    assert len(told) <= about.MAX_QUOTED_CHARS
    assert about.quoted("word " * 200).endswith("word …")


def test_it_is_said_when_it_is_not_clear_what_is_asked_about(talk: Conversations) -> None:
    for message in ("ask", "why", "loved: nothing", "why / x: why not that one"):
        reply = done(say(talk, "uli", message))
        assert "mean" in reply.text or "not find" in reply.text or "not among" in reply.text, message


def test_why_this_and_not_that(talk: Conversations) -> None:
    first = done(say(talk, "vic", "wish: an animated film for children"))
    reply = done(say(talk, "vic", "why: 2 1", first.conversation_id))
    names = [r.item.name for r in first.slate or ()]
    assert reply.text.index(names[0]) < reply.text.index(names[1])
    assert "place" in reply.text or "level" in reply.text
    outside = next(i for i in ("f07", "f08", "f14") if i not in ids(first))
    said = done(say(talk, "vic", f"why: {outside}", first.conversation_id)).text
    assert "place" in said or "level" in said
    done(say(talk, "vic", f"seen: {outside}", first.conversation_id))
    assert "you know it already" in done(say(talk, "vic", f"why: {outside}", first.conversation_id)).text
    done(say(talk, "vic", f"hated: {outside}", first.conversation_id))
    assert "did not like it" in done(say(talk, "vic", f"why: {outside}", first.conversation_id)).text


def test_why_not_what_was_shown_before(talk: Conversations) -> None:
    first = done(say(talk, "wyn", "wish: an animated film for children"))
    done(say(talk, "wyn", "wish: a war of gangsters", first.conversation_id))
    said = done(say(talk, "wyn", f"why: {ids(first)[0]} / x: why not", first.conversation_id)).text
    assert "was on an earlier list" in said


def test_why_not_what_does_not_pass(talk: Conversations) -> None:
    first = done(say(talk, "wes", "wish: a quiet film / only: year>=2000 | newer than 2000"))
    assert "newer than 2000" in done(say(talk, "wes", "why: f01", first.conversation_id)).text


def test_small_talk_says_nothing_of_items(talk: Conversations) -> None:
    for message in ("hello", "thanks", "bye", "what is the weather"):
        pieces = say(talk, "xia", message)
        assert done(pieces).slate is None
        assert text_of(pieces)
        assert not [p for p in pieces if isinstance(p, Mention)]


def test_words_vary_with_the_turn_and_not_by_chance(talk: Conversations) -> None:
    texts = [done(say(talk, "yan", "hello", "fixed")).text for _ in range(8)]
    assert len(set(texts)) > 1
    again = [done(say(talk, "yao", "hello", "fixed")).text for _ in range(8)]
    assert again == texts


def test_chinese_is_answered_in_chinese(talk: Conversations) -> None:
    pieces = say(talk, "zoe", "wish: 一部适合孩子看的动画片")
    assert all("一" <= word[0] <= "鿿" for word in text_of(pieces).split("。") if word.strip())
    english = done(say(talk, "zoe", "wish: 一部适合孩子看的动画片", language="en"))
    assert english.text.isascii()


def test_no_message_and_bad_names_are_refused_in_one_line(talk: Conversations) -> None:
    for user, message, conversation in (
        ("a", "", None), ("a", " \0 ", None), ("a", "x" * 5000, None), ("", "hi", None), ("a\n", "hi", None),
        ("a" * 200, "hi", None), ("a", "hi", "\ud800"), ("a", "hi", ""),
    ):  # fmt: skip
        with pytest.raises(ConfigError) as error:
            talk.reply(user, message, conversation_id=conversation)
        assert "\n" not in str(error.value)
    with pytest.raises(ConfigError, match="k is 0"):
        talk.reply("a", "hi", k=0)
    with pytest.raises(ConfigError, match="no item has the field"):
        say(talk, "a", "wish: a quiet film", where="nonsense=1")


def test_a_remark_of_a_model_names_items_by_number_and_stops_at_what_is_not_so(tmp_path: Path) -> None:
    def reply(prefix: str, _: str) -> str:
        return remarks.pop(0) if prefix.startswith("You introduce a list") else "no"

    remarks = [
        "You asked for something animated, and [1] comes under animation. Try Inception by Nolan too. [2] is fine.",
        "The Godfather is the best film ever!",
        "See [9]. Or see [1].",
        "[1](http://example.org) is one.",
    ]
    model = Scripted(reply, scores=lambda *_: -1.0)
    with talking(tmp_path, model) as talk:
        pieces = say(talk, "amy", "wish: something animated", llm=True)
        first = done(pieces)
        after = text_of(pieces[[isinstance(p, Slated) for p in pieces].index(True) :])
        name = first.slate[0].item.name if first.slate else ""
        assert f"You asked for something animated, and {name} comes under animation." in after
        assert "Inception" not in first.text
        assert "[2]" not in first.text
        assert first.tokens["out"] > 0
        for _ in range(3):
            said = done(say(talk, "amy", "next", first.conversation_id, llm=True)).text
            assert not [word for word in ("Godfather is", "best", "http", "See ") if word in said], said


def test_events_of_others_are_not_taken_back(talk: Conversations) -> None:
    done(say(talk, "ben", "wish: a quiet film", "b"))
    kept = Event(user_id="ben", kind=EventKind.LIKE, item_id="f01")
    talk.recommender.put_events([kept])
    theirs = done(say(talk, "cora", "wish: a quiet film", "b")).events[0]
    assert talk.recommender.take_back("ben", [theirs.event_id], []) == 0
    talk.undo("ben", "b")
    assert [e.event_id for e in talk.recommender.events("ben")] == [kept.event_id]
    assert theirs in talk.recommender.events("cora")
