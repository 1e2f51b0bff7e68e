"""A ranker without a model: what it scores is plain arithmetic on tags, years and titles, so tests can foresee it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

from agent.errors import ModelUnavailable
from agent.types import Degradation, Item, Recommendation, Slate, Step, Vector
from eval.cases import Case, DataSet
from eval.fit import Pair
from eval.plan.cells import Cell
from eval.running.opening import CellOpener, OpenedCell, Opens, Surroundings
from eval.runs import Opened, Told, Watch

FILMS = Path(__file__).parent / "films"
PROMPTS = {"en/rank-likelihood": "ab" * 32}
MODEL = {"reference": "fake", "name": "fake", "fingerprint": "cd" * 32}


class FakeRanker:
    """Recall goes by shared tags, the prior adds nearness in years, the model's opinion is the shared words of titles.

    It fails on a history that holds an item of `fails`, and degrades on one that holds an item of `degrades`.
    """

    def __init__(self, *, fails: Sequence[str] = (), degrades: Sequence[str] = ()) -> None:
        self.fails, self.degrades = frozenset(fails), frozenset(degrades)
        self.wishes: list[str | None] = []
        self.opened: list[Cell] = []

    def rank(self, history: Sequence[Item], candidates: Sequence[Item], wish: str | None = None) -> Slate:
        self.wishes.append(wish)
        seen = {item.item_id for item in history}
        if seen & self.fails:
            raise ModelUnavailable("the fake is down", "Ask again")
        degraded = (Degradation(stage="rerank", reason="no opinion today"),) if seen & self.degrades else ()
        taste = [float(sum(len(set(c.tags) & set(h.tags)) for h in history)) for c in candidates]
        year = [-float(min((abs((c.year or 2000) - (h.year or 2000)) for h in history), default=0)) for c in candidates]
        prior = [t + y / 100 for t, y in zip(taste, year, strict=True)]
        words = {word for h in history for word in h.title.split()}
        opinion = [float(len(words & set(c.title.split()))) for c in candidates]
        stages: dict[tuple[str, str], Sequence[float]] = {
            ("recall", "taste"): taste,
            ("recall", "year"): year,
            ("prior", "prior"): prior,
        }
        if not degraded:
            stages["rerank", "likelihood"] = opinion
        final = prior if degraded else [p + o for p, o in zip(prior, opinion, strict=True)]
        stages["blend", "blend"] = final
        return _slate(candidates, final, stages, degraded)


def _slate(
    candidates: Sequence[Item],
    final: Sequence[float],
    stages: Mapping[tuple[str, str], Sequence[float]],
    degraded: tuple[Degradation, ...],
) -> Slate:
    best = sorted(range(len(candidates)), key=lambda n: (-final[n], candidates[n].item_id))
    recommendations = tuple(
        Recommendation(
            item=candidates[n],
            rank=rank,
            score=final[n],
            path=tuple(Step(stage=s, source=o, score=v[n]) for (s, o), v in stages.items()),
        )
        for rank, n in enumerate(best, start=1)
    )
    return Slate(user_id="", recommendations=recommendations, degraded=degraded, prompts=PROMPTS)


def opener_of(ranker: FakeRanker) -> Callable[..., AbstractContextManager[Opened]]:
    """What `commands_with` takes: opens this very ranker, whatever the settings."""

    @contextmanager
    def opener(items: Mapping[str, Item], settings: object, watch: Watch, told: Told, **_: object) -> Iterator[Opened]:
        with watch("Embedding the items") as show:
            show(len(items), len(items))
        yield Opened(
            ranker, MODEL, Pair({"taste": 1.0, "wish": 1.5}, {"prior": 1.0, "likelihood": 0.5, "listwise": 0.5})
        )

    return opener


def opens(ranker: FakeRanker, vectors: Mapping[str, Vector] | None = None) -> Opens:
    """What `commands_with` takes for its cells: each answers by this very ranker, whatever its model and prompts."""

    @contextmanager
    def opener(around: Surroundings) -> Iterator[CellOpener]:
        @contextmanager
        def cell_opener(cell: Cell, dataset: DataSet) -> Iterator[OpenedCell]:
            around.settings_of(cell)
            ranker.opened.append(cell)

            def answer(case: Case) -> Slate:
                history, candidates = ([dataset.items[i] for i in ids] for ids in (case.history, case.candidates))
                return ranker.rank(history, candidates, case.wish)

            yield OpenedCell(answer, {**MODEL, "reference": cell.model}, vectors=lambda: vectors or {})

        yield cell_opener

    return opener
