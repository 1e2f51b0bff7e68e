"""Accounts of one person: which they are, that they are read together, kept apart, and forgotten."""

from __future__ import annotations

import json
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from agent import Recommender, Settings, cli
from agent.errors import ConfigError, NotFound, StoreError
from agent.parts.learning import learn_now
from agent.profile.identity import identity_of, links_in_force, parted, people_of
from agent.store.store import FILE_NAME, Store
from agent.types import Event, EventKind, Item

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)
ITEMS = [Item(item_id=f"i{n}", title=f"Film {n}", tags=("War" if n % 2 else "Comedy",)) for n in range(8)]
ACCOUNTS = ("ada", "ben", "cy", "dee", "eve")


def told(n: int, one: str, other: str, kind: str = "link") -> Event:
    at = NOON + timedelta(minutes=n)
    return Event(event_id=f"t{n:03}", user_id=one, kind=EventKind(kind), text=other, at=at)


@pytest.fixture
def palate(tmp_path: Path) -> Iterator[Recommender]:
    with Recommender.open(settings=Settings(folder=tmp_path)) as recommender:
        recommender.store.put_items(ITEMS)
        recommender.tell("ada", likes=["i1", "i3"], at=NOON)
        recommender.tell("ben", dislikes=["i0"], at=NOON + timedelta(days=1))
        yield recommender


def liked(palate: Recommender, user_id: str) -> list[str]:
    return [r.item_id for r in palate.profile(user_id).liked]


def holding(folder: Path, word: str) -> list[str]:
    return [path.name for path in folder.glob(f"{FILE_NAME}*") if word.encode() in path.read_bytes()]


def test_links_connect_and_an_unlink_takes_that_link_alone() -> None:
    events = [told(1, "ada", "ben"), told(2, "cy", "ben"), told(3, "ada", "cy"), told(4, "ben", "ada", "unlink")]
    assert identity_of("ada", events[:1]).accounts == ("ada", "ben")
    assert identity_of("ben", events).accounts == ("ben", "ada", "cy")
    assert set(identity_of("ben", events).links) == {("ada", "cy"), ("ben", "cy")}
    assert identity_of("ada", [*events, told(5, "cy", "ada", "unlink")]).others == ()
    assert identity_of("ada", events, NOON + timedelta(minutes=1)).accounts == ("ada", "ben")
    assert identity_of("dee", events).accounts == ("dee",)


words = st.tuples(st.sampled_from(ACCOUNTS), st.sampled_from(ACCOUNTS), st.sampled_from(["link", "unlink"]))


def test_a_link_that_is_taken_back_parts_them_and_may_be_written_again(palate: Recommender) -> None:
    palate.link("ada", "ben")
    (link,) = (e for e in palate.store.events_of("ada") if e.kind is EventKind.LINK)
    palate.recommend("ben", k=2, llm=False)
    before = palate.standing("ben")
    assert palate.take_back("ada", [link.event_id]) == 1
    assert palate.standing("ben") != before
    assert liked(palate, "ben") == []
    assert [turn for turn in palate.store.turns_of("ben") if turn.role == "assistant"] == [], "it rested on ada's acts"
    act = told(1, "ada", "a review", EventKind.REVIEW)
    assert palate.put_events([link, act]) == 2
    assert liked(palate, "ben") == ["i1", "i3"]


@given(st.lists(words.filter(lambda word: word[0] != word[1]), max_size=14), st.randoms(use_true_random=False))
def test_no_order_of_arrival_matters_and_everyone_agrees(rows: list[tuple[str, str, str]], chance: object) -> None:
    events = [told(n // 2, *row).model_copy(update={"event_id": f"t{n}"}) for n, row in enumerate(rows)]
    mixed = sorted(events, key=lambda _: chance.random())  # type: ignore[attr-defined]
    for account in ACCOUNTS:
        found = identity_of(account, events)
        assert found == identity_of(account, [*mixed, *mixed[:3]])
        assert found.accounts == (account, *sorted(_reachable(account, links_in_force(events)) - {account}))
    people = people_of(ACCOUNTS, mixed)
    assert sorted(account for accounts in people for account in accounts) == list(ACCOUNTS)
    assert {frozenset(accounts) for accounts in people} == {frozenset(identity_of(a, events).read) for a in ACCOUNTS}


def _reachable(account: str, links: object) -> set[str]:
    """What a plain search finds, to compare."""
    found, edge = {account}, [account]
    while edge:
        here = edge.pop()
        near = {other for pair in links for other in pair if here in pair} - found  # type: ignore[attr-defined]
        found |= near
        edge += near
    return found


@pytest.mark.parametrize(("kind", "text"), [("link", "ada"), ("unlink", " "), ("apart", "maybe")])
def test_words_on_accounts_that_say_nothing_are_refused(kind: str, text: str) -> None:
    with pytest.raises(ValidationError):
        told(1, "ada", text, kind)


def test_linked_accounts_are_read_together_until_unlinked(palate: Recommender) -> None:
    assert liked(palate, "ben") == []
    before = palate.standing("ben")
    assert palate.link("ada", "ben").accounts == ("ada", "ben")
    assert palate.standing("ben") != before
    assert liked(palate, "ben") == ["i1", "i3"]
    assert palate.interests("ben").means["War"] > palate.interests("ben").means["Comedy"]
    assert [r.item_id for r in palate.profile("ada").disliked] == ["i0"]
    assert {e.user_id for e in palate.events("ada")} == {"ada", "ben"}
    palate.tell("ada", likes=["i5"], at=NOON - timedelta(days=3))
    assert "i5" in liked(palate, "ben")
    assert palate.unlink("ben", "ada").accounts == ("ben",)
    assert liked(palate, "ben") == []
    with pytest.raises(NotFound, match="not linked"):
        palate.unlink("ben", "ada")
    with pytest.raises(ConfigError, match="one account"):
        palate.link("ben", "ben")


def test_linking_twice_writes_once_and_a_replay_or_another_process_counts(palate: Recommender, tmp_path: Path) -> None:
    palate.link("ada", "ben", at=NOON)
    palate.link("ben", "ada")
    assert [e.kind for e in palate.store.events_of("ada")].count(EventKind.LINK) == 1
    event = palate.store.events_of("ada")[0]
    assert palate.store.put_events([event, event]) == 0
    assert liked(palate, "cy") == []
    code = """
import sys
from pathlib import Path
from agent.store.store import Store
from agent.types import Event
with Store.open(Path(sys.argv[1])) as store:
    store.put_events([Event(user_id="cy", kind="link", text="ben")])
"""
    subprocess.run([sys.executable, "-c", code, str(tmp_path)], check=True, timeout=60)
    assert liked(palate, "cy") == ["i1", "i3"]


def test_accounts_kept_apart_do_not_cross(palate: Recommender) -> None:
    palate.link("ada", "ben")
    assert palate.keep_apart("ben", True).apart
    assert palate.identity("ada").accounts == ("ada", "ben")
    assert liked(palate, "ben") == []
    assert palate.profile("ada").disliked == ()
    palate.keep_apart("ada", False)
    assert liked(palate, "ben") == ["i1", "i3"]


@pytest.mark.parametrize("leaving", ["forget", "unlink"])
def test_accounts_stay_apart_when_the_one_that_said_so_leaves(palate: Recommender, leaving: str) -> None:
    palate.tell("cy", likes=["i7"])
    palate.link("ada", "ben")
    palate.link("ben", "cy")
    palate.keep_apart("cy", False, at=NOON)
    palate.keep_apart("ada", True, at=NOON + timedelta(days=400_000))  # by a clock far ahead of this one
    if leaving == "forget":
        palate.forget("ada")
    else:
        palate.unlink("ada", "ben")
    assert palate.identity("ben").accounts == ("ben", "cy")
    assert palate.identity("cy").apart
    assert (liked(palate, "ben"), liked(palate, "cy")) == ([], ["i7"])
    palate.forget("ben")
    palate.link("cy", "dee")
    assert palate.identity("dee").apart
    palate.keep_apart("cy", False, at=NOON + timedelta(days=400_001))
    assert liked(palate, "dee") == ["i7"]


def test_who_says_so_and_leaves_is_apart_still(palate: Recommender) -> None:
    palate.link("ada", "ben")
    palate.keep_apart("ben", True)
    palate.unlink("ada", "ben")
    assert [e.kind for e in palate.store.events_of("ben")].count(EventKind.APART) == 1
    palate.link("ada", "cy")
    assert palate.identity("cy").apart


def test_accounts_read_together_leave_no_word_when_one_leaves(palate: Recommender) -> None:
    palate.link("ada", "ben")
    palate.link("ben", "cy")
    palate.forget("cy")
    palate.unlink("ada", "ben")
    assert EventKind.APART not in {e.kind for one in ("ada", "ben") for e in palate.store.events_of(one)}


def answered(palate: Recommender, *accounts: str) -> None:
    for account in accounts:
        palate.store.add_turn(account, "c", "user", "a wish")
        palate.store.add_turn(account, "c", "assistant", "an answer")


def answers(palate: Recommender, *accounts: str) -> list[str]:
    return [one for one in accounts if any(turn.role == "assistant" for turn in palate.store.turns_of(one))]


@pytest.mark.parametrize("parting", ["unlink", "apart", "a file", "a link"])
def test_answers_of_accounts_that_part_are_erased(palate: Recommender, parting: str) -> None:
    palate.link("ada", "ben")
    palate.link("ben", "cy")
    palate.keep_apart("eve", True)
    answered(palate, "ada", "ben", "cy", "dee", "eve")
    match parting:
        case "unlink":
            palate.unlink("ada", "ben")
        case "apart":
            palate.keep_apart("cy", True)
        case "a file":
            palate.store.put_events([*(like(n) for n in range(600)), told(1_000_000_000, "cy", "ben", "unlink")])
        case "a link":
            palate.link("cy", "eve")  # who had said that all accounts are kept apart
    assert answers(palate, "ada", "ben", "cy", "dee", "eve") == ["dee", "eve"]
    assert [turn.content for turn in palate.store.turns_of("ada")] == ["a wish"]


def like(n: int) -> Event:
    return Event(user_id="dee", kind=EventKind.LIKE, item_id=f"i{n}", at=NOON)


def test_answers_stay_where_nobody_parts(palate: Recommender) -> None:
    palate.link("ada", "ben")
    palate.link("ben", "cy")
    answered(palate, "ada", "ben", "cy", "dee")
    palate.link("ada", "cy")
    palate.unlink("ada", "cy")
    palate.keep_apart("ada", False)
    palate.keep_apart("dee", True)
    assert answers(palate, "ada", "ben", "cy", "dee") == ["ada", "ben", "cy", "dee"]


def test_a_kept_path_does_not_cite_another_account_once_they_part(palate: Recommender) -> None:
    palate.link("ada", "ben")
    theirs = {e.event_id for e in palate.store.events_of("ada")}
    slate = palate.recommend("ben", k=2, llm=False)
    item = slate.recommendations[0].item.item_id
    assert any(event_id in palate.why("ben", item).model_dump_json() for event_id in theirs)
    palate.unlink("ada", "ben")
    assert not any(event_id in palate.why("ben", item).model_dump_json() for event_id in theirs)


@given(st.lists(words.filter(lambda word: word[0] != word[1]), max_size=8), st.integers(0, 8))
def test_who_parts_read_someone_before_and_not_after(rows: list[tuple[str, str, str]], cut: int) -> None:
    events = [told(n, *row) for n, row in enumerate(rows)]
    lost = {a for a in ACCOUNTS if set(identity_of(a, events[:cut]).read) - set(identity_of(a, events).read)}
    assert parted(ACCOUNTS, events[:cut], events) == lost


def test_everyone_is_told_as_people_and_learned_from_as_such(palate: Recommender) -> None:
    palate.tell("cy", likes=["i7"])
    palate.link("ada", "ben")
    assert palate.store.people() == [("ada", "ben"), ("cy",)]
    palate.tell("ben", likes=["i6"])
    learn_now(palate.parts)
    learned = palate.parts.collaborative
    assert learned is not None
    found = learned.search("together", ["i6"], 5, frozenset())
    assert {c.item_id for c in found} == {"i1", "i3"}
    palate.keep_apart("ada", True)
    assert palate.store.people() == [("ada",), ("ben",), ("cy",)]


def test_forgetting_an_account_takes_its_links_and_says_what_remains(palate: Recommender, tmp_path: Path) -> None:
    palate.link("ada", "zo-marked")
    palate.link("ben", "ada")
    palate.store.add_turn("ben", "c", "assistant", "because of zo-marked")
    palate.store.add_turn("ben", "c", "user", "my own words")
    palate.tell("zo-marked", likes=["i7"])
    gone = palate.forget("zo-marked")
    assert (gone.events, gone.turns, gone.links, gone.remaining) == (1, 1, 1, ("ada", "ben"))
    assert holding(tmp_path, "zo-marked") == []
    assert palate.identity("ben").accounts == ("ben", "ada")
    assert [turn.content for turn in palate.store.turns_of("ben")] == ["my own words"]
    everything = palate.forget("ben", linked=True)
    assert everything.remaining == ()
    assert palate.store.users() == []
    assert palate.store.count_events() == 0


def test_forgetting_all_accounts_is_all_or_nothing(palate: Recommender, tmp_path: Path) -> None:
    palate.link("ada", "ben")
    answered(palate, "ada", "ben")
    before = [palate.store.events_of(one) + palate.store.turns_of(one) for one in ("ada", "ben")]
    refusing = "BEFORE DELETE ON events WHEN old.user_id = 'ben' BEGIN SELECT RAISE(ABORT, 'not this one'); END"
    with closing(sqlite3.connect(tmp_path / FILE_NAME)) as connection:
        connection.execute(f"CREATE TRIGGER refusing {refusing}")
    with pytest.raises(StoreError, match="not this one"):
        palate.forget("ada", linked=True)
    assert [palate.store.events_of(one) + palate.store.turns_of(one) for one in ("ada", "ben")] == before
    with closing(sqlite3.connect(tmp_path / FILE_NAME)) as connection:
        connection.execute("DROP TRIGGER refusing")
    gone = palate.forget("ada", linked=True)
    assert (gone.events, gone.turns, gone.links, gone.remaining) == (4, 4, 0, ())
    assert palate.store.users() == []


def test_forgetting_all_accounts_can_be_finished_when_a_reader_was_in_the_way(tmp_path: Path) -> None:
    with Recommender.open(settings=Settings(folder=tmp_path)) as palate:
        palate.store.put_items(ITEMS)
        palate.tell("ada-marked", likes=["i1"])
        palate.link("ada-marked", "zo-marked")
        palate.tell("zo-marked", likes=["i3"])
        refused = tmp_path / "refused" / "x.jsonl"
        refused.parent.mkdir()
        refused.write_text('{"row": "zo-marked"}\n{"row": "another"}\n')
        with closing(sqlite3.connect(tmp_path / FILE_NAME, isolation_level=None)) as reader:
            reader.execute("BEGIN")
            reader.execute("SELECT count(*) FROM events").fetchone()
            with pytest.raises(StoreError, match="old bytes may remain"):
                palate.forget("ada-marked", linked=True)
        assert palate.store.users() == []
        palate.forget("ada-marked", linked=True)
        assert holding(tmp_path, "-marked") == []
        assert refused.read_text() == '{"row": "another"}\n'


def test_a_store_from_before_links_gets_their_table(tmp_path: Path) -> None:
    with Store.open(tmp_path) as store:
        store.put_items(ITEMS)
    with sqlite3.connect(tmp_path / FILE_NAME) as connection:
        connection.execute("DROP TABLE links")
    connection.close()
    with Store.open(tmp_path, read_only=True) as store:
        assert store.identity_of("ada").accounts == ("ada",)
    with Store.open(tmp_path) as store:
        store.put_events([told(1, "ada", "ben")])
        assert store.identity_of("ben").accounts == ("ben", "ada")


def test_the_commands(
    palate: Recommender, tmp_path: Path, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PALATE_FOLDER", str(tmp_path))

    def run(*arguments: str) -> tuple[int, str, str]:
        capfd.readouterr()
        return cli.run(arguments), *capfd.readouterr()

    assert run("link", "ada", "ben")[0] == 0
    code, out, _ = run("accounts", "ben", "--json")
    found = json.loads(out)
    assert (code, found["accounts"]) == (0, [{"account": "ben", "events": 1}, {"account": "ada", "events": 3}])
    assert found["links"][0]["between"] == ["ada", "ben"]
    assert "kept apart" in run("accounts", "ben", "--apart")[1]
    assert "read together" in run("accounts", "ben", "--together")[1]
    code, out, err = run("forget", "ada", "--yes", "--json")
    assert json.loads(out)["remaining"] == ["ben"]
    assert "still stored, linked with ada before: ben" in err
    code, _, err = run("unlink", "ada", "ben")
    assert (code, "not linked" in err) == (1, True)
