"""`palate batch`: the same bytes however many work and wherever, and a run that was cut off goes on."""

from __future__ import annotations

import io
import json
import os
import random
import shutil
import signal
import stat
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from agent import Recommender, Settings
from agent.batch.job import SHARD, Job, about, plain, shards
from agent.batch.output import Output
from agent.batch.places import Shards, Work, on_processes
from agent.batch.run import Placing, Wanted, Written, batch
from agent.batch.snapshot import open_index, write_snapshot
from agent.batch.worker import Worker, serve
from agent.catalogue import load_items, read_items
from agent.cli import run
from agent.errors import ConfigError, PalateError, StoreError, StoreLocked
from agent.recall.where import parse_where
from agent.store.store import Store
from agent.types import Event, EventKind, Item
from tests.support.promises import Say
from tests.support.serving import FILMS, PATIENCE_S, ROOT

N = 110
AT = datetime(2026, 6, 1, tzinfo=UTC)
PLAIN = Wanted(k=3, llm=False, at=AT)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Fifteen films, and 110 people who like one to five of them."""
    found, draw = tmp_path_factory.mktemp("batch"), random.Random(1)
    with Recommender.open(settings=Settings(folder=found)) as palate, read_items(FILMS) as rows:
        load_items(rows, palate.put_items, found / "refused.jsonl")
        palate.sync_index()
        ids = [item.item_id for item in palate.store.items()]
        palate.put_events(
            Event(
                event_id=f"e{n}-{m}",
                user_id=f"u{n:03}",
                kind=EventKind.LIKE,
                item_id=item_id,
                at=datetime(2026, 1, 1, tzinfo=UTC) + timedelta(hours=10 * n + m),
            )
            for n in range(N)
            for m, item_id in enumerate(draw.sample(ids, draw.randint(1, 5)))
        )
    return found


@pytest.fixture(scope="module")
def people() -> list[str]:
    """Everyone, in an order of their own; one twice, and one who did nothing."""
    return ["nobody", *(f"u{n:03}" for n in reversed(range(N - 2))), "u007"]


@pytest.fixture(scope="module")
def right(folder: Path, people: list[str], tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """What one worker writes, in this process."""
    path = tmp_path_factory.mktemp("right") / "one.jsonl"
    written(folder, people, path)
    return path.read_bytes()


def written(folder: Path, people: list[str], path: Path, wanted: Wanted = PLAIN) -> int:
    """Write the file, in this process where nobody is to work elsewhere; how many lines were there before."""
    placing = None if wanted.workers else here
    with Recommender.open(settings=Settings(folder=folder)) as palate:
        return batch(palate, people, path, wanted, lambda _done, _of: None, placing=placing).before


@contextmanager
def here(job: Job, _n: int | None) -> Iterator[Work]:
    """Work in this process."""
    with closing(Worker(job.as_json())) as worker:
        yield lambda shards: map(worker.lines, shards)


def command(folder: Path, path: Path, *flags: str) -> list[str]:
    asked = ["batch", "--output", str(path), "--no-llm", "-k", "3", "--at", AT.isoformat(), "--workers", "1", *flags]
    return [sys.executable, "-m", "agent.cli", "--folder", str(folder), *asked]


def begun(command: list[str], path: Path, users: str) -> subprocess.Popen[str]:
    """The command on its way, with a shard written."""
    child = subprocess.Popen(
        command,
        stdin=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
    )
    assert child.stdin is not None
    child.stdin.write(users)
    child.stdin.close()
    until = time.monotonic() + 2 * PATIENCE_S
    while not (path.exists() and path.stat().st_size):
        if child.poll() is not None or time.monotonic() > until:
            child.kill()
            pytest.fail(child.stderr.read() if child.stderr else "")
        time.sleep(0.002)
    return child


def workers_of(pid: int) -> list[int]:
    """The children of a process."""
    return [int(n) for n in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def gone(pids: list[int]) -> bool:
    until = time.monotonic() + PATIENCE_S
    while any(Path(f"/proc/{pid}").exists() and "Z" not in _state(pid) for pid in pids):
        if time.monotonic() > until:
            return False
        time.sleep(0.05)
    return True


def _state(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return "Z"


def test_lines_stand_in_the_order_given_and_say_what_recommend_says(
    folder: Path, people: list[str], right: bytes
) -> None:
    rows = [json.loads(line) for line in right.splitlines()]
    assert [row["user"] for row in rows] == people
    with Recommender.open(settings=Settings(folder=folder)) as palate:
        for row in (rows[0], rows[5]):
            slate = palate.recommend(row["user"], k=3, llm=False)
            assert [one["item_id"] for one in row["recommendations"]] == [one.item.item_id for one in slate]
            assert row["recommendations"][0].keys() == {"rank", "item_id", "title", "score", "explored", "rationale"}
            assert row["degraded"] == []


def test_two_workers_write_the_bytes_that_one_writes(
    folder: Path, people: list[str], right: bytes, tmp_path: Path, promise: Say
) -> None:
    assert written(folder, people, tmp_path / "two.jsonl", replace(PLAIN, workers=2)) == 0
    same = (tmp_path / "two.jsonl").read_bytes() == right
    assert same
    assert sorted(path.name for path in (tmp_path / "two.jsonl.run").iterdir()) == ["lock", "run.json"]
    figure = f"{len(people)} lines, {len(right):,} bytes, equal for 1 and 2 workers"
    promise("Scale", "`palate batch` writes the same bytes however many work", figure, same)


@pytest.mark.thorough
def test_a_batch_that_is_killed_goes_on_and_ends_with_the_same_bytes(
    folder: Path, people: list[str], right: bytes, tmp_path: Path, promise: Say
) -> None:
    path = tmp_path / "out.jsonl"
    users = tmp_path / "users.txt"
    users.write_text("\n".join(people) + "\n\n")
    child = begun(command(folder, path, "-"), path, users.read_text())
    workers = workers_of(child.pid)
    child.kill()
    child.wait()
    assert workers
    assert gone(workers), "a worker outlived its batch"
    left = path.read_bytes()
    assert right.startswith(left[: left.rindex(b"\n") + 1])
    path.write_bytes(left + b'{"user": "u0')  # as a crash of the machine may leave it
    again = subprocess.run(
        command(folder, path, str(users), "--json"),
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )
    assert again.returncode == 0, again.stderr
    told = json.loads(again.stdout)
    assert told["lines"] == N
    assert told["before"] in (SHARD, 2 * SHARD, N)
    assert path.read_bytes() == right
    figure = f"{told['before']} of {N} lines were kept, the end is equal byte for byte"
    promise("Scale", "a batch killed by signal 9 goes on with whole shards", figure, path.read_bytes() == right)


@pytest.mark.thorough
def test_ctrl_c_ends_workers_too_and_says_how_to_go_on(folder: Path, people: list[str], tmp_path: Path) -> None:
    path = tmp_path / "out.jsonl"
    child = begun(command(folder, path, "-"), path, "\n".join(people * 6))
    workers = workers_of(child.pid)
    child.send_signal(signal.SIGINT)
    assert child.wait(PATIENCE_S) == 130
    told = child.stderr.read() if child.stderr else ""
    assert "the same command goes on with the rest" in " ".join(told.split())
    assert "Traceback" not in told
    assert gone(workers)
    assert len(path.read_bytes().splitlines()) % SHARD == 0


@pytest.mark.thorough
def test_ray_writes_the_same_bytes(
    folder: Path, people: list[str], right: bytes, tmp_path: Path, promise: Say, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("ray", reason="Ray is not installed")
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    try:
        written(folder, people, tmp_path / "ray.jsonl", replace(PLAIN, workers=2, place="ray"))
    except PalateError as error:
        if "could not be started" not in str(error):
            raise
        pytest.skip(str(error))  # Ray gives its own processes 30 s and no more
    same = (tmp_path / "ray.jsonl").read_bytes() == right
    assert same
    promise("Scale", "on Ray `palate batch` writes the bytes that processes write", f"{len(people)} lines, equal", same)


@pytest.mark.thorough
def test_with_the_model_two_workers_write_what_one_writes(folder: Path, tmp_path: Path, promise: Say) -> None:
    users, files = [f"u{n:03}" for n in range(SHARD + 10)], [tmp_path / "one.jsonl", tmp_path / "two.jsonl"]
    for n, path in enumerate(files, start=1):
        written(folder, users, path, Wanted(k=3, at=AT, workers=n))
    same = files[0].read_bytes() == files[1].read_bytes()
    assert same
    assert b"model" not in b"".join(line[line.index(b'"degraded"') :] for line in files[0].read_bytes().splitlines())
    promise("Scale", "and with the language model", f"{len(users)} lines with scores of SmolLM2, equal", same)


def test_what_comes_later_than_the_moment_counts_nothing(folder: Path, tmp_path: Path) -> None:
    with Recommender.open(settings=Settings(folder=folder)) as palate:
        likes = palate.events("u003")
    early = Wanted(llm=False, at=likes[0].at - timedelta(seconds=1))
    written(folder, ["u003", "nobody"], tmp_path / "o", early)
    first, second = (json.loads(line) for line in (tmp_path / "o").read_text().splitlines())
    assert _ids(first) == _ids(second)
    assert not {event.item_id for event in likes}.isdisjoint(_ids(first))
    assert stat.S_IMODE((tmp_path / "o").stat().st_mode) == 0o600, "it tells what people are taken to like"


def _ids(row: dict[str, list[dict[str, object]]]) -> list[object]:
    return [one["item_id"] for one in row["recommendations"]]


def test_filters_and_reasons_are_heeded(folder: Path, tmp_path: Path) -> None:
    wanted = Wanted(k=4, where="year>=2000 and tags=Comedy", llm=False, reasons=False, at=AT)
    written(folder, ["u001", "u002"], tmp_path / "o", wanted)
    with Recommender.open(settings=Settings(folder=folder)) as palate:
        fitting = {item.item_id for item in palate.store.items() if parse_where(str(wanted.where)).matches(item)}
        for line in (tmp_path / "o").read_text().splitlines():
            row = json.loads(line)
            assert row["recommendations"]
            assert {one["item_id"] for one in row["recommendations"]} <= fitting
            assert all(one["rationale"] is None for one in row["recommendations"])
        for odd in (Wanted(where="yeer=1", llm=False), Wanted(llm=False, at=datetime(2026, 1, 1))):
            with pytest.raises(ConfigError, match=r"no item has the field|no time zone"):
                batch(palate, ["u001"], tmp_path / "p", odd, lambda _done, _of: None)


def test_a_file_of_another_batch_is_refused(folder: Path, tmp_path: Path) -> None:
    path, quiet = tmp_path / "o", lambda _done, _of: None
    written(folder, ["u001", "u002"], path)
    with Recommender.open(settings=Settings(folder=folder)) as palate:
        assert batch(palate, ["u001", "u002"], path, Wanted(3, llm=False), quiet).before == 2, "it keeps its moment"
        with pytest.raises(ConfigError, match="begun with other k, users, users_sha256"):
            batch(palate, ["u001"], path, Wanted(4, llm=False), quiet)
        (tmp_path / "mine").write_text("precious\n")
        with pytest.raises(ConfigError, match="no batch began it"):
            batch(palate, ["u001"], tmp_path / "mine", PLAIN, quiet)
        path.write_text(path.read_text().replace("u002", "u009"))
        with pytest.raises(ConfigError, match="holds other lines"):
            batch(palate, ["u001", "u002"], path, PLAIN, quiet)
        with Output.held(path), pytest.raises(StoreLocked, match="another process writes"):
            batch(palate, ["u001", "u002"], path, PLAIN, quiet)
        with pytest.raises(StoreError, match="cannot write"):
            batch(palate, ["u001"], tmp_path / "mine" / "o", PLAIN, quiet)
        (tmp_path / "o.run" / "run.json").write_text("{")
        with pytest.raises(ConfigError, match="is damaged"):
            batch(palate, ["u001"], path, PLAIN, quiet)
    assert (tmp_path / "mine").read_text() == "precious\n"


def test_the_command_line_refuses_in_one_line(folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    def told(*arguments: str) -> str:
        assert run(["--folder", str(folder), "batch", "-o", str(tmp_path / "o"), "--no-llm", *arguments]) in (1, 2)
        return capsys.readouterr().err

    assert "cannot read the users" in told(str(tmp_path / "nowhere"))
    assert "is no time" in told("--at", "noon")
    (tmp_path / "users").write_text("ada\n\x07bad\n")
    assert "cannot name a person" in told(str(tmp_path / "users"))
    (tmp_path / "none").write_text("\n \n")
    assert "there is nobody" in told(str(tmp_path / "none"))


@pytest.fixture
def worker(folder: Path, tmp_path: Path) -> Iterator[tuple[Worker, Job]]:
    """A worker in this process, on a snapshot."""
    with Recommender.open(settings=Settings(folder=folder)) as palate:
        write_snapshot(palate.parts, tmp_path)
        job = Job(plain(palate.settings), 3, None, False, True, AT.isoformat(), palate.store.catalogue_version)
    made = Worker(job.with_snapshot(tmp_path).as_json())
    yield made, job.with_snapshot(tmp_path)
    made.close()


def test_a_worker_writes_what_the_file_holds(worker: tuple[Worker, Job], people: list[str], right: bytes) -> None:
    first = next(shards(people))
    assert worker[0].lines(first) == right.decode().splitlines()[:SHARD]
    answers = io.StringIO()
    serve(io.StringIO(f"{worker[1].as_json()}\n{json.dumps(first[:2])}\n"), answers)
    assert json.loads(answers.getvalue())["lines"] == right.decode().splitlines()[:2]


def test_a_catalogue_that_changes_ends_the_batch(worker: tuple[Worker, Job], folder: Path) -> None:
    other = Worker(replace(worker[1], catalogue="another").as_json())
    with pytest.raises(StoreError, match="the catalogue has changed during the batch"):
        other.lines(["u001"])
    answers = io.StringIO()
    serve(io.StringIO(f'{replace(worker[1], catalogue="x").as_json()}\n["u001"]\n'), answers)
    assert json.loads(answers.getvalue())["error"] == "the catalogue has changed during the batch"
    other.close()


@pytest.mark.thorough
def test_a_worker_that_dies_is_told(folder: Path, tmp_path: Path) -> None:
    job = Job({"folder": str(folder)}, 3, None, False, True, AT.isoformat(), "", str(tmp_path / "nowhere"))
    with on_processes(job, 1) as work, pytest.raises(PalateError, match="the catalogue has changed"):
        list(work([["u001"]]))
    broken = Job({"folder": 3, "k": "?"}, 3, None, False, True, AT.isoformat(), "", "")
    with on_processes(broken, 1) as work, pytest.raises(PalateError, match="a worker ended with code 1"):
        list(work([["u001"]]))


def test_a_snapshot_cannot_be_written(worker: tuple[Worker, Job], folder: Path, tmp_path: Path) -> None:
    with Recommender.open(settings=Settings(folder=folder)) as palate:
        index = open_index(Path(worker[1].snapshot), palate.embedder, palate.store)
        assert index.vectors(["f01"]).keys() == {"f01"}
        assert index._rows is not None
        with pytest.raises(StoreError, match="cannot be written"):
            index._rows.remove(["f01"])
        with pytest.raises(StoreError, match="not whole"):
            open_index(tmp_path / "nowhere", palate.embedder, palate.store)


@contextmanager
def cut_off(job: Job, _n: int | None) -> Iterator[Work]:
    """Work in this process until one shard is made."""

    def work(shards: Shards) -> Iterator[list[str]]:
        yield worker.lines(next(iter(shards)))
        raise StoreError("killed")

    with closing(Worker(job.as_json())) as worker:
        yield work


def test_everyone_are_those_who_were_there_when_it_began(folder: Path, tmp_path: Path) -> None:
    mine, path = shutil.copytree(folder, tmp_path / "mine"), tmp_path / "o"

    def go_on(placing: Placing) -> Written:
        with Recommender.open(settings=Settings(folder=mine)) as palate:
            return batch(palate, None, path, PLAIN, lambda _done, _of: None, placing=placing)

    with pytest.raises(StoreError, match="killed"):
        go_on(cut_off)
    listed = tmp_path / "o.run" / "people.json"
    whole = listed.read_bytes()
    listed.write_bytes(whole[:9])
    with pytest.raises(ConfigError, match="is damaged"):
        go_on(here)
    listed.write_bytes(whole)
    with Store.open(mine) as store:
        everyone = store.users()
        store.put_events([Event(user_id="a newer one", kind=EventKind.VIEW, item_id="f01")])
    assert go_on(here).before == SHARD
    assert [json.loads(line)["user"] for line in path.read_text().splitlines()] == everyone
    assert not listed.exists(), "once it is written, nobody needs it"
    with pytest.raises(ConfigError, match="begun with other users"):
        go_on(here)


def test_links_count_up_to_the_moment_too(folder: Path, tmp_path: Path) -> None:
    mine = shutil.copytree(folder, tmp_path / "mine")
    written(mine, ["u001"], tmp_path / "before")
    with Recommender.open(settings=Settings(folder=mine)) as palate:
        palate.link("u001", "u002")  # now, which is after AT
    written(mine, ["u001"], tmp_path / "after")
    assert (tmp_path / "after").read_bytes() == (tmp_path / "before").read_bytes()


def test_a_catalogue_that_changed_before_a_batch_is_taken_up(folder: Path, tmp_path: Path) -> None:
    mine = shutil.copytree(folder, tmp_path / "mine")
    with Recommender.open(settings=Settings(folder=mine)) as palate, Store.open(mine) as other:
        _ = palate.parts.fresh_index
        other.put_items([Item(item_id="new", title="Newer")])
        assert batch(palate, ["u001"], tmp_path / "o", PLAIN, lambda _done, _of: None, placing=here).lines == 1


def test_a_catalogue_that_changes_as_a_batch_begins_is_told(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    mine = shutil.copytree(folder, tmp_path / "mine")
    with Recommender.open(settings=Settings(folder=mine)) as palate, Store.open(mine) as other:
        _ = palate.parts.fresh_index
        heed = palate.parts.heed

        def then_another_writes() -> None:
            heed()
            other.put_items([Item(item_id="new", title="Newer")])

        with monkeypatch.context() as patched:
            patched.setattr(palate.parts, "heed", then_another_writes)
            with pytest.raises(StoreError, match=r"is changing the catalogue\. Give the same command again"):
                batch(palate, ["u001"], tmp_path / "o", PLAIN, lambda _done, _of: None, placing=here)
        assert batch(palate, ["u001"], tmp_path / "o", PLAIN, lambda _done, _of: None, placing=here).lines == 1


def test_what_a_run_depends_on_is_in_its_record(folder: Path, tmp_path: Path) -> None:
    weights = tmp_path / "weights.toml"
    weights.write_text("x")
    settings = Settings(folder=folder)
    other = Settings.model_validate({"folder": folder, "rerank": {"weights": weights}, "slate": {"diversity": 0.5}})
    job = Job(plain(settings), 3, None, False, True, AT.isoformat(), "v")
    one, two = (about(job, chosen, ["ada"]) for chosen in (settings, other))
    assert {name for name in one if one[name] != two[name]} == {"settings_sha256", "files_sha256"}
    secret = Settings.model_validate({"folder": folder, "endpoint": {"api_key": "sesame"}, "language": "zh"})
    assert Settings.model_validate(plain(secret)) == secret.model_copy(update={"folder": folder.absolute()})
    assert "sesame" not in json.dumps(about(job, secret, ["ada"]))


def test_items_without_a_place_in_filters_are_left_out(tmp_path: Path) -> None:
    with Recommender.open(settings=Settings(folder=tmp_path / "d")) as palate:
        palate.put_items([Item(item_id=f"i{n}", title=f"Film {n}", tags=("A",) if n else ()) for n in range(12)])
    written(tmp_path / "d", ["x"], tmp_path / "o", Wanted(k=20, where="tags=A", llm=False, at=AT))
    row = json.loads((tmp_path / "o").read_text())
    assert {one["item_id"] for one in row["recommendations"]} == {f"i{n}" for n in range(1, 12)}
