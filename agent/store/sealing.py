"""What people do and say, unreadable without a key: texts are sealed as they are written, opened as they are read.

Fernet: AES-128 in CBC mode with an HMAC-SHA256 over it (docs/privacy.md). The only importer of `cryptography`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from agent.errors import ConfigError, StoreError
from agent.store.database import Database
from agent.store.tables import EVENTS, META, SEALED, TURNS

if TYPE_CHECKING:
    from pydantic import SecretStr

    from agent.store.database import Connection

INSTALL = "Install it with: pip install 'palate[privacy]'"
VARIABLE = "PALATE_ENCRYPTION_KEY"
_KNOWN = "palate"  # what the note of a sealed store says when it is opened
SEALED_COLUMNS = ((EVENTS, "body"), (TURNS, "content"))


class Seal:
    """Seals texts with the first of its keys and opens them with any; without keys, texts stay as they are."""

    def __init__(self, fernet: Any = None) -> None:
        self._fernet = fernet

    @property
    def on(self) -> bool:
        """Whether texts are sealed at all."""
        return self._fernet is not None

    def close(self, text: str) -> str:
        """The text as it is written; another one each time."""
        return text if self._fernet is None else self._fernet.encrypt(text.encode("utf-8", "surrogatepass")).decode()

    def open(self, text: str) -> str:
        """The text as it was. Raises StoreError where no key opens it."""
        if self._fernet is None:
            return text
        from cryptography.fernet import InvalidToken

        try:
            return str(self._fernet.decrypt(text.encode()).decode("utf-8", "surrogatepass"))
        except (InvalidToken, UnicodeError) as error:
            raise StoreError(
                "the store holds something that none of the encryption keys opens",
                f"Give the key it was written with too, behind the new one: {VARIABLE}=NEW,OLD",
            ) from error


OPEN = Seal()


def seal_of(keys: SecretStr | None) -> Seal:
    """A seal with these keys, separated by commas, the first of which writes; without keys none.

    Raises ConfigError for what is no key, and where the library is missing.
    """
    if keys is None:
        return OPEN
    fernet = _library()
    listed = [key.strip() for key in keys.get_secret_value().split(",")]
    made = []
    for place, key in enumerate(listed, start=1):
        try:
            made.append(fernet.Fernet(key.encode()))
        except ValueError as error:
            raise ConfigError(
                f"encryption_key: number {place} of {len(listed)} is no key", "Make one: palate encrypt --new-key"
            ) from error
    return Seal(fernet.MultiFernet(made))


def new_key() -> str:
    """A key that nobody has: 32 random bytes in base 64. Raises ConfigError where the library is missing."""
    return str(_library().Fernet.generate_key().decode())


def opened_with(database: Database, seal: Seal) -> Seal:
    """The seal, which fits the store; one that holds nothing of anybody yet is sealed with it from now on.

    Raises StoreError where it does not fit, and then the database is closed.
    """
    try:
        if database.sealed is not None:
            _check_fits(database, seal)
        elif seal.on and not database.read_only:
            _seal_empty(database, seal)
    except StoreError:
        database.close()
        raise
    return seal


def lying(database: Database, seal: Seal) -> Seal:
    """The seal of a store as it lies there: this one, or none yet. Raises StoreError where this one does not fit."""
    return OPEN if database.sealed is None else opened_with(database, seal)


def reseal(
    database: Database, before: Seal, after: Seal, sealed: Callable[[], object] = lambda: None
) -> tuple[int, int]:
    """Seal all that people did and said anew, all or none; how many events and turns that were.

    Nobody writes meanwhile. `sealed` is called once all is written, before what lay there is erased: no byte of it
    stays in a SQLite file. Raises StoreError where another process was reading.
    """

    def renewed(text: str) -> str:
        """The text as it is sealed from now on."""
        return after.close(before.open(text))

    with database.writing(alone=True) as connection:
        events, turns = (database.rewrite(connection, table, text, renewed) for table, text in SEALED_COLUMNS)
        note = after.close(_KNOWN) if after.on else None
        _write_note(connection, note)
    database.sealed = note
    sealed()
    database.scrub(f"everything is {'encrypted' if after.on else 'decrypted'}", "Run the same command again")
    return events, turns


def _library() -> Any:
    try:
        from cryptography import fernet
    except ImportError as error:
        raise ConfigError("encryption needs cryptography, which is not installed", INSTALL) from error
    return fernet


def _check_fits(database: Database, seal: Seal) -> None:
    if not seal.on:
        raise StoreError(f"the store {database.name} is encrypted, and no key is given", f"Set {VARIABLE} to its key")
    try:
        fits = seal.open(database.sealed or "") == _KNOWN
    except StoreError:
        fits = False
    if not fits:
        raise StoreError(
            f"the store {database.name} is encrypted with another key",
            f"Set {VARIABLE} to its key; several are separated by commas, the first one writes",
        )


def _seal_empty(database: Database, seal: Seal) -> None:
    note = seal.close(_KNOWN)
    with database.writing(alone=True) as connection:
        if database.count(EVENTS, connection) or database.count(TURNS, connection):
            raise StoreError(
                f"the store {database.name} is not encrypted yet, and a key is given",
                f"Encrypt it once: palate encrypt; or leave {VARIABLE} out",
            )
        _write_note(connection, note)
    database.sealed = note


def _write_note(connection: Connection, note: str | None) -> None:
    connection.execute(META.delete().where(META.c.key == SEALED))
    if note is not None:
        connection.execute(META.insert(), {"key": SEALED, "value": note})
