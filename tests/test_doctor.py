"""Each failure made for real, and the line of `palate doctor` that says what it is and what to do."""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from agent import Recommender, Settings
from agent.cli import run
from agent.parts.learning import learn_now
from tests.support.gguf_files import tiny_gguf
from tests.support.serving import ROOT, films_in

Said = Callable[..., None]
Finding = Mapping[str, str]
Doctor = Callable[..., dict[str, Finding]]
NOBODY = 65_534
AS_NOBODY = """
import os, sys
from agent.cli import run
from tests.support.serving import films_in
whole, bare = sys.argv[1:]
run(["--folder", whole, "--model", "./none.gguf", "doctor", "--json"])  # so that all modules are loaded
print("---", flush=True)
os.setgid(65534)
os.setuid(65534)
run(["--folder", bare, "--model", "./none.gguf", "doctor", "--json"])
"""


@pytest.fixture(scope="module")
def lived_in(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("doctor") / "data"
    films_in(folder)
    return folder


@pytest.fixture
def folder(lived_in: Path, tmp_path: Path) -> Path:
    """A data folder of the test's own, whole so far."""
    shutil.copytree(lived_in, tmp_path / "data")
    return tmp_path / "data"


@pytest.fixture
def doctor(folder: Path, capsys: pytest.CaptureFixture[str]) -> Doctor:
    """What the doctor finds, by subject; the worse of two findings on one subject counts."""

    def asked(*flags: str, model: str = "./none.gguf") -> dict[str, Finding]:
        capsys.readouterr()
        run(["--folder", str(folder), "--model", model, *flags, "doctor", "--json"])
        return by_subject(capsys.readouterr().out)

    return asked


def by_subject(text: str) -> dict[str, Finding]:
    rank = {"ok": 0, "warn": 1, "fail": 2}
    checks: list[Finding] = sorted(json.loads(text)["checks"], key=lambda check: rank[check["status"]])
    return {check["check"]: check for check in checks}


def told(found: Finding, status: str, detail: str, hint: str) -> None:
    """The finding says this, and what to do in one line."""
    assert found["status"] == status, found
    assert detail in found["detail"], found
    assert hint in found["hint"], found
    assert len(found["hint"].splitlines()) == 1, "one line of what to do"


def test_a_damaged_index(folder: Path, doctor: Doctor) -> None:
    victim = max((folder / "index").rglob("*.bin"), key=lambda path: path.stat().st_size)
    content = bytearray(victim.read_bytes())
    content[len(content) // 2 : len(content) // 2 + 64] = b"\xa5" * 64
    victim.write_bytes(content)
    told(doctor()["index"], "fail", "damaged", "palate index --rebuild")


def test_a_damaged_store(folder: Path, doctor: Doctor) -> None:
    path = folder / "palate.sqlite"
    content = bytearray(path.read_bytes())
    for start in range(4_096, len(content) - 64, 4_096):
        content[start : start + 64] = b"\xa5" * 64
    path.write_bytes(content)
    found = doctor()
    assert "index" not in found, "what stands on the store is not looked at"
    told(found["store"], "fail", "palate.sqlite", "ackup")


def test_a_model_of_the_wrong_hash_and_a_damaged_one(
    doctor: Doctor, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PALATE_CACHE_FOLDER", str(tmp_path / "cache"))
    (tmp_path / "own.gguf").write_bytes(tiny_gguf())
    monkeypatch.setenv("PALATE_MODEL_SHA256", "a" * 64)
    told(doctor(model=str(tmp_path / "own.gguf"))["model"], "fail", "wrong hash", "not used")
    monkeypatch.delenv("PALATE_MODEL_SHA256")
    (tmp_path / "cut.gguf").write_bytes(tiny_gguf()[:40])
    found = doctor(model=str(tmp_path / "cut.gguf"))["model"]
    told(found, "fail", "cut.gguf", "")
    assert found["hint"]


def test_an_endpoint_that_is_down_and_one_without_its_key(doctor: Doctor, monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    monkeypatch.setenv("OPENAI_BASE_URL", f"http://127.0.0.1:{port}/v1")
    monkeypatch.setenv("PALATE_ENDPOINT_RETRIES", "0")
    down = doctor(model="openai:some-model")["model"]
    told(down, "fail", str(port), "")
    assert down["hint"]
    monkeypatch.setenv("OPENAI_BASE_URL", "https://models.example.org/v1")
    told(doctor(model="openai:some-model")["model"], "fail", "key", "endpoint.api_key")
    for address in ("http://ada:s3cret@models.example.org/v1", "ada:s3cret@models.example.org/v1"):
        monkeypatch.setenv("OPENAI_BASE_URL", address)
        found = doctor(model="openai:some-model")
        told(found["settings"], "fail", "OPENAI_BASE_URL: endpoint.base_url", "Correct it or leave it out")
        assert "s3cret" not in json.dumps(found)


def test_servers_out_of_reach(doctor: Doctor, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CHROMA_HOST", "127.0.0.1")
    monkeypatch.setenv("CHROMA_PORT", "9")
    told(doctor()["index"], "fail", "127.0.0.1:9", "server")
    pytest.importorskip("psycopg")
    monkeypatch.setenv("PALATE_DATABASE", "postgresql+psycopg://palate@127.0.0.1:9/palate")
    told(doctor()["store"], "fail", "127.0.0.1:9", "reached")


def test_a_folder_that_another_process_holds(folder: Path, doctor: Doctor) -> None:
    with Recommender.open(settings=Settings(folder=folder)) as other:
        _ = other.index
        found = doctor()["index"]
    told(found, "warn", f"in use by process {os.getpid()}", "Wait for that process to end")


def test_a_clock_that_was_moved_back(folder: Path, doctor: Doctor) -> None:
    assert doctor()["clock"]["status"] == "ok"
    ahead = time.time() + 86_400
    os.utime(folder / "palate.sqlite", (ahead, ahead))
    told(doctor()["clock"], "warn", "the store was written at", "Set the clock")


def test_packages_that_are_not_the_locked_ones(doctor: Doctor, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    other = tmp_path / "site" / "jinja2-0.1.dist-info"
    other.mkdir(parents=True)
    (other / "METADATA").write_text("Metadata-Version: 2.1\nName: jinja2\nVersion: 0.1\n")
    monkeypatch.syspath_prepend(str(other.parent))
    told(doctor()["lock"], "warn", "", "requirements/base.lock")


def test_an_empty_folder_and_a_newer_one(folder: Path, doctor: Doctor) -> None:
    import sqlite3
    from contextlib import closing

    with closing(sqlite3.connect(folder / "palate.sqlite", isolation_level=None)) as store:
        store.execute("UPDATE meta SET value = '99' WHERE key = 'schema_version'")
    told(doctor()["store"], "fail", "newer Palate", "Install the newer Palate")
    shutil.rmtree(folder)
    told(doctor()["catalogue"], "warn", "0 items", "palate load FILE")


def test_what_was_learned_is_damaged(folder: Path, doctor: Doctor) -> None:
    with Recommender.open(settings=Settings(folder=folder)) as here:
        here.tell("ada", likes=["Toy Story", "Heat"])
        learn_now(here.parts)
    assert "learned" not in doctor()
    (folder / "learned" / "record.json").write_text("{}")
    told(doctor()["learned"], "warn", "its record is damaged", "palate learn")


def test_a_store_without_its_key(folder: Path, doctor: Doctor, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("cryptography")
    from cryptography.fernet import Fernet

    monkeypatch.setenv("PALATE_ENCRYPTION_KEY", Fernet.generate_key().decode())
    shutil.rmtree(folder)
    films_in_with_key(folder)
    monkeypatch.delenv("PALATE_ENCRYPTION_KEY")
    told(doctor()["store"], "fail", "encrypted", "PALATE_ENCRYPTION_KEY")


def films_in_with_key(folder: Path) -> None:
    assert run(["--folder", str(folder), "load", str(ROOT / "tests" / "support" / "films.csv")]) == 0


def mounts() -> bool:
    """Whether this process may mount a file system that only its children see."""
    tried = ["unshare", "-m", "sh", "-c", "mount -t tmpfs -o size=1m tmpfs /mnt"]
    return (
        shutil.which("unshare") is not None and subprocess.run(tried, capture_output=True, check=False).returncode == 0
    )


@pytest.mark.thorough
@pytest.mark.skipif(not mounts(), reason="a small file system cannot be mounted here")
def test_a_disk_that_is_nearly_full(tmp_path: Path) -> None:
    small = tmp_path / "small"
    small.mkdir()
    command = (
        f'mount -t tmpfs -o size=20m tmpfs "{small}" && exec "$0" -m agent.cli --folder "{small}/data" doctor --json'
    )
    done = subprocess.run(
        ["unshare", "-m", "sh", "-c", command, sys.executable],
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONPATH": str(ROOT), "PALATE_MODEL_REFERENCE": "./none.gguf"},
        check=False,
    )
    told(by_subject(done.stdout)["data folder"], "fail", "MB free", "Make room on this disk")


@pytest.mark.skipif(os.name != "posix" or os.geteuid() != 0, reason="only root can become somebody else")
def test_a_folder_that_may_only_be_read(folder: Path) -> None:
    home = Path(tempfile.mkdtemp(prefix="palate-read-only-"))
    try:
        shutil.copytree(folder, home / "data")
        for path in (home, *home.rglob("*")):
            path.chmod(0o555 if path.is_dir() else 0o444)
        done = subprocess.run(
            [sys.executable, "-c", AS_NOBODY, str(folder), str(home / "data")],
            capture_output=True,
            text=True,
            cwd=home,
            env={**os.environ, "PYTHONPATH": str(ROOT), "PALATE_CACHE_FOLDER": str(home / "cache")},
            check=False,
        )
    finally:
        shutil.rmtree(home)
    found = by_subject(done.stdout.partition("---\n")[2])
    told(found["data folder"], "fail", "cannot be written", "permissions")
    told(found["store"], "warn", "read, not written", "Make the file and its folder writable")
    assert found["catalogue"]["detail"].startswith("15 items"), "it is read all the same"


def test_all_is_well(doctor: Doctor, promise: Said) -> None:
    found = doctor()
    wrong = {name for name, check in found.items() if check["status"] == "fail"}
    assert wrong == {"model"}, "which is not there"
    figure = "13 failures made, each with one line of what to do"
    promise("Operations", "palate doctor explains each failure in one line", figure, True)
