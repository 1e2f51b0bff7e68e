"""The store in a real PostgreSQL, by the setting `database`; skipped where no PostgreSQL is installed."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path

import pytest
import sqlalchemy as sa
from pydantic import SecretStr

from agent.errors import StoreError, Taken
from agent.recommender import Recommender
from agent.settings import Settings, load_settings
from agent.store.sealing import OPEN, new_key, seal_of
from agent.store.store import Store
from agent.types import Event, EventKind, Item
from tests.support.postgres import postgres, restart
from tests.support.promises import Say


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    """A database of its own."""
    with postgres() as address:
        yield address


def test_two_servers_share_what_people_do_and_say(url: str, tmp_path: Path) -> None:
    one = Recommender.open(settings=Settings.model_validate({"folder": tmp_path / "one", "database": url}))
    two = Recommender.open(settings=Settings.model_validate({"folder": tmp_path / "two", "database": url}))
    with one, two:
        one.put_items([Item(item_id="h", title="Heat", tags=("Crime",)), Item(item_id="t", title="Toy Story")])
        assert [item.title for item in two.store.items()] == ["Heat", "Toy Story"]
        (liked,) = one.tell("ada", likes=["Heat"])
        assert [reaction.item_id for reaction in two.profile("ada").liked] == ["h"]
        assert two.put_events([liked]) == 0  # a replay
        one.store.add_turn("ada", "c", "user", "hello")
        turn = two.store.hear("ada", "c", "and again", [], after=one.store.turns_of("ada")[-1].turn_id)
        assert turn is not None
        assert one.store.hear("ada", "c", "too late", [], after=None) is None
        assert one.take_back("ada", [liked.event_id], [turn]) == 1
        assert not two.profile("ada").liked
        assert [found.content for found in two.store.turns_of("ada")] == ["hello"]
        late = Event(user_id="ada", kind=EventKind.VIEW, item_id="t", at=datetime.now(UTC))
        assert two.put_events([late]) == 1
        gone = one.forget("ada")
        assert (gone.events, gone.turns) == (1, 1)
        assert not two.events("ada")
    assert not (tmp_path / "one" / "palate.sqlite").exists()


def test_of_two_who_go_on_from_the_same_turn_one_is_kept(url: str) -> None:
    late: list[int | None] = []
    with Store.at_url(url) as one, Store.at_url(url) as two:
        for after in (None, "last"):
            turn = one.turns_of("bea")[-1].turn_id if after else None
            other = threading.Thread(target=lambda turn=turn: late.append(two.hear("bea", "c", "two", [], after=turn)))

            def meanwhile(other: threading.Thread = other) -> Iterator[Event]:
                other.start()
                other.join(0.5)  # it waits until the first is done
                yield Event(user_id="bea", kind=EventKind.VIEW, item_id="t")

            assert one.hear("bea", "c", "one", meanwhile(), after=turn) is not None
            other.join()
        assert late == [None, None]
        assert [turn.content for turn in two.turns_of("bea")] == ["one", "one"]


def test_an_answer_that_comes_while_its_person_is_forgotten_is_not_kept(url: str) -> None:
    with Store.at_url(url) as store:
        store.add_turn("cas", "c", "user", "hello")
        erasure = store.erasure
        assert store.forget("cas").turns == 1
        assert not store.keep_answer("cas", "d", "a wish", "an answer", erasure=erasure)
        assert store.turns_of("cas") == []
        assert store.keep_answer("cas", "d", "a wish", "an answer", erasure=store.erasure)
        assert [turn.role for turn in store.turns_of("cas")] == ["user", "assistant"]
        seen = Event(event_id="same", user_id="cas", kind=EventKind.VIEW, item_id="t")
        both = [seen, seen.model_copy(update={"user_id": "dan"})]
        with pytest.raises(Taken):
            store.put_events(both, strict=True)
        assert store.events_of("cas") == []


def acts(user: str, n: int) -> list[Event]:
    return [Event(event_id=f"{user}-{i}", user_id=user, kind=EventKind.VIEW, item_id="t") for i in range(n)]


def test_a_database_that_restarts_is_asked_again_and_has_all_that_was_acknowledged(url: str, promise: Say) -> None:
    with Store.at_url(url) as store, Store.at_url(url) as idle:
        assert idle.put_events(acts("eli", 1)) == 1
        assert store.put_events(acts("eli", 20)) == 19
        restart(url)
        kept = len(store.events_of("eli"))
        assert kept == 20
        assert idle.put_events(acts("eli", 21)) == 1
        with store.alone("index name", 0.0) as check:
            check()
    figure = f"{kept} of 20 acts there; the next call of two open stores answers"
    promise("Durability", "a PostgreSQL that restarts loses nothing acknowledged, and nobody needs to", figure, True)


def test_many_who_start_at_once_on_an_empty_database_all_come_up(url: str) -> None:
    n, rounds = 6, 3
    for turn in range(rounds):
        engine = sa.create_engine(url, isolation_level="AUTOCOMMIT")
        with engine.connect() as connection:
            connection.execute(sa.text(f"CREATE DATABASE fresh{turn}"))
        engine.dispose()
        gate, fresh = threading.Barrier(n), url.replace("/postgres?", f"/fresh{turn}?")

        def start(gate: threading.Barrier = gate, fresh: str = fresh) -> int:
            gate.wait()
            with Store.at_url(fresh) as store:
                return store.put_events(acts("flo", 1))

        with ThreadPoolExecutor(n) as pool:
            assert sum(pool.map(lambda _, start=start: start(), range(n))) == 1


def test_a_writer_under_way_is_sealed_with_the_others(url: str) -> None:
    key = seal_of(SecretStr(new_key()))
    with Store.at_url(url) as writer, Store.at_url(url) as sealing:
        other = threading.Thread(target=sealing.reseal, args=(key,))

        def meanwhile() -> Iterator[Event]:
            first, second = acts("gil", 2)
            yield first
            other.start()
            other.join(0.5)  # it waits until the writer is done
            yield second

        try:
            assert writer.put_events(meanwhile()) == 2
            other.join()
            assert len(sealing.events_of("gil")) == 2
            with pytest.raises(StoreError, match="was encrypted in another way meanwhile"):
                writer.put_events(acts("gil", 3))
        finally:
            sealing.reseal(OPEN)


def test_a_person_may_be_called_as_a_lock_is(url: str) -> None:
    with Store.at_url(url) as store, Store.at_url(url) as other, store.alone("index name", 0.0):
        speaking = threading.Thread(target=other.add_turn, args=("palate index name", "c", "user", "hello"))
        speaking.start()
        speaking.join(10)
        waits = speaking.is_alive()
    speaking.join()
    assert not waits


def test_the_database_may_be_another_file_and_its_password_is_never_shown(tmp_path: Path) -> None:
    settings = Settings.model_validate({"folder": tmp_path, "database": f"sqlite:///{tmp_path}/elsewhere.sqlite"})
    with Recommender.open(settings=settings) as recommender:
        recommender.put_items([Item(item_id="h", title="Heat")])
    assert (tmp_path / "elsewhere.sqlite").is_file()
    assert not (tmp_path / "palate.sqlite").exists()
    loaded = load_settings(environment={"PALATE_DATABASE": "postgresql+psycopg://ada:sesame@db/palate"})
    assert "sesame" not in str(list(loaded.rows()))
    assert "sesame" not in repr(loaded.settings)
