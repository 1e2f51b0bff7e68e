"""The probe `paraphrase`: whether an order stays when the wish, or the word for the items, is put in other words."""

from __future__ import annotations

from dataclasses import replace

from eval.cases import Case
from eval.probe.asking import Question
from eval.probe.position import target_of
from eval.probe.probes import Effects, Figure, Given, Probe, Variant
from eval.probe.wordings import FRAMES, NOUNS, language_of
from eval.statistics import UNIT, mean

AS_WRITTEN = "as written"


def paraphrase(given: Given) -> Probe:
    """Every frame around the wish, in the wish's own language, and every noun of the prompt's language."""
    spoken = {language_of(case.wish) for case in given.cases if case.wish}
    frames = [name for other in FRAMES if other in spoken for name in FRAMES[other]]
    no_wish = sum(not case.wish for case in given.cases)
    return Probe(
        "paraphrase",
        "the same wish in other words, and other words for the items",
        [*(_framed(name, given) for name in frames), *(_called(noun, given) for noun in NOUNS[given.language])],
        target_of,
        ("ndcg@10", "change [95 %]", "tau [95 %]"),
        (Figure("ndcg_moved", "mean absolute change of NDCG@10 over the changes of a case", moved_by, UNIT),),
        (f"{no_wish:,} of {len(given.cases):,} cases have no wish to reword",) if no_wish else (),
    )


def moved_by(effects: Effects) -> float | None:
    """The mean absolute change of NDCG@10."""
    return mean(abs(effect.ndcg - effect.ndcg_before) for _, effect in effects)


def _framed(name: str, given: Given) -> Variant:
    frame = next(frames[name] for frames in FRAMES.values() if name in frames)

    def _asked(case: Case) -> Question | None:
        if not case.wish or name not in FRAMES[language_of(case.wish)]:
            return None
        return replace(given.question(case), wish=frame.format(wish=case.wish))

    return Variant(f"wish {name}", frame, _asked, AS_WRITTEN, given.question)


def _called(noun: str, given: Given) -> Variant:
    return Variant(
        f"noun {noun}",
        f"the prompt calls the items {noun}",
        lambda case: replace(given.question(case), noun=noun),
        AS_WRITTEN,
        given.question,
    )
