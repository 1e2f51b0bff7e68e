"""Two real servers that share a PostgreSQL and a Chroma server: what one hears, the other knows."""

from __future__ import annotations

import itertools
import random
import threading
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from agent import Recommender, Settings
from agent.catalogue import load_items, read_items
from agent.recall.chroma import shared_shelf
from agent.recall.ledger import Shared
from agent.store.store import Store
from agent.types import Item
from tests.support.chroma_server import ChromaServer
from tests.support.postgres import postgres
from tests.support.promises import Say
from tests.support.serving import FILMS, Server, serving

Two = tuple[Server, Server]
CLIENTS = 4  # at each server
USERS = 12

pytestmark = pytest.mark.thorough  # three processes and two databases


@pytest.fixture(scope="module")
def chroma(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ChromaServer]:
    """The server that both have their vectors on."""
    with ChromaServer(tmp_path_factory.mktemp("chroma")) as running:
        yield running


@pytest.fixture(scope="module")
def shared(chroma: ChromaServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Settings]:
    """Settings of a third party to the same database and index, which has loaded the films."""
    folder = tmp_path_factory.mktemp("third")
    with postgres() as url:
        settings = Settings.model_validate({"folder": folder / "data", "database": url, "chroma": chroma.settings})
        with Recommender.open(settings=settings) as palate, read_items(FILMS) as rows:
            load_items(rows, palate.put_items, folder / "refused.jsonl")
            palate.sync_index()
        yield settings


@pytest.fixture(scope="module")
def two(shared: Settings, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Two]:
    """Two servers; the first has the folder of who loaded the films, the second one of its own."""
    assert shared.database is not None
    env = {
        "PALATE_DATABASE": shared.database.get_secret_value(),
        "CHROMA_HOST": str(shared.chroma.host),
        "CHROMA_PORT": str(shared.chroma.port),
    }
    with (
        serving(shared.folder, "--no-llm", env=env) as one,
        serving(tmp_path_factory.mktemp("second"), "--no-llm", env=env) as other,
    ):
        yield one, other


def act(user: str, item_id: str, event_id: str, kind: str = "like") -> dict[str, object]:
    return {"events": [{"user": user, "kind": kind, "item_id": item_id, "event_id": event_id}]}


def shown(server: Server, user: str, k: int = 15) -> list[str]:
    got = server.ask("POST", "/v1/recommend", {"user": user, "k": k})
    assert got.status == 200, got.raw
    return [row["item_id"] for row in got.json["recommendations"]]


def test_what_one_hears_is_in_the_next_answer_of_the_other(two: Two, promise: Say) -> None:
    known, late = [f"f{n:02}" for n in range(1, 11)], 0
    for n, item_id in enumerate(known):
        hearing, answering = (two[0], two[1]) if n % 2 else (two[1], two[0])
        assert hearing.ask("POST", "/v1/events", act("ada", item_id, f"ada-{n}")).json["written"] == 1
        late += item_id in shown(answering, "ada")
        liked = answering.ask("GET", "/v1/profile?user=ada").json["liked"]
        late += item_id not in {row["item_id"] for row in liked}
    assert not late
    assert len(shown(two[0], "ada")) == 5
    assert shown(two[0], "ada") == shown(two[1], "ada")
    promise(
        "Scale", "what one of two servers hears, the other's next answer knows", f"{len(known)} of {len(known)}", True
    )


def test_of_one_event_sent_to_both_at_once_one_is_written(two: Two, promise: Say) -> None:
    written = Counter[int]()
    with ThreadPoolExecutor(2) as pool:
        for n in range(40):
            body, gate = act("bea", f"f{n % 15 + 1:02}", f"bea-{n}"), threading.Barrier(2)

            def send(server: Server, body: object = body, gate: threading.Barrier = gate) -> int:
                gate.wait()
                got = server.ask("POST", "/v1/events", body)
                assert got.status == 200, got.raw
                return int(got.json["written"])

            written[sum(pool.map(send, two))] += 1
    assert written == {1: 40}
    promise("Scale", "an event sent to two servers at once is written once", "40 of 40 races", True)


def test_forgetting_on_one_holds_on_the_other(two: Two) -> None:
    for n, item_id in enumerate(("f07", "f08", "f09")):
        two[n % 2].ask("POST", "/v1/events", act("cas", item_id, f"cas-{n}"))
    assert len(two[1].ask("GET", "/v1/profile?user=cas").json["liked"]) == 3
    assert two[0].ask("DELETE", "/v1/users/cas").json["events"] == 3
    for server in two:
        assert server.ask("GET", "/v1/profile?user=cas").json["liked"] == []
        assert {"f07", "f08", "f09"} <= set(shown(server, "cas"))
    assert two[1].ask("POST", "/v1/events", act("cas", "f07", "cas-0")).json["written"] == 1, "its id is free again"


def test_a_catalogue_that_a_third_one_changes_is_known_to_both(two: Two, shared: Settings) -> None:
    with Recommender.open(settings=shared) as palate:
        palate.put_items([Item(item_id="new", title="Metropolis", tags=("Sci-Fi",), attributes={"year": 1927})])
    for server in two:
        got = server.ask("POST", "/v1/recommend", {"user": "eve", "k": 3, "where": "title=Metropolis"})
        assert [row["item_id"] for row in got.json["recommendations"]] == ["new"]
    with Recommender.open(settings=shared) as palate:
        palate.store.remove_items(["new"])
        palate.sync_index(rebuild=True)
    for server in two:
        assert len(shown(server, "eve", 16)) == 15


def test_while_vectors_are_out_of_reach_answers_go_on_and_say_so(
    shared: Settings, chroma: ChromaServer, tmp_path: Path, promise: Say
) -> None:
    with Recommender.open(settings=shared.model_copy(update={"folder": tmp_path})) as palate:
        assert palate.recommend("gus", "a war film", k=5, llm=False).degraded == ()
        palate.index.question_timeout_s, palate.index.spared_s = 0.3, 0.3
        with chroma.hanging():
            palate.store.meta_put("index stamp", "as if another process had written")
            slates = [palate.recommend("gus", "a film about toys", k=5, llm=False) for _ in range(2)]
        for slate in slates:
            assert len(slate.recommendations) == 5
            assert [(one.stage, "failed" in one.reason) for one in slate.degraded] == [("recall", True)]
        time.sleep(0.3)
        assert palate.recommend("gus", "a film about toys", k=5, llm=False).degraded == ()
    figure = f"{len(slates)} of 2 answers whole, each saying so; whole recall once it answers again"
    promise("Scale", "while the Chroma server hangs, answers go on without it", figure, True)


def test_vectors_that_their_server_lost_are_written_anew(two: Two, shared: Settings) -> None:
    assert shared.database is not None
    with Store.at_url(shared.database.get_secret_value()) as store:
        shared_shelf(shared.chroma, Shared(store).name()).keep_only("")
    for server in two:  # whoever asks first may have an answer without them
        got = server.ask("POST", "/v1/recommend", {"user": "flo", "wish": "a war film", "k": 3})
        assert got.status == 200, got.raw
        assert len(shown(server, "flo")) == 15


@pytest.mark.parametrize("seconds", [3, 20])
def test_under_load_nothing_is_lost_and_nothing_doubled(two: Two, shared: Settings, promise: Say, seconds: int) -> None:
    assert shared.database is not None
    numbers, until, draw = itertools.count(), time.monotonic() + seconds, random.Random(seconds)
    told, answers, odd = Counter[str](), Counter[int](), list[object]()
    lock = threading.Lock()

    def client(server: Server, other: Server, seed: int) -> None:
        mine = random.Random(seed)
        while time.monotonic() < until:
            n = next(numbers)
            event_id, user = f"load-{seconds}-{n}", f"load{n % USERS}"
            body = act(user, f"f{n % 15 + 1:02}", event_id, "view")
            for place in (server, other)[: 1 + (mine.random() < 0.3)]:  # a client that is not sure sends it again
                got = place.ask("POST", "/v1/events", body)
                with lock:
                    told[event_id] += got.json["written"] if got.status == 200 else 0
                    odd.extend([] if got.status == 200 else [got])
            if mine.random() < 0.2:
                got = other.ask("POST", "/v1/recommend", {"user": user, "k": 5})
                with lock:
                    answers[got.status] += 1

    clients = [
        threading.Thread(target=client, args=(*pair, draw.random()))
        for pair in (two, two[::-1])
        for _ in range(CLIENTS)
    ]
    for one in clients:
        one.start()
    for one in clients:
        one.join()
    with Store.at_url(shared.database.get_secret_value()) as store:
        ids = [e.event_id for n in range(USERS) for e in store.events_of(f"load{n}")]
        kept = Counter(one for one in ids if one.startswith(f"load-{seconds}-"))
    lost = [one for one, n in told.items() if n and one not in kept]
    doubled = [one for one, n in told.items() if n > 1] + [one for one, n in kept.items() if n > 1]
    assert not odd
    assert not lost
    assert not doubled
    assert set(told) == set(kept)
    assert set(answers) <= {200, 429, 503}
    assert answers[200]
    rate = f"{len(kept):,} events ({len(kept) / seconds:,.0f} a second), {sum(answers.values())} answers in {seconds} s"
    said = "two servers on one database lose and double nothing under load"
    promise("Scale", said, f"{rate}: 0 lost, 0 doubled", True)
