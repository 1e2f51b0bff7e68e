"""Neither logs nor prompts name the person who is answered, at any level of any logger."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from agent import Settings
from agent.errors import ModelTimeout
from agent.llm.scripted import Scripted
from agent.types import Event
from tests.support.promises import Say
from tests.support.talking import talking

PEOPLE = 20
WISHES = ("something funny", "a thriller for adults", "animals and songs", None)


class Heard(logging.Handler):
    """Every record as it would be written, with the values it was given and where it came from."""

    def __init__(self) -> None:
        super().__init__(logging.DEBUG)
        self.lines: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.lines.append(f"{record.name} {record.getMessage()} {record.args!r} {record.exc_info!r} {vars(record)!r}")


@contextmanager
def heard() -> Iterator[Heard]:
    """All that any logger says at any level."""
    handler, root = Heard(), logging.getLogger()
    known = [logging.getLogger(name) for name in (*logging.root.manager.loggerDict, "agent", "sqlalchemy.engine")]
    before = {logger: (logger.level, logger.disabled, logger.propagate) for logger in (root, *known)}
    for logger in before:
        logger.setLevel(logging.DEBUG)
        logger.disabled = False
        logger.propagate = True
    root.addHandler(handler)
    try:
        yield handler
    finally:
        root.removeHandler(handler)
        for logger, (level, disabled, propagate) in before.items():
            logger.level, logger.disabled, logger.propagate = level, disabled, propagate


def ask(folder: Path, n: int) -> tuple[Scripted, Heard]:
    """n requests of many people, of every kind, some of which fail; the model, and what was logged."""
    model = Scripted(_reply, scores=_scored, fingerprint="m" * 64)
    settings = Settings.model_validate(
        {"folder": folder, "cache_folder": folder / "cache", "recall": {"generated": 1}, "explain": {"writer": "write"}}
    )
    with talking(folder, model, settings) as talk:
        here = talk.recommender
        for user in map(name, range(PEOPLE)):
            here.tell(user, likes=["Toy Story", "Heat"], dislikes=["Alien"])
            here.put_events([Event(user_id=user, kind="search", text="old films")])
        here.link(name(0), name(1))
        with heard() as log:
            for k in range(n):
                _ask_once(talk, name(k % PEOPLE), k)
    return model, log


def _ask_once(talk: object, user: str, k: int) -> None:
    here = talk.recommender  # type: ignore[attr-defined]
    wish = WISHES[k // 5 % len(WISHES)]
    if k % 5 == 0:
        list(talk.reply(user, f"wish: {wish or 'anything'}", k=2, conversation_id=f"c{k}"))  # type: ignore[attr-defined]
    elif k % 5 == 1:
        here.explain(user, ["Ratatouille"], wish=wish)
    elif k % 5 == 2:
        here.why(user, "Paddington", llm=True)
    else:
        here.recommend(user, wish, k=2)


def name(n: int) -> str:
    return f"person-ID-{n:04}-x7"


def _reply(prefix: str, suffix: str) -> str:
    return " A warm story about friends, told with care."


def _scored(prefix: str, continuation: str) -> float:
    if "thriller" in prefix:
        raise ModelTimeout("out of time", "Give it longer")
    return -float(len(continuation) % 7) - 0.5


@pytest.mark.parametrize("n", [20, pytest.param(1_000, marks=pytest.mark.thorough)])
def test_no_log_line_and_no_prompt_names_anybody(tmp_path: Path, n: int, promise: Say) -> None:
    model, log = ask(tmp_path, n)
    texts = [repr(call) for call in model.calls]
    assert len(texts) > n
    assert log.lines
    named = [text[:200] for text in (*texts, *log.lines) if "person-ID" in text]
    assert named == []
    promise(
        "Privacy",
        "no log line and no prompt carries a user id, all loggers at DEBUG",
        f"0 in {len(texts):,} prompts and {len(log.lines):,} log lines of {n:,} requests",
        True,
    )
