"""One case of a run, cell by cell: what was asked and answered, where the relevant items came, what reasons claim."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from difflib import get_close_matches

from agent.errors import NotFound
from agent.explain.grounding import Claim
from agent.types import Item
from eval.cases import Case
from eval.plan.config import Evaluation
from eval.plan.prices import Price, price_for
from eval.reporting.reading import Catalogue, title_of
from eval.running.answers import Answer
from eval.running.folder import RunFolder
from eval.running.scoring import plan_of
from eval.running.spending import cost_of
from eval.systems import LIKELIHOOD_ONLY, MODEL, RECALL_ONLY, WITHOUT_MODEL
from eval.tasks.rationales import Judge, Reasons

STAGES = (RECALL_ONLY, WITHOUT_MODEL, LIKELIHOOD_ONLY, MODEL)
FIRST = 5  # places of the model's own order that are named


@dataclass(frozen=True, slots=True)
class Placed:
    """A relevant item and its 1-based place in each order, None where the order does not hold it."""

    item_id: str
    title: str
    places: Mapping[str, int | None]


@dataclass(frozen=True, slots=True)
class Checked:
    """A reason with its claims: those that the item, the history or the wish bear out, and those that nothing does.

    Both are None where the item's data set is no longer there.
    """

    item_id: str
    title: str
    sentence: str
    source: str
    supported: tuple[str, ...] | None
    unsupported: tuple[str, ...] | None


@dataclass(frozen=True)
class Shown:
    """One answer, with its items' titles: where the relevant ones came, and what its reasons claim.

    `wish` is that of the case, None where it has none or its data set is no longer there. `read` are the titles that
    the model put first by itself, at most five, best first: what its replies were read as. `cost` is that of the answer
    in the `currency` of the plan, which is empty where it names no price.
    """

    answer: Answer
    wish: str | None
    history: tuple[str, ...]
    relevant: tuple[Placed, ...]
    rationales: tuple[Checked, ...]
    read: tuple[str, ...]
    cost: float | None = None
    currency: str = ""

    def as_row(self) -> dict[str, object]:
        """The documented JSON shape of one answer of `palate eval show --json`."""
        row = self.answer.as_row()
        return {
            **{key: row[key] for key in ("cell", "case_id", "user_id", "repeat", "n_candidates", "orders")},
            "wish": self.wish,
            "read": list(self.read),
            "history": [{"item_id": i, "title": t} for i, t in zip(self.answer.history, self.history, strict=True)],
            "relevant": [asdict(placed) for placed in self.relevant],
            **{key: row[key] for key in ("ms", "tokens", "calls", "failed", "degraded", "validity")},
            "cost": self.cost,
            "permuted": row.get("permuted", []),
            "rationales": [asdict(checked) for checked in self.rationales],
            "trace": list(self.answer.trace),
        }


def show(folder: RunFolder, case_id: str, cell: str | None = None) -> tuple[Shown, ...]:
    """Every stored answer to the case, of all cells or one, in the order of cells and repeats.

    Raises NotFound when the run has no answer to such a case, with those that are spelt alike.
    """
    data = {one.name: one.data for one in folder.cells()}
    cells = list(data)
    if cell is not None and cell not in cells:
        raise NotFound(f"the run has no cell {cell!r}", f"Its cells: {', '.join(cells)}")
    catalogue, known, found = Catalogue.of(folder), dict[str, None](), []
    for answer in folder.answers(cell):
        known[answer.case_id] = None
        if answer.case_id == case_id:
            found.append(answer)
    if not found:
        close = get_close_matches(case_id, known, n=3) or list(known)[:3]
        raise NotFound(f"the run has no answer to case {case_id!r}", f"It has, among others: {', '.join(close)}")
    ordered = sorted(found, key=lambda answer: (cells.index(answer.cell), answer.repeat))
    cases = {name: catalogue.case(data[name], case_id) for name in dict.fromkeys(answer.cell for answer in ordered)}
    plan, models = plan_of(folder), {one.name: one.model for one in folder.cells()}
    shown = (_shown(answer, catalogue.items(data[answer.cell]), cases[answer.cell]) for answer in ordered)
    return tuple(_with_cost(one, price_for(models[one.answer.cell], plan.prices), plan) for one in shown)


def _with_cost(shown: Shown, price: Price | None, plan: Evaluation) -> Shown:
    cost = cost_of(shown.answer.tokens, shown.answer.calls, price)
    return replace(shown, cost=cost, currency=plan.currency if plan.prices else "")


def _shown(answer: Answer, items: Mapping[str, Item], case: Case | None) -> Shown:
    wish = case.wish if case else None
    placed = [Placed(i, title_of(items, i), _places(answer.orders, i)) for i in answer.relevant]
    history = tuple(title_of(items, i) for i in answer.history)
    alone = answer.orders.get(LIKELIHOOD_ONLY) or answer.orders.get(MODEL) or ()
    read = tuple(title_of(items, i) for i in alone[:FIRST])
    return Shown(answer, wish, history, tuple(placed), tuple(_checked(answer, items, wish)), read)


def _places(orders: Mapping[str, Sequence[str]], item_id: str) -> dict[str, int | None]:
    known = {name: orders[name] for name in STAGES if orders.get(name)}
    return {name: order.index(item_id) + 1 if item_id in order else None for name, order in known.items()}


def _checked(answer: Answer, items: Mapping[str, Item], wish: str | None) -> Iterator[Checked]:
    """Every reason with its check; those about items that are not known stay unchecked."""
    if not answer.rationales:
        return
    reasons = Reasons.of(answer, wish)
    checks = iter(Judge(items).judged(reasons))
    for row, (item_id, sentence) in zip(answer.rationales, reasons.given, strict=True):
        title, source = title_of(items, item_id), str(row.get("source", ""))
        if item_id in items:
            check = next(checks).check
            yield Checked(item_id, title, sentence, source, _words(check.supported), _words(check.unsupported))
        else:
            yield Checked(item_id, title, sentence, source, None, None)


def _words(claims: Iterable[Claim]) -> tuple[str, ...]:
    return tuple(f"{claim.kind} {claim.text}" for claim in claims)
