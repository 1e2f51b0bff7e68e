"""Where logging is set up: one handler on stderr, as text or as JSON, and nothing of a person in its lines."""

from __future__ import annotations

import hashlib
import json
import logging
import secrets
import sys
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from agent.observe.sections import LogSettings

OURS = ("agent", "eval", "prompts", "palate")
REQUESTS = logging.getLogger("palate.requests")
SERVER = logging.getLogger("palate.server")
_FIELDS = "palate_fields"
_KEY = secrets.token_bytes(16)  # of this process alone: what it hashes cannot be followed into another one


def configure(settings: LogSettings) -> None:
    """Write what is logged from now on as the settings say; called again, the newer settings count.

    Our own loggers are heard from `log.level` on, those of libraries from warnings on: at lower levels some of them
    log what they send.
    """
    root = logging.getLogger()
    for handler in [one for one in root.handlers if isinstance(one, _OnStderr)]:
        root.removeHandler(handler)
    level = logging.getLevelName(settings.level.upper())
    root.addHandler(_OnStderr(_AsJson() if settings.format == "json" else _AsText(), level))
    for name in OURS:
        logging.getLogger(name).setLevel(level)


def told(logger: logging.Logger, level: int, message: str, fields: Mapping[str, object] | None = None) -> None:
    """A log entry with fields; those that are None or empty are left out."""
    kept = {name: value for name, value in (fields or {}).items() if value is not None and value != ()}
    logger.log(level, message, extra={_FIELDS: kept})


def pseudonym(user_id: str) -> str:
    """What stands for a person in the log: equal for equal people while this process lives, and only then."""
    return hashlib.blake2b(user_id.encode("utf-8", "replace"), key=_KEY, digest_size=4).hexdigest()


class _OnStderr(logging.Handler):
    """Writes to whatever stderr is at that moment."""

    def __init__(self, formatter: logging.Formatter, level: int) -> None:
        super().__init__()
        self._ours_from = level
        self.setFormatter(formatter)

    def filter(self, record: logging.LogRecord) -> bool:
        """Ours from the level that was set, others from warnings on."""
        ours = record.name.partition(".")[0] in OURS
        return record.levelno >= (self._ours_from if ours else max(self._ours_from, logging.WARNING))

    def emit(self, record: logging.LogRecord) -> None:
        """Write one line, whole."""
        try:
            sys.stderr.write(self.format(record) + "\n")
            sys.stderr.flush()
        except (OSError, ValueError):  # stderr is closed or full: there is nobody to tell
            return


def _time(record: logging.LogRecord) -> str:
    return datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _cause(record: logging.LogRecord) -> str:
    """What kind of exception was logged with it: its words may be a person's."""
    error = record.exc_info[1] if record.exc_info else None
    return type(error).__name__ if error else ""


class _AsText(logging.Formatter):
    """`2026-11-22T18:05:46.120Z palate: request route=/v1/recommend status=200 ms=12.1`."""

    def format(self, record: logging.LogRecord) -> str:
        """The entry as one line."""
        fields: dict[str, Any] = getattr(record, _FIELDS, {}) | ({"error": _cause(record)} if _cause(record) else {})
        shown = "".join(f" {name}={_shown(value)}" for name, value in fields.items())
        who = "" if record.name.partition(".")[0] in OURS else f"{record.name}: "
        return f"{_time(record)} palate: {who}{_one_line(record.getMessage())}{shown}"


class _AsJson(logging.Formatter):
    """One JSON object a line: `at`, `level`, `logger`, `message`, and the fields of the entry."""

    def format(self, record: logging.LogRecord) -> str:
        """The entry as one line of JSON."""
        head = {"at": _time(record), "level": record.levelname.lower(), "logger": record.name}
        fields: dict[str, Any] = {"message": _one_line(record.getMessage()), **getattr(record, _FIELDS, {})}
        if cause := _cause(record):
            fields["error"] = cause
        return json.dumps({**head, **fields}, ensure_ascii=True, default=str)


def _one_line(text: str) -> str:
    return " ".join(text.splitlines())


def _shown(value: object) -> str:
    if isinstance(value, (tuple, list)):
        return ",".join(map(str, value))
    return str(value)
