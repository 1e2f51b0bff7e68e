"""Examples of messages are data: a team's own count at once, faults in them are told, vectors come with them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from agent.converse.state import Intent
from agent.converse.understand.examples import MAX_CHARS, Example, load_examples
from agent.converse.understand.fitting import quality_of, sharpest, unseen_scores
from agent.converse.understand.intents import ORDER, Calibration, Intents, plain, shifted
from agent.converse.understand.reader import Reader
from agent.converse.understand.vectors import key_of, shipped, vectors_of, write
from agent.converse.understand.vocabulary import Vocabulary
from agent.embed.e5 import E5
from agent.errors import ConfigError
from agent.language import language_of
from agent.parts.parts import Parts
from agent.settings import Settings
from agent.store.cache import Cache
from agent.types import Item
from tests.support.understanding import FILMS, NOTHING_SHOWN, TITLES
from tests.support.vectors import HashEmbedder


def test_every_intent_has_many_examples_in_both_languages() -> None:
    counts = {(one.intent, language_of(one.text) or "en"): 0 for one in load_examples()}
    for one in load_examples():
        counts[one.intent, language_of(one.text) or "en"] += 1
    assert all(counts[intent, language] >= 30 for intent in Intent for language in ("en", "zh"))


def test_a_folder_of_ones_own_is_read_beside_them(tmp_path: Path) -> None:
    (tmp_path / "ours.toml").write_text('bye = ["over and out"]\nwish = ["comedy"]\ntalk = ["bye"]\n')
    examples = {one.text: one.intent for one in load_examples(tmp_path)}
    assert examples["over and out"] is Intent.BYE
    assert examples["bye"] is Intent.TALK  # the team's word counts
    assert len(examples) == len(load_examples()) + 1


def test_an_example_of_ones_own_decides_at_once(tmp_path: Path) -> None:
    (tmp_path / "ours.toml").write_text('bye = ["zarquon flimble"]\n')
    embedder = HashEmbedder()
    ours = Reader(embedder, TITLES, Vocabulary.of(FILMS), tmp_path).read("zarquon flimble", NOTHING_SHOWN)
    without = Reader(embedder, TITLES, Vocabulary.of(FILMS)).read("zarquon flimble", NOTHING_SHOWN)
    assert ours.intent is Intent.BYE
    assert ours.intents[Intent.BYE] > 3 * without.intents[Intent.BYE]


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ('wishes = ["a"]', "ours.toml:1: there is no intent wishes"),
        ('# ours\nwish = "a comedy"', "ours.toml:2: wish is no list of messages"),
        ('wish = ["a", 3]', "ours.toml:1: message 2 of wish is no text"),
        ('wish = [" "]', "message 1 of wish is no text"),
        (f'wish = ["{"a" * (MAX_CHARS + 1)}"]', "message 1 of wish has 501 characters"),
        ("wish = [", "is not valid TOML"),
    ],
)
def test_a_bad_file_is_told_in_one_line(tmp_path: Path, text: str, fault: str) -> None:
    (tmp_path / "ours.toml").write_text(text)
    with pytest.raises(ConfigError) as raised:
        load_examples(tmp_path)
    assert fault in str(raised.value)
    assert "\n" not in str(raised.value)
    assert raised.value.hint


def test_a_folder_that_is_missing_or_empty_is_told(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"converse\.examples: there is no folder"):
        load_examples(tmp_path / "nowhere")
    with pytest.raises(ConfigError, match=r"holds no \.toml file"):
        load_examples(tmp_path)


def test_an_intent_without_an_example_is_told() -> None:
    with pytest.raises(ConfigError, match="no example shows the intent about"):
        Intents(HashEmbedder(), [Example("hello", Intent.TALK)])


def test_the_vectors_that_come_with_palate_are_those_of_the_examples() -> None:
    """Where this fails, examples were changed: run python -m agent.converse.understand.vectors."""
    embedder, texts = E5(), [plain(one.text) for one in load_examples()]
    known = shipped(embedder)
    assert [text for text in texts if key_of(text) not in known] == []
    some = texts[::97]
    computed = embedder.queries(some)
    alike = [float(known[key_of(text)] @ vector) for text, vector in zip(some, computed, strict=True)]
    assert min(alike) > 0.999


def test_vectors_of_others_are_computed_once_and_kept(tmp_path: Path) -> None:
    with Cache(tmp_path / "cache.sqlite") as cache:
        embedder = HashEmbedder()
        first = vectors_of(["one", "two"], embedder, cache)
        again = vectors_of(["two", "one", "three"], embedder, cache)
        assert embedder.asked == 3
        np.testing.assert_array_equal(first[::-1], again[:2])
        assert vectors_of(["one"], HashEmbedder(name="another"), cache).shape == (1, 24)


@pytest.mark.parametrize("content", [None, b"", b"no archive", b"PK\x03\x04 broken"])
def test_a_file_of_vectors_that_is_damaged_is_none(tmp_path: Path, content: bytes | None) -> None:
    path = tmp_path / "vectors.npz"
    if content is not None:
        path.write_bytes(content)
    assert shipped(HashEmbedder(), path) == {}


def test_vectors_of_another_embedder_are_none(tmp_path: Path) -> None:
    write(["a", "b"], HashEmbedder(), tmp_path / "v.npz")
    assert set(shipped(HashEmbedder(), tmp_path / "v.npz")) == {key_of("a"), key_of("b")}
    assert shipped(HashEmbedder(name="other"), tmp_path / "v.npz") == {}
    assert shipped(HashEmbedder(dimensions=12), tmp_path / "v.npz") == {}


def test_evidence_moves_the_intents_and_they_still_sum_to_one() -> None:
    even = dict.fromkeys(Intent, 1 / len(Intent))
    moved = shifted(even, {Intent.BYE: 2.0})
    assert sum(moved.values()) == pytest.approx(1)
    assert moved[Intent.BYE] / moved[Intent.TALK] == pytest.approx(np.exp(2))


def test_the_calibration_sets_how_sure_the_intents_are() -> None:
    examples = load_examples()
    fitted = Calibration.shipped()
    vague = Calibration(fitted.vectors, fitted.cues, fitted.steepness, fitted.ridge, sharpness=0.0)
    sure = Intents(HashEmbedder(), examples).probabilities("goodbye", "en")
    unsure = Intents(HashEmbedder(), examples, calibration=vague).probabilities("goodbye", "en")
    assert sure[Intent.BYE] > 0.8
    assert unsure[Intent.WISH] == pytest.approx(unsure[Intent.WHY])


def test_the_parts_keep_a_reader_until_the_catalogue_changes(tmp_path: Path) -> None:
    parts = Parts(Settings(folder=tmp_path / "data", cache_folder=tmp_path / "cache"))
    try:
        parts.store.put_items(FILMS)
        reader = parts.reader
        assert parts.reader is reader
        assert [one.item_id for one in reader.read("something like Toy Story", NOTHING_SHOWN).items] == ["toy"]
        parts.store.put_items([Item(item_id="vertigo", title="Vertigo", tags=("Noir",))])
        parts.catalogue_changed()
        assert parts.reader is not reader
        assert [one.item_id for one in parts.reader.read("something like Vertigo", NOTHING_SHOWN).items] == ["vertigo"]
        spoken = parts.speaking("推荐一部电影")
        assert spoken is not parts
        assert spoken.reader is parts.reader
    finally:
        parts.close()


def test_the_fit_finds_how_sure_scores_are() -> None:
    rng = np.random.default_rng(3)
    labels = rng.integers(0, 3, 3_000)
    scores = rng.normal(size=(3_000, 3)) + 0.5 * np.eye(3)[labels]  # the true log-odds are half of these differences
    assert sharpest(scores, labels) == pytest.approx(0.5, abs=0.08)
    fair = quality_of(sharpest(scores, labels) * scores, labels)
    assert fair.calibration_error < 0.04
    assert fair.log_loss < quality_of(3 * scores, labels).log_loss
    assert quality_of(9 * np.eye(3)[labels], labels).right == 1


def test_scores_of_examples_come_from_the_others() -> None:
    examples = [
        Example(text, intent) for intent in Intent for text in (f"{intent} one", f"{intent} two", f"{intent} 3")
    ]
    intents = Intents(HashEmbedder(), examples)
    labels = np.array([ORDER.index(one.intent) for one in examples])
    seen = intents.scores(intents.seen).argmax(axis=1) == labels
    unseen = unseen_scores(intents.seen, labels, intents.by).argmax(axis=1) == labels
    assert seen.mean() > unseen.mean()
