"""RankGPT as the package `rerankers` does it, against a llama-server."""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from agent.errors import ModelUnavailable

INSTALL = "Install it with: pip install --editable '.[speed]'"


@dataclass(frozen=True, slots=True)
class Ranked:
    """The order, as indices best first, and whether the model's own reply named every document exactly once."""

    order: tuple[int, ...]
    valid: bool


class RankGPT:
    """`rerankers.models.rankgpt_rankers.RankGPTRanker` on an OpenAI-compatible server.

    Raises ModelUnavailable where `rerankers` or `litellm` is not installed.
    """

    def __init__(self, base_url: str, model: str) -> None:
        os.environ.setdefault("LITELLM_LOCAL_MODEL_COST_MAP", "True")  # its price list is not fetched from the network
        try:
            import litellm
            from rerankers.models.rankgpt_rankers import RankGPTRanker
        except ImportError as error:
            raise ModelUnavailable(
                f"{(error.name or 'rerankers').partition('.')[0]} is not installed", INSTALL
            ) from error
        litellm.api_base = base_url
        litellm.suppress_debug_info = True
        self._failures: tuple[type[Exception], ...] = tuple(litellm.LITELLM_EXCEPTION_TYPES)
        self._ranker: Any = RankGPTRanker(f"openai/{model}", api_key="none", verbose=0)
        self._replies: list[str] = []
        ask = self._ranker._query_llm  # the only place where its reply can be heard before it is mended

        def heard(messages: list[dict[str, str]]) -> str:
            """The reply, kept."""
            reply = str(ask(messages) or "")
            self._replies.append(reply)
            return reply

        self._ranker._query_llm = heard

    def rank(self, query: str, documents: Sequence[str]) -> Ranked:
        """The documents in order. Raises ModelUnavailable where the server fails or refuses.

        `rank_end` is given, because its default of 0 shows the model no document at all.
        """
        self._replies.clear()
        n = len(documents)
        try:
            found = self._ranker.rank(query, list(documents), doc_ids=list(range(n)), rank_end=n)
        except self._failures as error:
            raise ModelUnavailable(f"rerankers: {str(error)[:200]}") from error
        named = [int(number) - 1 for number in re.findall(r"\d+", "".join(self._replies))]
        order = tuple(int(result.document.doc_id) for result in found.results)
        return Ranked(order, sorted(named) == list(range(n)))
