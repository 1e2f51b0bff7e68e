"""How often a model is called for a case, at most: what a strategy asks, by how many candidates there are. Pure."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from agent.explain.rationale import ATTEMPTS
from agent.rerank.expression import Cascade, Expression, Named, Sum, parse
from agent.rerank.listwise import STRIDE, WINDOW
from agent.rerank.strategies import AUTOMATIC
from agent.rerank.windows import windows
from eval.plan.config import EXPLAIN


def _windows(n: int) -> int:
    return len(windows(n, min(WINDOW, n), STRIDE)) if n > 1 else 0


_CALLS: Mapping[str, Callable[[int], int]] = {
    "likelihood": lambda _: 2,  # with the person in view, and without
    "renown": lambda _: 2,  # as a well-known item, and as an unknown one
    "pointwise": lambda _: 2,
    "listwise": lambda n: max(2, _windows(n)),  # two where the model arranges: one for each length of block
    "first-token": lambda _: 1,
    "pairwise": lambda _: 1,
    "setwise": lambda _: 1,
}


def calls_of(task: str, strategy: str, n_items: int) -> int:
    """The most calls for one answer with so many candidates, or so many items to explain.

    A prompt that is too long and asked again in parts counts once; `auto` counts as the dearest it could be.
    """
    if task == EXPLAIN:
        return ATTEMPTS * n_items
    return _of(parse(strategy), n_items)


def _of(wanted: Expression, n: int) -> int:
    match wanted:
        case Named("auto"):
            return max(_of(parse(one), n) for one in AUTOMATIC)
        case Named(name):
            return _CALLS[name](n)
        case Sum(terms):
            return sum(_of(term, n) for _, term in terms)
        case Cascade(first, then):
            return _of(first, n) + _of(then, n)
