"""`palate profile` and what a correction does to recall and ranking: a real store, index and embedder."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from agent import Recommender, Settings, cli
from agent.catalogue import load_items, read_items
from agent.errors import ConfigError, NotFound
from agent.parts.learning import learn_now
from agent.people.interests import learn_prior

FILMS = Path(__file__).parent / "support" / "films.csv"


@pytest.fixture(scope="module")
def loaded(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("palate") / "data"
    with Recommender.open(settings=Settings(folder=folder)) as recommender, read_items(FILMS) as rows:
        load_items(rows, recommender.put_items, folder / "refused.jsonl")
        recommender.sync_index()
    return folder


@pytest.fixture
def folder(loaded: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(loaded, tmp_path / "data"))


@pytest.fixture
def palate(folder: Path) -> Iterator[Recommender]:
    with Recommender.open(settings=Settings(folder=folder)) as recommender:
        recommender.tell("ada", likes=["Alien", "The Matrix", "Paddington"])
        yield recommender


def run(capfd: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str, str]:
    capfd.readouterr()
    return cli.run(arguments), *capfd.readouterr()


def sources(recommender: Recommender, user_id: str) -> dict[str, set[str]]:
    slate = recommender.recommend(user_id, k=15, llm=False)
    return {r.item.item_id: {step.source for step in r.path} for r in slate}


def test_a_correction_is_an_event_that_moves_recall_and_ranking(palate: Recommender) -> None:
    before = palate.recommend("ada", k=12, llm=False)
    palate.correct("ada", "romance", 0.8)
    after = palate.recommend("ada", k=12, llm=False)
    assert palate.store.events_of("ada")[-1].text == "Romance"
    place = [[r.item.title for r in slate].index("Amélie") for slate in (before, after)]
    assert place[1] < place[0]
    assert any(step.source == "corrections" for r in after for step in r.path)
    assert palate.interests("ada").means["Romance"] == 0.8
    assert palate.forget("ada").events == 4
    assert palate.interests("ada").means == {}


def test_an_item_of_removed_tags_alone_is_left_out(palate: Recommender) -> None:
    assert "f11" in sources(palate, "ada")  # The Godfather: Crime, Drama
    palate.correct_all("ada", [("Crime", 0.0), ("Drama", 0.0)])
    assert "f11" not in sources(palate, "ada")
    assert "f10" in sources(palate, "ada")  # Heat: Action, Crime, Thriller
    palate.correct("ada", "Crime", None)
    assert "f11" in sources(palate, "ada")


def test_someone_who_only_set_an_interest_gets_it(palate: Recommender) -> None:
    palate.correct("new", "Romance", 0.9)
    slate = palate.recommend("new", k=3, llm=False)
    assert all("Romance" in r.item.tags for r in slate)


@pytest.mark.parametrize(
    ("told", "error", "said"),
    [
        ([("Romanse", 0.2)], NotFound, "Did you mean Romance"),
        ([("zzzz", 0.2)], NotFound, "no item carries"),
        ([("Comedy", 1.2)], ConfigError, "from 0 to 1"),
        ([("Comedy", 0.7), ("Drama", 0.7)], ConfigError, "make 1.5"),
    ],
)
def test_what_cannot_be_set_is_refused_whole(
    palate: Recommender, told: Sequence[tuple[str, float]], error: type[Exception], said: str
) -> None:
    with pytest.raises(error, match=said):
        palate.correct_all("ada", [("Action", 0.1), *told])
    assert palate.profile("ada").pinned == {}


def test_what_all_people_like_is_learned_into_the_prior(palate: Recommender) -> None:
    before = palate.interests("nobody").posterior.means
    learn_now(palate.parts)
    after = palate.interests("nobody").posterior.means
    assert after["Sci-Fi"] > before["Sci-Fi"]  # Alien and The Matrix, of three likes
    assert learn_prior(palate.store) == 3


def test_where_the_model_fails_rules_read_texts_and_it_is_said(folder: Path) -> None:
    told: list[str] = []
    chosen = Settings.model_validate(
        {"folder": folder, "model": {"reference": "./nowhere.gguf"}, "interests": {"texts": "model", "items": "model"}}
    )
    with Recommender.open(settings=chosen, told=told.append) as recommender:
        assert recommender.parts.background.read("a comedy").toward == {"Comedy": 1.0}
    assert any("read without the model" in line for line in told)


def test_the_profile_is_drawn_with_intervals(
    folder: Path, palate: Recommender, capfd: pytest.CaptureFixture[str]
) -> None:
    palate.close()
    code, out, _ = run(capfd, "--folder", str(folder), "profile", "ada", "--set", "Comedy=.4", "--remove", "crime")
    assert code == 0
    assert "40.0%" in out
    assert "set by hand" in out
    assert "removed" in out
    assert " – " in out
    found = profile(capfd, folder, "ada")
    assert found["interests"]["Comedy"] == 0.4
    assert found["intervals"]["Comedy"] == [0.4, 0.4]
    assert all(low <= found["interests"][tag] <= high for tag, (low, high) in found["intervals"].items())
    assert found["pinned"] == {"Comedy": 0.4, "Crime": 0.0}
    assert profile(capfd, folder, "ada", "--reset", "comedy", "--reset", "Crime")["pinned"] == {}


def test_why_tells_every_contribution(folder: Path, palate: Recommender, capfd: pytest.CaptureFixture[str]) -> None:
    palate.close()
    found = profile(capfd, folder, "ada", "--why", "sci-fi")
    assert [row["title"] for row in found["contributions"]] == [None, "The Matrix (1999)", "Alien (1979)"]
    assert sum(row["amount"] for row in found["contributions"]) == pytest.approx(found["alpha"])
    code, out, _ = run(capfd, "--folder", str(folder), "profile", "ada", "--why", "Sci-Fi")
    assert code == 0
    assert "the catalogue" in out
    assert "Alien (1979)" in out


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (["--set", "Comedy"], 2, "TAG=SHARE"),
        (["--set", "Comedy=much"], 2, "TAG=SHARE"),
        (["--why", "Horor"], 1, "Did you mean Horror"),
        (["--remove", "Westerns"], 1, "no item carries the tag"),
    ],
)
def test_mistakes_are_one_clear_line(
    folder: Path,
    palate: Recommender,
    capfd: pytest.CaptureFixture[str],
    arguments: list[str],
    code: int,
    said: str,
) -> None:
    palate.close()
    ended, out, err = run(capfd, "--folder", str(folder), "profile", "ada", *arguments)
    assert (ended, out) == (code, "")
    assert said in err
    assert len(err.strip().splitlines()) == 1


def test_a_person_of_whom_nothing_is_known_is_not_drawn(folder: Path, capfd: pytest.CaptureFixture[str]) -> None:
    ended, out, err = run(capfd, "--folder", str(folder), "profile", "nobody")
    assert (ended, out) == (1, "")
    assert "nothing is known" in err


def profile(capfd: pytest.CaptureFixture[str], folder: Path, *arguments: str) -> Any:
    code, out, err = run(capfd, "--folder", str(folder), "profile", *arguments, "--json")
    assert code == 0, err
    return json.loads(out)
