"""Who may ask a server: keys, whose they are, how often, from where, and by which name."""

from __future__ import annotations

import json
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest

from agent.errors import ConfigError, NotFound, StoreError
from agent.serve.callers import Bucket
from agent.serve.keys import FILE_NAME, Keys, rate_in
from tests.support.serving import Server, films_in, palate, serving


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("keyed")
    films_in(folder)
    return folder


@pytest.fixture(scope="module")
def secrets(folder: Path) -> dict[str, str]:
    """A key for anyone, one for ada alone, one that may ask twice a minute; made by the command line."""
    flags = {"any": [], "ada": ["--user", "ada"], "slow": ["--rate", "2/min"]}
    made = {}
    for name, more in flags.items():
        ran = palate(folder, "serve", "keys", "add", name, *more)
        assert ran.returncode == 0, ran.stderr
        assert "this once" in ran.stderr
        made[name] = ran.stdout.strip()
    return made


@pytest.fixture(scope="module")
def server(folder: Path, secrets: dict[str, str]) -> Iterator[Server]:
    assert secrets
    with serving(folder, "--no-llm", "--host", "0.0.0.0", "--cors", "https://friend.example") as server:
        yield server


def bearer(secret: str) -> dict[str, str]:
    return {"authorization": f"Bearer {secret}"}


def test_keys_are_shown_once_and_kept_as_hashes(folder: Path, secrets: dict[str, str]) -> None:
    kept = (folder / FILE_NAME).read_text()
    assert all(secret.startswith("palate_") and secret not in kept for secret in secrets.values())
    assert stat.S_IMODE((folder / FILE_NAME).stat().st_mode) == 0o600
    listed = palate(folder, "serve", "keys", "list", "--json")
    assert [(k["name"], k["user"], k["per_minute"]) for k in json.loads(listed.stdout)["keys"]] == [
        ("any", None, None),
        ("ada", "ada", None),
        ("slow", None, 2.0),
    ]
    assert not [secret for secret in secrets.values() if secret in listed.stdout]
    again = palate(folder, "serve", "keys", "add", "any")
    assert (again.returncode, again.stdout) == (2, "")
    assert "there is a key 'any' already" in again.stderr


def test_nothing_is_answered_without_a_key_that_is_known(server: Server, secrets: dict[str, str]) -> None:
    for headers in ({}, bearer("palate_wrong"), {"authorization": f"Basic {secrets['any']}"}, bearer("\xff")):
        got = server.ask("GET", "/v1/profile?user=ada", **headers)
        assert (got.status, got.headers["www-authenticate"]) == (401, "Bearer")
        assert got.json["title"] == "Unauthorized"
    assert server.ask("POST", "/v1/recommend", raw=b"{not json").status == 401  # before anything is read
    assert server.ask("GET", "/metrics").status == 401
    assert server.ask("GET", "/metrics", **bearer(secrets["any"])).status == 200
    assert server.ask("GET", "/healthz").status == server.ask("GET", "/").status == 200
    assert server.ask("GET", "/v1/page").json["key_needed"] is True
    openai = server.ask("GET", "/v1/models").json["error"]
    assert (openai["type"], openai["code"]) == ("authentication_error", "invalid_api_key")


def test_no_way_of_writing_an_address_goes_round_the_keys(server: Server) -> None:
    for path in ("/metrics%0A", "/metrics%00", "/v1/profile%0A?user=ada", "/v1/page%0A", "/%0A/metrics", "/%7F"):
        got = server.ask("GET", path)
        assert (got.status, got.json["title"]) == (400, "Bad Request"), path
    assert server.ask("GET", "/metrics/").status == 401


def test_a_key_for_one_person_reads_and_writes_that_person_alone(server: Server, secrets: dict[str, str]) -> None:
    ada = bearer(secrets["ada"])
    assert server.ask("GET", "/v1/page", **ada).json["user"] == "ada"
    assert server.ask("GET", "/v1/profile", **ada).json["user"] == "ada"
    own = {"events": [{"kind": "like", "item_id": "f01"}]}
    assert server.ask("POST", "/v1/events", own, **ada).json["events"][0]["user"] == "ada"
    others = [
        server.ask("GET", "/v1/profile?user=bob", **ada),
        server.ask("GET", "/v1/conversations?user=bob", **ada),
        server.ask("POST", "/v1/recommend", {"user": "bob"}, **ada),
        server.ask("POST", "/v1/events", {"events": [{"user": "bob", "kind": "like", "item_id": "f01"}]}, **ada),
        server.ask("PATCH", "/v1/profile", {"user": "bob", "interests": {"Comedy": 1}}, **ada),
        server.ask("POST", "/v1/converse", {"user": "bob", "message": "hello"}, **ada),
        server.ask("DELETE", "/v1/users/bob", **ada),
        server.ask("DELETE", "/v1/users/ada?linked=true", **ada),
    ]
    assert [got.status for got in others] == [403] * len(others)
    assert server.ask("GET", "/v1/profile?user=bob", **bearer(secrets["any"])).json["liked"] == []


def test_an_event_id_of_another_person_is_refused_and_nothing_is_written(
    server: Server, secrets: dict[str, str]
) -> None:
    anyone = bearer(secrets["any"])
    theirs = {"user": "cleo", "kind": "like", "item_id": "f05", "event_id": "first/1"}
    assert server.ask("POST", "/v1/events", {"events": [theirs]}, **anyone).json["written"] == 1
    before = server.ask("GET", "/v1/profile", **bearer(secrets["ada"])).json["liked"]
    own = [{"kind": "like", "item_id": "f06"}, {"kind": "like", "item_id": "f07", "event_id": "first/1"}]
    got = server.ask("POST", "/v1/events", {"events": own}, **bearer(secrets["ada"]))
    assert (got.status, got.json["detail"]) == (409, "events.1.event_id is taken")
    assert "cleo" not in got.raw.decode()
    assert server.ask("GET", "/v1/profile", **bearer(secrets["ada"])).json["liked"] == before
    assert server.ask("POST", "/v1/events", {"events": [theirs]}, **anyone).json["written"] == 0
    both = [{**theirs, "event_id": "first/2"}, {**theirs, "event_id": "first/2", "user": "dora"}]
    twice = server.ask("POST", "/v1/events", {"events": both}, **anyone)
    assert (twice.status, twice.json["detail"]) == (409, "events.1.event_id is taken")


def test_a_key_that_asks_too_often_is_told_when_it_may_again(server: Server, secrets: dict[str, str]) -> None:
    got = [server.ask("GET", "/v1/profile?user=ada", **bearer(secrets["slow"])) for _ in range(3)]
    assert [one.status for one in got] == [200, 200, 429]
    assert 1 <= int(got[-1].headers["retry-after"]) <= 31
    assert server.ask("GET", "/v1/profile?user=ada", **bearer(secrets["any"])).status == 200


def test_keys_come_and_go_while_the_server_runs(server: Server, folder: Path) -> None:
    keys = Keys(folder)
    new = bearer(keys.add("new"))
    assert server.ask("GET", "/v1/profile?user=ada", **new).status == 200
    keys.remove("new")
    assert server.ask("GET", "/v1/profile?user=ada", **new).status == 401


def test_only_named_sites_may_ask_from_a_browser(server: Server, secrets: dict[str, str]) -> None:
    sent = {"events": [{"user": "eve", "kind": "like", "item_id": "f01"}]}
    any_one = bearer(secrets["any"])
    foreign = server.ask("POST", "/v1/events", sent, origin="https://evil.example", **any_one)
    assert foreign.status == 403
    assert "access-control-allow-origin" not in foreign.headers
    friend = server.ask("POST", "/v1/events", sent, origin="https://friend.example", **any_one)
    assert friend.headers["access-control-allow-origin"] == "https://friend.example"
    ask = {"access_control_request_method": "POST", "access_control_request_headers": "authorization,content-type"}
    assert server.ask("OPTIONS", "/v1/events", origin="https://friend.example", **ask).status == 200
    assert server.ask("OPTIONS", "/v1/events", origin="https://evil.example", **ask).status == 400


def test_without_keys_only_this_machine_is_listened_to(tmp_path: Path) -> None:
    ran = palate(tmp_path, "serve", "--host", "0.0.0.0", "--port", "0")
    assert ran.returncode == 2
    assert ran.stderr == (
        "palate: on 0.0.0.0 anyone on the network could read and change every taste. "
        "Add a key first: palate serve keys add NAME; or listen on 127.0.0.1\n"
    )


def test_other_names_and_other_sites_are_refused_on_this_machine(tmp_path: Path) -> None:
    arguments = ["-m", "agent.cli", "--folder", str(tmp_path), "serve", "--port", "0", "--no-llm"]
    with Server(arguments, {"PALATE_SERVE_HOSTS": "palate.example, other.example"}) as server:
        for host in ("evil.example", f"evil.example:{server.port}", "127.0.0.1.evil.example", "", "[::1", "[evil]"):
            assert server.ask("GET", "/v1/profile?user=ada", host=host).status == 421, host
        for host in ("localhost", f"LOCALHOST:{server.port}", "palate.example", "[::1]:1", "127.0.0.1"):
            assert server.ask("GET", "/v1/profile?user=ada", host=host).status == 200, host
        undo = "/v1/conversations/c/undo?user=ada"
        for origin in ("https://evil.example", "null", "http://127.0.0.1:1", "http://[", "x"):
            assert server.ask("POST", undo, origin=origin).status == 403, origin
        assert server.ask("POST", undo, origin=server.address).status == 404  # the page itself may ask
        for site in ("cross-site", "same-site"):
            assert server.ask("GET", "/v1/why?user=ada&item=x", sec_fetch_site=site).status == 403
        assert server.ask("GET", "/", sec_fetch_site="cross-site").status == 200  # a link may lead to the page
        text = server.ask("POST", "/v1/events", raw=b'{"events": []}', content_type="text/plain")
        assert text.status == 400


def test_rates_are_read_and_kept() -> None:
    assert [rate_in(text) for text in ("30/min", "2/s", "60 / hour", "1/minute")] == [30, 120, 1, 1]
    for text in ("", "30", "0/min", "-1/min", "1e9/min", "many/min", "9999999/min"):
        with pytest.raises(ConfigError, match="is no rate"):
            rate_in(text)
    now = [0.0]
    bucket = Bucket(60, lambda: now[0])
    assert [bucket.take() for _ in range(60)] == [0.0] * 60
    assert bucket.take() == pytest.approx(1.0)
    now[0] = 1.0
    assert (bucket.take(), bucket.take()) == (0.0, pytest.approx(1.0))


def test_names_of_keys_and_their_file_are_checked(tmp_path: Path) -> None:
    keys = Keys(tmp_path)
    for name in ("", "a b", "-x", "ä", "x" * 65):
        with pytest.raises(ConfigError, match="cannot be made"):
            keys.add(name)
    with pytest.raises(NotFound, match="no key"):
        keys.remove("nobody")
    keys.add("one")
    (tmp_path / FILE_NAME).write_text("[{]")
    with pytest.raises(StoreError, match="cannot be read"):
        Keys(tmp_path).all()
