"""What every probe is, and how it is run: changed questions beside unchanged ones, case by case."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from agent.types import Item
from eval.cases import Case
from eval.probe.asking import Answer, Asker, Foreseeing, Question
from eval.probe.effects import Effect, effect_of
from eval.runs import Progress
from eval.statistics import Ends


@dataclass(frozen=True)
class Given:
    """What a probe is made from. `language` is that of the prompts, `seed` that of all it draws."""

    items: Mapping[str, Item]
    cases: Sequence[Case]
    language: str
    seed: int

    def question(self, case: Case, candidates: Sequence[str] | None = None) -> Question:
        """The case as a question, with these candidates or its own."""
        ids = case.candidates if candidates is None else candidates
        history, shown = ([self.items[item_id] for item_id in some] for some in (case.history, ids))
        return Question(tuple(history), tuple(shown), case.wish)


Asked = Callable[[Case], Question | None]
Effects = Sequence[tuple["Variant", Effect]]


@dataclass(frozen=True)
class Variant:
    """One change. `asked` is the changed question, `baseline` the one it is held against (which `against` names).

    None from either: the change does not apply to the case. `at` is the size of the change where it has one, `group`
    the kind of change that it is where there are many of few kinds.
    """

    name: str
    about: str
    asked: Asked
    against: str
    baseline: Asked
    at: float | None = None
    group: str = ""


@dataclass(frozen=True)
class Figure:
    """A number that sums up all the changes of one case; None where the case does not tell.

    `ends` are the lowest and the highest that it can be, where there are such.
    """

    name: str
    about: str
    of: Callable[[Effects], float | None]
    ends: Ends | None = None


@dataclass(frozen=True)
class Share:
    """How many of all changes on all cases do something, yes or no; None where an effect does not tell.

    It is told within Wilson's bounds for so many people.
    """

    name: str
    about: str
    of: Callable[[Effect], bool | None]


@dataclass(frozen=True)
class Probe:
    """Changes, and what is watched while they are made: `watched` is the item of a case whose place is told.

    `columns` are those of its table, `[95 %]` behind one that is drawn with its interval.
    `unfit` says why a case cannot be probed, None where it can. `together`: the questions of a case may be made known
    to whoever answers before they are asked.
    """

    name: str
    about: str
    variants: Sequence[Variant]
    watched: Callable[[Case], str | None]
    columns: Sequence[str]
    figures: Sequence[Figure]
    notes: Sequence[str] = ()
    unfit: Callable[[Case], str | None] = lambda _case: None
    shares: Sequence[Share] = ()
    together: bool = False


@dataclass
class Found:
    """What a probe found. `effects` are by variant, then case, in order; `users` names the person of each case.

    `n_asked` questions were asked; equal questions of one case are asked once. `n_undecided` and `degraded` count
    questions, `skipped` counts cases by reason.
    """

    effects: dict[str, dict[str, Effect]] = field(default_factory=dict)
    users: dict[str, str] = field(default_factory=dict)
    n_asked: int = 0
    n_undecided: int = 0
    n_failed: int = 0
    degraded: Counter[str] = field(default_factory=Counter)
    skipped: Counter[str] = field(default_factory=Counter)
    ids: Counter[str] = field(default_factory=Counter)
    labels: Counter[str] = field(default_factory=Counter)
    prompts: dict[str, str] = field(default_factory=dict)

    def of_case(self, case_id: str, variants: Iterable[Variant]) -> list[tuple[Variant, Effect]]:
        """The effects of all changes that apply to the case, in the order of the variants."""
        return [(v, self.effects[v.name][case_id]) for v in variants if case_id in self.effects[v.name]]


def run(
    probe: Probe, cases: Iterable[Case], asker: Asker, seed: int, *, progress: Progress = lambda _done: None
) -> Found:
    """Every change of the probe on every case that it fits. Ties are drawn by lot, by seed and case."""
    found = Found(effects={variant.name: {} for variant in probe.variants})
    for done, case in enumerate(cases, start=1):
        reason = probe.unfit(case)
        if reason:
            found.skipped[reason] += 1
        else:
            found.users[case.case_id] = case.user_id
            _probe(probe, case, _Once(asker, f"{seed} {case.case_id}", found), found)
        progress(done)
    return found


class _Once:
    """Asks each question of a case once, and counts what its answer is like."""

    def __init__(self, asker: Asker, lot: str, found: Found) -> None:
        self._asker, self._lot, self._found = asker, lot, found
        self._answers: list[tuple[Question, Answer]] = []

    def ask(self, question: Question) -> Answer:
        """The answer to the question, the one before where an equal one was asked before."""
        known = next((answer for asked, answer in self._answers if asked == question), None)
        if known is None:
            known = self._asker.ask(question, self._lot)
            self._answers.append((question, known))
            self._count(known)
        return known

    def foresee(self, questions: Sequence[Question]) -> None:
        """Tell whoever answers what comes, where that is of use."""
        if isinstance(self._asker, Foreseeing):
            self._asker.foresee(questions)

    def _count(self, answer: Answer) -> None:
        self._found.n_asked += 1
        self._found.n_undecided += answer.undecided
        self._found.n_failed += not answer.order
        self._found.ids.update(answer.ids)
        self._found.labels.update(answer.labels)
        self._found.prompts.update(answer.prompts)
        if answer.degraded:
            self._found.degraded[answer.degraded] += 1


def _probe(probe: Probe, case: Case, once: _Once, found: Found) -> None:
    watched = probe.watched(case)
    pairs = [(variant, variant.asked(case), variant.baseline(case)) for variant in probe.variants]
    apply = [(variant, asked, before) for variant, asked, before in pairs if asked is not None and before is not None]
    if probe.together:
        once.foresee([question for _, asked, before in apply for question in (before, asked)])
    for variant, asked, baseline in apply:
        before = once.ask(baseline)
        effect = effect_of(case.relevant, watched, once.ask(asked), before)
        found.effects[variant.name][case.case_id] = effect
