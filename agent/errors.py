"""Every error Palate raises on purpose.

    PalateError                 .hint: what to do next
    ├── ConfigError             a setting, an argument or a model reference is wrong
    ├── CatalogueError          a file of items or events cannot be read at all
    ├── NotFound                an item, a user or a slate is not there
    ├── Ambiguous               a title fits several items        .choices
    ├── Busy                    a conversation in which another answer is being given
    ├── Taken                   the id of an event is that of another account's     .event_id, .user_id
    ├── PromptError             a prompt file, its header or its rendering is wrong
    ├── StoreError              the data folder, its database or its index
    │   ├── StoreLocked         another process holds it
    │   ├── StoreLost           what was there is gone
    │   └── StoreUnreachable    a server that holds the index does not answer
    └── ModelError              a model or an endpoint
        ├── ModelUnavailable    missing, corrupt, refused, down
        ├── ModelTimeout        out of time
        └── ModelReplyInvalid   answered, but not with something usable

A recommendation never raises ModelError: it degrades and says so.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pydantic import ValidationError


class PalateError(Exception):
    """The root of the tree: one line that says what and where, and a hint that says what to do.

    `str(error)` is `message` and `hint` joined; `exit_code` is what the command line exits with.
    """

    exit_code = 1

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint

    def __str__(self) -> str:
        return f"{self.message}. {self.hint}" if self.hint else self.message


class ConfigError(PalateError):
    """A setting, an argument or a model reference is wrong."""

    exit_code = 2


class CatalogueError(PalateError):
    """A file of items or events cannot be read at all (single bad rows are reported, not raised)."""


class NotFound(PalateError):
    """An item, a user or a slate is not there."""


class Ambiguous(PalateError):
    """A title fits several items; `choices` names them, best first."""

    def __init__(self, message: str, choices: Sequence[str], hint: str = "") -> None:
        super().__init__(message, hint)
        self.choices = tuple(choices)


class Busy(PalateError):
    """Another answer is being given in this conversation."""


class Taken(PalateError):
    """The `event_id` of an event of `user_id` is that of another account's event."""

    def __init__(self, event_id: str, user_id: str) -> None:
        super().__init__(f"the event id {event_id!r} is taken", "Give the event another id, or none")
        self.event_id = event_id
        self.user_id = user_id


class PromptError(PalateError):
    """A prompt file, its header or its rendering is wrong."""


class StoreError(PalateError):
    """The data folder, its database or its index cannot be used."""


class StoreLocked(StoreError):
    """Another process holds the data folder."""


class StoreLost(StoreError):
    """The rows of the index that were there are gone, as from a server that was emptied."""


class StoreUnreachable(StoreError):
    """The server that holds the index does not answer, or not in time."""


class ModelError(PalateError):
    """A model or an endpoint failed."""


class ModelUnavailable(ModelError):
    """The model is missing, corrupt, refused or down."""


class ModelTimeout(ModelError):
    """The model did not answer in the time given."""


class ModelReplyInvalid(ModelError):
    """The model answered, but not with something usable."""


def fault_of(error: ValidationError) -> str:
    """What is wrong with a value in the first place, in a few words."""
    return str(error.errors(include_url=False)[0]["msg"]).removeprefix("Value error, ")
