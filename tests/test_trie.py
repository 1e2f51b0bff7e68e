import random

from hypothesis import given
from hypothesis import strategies as st

from agent.llm.local.trie import Trie, tries_of

TEXTS = st.lists(st.lists(st.integers(0, 3), max_size=6), min_size=1, max_size=20)


def spelled(trie: Trie, number: int) -> list[int]:
    return [trie.nodes[n].token for n in trie.path[number]]


def test_what_texts_begin_with_is_there_once() -> None:
    (trie,) = tries_of([[1, 2, 3], [1, 2, 4], [1, 2]], most_texts=9, most_nodes=99)
    assert [node.token for node in trie.nodes] == [1, 2, 3, 4]
    assert [(node.first, node.last) for node in trie.nodes] == [(0, 2), (0, 2), (1, 1), (2, 2)]
    assert [node.ends for node in trie.nodes] == [False, True, True, True]
    assert [node.goes_on for node in trie.nodes] == [True, True, False, False]
    assert trie.order == [2, 0, 1]


@given(TEXTS)
def test_every_text_is_spelled_by_its_path(texts: list[list[int]]) -> None:
    (trie,) = tries_of(texts, most_texts=99, most_nodes=999)
    assert sorted(trie.order) == list(range(len(texts)))
    assert [spelled(trie, n) for n in range(len(texts))] == [texts[place] for place in trie.order]
    beginnings = {tuple(text[:n]) for text in texts for n in range(1, len(text) + 1)}
    assert len(trie.nodes) == len(beginnings)


@given(TEXTS)
def test_a_node_serves_exactly_the_texts_that_pass_through_it(texts: list[list[int]]) -> None:
    (trie,) = tries_of(texts, most_texts=99, most_nodes=999)
    for n, node in enumerate(trie.nodes):
        assert [number for number, path in enumerate(trie.path) if n in path] == [*range(node.first, node.last + 1)]
        assert node.parent < n
        assert node.goes_on == any(other.parent == n for other in trie.nodes)


@given(TEXTS, st.integers(1, 5), st.integers(6, 30), st.integers(0, 3))
def test_limits_hold_and_every_text_is_there_once(texts: list[list[int]], most: int, cells: int, spare: int) -> None:
    tries = list(tries_of(texts, most_texts=most, most_nodes=cells, spare=spare))
    assert sorted(place for trie in tries for place in trie.order) == list(range(len(texts)))
    for trie in tries:
        assert len(trie.order) <= most
        assert len(trie.order) == 1 or len(trie.nodes) + spare * len(trie.order) <= cells


def test_tries_are_few_and_alike() -> None:
    texts = [[1, n, *range(n % 5)] for n in range(100)]
    tries = list(tries_of(texts, most_texts=99, most_nodes=999, batch=120))
    sizes = [sum(node.goes_on for node in trie.nodes) for trie in tries]
    whole = sum(node.goes_on for trie in tries_of(texts, most_texts=999, most_nodes=9_999) for node in trie.nodes)
    assert len(sizes) == -(-whole // 120)
    assert max(sizes) <= 120
    assert max(sizes) - min(sizes) <= 2 * max(map(len, texts))


def test_the_order_of_the_texts_changes_nothing() -> None:
    texts = [[random.Random(n).randrange(4) for _ in range(5)] for n in range(30)]
    shuffled = random.Random(1).sample(texts, len(texts))
    one, other = (next(tries_of(t, most_texts=99, most_nodes=999)) for t in (texts, shuffled))
    assert one.nodes == other.nodes


def test_no_texts_no_tries() -> None:
    assert list(tries_of([], most_texts=1, most_nodes=1)) == []
