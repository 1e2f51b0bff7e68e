"""The store that the settings name, sealed with their key; and sealing one that is not yet, or was with older keys."""

from __future__ import annotations

from collections.abc import Callable

from agent.errors import ConfigError
from agent.settings import Settings
from agent.store.database import Database
from agent.store.sealing import OPEN, VARIABLE, lying, seal_of
from agent.store.store import FILE_NAME, Store


def open_store(settings: Settings) -> Store:
    """The store, made if there is none. Raises StoreError, ConfigError for a key that is none."""
    seal, url = seal_of(settings.encryption_key), settings.database
    return Store.at_url(url.get_secret_value(), seal=seal) if url else Store.open(settings.folder, seal=seal)


def seal_anew(settings: Settings, *, off: bool = False, sealed: Callable[[], object] = lambda: None) -> tuple[int, int]:
    """Seal what lies in the store with the first key, or with none; how many events and turns there are.

    `sealed` is called once that is done, also where old bytes may remain, and never where nothing was sealed.
    Raises ConfigError without a key, StoreError where no key opens what lies there, or another process was reading.
    """
    seal = seal_of(settings.encryption_key)
    if not seal.on:
        raise ConfigError("no encryption key is given", f"Make one: palate encrypt --new-key; then set {VARIABLE}")
    with Store(database := _database(settings), lying(database, seal)) as store:
        return store.reseal(OPEN if off else seal, sealed)


def _database(settings: Settings) -> Database:
    url = settings.database
    if url:
        return Database.at_url(url.get_secret_value(), read_only=False)
    return Database.in_file(settings.folder / FILE_NAME, read_only=False)
