"""Model files that are not as they should be, and a process that opens hundreds of them as Palate does.

`python -m tests.support.model_faults CACHE FILE...` writes a line of JSON for each file.
"""

from __future__ import annotations

import json
import random
import struct
import subprocess
import sys
from collections.abc import Callable, Sequence
from contextlib import closing
from itertools import repeat
from pathlib import Path

from agent.deadline import Deadline
from agent.errors import ModelUnavailable, PromptError
from agent.llm.files import trials
from agent.llm.local.llama import Llama
from agent.llm.local.options import Options
from agent.llm.local.trial import build, fates
from agent.llm.registry import resolve
from agent.settings import Settings
from tests.support.tiny_gguf import KINDS, WORDS, Value, llama, sentencepiece

ROOT = Path(__file__).parents[2]
TINY = llama()
TOKENS = sentencepiece(WORDS)["tokenizer.ggml.tokens"]
HEAD = 10_500  # bytes that say what the model is; weights come later


def _with(**more: Value) -> Callable[[], bytes]:
    return lambda: llama(more={name.replace("__", "."): value for name, value in more.items()})


def _at(place: int, raw: bytes) -> Callable[[], bytes]:
    return lambda: TINY[:place] + raw + TINY[place + len(raw) :]


def twins() -> bytes:
    """A vocabulary that spells two tokens alike: well formed, and llama.cpp ends the process over it."""
    tokens = list(TOKENS)  # type: ignore[arg-type]
    tokens[-1] = tokens[-2]
    return llama(more={"tokenizer.ggml.tokens": tokens})


# name -> the bytes of the file, and what the refusal says; nothing where the model works
FAULTS: dict[str, tuple[Callable[[], bytes], str]] = {
    "empty": (bytes, "is empty"),
    "4 bytes": (lambda: b"GGUF", "cut off or damaged"),
    "4 other bytes": (lambda: b"abcd", "not a GGUF file"),
    "wrong magic": (_at(0, b"GGML"), "not a GGUF file"),
    "version 0": (_at(4, struct.pack("<I", 0)), "is GGUF version 0"),
    "version 1": (_at(4, struct.pack("<I", 1)), "is GGUF version 1"),
    "version 99": (_at(4, struct.pack("<I", 99)), "is GGUF version 99"),
    "1 % of it": (lambda: TINY[: len(TINY) // 100], "cut off or damaged"),
    "50 % of it": (lambda: TINY[: len(TINY) // 2], "cut off or damaged"),
    "99 % of it": (lambda: TINY[: len(TINY) * 99 // 100], "cut off or damaged"),
    "2^63 tensors": (_at(8, struct.pack("<Q", 2**63)), "cut off or damaged"),
    "2^64 - 1 values": (_at(16, struct.pack("<Q", 2**64 - 1)), "cut off or damaged"),
    "a text of 2^64 - 1": (_at(24, struct.pack("<Q", 2**64 - 1)), "cut off or damaged"),
    "alignment 0": (_with(general__alignment=0), "an alignment of 0"),
    "alignment 2^31": (_with(general__alignment=2**31), "an alignment of 2147483648"),
    "alignment 7": (_with(general__alignment=7), "cannot load|cut off or damaged|crashes"),
    "513 layers": (_with(llama__block_count=513), "cannot load|crashes"),
    "2^32 - 1 layers": (_with(llama__block_count=2**32 - 1), "cannot load|crashes"),
    "no heads": (_with(llama__attention__head_count=0), "cannot load|crashes"),
    "unknown architecture": (_with(general__architecture="elephant"), "cannot load"),
    "twin tokens": (twins, "crashes on .*GGML_ASSERT"),
    "an embedder": (KINDS["embedder"], "is an embedding or reranking model"),
    "an encoder": (KINDS["bert"], "is an embedding or reranking model"),
    "no chat template": (llama, ""),
    "a template that raises": (_with(tokenizer__chat_template="{{ raise_exception('no') }}"), ""),
    "a template without end": (
        _with(
            tokenizer__chat_template="{% for a in range(10**12) %}{% for b in range(10**12) %}x{% endfor %}{% endfor %}"
        ),
        "",
    ),
    "a template of 10 MB": (_with(tokenizer__chat_template="x" * 10_000_000), ""),
    "a context of 1": (lambda: llama(context=1), ""),
    "a context of 0": (lambda: llama(context=0), ""),
}


def mutated(n: int, seed: int = 7) -> list[bytes]:
    """The tiny model n times, each with some bytes of its head changed; the same for the same seed."""
    chance = random.Random(seed)
    found = []
    for _ in repeat(None, n):
        raw = bytearray(TINY)
        for _ in range(chance.choice([1, 1, 1, 2, 4])):
            raw[chance.randrange(4, HEAD)] = chance.randrange(256)
        found.append(bytes(raw))
    return found


def opened_apart(files: Sequence[Path], cache: Path) -> tuple[int, list[dict[str, str]]]:
    """What a parent process makes of the files, one after the other, and the status it ends with."""
    command = [sys.executable, "-m", "tests.support.model_faults", str(cache), *map(str, files)]
    ran = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    return ran.returncode, [json.loads(line) for line in ran.stdout.splitlines()]


def _open_all(cache: Path, files: Sequence[Path]) -> None:
    """As `open_model` does: the head is read, one child tries what it can, what lived is opened here."""
    settings, said = Settings(cache_folder=cache), {}
    for path in files:
        try:
            said[path] = resolve(str(path), settings)
        except ModelUnavailable as error:
            _tell(path, "head", str(error))
    endings = fates([file.path for file in said.values()], Options())
    for path, file in said.items():
        try:
            trials.check(file, cache, build(), lambda _: next(endings))
            with closing(Llama(path, name=path.stem, sha256=file.sha256, options=Options(mapped=False))) as model:
                model.score("the", [" film"], Deadline(20))
        except PromptError:
            _tell(path, "works", "")
        except ModelUnavailable as error:
            _tell(path, "crashed" if "crashes on" in str(error) else "refused", str(error))
        else:
            _tell(path, "works", "")


def _tell(path: Path, ending: str, reason: str) -> None:
    sys.stdout.write(json.dumps({"file": path.name, "ending": ending, "reason": reason}) + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    _open_all(Path(sys.argv[1]), [Path(name) for name in sys.argv[2:]])
