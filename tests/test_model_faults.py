"""Model files that are broken, hostile or too large: this process lives, and recommends without the model."""

from __future__ import annotations

import os
import re
import signal
import struct
import subprocess
import sys
import threading
import time
import tracemalloc
from collections import Counter
from pathlib import Path

import pytest

from agent import Recommender, Settings
from agent.errors import ModelUnavailable
from agent.llm.files import trials
from agent.llm.files.cards import GGUF
from agent.llm.files.gguf import read_header
from agent.llm.local import trial
from agent.llm.local.memory import available_bytes, check_fits
from agent.llm.local.options import Options
from agent.llm.local.requantise import requantise_apart
from agent.llm.local.trial import Fate, fates
from agent.llm.registry import open_model
from agent.settings import ModelSettings
from tests.support.gguf_files import sha256
from tests.support.model_faults import FAULTS, ROOT, TINY, mutated, opened_apart, twins
from tests.support.promises import Say
from tests.support.vectors import catalogue

SIZES = [pytest.param(24, id="some"), pytest.param(500, id="all", marks=pytest.mark.thorough)]
TWINS = "crashes on .*twins.gguf \\(SIGABRT: GGML_ASSERT"


def settings(folder: Path, reference: object, **model: object) -> Settings:
    chosen = ModelSettings(reference=str(reference), **model)  # type: ignore[arg-type]
    return Settings(folder=folder / "data", cache_folder=folder / "cache", model=chosen)


def file(path: Path, body: bytes) -> Path:
    path.write_bytes(body)
    return path


def opening(path: Path, folder: Path) -> str:
    """Why the file is not opened; empty where it works."""
    try:
        open_model(settings(folder, path)).close()
    except ModelUnavailable as error:
        return str(error)
    return ""


def test_every_fault_ends_in_a_refusal_of_one_line_or_a_working_model(tmp_path: Path, promise: Say) -> None:
    """All faults of the head at once; those that only llama.cpp sees, in the child of `opened_apart`."""
    files = [file(tmp_path / f"{name}.gguf", make()) for name, (make, _) in FAULTS.items()]
    status, told = opened_apart(files, tmp_path / "cache")
    said = {one["file"].removesuffix(".gguf"): one["reason"] for one in told}
    assert status == 0
    for name, (_, refusal) in FAULTS.items():
        assert re.search(refusal, said[name]) if refusal else not said[name], (name, said[name])
        assert "\n" not in said[name]
    kept = sum(1 for one in told if one["ending"] == "works")
    figure = f"{len(told)} of {len(FAULTS)}: {len(told) - kept} refused in one line, {kept} work; 0 crashes"
    promise("Local model", f"{len(FAULTS)} kinds of broken or odd model files leave the parent alive", figure, True)


@pytest.mark.parametrize("n", SIZES)
def test_mutated_heads_leave_the_parent_alive(tmp_path: Path, n: int, promise: Say) -> None:
    files = [file(tmp_path / f"{number}.gguf", body) for number, body in enumerate(mutated(n))]
    status, told = opened_apart(files, tmp_path / "cache")
    count = Counter(one["ending"] for one in told)
    assert status == 0
    assert sorted(one["file"] for one in told) == sorted(path.name for path in files)
    refused = count["head"] + count["refused"]
    figure = f"{n} of {n}: {refused} refused, {count['crashed']} crashed their child, {count['works']} work"
    promise("Local model", "500 mutated heads of a model file leave the parent alive", figure, status == 0)


def test_files_that_are_none_are_named(tmp_path: Path) -> None:
    (tmp_path / "folder.gguf").mkdir()
    assert "there is no file" in opening(tmp_path / "absent.gguf", tmp_path)
    assert "is a folder" in opening(tmp_path / "folder.gguf", tmp_path)
    wrong = settings(tmp_path, file(tmp_path / "m.gguf", TINY), sha256="0" * 64)
    with pytest.raises(ModelUnavailable, match="has the wrong hash: expected sha256 0000"):
        open_model(wrong)


def head(pairs: int, rest: bytes) -> bytes:
    return b"GGUF" + struct.pack("<IQQ", 3, 0, pairs) + rest


def with_holes(path: Path, start: bytes, size: int) -> Path:
    path.write_bytes(start)
    os.truncate(path, size)
    return path


def test_a_length_of_holes_takes_no_memory(tmp_path: Path) -> None:
    long = 1 << 28
    key = with_holes(tmp_path / "key.gguf", head(1, struct.pack("<Q", long)), 2 * long)
    text = with_holes(tmp_path / "text.gguf", head(1, struct.pack("<Q2sIQ", 2, b"ab", 8, long)), 2 * long)
    tracemalloc.start()
    try:
        with pytest.raises(ModelUnavailable, match="a name of 268,435,456 bytes"):
            read_header(key)
        assert read_header(text).architecture == ""
        assert tracemalloc.get_traced_memory()[1] < 1_000_000
    finally:
        tracemalloc.stop()


def test_a_count_of_holes_takes_no_time(tmp_path: Path) -> None:
    path = with_holes(tmp_path / "m.gguf", head(1 << 32, b""), 1 << 36)
    with pytest.raises(ModelUnavailable, match="more than 2,000,000 numbers"):
        read_header(path)


def test_a_file_that_may_not_be_read_is_named() -> None:
    script = f"""
import os, sys, tempfile
from pathlib import Path
sys.path.insert(0, {str(ROOT)!r})
from tests.test_model_faults import opening
folder = Path(tempfile.mkdtemp())
folder.chmod(0o777)
path = folder / "m.gguf"
path.write_bytes(b"GGUF")
path.chmod(0)
if os.geteuid() == 0:
    os.setuid(65534)
print(opening(path, folder))
"""
    ran = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
    assert "cannot be read: Permission denied" in ran.stdout, ran.stderr[-500:]


def test_a_crash_is_paid_for_once_and_degrades_the_answer(tmp_path: Path, promise: Say) -> None:
    path, told = file(tmp_path / "twins.gguf", twins()), list[str]()
    for tries in (1, 1):
        with Recommender.open(settings=settings(tmp_path, path), told=told.append) as palate:
            palate.put_items(catalogue(30))
            palate.tell("ada", likes=["Title 1"])
            slate, plain = (palate.recommend("ada", k=5, llm=llm) for llm in (True, False))
        assert [r.item.item_id for r in slate] == [r.item.item_id for r in plain]
        assert [one.stage for one in slate.degraded] == ["model"]
        assert re.search(TWINS, slate.degraded[0].reason)
        assert sum("process of its own" in line for line in told) == tries
    with pytest.raises(ModelUnavailable, match=TWINS):
        open_model(settings(tmp_path, path))
    text = "a model file that crashes llama.cpp is tried in a child once; the answer has k items and says why"
    promise("Local model", text, "5 of 5 items, in the order without the model; 1 trial in 3 openings", True)


def test_what_lived_is_remembered_until_the_file_or_the_build_changes(tmp_path: Path) -> None:
    asked: list[Path] = []

    def attempt(path: Path) -> Fate:
        asked.append(path)
        return answers[len(asked) - 1]

    def check(build: str, body: bytes = TINY) -> None:
        path = file(tmp_path / "m.gguf", body)
        trials.check(GGUF("m", path, sha256(body), "", ""), tmp_path / "cache", build, attempt)

    answers = [Fate("lived"), Fate("crashed", "crashed", "so"), Fate("killed", "killed", "so"), Fate("lived")]
    check("1")
    check("1")
    assert len(asked) == 1
    for _ in "ab":
        with pytest.raises(ModelUnavailable, match=r"crashed\. so"):
            check("2")
    assert len(asked) == 2
    with pytest.raises(ModelUnavailable, match=r"killed\. so"):
        check("2", TINY + b"\0")
    check("2", TINY + b"\0")
    assert len(asked) == 4


def test_a_child_that_hangs_or_is_killed_is_a_refusal(tmp_path: Path, promise: Say) -> None:
    pipe = tmp_path / "pipe.gguf"
    os.mkfifo(pipe)  # whoever reads it waits for ever
    whole = file(tmp_path / "m.gguf", TINY)
    found = list(fates([whole, pipe, whole], Options(), timeout_s=2))
    assert [fate.ending for fate in found] == ["lived", "late", "lived"]
    assert "was not loaded within 2 s" in found[1].reason
    killed: list[Fate] = []
    trying = threading.Thread(target=lambda: killed.extend(fates([pipe], Options(), timeout_s=60)))
    trying.start()
    while not (child := _child_of_ours()):
        time.sleep(0.05)
    os.kill(child, signal.SIGKILL)
    trying.join(30)
    assert [(fate.ending, "SIGKILL" in fate.reason) for fate in killed] == [("killed", True)]
    figure = "a child that hung, one that was killed, one that went on: 3 of 3 as they should be"
    promise("Local model", "a trial that hangs ends at its time limit, one that is killed is told", figure, True)


def test_a_child_that_died_before_it_was_asked_is_a_refusal(tmp_path: Path) -> None:
    with trial._child(Options()) as (child, said):
        child.kill()
        child.wait()
        (fate,) = trial._asked(child, said, [file(tmp_path / "m.gguf", TINY)], timeout_s=60)
    assert (fate.ending, "SIGKILL" in fate.reason) == ("killed", True)


def _child_of_ours() -> int:
    """A process that this one started and that runs a trial; 0 where there is none yet."""
    for task in Path("/proc/self/task").iterdir():
        for child in (task / "children").read_text().split():
            if b"agent.llm.local.trial" in (Path("/proc") / child / "cmdline").read_bytes():
                return int(child)
    return 0


OVERWRITTEN = """
import os, sys
from pathlib import Path
from agent.deadline import Deadline
from agent.llm.registry import open_model
from tests.test_model_faults import settings
path = Path(sys.argv[1])
model = open_model(settings(path.parent, path))
def answers():
    return [score.logprob for score in model.score("the", [" film likes", " no"], Deadline.never())]
before, size = answers(), path.stat().st_size
path.write_bytes(os.urandom(size))
assert answers() == before
path.write_bytes(b"")
model.score("another", [" prefix"], Deadline.never())
assert answers() == before
print("the same")
"""


def test_a_file_overwritten_while_it_is_open_changes_nothing(tmp_path: Path, promise: Say) -> None:
    path = file(tmp_path / "m.gguf", TINY)
    command = [sys.executable, "-c", OVERWRITTEN, str(path)]
    ran = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert (ran.returncode, ran.stdout) == (0, "the same\n"), ran.stderr[-500:]
    text = "a model file overwritten, then cut to nothing, while it is open: the answers stay the same"
    promise("Local model", text, "the same to the last digit, before and after", True)


def test_a_variant_is_made_in_a_process_of_its_own(tmp_path: Path) -> None:
    broken, target = file(tmp_path / "broken.gguf", b"GGUF" + bytes(64)), tmp_path / "out.gguf"
    with pytest.raises(ModelUnavailable, match=r"broken.gguf could not be written as Q4_0: .*Set model.requantise"):
        requantise_apart(broken, target, "Q4_0")
    requantise_apart(file(tmp_path / "m.gguf", TINY), target, "Q8_0")
    assert opening(target, tmp_path) == ""


TOO_LARGE = """
import resource, sys
from pathlib import Path
resource.setrlimit(resource.RLIMIT_AS, (6 << 30, 6 << 30))
from tests.support.tiny_gguf import llama_wide
from tests.test_model_faults import opening, settings
from agent.errors import ModelUnavailable
from agent.llm.registry import open_model
path = Path(sys.argv[1])
path.write_bytes(llama_wide(key=4096, context=1 << 20))
try:
    open_model(settings(path.parent, path, context_tokens=1 << 20))
except ModelUnavailable as error:
    print(error)
model = open_model(settings(path.parent, path, context_tokens=256))
model.close()
"""


def test_a_context_that_does_not_fit_is_refused_before_it_is_asked_for(tmp_path: Path, promise: Say) -> None:
    command = [sys.executable, "-c", TOO_LARGE, str(tmp_path / "wide.gguf")]
    ran = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stderr[-500:]
    assert re.search(r"a context of 1,048,576 tokens takes 68\.7 GB of memory, \d\.\d GB are free\. Lower", ran.stdout)
    promise(
        "Local model", "a context larger than the memory is refused by name", "68.7 GB asked of 6 GB: refused", True
    )


def test_what_fits_is_reckoned() -> None:
    free = available_bytes()
    assert free is None or free > 1 << 20
    check_fits(4096, 30, 384, "f16", available=4096 * 30 * 384 * 2)
    check_fits(4096, 30, 384, "f16", available=None)
    for kind in ("f32", "f16", "q8_0"):
        with pytest.raises(ModelUnavailable, match="takes"):
            check_fits(4096, 30, 384, kind, available=1_000)
