"""What a person would rather have or not: tests that an order leans to, and words that no item may speak of."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from agent.explain.facts import field_texts
from agent.explain.words import CJK, folded, stems
from agent.path.ranker import Order, Place
from agent.recall.where import Where, facts_of
from agent.rerank.blend import blend, order
from agent.types import Item, Step

PREFERRED = "preferred"
WEIGHT = 1.0  # a preference counts as much as all that was known before; a judgement, not a fit


@dataclass(frozen=True)
class Leaning:
    """Tests that items should rather pass, and words that their fields are not to hold."""

    prefers: Sequence[Where] = ()
    refuses: Sequence[str] = ()

    def over(self, ranked: Order) -> Order:
        """The order once these have had their say. Where every item speaks of what is refused, none is left out."""
        places = [place for place in ranked.places if not self.refused(place.item)] or list(ranked.places)
        if not self.prefers or not places:
            return replace(ranked, places=tuple(places))
        shares = [self._share(place.item) for place in places]
        signals = {"order": [place.score for place in places], PREFERRED: shares}
        final = blend(signals, {"order": 1.0, PREFERRED: WEIGHT})
        leant = [_leant(place, float(final[n]), shares[n]) for n, place in enumerate(places)]
        first = order([place.score for place in leant], [place.item.item_id for place in leant])
        return replace(ranked, places=tuple(leant[n] for n in first))

    def refused(self, item: Item) -> bool:
        """Whether a field of the item holds one of the refused words, whatever its number; Chinese anywhere."""
        if not self.refuses:
            return False
        texts = [text for _, text in field_texts(item)]
        words = {word for text in texts for word in stems(text)}
        return any(
            any(folded(one) in folded(text) for text in texts) if CJK.search(one) else words.issuperset(stems(one))
            for one in self.refuses
        )

    def _share(self, item: Item) -> float:
        facts = facts_of(item)
        return sum(where.holds(facts) for where in self.prefers) / len(self.prefers)


NO_LEANING = Leaning()


def _leant(place: Place, score: float, share: float) -> Place:
    return replace(place, score=score, path=(*place.path, Step(stage=PREFERRED, source=PREFERRED, score=share)))
