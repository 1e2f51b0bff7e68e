"""The four tasks, each opened over a small data set and asked real cases; the model is a script, the rest is real."""

import gzip
import json
import shutil
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from agent.commands.options import Options
from agent.converse.told import newest
from agent.deadline import Deadline
from agent.errors import ConfigError, ModelUnavailable
from agent.llm.scripted import Scripted
from agent.parts.parts import Parts
from agent.rerank.base import Ranking
from agent.sections import RecallSettings
from agent.settings import Settings
from agent.types import Item, Slate
from eval.cases import Case, DataSet, Message
from eval.plan.cells import Cell
from eval.plan.config import checked
from eval.running.asked import Asked
from eval.running.doing import carry_out, folder_for
from eval.running.opening import CellOpener, OpenedCell
from eval.running.summary import Summary
from eval.systems import recall_order, slate_order, stage_order
from eval.tasks import TASKS, Opening, task_named
from eval.tasks.converse import wish_of
from tests.support.fake_ranker import FILMS

RERANKED = 4


class ByTitle:
    """Likes long titles, and remembers what it was asked."""

    name = "likelihood"

    def __init__(self) -> None:
        self.asked: list[tuple[list[str], list[str], str | None]] = []
        self.met: list[str] = []

    def precompute(self, items: Sequence[Item], deadline: Deadline) -> None:
        self.met += [item.item_id for item in items]

    def rank(
        self, history: Sequence[Item], candidates: Sequence[Item], wish: str | None, deadline: Deadline
    ) -> Ranking:
        self.asked.append(([h.item_id for h in history], [c.item_id for c in candidates], wish))
        return Ranking(tuple(10.0 * len(item.title) for item in candidates))


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("cache")


@pytest.fixture
def reranker() -> ByTitle:
    return ByTitle()


@pytest.fixture
def opening(cache: Path, tmp_path: Path, reranker: ByTitle) -> Iterator[Opening]:
    recall = RecallSettings(n_candidates=RERANKED)
    settings = Settings(folder=tmp_path / "untouched", cache_folder=cache, recall=recall, noun="films")
    with closing(Parts(settings)) as parts:
        yield Opening(settings, parts, Scripted(), reranker, silent, lambda _: None)
    assert not (tmp_path / "untouched").exists()


@contextmanager
def silent(_: str) -> Iterator[object]:
    yield lambda done, of: None


def films(folder: Path, *cases: dict[str, object], events: Sequence[dict[str, object]] = ()) -> DataSet:
    """The films with cases of one's own, each case with an id and a user where it names none."""
    shutil.copy(FILMS / "items.jsonl", folder / "items.jsonl")
    rows = [{"case_id": f"c{n}", "user_id": "u", "relevant": ["f4"], **case} for n, case in enumerate(cases)]
    (folder / "cases.jsonl").write_text("".join(f"{json.dumps(row)}\n" for row in rows))
    with gzip.open(folder / "events.jsonl.gz", "wt") as file:
        for at, event in enumerate(events):
            file.write(f"{json.dumps({'user_id': 'u', 'kind': 'like', 'at': at, **event})}\n")
    return DataSet.open(folder, ())


def answered(dataset: DataSet, task: str, opening: Opening) -> tuple[list[Case], list[Slate]]:
    cases = list(dataset.cases())
    with TASKS[task].open(dataset, opening) as answer:
        return cases, [answer(case) for case in cases]


def test_names_are_known_and_others_refused() -> None:
    assert list(TASKS) == ["rank", "recommend", "converse", "explain"]
    assert task_named("explain").needs == ("history",)
    with pytest.raises(ConfigError, match=r"there is no task 'sing'.*recommend"):
        task_named("sing")


def test_rank_orders_the_candidates(tmp_path: Path, opening: Opening, reranker: ByTitle) -> None:
    dataset = films(tmp_path, {"history": ["f3"], "candidates": ["f1", "f4", "f12"], "wish": "robots"})
    (case,), (slate,) = answered(dataset, "rank", opening)
    assert set(slate_order(case, slate)) == {"f1", "f4", "f12"}
    assert reranker.asked[0][0] == ["f3"]
    assert reranker.asked[0][2] == "robots"
    assert slate_order(case, slate)[0] == "f4"


def test_rank_reads_the_items_of_the_cases_to_come_together(
    tmp_path: Path, opening: Opening, reranker: ByTitle
) -> None:
    cases = [{"history": ["f3"], "candidates": ids} for ids in (["f1", "f4"], ["f4", "f12"], ["f2", "f4"])]
    dataset = films(tmp_path, *cases)
    with task_named("rank").open(dataset, replace(opening, limit=2)):
        assert reranker.met == ["f1", "f4", "f12"]
        assert reranker.asked == []


def test_a_model_that_cannot_read_items_ahead_is_asked_case_by_case(tmp_path: Path, opening: Opening) -> None:
    class Unable(ByTitle):
        def precompute(self, items: Sequence[Item], deadline: Deadline) -> None:
            raise ModelUnavailable("the model is down")

    told: list[str] = []
    dataset = films(tmp_path, {"history": ["f3"], "candidates": ["f1", "f4"]})
    _, slates = answered(dataset, "rank", replace(opening, reranker=Unable(), told=told.append))
    assert len(slates[0]) == 2
    assert told == ["items are read case by case: the model is down"]


def test_recommend_knows_the_events_and_shows_nothing_met(tmp_path: Path, opening: Opening, reranker: ByTitle) -> None:
    dataset = films(tmp_path, {}, events=[{"item_id": "f9"}, {"item_id": "f3"}, {"item_id": "f5", "kind": "view"}])
    (case,), (slate,) = answered(dataset, "recommend", opening)
    order = slate_order(case, slate)
    assert len(order) == len(set(order)) == 9
    assert not {"f9", "f3", "f5"} & set(order)
    history, shown, wish = reranker.asked[0]
    assert set(history) == {"f9", "f5", "f3"}
    assert len(shown) == RERANKED
    assert set(order[:RERANKED]) == set(shown)
    assert wish is None


def test_parts_go_on_in_recalls_order_below_what_was_reranked(tmp_path: Path, opening: Opening) -> None:
    dataset = films(tmp_path, {}, events=[{"item_id": "f9"}, {"item_id": "f3"}])
    (case,), (slate,) = answered(dataset, "recommend", opening)
    order, recalled = slate_order(case, slate), recall_order(case, slate)
    assert sorted(recalled) == sorted(order)
    assert recalled[RERANKED:] == order[RERANKED:]
    for stage in ("prior", "rerank"):
        assert stage_order(case, slate, stage)[RERANKED:] == order[RERANKED:]
    scores = [r.score for r in slate]
    assert scores == sorted(scores, reverse=True)


def test_recommend_takes_the_history_of_people_without_events(tmp_path: Path, opening: Opening) -> None:
    dataset = films(tmp_path, {"user_id": "new", "history": ["f9"]}, {"user_id": "nobody"})
    (known, cold), (slate, popular) = answered(dataset, "recommend", opening)
    assert slate_order(known, slate)[0] != "f9"
    assert "f10" in slate_order(known, slate)[:RERANKED]
    assert recall_order(cold, popular)[0] == "f9"


def test_converse_hears_the_last_words_and_names_nothing_again(
    tmp_path: Path, opening: Opening, reranker: ByTitle
) -> None:
    messages = [
        {"role": "assistant", "content": "What do you like?"},
        {"role": "user", "content": "Crime like Midnight  Ledger"},
    ]
    dataset = films(tmp_path, {"messages": messages, "mentioned": ["f5"]})
    (case,), (slate,) = answered(dataset, "converse", opening)
    assert "f5" not in slate_order(case, slate)
    assert "f6" in slate_order(case, slate)[:RERANKED]
    assert reranker.asked[0][0] == ["f5"]
    assert reranker.asked[0][2] == "What do you like?\nCrime like Midnight Ledger"


TALKED = [
    {"role": "user", "content": "I loved Starhold but I hated Midnight Ledger"},
    {"role": "assistant", "content": "What shall it be then?"},
    {"role": "user", "content": "Can you recommend a good comedy from after 2002?"},
]


def test_a_conversation_is_heard_message_by_message(tmp_path: Path, opening: Opening, reranker: ByTitle) -> None:
    dataset = films(tmp_path, {"messages": TALKED, "mentioned": ["f9", "f5"]})
    (case,), (slate,) = answered(dataset, "converse", replace(opening, path="talk"))
    order = slate_order(case, slate)
    assert not {"f9", "f5"} & set(order)
    liked, _, wish = reranker.asked[0]
    assert liked == ["f9"]  # f5 was named too, and hated
    assert wish is not None
    assert wish.splitlines() == [str(one["content"]) for one in TALKED]  # told in prose: sought by all its words
    assert set(order[:2]) <= {"f4", "f12"}  # the comedies that are young enough


def test_a_message_that_calls_for_no_slate_is_answered_with_what_is_known(
    tmp_path: Path, opening: Opening, reranker: ByTitle
) -> None:
    told: list[str] = []
    thanks = {"role": "user", "content": "Thank you so much!"}
    talk, silence = ({"messages": [*TALKED, thanks]}, {"messages": [{"role": "assistant", "content": "Hello!"}]})
    dataset = films(tmp_path, talk, silence)
    cases, slates = answered(dataset, "converse", replace(opening, path="talk", told=told.append))
    orders = [slate_order(case, slate) for case, slate in zip(cases, slates, strict=True)]
    assert set(orders[0][:2]) <= {"f4", "f12"}
    assert len(orders[1]) == 12
    assert told == ["1 of 2 last messages got no slate (talk 1): what was known then is ranked"]


def test_only_the_words_since_the_last_list_are_sought_by(tmp_path: Path, opening: Opening, reranker: ByTitle) -> None:
    listed = {"role": "assistant", "content": "1. Robot Picnic (2001)\n2. Wasps! (2006)"}
    dataset = films(tmp_path, {"messages": [*TALKED, listed, {"role": "user", "content": "Something with more drama"}]})
    answered(dataset, "converse", replace(opening, path="talk"))
    wish = reranker.asked[0][2]
    assert wish is not None
    assert "Starhold" not in wish
    assert newest("a\nb", 3) == "a\nb"
    assert newest("old words\nnew", 6) == "new"
    assert newest("a long one", 3) == "one"


def test_only_conversations_can_be_talked_through() -> None:
    with pytest.raises(ConfigError, match="paths: only cases of converse"):
        checked({"data": "films", "task": "recommend", "paths": ["talk"]}, "eval.yaml")


def test_the_wish_is_the_newest_messages_that_fit() -> None:
    said = [Message(role="user", content=text) for text in ("aaaa", "bb", "cc")]
    assert wish_of(said) == "aaaa\nbb\ncc"
    assert wish_of(said, max_chars=6) == "bb\ncc"
    assert wish_of([Message(role="user", content="a long one")], max_chars=3) == "one"
    assert wish_of([]) == ""


def test_a_message_without_a_known_role_is_a_bad_line(tmp_path: Path) -> None:
    with pytest.raises(Exception, match=r"line 1: messages.0.role"):
        films(tmp_path, {"messages": [{"role": "ghost", "content": "hoo"}]})


def test_explain_gives_every_item_a_sentence_with_evidence(tmp_path: Path, opening: Opening) -> None:
    dataset = films(
        tmp_path,
        {"history": ["f3", "f5"], "relevant": ["f4", "f6"]},
        {"history": ["f5"], "candidates": ["f6", "f1", "f2", "f7", "f8", "f9"]},
    )
    _, (few, many) = answered(dataset, "explain", opening)
    assert [r.item.item_id for r in few] == ["f4", "f6"]
    assert [r.item.item_id for r in many] == ["f6", "f1", "f2", "f7", "f8"]
    for recommendation in (*few, *many):
        why = recommendation.rationale
        assert why is not None
        assert why.sentence
        assert why.evidence
        assert why.source == "composed"
    assert "en/rationale-compose" in few.prompts


def test_a_run_of_explain_is_scored_by_its_sentences_though_the_data_hold_orders(opening: Opening) -> None:
    @contextmanager
    def opens(_: object) -> Iterator[CellOpener]:
        @contextmanager
        def open_cell(_: Cell, dataset: DataSet) -> Iterator[OpenedCell]:
            with TASKS["explain"].open(dataset, opening) as answer:
                yield OpenedCell(answer, {"name": "scripted"})

        yield open_cell

    asked = Asked.of(None, {"task": "explain", "data": [str(FILMS)], "models": ["openai:fake"]}, Options())
    with folder_for(asked, None) as folder:
        carry_out(asked, folder, opens)
        summary = Summary.of(folder)
    (result,) = summary.found.results.results
    assert result.metrics["grounding"].value == 1
    assert result.metrics["titles_known"].value == 1
    assert summary.rationales["model"]["unique_sentences"].n == 24
