"""The peers' rows: what people do without Palate, each given the prompts that Palate's own strategy asks."""

from __future__ import annotations

import json
from collections.abc import Sequence

from agent.errors import ModelUnavailable
from agent.rerank.prompted import distinct
from agent.types import Item
from eval.speed.bindings import Limit
from eval.speed.figures import PREFILL_TOKENS, WRITTEN_TOKENS
from eval.speed.ours import order_by
from eval.speed.over_http import Connections
from eval.speed.questions import Question
from eval.speed.rankgpt import RankGPT
from eval.speed.rows import Outcome
from eval.speed.server import LlamaServer
from eval.speed.stand import Stand


class OneByOne:
    """Pointwise through the bindings, a prompt a call. `reuse`: with their own one-slot prefix reuse, or none."""

    def __init__(self, stand: Stand, *, reuse: bool) -> None:
        self._stand = stand
        self._reuse = reuse
        self._bindings = stand.bindings

    def prepare(self, question: Question) -> None:
        """Render the prompts, and have the one slot hold a prompt of somebody else."""
        self._stand.asked("pointwise", question)
        if self._reuse:
            other = self._stand.asked("pointwise", question.of_somebody_else)
            self._bindings.forget()
            self._bindings.leaning(other.prompts[-1], other.options)

    def run(self, question: Question) -> Outcome:
        """Every prompt in turn."""
        asked = self._stand.asked("pointwise", question)
        before = self._bindings.tokens_decoded
        scores = []
        for prompt in asked.prompts:
            if not self._reuse:
                self._bindings.forget()
            scores.append(self._bindings.leaning(prompt, asked.options))
        return Outcome(_order(scores, question), self._bindings.tokens_decoded - before)


class ListOfNumbers:
    """Listwise through a chat completion that is held to a JSON schema: one prompt, all candidates."""

    def __init__(self, stand: Stand) -> None:
        self._stand = stand
        self._prompt = stand.prompt("rank-listwise")
        self._bindings = stand.bindings

    def prepare(self, _question: Question) -> None:
        """Nothing."""

    def run(self, question: Question) -> Outcome:
        """One chat completion; candidates that the reply leaves out follow in the order given."""
        n = len(question.candidates)
        system = self._prompt.prefix(noun=self._stand.settings.noun, history=question.history, wish=None)
        user = self._prompt.candidate(candidates=question.candidates)
        before = self._bindings.tokens_decoded
        reply = self._bindings.chat_json(system, user, schema_of(n), max_tokens=32 + 8 * n)
        order, valid = order_of(reply.text, n)
        return Outcome(order, self._bindings.tokens_decoded - before, reply.tokens_out, valid=valid)


class OverHTTP:
    """Pointwise against llama-server with `cache_prompt`, as many requests at once as it has slots."""

    def __init__(self, stand: Stand, server: LlamaServer, slots: int) -> None:
        self._stand = stand
        self._slots = slots
        self._connections = Connections(server.address, slots)
        stand.at_close(self._connections.close)

    def prepare(self, question: Question) -> None:
        """Render the prompts, have connections that are open, and slots that hold prompts of somebody else."""
        self._stand.asked("pointwise", question)
        other = self._stand.asked("pointwise", question.of_somebody_else)
        self._connections.renew()
        self._connections.leanings(other.prompts[-self._slots :], other.options)

    def run(self, question: Question) -> Outcome:
        """Every prompt."""
        asked = self._stand.asked("pointwise", question)
        found = self._connections.leanings(asked.prompts, asked.options)
        return Outcome(_order([one.value for one in found], question), sum(one.tokens_decoded for one in found))


class FakeDialogue:
    """RankGPT of the package rerankers against llama-server: one call for all candidates."""

    def __init__(self, stand: Stand) -> None:
        self._noun = stand.settings.noun
        self._ranker = RankGPT(stand.server.base_url, stand.path.stem)

    def prepare(self, _question: Question) -> None:
        """Nothing."""

    def run(self, question: Question) -> Outcome:
        """One call."""
        liked = "; ".join(item.name for item in question.history)
        documents = [_document(item) for item in question.candidates]
        if len(set(documents)) < len(documents):
            raise ModelUnavailable("rerankers cannot tell candidates of one name apart")
        ranked = self._ranker.rank(f"{self._noun} for a person who enjoyed {liked}", documents)
        return Outcome(ranked.order, valid=ranked.valid)


class Prefill:
    """512 tokens at once from an empty cache."""

    def __init__(self, limit: Limit) -> None:
        self._limit = limit

    def prepare(self, _question: Question) -> None:
        """Empty the cache."""
        self._limit.clear()

    def run(self, _question: Question) -> Outcome:
        """Read."""
        self._limit.read()
        return Outcome(tokens=PREFILL_TOKENS)


class OneAtATime(Prefill):
    """128 tokens one after the other from an empty cache."""

    def run(self, _question: Question) -> Outcome:
        """Write."""
        self._limit.write()
        return Outcome(tokens=WRITTEN_TOKENS, written=WRITTEN_TOKENS)


def _document(item: Item) -> str:
    return f"{item.name} ({', '.join(item.tags)})" if item.tags else item.name


def _order(scores: Sequence[float], question: Question) -> tuple[int, ...]:
    """The order of the candidates, where those that read alike were asked about once."""
    return order_by([scores[place] for place in distinct(question.candidates)[1]], question)


def schema_of(n: int) -> dict[str, object]:
    """The schema of an object whose `order` holds n whole numbers from 1 to n."""
    label = {"type": "integer", "minimum": 1, "maximum": n}
    order = {"type": "array", "items": label, "minItems": n, "maxItems": n}
    return {"type": "object", "properties": {"order": order}, "required": ["order"]}


def order_of(reply: str, n: int) -> tuple[tuple[int, ...], bool]:
    """The order that a reply gives, and whether it names each of 1..n once; what it leaves out follows as given."""
    try:
        named = json.loads(reply)["order"]
    except (ValueError, TypeError, KeyError):
        named = []
    labels = [label - 1 for label in named if isinstance(label, int) and 1 <= label <= n]
    whole = tuple(dict.fromkeys([*labels, *range(n)]))
    return whole, sorted(labels) == list(range(n)) and len(named) == n
