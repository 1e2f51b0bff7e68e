"""Dialogues as figures: how often the item is found, after how many turns, beside recommenders that hear nothing."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field

from eval.cases import DataSet
from eval.comparisons import Comparison, compare
from eval.results import MAX_NAMED_CASES, about_dataset, method
from eval.simulating.dialogue import Dialogue, Talk
from eval.statistics import Clusters, Estimate, estimate, percentile, rate

SUCCESS, PROMPTNESS = "success", "reciprocal_turn"
PALATE, POPULARITY, RANDOM = "palate", "popularity", "random"
UNASKING, VECTORS = "palate-unasking", "vectors"
ABOUT = {
    PALATE: "hears the wishes and the complaints",
    UNASKING: "the same conversation, but it never asks back",
    VECTORS: "hears the same messages, and shows what lies nearest to all of them",
    POPULARITY: "hears nothing: all unseen items, the most popular first",
    RANDOM: "hears nothing: all unseen items in a random order",
}

FoundAt = Mapping[str, int | None]


@dataclass
class Found:
    """What simulated dialogues have collected. `found_at` is by system, then by case: the turn, None if never.

    `left_out` counts by reason the cases that nobody could play.
    """

    found_at: dict[str, dict[str, int | None]] = field(default_factory=dict)
    users: dict[str, str] = field(default_factory=dict)
    dialogues: list[Dialogue] = field(default_factory=list)
    left_out: Counter[str] = field(default_factory=Counter)

    def take(self, dialogue: Dialogue, others: FoundAt) -> None:
        """Add a case: Palate's dialogue, and the turn at which each other system shows the item."""
        self.users[dialogue.case_id] = dialogue.user_id
        self.dialogues.append(dialogue)
        for name, turn in {PALATE: dialogue.found_at, **others}.items():
            self.found_at.setdefault(name, {})[dialogue.case_id] = turn

    @property
    def failed(self) -> dict[str, str]:
        """Why dialogues broke off, by case."""
        return {dialogue.case_id: dialogue.failed for dialogue in self.dialogues if dialogue.failed}

    @property
    def degraded(self) -> Counter[str]:
        """How many dialogues got less than asked, by stage and reason."""
        return Counter(reason for dialogue in self.dialogues for reason in dialogue.degraded)


@dataclass(frozen=True)
class Row:
    """One system: its success rate by the end of each turn, the last the whole, within Wilson's bounds over people.

    `turns` is the mean number of turns of those dialogues that found the item; None where none did.
    """

    system: str
    by_turn: tuple[Estimate, ...]
    turns: Estimate | None


@dataclass(frozen=True)
class Report:
    """Everything that a simulation says, before it is drawn or written."""

    talk: Talk
    found: Found
    rows: tuple[Row, ...]
    comparisons: tuple[Comparison, ...]


def report(found: Found, talk: Talk) -> Report:
    """The figures, systems in the order in which they came; Palate is compared with each of the others.

    Raises ValueError when there was no dialogue.
    """
    clusters = list(found.users.values())
    rows = tuple(_row(name, by_case, found, talk) for name, by_case in found.found_at.items())
    values = {
        name: {
            SUCCESS: {case_id: float(turn is not None) for case_id, turn in by_case.items()},
            PROMPTNESS: {case_id: 1 / turn if turn else 0.0 for case_id, turn in by_case.items()},
        }
        for name, by_case in found.found_at.items()
    }
    pairs = [(PALATE, name) for name in values if name != PALATE]
    return Report(talk, found, rows, compare(pairs, values, clusters))


def as_json(done: Report, dataset: DataSet, about: Mapping[str, object]) -> dict[str, object]:
    """The documented JSON shape of `palate eval simulate --json`; `about` joins it at the top (limit, model)."""
    found, talk = done.found, done.talk
    return {
        **about,
        "turns": talk.turns,
        "k": talk.k,
        "seed": talk.seed,
        "reticent": talk.reticent,
        "dataset": {**about_dataset(dataset, len(found.users)), "n_users": len(set(found.users.values()))},
        "systems": [_row_as_json(row) for row in done.rows],
        "comparisons": [pair.as_row(SUCCESS) for pair in done.comparisons],
        "timings_ms": timings(found),
        "left_out": dict(found.left_out),
        "degraded": dict(found.degraded),
        "failed": {"count": len(found.failed), "cases": dict(list(found.failed.items())[:MAX_NAMED_CASES])},
        "dialogues": [_dialogue_as_json(dialogue) for dialogue in found.dialogues[:MAX_NAMED_CASES]],
        "method": _method(),
    }


def timings(found: Found) -> dict[str, float]:
    """The median and the 95th percentile of the time one turn took, in milliseconds; `n` turns were timed."""
    ms = [one for dialogue in found.dialogues for one in dialogue.ms]
    return {"p50": percentile(ms, 0.5), "p95": percentile(ms, 0.95), "n": len(ms)}


def _row(name: str, by_case: FoundAt, found: Found, talk: Talk) -> Row:
    turns, people = list(by_case.values()), len({found.users[case_id] for case_id in by_case})
    by_turn = tuple(rate(_found_by(turns, turn), len(turns), people) for turn in range(1, talk.turns + 1))
    return Row(name, by_turn, _mean_turns(by_case, found.users, talk))


def _found_by(turns: Iterable[int | None], last: int) -> int:
    return sum(1 for turn in turns if turn is not None and turn <= last)


def _mean_turns(by_case: FoundAt, users: Mapping[str, str], talk: Talk) -> Estimate | None:
    known = {case_id: float(turn) for case_id, turn in by_case.items() if turn is not None}
    clusters: Clusters = [users[case_id] for case_id in known]
    return estimate(list(known.values()), within=(1.0, float(talk.turns)), clusters=clusters) if known else None


def _row_as_json(row: Row) -> dict[str, object]:
    return {
        "system": row.system,
        "about": ABOUT[row.system],
        "success": asdict(row.by_turn[-1]),
        "success_by_turn": [asdict(one) for one in row.by_turn],
        "turns": asdict(row.turns) if row.turns else {"value": None, "low": None, "high": None, "n": 0},
    }


def _dialogue_as_json(dialogue: Dialogue) -> dict[str, object]:
    turns: Sequence[Mapping[str, object]] = [asdict(turn) for turn in dialogue.turns]
    return {
        "case_id": dialogue.case_id,
        "target": dialogue.target,
        "found_at": dialogue.found_at,
        "failed": dialogue.failed,
        "turns": turns,
    }


def _method() -> dict[str, object]:
    general = method(())
    return {
        "success": "1 if the target's item id was shown within the turns, else 0; failed dialogues count as 0",
        "reciprocal_turn": "1 / the turn that showed the target, 0 where none did; of comparisons only",
        "turns": "mean over the dialogues that succeeded of the turn, from 1, that showed the target",
        "secret": "no wish holds the title, a telling word of it, two of its words side by side, or it as one word",
        **{key: general[key] for key in ("interval", "test", "p_holm", "detectable", "rates", "versions")},
        "rates": f"{general['rates']}, of as many people as there are",
    }
