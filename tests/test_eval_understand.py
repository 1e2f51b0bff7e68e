"""Scripted messages: what they say, how readings of them are judged, and the command that reports it."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from click.testing import Result
from typer import Typer
from typer.testing import CliRunner

from agent.converse.state import Constraint, Feeling, Intent, Reference, State, Understood
from agent.errors import ConfigError, NotFound
from agent.language import LANGUAGES, Language
from agent.settings import Settings
from agent.titles import Titles
from agent.types import EventKind, Item
from eval.conversing.films import films
from eval.runs import Told, Watch
from eval.understanding.command import Opened, understand_with
from eval.understanding.messages import HALVES, Message, half_of, languages, messages
from eval.understanding.report import figures, report
from eval.understanding.scoring import Outcome, Shelf, scored

FILMS = films()
TITLES = Titles(FILMS)
SCRIPT = """
language = "en"
slate = ["Memento", "Zodiac"]
question = { name = "tags", options = { Comedy = "tags=Comedy" } }
[wish]
rows = ["something", { say = "a comedy", asked = true, where = "tags=Comedy" }]
[critique]
shown = true
rows = ["older", { say = "nothing before 1990", where = "year>=1990", or = "year>1990" }]
[reaction]
rows = [{ say = "seen the first", shown = true, items = ["Memento"], feels = "view" }]
[about]
rows = [{ say = "who made it", focus = "Zodiac" }]
[why]
rows = ["why"]
[talk]
rows = [{ say = "hello", where = "" }]
[bye]
rows = [{ say = "bye", skips = false }]
"""


def script(folder: Path, text: str = SCRIPT) -> Path:
    (folder / "en.toml").write_text(text, encoding="utf-8")
    return folder


def understood(message: str, intent: Intent, sure: float = 0.9, **more: object) -> Understood:
    others = (1 - sure) / (len(Intent) - 1)
    shares = {one: sure if one is intent else others for one in Intent}
    return Understood.model_validate(
        {"message": message, "language": "en", "intent": intent, "intents": shares, **more}
    )


class ByHeart:
    """Reads every message of a script as it is meant, but those of one intent as another."""

    def __init__(self, known: list[Message], *, mistaken: Intent | None = None) -> None:
        self.known = {(one.language, one.row.say): one for one in known}
        self.mistaken = mistaken

    def read(self, message: str, state: State) -> Understood:
        one = self.known[state.language, message]
        intent = Intent.TALK if one.intent is self.mistaken else one.intent
        items = tuple(Reference(item_id=item_id, said="x", how="title") for item_id in one.items or ())
        feels = tuple(Feeling(item_id=item_id, kind=one.feels) for item_id in one.items or ()) if one.feels else ()
        tests = tuple(Constraint(test=test, said="x") for test in (one.row.where or "").split(" and ") if test)
        return understood(message, intent, items=items, feelings=feels, constraints=tests, skips=bool(one.row.skips))


# The messages that come with Palate


@pytest.mark.parametrize("language", LANGUAGES)
def test_there_are_a_hundred_messages_of_each_intent_and_all_differ(language: Language) -> None:
    found = messages(language, TITLES)
    for intent in Intent:
        assert sum(one.intent is intent for one in found) == 100
    assert len({one.row.say for one in found}) == 700
    assert sum(one.row.where is not None for one in found) >= 70
    assert sum(one.items is not None for one in found) >= 100
    assert {one.half for one in found} == set(HALVES)


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_filter_they_state_can_be_asked_and_lets_some_film_pass(language: Language) -> None:
    shelf = Shelf(FILMS)
    for one in messages(language, TITLES):
        for where in (one.row.where, one.row.other):
            assert where is None or shelf.passing(where), one.row.say


def test_whoever_reads_them_as_they_are_meant_is_right_in_everything() -> None:
    asked = messages("en", TITLES)
    outcomes = scored(asked, ByHeart(asked), Shelf(FILMS), clock=iter(range(10_000)).__next__)
    assert all(one.right for one in outcomes)
    for part in ("where", "items", "feels", "skips"):
        assert {getattr(one, part) for one in outcomes} == {True, None}, part
    assert {one.ms for one in outcomes} == {1_000.0}


# The file


def test_a_message_bears_the_state_it_is_said_in(tmp_path: Path) -> None:
    found = {one.row.say: one for one in messages("en", TITLES, script(tmp_path))}
    memento, zodiac = TITLES.find("Memento").item_id, TITLES.find("Zodiac").item_id
    assert found["something"].state.slate == ()
    assert found["older"].state.slate == (memento, zodiac)
    assert found["who made it"].state.focus == zodiac
    asked = found["a comedy"].state
    assert asked.pending is not None
    assert [option.test for option in asked.pending.options] == ["tags=Comedy"]
    assert found["seen the first"].items == (memento,)
    assert found["seen the first"].feels is EventKind.VIEW


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        ("[bye]", "[good-bye]", "bye: Field required"),
        ("shown = true\n", "seen = true\n", "seen"),
        ('["why"]', "[]", "why"),
        ('["why"]', "[", "not valid TOML"),
    ],
)
def test_a_wrong_file_is_named_with_its_place(tmp_path: Path, old: str, new: str, told: str) -> None:
    with pytest.raises(ConfigError, match=told):
        messages("en", TITLES, script(tmp_path, SCRIPT.replace(old, new)))


def test_a_title_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(NotFound, match="Memnto"):
        messages("en", TITLES, script(tmp_path, SCRIPT.replace("Memento", "Memnto")))


def test_halves_stay_the_same_and_languages_are_checked() -> None:
    assert half_of("en", "hello") == half_of("en", "hello")
    assert languages(None) == LANGUAGES
    assert languages("zh") == ("zh",)
    with pytest.raises(ConfigError, match="no messages in 'de'"):
        languages("de")


# Judging


def test_constraints_are_right_when_the_same_items_pass() -> None:
    items = [Item(item_id=str(year), title=f"T{year}", attributes={"year": year}) for year in (1989, 1990, 1995, 2001)]
    shelf = Shelf(items)

    def right(*tests: str, wanted: str = "year>=1990 and year<=1999") -> bool:
        return shelf.amount_to(
            [Constraint(test=test, said="x", hard=n % 2 == 0) for n, test in enumerate(tests)], wanted
        )

    assert right("year>1989", "year<2000")
    assert right("year in (1990, 1995)")
    assert not right("year>=1990")
    assert not right()
    assert right(wanted="")
    assert not right("nonsense", wanted="")


def test_what_is_not_stated_is_not_judged_and_extras_are_wrong(tmp_path: Path) -> None:
    asked = {one.row.say: one for one in messages("en", TITLES, script(tmp_path))}
    memento, zodiac = TITLES.find("Memento").item_id, TITLES.find("Zodiac").item_id

    class Reader:
        def read(self, message: str, state: State) -> Understood:
            items = [Reference(item_id=item_id, said="x", how="title") for item_id in (memento, zodiac)]
            feels = [Feeling(item_id=memento, kind=EventKind.VIEW)]
            return understood(message, Intent.REACTION, items=items, feelings=feels, skips=True)

    first, second, third = scored([asked["seen the first"], asked["something"], asked["bye"]], Reader(), Shelf(FILMS))
    assert (first.right, first.items, first.feels, first.where) == (True, False, True, None)
    assert (second.right, second.items, second.feels, second.skips) == (False, None, None, None)
    assert third.skips is False


# Figures


def outcome(message: Message, found: Intent, confidence: float, likelihood: float | None = None) -> Outcome:
    return Outcome(message, found, confidence, confidence if likelihood is None else likelihood, 2.0)


def test_accuracy_confusion_and_calibration_by_hand(tmp_path: Path) -> None:
    asked = {one.row.say: one for one in messages("en", TITLES, script(tmp_path))}
    done = figures(
        [
            outcome(asked["something"], Intent.WISH, 0.95),
            outcome(asked["a comedy"], Intent.CRITIQUE, 0.55, 0.25),
            outcome(asked["older"], Intent.CRITIQUE, 0.95),
            outcome(asked["why"], Intent.WHY, 1.0),
        ]
    )
    assert (done.accuracy.value, done.accuracy.n) == (0.75, 4)
    assert done.by_intent[Intent.WISH].value == 0.5
    assert Intent.BYE not in done.by_intent
    assert done.confusion[Intent.WISH][Intent.CRITIQUE] == 1
    assert [(one.low, one.accuracy.n) for one in done.bins] == [(0.5, 1), (0.9, 3)]
    assert done.ece == pytest.approx((0.55 + 3 * abs(1 - 2.9 / 3)) / 4)
    assert done.log_loss == pytest.approx((2 * 0.05129 + 1.38629 + 0) / 4, abs=1e-4)
    assert done.parts == {}
    assert done.ms == {"p50": 2.0, "p95": 2.0, "n": 4}


def test_halves_are_told_apart_and_together(tmp_path: Path) -> None:
    asked = messages("en", TITLES, script(tmp_path))
    done = report([outcome(one, one.intent, 0.9) for one in asked])
    assert set(done) == {"en"}
    parts = done["en"]
    assert parts["all"].accuracy.n == len(asked)
    assert sum(parts[half].accuracy.n for half in HALVES if half in parts) == len(asked)


# The command


def understand(*arguments: str, mistaken: Intent | None = None) -> Result:
    @contextmanager
    def opener(settings: Settings, watch: Watch, told: Told) -> Iterator[Opened]:
        known = [one for language in LANGUAGES for one in messages(language, TITLES)]
        yield Opened(ByHeart(known, mistaken=mistaken), TITLES, FILMS)

    app = Typer()
    app.command()(understand_with(opener))
    return CliRunner().invoke(app, list(arguments), env={"COLUMNS": "120"})


def test_the_json_has_the_documented_shape() -> None:
    result = understand("--json", "--language", "zh", mistaken=Intent.BYE)
    assert result.exit_code == 0, result.output
    found = json.loads(result.stdout)
    assert set(found) == {"task", "n_items", "languages", "method"}
    halves = found["languages"]["zh"]
    assert set(halves) == {"development", "final", "all"}
    whole = halves["all"]
    assert set(whole) == {"accuracy", "by_intent", "confusion", "calibration", "parts", "ms"}
    assert whole["accuracy"]["value"] == pytest.approx(6 / 7)
    assert whole["confusion"]["bye"]["talk"] == 100
    assert set(whole["parts"]) == {"where", "items", "feels", "skips"}
    assert set(whole["calibration"]["bins"][0]) == {"low", "high", "certainty", "accuracy"}


@pytest.mark.thorough
def test_the_drawing_shows_both_languages_and_what_was_misread_in_development() -> None:
    result = understand("--wrong", mistaken=Intent.BYE)
    assert result.exit_code == 0, result.output
    assert "intents, en" in result.stdout
    assert "intents, zh" in result.stdout
    held_back = [one for one in messages("en", TITLES) if one.intent is Intent.BYE and one.half == "final"]
    shown = [one for one in messages("en", TITLES) if one.intent is Intent.BYE and one.half == "development"]
    assert shown[0].row.say in result.stdout
    assert not [one for one in held_back if f" {one.row.say}  " in result.stdout and len(one.row.say) > 25]
    assert understand("--language", "de").exit_code != 0
