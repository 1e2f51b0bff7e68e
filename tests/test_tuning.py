"""Settings of recall chosen by data: what recall reads, fusion in arrays, search, verdict, file."""

from __future__ import annotations

import gzip
import json
import tomllib
from collections.abc import Iterator
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path

import pytest

import prompts
from agent.cli import run
from agent.errors import ConfigError
from agent.llm.scripted import Scripted
from agent.parts.parts import Parts
from agent.path.stages import recall, searched
from agent.recall.generated import Generator
from agent.recall.weights import FAMILIES, SHIPPED, weighed
from agent.settings import Settings, load_settings
from agent.store.cache import Cache
from agent.toml_file import write_values
from eval.cases import DataSet
from eval.learning import taught
from eval.metrics import per_case
from eval.recall.asking import asked
from eval.recall.measure import CUTS, METRICS
from eval.tasks.catalogue import open_folder
from eval.tuning.drawing import as_json, draw, sentence
from eval.tuning.gathering import Gatherer, Listed, Lists, even, generators
from eval.tuning.packed import NOWHERE, Packed
from eval.tuning.report import LEAST_PEOPLE, Tuned, tuned
from eval.tuning.searching import search
from eval.tuning.space import GENERATED, Choice, Space, Writing, current, writings_of, written_row
from eval.tuning.writing import write

ITEMS = Path(__file__).parent / "support" / "films" / "items.jsonl"
WEIGHTS = {"taste": 0.5, "together": 3.0, "factors": 0.0}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Twelve films, thirty people who like three in a row, half of them with a wish, and one who likes nine."""
    made = tmp_path_factory.mktemp("tuning")
    (made / "items.jsonl").write_bytes(ITEMS.read_bytes())
    with gzip.open(made / "events.jsonl.gz", "wt") as file, (made / "cases.jsonl").open("w") as cases:
        for n in range(31):
            for at in range(3 if n < 30 else 9):
                film = f"f{(n + at) % 12 + 1}"
                file.write(json.dumps({"user_id": f"u{n}", "item_id": film, "kind": "like", "at": at}) + "\n")
            case = {"case_id": f"c{n}", "user_id": f"u{n}", "relevant": [f"f{(n + 3) % 12 + 1}"]}
            cases.write(json.dumps({**case, **({"wish": "a film about robots"} if n % 2 else {})}) + "\n")
    return made


def _silent(_doing: str) -> nullcontext[object]:
    return nullcontext(lambda _done, _of: None)


@pytest.fixture(scope="module")
def parts(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Parts]:
    settings = even(Settings(folder=tmp_path_factory.mktemp("own"), noun="films"))
    with open_folder(DataSet.open(folder, ()), settings, _silent, lambda _line: None) as opened:  # type: ignore[arg-type]
        yield opened


@pytest.fixture(scope="module")
def gathered(folder: Path, parts: Parts) -> list[Lists]:
    dataset = DataSet.open(folder, ())
    return Gatherer(parts, (1, 2), {}).gather(dataset, "recommend", taught=taught(dataset, parts.settings.learn))


def with_weights(parts: Parts, **changes: object) -> Iterator[None]:
    """The parts under other settings of recall, for a while."""
    before = parts.settings
    parts.settings = before.model_copy(update={"recall": before.recall.model_copy(update=changes)})
    yield
    parts.settings = before


def test_every_source_that_can_be_weighed_ships_a_weight() -> None:
    assert set(FAMILIES) == set(SHIPPED)
    assert weighed("centre:2", 0.3, {}) == 0.3
    assert weighed("wish", 2.0, {"wish": 5.0}) == 5.0
    assert weighed("interest:Drama", 0.4, {"interest": 2.0}) == pytest.approx(0.8), "its share stays"
    assert weighed("picture", 1.0, {"wish": 5.0}) == 1.0


def test_weights_are_settings_from_file_and_environment(tmp_path: Path) -> None:
    file = tmp_path / "palate.toml"
    file.write_text("[recall]\nweights = {taste = 2, together = 0.5}\n")
    assert load_settings(file, environment={}).settings.recall.weights == {"taste": 2.0, "together": 0.5}
    named = {"PALATE_RECALL_WEIGHTS": "taste=3, factors=0"}
    assert load_settings(environment=named).settings.recall.weights == {"taste": 3.0, "factors": 0.0}
    for wrong, told in (("tastes=1", "should be"), ("taste", "is no weight"), ("taste=-1", "greater than")):
        with pytest.raises(ConfigError, match=told):
            load_settings(environment={"PALATE_RECALL_WEIGHTS": wrong})


def test_recall_heeds_the_weights_and_asks_no_source_of_weight_0(folder: Path, parts: Parts) -> None:
    dataset = DataSet.open(folder, ())
    lessons = taught(dataset, parts.settings.learn)
    one = next(asked(dataset, parts, "recommend", None, 0, lessons))
    for _ in with_weights(parts, weights={"taste": 3.0, "together": 0.0}):
        found = {f.source: f.weight for f in searched(parts, one.person, one.wish, None, 10, (), one.learned)}
    assert found["taste"] == 3.0
    assert "together" not in found
    assert found["popularity"] == SHIPPED["popularity"]
    for _ in with_weights(parts, weights=dict.fromkeys(FAMILIES, 0.0)):
        assert searched(parts, one.person, one.wish, None, 10, (), one.learned) == []
        only = recall(parts, one.person, None, None, 3, (), one.learned)
    assert {c.source for c in only} == {"popular"}, "what nobody finds is filled up"


def test_fused_in_arrays_as_recall_fuses_it(folder: Path, parts: Parts, gathered: list[Lists]) -> None:
    dataset = DataSet.open(folder, ())
    choice = replace(current(Settings(), ("taste", "wish", "together", "factors", "popularity")), beside_wish=0.1)
    for name, weight in WEIGHTS.items():
        choice = choice.having(name, weight)
    orders: dict[str, tuple[str, ...]] = {}
    for _ in with_weights(parts, weights=WEIGHTS, beside_wish=0.1):
        for one in asked(dataset, parts, "recommend", None, 0, taught(dataset, parts.settings.learn)):
            ids = [c.item_id for c in recall(parts, one.person, one.wish, None, 5, (), one.learned)]
            orders[one.case.case_id] = tuple(ids)
    relevant = {one.case_id: one.relevant for one in gathered}
    cuts = (1, 2, 3, 5)
    truth = per_case(orders, relevant, [f"recall@{cut}" for cut in cuts])
    for cut, values in zip(cuts, Packed.of(gathered).recall(choice, *cuts), strict=True):
        assert values.tolist() == list(truth[f"recall@{cut}"].values())
    assert 0 < sum(truth["recall@3"].values()) < len(gathered), "a test that could fail"


def test_ties_go_by_item_id_and_what_no_chosen_source_finds_is_nowhere() -> None:
    rows = {"taste": (Listed(1.0, ("b", "c")),), "together": (Listed(1.0, ("c", "b")),), "wish": (Listed(1.0, ("z",)),)}
    packed = Packed.of([Lists("1", "u", ("c", "z", "q"), False, rows, {}), Lists("2", "v", ("q",), True, rows, {})])
    choice = Choice({"taste": 1.0, "together": 1.0}, 1.0)
    assert packed.ranks(choice).tolist() == [2, NOWHERE]
    assert packed.ranks(choice.having("wish", 9.0)).tolist() == [3, 1]
    assert [values.tolist() for values in packed.recall(choice, 1, 2)] == [[0.0, 0.0], [1 / 3, 0.0]]
    nothing = Packed.of([Lists("1", "u", ("q",), False, rows, {})])
    assert nothing.recall(choice, 5)[0].tolist() == [0.0]


def test_centres_and_queries_of_a_model_are_rows_of_their_own(
    folder: Path, parts: Parts, gathered: list[Lists]
) -> None:
    assert len(gathered[30].rows["centre@2"]) == 2
    assert sum(one.share for one in gathered[30].rows["centre@2"]) == pytest.approx(1.0)
    model = Scripted(lambda _p, _s: " Comedy. Robots in a kitchen take a day off", abilities=["continue"])
    writing = Writing(1)
    writer = Generator(model, prompts.load("recall-generate"), Cache(None))
    found = Gatherer(parts, (1,), {writing: writer}).gather(DataSet.open(folder, ()), "recommend", 6)
    assert [set(one.rows) for one in found][:2] == [{"taste", "generated@1"}, {"taste", "wish", "generated@1"}]
    assert found[5].rows[written_row(writing)][0].ids[0] == "f3", "Robot Picnic"
    choice = Choice({"taste": 1.0, "centre": 0.5, GENERATED: 0.25}, 1.0)
    assert choice.rows == {"taste": 1.0}
    assert replace(choice, centres=4, writing=writing).rows == {"taste": 1.0, "centre@4": 0.5, "generated@1": 0.25}
    assert generators(parts, (None,)) == {}, "no model is opened where none is to write"
    assert writings_of(Settings(), (0, 2), (Path("p"),)) == (None, Writing(2), Writing(2, Path("p")))


def test_the_search_climbs_one_setting_after_another_and_leaves_out_what_adds_nothing() -> None:
    space = Space(("taste", "together", "factors"), True, (1, 2), (None, Writing(2)))
    start = current(Settings(), space.families)

    def _score(choice: Choice) -> float:
        return -abs(choice["taste"] - 8) - abs(choice["together"] - 0.25) + (choice.beside_wish == 0.5)

    best = search(space, [start], _score)
    assert (best.choice["taste"], best.choice["together"], best.choice.beside_wish) == (8.0, 0.25, 0.5)
    assert best.choice.families == ("taste", "together"), "factors added nothing"
    assert best.looked_at > 20
    even_start = search(space, [start], lambda _choice: 1.0).choice
    assert len(even_start.families) == 1, "one source is as good as all"
    with pytest.raises(ValueError, match="starts somewhere"):
        search(space, [], _score)


def made_up(n: int, good: str, bad: str) -> list[Lists]:
    """Cases in which one source finds the answer first, and the other one hides it behind a hundred others."""
    noise = tuple(f"x{place:03}" for place in range(100))
    rows = {good: (Listed(1.0, ("a",)),), bad: (Listed(1.0, (*noise, "a")),)}
    return [Lists(f"c{case}", f"u{case}", ("a",), False, rows, {good: 1.0, bad: 2.0}) for case in range(n)]


def fitted(cases: list[Lists]) -> Tuned:
    now = Settings().model_copy(
        update={"recall": Settings().recall.model_copy(update={"weights": {"together": 200.0}})}
    )
    space = Space(("taste", "together"), False, (1,), (None,))
    return tuned(cases, space, now, current(now, space.families), "recall@20", 1)


def test_a_better_choice_is_shown_on_people_it_was_not_fitted_on(capsys: pytest.CaptureFixture[str]) -> None:
    found = fitted(made_up(60, "taste", "together"))
    assert found.better
    assert (found.fitted.before, found.fitted.after, found.chosen.families) == (0.0, 1.0, ("taste",))
    assert found.fitted.people + found.people == 60
    assert min(found.fitted.people, found.people) >= LEAST_PEOPLE
    assert found.settings["recall.weights"] == ({"together": 200.0, "taste": 1.0}, {"together": 0.0, "taste": 1.0})
    assert {row.name: row.p50_ms for row in found.rows} == {"current": 3.0, "chosen": 1.0, "taste": 1.0}
    draw(found, {"task": "recommend"})
    drawn = capsys.readouterr().out
    assert "chosen beats current: recall@20 +1.000" in drawn
    assert "together=0" in drawn


def test_settings_that_are_as_good_as_any_stay() -> None:
    found = fitted(made_up(60, "together", "taste"))
    assert not found.better
    assert found.gain is None
    assert "no settings were found" in sentence(found)
    assert as_json(found, {}, None)["better"] is False
    with pytest.raises(ConfigError, match="too few for two halves"):
        fitted(made_up(LEAST_PEOPLE, "taste", "together"))


def test_a_gain_is_better_only_where_its_p_shows_it_too() -> None:
    found = fitted(made_up(60, "taste", "together"))
    assert found.gain is not None
    doubtful = replace(found, gain=replace(found.gain, p_holm=dict.fromkeys(METRICS, 0.06)))
    assert not doubtful.better
    assert "is not shown to differ" in sentence(doubtful)


def test_a_choice_without_generated_queries_has_the_model_write_none() -> None:
    now, writing = Settings(), Writing(4)
    space = Space(("taste",), False, (1,), (None, writing))
    best = search(space, [Choice({"taste": 1.0, GENERATED: 1.0}, 1.0, 1, writing)], lambda _choice: 1.0)
    assert best.choice.without(GENERATED).writing is None
    chosen = space.settings(best.choice, now)
    assert chosen["recall.generated"] == 0
    assert "recall.generated_weight" not in chosen


def test_the_choice_and_its_evidence_are_settings_that_load(tmp_path: Path) -> None:
    found, file = fitted(made_up(60, "taste", "together")), tmp_path / "palate.toml"
    file.write_text('# mine\nnoun = "films"  # kept\n\n[recall]\nper_query = 50\n\n[learn]\nfactors = 8\n')
    write(file, found, {"task": "recommend", "metric": "recall@20", "model": None})
    write(file, found, {"task": "recommend", "metric": "recall@20", "model": None})
    tables = tomllib.loads(file.read_text())
    assert tables["recall"] == {"per_query": 50, "weights": {"together": 0.0, "taste": 1.0}}
    record = tables["tuned"]["recall"]
    assert (record["task"], record["current"], record["chosen"], record["low"] > 0) == ("recommend", 0.0, 1.0, True)
    assert "model" not in record
    text = file.read_text()
    assert text.startswith('# mine\nnoun = "films"  # kept\n')
    assert text.count("[tuned.recall]") == text.count("weights =") == 1
    settings = load_settings(file, environment={}).settings
    assert (settings.noun, settings.learn.factors) == ("films", 8)
    assert settings.recall.weights == {"together": 0.0, "taste": 1.0}
    assert settings.profile.centres == 1


def test_values_of_every_form_are_written_whole_or_not_at_all(tmp_path: Path) -> None:
    file = tmp_path / "palate.toml"
    values = [("", "prompts", "p"), ("a.b", "x", {"y z": 1.5}), ("a.b", "n", [1, True]), ("a.b", "x", {"q": 2})]
    write_values(file, values)
    assert tomllib.loads(file.read_text()) == {"prompts": "p", "a": {"b": {"x": {"q": 2}, "n": [1, True]}}}
    file.write_text("[recall.weights]\ntaste = 1\n")
    with pytest.raises(ConfigError, match=r"Write recall\.weights = \{taste = 2\.0\} into it by hand"):
        write_values(file, [("learn", "factors", 3), ("recall", "weights", {"taste": 2.0})])
    assert file.read_text() == "[recall.weights]\ntaste = 1\n"


def test_the_command_refuses_what_is_not_better_and_writes_nothing(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["tune", "recall", "--data", str(folder), "--json", "--write", str(tmp_path / "palate.toml")]) == 3
    told = capsys.readouterr()
    shape = json.loads(told.out)
    assert set(shape) == {
        *("task", "data", "data_sha256", "metric", "seed", "learn", "model", "fitted_on", "held_out", "missing"),
        *("settings", "results", "gain", "adds", "better", "verdict", "written"),
    }  # fmt: skip
    assert (shape["better"], shape["written"], shape["model"]) == (False, None, None)
    assert set(shape["results"][0]["metrics"]) == set(METRICS)
    assert len(CUTS) == len(METRICS)
    assert shape["fitted_on"]["n"] + shape["held_out"]["n"] == 31
    assert "nothing was written" in told.err
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("more", "told"),
    [(("--metric", "ndcg@10"), "recall is not fitted by 'ndcg@10'"), (("--generated", "x"), "no list of numbers")],
)
def test_the_command_says_what_it_cannot_do(
    folder: Path, more: tuple[str, ...], told: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["tune", "recall", "--data", str(folder), *more]) == 2
    assert told in capsys.readouterr().err


def test_the_command_writes_what_beats_the_settings_in_force(folder: Path, tmp_path: Path) -> None:
    file = tmp_path / "palate.toml"
    nothing = ", ".join(f"{family} = 0" for family in FAMILIES)
    file.write_text(f"# mine\n[recall]\nweights = {{{nothing}}}  # finds nothing\n")
    asks = ["tune", "recall", "--data", str(folder), "--learn", "--metric", "recall@20", "--write", str(file)]
    assert run(["--config", str(file), *asks]) == 0
    assert file.read_text().startswith("# mine\n[recall]\nweights = {wish = ")
    settings = load_settings(file, environment={}).settings
    assert any(settings.recall.weights.values())
    record = tomllib.loads(file.read_text())["tuned"]["recall"]
    assert (record["current"], record["learn"], record["metric"]) == (0.0, True, "recall@20")
    assert record["low"] > 0
    assert run(["--config", str(file), *asks]) == 3, "and stays with it"
