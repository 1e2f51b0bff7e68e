"""llama-server asked one prompt at a time over kept connections, as many at once as it has slots."""

from __future__ import annotations

import json
import math
import queue
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from http.client import HTTPConnection, HTTPException
from typing import Any, TypeVar
from urllib.parse import urlsplit

from agent.errors import ModelUnavailable

T = TypeVar("T")

TIMEOUT_S = 600.0
LISTED = 20  # likeliest next tokens that the server lists, as many as OpenAI's own API does


@dataclass(frozen=True, slots=True)
class Leaning:
    """log p(yes) - log p(no) of one prompt, and how many of its tokens the server decoded for it."""

    value: float
    tokens_decoded: int


class Connections:
    """`slots` connections to a server, each used by one thread at a time."""

    def __init__(self, address: str, slots: int) -> None:
        place = urlsplit(address)
        self._free: queue.SimpleQueue[HTTPConnection] = queue.SimpleQueue()
        self._all = [HTTPConnection(place.hostname or "", place.port, timeout=TIMEOUT_S) for _ in range(slots)]
        for connection in self._all:
            self._free.put(connection)
        self._threads = ThreadPoolExecutor(slots, thread_name_prefix="asking")

    def close(self) -> None:
        """Close all connections."""
        self._threads.shutdown()
        for connection in self._all:
            connection.close()

    def renew(self) -> None:
        """Open every connection anew: the server closes those that lay idle for some seconds."""
        for connection in self._all:
            connection.close()
            _tried(connection.connect)

    def leanings(self, prompts: Sequence[str], options: Sequence[Sequence[str]]) -> list[Leaning]:
        """One for each prompt, in order. Raises ModelUnavailable where the server fails or refuses."""
        return list(self._threads.map(lambda prompt: self._leaning(prompt, options), prompts))

    def _leaning(self, prompt: str, options: Sequence[Sequence[str]]) -> Leaning:
        wanted = {"prompt": prompt, "n_predict": 1, "n_probs": LISTED, "cache_prompt": True, "temperature": 0.0}
        answer = self._post("/completion", json.dumps(wanted).encode())
        listed = {
            str(one["token"]): float(one["logprob"])
            for written in answer.get("completion_probabilities", [])[:1]
            for one in written["top_logprobs"]
        }
        yes, no = (_summed(listed, spellings) for spellings in options[:2])
        return Leaning(yes - no, int(answer["timings"]["prompt_n"]))

    def _post(self, path: str, body: bytes) -> dict[str, Any]:
        connection = self._free.get()

        def answered() -> tuple[int, bytes]:
            """Status and body."""
            connection.request("POST", path, body, {"Content-Type": "application/json"})
            answer = connection.getresponse()
            return answer.status, answer.read()

        def answered_again() -> tuple[int, bytes]:
            """The same on a new connection, where the server had closed this one."""
            try:
                return answered()
            except ConnectionError:
                connection.close()
                return answered()

        try:
            status, text = _tried(answered_again)
        finally:
            self._free.put(connection)
        if status != 200:
            raise ModelUnavailable(f"llama-server answered {status}: {text[:200]!r}")
        return json.loads(text)  # type: ignore[no-any-return]


def _tried(work: Callable[[], T]) -> T:
    try:
        return work()
    except (OSError, HTTPException) as error:
        raise ModelUnavailable(f"llama-server: {error or type(error).__name__}") from error


def _summed(listed: dict[str, float], spellings: Sequence[str]) -> float:
    """The log of the summed probability of the spellings; that of the least listed token where none is listed."""
    found = [listed[text] for text in spellings if text in listed]
    if not found:
        return min(listed.values(), default=0.0)
    most = max(found)
    return most + math.log(sum(math.exp(one - most) for one in found))
