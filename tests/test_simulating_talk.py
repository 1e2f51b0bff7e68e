"""Seekers who talk in sentences: what they say and answer, whom they talk to, and what comes of it."""

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager

import pytest
from click.testing import Result
from typer import Typer
from typer.testing import CliRunner

from agent.converse.state import Option, Question
from agent.errors import ModelUnavailable
from agent.settings import Settings
from agent.types import Item
from eval.cases import Case
from eval.commands import app as eval_app
from eval.runs import Told, Watch
from eval.simulating.command import simulate_with
from eval.simulating.dialogue import Quest, Talk
from eval.simulating.leaks import Secret, kinds_of
from eval.simulating.partner import OpenedPartners
from eval.simulating.report import PALATE, POPULARITY, RANDOM, UNASKING, VECTORS
from eval.simulating.seeker import Seeker
from eval.simulating.talking import Answered, Partner, talked
from eval.simulating.voice import Voice
from tests.support.fake_ranker import FILMS

SHELF = {
    item.item_id: item
    for item in (
        Item(
            item_id="a", title="The Lantern Keeper", tags=("Drama",), attributes={"year": 1991, "director": "Ines Vale"}
        ),
        Item(item_id="b", title="Salt and Thunder", tags=("Adventure", "Drama"), attributes={"year": 1994}),
        Item(item_id="c", title="Robot Picnic", tags=("Comedy",), attributes={"year": 2010}),
        Item(item_id="d", title="Midnight Ledger", tags=("Crime", "Drama"), attributes={"year": 1992}),
    )
}
KINDS = kinds_of(SHELF.values())
TALK = Talk(4, 2, "en", 7)
GENRE = Question(
    name="tags",
    options=(Option(label="Comedy", test="tags=Comedy"), Option(label="Drama", test="tags=Drama")),
    gain_nats=0.6,
)


def voice(target: str, language: str = "en") -> Voice:
    return Voice(Seeker.of(SHELF[target], KINDS, language, "lot"), "lot")


def quest(target: str) -> Quest:
    case = Case(case_id=f"case-{target}", user_id="u", relevant=(target,))
    return Quest(case, Seeker.of(SHELF[target], KINDS, "en", "lot"), (SHELF["c"],))


class Shop:
    """A partner who shows what it was told to, turn by turn, and asks where a question is given."""

    def __init__(self, *slates: Sequence[str], asks: Mapping[int, Question] | None = None, fails_at: int = 0) -> None:
        self.slates = slates
        self.asks = asks or {}
        self.fails_at = fails_at
        self.met: list[str] = []
        self.heard: list[str] = []

    def meet(self, user_id: str, liked: Sequence[Item]) -> None:
        self.met += [item.item_id for item in liked]

    def say(self, user_id: str, message: str, k: int) -> Answered:
        self.heard.append(message)
        n = len(self.heard)
        if n == self.fails_at:
            raise ModelUnavailable("nobody is in", "Come back")
        return Answered(tuple(self.slates[(n - 1) % len(self.slates)]), self.asks.get(n), ("rerank: tired",))


# What is said


@pytest.mark.parametrize("language", ["en", "zh"])
@pytest.mark.parametrize("target", list(SHELF))
def test_nothing_that_is_said_gives_the_item_away(target: str, language: str) -> None:
    speaker, secret = voice(target, language), Secret.of(SHELF[target], KINDS)
    said = [speaker.opens(), *(speaker.goes_on(one) for one in (*SHELF.values(), None, None)), speaker.answers(GENRE)]
    assert [text for text in said if secret.given_away(text)] == []
    assert all(said)


def test_it_begins_with_a_kind_and_says_more_each_time() -> None:
    speaker = voice("a")
    assert "Drama" in speaker.opens()
    assert "1990s" in speaker.goes_on(None)
    assert "Ines Vale" in speaker.goes_on(None)
    assert speaker.goes_on(None) in ("None of these, show me others.", "What else is there?")


def test_what_is_wrong_with_the_rejected_one_is_said_every_other_time() -> None:
    speaker = voice("a")
    speaker.opens()
    speaker.goes_on(SHELF["c"])
    assert "older" in speaker.goes_on(SHELF["c"])


def test_the_reticent_add_nothing_but_what_is_wrong_and_answers() -> None:
    speaker = Voice(Seeker.of(SHELF["a"], KINDS, "en", "lot"), "lot", reticent=True)
    assert "Drama" in speaker.opens()
    assert "older" in speaker.goes_on(SHELF["c"])
    assert speaker.goes_on(None) in ("None of these, show me others.", "What else is there?")
    assert "Drama" in speaker.answers(GENRE)


def test_questions_are_answered_as_the_item_has_it() -> None:
    assert "Drama" in voice("a").answers(GENRE)
    assert "Comedy" in voice("c").answers(GENRE)
    decade = Question(name="year", options=(Option(label="1950s", test="year<1960"),), gain_nats=1.0)
    assert voice("a").answers(decade) in ("I don't mind.", "No preference.")
    named = Question(name="title", options=(Option(label="Lantern things", test="year=1991"),), gain_nats=1.0)
    assert "Lantern" not in voice("a").answers(named)


def test_equal_lots_say_the_same() -> None:
    assert [voice("b").opens() for _ in range(3)] == [voice("b").opens()] * 3


# Dialogues


def test_a_dialogue_answers_what_is_asked_and_ends_when_the_item_is_shown() -> None:
    shop = Shop(("c",), ("d", "b"), ("a",), asks={1: GENRE})
    found = talked(quest("a"), shop, SHELF, TALK)
    assert shop.met == ["c"]
    assert found.found_at == 3
    assert [turn.shown for turn in found.turns] == [("c",), ("d", "b"), ("a",)]
    assert [turn.answers for turn in found.turns] == [None, "tags", None]
    assert "Drama" in shop.heard[1]
    assert found.turns[0].rejected == "c"
    assert found.turns[-1].rejected is None
    assert found.degraded == ("rerank: tired",)
    assert len(found.ms) == 3


def test_turns_run_out_and_a_partner_may_fail_or_show_nothing() -> None:
    assert talked(quest("a"), Shop(("c",), ()), SHELF, TALK).found_at is None
    assert len(talked(quest("a"), Shop(()), SHELF, TALK).turns) == TALK.turns
    failed = talked(quest("a"), Shop(("c",), fails_at=2), SHELF, TALK)
    assert (failed.failed, failed.found_at, len(failed.turns)) == ("nobody is in. Come back", None, 1)


# The command


def simulate(*arguments: object, partners: Mapping[str, Partner]) -> Result:
    @contextmanager
    def opener(
        items: Mapping[str, Item], settings: Settings, watch: Watch, told: Told, *, llm: bool
    ) -> Iterator[OpenedPartners]:
        yield OpenedPartners(partners, {"reference": "fake" if llm else None})

    app = Typer()
    app.command()(simulate_with(lambda *_, **__: None, opener))  # type: ignore[arg-type,return-value]
    return CliRunner().invoke(app, ["--talk", *map(str, arguments)], env={"COLUMNS": "120"})


def test_all_partners_meet_the_same_seekers_and_are_compared() -> None:
    partners: dict[str, Partner] = {PALATE: Shop(("f1", "f2"), ("f5", "f6")), VECTORS: Shop(("f3",))}
    result = simulate("--data", FILMS, "--json", "--turns", 2, partners=partners)
    assert result.exit_code == 0, result.output
    found = json.loads(result.stdout)
    assert [row["system"] for row in found["systems"]] == [PALATE, VECTORS, POPULARITY, RANDOM]
    assert {row["success"]["n"] for row in found["systems"]} == {found["dataset"]["n_users"]}
    pairs = {(pair["system"], pair["against"]): set(pair["metrics"]) for pair in found["comparisons"]}
    assert pairs == {(PALATE, other): {"success", "reciprocal_turn"} for other in (VECTORS, POPULARITY, RANDOM)}
    assert set(found["dialogues"][0]["turns"][0]) == {"wish", "shown", "rejected", "answers"}


def test_without_data_films_are_sought_and_palate_is_drawn_beside_the_others() -> None:
    partners: dict[str, Partner] = {PALATE: Shop(()), UNASKING: Shop(()), VECTORS: Shop(())}
    result = simulate("--limit", 3, "--turns", 2, partners=partners)
    assert result.exit_code == 0, result.output
    assert "palate-unasking" in result.stdout
    assert "palate is not shown to differ from vectors: success" in result.stdout
    assert "3 of 3 cases" in result.stdout


def test_only_those_who_talk_are_reticent() -> None:
    result = CliRunner().invoke(eval_app, ["simulate", "--reticent", "--data", str(FILMS)])
    assert "only seekers who talk can be reticent" in str(result.exception)


def test_palates_own_conversation_is_held_over_a_data_set() -> None:
    result = CliRunner().invoke(
        eval_app, ["simulate", "--talk", "--data", str(FILMS), "--json", "--no-llm", "-k", "3", "--limit", "4"]
    )
    assert result.exit_code == 0, result.output
    found = json.loads(result.stdout)
    assert [row["system"] for row in found["systems"]][:3] == [PALATE, UNASKING, VECTORS]
    assert found["failed"]["count"] == 0
    assert found["systems"][0]["success"]["value"] > 0.3
    for dialogue in found["dialogues"]:
        assert (dialogue["found_at"] is None) == (dialogue["target"] not in dialogue["turns"][-1]["shown"])
