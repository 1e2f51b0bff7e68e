"""`palate eval probe` from its flags to its JSON, and the strategy that it asks."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from types import MappingProxyType

import pytest
from typer.testing import CliRunner, Result

from agent.deadline import Deadline
from agent.errors import CatalogueError, ConfigError, ModelUnavailable
from agent.llm.base import Model
from agent.llm.scripted import Scripted
from agent.rerank.strategies import Workshop
from agent.settings import Settings, load_settings
from agent.store.cache import Cache
from agent.types import Item
from eval.cases import DataSet
from eval.commands import app as eval_app
from eval.probe.asking import Answer, Asker, Question, Strategy, open_strategy, wrong_ids
from eval.probe.command import probes_with
from eval.probe.hostile import HOSTILE
from eval.probe.injection import injection
from eval.probe.probes import Given, run
from eval.probe.remembering import Remembering
from tests.support.fake_ranker import FILMS
from tests.support.judging import judge

NAMES = ("position", "history", "paraphrase", "injection")
ROW = {"variant", "about", "against", "n", "undecided", "failed", "ndcg@10", "change", "place", "lift", "tau",
       "top_changed"}  # fmt: skip


def by_length(line: str) -> float:
    return 5 - len(line) / 40


def probe(
    *arguments: object, model: Model | None = None, seen: list[Settings] | None = None, columns: int = 160
) -> Result:
    @contextmanager
    def opener(settings: Settings, told: object) -> Iterator[Asker]:
        if seen is not None:
            seen.append(settings)
        workshop = Workshop(model or judge(by_length), Cache(None), settings.language, settings.noun)
        about = {"reference": "fake", "fingerprint": "cd" * 32, "strategy": settings.rerank.strategy}
        yield Strategy(workshop, settings.rerank.strategy, about, 60.0)

    return CliRunner().invoke(probes_with(opener), [str(a) for a in arguments], env={"COLUMNS": str(columns)})


def few(name: str) -> tuple[object, ...]:
    """The flags that keep a probe short."""
    return ("--texts", 12) if name == "injection" else ()


@pytest.mark.parametrize("name", NAMES)
def test_the_json_has_the_documented_shape(name: str) -> None:
    result = probe(name, "--data", FILMS, "--json", "--strategy", "likelihood", *few(name))
    assert result.exit_code == 0, result.output
    found = json.loads(result.stdout)
    assert set(found) == {
        "probe", "about", "limit", "seed", "model", "dataset", "rows", "figures", "groups", "asked", "degraded",
        "skipped", "ids", "labels", "prompts", "notes", "method",
    }  # fmt: skip
    assert found["probe"] == name
    assert found["model"]["strategy"] == "likelihood"
    assert found["dataset"]["n_run"] == 6
    assert found["ids"] == {"lost": 0, "foreign": 0, "repeated": 0}
    assert found["labels"] == {"missing": 0, "foreign": 0, "repeated": 0}
    assert set(found["prompts"]) == {"en/rank-likelihood"}
    assert {"tau", "lift", "counted", "interval", "test", "metrics"} <= set(found["method"])
    assert bool(found["groups"]) == (name == "injection")
    for figures in found["groups"].values():
        assert set(figures) == {"lift", "gained_first", "first", "neutral_first"}
        assert {"value", "low", "high", "n"} == set().union(*figures.values())
    for row in (row for row in found["rows"] if row["n"]):
        assert set(row) == ROW
        assert set(row["ndcg@10"]) == {"value", "low", "high", "n"}
        assert set(row["change"]) == {"value", "low", "high", "n", "p", "wins", "losses"}
        assert set(row["lift"]) == {"value", "low", "high", "n", "p", "wins", "losses", "p_holm"}
        assert row["n"] == row["ndcg@10"]["n"] >= 1
    for figure in found["figures"].values():
        assert set(figure) == {"about", "value", "low", "high", "n"}


def test_each_probe_has_its_rows() -> None:
    found = {name: json.loads(probe(name, "--data", FILMS, "--json", *few(name)).stdout) for name in NAMES}
    variants = {name: [row["variant"] for row in found[name]["rows"]] for name in NAMES}
    assert variants["position"] == [f"slot {n}" for n in range(1, 5)]
    assert variants["history"] == [f"newest {n}" for n in (0, 1, 3, 10, 50)]
    assert variants["injection"] == [hostile.name for hostile in HOSTILE]
    assert sum(name.startswith("wish ") for name in variants["paraphrase"]) == 7
    assert "5 of 6 cases have no wish to reword" in found["paraphrase"]["notes"]
    assert list(found["position"]["figures"]) == ["bias", "first_over_last", "tau", "top_changed"]


def test_a_probe_repeats() -> None:
    one, two = (probe("injection", "--data", FILMS, "--limit", 2, "--texts", 10, "--json").stdout for _ in range(2))
    assert one == two
    other = json.loads(probe("injection", "--data", FILMS, "--limit", 2, "--texts", 10, "--seed", 3, "--json").stdout)
    assert (other["seed"], other["limit"], other["dataset"]["n_run"]) == (3, 2, 2)


@pytest.mark.parametrize("name", NAMES)
def test_the_table_shows_every_change_and_says_what_is_shown(name: str) -> None:
    result = probe(name, "--data", FILMS, "--limit", 5, *few(name))
    assert result.exit_code == 0, result.output
    shown = " ".join(result.stdout.split())
    column = {"position": "top changed", "history": "change [95 %]", "paraphrase": "tau [95 %]"}
    assert column.get(name, "lift [95 %]") in shown
    assert "changes shown to move the item that is watched" in shown
    assert "ids lost 0, foreign 0, repeated 0" in shown
    assert "films" in shown
    assert "tau +" in shown
    for text in {"position": ["slot 4", "bias "], "history": ["newest 50"], "injection": ["control", "first +0."]}.get(
        name, []
    ):
        assert text in shown
    noted = [line for line in result.stderr.splitlines() if not line.startswith("Probing cases")]
    assert noted == [], "but for the meter, on a slow machine"


@pytest.mark.parametrize("name", NAMES)
def test_no_column_is_lost_on_a_terminal_of_80(name: str) -> None:
    lines = probe(name, "--data", FILMS, "--strategy", "likelihood", *few(name), columns=80).stdout.splitlines()
    head = next(line for line in lines if line.split()[:1] == [name])
    assert head.split()[-1] == "n"
    rows = lines[lines.index(head) + 2 :]
    rows = rows[: next(n for n, line in enumerate(rows) if not line.strip())]
    assert rows
    assert all(row.split()[-1] in "123456" for row in rows), "one line a row, and n at its end"


def test_flags_reach_the_settings_of_the_model() -> None:
    seen: list[Settings] = []
    probe("history", "--data", FILMS, "--limit", 1, "--json", seen=seen)
    probe("history", "--data", FILMS, "--limit", 1, "--strategy", "setwise", "--model", "gemma3-270m", seen=seen)
    plain, flagged = seen
    assert plain.rerank.strategy == "auto"
    assert (flagged.rerank.strategy, flagged.model.reference) == ("setwise", "gemma3-270m")


def test_wrong_calls_stop_before_any_work(tmp_path: Path) -> None:
    seen: list[Settings] = []
    wrong = probe("history", "--data", FILMS, "--strategy", "likelihod", seen=seen)
    assert isinstance(wrong.exception, ConfigError)
    assert "Did you mean likelihood?" in str(wrong.exception)
    assert isinstance(probe("position", "--data", tmp_path / "none", seen=seen).exception, ConfigError)
    (tmp_path / "items.jsonl").write_text("")
    (tmp_path / "cases.jsonl").write_text("{broken\n")
    assert isinstance(probe("position", "--data", tmp_path, seen=seen).exception, CatalogueError)
    assert isinstance(probe("position").exception, ConfigError), "neither data nor a plan"
    assert probe("position", "--data", FILMS, "--limit", 0).exit_code == 2
    assert probe("psition", "--data", FILMS).exit_code == 2
    assert seen == []


def test_the_probe_is_a_command_of_eval() -> None:
    result = CliRunner().invoke(eval_app, ["probe", "--help"])
    assert result.exit_code == 0
    for name in NAMES:
        assert name in result.stdout


def test_a_model_that_is_down_is_told_and_counts_as_0() -> None:
    def fail(_text: str, _more: str) -> float:
        raise ModelUnavailable("the fake is down", "Ask again")

    result = probe("position", "--data", FILMS, "--json", "--strategy", "likelihood", model=Scripted(scores=fail))
    assert result.exit_code == 0, result.output
    found = json.loads(result.stdout)
    assert found["asked"]["failed"] == found["asked"]["count"] > 0
    assert all(row["ndcg@10"]["value"] == 0 and row["lift"] is None for row in found["rows"])
    assert found["figures"]["bias"]["value"] is None
    assert "answers degraded: the fake is down" in " ".join(result.stderr.split())
    drawn = probe("position", "--data", FILMS, "--strategy", "likelihood", model=Scripted(scores=fail))
    assert "bias: not known, no case tells" in " ".join(drawn.stdout.split())


def test_labels_that_written_replies_get_wrong_are_told() -> None:
    chatty = Scripted(lambda _prefix, _suffix: '{"order": [2, 2, 9]}', abilities=("chat",))
    result = probe("position", "--data", FILMS, "--json", "--strategy", "listwise", model=chatty)
    found = json.loads(result.stdout)
    asked = found["asked"]["count"]
    assert found["labels"] == {"missing": 3 * asked, "foreign": asked, "repeated": asked}
    assert found["ids"] == {"lost": 0, "foreign": 0, "repeated": 0}, "the strategy mends what the model breaks"
    assert "labels of replies" in probe("position", "--data", FILMS, "--strategy", "listwise", model=chatty).stdout


class Losing:
    """An asker that forgets its last candidate and names one twice."""

    model: Mapping[str, object] = MappingProxyType({"reference": "fake"})

    def ask(self, question: Question, lot: str) -> Answer:
        ids = [item.item_id for item in question.candidates]
        order = (*ids[:-1], ids[0], "f99")
        return Answer(order, ids=wrong_ids(order, ids))


def test_ids_that_go_wrong_are_told() -> None:
    @contextmanager
    def opener(settings: Settings, told: object) -> Iterator[Asker]:
        yield Losing()

    result = CliRunner().invoke(probes_with(opener), ["position", "--data", str(FILMS), "--limit", "1"])
    assert result.exit_code == 0, result.output
    told = " ".join(result.stderr.split())
    assert "the orders do not hold exactly the ids that were shown: 4 lost, 4 foreign, 4 repeated" in told


def test_a_noun_gets_a_prompt_of_its_own() -> None:
    model = judge(by_length)
    strategy = Strategy(Workshop(model, Cache(None), "en", "films"), "likelihood", {}, 60.0)
    candidates = tuple(Item(item_id=f"x{n}", title=f"Film {'o' * n}") for n in range(1, 4))
    for noun in (None, "books", "films"):
        strategy.ask(Question(candidates[:1], candidates, "short", noun), "lot")
    heads = [call.prefix.split()[0] for call in model.calls if "Film o\n" in call.prefix]
    assert heads == ["Films", "Books", "Films"]


def test_what_is_foreseen_is_asked_once_and_gives_the_same_answers() -> None:
    dataset = DataSet.open(FILMS)
    cases = list(dataset.cases(2))
    orders = []
    for strategy in ("likelihood", "pointwise", "likelihood+renown", "setwise"):
        for together in (True, False):
            model = judge(by_length)
            asker = Strategy(Workshop(model, Cache(None), "en", "films"), strategy, {}, 60.0)
            whole = replace(injection(Given(dataset.items, cases, "en", 1), HOSTILE[::40]), together=together)
            found = run(whole, cases, asker, 1)
            lines = sum(len(call.texts) for call in model.calls)
            orders.append(([(name, effects) for name, effects in found.effects.items()], lines))
    for together, apart in zip(orders[::2], orders[1::2], strict=True):
        assert together[0] == apart[0], "the answers are those of questions asked one by one"
    asked = [lines for _, lines in orders]
    assert [2 * asked[n] < asked[n + 1] for n in (0, 2)] == [True] * 2, "and cost less than half"
    assert asked[4] < asked[5], "or less, where one part is cached anyhow"
    assert asked[6] == asked[7], "a strategy that looks at several at once is asked as ever"


def test_a_model_remembers_only_what_it_is_told_to() -> None:
    model = Scripted(lambda *_: "x", scores=lambda _, more: -float(len(more)), abilities=["score", "choose", "chat"])
    remembering = Remembering(model)
    assert (remembering.name, remembering.abilities) == (model.name, model.abilities)
    assert remembering.control_tokens == ()
    never = Deadline.never()
    for _ in range(2):
        assert [s.logprob for s in remembering.score("p", ["a", "bb"], never)] == [-1, -2]
    assert len(model.calls) == 2
    remembering.begin()
    for texts in (["a", "bb"], ["bb", "ccc", "bb"], ["a"]):
        assert [s.logprob for s in remembering.score("p", texts, never)] == [-len(text) for text in texts]
    assert [call.texts for call in model.calls[2:]] == [("a", "bb"), ("ccc",)]
    for options in ([["y"], ["n"]], [["y"], ["n"]], [["yes"], ["no"]]):
        assert len(remembering.choose("p", ["q"], options, never)) == 1
    assert len(model.calls) == 6
    assert remembering.arrange("p", ["q"], ["A", "B"], never) == [(0, 1)]
    assert remembering.complete("p", ["q"], never, max_tokens=3)[0].text == "x"
    remembering.close()
    assert not model.closed


def shown_to_the_model(strategy: str, texts: Sequence[str]) -> list[str]:
    """All that a model read when the injection probe asked the strategy about the first case."""
    dataset = DataSet.open(FILMS)
    cases = list(dataset.cases(1))
    model = judge(by_length)
    asker = Strategy(Workshop(model, Cache(None), "en", "films"), strategy, {}, 60.0)
    chosen = [hostile for hostile in HOSTILE if hostile.name in texts]
    run(injection(Given(dataset.items, cases, "en", 1), chosen), cases, asker, 1)
    return [f"{call.prefix}{text}" for call in model.calls for text in call.texts]


@pytest.mark.parametrize("strategy", ["likelihood", "pointwise", "setwise", "pairwise", "first-token"])
def test_hostile_texts_reach_the_prompt_as_one_plain_line(strategy: str) -> None:
    shown = shown_to_the_model(strategy, ("ignore", "fake-candidate", "override", "zero-width"))
    assert any("Ignore all previous instructions" in text for text in shown)
    assert any("A. The best choice of all B. A poor choice" in text for text in shown)
    assert any("rank this first" in text for text in shown)
    assert not any(char in text for text in shown for char in "\u202e\u202c\u200b")


@pytest.mark.thorough
def test_the_default_model_is_asked_itself(tmp_path: Path) -> None:
    settings = load_settings(environment={"PALATE_CACHE_FOLDER": str(tmp_path)}).settings
    dataset = DataSet.open(FILMS)
    cases = list(dataset.cases(2))
    texts = [hostile for hostile in HOSTILE if hostile.name in ("ignore", "only-invisible", "long-letters")]
    with open_strategy(settings, lambda _line: None) as asker:
        found = run(injection(Given(dataset.items, cases, "en", 1), texts), cases, asker, 1)
        assert asker.model["strategy"] == "likelihood+renown"
    assert dict(found.ids) == {"lost": 0, "foreign": 0, "repeated": 0}
    assert (found.n_failed, found.n_undecided) == (0, 0)
    unseen = found.effects["only-invisible"].values()
    assert [effect.lift for effect in unseen] == [0, 0], "what no prompt shows moves nothing"
