"""Writers that append events until they are killed, each telling an id on a pipe once its event is acknowledged."""

from __future__ import annotations

import os
import select
import signal
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path

from agent import Recommender, Settings
from agent.store.store import Store
from agent.types import Event, EventKind

SENT_AGAIN = 3  # how many of the last events a writer's successor sends again, as a client does that got no answer


@dataclass
class Told:
    """What one writer had acknowledged: ids of events, in order."""

    ids: list[str] = field(default_factory=list)


def in_a_child(work: Callable[[], None]) -> int:
    """Run the work in a process of its own, which exits with 0 when it ends well; its id."""
    pid = os.fork()
    if pid:
        return pid
    try:
        work()
        os._exit(0)
    finally:
        os._exit(1)


def append(folder: Path, writer: str, begin: int, tell: int, by_hand: bool) -> None:
    """Append events one by one for ever, numbered on from `begin`: to the store itself, or as a person's acts.

    Their text is their number, whatever id the store keeps them under.
    """
    if by_hand:
        _append_acts(folder, writer, tell)
        return
    with Store.open(folder) as store:
        for n in count(max(0, begin - SENT_AGAIN)):
            name = f"{writer}-{n}"
            act = Event(event_id=name, user_id=writer, kind=EventKind.LIKE, item_id=f"i{n:04}", text=str(n))
            store.put_events([act])
            os.write(tell, f"{name}\n".encode())


def _append_acts(folder: Path, writer: str, tell: int) -> None:
    with Recommender.open(settings=Settings(folder=folder, cache_folder=folder / "cache")) as palate:
        for n in count():
            (event,) = palate.tell(writer, likes=[f"i{n % 20:04}"])
            os.write(tell, f"{event.event_id}\n".encode())


def killed_together(folder: Path, told: dict[str, Told], wait_s: float) -> int:
    """Start a writer for each name, kill all a while after each had its first word; how many SIGKILL ended."""
    children, pipes = {}, {}
    for place, name in enumerate(told):
        reading, writing = os.pipe()
        begin = _next(told[name].ids)
        children[name] = in_a_child(
            lambda name=name, begin=begin, writing=writing, by_hand=place == 0: append(  # type: ignore[misc]
                folder, name, begin, writing, by_hand
            )
        )
        os.close(writing)
        pipes[name] = reading
    _wait_for_all(list(pipes.values()))
    time.sleep(wait_s)
    for child in children.values():
        os.kill(child, signal.SIGKILL)
    signals = [os.waitpid(child, 0)[1] for child in children.values()]
    for name, reading in pipes.items():
        told[name].ids += _read(reading)
    return signals.count(signal.SIGKILL)


def _wait_for_all(pipes: list[int]) -> None:
    """Until every writer has had something acknowledged, at most ten seconds."""
    until = time.monotonic() + 10
    while time.monotonic() < until and len(select.select(pipes, [], [], 0.2)[0]) < len(pipes):
        time.sleep(0.002)


def _next(ids: list[str]) -> int:
    return int(ids[-1].rpartition("-")[2]) + 1 if ids and "-" in ids[-1] else 0


def _read(pipe: int) -> list[str]:
    said = b""
    while more := os.read(pipe, 65536):
        said += more
    os.close(pipe)
    return said.decode().split("\n")[:-1]
