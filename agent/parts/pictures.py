"""Pictures on the path: the model that looks at them, their index, and what a picture shown asks of the catalogue."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from collections.abc import Collection as AnyOf
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from agent.deadline import Deadline
from agent.errors import ConfigError, ModelError, ModelUnavailable
from agent.images.eye import Reason, Remembering
from agent.images.gather import Gatherer
from agent.images.picture import Picture, Refused
from agent.images.source import Source, is_address
from agent.path.ranker import Order, Place, Taste
from agent.recall.queries import WISH_WEIGHT
from agent.recall.signals import cosine
from agent.rerank.blend import blend, order
from agent.store.cache import Cache
from agent.types import Candidate, Degradation, Item, Query, Step, Vector

if TYPE_CHECKING:
    from agent.parts.parts import Parts
    from agent.recall.pictures import Contents, PictureIndex

Progress = Callable[[int, int], None]
Shown = str | Path | bytes
"""A picture as it is given: a path, an address, or its bytes."""

PICTURED = "pictured catalogue"  # a note in the store: of which catalogue_version the pictures are indexed
IMAGE, PICTURE = "image", "picture"  # sources: pictures of what was liked, a picture that is shown
PICTURE_WEIGHT = WISH_WEIGHT  # a picture that is shown says as much as a wish


@dataclass(frozen=True)
class PictureReport:
    """What it took to make the index of pictures equal the catalogue.

    `refused` names items whose picture could not be used, with the reason; `problem` says why nothing was done, empty
    where it was.
    """

    source: str
    rows: int = 0
    added: int = 0
    changed: int = 0
    removed: int = 0
    refused: Mapping[str, str] = field(default_factory=dict)
    problem: str = ""

    def as_json(self) -> dict[str, object]:
        """The shape in `palate index --json`."""
        return asdict(self) | {"problem": self.problem or None}


class Glance(NamedTuple):
    """What a picture shown looks like, None where none was shown or seen, and what kept pictures from being used."""

    vector: Vector | None = None
    degraded: tuple[Degradation, ...] = ()


class Pictures:
    """The pictures of a catalogue: who looks at them, where they come from, and the index of what was seen."""

    def __init__(
        self, kind: str, eye: Remembering, source: Source, index: PictureIndex, contents: Contents, cache: Cache
    ) -> None:
        self._kind = kind
        self._eye = eye
        self._source = source
        self._contents = contents
        self._gatherer = Gatherer(source, eye, cache)
        self.index = index

    def close(self) -> None:
        """Let go of model and index. Calling it twice is harmless."""
        self._eye.close()
        self.index.close()

    def sync(
        self, items: Sequence[Item], timeout_s: float, *, rebuild: bool = False, progress: Progress | None = None
    ) -> PictureReport:
        """Make the index equal the pictures of these items: each content is looked at once, ever.

        A model that cannot look at any leaves the index as it was, and the report says why. Raises StoreError.
        """
        try:
            found = self._gatherer.gather([i for i in items if i.image], timeout_s, again=rebuild, progress=progress)
        except ModelError as error:
            return PictureReport(self._kind, problem=str(error))
        self._contents.learn(found.vectors)
        marked = [i.model_copy(update={"image": found.marks[i.item_id]}) for i in items if i.item_id in found.marks]
        done = self.index.sync(marked, rebuild=rebuild)
        return PictureReport(self._kind, done.rows, done.added, done.changed, done.removed, found.refused)

    def seen(self, shown: Shown, deadline: Deadline) -> Vector:
        """The centred vector of a picture that is shown. Raises ConfigError for one that is none, ModelError."""
        try:
            picture = self._picture(shown)
        except Refused as refused:
            named = "the picture" if isinstance(shown, bytes) else f"the picture {str(shown)[:200]!r}"
            raise ConfigError(f"{named} {refused}", "Give a PNG, JPEG, GIF or WebP file") from refused
        seen = self._eye.glance(picture, deadline)
        if isinstance(seen, Reason):
            raise ModelUnavailable(f"the picture {seen}", "Show another one")
        centred = self.index.centre(seen)
        return centred if centred.any() else seen

    def queries(self, taste: Taste, shown: Vector | None, weight: float) -> list[Query]:
        """What to ask the index: what looks like the picture shown, and like the pictures of what is liked."""
        asked = []
        if shown is not None:
            why = "looks like the picture you gave"
            asked.append(Query(source=PICTURE, why=why, vector=shown, weight=PICTURE_WEIGHT))
        vectors = self.index.vectors([item.item_id for item in (*taste.liked, *taste.disliked)])
        middle = taste.vector(vectors)
        if middle is not None and weight:
            asked.append(Query(source=IMAGE, why="looks like what you liked", vector=middle, weight=weight))
        return asked

    def search(self, query: Query, k: int, exclude: AnyOf[str]) -> list[Candidate]:
        """The k items whose pictures are nearest to a query from `queries`, best first."""
        if query.vector is None:
            return []
        return self.index.search(query.vector, k, source=query.source, exclude=exclude)

    def heeding(self, ranked: Order, shown: Vector) -> Order:
        """The order once the picture shown has had its say; items without a picture are neither near nor far."""
        ids = [place.item.item_id for place in ranked.places]
        vectors = self.index.vectors(ids)
        nowhere = np.zeros(shown.shape, dtype=np.float32)
        near = cosine(shown, [vectors.get(item_id, nowhere) for item_id in ids])
        signals = {"order": [place.score for place in ranked.places], PICTURE: near}
        final = blend(signals, {"order": 1.0, PICTURE: PICTURE_WEIGHT})
        ranks = {n: rank for rank, n in enumerate(order(near, ids), start=1)}
        places = [
            _with_step(place, float(final[n]), Step(stage=PICTURE, source=PICTURE, score=near[n], rank=ranks[n]))
            for n, place in enumerate(ranked.places)
        ]
        return replace(ranked, places=tuple(places[n] for n in order([p.score for p in places], ids)))

    def _picture(self, shown: Shown) -> Picture:
        if isinstance(shown, bytes):
            return Picture.of(shown)
        if isinstance(shown, str) and is_address(shown):
            return self._source.of_web(shown)
        return self._source.of_file(Path(shown))


def sync_pictures(parts: Parts, *, rebuild: bool = False, progress: Progress | None = None) -> PictureReport | None:
    """Bring the index of pictures up to date with the catalogue; None where no model looks at them.

    Raises ConfigError, StoreError, StoreLocked.
    """
    if (pictures := parts.pictures) is None:
        return None
    version = parts.store.catalogue_version
    report = pictures.sync(parts.items, parts.settings.images.timeout_s, rebuild=rebuild, progress=progress)
    if not report.problem:
        parts.store.meta_put(PICTURED, version)
    return report


def glance(parts: Parts, shown: Shown | None, deadline: Deadline) -> Glance:
    """What a picture that is shown looks like, where pictures can be looked at; else what keeps them from it.

    Raises ConfigError for a picture where `images.source` is off, and for one that is none.
    """
    pictures = parts.pictures
    if pictures is None:
        if shown is not None:
            raise ConfigError("no model looks at pictures: images.source is off", "Set it: docs/images.md says how")
        return Glance()
    if problem := pictures.index.problem:
        return Glance(None, (Degradation(stage="images", reason=f"{problem}; palate index brings them in"),))
    if shown is None:
        return Glance()
    try:
        return Glance(pictures.seen(shown, deadline))
    except ModelError as error:
        return Glance(None, (Degradation(stage="images", reason=str(error)),))


def heeding(parts: Parts, ranked: Order, seen: Glance) -> Order:
    """The order once a picture that is shown has had its say, and what kept pictures from having one."""
    if seen.vector is not None and parts.pictures is not None and ranked.places:
        ranked = parts.pictures.heeding(ranked, seen.vector)
    return replace(ranked, degraded=(*seen.degraded, *ranked.degraded))


def _with_step(place: Place, score: float, step: Step) -> Place:
    return replace(place, score=score, path=(*place.path, step))
