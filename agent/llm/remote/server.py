"""One server that is asked over connections that are kept. The only importer of the openai client: its errors end here.

The client's own time-outs do not bound a server that drips its reply byte by byte, and its own retries know of no
deadline; so both are ours: every request runs in a worker thread, and what it holds is cut when the time is over.
"""

from __future__ import annotations

import queue
import socket
import ssl
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import TypeVar, cast

import openai
from pydantic import SecretStr

from agent.errors import ModelError, ModelReplyInvalid, ModelTimeout, ModelUnavailable, PromptError
from agent.llm.remote.address import is_local
from agent.llm.remote.lane import Broken, Call, Late, Reply, RequestError, Response, Sockets, tls_for
from agent.llm.remote.refusal import refusal_of
from agent.llm.remote.stream import ErrorEvent

T = TypeVar("T")

_RESET_PAUSE_S = 0.05
_NO_KEY = "none"  # the client insists on one
_NAMES_A_PART = (400, 403, 422, 500, 501)  # statuses whose text may name the part of the request that is refused
_DOUBTED = 500  # may be that, and may be a fault that passes


@dataclass(frozen=True)
class Setback:
    """Why a request has no reply: what to raise, or after which pause to ask once more, and what the server refuses.

    `doubted`: what reads as a refusal may be a fault that passes.
    """

    error: ModelError | PromptError
    pause_s: float | None
    cause: BaseException | None
    refusal: str = ""
    doubted: bool = False


class Server:
    """What answers at an address. `where` names it in messages; `model` is what is asked for there, under `path`."""

    def __init__(self, base_url: str, key: SecretStr, model: str, path: str = "/chat/completions") -> None:
        self.where = f"the endpoint {base_url}"
        self._base_url = base_url
        self._key = key
        self._model = model
        self._path = path
        self._tls = tls_for(base_url)
        self._lanes: queue.LifoQueue[_Lane] = queue.LifoQueue()
        self._closed = False

    def ask(self, call: Call, body: dict[str, object], read: Callable[[Reply], T]) -> T | Setback:
        """What `read` makes of the reply, or what came between. Raises what `read` does, and ModelTimeout."""
        call.deadline.check(f"asking {self.where}")
        try:
            with (
                self._lane() as lane,
                call.holding(lane.sockets),
                lane.post(self._path, body, call.deadline.remaining_s) as reply,
            ):
                return self._read(reply, read)
        except openai.APIStatusError as error:
            return self._refused(error.status_code, error.response.text, error.response.headers, error)
        except ErrorEvent as error:
            return self._refused(error.status, error.text, {}, error)
        except (openai.APITimeoutError, Late) as error:
            return Setback(self._timeout_error(), None, error)
        except (openai.APIConnectionError, RequestError, Broken) as error:
            if call.deadline.expired:
                return Setback(self._timeout_error(), None, error)
            reason, pause_s = _reason_of(error)
            unreachable = ModelUnavailable(f"{self.where} {reason}", "Check base_url, and that the server is running")
            return Setback(unreachable, pause_s, error)

    def close(self) -> None:
        """Close every connection that is idle now, and each of the others as soon as it is. Twice is harmless."""
        self._closed = True
        with suppress(queue.Empty):
            while True:
                self._lanes.get_nowait().close()

    def _timeout_error(self) -> ModelTimeout:
        return ModelTimeout(f"{self.where} did not answer in time", "Give the request a longer timeout")

    def _read(self, reply: Reply, read: Callable[[Reply], T]) -> T:
        try:
            return read(reply)
        except (ModelReplyInvalid, ModelUnavailable) as error:
            raise type(error)(f"{self.where}: {error.message}", error.hint) from error.__cause__

    def _refused(self, status: int, text: str, headers: Mapping[str, str], error: BaseException) -> Setback:
        key = self._key.get_secret_value()
        refusal = refusal_of(status, text.replace(key, "***") if key else text, headers)
        spoken = refusal.error(self.where, self._model)
        is_prompt = isinstance(spoken, PromptError)
        names = refusal.said if status in _NAMES_A_PART and not is_prompt else ""
        cause = None if key and key in f"{error} {text}" else error
        return Setback(spoken, None if is_prompt else refusal.pause_s, cause, names, status == _DOUBTED)

    @contextmanager
    def _lane(self) -> Iterator[_Lane]:
        """An idle lane, the one used last if there are several, or a new one."""
        try:
            lane = self._lanes.get_nowait()
        except queue.Empty:
            lane = _Lane(self._base_url, self._key, self._tls)
        try:
            yield lane
        finally:
            self._lanes.put(lane)
            if self._closed:
                self.close()


class _Lane:
    """One client with its connections, for one request at a time."""

    def __init__(self, base_url: str, key: SecretStr, tls: ssl.SSLContext | bool) -> None:
        self.sockets = Sockets()
        self._client = openai.OpenAI(
            base_url=base_url,
            api_key=key.get_secret_value() or _NO_KEY,
            max_retries=0,
            http_client=openai.DefaultHttpxClient(
                event_hooks=self.sockets.hooks(),
                follow_redirects=False,
                trust_env=not is_local(base_url),
                verify=tls,
            ),
        )

    @contextmanager
    def post(self, path: str, body: dict[str, object], timeout_s: float) -> Iterator[Reply]:
        """A successful reply, its body still to be read; what is not read is cut off. Raises the client's errors."""
        response = cast(
            Response,
            self._client.post(
                path,
                cast_to=Response,
                body=body,
                options={"timeout": timeout_s, "headers": {"Accept-Encoding": "identity"}},
                stream=True,
                stream_cls=openai.Stream[object],
            ),
        )
        try:
            yield Reply(response)
        finally:
            response.close()

    def close(self) -> None:
        """Close the client; it cannot be used again."""
        self._client.close()


def _reason_of(error: BaseException) -> tuple[str, float | None]:
    """What broke a connection, and after which pause to try again, None where that cannot help."""
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, ConnectionRefusedError):
            return "refuses the connection", None
        if isinstance(cause, socket.gaierror):
            return "has a host name that is not known", None
        if isinstance(cause, ssl.SSLCertVerificationError):
            return f"has no valid certificate ({cause.verify_message})", None
        if isinstance(cause, ssl.SSLEOFError):
            break
        if isinstance(cause, ssl.SSLError):
            return "does not speak TLS (is it http:// and not https://?)", None
        cause = cause.__cause__ or cause.__context__
    return "broke off the connection", _RESET_PAUSE_S
