"""One index on a Chroma server, shared through PostgreSQL: one process writes, the others go over to what is newer."""

from __future__ import annotations

import contextlib
import http.server
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import chromadb
import numpy as np
import pytest
import sqlalchemy as sa

from agent import Recommender, Settings
from agent.errors import StoreError, StoreLocked, StoreLost, StoreUnreachable
from agent.recall.chroma import shared_shelf
from agent.recall.index import Index
from agent.recall.ledger import Shared
from agent.recall.shelf import prefix_for
from agent.recall.where import parse_where
from agent.settings import ChromaSettings
from agent.store.store import Store
from agent.types import Item
from tests.support.chroma_server import ChromaServer
from tests.support.postgres import postgres
from tests.support.promises import Say
from tests.support.vectors import HashEmbedder, catalogue

ROOT = Path(__file__).parent.parent
EMBEDDER = HashEmbedder()


@pytest.fixture(scope="module")
def cluster() -> Iterator[str]:
    """A PostgreSQL, by its URL."""
    with postgres() as address:
        yield address


@pytest.fixture
def url(cluster: str) -> str:
    """A database that knows of no index."""
    engine = sa.create_engine(cluster)
    Store.at_url(cluster).close()
    with engine.begin() as connection:
        connection.execute(sa.text("DELETE FROM meta WHERE key LIKE 'index %'"))
    engine.dispose()
    return cluster


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ChromaServer]:
    """A real Chroma server."""
    with ChromaServer(tmp_path_factory.mktemp("server")) as running:
        yield running


def opened(url: str, server: ChromaServer) -> Index:
    """The index as another process would have it: a store and clients of its own."""
    return Index.shared_by(Store.at_url(url), EMBEDDER, server.settings)


def found(index: Index, k: int = 30, text: str = "a question") -> list[str]:
    vector = index.centre(EMBEDDER.queries([text]))[0]
    return [candidate.item_id for candidate in index.search(vector, k, source="s")]


def test_what_one_writes_the_others_find_after_a_refresh(url: str, server: ChromaServer) -> None:
    items = catalogue(300)
    with opened(url, server) as one, opened(url, server) as two:
        assert one.sync(items, catalogue="v1").rebuilt == "there is none yet"
        assert two.stale
        two.refresh()
        assert two.equals("v1", 300)
        assert found(two) == found(one)
        assert two.sync(items, catalogue="v1").added == 0
        renamed = items[7].model_copy(update={"title": "Renamed", "tags": ()})
        changed = [*items[:7], renamed, *items[8:290]]
        report = two.sync(changed, catalogue="v2")
        assert (report.changed, report.removed, report.rebuilt) == (1, 10, "")
        one.refresh()
        assert one.equals("v2", 290)
        assert found(one, 290) == found(two, 290)
        assert [c.item_id for c in one.search(one.mean, 9, source="s", where=parse_where("title=renamed"))] == ["i0007"]
        gone = parse_where(f"title=renamed and tags={items[7].tags[0]}")
        assert one.search(one.mean, 9, source="s", where=gone) == []
        assert one.health().ok
        two.sync(changed, rebuild=True, catalogue="v2")
        assert len(found(one, 290)) == 290, "the collection it knew is gone: it goes over by itself"
        assert found(one, 290) == found(two, 290)


def test_a_reader_never_answers_short_while_another_writes(url: str, server: ChromaServer, promise: Say) -> None:
    items, short, during, answers = catalogue(300), list[int](), list[bool](), 20
    with opened(url, server) as writer, opened(url, server) as reader:
        writer.sync(items)
        reader.refresh()
        done, busy, writes = threading.Event(), threading.Event(), list[int]()

        def write() -> None:
            for n in range(100):
                if n >= 4 and sum(during) >= answers:
                    break
                place = n % 9 * 30
                some = [one.model_copy(update={"title": f"{one.title} {n}"}) for one in items[place : place + 30]]
                items[place : place + 30] = some
                busy.set()
                writer.sync(items, rebuild=n % 2 == 1)
                busy.clear()
                writes.append(n)
            done.set()

        writing = threading.Thread(target=write)
        writing.start()
        while not done.is_set():
            reader.refresh()
            for k in (50, 300):
                during.append(busy.is_set())
                n = len(found(reader, k))
                short += [n] if n != k else []
        writing.join()
        reader.refresh()
        assert found(reader, 300) == found(writer, 300)
    assert sum(during) >= answers
    assert not short
    figure = (
        f"{len(short)} of {len(during)} answers short, {sum(during)} of them asked during one of {len(writes)} writes"
    )
    promise("Scale", "readers of a shared index never answer short while one writes", figure, not short)


def test_one_writes_at_a_time_and_who_does_not_wait_is_told(url: str, server: ChromaServer) -> None:
    with opened(url, server) as one, opened(url, server) as two:
        one.sync(catalogue(30))
        with one.alone(), pytest.raises(StoreLocked, match="another process writes"), two.alone(wait_s=0.0):
            pass
        with two.alone(wait_s=0.0):
            two.sync(catalogue(31))
        with pytest.raises(StoreError, match="one process at a time"):
            one._ledger.save(one._state)  # type: ignore[arg-type]


WRITER = """
import os, signal, sys
from agent.recall.index import Index
from agent.settings import ChromaSettings
from agent.store.store import Store
from tests.support.vectors import HashEmbedder, catalogue

url, port, rebuild = sys.argv[1], int(sys.argv[2]), sys.argv[3] == "rebuild"

class Dying(Store):  # when the rows are written and the record is not: an update first notes that it begins
    noted = 0
    def meta_put(self, key, value):
        if key == "index record":
            self.noted += 1
            if self.noted == (1 if rebuild else 2):
                os.kill(os.getpid(), signal.SIGKILL)
        super().meta_put(key, value)

index = Index.shared_by(Dying.at_url(url), HashEmbedder(), ChromaSettings(host="127.0.0.1", port=port))
items = catalogue(300)
index.sync([one.model_copy(update={"title": "New " + one.title}) for one in items[:20]] + items[20:], rebuild=rebuild)
"""


@pytest.mark.thorough
@pytest.mark.parametrize("how", ["rebuild", "update"])
def test_a_writer_that_is_killed_leaves_the_older_index_to_readers(url: str, server: ChromaServer, how: str) -> None:
    items = catalogue(300)
    with opened(url, server) as reader:
        reader.sync(items, catalogue="v1")
        command = [sys.executable, "-c", WRITER, url, str(server.port), how]
        killed = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
        assert killed.returncode == -9, killed.stderr
        reader.refresh()
        assert len(found(reader, 300)) == 300
        with opened(url, server) as fresh:  # the lock of the dead one is gone; what it left is not trusted
            rebuilt = fresh.sync(items, catalogue="v1").rebuilt
            assert rebuilt in ("its record is damaged or of another version", "it was left half-written")
        reader.refresh()
        assert reader.equals("v1", 300)
        assert found(reader, 300)


@pytest.mark.thorough
def test_a_server_that_restarts_is_an_error_and_then_none(url: str, server: ChromaServer) -> None:
    with opened(url, server) as index:
        index.sync(catalogue(60), catalogue="v1")
        before = found(index)
        server.kill()
        with pytest.raises(StoreError, match=r"127\.0\.0\.1:\d+ failed: .*See that the server runs"):
            found(index, 40)
        with pytest.raises(StoreError, match="See that the server runs"):
            opened(url, server)
        server.start()
        assert found(index) == before
        assert index.sync(catalogue(61), catalogue="v2").added == 1


class Faltering:
    """A shelf or notes of which one call fails, as in a moment without a network."""

    def __init__(self, inner: object, name: str) -> None:
        self._inner, self._name, self.falters = inner, name, False

    def __getattr__(self, name: str) -> object:
        if self.falters and name == self._name:
            self.falters = False
            raise StoreError("the network is gone")
        return getattr(self._inner, name)


@pytest.mark.parametrize("place", ["shelf", "notes"])
def test_a_refresh_that_fails_is_made_up_for_by_the_next_one(url: str, server: ChromaServer, place: str) -> None:
    with opened(url, server) as writer, Store.at_url(url) as store:
        writer.sync(catalogue(60), catalogue="v1")
        ledger: Any = Faltering(Shared(store), "load")
        shelf: Any = Faltering(shared_shelf(server.settings, Shared(store).name()), "open")
        with Index(EMBEDDER, shelf, ledger, pushdown_max_rows=9) as reader:
            before = found(reader)
            writer.sync(catalogue(70), catalogue="v2", rebuild=True)
            (shelf if place == "shelf" else ledger).falters = True
            with pytest.raises(StoreError, match="the network is gone"):
                reader.refresh()
            assert reader.stale
            reader.refresh()
            assert reader.equals("v2", 70)
            assert len(found(reader)) == len(before) == 30


def test_a_server_that_hangs_is_waited_for_a_while_and_by_nobody_else(url: str, server: ChromaServer) -> None:
    with opened(url, server) as index:
        index.sync(catalogue(60), catalogue="v1")
        known = index.vectors(["i0001"])
        index.question_timeout_s, ended = 3.0, threading.Event()

        def ask() -> None:
            with contextlib.suppress(StoreUnreachable):
                found(index, 40)
            ended.set()

        with server.hanging():
            waiting = threading.Thread(target=ask)
            waiting.start()
            waiting.join(0.3)
            assert index.vectors(["i0001"]).keys() == known.keys(), "what was read is there meanwhile"
            assert not ended.is_set()
        waiting.join()
        index.question_timeout_s, index.spared_s = 0.3, 0.2
        with server.hanging():
            with pytest.raises(StoreUnreachable, match="timed out"):
                found(index, 41)
            with pytest.raises(StoreUnreachable, match="left alone for a moment"):
                found(index, 41)
            index.forgiving = True
            assert found(index, 41) == []
        time.sleep(0.2)
        assert len(found(index, 41)) == 41
        assert index.trouble == ""


def test_trouble_lasts_until_a_later_question_is_answered(url: str, server: ChromaServer) -> None:
    with opened(url, server) as index:
        index.sync(catalogue(60), catalogue="v1")
        index.forgiving, index.spared_s = True, 0.2
        under_way, failed = threading.Event(), threading.Event()

        def slow(*_: object) -> list[str]:
            under_way.set()
            assert failed.wait(60)
            return ["found"]

        def broken(*_: object) -> list[str]:
            raise StoreUnreachable("the line broke")

        earlier = threading.Thread(target=index._asked, args=(slow, []))
        earlier.start()
        assert under_way.wait(60)
        assert index._asked(broken, []) == []
        failed.set()
        earlier.join()
        assert index.trouble == "the line broke", "what was asked before does not make up for it"
        time.sleep(0.2)
        assert len(found(index)) == 30
        assert index.trouble == ""


def test_waiting_for_a_writer_of_this_process_is_not_the_servers_time(url: str, server: ChromaServer) -> None:
    with opened(url, server) as index:
        index.sync(catalogue(60), catalogue="v1")
        index.question_timeout_s = 0.5
        answers: list[int] = []
        waiting = threading.Thread(target=lambda: answers.append(len(found(index))))
        with index._one_at_a_time:
            waiting.start()
            waiting.join(0.8)
            assert not answers
        waiting.join()
        assert answers == [30]


def test_a_catalogue_that_changes_while_the_server_is_away_is_taken_up_later(
    server: ChromaServer, tmp_path: Path
) -> None:
    settings = Settings(folder=tmp_path, chroma=server.settings)
    with Recommender.open(settings=settings) as palate:
        palate.put_items(catalogue(20))
        assert palate.recommend("ada", "a question", llm=False).degraded == ()
        palate.index.question_timeout_s, palate.index.spared_s = 0.3, 0.2
        with server.hanging():
            palate.recommend("ada", "a film", llm=False)
            palate.put_items([Item(item_id="new", title="Metropolis")])
            (degraded,) = palate.recommend("ada", "Metropolis", llm=False).degraded
            assert degraded.stage == "recall"
        time.sleep(0.2)
        for _ in range(2):
            slate = palate.recommend("ada", "Metropolis", llm=False)
        assert slate.degraded == ()
        assert palate.index.vectors(["new"])


def test_a_server_that_was_emptied_is_noticed_and_filled_anew(url: str, server: ChromaServer) -> None:
    with opened(url, server) as index, Store.at_url(url) as store:
        index.sync(catalogue(60), catalogue="v1")
        shared_shelf(server.settings, Shared(store).name()).keep_only("")
        assert index.equals("v1", 60), "nobody told it yet"
        with pytest.raises(StoreLost):
            found(index)
        assert not index.usable
        assert index.sync(catalogue(60), catalogue="v1").rebuilt == "its rows are missing"
        assert len(found(index)) == 30


def test_indexes_of_different_databases_do_not_meet_on_one_server(
    url: str, server: ChromaServer, tmp_path: Path
) -> None:
    with opened(url, server) as shared, Index.open(tmp_path, EMBEDDER, chroma=server.settings) as own:
        shared.sync(catalogue(30))
        own.sync(catalogue(12))
        own.sync(catalogue(12), rebuild=True)
        shared.sync(catalogue(30), rebuild=True)
        assert len(found(own, 99)) == 12
        assert len(found(shared, 99)) == 30


def test_a_folder_keeps_its_name_on_a_server_and_a_copy_draws_another(server: ChromaServer, tmp_path: Path) -> None:
    (tmp_path / "one").mkdir()
    name = prefix_for(tmp_path / "one")
    assert prefix_for(tmp_path / "one") == name, "whatever the machine is called"
    shutil.copytree(tmp_path / "one", tmp_path / "two")
    assert prefix_for(tmp_path / "two") != name
    for _ in range(2):
        with Index.open(tmp_path, EMBEDDER, chroma=server.settings) as index:
            index.sync(catalogue(12), rebuild=True)
    listed = chromadb.HttpClient(host="127.0.0.1", port=server.port).list_collections()
    mine = [one.name for one in listed if one.name.startswith(prefix_for(tmp_path / "index"))]
    assert len(mine) == 1, "older generations are gone"


def test_the_key_goes_with_every_request(tmp_path: Path) -> None:
    heard: list[str | None] = []

    class Door(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            heard.append(self.headers["x-chroma-token"])
            good = self.path.endswith("heartbeat")
            self.send_response(200 if good else 403)
            self.end_headers()
            self.wfile.write(b"{}" if good else b'{"error":"ChromaAuthError","message":"no"}')

        def log_message(self, *_: object) -> None:
            return None

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Door) as door:
        threading.Thread(target=door.serve_forever, daemon=True).start()
        chroma = ChromaSettings.model_validate({"host": "127.0.0.1", "port": door.server_port, "api_key": "sesame"})
        with pytest.raises(StoreError) as caught:
            Index.open(tmp_path, EMBEDDER, chroma=chroma)
        door.shutdown()
    assert len(heard) > 1
    assert set(heard) == {"sesame"}
    assert "sesame" not in str(caught.value)


def test_a_question_that_points_nowhere_is_refused_as_ever(url: str, server: ChromaServer) -> None:
    with opened(url, server) as index:
        index.sync(catalogue(20))
        with pytest.raises(StoreError, match="zero or not finite"):
            index.search(np.zeros(24), 3, source="s")
