"""Any OpenAI-compatible endpoint as a model: what it is asked, how often and how many at once."""

from __future__ import annotations

import hashlib
import threading
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from typing import TypeVar

from pydantic import SecretStr

from agent.deadline import Deadline
from agent.errors import ConfigError, ModelReplyInvalid, ModelUnavailable
from agent.llm.base import GREEDY, Ability, Completion, OnText, Sampling, Score
from agent.llm.control import KNOWN_CONTROL_TOKENS
from agent.llm.remote.address import checked_address, checked_key
from agent.llm.remote.answer import Answer
from agent.llm.remote.breaker import Breaker
from agent.llm.remote.chat import completion_from, usage_in
from agent.llm.remote.dialect import Question
from agent.llm.remote.habits import Habits, Manner
from agent.llm.remote.lane import Call, Reply
from agent.llm.remote.listed import Listed, NotListed, likeliest, listed_in, lists_any, logprobs_of, spellings_of
from agent.llm.remote.refusal import Declined
from agent.llm.remote.server import Server, Setback
from agent.llm.remote.stream import Hearing, Tell
from agent.llm.remote.workers import Workers

T = TypeVar("T")

MAX_TIMEOUT_S = 86_400
CONCURRENCY = 4

_LISTWISE = "Set rerank.strategy = 'listwise'"


class Endpoint:
    """A chat model behind an OpenAI-compatible API (OpenAI, llama-server, vLLM, SGLang, Ollama, ...).

    One call, of however many suffixes, takes at most the deadline or `timeout_s`, whichever is less. Up to
    `concurrency` requests are under way at once; of a call with more suffixes the first is asked alone, so that the
    others find the prefix in the server's cache. A request that meets 429, 5xx or a broken connection is made
    `retries` times more, if that fits in the time left (a 429's Retry-After is honoured); 400, 401, 403 and 404 never
    are. What a server refuses by name (a response format, temperature, top_p, seed, a system message, streaming,
    `max_tokens`) is left out or renamed, at most five parts for one request, and remembered once that was answered; so
    is that it gives no log-probabilities. A 500 that names a part may be a fault that passes: leaving the part out is
    its retry, and is remembered when a later call heard the same. Redirects are not followed. A `breaker` leaves a
    server alone that keeps failing. `fingerprint` is a hash of address and model name.
    `used` counts the tokens that replies said they took, those that were of no use too: "in", "cached" of them, "out".
    """

    abilities: frozenset[Ability] = frozenset({"chat", "choose"})
    control_tokens: tuple[str, ...] = KNOWN_CONTROL_TOKENS

    def __init__(
        self,
        model: str,
        *,
        base_url: str | None = None,
        api_key: SecretStr | str | None = None,
        timeout_s: float = 20.0,
        retries: int = 1,
        concurrency: int = CONCURRENCY,
        breaker: Breaker | None = None,
    ) -> None:
        """Raises ConfigError: no model name, no address and no key, no key for an address that is not local.

        Nothing is sent yet.
        """
        key = checked_key(api_key)
        self._base_url = checked_address(base_url, key)
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
        self._where = f"the endpoint {self._base_url}"
        self._server = Server(self._base_url, key, model)
        self._workers = Workers(concurrency, self._where)
        self._habits = Habits()
        self.breaker = breaker or Breaker()
        self.used = Counter[str]()
        self._opens_thoughts = False  # its chat template does, so that only their end shows
        self._lock = threading.Lock()

    def __repr__(self) -> str:
        return f"Endpoint({self.name!r}, base_url={self._base_url!r})"

    def score(self, prefix: str, continuations: Sequence[str], deadline: Deadline) -> list[Score]:  # noqa: ARG002
        """Never anything but ModelUnavailable: a chat endpoint gives no log-probabilities of given texts."""
        raise ModelUnavailable(f"{self._where} cannot score given texts", _LISTWISE)

    def choose(
        self, prefix: str, suffixes: Sequence[str], options: Sequence[Sequence[str]], deadline: Deadline
    ) -> list[tuple[float, ...]]:
        """For each suffix, the log-probability (nats) that each option begins the reply, of the 20 tokens listed.

        `prefix` is the system message, the suffix the user's. White space around tokens and spellings does not count:
        " Yes" and "Yes" begin the same reply. Spellings that are listed are summed; which spellings are one token is
        not known here, and those that are not are never listed. An option of which none is listed counts as the least
        likely token that is, which is an upper bound; several such options tie.

        Raises as `complete` does; ModelUnavailable, from then on without asking, where the server refuses logprobs or
        answers without, as it does for models that think before they answer; ModelReplyInvalid where no reply lists
        any of the options; PromptError for an option without a spelling, or a spelling that two options share.
        """
        if not options:
            return [() for _ in suffixes]
        spellings = spellings_of(options)
        questions = [Question(prefix, suffix, 1, wants_listed=True) for suffix in suffixes]
        listed = self._together(deadline, [partial(self._listed, question=question) for question in questions])
        if listed and not any(lists_any(tokens, spellings) for tokens in listed):
            raise ModelReplyInvalid(
                f"{self._where}: none of the options is among the likeliest tokens, first {likeliest(listed[0])!r}",
                f"{_LISTWISE}, or use a model that follows instructions",
            )
        return [logprobs_of(tokens, spellings) for tokens in listed]

    def arrange(
        self,
        prefix: str,  # noqa: ARG002
        suffixes: Sequence[str],  # noqa: ARG002
        labels: Sequence[str],  # noqa: ARG002
        deadline: Deadline,  # noqa: ARG002
    ) -> list[tuple[int, ...]]:
        """Never anything but ModelUnavailable: there is no grammar that all servers read; a JSON schema they do."""
        raise ModelUnavailable(
            f"{self._where} cannot write under a grammar", f"{_LISTWISE}, which has a JSON schema in its place"
        )

    def complete(
        self,
        prefix: str,
        suffixes: Sequence[str],
        deadline: Deadline,
        *,
        max_tokens: int,
        stop: Sequence[str] = (),
        schema: dict[str, object] | None = None,
        sampling: Sampling = GREEDY,
        on_text: OnText | None = None,
    ) -> list[Completion]:
        """One reply for each suffix, in order; `prefix` is the system message, the suffix the user's.

        With `on_text` the replies are streamed: it hears them in pieces that, joined, are their texts, one piece at a
        time, from several threads; a text that it ends is `cancelled`, and its connection closed at once. It does not
        hear thoughts, save once where the chat template opens them, which only their end shows.

        The first failure ends the whole call. Raises ModelTimeout; ModelUnavailable where the endpoint cannot be
        reached or refuses, or breaks off in the middle; ModelReplyInvalid for a reply that is no text, too large, or
        not ended by the model itself (cut at max_tokens, too); PromptError where the prompt exceeds the context.
        """
        plain = Question(prefix, "", max_tokens, tuple(stop), schema, sampling, wants_text=on_text is not None)
        questions = [
            replace(plain, suffix=suffix, sampling=replace(sampling, seed=sampling.seed + place))
            for place, suffix in enumerate(suffixes)
        ]
        return self._together(
            deadline,
            [
                partial(self._completion, question=question, place=place, on_text=on_text)
                for place, question in enumerate(questions)
            ],
        )

    def close(self) -> None:
        """Cut what is under way and free threads and connections. Calling it twice is harmless."""
        self._workers.close()
        self._server.close()

    def _together(self, deadline: Deadline, asks: Sequence[Callable[[Call], T]]) -> list[T]:
        timeout_s = min(deadline.remaining_s, self._timeout_s)
        if not asks or timeout_s == 0:
            return self._workers.together(timeout_s, asks, deadline)
        with self.breaker.watching(timeout_s):
            return self._workers.together(timeout_s, asks, deadline)

    def _listed(self, call: Call, question: Question) -> Listed:
        return self._answer(call, question, lambda reply: listed_in(self._counted(reply)))

    def _completion(self, call: Call, question: Question, place: int, on_text: OnText | None) -> Completion:
        if on_text is None:
            return self._answer(call, question, lambda reply: completion_from(self._counted(reply), question.stop))
        tell = partial(call.tell, on_text, place)
        return self._answer(call, question, lambda reply: self._heard(reply, question.stop, tell))

    def _heard(self, reply: Reply, stop: Sequence[str], tell: Tell) -> Completion:
        """The reply, told as it comes, or when it has come where the server does not stream."""
        if not reply.is_events:
            whole = completion_from(self._counted(reply), stop)
            tell(whole.text)
            return whole
        answer = Answer(stop, opened=self._opens_thoughts)
        try:
            heard = Hearing(answer, tell).completion(reply.chunks())
            with self._lock:
                self.used.update({"in": heard.tokens_in, "out": heard.tokens_out})
            return heard
        finally:
            self._opens_thoughts = self._opens_thoughts or answer.orphans > 0

    def _counted(self, reply: Reply) -> bytes:
        """The whole reply, once the tokens that it took are counted."""
        body = reply.whole()
        with self._lock:
            self.used.update(usage_in(body))
        return body

    def _answer(self, call: Call, question: Question, read: Callable[[Reply], T]) -> T:
        """Ask, and ask again where that may help: in another dialect, or after a pause. Runs in a worker thread."""
        retries, manner = self._retries, Manner(self._habits, call)
        while True:
            if question.wants_listed and manner.dialect.mute:
                raise Declined(f"{self._where} cannot tell how likely an answer is", manner.dialect.mute, _LISTWISE)
            body = manner.dialect.body(self.name, question)
            try:
                answer = self._server.ask(call, body, read)
            except NotListed as error:
                manner.mute(str(error))
                continue
            if not isinstance(answer, Setback):
                manner.answered(body)
                return answer
            if not manner.change(answer.refusal, body, doubted=answer.doubted) or answer.doubted:
                retries = self._tried(answer, retries, call)

    def _tried(self, answer: Setback, retries: int, call: Call) -> int:
        """How many retries are left, after the pause before the next one. Raises the error where none may help."""
        if answer.pause_s is None or retries == 0:
            raise answer.error from answer.cause
        if answer.pause_s >= call.deadline.remaining_s:
            answer.error.hint = f"It may be asked again in {answer.pause_s:.1f} s, but less time is left"
            raise answer.error from answer.cause
        call.pause(answer.pause_s)
        return retries - 1
