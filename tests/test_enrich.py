"""What a model writes about thin items: kept beside them, for recall alone, and taken back whole."""

from __future__ import annotations

import json
import multiprocessing
import os
import random
import signal
import sqlite3
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

import prompts
from agent import Event, Item, Recommender, Settings
from agent.deadline import Deadline
from agent.embed.passage import passage_of
from agent.enrich.enrichment import Enrichment, Thin, for_embedding, mark_of, read
from agent.enrich.run import BATCH, enrich, estimate_s, outlook
from agent.enrich.writer import MAX_CHARS, described, examples_of, tagged_of, tags_in, vocabulary_of
from agent.errors import ModelUnavailable
from agent.explain.facts import field_texts
from agent.explain.grounding import check
from agent.llm.base import Completion
from agent.llm.scripted import Scripted
from agent.recall.where import parse_where
from agent.store.cache import Cache
from agent.store.store import Store
from agent.types import EventKind
from tests.support.enriching import FINGERPRINT, enrich_slowly, thin_items, writer_on

NEVER = Deadline.never()
ROOT = Path(__file__).parent.parent
SERVER = multiprocessing.get_context("forkserver")
SERVER.set_forkserver_preload(["tests.support.enriching"])
SUBMARINE = " Sailors in a submarine are trapped under the ice of the north."


def model(text: str = SUBMARINE, tag: str = "") -> Scripted:
    """It writes always the same, and thinks one tag likely."""
    return Scripted(
        lambda _prefix, _suffix: text,
        scores=lambda prefix, word: -1.0 if tag and word.strip() == tag and "Title" in prefix else -6.0,
        fingerprint=FINGERPRINT,
        abilities=["continue", "score"],
    )


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with Store.open(tmp_path / "data") as found:
        found.put_items(thin_items(40))
        yield found


def run(store: Store, writing: Scripted, thin: Thin | None = None, limit: int | None = None) -> int:
    writer = writer_on(writing, thin=thin or Thin(), vocabulary=("Drama", "War"))
    return enrich(store, writer, outlook(store, writer, thin or Thin(), limit).waiting, lambda _done, _of: None).written


def test_thin_is_what_has_little_text_or_few_tags() -> None:
    bare, good = Item(item_id="a", title="A"), Item(item_id="b", title="B", tags=("X",), text="y" * 40)
    assert Thin().holds(bare)
    assert not Thin().holds(good)
    assert Thin(min_tags=2).holds(good)
    assert Thin(min_text_chars=41).holds(good)
    assert not Thin(min_text_chars=0, min_tags=0).holds(bare)


def test_it_is_kept_beside_the_item_flagged_and_versioned(store: Store) -> None:
    before = store.items()
    assert run(store, model()) == 40
    assert store.items() == before, "never in the item's own fields"
    found = read(store.generated())
    assert len(found) == 40
    one = found["i000"]
    assert one.generated is True
    assert (one.text, one.model, one.mark) == (SUBMARINE.strip(), FINGERPRINT, mark_of(before[0]))
    assert set(one.prompts) == {"en/enrich-describe", "en/enrich-tags"}


def test_a_second_run_has_nothing_to_do_and_another_model_or_item_has(store: Store) -> None:
    run(store, model())
    writer = writer_on(model())
    assert outlook(store, writer, Thin()).waiting == ()
    other = writer_on(Scripted([], fingerprint="other", abilities=["continue"]))
    assert len(outlook(store, other, Thin()).waiting) == 40
    store.put_items([Item(item_id="i003", title="Renamed", tags=("Drama",))])
    assert [item.item_id for item in outlook(store, writer, Thin()).waiting] == ["i003"]


def test_a_limit_takes_the_first_and_the_next_run_goes_on(store: Store) -> None:
    assert run(store, model(), limit=15) == 15
    assert run(store, model(), limit=20) == 20
    assert run(store, model()) == 5


def test_the_cache_spares_the_model_even_after_all_was_taken_back(store: Store, tmp_path: Path) -> None:
    with Cache(tmp_path / "cache.sqlite") as cache:
        first = writer_on(model(), cache)
        enrich(store, first, outlook(store, first, Thin()).waiting, lambda _d, _o: None)
        assert store.remove_generated() == 40
        silent = writer_on(Scripted([], fingerprint=FINGERPRINT, abilities=["continue"]), cache)
        report = enrich(store, silent, outlook(store, silent, Thin()).waiting, lambda _d, _o: None)
    assert (report.written, report.empty) == (40, 0)


def test_an_error_of_the_model_keeps_the_batches_before_it(store: Store) -> None:
    replies = [SUBMARINE] * BATCH + [ModelUnavailable("gone")]
    broken = writer_on(Scripted(replies, fingerprint=FINGERPRINT, abilities=["continue"]))
    with pytest.raises(ModelUnavailable):
        enrich(store, broken, outlook(store, broken, Thin()).waiting, lambda _d, _o: None)
    assert len(store.generated()) == BATCH


def test_the_estimate_writes_nothing_into_the_store(store: Store) -> None:
    slow = Scripted(lambda _p, _s: SUBMARINE, delay_s=0.05, abilities=["continue"])
    writer = writer_on(slow)
    waiting = outlook(store, writer, Thin()).waiting
    assert estimate_s(writer, waiting) > 0.3, "forty items at a twentieth of a second for four"
    assert store.generated() == {}
    assert estimate_s(writer, ()) == 0
    assert len(writer.unknown(waiting)) == 36, "the four are in the cache"
    writer.write(waiting, NEVER)
    assert estimate_s(writer, waiting) == 0, "nothing is left to ask"


def test_tags_come_from_the_vocabulary_alone() -> None:
    untagged = Item(item_id="a", title="Title", text="x" * 60)
    (one,) = writer_on(model(tag="War"), vocabulary=("Drama", "War")).write([untagged], NEVER)
    assert (one.tags, one.text) == (("War",), "")
    assert writer_on(model(tag="War")).write([untagged], NEVER)[0].tags == (), "a catalogue without tags has none"
    (none,) = writer_on(model(), vocabulary=("Drama", "War")).write([untagged], NEVER)
    assert none.tags == (), "no tag gains by the item"


def test_a_model_that_only_chats_answers_under_a_schema() -> None:
    chat = Scripted(['{"tags": ["war", "Nonsense", "War"]}'], abilities=["chat"])
    writer = writer_on(chat, vocabulary=("Drama", "War"))
    (one,) = writer.write([Item(item_id="a", title="Title", text="x" * 60)], NEVER)
    assert one.tags == ("War",)
    assert chat.calls[0].schema is not None


@pytest.mark.parametrize(
    "text", ["", "{", "[]", '{"tags": 5}', '{"tags": [[1], null]}', '{"x": 1}', "[" * 5_000, '{"tags": ["Nope"]}']
)
def test_a_reply_that_is_no_array_of_tags_gives_none(text: str) -> None:
    assert tags_in(text, ("Drama", "War")) == ()


@pytest.mark.parametrize(
    ("reply", "text"),
    [
        (Completion(" A quiet film about bees.\nTitle: next", "stop", 1, 9), "A quiet film about bees."),
        (Completion("Bees live here. And then they", "length", 1, 9), "Bees live here."),
        (Completion("a story, a story, a story, a story", "stop", 1, 9), ""),
        (Completion("Yes.", "stop", 1, 2), ""),
        (Completion("", "stop", 1, 0), ""),
        (Completion("一部关于蜜蜂的安静电影。", "stop", 1, 9), "一部关于蜜蜂的安静电影。"),
    ],
)
def test_of_a_reply_the_first_whole_sentences_are_kept(reply: Completion, text: str) -> None:
    assert described(reply) == text
    assert len(described(Completion("bees, honey and hives " * 900, "stop", 1, 9))) <= MAX_CHARS


def test_what_shows_a_model_how_comes_from_the_catalogue() -> None:
    items = [
        Item(item_id="a", title="A", tags=("X", "Y"), text="t" * 50, popularity=1),
        Item(item_id="b", title="B", tags=("Y",), popularity=9),
        Item(item_id="c", title="C"),
    ]
    assert vocabulary_of(items) == ["Y", "X"]
    assert [i.item_id for i in examples_of(items, Thin())] == ["a"]
    assert [i.item_id for i in tagged_of(items)] == ["b", "a"]


def test_the_embedder_alone_reads_it_behind_the_own_text() -> None:
    item = Item(item_id="a", title="A", tags=("X",), text="Own words")
    made = Enrichment(item_id="a", text="Made up", tags=("War",), model="m", name="n", mark=mark_of(item))
    (read_so,) = for_embedding([item], {"a": made})
    assert passage_of(read_so) == "A. X. Own words. War. Made up."
    changed = item.model_copy(update={"title": "B"})
    assert for_embedding([changed], {"a": made}) == [changed], "of an item that has changed since, nothing counts"


def test_what_is_kept_and_cannot_be_read_counts_for_nothing(store: Store) -> None:
    store.put_generated({"i000": "{", "i001": '{"item_id": "i001", "generated": false}'})
    assert read(store.generated()) == {}


def test_a_store_made_before_gets_its_table_and_a_read_only_one_does_without(tmp_path: Path) -> None:
    with Store.open(tmp_path) as older:
        older.put_items(thin_items(1))
    with sqlite3.connect(tmp_path / "palate.sqlite") as connection:
        connection.execute("DROP TABLE generated")
    with Store.open(tmp_path, read_only=True) as reading:
        assert reading.generated() == {}
    with Store.open(tmp_path) as writing:
        writing.put_generated({"i000": "{}"})
        assert writing.generated() == {"i000": "{}"}


def test_kills_lose_a_batch_at_most_and_the_next_run_goes_on(tmp_path: Path) -> None:
    """Real processes, killed by signal 9 wherever they are."""
    folder, log, draw, kills = tmp_path / "data", tmp_path / "log", random.Random(3), 0
    with Store.open(folder) as store:
        store.put_items(thin_items(600))
    while kills < 4:
        child = SERVER.Process(target=enrich_slowly, args=(folder, log))
        child.start()
        child.join(draw.uniform(0.15, 0.45))
        assert child.exitcode is None, "finished before four kills: give it more items"
        os.kill(child.pid or 0, signal.SIGKILL)
        child.join()
        kills += 1
    last = SERVER.Process(target=enrich_slowly, args=(folder, log))
    last.start()
    last.join(60)
    assert last.exitcode == 0
    with Store.open(folder) as store:
        assert len(read(store.generated())) == 600
    written = Counter(log.read_text().splitlines())
    assert len(written) == 600
    assert sum(written.values()) <= 600 + kills * BATCH


@pytest.fixture
def palate(tmp_path: Path) -> Iterator[Recommender]:
    with Recommender.open(settings=Settings(folder=tmp_path / "data", cache_folder=tmp_path / "cache")) as found:
        found.put_items(thin_items(12))
        yield found


def test_recall_finds_an_item_by_what_was_written_and_forgets_it_when_taken_back(palate: Recommender) -> None:
    def _first() -> str:
        palate.parts.catalogue_changed()
        return palate.recommend("zed", "sailors in a submarine under ice", k=1, llm=False)[0].item.item_id

    plain = _first()
    item = palate.store.items(["i007"])[0]
    made = Enrichment(item_id="i007", text=SUBMARINE.strip(), tags=("War",), model="m", name="n", mark=mark_of(item))
    palate.store.put_generated({"i007": made.model_dump_json()})
    assert plain != "i007"
    assert _first() == "i007", "the index follows by itself"
    palate.store.remove_generated()
    assert _first() == plain


def test_no_reason_filter_or_answer_rests_on_it(palate: Recommender) -> None:
    palate.put_items([Item(item_id="liked", title="Das Boot", tags=("War",), text="Sailors in a submarine.")])
    item = palate.store.items(["i007"])[0]
    made = Enrichment(item_id="i007", text=SUBMARINE.strip(), tags=("War",), model="m", name="n", mark=mark_of(item))
    palate.store.put_generated({"i007": made.model_dump_json()})
    palate.parts.catalogue_changed()
    palate.tell("ada", likes=["Das Boot"])
    slate = palate.recommend("ada", "a submarine", k=12, llm=False)
    found = next(r for r in slate if r.item.item_id == "i007")
    assert found.item == item
    assert found.rationale is not None
    shown = json.dumps(slate.as_json()["recommendations"][found.rank - 1]["rationale"])
    assert "War" not in shown
    assert "ubmarine" not in found.rationale.sentence.replace("a submarine", "")
    assert not any("ice" in text or text == "War" for _, text in field_texts(found.item))
    liked = palate.store.items(["liked"])
    claimed = check("Another War story, like Das Boot.", found.item, liked, None, {"War", "Drama"})
    assert "War" in [claim.text for claim in claimed.unsupported]
    assert not parse_where("tags=War").matches(found.item)
    assert "i007" not in {r.item.item_id for r in palate.recommend("ada", k=12, where="tags=War", llm=False)}


def test_forgetting_items_forgets_what_was_written(store: Store) -> None:
    run(store, model())
    store.remove_items(["i000"])
    assert "i000" not in store.generated()


def test_events_and_people_are_untouched_by_taking_it_back(store: Store) -> None:
    store.put_events([Event(user_id="u", kind=EventKind.LIKE, item_id="i000", at=datetime(2026, 1, 1, tzinfo=UTC))])
    run(store, model())
    store.remove_generated()
    assert (store.count_items(), store.count_events(), store.generated()) == (40, 1, {})


@pytest.mark.parametrize("task", ["enrich-describe", "enrich-describe-chat", "enrich-tags", "enrich-tags-chat"])
def test_both_languages_take_the_same_variables(task: str) -> None:
    assert prompts.load(task, "en").variables == prompts.load(task, "zh").variables


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("enriched")
    with Recommender.open(settings=Settings(folder=made)) as recommender:
        recommender.put_items(thin_items(3))
    return made


def palate_says(folder: Path, *arguments: str) -> object:
    command = [sys.executable, "-m", "agent.cli", "--folder", str(folder), "enrich", "--json", *arguments]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False, timeout=120)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


@pytest.mark.thorough
def test_the_command_with_the_real_model(folder: Path) -> None:
    planned = palate_says(folder, "--dry-run")
    assert isinstance(planned, dict)
    assert (planned["items"], planned["thin"], planned["waiting"]) == (3, 3, 3)
    assert planned["estimate_s"] >= 0, "the cache may hold them already"
    done = palate_says(folder, "--limit", "2")
    assert isinstance(done, dict)
    assert (done["waiting"], done["written"], done["left"]) == (2, 2, 1)
    shown = palate_says(folder, "--show", "Title 0")
    assert isinstance(shown, dict)
    assert shown["generated"] is True
    assert palate_says(folder, "--remove") == {"removed": 2}
    assert palate_says(folder, "--show", "Title 0") == {"item_id": "i000", "generated": None}
