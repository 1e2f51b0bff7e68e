"""The probe `history`: how much the newest 0, 1, 3, 10 or 50 items of a person's past help."""

from __future__ import annotations

from dataclasses import replace

from eval.cases import Case
from eval.probe.asking import Question
from eval.probe.position import target_of
from eval.probe.probes import Given, Probe, Variant

LENGTHS = (0, 1, 3, 10, 50)


def history(given: Given) -> Probe:
    """The newest 0, 1, 3, 10 and 50 items of the history, each against the longest of these."""
    longest = max((len(case.history) for case in given.cases), default=0)
    enough = ", ".join(str(sum(len(case.history) >= n for case in given.cases)) for n in LENGTHS[1:])
    lengths = ", ".join(map(str, LENGTHS[1:]))
    return Probe(
        "history",
        "the newest items of the history, so many of them",
        [_newest(n, given) for n in LENGTHS],
        target_of,
        ("ndcg@10 [95 %]", "change [95 %]", "tau"),
        (),
        (
            f"cases that have at least {lengths} in their history: {enough} of {len(given.cases):,}",
            f"the longest history holds {longest:,}; a prompt shows its newest 10 to 14, of listwise 20 to 24",
            "with neither history nor wish there is nothing to go by, and most strategies are undecided",
        ),
    )


def _newest(n: int, given: Given) -> Variant:
    longest = LENGTHS[-1]
    return Variant(
        f"newest {n}",
        f"the newest {n} of the history",
        lambda case: _cut(case, n, given),
        f"newest {longest}",
        lambda case: _cut(case, longest, given),
        float(n),
    )


def _cut(case: Case, n: int, given: Given) -> Question:
    whole = given.question(case)
    return replace(whole, history=whole.history[-n:] if n else ())
