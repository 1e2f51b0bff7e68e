"""The server over real sockets, without a language model: a process, fifteen films, and people who ask."""

from __future__ import annotations

import asyncio
import json
import signal
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any, cast

import pytest

from agent import Recommender, Settings
from agent.errors import StoreLocked
from agent.serve.lane import Lane
from agent.serve.serving import Serving
from agent.settings import ModelSettings
from agent.store.store import Store
from agent.types import Item
from tests.support.model_faults import TINY
from tests.support.serving import Server, films_in, palate, serving, wait_for


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("served")
    films_in(folder)
    return folder


@pytest.fixture(scope="module")
def server(folder: Path) -> Iterator[Server]:
    with serving(folder, "--no-llm") as server:
        yield server
        code, noted = server.end()
    assert (code, noted) == (0, "")  # nothing went wrong in all these tests, and a signal ends it in order


def like(server: Server, user: str, *ids: str) -> None:
    acts = [{"user": user, "kind": "like", "item_id": one} for one in ids]
    assert server.ask("POST", "/v1/events", {"events": acts}).json["written"] == len(ids)


def ids_for(server: Server, user: str, **asked: object) -> list[str]:
    got = server.ask("POST", "/v1/recommend", {"user": user, **asked})
    assert got.status == 200, got.raw
    return [r["item_id"] for r in got.json["recommendations"]]


def test_it_says_where_it_answers_and_that_it_is_ready(server: Server) -> None:
    assert server.line == f"Palate answers on http://127.0.0.1:{server.port}"
    assert server.ask("GET", "/healthz").json == {"alive": True}
    ready = server.ask("GET", "/readyz").json
    assert ready == {"ready": True, "store": "ok", "index": "ok", "model": "off", "degraded": []}


def test_the_page_comes_with_a_policy_that_lets_nothing_in(server: Server) -> None:
    got = server.ask("GET", "/")
    assert got.status == 200
    assert got.headers["content-type"].startswith("text/html")
    assert "default-src 'self'" in got.headers["content-security-policy"]
    assert got.headers["x-content-type-options"] == "nosniff"
    about = server.ask("GET", "/v1/page").json
    assert (about["items"], about["llm"], about["key_needed"], about["user"]) == (15, False, False, None)
    assert about["languages"] == ["en", "zh"]


def test_a_slate_has_paths_reasons_and_whole_items(server: Server) -> None:
    got = server.ask("POST", "/v1/recommend", {"user": "ada", "wish": "a clever family film", "k": 3})
    assert [r["rank"] for r in got.json["recommendations"]] == [1, 2, 3]
    first = got.json["recommendations"][0]
    assert first["item"]["item_id"] == first["item_id"]
    assert first["item"]["name"] == first["title"]
    assert first["rationale"]["sentence"]
    assert {"recall", "prior", "blend"} <= {step["stage"] for step in first["path"]}
    assert got.json["wish"] == "a clever family film"
    assert all((r["item"]["attributes"]["year"]) >= 2000 for r in server.ask(
        "POST", "/v1/recommend", {"user": "ada", "where": "year>=2000"}).json["recommendations"])  # fmt: skip


def test_an_event_is_reflected_in_the_next_answer(server: Server) -> None:
    before = ids_for(server, "eve", wish="a film", k=3)
    sent = {"user": "eve", "kind": "dislike", "item_id": before[0], "event_id": "once"}
    first, again = (server.ask("POST", "/v1/events", {"events": [sent]}).json for _ in range(2))
    assert (first["written"], again["written"]) == (1, 0)
    assert first["events"][0]["item_id"] == before[0]
    assert before[0] not in ids_for(server, "eve", wish="a film", k=3)


def test_an_act_is_taken_back_by_whoever_did_it(server: Server) -> None:
    like(server, "una", "f01")
    liked = {"events": [{"user": "una", "kind": "like", "item_id": "f02", "event_id": "una/2"}]}
    assert server.ask("POST", "/v1/events", liked).json["written"] == 1
    assert server.ask("DELETE", "/v1/events/una%2F2?user=eve").status == 404
    assert server.ask("DELETE", "/v1/events/una%2F2?user=una").json == {"user": "una", "event_id": "una/2"}
    assert [one["item_id"] for one in server.ask("GET", "/v1/profile?user=una").json["liked"]] == ["f01"]


def test_what_another_process_writes_counts_too(server: Server, folder: Path) -> None:
    recommender = Recommender.open(settings=Settings(folder=folder))
    with recommender:
        recommender.tell("zoe", likes=["f01"])
        assert recommender.profile("zoe").liked
    profile = server.ask("GET", "/v1/profile?user=zoe").json
    assert [one["item_id"] for one in profile["liked"]] == ["f01"]


def test_acts_by_title_are_found_or_refused_and_then_none_is_written(server: Server) -> None:
    acts = [{"user": "tim", "kind": "like", "title": "ratatouille"}, {"user": "tim", "kind": "rate", "title": "Alien"}]
    got = server.ask("POST", "/v1/events", {"events": acts})
    assert got.status == 400
    assert "events.1" in got.json["detail"]
    assert "rating" in got.json["detail"]
    acts[1] = {"user": "tim", "kind": "like", "title": "Ratatouile"}
    missing = server.ask("POST", "/v1/events", {"events": acts})
    assert missing.status == 404
    assert "Ratatouille" in missing.json["hint"]
    assert server.ask("GET", "/v1/profile?user=tim").json["liked"] == []
    acts[1] = {"user": "tim", "kind": "view", "item_id": "not-here"}
    written = server.ask("POST", "/v1/events", {"events": acts}).json
    assert (written["written"], written["unknown_items"]) == (2, ["not-here"])
    assert written["events"][0]["title"].startswith("Ratatouille")


def test_what_was_said_of_accounts_is_not_taken_back_as_an_act(server: Server, folder: Path) -> None:
    with Recommender.open(settings=Settings(folder=folder)) as recommender:
        recommender.link("mallory", "adam")
        recommender.unlink("mallory", "adam")
        unlinks = [event.event_id for event in recommender.store.events_of("mallory") if event.kind == "unlink"]
    assert server.ask("DELETE", f"/v1/events/{unlinks[0]}?user=mallory").status == 404


@pytest.mark.parametrize("kind", ["link", "unlink", "apart", "interest", "steal"])
def test_acts_that_would_reach_into_other_accounts_are_refused(server: Server, kind: str) -> None:
    got = server.ask("POST", "/v1/events", {"events": [{"user": "mallory", "kind": kind, "text": "ada"}]})
    assert got.status == 400
    assert got.json["faults"][0]["at"] == "events.0.kind"


def test_a_profile_is_read_and_corrected(server: Server) -> None:
    like(server, "kim", "f01", "f03")
    profile = server.ask("GET", "/v1/profile?user=kim&why=Animation").json
    assert profile["interests"]["Animation"] > 0
    low, high = profile["intervals"]["Animation"]
    assert low < profile["interests"]["Animation"] < high
    assert sum(part["amount"] for part in profile["why"]["contributions"]) == pytest.approx(profile["why"]["alpha"])
    corrected = server.ask("PATCH", "/v1/profile", {"user": "kim", "interests": {"comedy": 0.4, "Horror": 0}})
    assert corrected.json["pinned"] == {"Comedy": 0.4, "Horror": 0.0}
    assert corrected.json["interests"]["Comedy"] == pytest.approx(0.4)
    back = server.ask("PATCH", "/v1/profile", {"user": "kim", "interests": {"Comedy": None, "Horror": None}})
    assert back.json["pinned"] == {}
    over = server.ask("PATCH", "/v1/profile", {"user": "kim", "interests": {"Comedy": 0.8, "Drama": 0.8}})
    assert (over.status, over.json["type"]) == (400, "urn:palate:ConfigError")
    assert server.ask("PATCH", "/v1/profile", {"user": "kim", "interests": {"Komedy": 1}}).status == 404


def test_reasons_and_the_path_of_an_item(server: Server) -> None:
    like(server, "bob", "f01")
    given = server.ask("POST", "/v1/explain", {"user": "bob", "items": ["Alien", "f03"]}).json["recommendations"]
    assert [r["item"]["title"] for r in given] == ["Alien", "The Incredibles"]
    assert all(r["rationale"] for r in given)
    shown = ids_for(server, "bob", k=3)
    why = server.ask("GET", f"/v1/why?user=bob&item={shown[1]}").json
    assert [r["item_id"] for r in why["recommendations"]] == [shown[1]]
    assert why["recommendations"][0]["path"][-1] == {"stage": "slate", "source": "slate", "rank": 2} | {
        "score": why["recommendations"][0]["score"]
    }


def test_items_are_found_by_their_titles(server: Server) -> None:
    found = server.ask("GET", "/v1/items?q=ratatouile&limit=3").json["items"]
    assert found[0]["title"] == "Ratatouille"
    popular = [one["popularity"] for one in server.ask("GET", "/v1/items?limit=4").json["items"]]
    assert popular == sorted(popular, reverse=True)
    assert len(popular) == 4


def test_forgetting_leaves_nothing(server: Server) -> None:
    like(server, "gone/with space", "f01")
    assert ids_for(server, "gone/with space", k=1)
    told = server.ask("GET", "/v1/users/gone%2Fwith%20space/export").json
    assert ([event["item_id"] for event in told["events"]], told["accounts"]) == (["f01"], ["gone/with space"])
    gone = server.ask("DELETE", "/v1/users/gone%2Fwith%20space").json
    assert (gone["user"], gone["events"], gone["remaining"]) == ("gone/with space", 1, [])
    assert gone["turns"] >= 1
    assert server.ask("DELETE", "/v1/users/gone%2Fwith%20space").json["events"] == 0


def test_a_catalogue_that_another_process_changes_is_served_at_the_next_answer(server: Server, folder: Path) -> None:
    with Store.open(folder) as store:
        store.put_items([Item(item_id="new", title="A Very Special Submarine", text="Sailors under the ice.")])
    assert ids_for(server, "new", wish="sailors in a submarine under the ice", k=1) == ["new"]
    with Store.open(folder) as store:
        store.remove_items(["new"])
    assert "new" not in ids_for(server, "new", wish="sailors in a submarine under the ice", k=20)


def test_errors_are_problems(server: Server) -> None:
    for method, path, status in (("GET", "/v1/nothing", 404), ("GET", "/nothing", 404), ("PUT", "/v1/recommend", 405),
                                 ("GET", "/v1/recommend", 405), ("POST", "/v1/nothing", 404)):  # fmt: skip
        got = server.ask(method, path)
        assert (got.status, got.headers["content-type"]) == (status, "application/problem+json")
        assert set(got.json) == {"type", "title", "status", "detail", "hint"}
        assert got.json["status"] == status
    nobody = server.ask("POST", "/v1/recommend", {})
    assert (nobody.status, nobody.json["detail"]) == (400, "no user is named")
    typo = server.ask("POST", "/v1/recommend", {"user": "ada", "whish": "x"})
    assert (typo.status, typo.json["faults"]) == (400, [{"at": "whish", "says": "Extra inputs are not permitted"}])


def test_counts_name_nobody(server: Server) -> None:
    ids_for(server, "someone-private", wish="secret words")
    counts = server.ask("GET", "/metrics").raw.decode()
    assert 'palate_requests_total{method="POST",route="/v1/recommend",status="200"}' in counts
    assert 'palate_request_seconds_bucket{le="0.5",route="/v1/recommend"}' in counts
    assert 'palate_requests_total{method="DELETE",route="/v1/users/{user:path}",status="200"}' in counts
    assert not [word for word in ("someone", "secret", "gone", "ada", "Toy") if word in counts]


@pytest.mark.thorough
def test_only_one_process_may_serve_a_folder(server: Server, folder: Path) -> None:
    second = palate(folder, "serve", "--port", "0")
    holder, hint = server.process.pid, "Wait for that process to end, or use another data folder"
    assert second.stderr == f"palate: the index in {folder}/index is in use by process {holder}. {hint}\n"
    assert second.returncode == 1
    with Recommender.open(settings=Settings(folder=folder)) as recommender, pytest.raises(StoreLocked):
        _ = recommender.index


def test_a_port_that_is_taken_is_one_line(server: Server, tmp_path: Path) -> None:
    ran = palate(tmp_path, "serve", "--port", str(server.port))
    assert ran.returncode == 2
    assert ran.stderr == (
        f"palate: cannot listen on 127.0.0.1 port {server.port}: Address already in use. "
        "Choose another: palate serve --port 0 takes any that is free\n"
    )


@pytest.mark.thorough
def test_an_empty_catalogue_is_alive_but_not_ready_and_ctrl_c_ends_it(tmp_path: Path) -> None:
    with Server(["-m", "agent.cli", "--folder", str(tmp_path), "serve", "--port", "0", "--no-llm"]) as server:
        wait_for(lambda: "palate load" in server.ask("GET", "/readyz").raw.decode())
        assert server.ask("GET", "/readyz").status == 503
        assert server.ask("GET", "/healthz").status == 200
        assert server.ask("POST", "/v1/recommend", {"user": "ada"}).status == 404
        with Store.open(tmp_path) as store:
            store.put_items([Item(item_id="one", title="A film")])
        wait_for(lambda: server.ask("GET", "/readyz").status == 200)
        assert ids_for(server, "ada") == ["one"]
        code, noted = server.end(signal.SIGINT)
    assert (code, noted) == (130, "palate: interrupted\n")


def test_a_model_that_is_not_there_degrades_answers_and_says_so(tmp_path: Path) -> None:
    films_in(tmp_path)
    with serving(tmp_path, env={"PALATE_MODEL_REFERENCE": "./missing.gguf"}) as server:
        ready = server.ask("GET", "/readyz").json
        assert (ready["ready"], ready["degraded"]) == (True, ["model"])
        assert "missing.gguf" in ready["model"]
        got = server.ask("POST", "/v1/recommend", {"user": "ada", "k": 2}).json
        assert len(got["recommendations"]) == 2
        assert [one["stage"] for one in got["degraded"]] == ["model"]
        assert 'stage="model"} 1.0' in server.ask("GET", "/metrics").raw.decode()


def test_a_model_that_could_not_be_opened_is_tried_again(tmp_path: Path) -> None:
    films_in(tmp_path)
    path, nothing = tmp_path / "m.gguf", cast(Any, None)
    cache = tmp_path / "cache"
    with Recommender.open(
        settings=Settings(folder=tmp_path, cache_folder=cache, model=ModelSettings(reference=str(path)))
    ) as palate:
        here = Serving(palate, nothing, Lane(4), nothing, nothing)
        asyncio.run(here.open())
        assert "there is no file" in str(here.model_trouble)
        assert not here.may_open
        path.write_bytes(TINY)
        asyncio.run(here.open())
        assert here.model_trouble is not None
        here._again_at = 0.0
        assert here.may_open
        asyncio.run(here.open())
        assert here.model_trouble is None
        assert not here.may_open
        assert palate.parts.reranker


@pytest.mark.parametrize(
    ("settings", "text"),
    [
        ({}, "no endpoint is set"),
        ({"ENDPOINT_BASE_URL": "http://127.0.0.1:9", "RERANK_STRATEGY": "likelihood"}, "m cannot do the strategy"),
    ],
)
def test_an_endpoint_that_cannot_be_ends_the_start(tmp_path: Path, settings: dict[str, str], text: str) -> None:
    env = {f"PALATE_{name}": value for name, value in settings.items()} | {"PALATE_MODEL_REFERENCE": "openai:m"}
    with pytest.raises(AssertionError, match=f"no address: palate: .*{text}"):
        Server(["-m", "agent.cli", "--folder", str(tmp_path), "serve", "--port", "0"], env).end()


def test_a_body_in_pieces_is_bounded_while_it_comes(server: Server) -> None:
    with socket.create_connection((server.host, server.port), timeout=30) as line:
        line.sendall(
            f"POST /v1/events HTTP/1.1\r\nhost: {server.host}\r\ncontent-type: application/json\r\n"
            "transfer-encoding: chunked\r\n\r\n".encode()
        )
        chunk = b"10000\r\n" + b" " * 0x10000 + b"\r\n"
        for _ in range(17):
            line.sendall(chunk)
        got = line.recv(65_536).decode()
        while not got.endswith("}"):
            got += line.recv(65_536).decode()
    assert got.startswith("HTTP/1.1 413 ")
    assert json.loads(got.partition("\r\n\r\n")[2])["status"] == 413
