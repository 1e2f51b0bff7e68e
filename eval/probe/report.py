"""What a probe found, as figures: a row a change, a few numbers for all of them, a sentence, the documented JSON."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace

from eval.cases import DataSet
from eval.metrics import HEADLINE
from eval.probe.effects import Effect
from eval.probe.probes import Effects, Figure, Found, Probe, Share, Variant
from eval.results import about_dataset, interval_text, method
from eval.statistics import SIGNED, UNIT, Difference, Ends, Estimate, difference, estimate, holm, mean, rate, shown

TAU = "Kendall's rank correlation (Kendall 1938) of an order and its baseline; 1 is the same order, -1 the reverse"
LIFT = "places that the watched item rose against the baseline, negative where it fell"
HOLM = "Holm's step-down over the lifts of all changes of the probe"
COUNTED = (
    "an answer that failed has an NDCG of 0 and no place or tau; a strategy without an opinion is undecided, and its"
    " order is drawn by lot and has no tau; ties are drawn by lot, alike in a change and its baseline"
)


@dataclass(frozen=True)
class Row:
    """One change over all cases it applies to; `n` 0 and no figures where there are none.

    `lift` is the paired difference of the places of the watched item, `ndcg_change` that of NDCG@10, both positive
    where the change helps; `p_holm` is the p of `lift`, adjusted for all changes of the probe. `top_changed` is the
    share of cases that put another item first, within Wilson's bounds for so many people.
    """

    variant: Variant
    n: int
    undecided: int = 0
    failed: int = 0
    ndcg: Estimate | None = None
    ndcg_change: Difference | None = None
    place: Estimate | None = None
    lift: Difference | None = None
    tau: Estimate | None = None
    top_changed: Estimate | None = None
    p_holm: float | None = None

    @property
    def moves(self) -> bool:
        """Whether the change is shown to move the watched item."""
        return self.lift is not None and self.p_holm is not None and shown(self.lift, self.p_holm)


@dataclass(frozen=True)
class Report:
    """Everything that a probe says, before it is drawn or written. A figure is None where no case tells.

    `groups` has the probe's own figures of each kind of change, where the changes are of kinds.
    """

    probe: Probe
    found: Found
    rows: tuple[Row, ...]
    figures: Mapping[str, Estimate | None]
    groups: Mapping[str, Mapping[str, Estimate | None]]


def tau_of(effects: Sequence[tuple[Variant, Effect]]) -> float | None:
    """The mean tau over the changes of a case."""
    return mean(effect.tau for _, effect in effects)


def top_changed_of(effects: Sequence[tuple[Variant, Effect]]) -> float | None:
    """The share of the changes of a case that put another item first."""
    return mean(effect.top_changed for _, effect in effects)


STABILITY = (
    Figure("tau", f"mean over the changes of a case: {TAU}", tau_of, SIGNED),
    Figure("top_changed", "share of the changes of a case that put another item first", top_changed_of, UNIT),
)


def told_by(probe: Probe) -> tuple[Figure | Share, ...]:
    """All figures of a probe, in order."""
    return (*probe.figures, *probe.shares, *STABILITY)


def report(probe: Probe, found: Found) -> Report:
    """The probe's rows and figures, with intervals over cases, those of one person drawn together."""
    rows = [_row(variant, found) for variant in probe.variants]
    tested = [n for n, row in enumerate(rows) if row.lift is not None]
    adjusted = dict(zip(tested, holm([row.lift.p for row in rows if row.lift is not None]), strict=True))
    whole = tuple(replace(row, p_holm=adjusted.get(n)) for n, row in enumerate(rows))
    kinds = dict.fromkeys(variant.group for variant in probe.variants if variant.group)
    groups = {
        kind: _figures(probe, [v for v in probe.variants if v.group == kind], probe.figures, found) for kind in kinds
    }
    return Report(probe, found, whole, _figures(probe, probe.variants, (*probe.figures, *STABILITY), found), groups)


def _figures(
    probe: Probe, variants: Sequence[Variant], figures: Sequence[Figure], found: Found
) -> dict[str, Estimate | None]:
    """The figures over these changes, and the probe's shares."""
    by_case = {case_id: found.of_case(case_id, variants) for case_id in found.users}
    told = {}
    for figure in figures:
        values = {case_id: figure.of(effects) for case_id, effects in by_case.items()}
        told[figure.name] = _estimate(values, found, figure.ends)
    return told | {share.name: _share_of(share, by_case, found) for share in probe.shares}


def _share_of(share: Share, by_case: Mapping[str, Effects], found: Found) -> Estimate | None:
    flags = [(found.users[case_id], share.of(e)) for case_id, effects in by_case.items() for _, e in effects]
    known = [(user, flag) for user, flag in flags if flag is not None]
    return rate(sum(flag for _, flag in known), len(known), len({user for user, _ in known})) if known else None


def _row(variant: Variant, found: Found) -> Row:
    effects = found.effects[variant.name]
    if not effects:
        return Row(variant, 0)
    clusters = [found.users[case_id] for case_id in effects]
    one_each = list(effects.values())
    return Row(
        variant,
        len(effects),
        undecided=sum(effect.undecided for effect in one_each),
        failed=sum(effect.failed for effect in one_each),
        ndcg=estimate([effect.ndcg for effect in one_each], within=UNIT, clusters=clusters),
        ndcg_change=difference(
            [effect.ndcg for effect in one_each], [effect.ndcg_before for effect in one_each], clusters=clusters
        ),
        place=_estimate({case_id: effect.place for case_id, effect in effects.items()}, found, _places(one_each)),
        lift=_lift(effects, found),
        tau=_estimate({case_id: effect.tau for case_id, effect in effects.items()}, found, SIGNED),
        top_changed=_share({case_id: effect.top_changed for case_id, effect in effects.items()}, found),
    )


def _share(flags: Mapping[str, bool | None], found: Found) -> Estimate | None:
    known = {case_id: flag for case_id, flag in flags.items() if flag is not None}
    people = {found.users[case_id] for case_id in known}
    return rate(sum(known.values()), len(known), len(people)) if known else None


def _lift(effects: Mapping[str, Effect], found: Found) -> Difference | None:
    known = {case_id: effect.lift for case_id, effect in effects.items() if effect.lift is not None}
    if not known:
        return None
    values = [float(lift) for lift in known.values()]
    clusters = [found.users[case_id] for case_id in known]
    first, last = _places([effects[case_id] for case_id in known])
    return difference(values, [0.0] * len(values), span=last - first, clusters=clusters)


def _places(effects: Sequence[Effect]) -> Ends:
    """The first place that there is, and the last."""
    return 1.0, float(max(2, *(effect.n_places for effect in effects)))


def _estimate(values: Mapping[str, float | None], found: Found, ends: Ends | None) -> Estimate | None:
    known = {case_id: float(value) for case_id, value in values.items() if value is not None}
    if not known:
        return None
    return estimate(list(known.values()), within=ends, clusters=[found.users[case_id] for case_id in known])


def as_json(done: Report, dataset: DataSet, about: Mapping[str, object]) -> dict[str, object]:
    """The documented JSON shape of `palate eval probe --json`; `about` joins it at the top (limit, seed, model)."""
    found = done.found
    return {
        "probe": done.probe.name,
        "about": done.probe.about,
        **about,
        "dataset": about_dataset(dataset, len(found.users)),
        "rows": [_row_as_json(row) for row in done.rows],
        "figures": {
            figure.name: {"about": figure.about, **_plain(done.figures[figure.name])} for figure in told_by(done.probe)
        },
        "groups": {
            kind: {name: _plain(figure) for name, figure in figures.items()} for kind, figures in done.groups.items()
        },
        "asked": {"count": found.n_asked, "undecided": found.n_undecided, "failed": found.n_failed},
        "degraded": dict(found.degraded),
        "skipped": dict(found.skipped),
        "ids": dict(found.ids),
        "labels": dict(found.labels),
        "prompts": dict(found.prompts),
        "notes": list(done.probe.notes),
        "method": _method(),
    }


def _method() -> dict[str, object]:
    general = method([HEADLINE])
    own = {"p_holm": HOLM, "tau": TAU, "lift": LIFT, "counted": COUNTED}
    return {**{key: general[key] for key in ("metrics", "interval", "test", "versions")}, **own}


def _row_as_json(row: Row) -> dict[str, object]:
    return {
        "variant": row.variant.name,
        "about": row.variant.about,
        "against": row.variant.against,
        "n": row.n,
        "undecided": row.undecided,
        "failed": row.failed,
        HEADLINE: asdict(row.ndcg) if row.ndcg else None,
        "change": asdict(row.ndcg_change) if row.ndcg_change else None,
        "place": asdict(row.place) if row.place else None,
        "lift": {**asdict(row.lift), "p_holm": row.p_holm} if row.lift else None,
        "tau": asdict(row.tau) if row.tau else None,
        "top_changed": asdict(row.top_changed) if row.top_changed else None,
    }


def _plain(found: Estimate | None) -> dict[str, object]:
    return asdict(found) if found else {"value": None, "low": None, "high": None, "n": 0}


def sentence(figure: Figure | Share, found: Estimate | None) -> str:
    """The figure on one line: its name, value, interval and n, and what it is."""
    if found is None:
        return f"{figure.name}: not known, no case tells; {figure.about}"
    return f"{figure.name} {found.value:+.3f}{interval_text(found)}, n = {found.n}: {figure.about}"
