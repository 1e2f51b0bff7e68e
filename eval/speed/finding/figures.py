"""What the rows of finding leave: times, shares, and how they stand to their targets."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field

from eval.speed.figures import Ratio
from eval.statistics import UNIT, Estimate, estimate, percentile

EMBEDDING_RATIO = 2.0
RECALL_MS = 15.0
CHROMA_RECALL = 0.98


@dataclass(frozen=True, slots=True)
class Times:
    """Milliseconds of `n` answers."""

    n: int
    p50_ms: float
    p95_ms: float

    @classmethod
    def of(cls, ms: Sequence[float]) -> Times:
        """The times of answers, one at least."""
        return cls(len(ms), percentile(ms, 0.5), percentile(ms, 0.95))


@dataclass(frozen=True)
class Embedding:
    """Texts a second, one by one and as Palate does it, in turns; `cosine` is the least between the two's vectors."""

    texts: int
    repetitions: int
    one_by_one_per_s: float
    ours_per_s: float
    ratio: Ratio
    cosine: float

    def as_json(self) -> dict[str, object]:
        """Plain values."""
        return {**asdict(self), "target": EMBEDDING_RATIO, "met": self.ratio.value >= EMBEDDING_RATIO}


@dataclass(frozen=True)
class Recall:
    """Recall over a catalogue: the time of whole answers, of each source's median, and Chroma's recall by kind."""

    source: str
    items: int
    people: int
    total: Times
    by_question: Mapping[str, Times]
    sources_ms: Mapping[str, float]
    against_exact: Mapping[str, Estimate]
    notes: Sequence[str] = field(default_factory=tuple)

    def as_json(self) -> dict[str, object]:
        """Plain values."""
        met = {
            "p50": self.total.p50_ms <= RECALL_MS,
            "against_exact": all(found.value >= CHROMA_RECALL for found in self.against_exact.values()),
        }
        return {**asdict(self), "target_p50_ms": RECALL_MS, "target_against_exact": CHROMA_RECALL, "met": met}


@dataclass(frozen=True)
class Scale:
    """Chroma with many vectors. Memory in MB of a million bytes: the peak of building, and what asking holds."""

    vectors: int
    dimensions: int
    about: str
    build_s: float
    build_peak_mb: float | None
    disk_mb: float
    open_s: float
    resident_mb: float | None
    times: Times
    recall: Estimate

    def as_json(self) -> dict[str, object]:
        """Plain values."""
        return asdict(self)


def recall_of(shares: Sequence[float]) -> Estimate:
    """The mean recall with its interval."""
    return estimate(list(shares), within=UNIT)
