"""Learning from behaviour: by hand, folded in at once, kept whole or not at all, and found by recall and ranking."""

import json
import sys
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pytest

from agent.cli import run
from agent.errors import NotFound
from agent.learn.acts import FACTORS, POPULARITY, TOGETHER, taken_up
from agent.learn.behaviour import Behaviour, behaviour_of
from agent.learn.factors import Factors
from agent.learn.learned import Learned, Recipe, learn
from agent.learn.neighbours import DECAY, SHRINKAGE, TAU, neighbours_of
from agent.parts.learning import learn_now, standing
from agent.recall.collaborative import WEIGHTS, Collaborative
from agent.recall.shelved import Shelved
from agent.recommender import Recommender
from agent.sections import LearnSettings
from agent.settings import Settings
from agent.types import Event, EventKind
from tests.support.vectors import catalogue

ITEMS = ("a", "b", "c", "d", "e")
START = datetime(2026, 1, 1, tzinfo=UTC)


def behaviour(*histories: str) -> Behaviour:
    return behaviour_of([list(history) for history in histories], ITEMS)


def acts(user: str, items: Sequence[str], kind: EventKind = EventKind.LIKE) -> list[Event]:
    return [
        Event(event_id=f"{user}-{kind}-{n}", user_id=user, kind=kind, item_id=i, at=START + timedelta(hours=n))
        for n, i in enumerate(items)
    ]


def test_behaviour_counts_an_item_once_and_knows_the_catalogue_alone() -> None:
    found = behaviour("abax", "x", "")
    assert (found.n_people, found.columns.tolist(), found.counts.tolist()) == (1, [0, 1], [1, 1, 0, 0, 0])


def test_clicks_skips_and_dislikes_are_not_taken_up() -> None:
    events = [*acts("u", ["a"]), *acts("u", ["b"], EventKind.DISLIKE), *acts("u", ["c"], EventKind.SKIP)]
    assert taken_up(events) == ["a"]


def test_neighbours_are_as_worked_by_hand() -> None:
    """a and b stand one apart with one person, two apart with another; three people took up a, two b."""
    found = neighbours_of(behaviour("ab", "acb", "a"), most=9).weights.toarray()
    expected = (np.exp(-1 / TAU) + np.exp(-2 / TAU)) / (np.sqrt(3 * 2) + SHRINKAGE)
    assert found[0, 1] == pytest.approx(expected, rel=1e-5)
    assert found[1, 0] == pytest.approx(expected, rel=1e-5)
    assert not found.diagonal().any()


def test_a_pair_is_kept_where_either_side_wants_it() -> None:
    found = neighbours_of(behaviour("ab", "ab", "ab", "ac"), most=1).weights.toarray()
    assert found[2, 0] > 0  # a is all that c has, though b is nearer to a
    assert found[0, 2] == found[2, 0]
    assert neighbours_of(behaviour("abc"), most=1).n_pairs == 4  # b's best is a, c's is b


def test_newer_items_ask_louder() -> None:
    learned = learn(behaviour("ab", "ab", "cd", "cd"), Recipe(factors=0))
    together = learned.together(["a", "c"])
    assert together[3] / together[1] == pytest.approx(np.exp(DECAY), rel=1e-4)
    assert learned.because(["a", "c"], "b") == "a"
    assert learned.because(["a", "c"], "e") is None


def test_folding_in_solves_the_equation_of_the_paper() -> None:
    rng = np.random.default_rng(0)
    factors = Factors(rng.normal(size=(5, 3)).astype(np.float32), alpha=4.0, regularisation=0.5)
    x = factors.person(np.array([1, 3], dtype=np.int32))
    confidence = np.diag([1.0, 4.0, 1.0, 4.0, 1.0])
    liked = np.array([0.0, 1.0, 0.0, 1.0, 0.0])
    items = factors.items.astype(np.float64)
    expected = np.linalg.solve(items.T @ confidence @ items + 0.5 * np.eye(3), items.T @ confidence @ liked)
    np.testing.assert_allclose(x, expected, rtol=1e-4)


def test_signals_leave_out_what_says_nothing() -> None:
    learned = learn(behaviour("ab", "ab", "ba", "cd", "cd", "dc"), Recipe(factors=2, regularisation=0.1))
    cold = learned.signals([], ["b", "d", "new"])
    assert list(cold) == [POPULARITY]
    warm = learned.signals(["a"], ["b", "d", "new"])
    assert warm[TOGETHER][0] > warm[TOGETHER][1] == warm[TOGETHER][2] == 0.0
    assert warm[FACTORS][0] > warm[FACTORS][2] > warm[FACTORS][1]  # nobody's item is not held back
    assert warm[POPULARITY] == pytest.approx([np.log(4), np.log(4), 0.0])


def test_without_the_library_the_rest_is_learned(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "implicit", None)  # as on a machine without the extra
    learned = learn(behaviour("ab", "ab"))
    assert learned.factors is None
    assert list(learned.signals(["a"], ["b"])) == [POPULARITY, TOGETHER]


def blocks(n: int = 60) -> Learned:
    """Two circles of people: one takes up items i0000 to i0029, the other i0030 to i0059; i0061 and later nobody's."""
    rng = np.random.default_rng(1)
    items = [item.item_id for item in catalogue(n + 10)]
    halves = [items[: n // 2], items[n // 2 : n]]
    histories = [list(rng.permutation(halves[k % 2])[:12]) for k in range(80)]
    return learn(behaviour_of(histories, items), Recipe(factors=8))


@pytest.fixture(scope="module")
def learned() -> Learned:
    return blocks()


def test_the_index_finds_what_comparing_all_finds(learned: Learned, tmp_path: Path, record: object) -> None:
    with_index = Shelved.open(tmp_path)
    kept = with_index.keep(learned, record)
    exact, history = Collaborative(learned), ["i0001", "i0002"]
    for source in WEIGHTS:
        found, wanted = (one.search(source, history, 15, {"i0001", "i0002"}) for one in (kept, exact))
        assert [c.rank for c in found] == list(range(1, 16))
        assert {c.item_id for c in found} == {c.item_id for c in wanted}
    assert all(c.item_id < "i0030" for c in kept.factors(history, 15))
    with_index.close()


@pytest.fixture
def record() -> object:
    from agent.recall.shelved import Record

    return Record("", "2026-01-01", 80, 960, 60, 0, 8, "v1", {})


def test_what_is_kept_comes_back_and_damage_is_told(learned: Learned, tmp_path: Path, record: object) -> None:
    shelved = Shelved.open(tmp_path)
    shelved.keep(learned, record)
    first = shelved.record.version
    shelved.keep(learned, record)
    assert len(list((tmp_path / "learned").glob("learned-*.npz"))) == 1
    shelved.close()
    again = Shelved.open(tmp_path)
    assert again.record.version != first
    assert again.problem == ""
    np.testing.assert_array_equal(again.collaborative.learned.together(["i0001"]), learned.together(["i0001"]))
    file = tmp_path / "learned" / f"{again.record.version}.npz"
    again.close()
    file.write_bytes(file.read_bytes()[:-10])
    damaged = Shelved.open(tmp_path)
    assert (damaged.collaborative, damaged.problem) == (None, "its file is damaged")
    damaged.close()


def test_an_interruption_leaves_the_older_one(learned: Learned, tmp_path: Path, record: object) -> None:
    shelved = Shelved.open(tmp_path)
    shelved.keep(learned, record)
    version = shelved.record.version
    shelved.close()
    (tmp_path / "learned" / "learned-0123.npz").write_bytes(b"half")  # as left by a kill before the switch
    again = Shelved.open(tmp_path)
    assert again.record.version == version
    assert again.problem == ""
    again.close()


@pytest.fixture
def recommender(tmp_path: Path) -> Iterator[Recommender]:
    settings = Settings(
        folder=tmp_path / "data", cache_folder=tmp_path / "cache", learn=LearnSettings(every_events=20, factors=8)
    )
    with Recommender.open(settings=settings) as opened:
        opened.put_items(catalogue(40))
        yield opened


def crowd(recommender: Recommender) -> None:
    """Twenty people in two circles, by items of even and of odd number."""
    ids = [item.item_id for item in catalogue(40)][:36]
    rng = np.random.default_rng(2)
    for n in range(20):
        own = [str(i) for i in rng.permutation(ids[n % 2 :: 2])[:8]]
        recommender.put_events(acts(f"p{n}", own))


def test_what_was_learned_joins_recall_and_the_path(recommender: Recommender) -> None:
    assert standing(recommender.parts).record is None
    with pytest.raises(NotFound, match="nobody has taken anything up"):
        learn_now(recommender.parts)
    crowd(recommender)
    assert standing(recommender.parts).due
    found, notes = learn_now(recommender.parts)
    assert (found.due, found.changed, found.record.people, notes) == (False, 0, 20, ())
    recommender.put_events(acts("ada", ["i0000", "i0002"]))
    slate = recommender.recommend("ada", k=8, llm=False)
    even = sum(int(r.item.item_id[1:]) % 2 == 0 for r in slate)
    assert even >= 7
    assert {TOGETHER, FACTORS, POPULARITY} <= {step.source for step in slate[0].path}


def test_a_new_act_counts_at_once(recommender: Recommender) -> None:
    crowd(recommender)
    learn_now(recommender.parts)
    recommender.put_events(acts("ada", ["i0000", "i0002"]))
    before = {r.item.item_id for r in recommender.recommend("ada", k=8, llm=False)}
    newest = [event.model_copy(update={"at": START + timedelta(days=9), "event_id": f"n{n}"})
              for n, event in enumerate(acts("ada", ["i0001", "i0003", "i0005"]))]  # fmt: skip
    recommender.put_events(newest)
    after = [r.item.item_id for r in recommender.recommend("ada", k=8, llm=False)]
    assert sum(int(i[1:]) % 2 for i in after) > sum(int(i[1:]) % 2 for i in before)


def test_cold_items_and_cold_people_still_come(recommender: Recommender) -> None:
    crowd(recommender)
    learn_now(recommender.parts)
    assert len(recommender.recommend("nobody", k=5, llm=False)) == 5
    recommender.put_items([item for item in catalogue(45) if item.item_id >= "i0040"])
    recommender.put_events(acts("ada", ["i0040"]))  # nobody's item alone
    assert len(recommender.recommend("ada", k=40, llm=False)) == 40


def test_filters_and_a_smaller_catalogue_hold(recommender: Recommender) -> None:
    crowd(recommender)
    learn_now(recommender.parts)
    recommender.put_events(acts("ada", ["i0000", "i0002"]))
    slate = recommender.recommend("ada", k=8, where="year<1970", llm=False)
    assert all((r.item.year or 0) < 1970 for r in slate)
    recommender.store.remove_items(["i0004", "i0006"])
    recommender.parts.catalogue_changed()
    assert not {"i0004", "i0006"} & {r.item.item_id for r in recommender.recommend("ada", k=30, llm=False)}


def test_the_command_learns_when_it_is_due(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    items = tmp_path / "items.jsonl"
    items.write_text("".join(f'{{"item_id": "i{n}", "title": "T{n}", "tags": ["x"]}}\n' for n in range(12)))
    rows = [{"user_id": f"u{n % 5}", "item_id": f"i{(3 * n) % 12}", "kind": "like", "at": n} for n in range(30)]
    events = tmp_path / "events.jsonl"
    events.write_text("".join(f"{json.dumps(row)}\n" for row in rows))
    config = tmp_path / "palate.toml"
    config.write_text(f'folder = "data"\ncache_folder = "{tmp_path / "cache"}"\n[learn]\nevery_events = 10\n')

    def palate(*arguments: str) -> str:
        assert run(["--config", str(config), *arguments]) == 0
        return capsys.readouterr().out

    palate("load", str(items))
    assert palate("learn", "--dry-run").startswith("nothing was learned yet; there are 0 events")
    palate("load", str(events), "--events")
    told = json.loads(palate("learn", "--if-due", "--json"))
    assert told["done"]
    assert told["learned"]["people"] == 5
    again = json.loads(palate("learn", "--if-due", "--json"))
    assert (again["done"], again["changed_events"], again["learned"]) == (False, 0, told["learned"])


def test_what_was_learned_is_whole_when_it_is_searched_and_opened_again(tmp_path: Path) -> None:
    settings = Settings(folder=tmp_path, learn=LearnSettings(factors=8))
    with Recommender.open(settings=settings) as palate:
        palate.put_items(catalogue(12))
        palate.put_events(acts("u", [item.item_id for item in palate.store.items()][:5]))
        learn_now(palate.parts)
    for _ in range(3):
        with Recommender.open(settings=settings) as palate:
            assert standing(palate.parts).problem == ""
            found = palate.parts.collaborative
            assert found is not None
            assert found.factors([palate.store.items()[0].item_id], 2)
