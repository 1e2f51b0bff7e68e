"""Any OpenAI-compatible endpoint as a model. The only importer of the openai client, whose errors end here.

The client's own time-outs do not bound a server that drips its reply byte by byte, and its own retries know of no
deadline; so both are ours: every request runs in a worker thread, and what it holds is cut when the time is over.
"""

from __future__ import annotations

import hashlib
import queue
import socket
import ssl
import threading
from collections.abc import Iterator, Sequence
from concurrent.futures import FIRST_EXCEPTION, CancelledError, Future, ThreadPoolExecutor, wait
from contextlib import contextmanager, suppress
from dataclasses import dataclass

import openai
from pydantic import SecretStr

from agent.deadline import Deadline
from agent.errors import ConfigError, ModelError, ModelReplyInvalid, ModelTimeout, ModelUnavailable, PromptError
from agent.llm.base import Ability, Completion, Score
from agent.llm.control import KNOWN_CONTROL_TOKENS
from agent.llm.remote.address import checked_address, checked_key, is_local
from agent.llm.remote.chat import completion_from
from agent.llm.remote.dialect import Dialect, Question
from agent.llm.remote.lane import Call, Response, Sockets, tls_for
from agent.llm.remote.refusal import refusal_of

MAX_TIMEOUT_S = 86_400

_RESET_PAUSE_S = 0.05
_NO_KEY = "none"  # the client insists on one


class Endpoint:
    """A chat model behind an OpenAI-compatible API (OpenAI, llama-server, vLLM, SGLang, Ollama, ...).

    One call, of however many suffixes, takes at most the deadline or `timeout_s`, whichever is less. Up to
    `concurrency` requests are under way at once. A request that meets 429, 5xx or a broken connection is made `retries`
    times more, if that fits in the time left (a 429's Retry-After is honoured); 400, 401, 403 and 404 never are. What
    a server refuses by name (a response format, the temperature, a system message, `max_tokens`) is left out or
    renamed, once, and remembered. Redirects are not followed. `fingerprint` is a hash of address and model name.
    """

    abilities: frozenset[Ability] = frozenset({"chat"})
    control_tokens: tuple[str, ...] = KNOWN_CONTROL_TOKENS

    def __init__(
        self,
        model: str,
        *,
        base_url: str | None = None,
        api_key: SecretStr | str | None = None,
        timeout_s: float = 20.0,
        retries: int = 1,
        concurrency: int = 4,
    ) -> None:
        """Raises ConfigError: no model name, no address and no key, no key for an address that is not local.

        Nothing is sent yet.
        """
        self._key = checked_key(api_key)
        self._base_url = checked_address(base_url, self._key)
        if not 0 < timeout_s <= MAX_TIMEOUT_S or retries < 0 or concurrency < 1:
            raise ConfigError(
                f"an endpoint cannot have timeout_s={timeout_s}, retries={retries}, concurrency={concurrency}",
                f"Give 0 < timeout_s <= {MAX_TIMEOUT_S:,}, retries >= 0 and concurrency >= 1",
            )
        if not model.strip():
            raise ConfigError("the endpoint's model has no name", "Write the reference as openai:MODEL")
        self.name = model
        self.fingerprint = hashlib.sha256(f"{self._base_url}\n{model}".encode()).hexdigest()
        self._timeout_s = timeout_s
        self._retries = retries
        self._tls = tls_for(self._base_url)
        self._dialect = Dialect()
        self._lanes: queue.LifoQueue[_Lane] = queue.LifoQueue()
        self._pool = ThreadPoolExecutor(concurrency, thread_name_prefix="palate-endpoint")
        self._calls: set[Call] = set()
        self._lock = threading.Lock()
        self._closed = False

    def __repr__(self) -> str:
        return f"Endpoint({self.name!r}, base_url={self._base_url!r})"

    def score(self, prefix: str, continuations: Sequence[str], deadline: Deadline) -> list[Score]:  # noqa: ARG002
        """Never anything but ModelUnavailable: a chat endpoint gives no log-probabilities of given texts."""
        raise ModelUnavailable(f"{self._where} cannot score given texts", "Rank with the strategy listwise")

    def complete(
        self,
        prefix: str,
        suffixes: Sequence[str],
        deadline: Deadline,
        *,
        max_tokens: int,
        stop: Sequence[str] = (),
        schema: dict[str, object] | None = None,
    ) -> list[Completion]:
        """One reply for each suffix, in order; `prefix` is the system message, the suffix the user's. Greedy.

        The first failure ends the whole call. Raises ModelTimeout; ModelUnavailable where the endpoint cannot be
        reached or refuses; ModelReplyInvalid for a reply that is no text, too large, or not ended by the model itself
        (cut at max_tokens, too); PromptError where the prompt exceeds the context.
        """
        if not suffixes:
            return []
        call = Call(min(deadline.remaining_s, self._timeout_s))
        questions = [Question(prefix, suffix, max_tokens, tuple(stop), schema) for suffix in suffixes]
        futures = self._begin(call, questions)
        try:
            return self._await(call, futures)
        except CancelledError:
            raise self._closed_error() from None
        finally:
            for future in futures:
                future.cancel()
            self._finish(call)

    def close(self) -> None:
        """Cut what is under way and free threads and connections. Calling it twice is harmless."""
        with self._lock:
            self._closed = True
            calls = list(self._calls)
        self._pool.shutdown(wait=False, cancel_futures=True)
        for call in calls:
            call.end()
        self._close_lanes()

    @property
    def _where(self) -> str:
        return f"the endpoint {self._base_url}"

    def _begin(self, call: Call, questions: Sequence[Question]) -> list[Future[Completion]]:
        with self._lock:
            if self._closed:
                raise self._closed_error()
            self._calls.add(call)
            return [self._pool.submit(self._answer, call, question) for question in questions]

    def _await(self, call: Call, futures: Sequence[Future[Completion]]) -> list[Completion]:
        done, waiting = wait(futures, timeout=call.deadline.remaining_s, return_when=FIRST_EXCEPTION)
        for future in done:
            future.result()
        if waiting:
            raise self._timeout_error()
        return [future.result() for future in futures]

    def _finish(self, call: Call) -> None:
        call.end()
        with self._lock:
            self._calls.discard(call)

    def _answer(self, call: Call, question: Question) -> Completion:
        """Ask, and ask again where that may help: in another dialect, or after a pause. Runs in a worker thread."""
        retries = self._retries
        while True:
            dialect = self._dialect
            body = dialect.body(self.name, question)
            answer = self._send(call, body)
            if isinstance(answer, bytes):
                return self._read(answer, question.stop)
            other = answer.refusal and dialect.after(answer.refusal, body)
            if other:
                self._dialect = other
                continue
            if answer.pause_s is None or retries == 0:
                raise answer.error from answer.cause
            if answer.pause_s >= call.deadline.remaining_s:
                answer.error.hint = f"It may be asked again in {answer.pause_s:.1f} s, but less time is left"
                raise answer.error from answer.cause
            retries -= 1
            call.pause(answer.pause_s)

    def _send(self, call: Call, body: dict[str, object]) -> bytes | _Setback:
        """The reply's body, or what came between."""
        call.deadline.check(f"asking {self._where}")
        try:
            with self._lane() as lane, call.holding(lane.sockets):
                return lane.post(body, call.deadline.remaining_s)
        except openai.APITimeoutError as error:
            return _Setback(self._timeout_error(), None, error)
        except openai.APIConnectionError as error:
            if call.deadline.expired:
                return _Setback(self._timeout_error(), None, error)
            reason, pause_s = _reason_of(error)
            unreachable = ModelUnavailable(f"{self._where} {reason}", "Check base_url, and that the server is running")
            return _Setback(unreachable, pause_s, error)
        except openai.APIStatusError as error:
            return self._refused(error)

    def _refused(self, error: openai.APIStatusError) -> _Setback:
        key = self._key.get_secret_value()
        text = error.response.text
        refusal = refusal_of(error.status_code, text.replace(key, "***") if key else text, error.response.headers)
        spoken = refusal.error(self._where, self.name)
        pause_s = None if isinstance(spoken, PromptError) else refusal.pause_s
        asks = refusal.said if refusal.status in (400, 422, 500) and not isinstance(spoken, PromptError) else ""
        return _Setback(spoken, pause_s, None if key and key in str(error) else error, asks)

    def _read(self, reply: bytes, stop: Sequence[str]) -> Completion:
        try:
            return completion_from(reply, stop)
        except ModelReplyInvalid as error:
            raise ModelReplyInvalid(f"{self._where}: {error.message}", error.hint) from error.__cause__

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
                self._close_lanes()

    def _close_lanes(self) -> None:
        with suppress(queue.Empty):
            while True:
                self._lanes.get_nowait().close()

    def _timeout_error(self) -> ModelTimeout:
        return ModelTimeout(f"{self._where} did not answer in time", "Give the request a longer timeout")

    def _closed_error(self) -> ModelUnavailable:
        return ModelUnavailable(f"{self._where} is closed", "Open it again")


@dataclass(frozen=True)
class _Setback:
    """Why a request has no reply: what to raise, or after which pause to ask once more, and what the server refuses."""

    error: ModelError | PromptError
    pause_s: float | None
    cause: openai.APIError | None
    refusal: str = ""


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

    def post(self, body: dict[str, object], timeout_s: float) -> bytes:
        """The body of a successful reply. Raises the client's errors, and ModelReplyInvalid for one too large."""
        response = self._client.post(
            "/chat/completions",
            cast_to=Response,
            body=body,
            options={"timeout": timeout_s, "headers": {"Accept-Encoding": "identity"}},
        )
        return response.content

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
        if isinstance(cause, ssl.SSLError):
            return "does not speak TLS (is it http:// and not https://?)", None
        cause = cause.__cause__ or cause.__context__
    return "broke off the connection", _RESET_PAUSE_S
