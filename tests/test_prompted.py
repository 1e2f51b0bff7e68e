from itertools import pairwise

from agent.rerank.prompted import recent
from tests.rerank_contract import many


def test_the_oldest_item_shown_changes_only_now_and_then() -> None:
    history = many(40)
    shown = [[item.item_id for item in recent(history[:n])] for n in range(41)]
    assert all(ids == [item.item_id for item in history[:n]][-len(ids) :] for n, ids in enumerate(shown) if n)
    assert all(min(n, 10) <= len(ids) <= 14 for n, ids in enumerate(shown))
    changes = sum(a[0] != b[0] for a, b in pairwise(shown[1:]))
    assert changes == 6
