"""Everything stored about a person in one document, and their events loaded again from it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from agent.cli import run
from agent.serve.exported import EXPORT, ExportShape
from agent.serve.keys import Keys
from agent.store.store import Store
from agent.types import Event
from tests.support.serving import films_in
from tests.support.talking import talking

SAID = "something clever for a rainy evening"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("exported")
    with talking(folder) as talk:
        here = talk.recommender
        here.tell("ada", likes=["Toy Story"], ratings={"Heat": 4})
        here.put_events(
            [Event(user_id="ada", kind="review", item_id="f01", text="“Lovely”,\nthey said", platform="tv")]
        )
        here.correct("ada", "Comedy", 0.3)
        here.link("ada", "ben")
        here.link("cy", "ada")
        list(talk.reply("ada", f"wish: {SAID}", conversation_id="c1", k=2, llm=False))
        here.recommend("ada", "an animated film", k=2, llm=False)
        here.tell("zed-other", likes=["Alien"])
    Keys(folder).add("phone", user="ada")
    (folder / "refused").mkdir()
    (folder / "refused" / "a.jsonl").write_text(
        '{"line": 1, "reason": "bad", "row": "ada,x", "user": "ada"}\n'
        '{"line": 2, "reason": "not ada", "row": "carol,on ada", "user": "carol"}\n{"line": 3, "row": "ada,"}\n'
    )
    return folder


def test_the_document_holds_all_that_is_stored(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["--folder", str(folder), "export", "ada", "--json"]) == 0
    captured = capsys.readouterr()
    told = json.loads(captured.out)
    assert "linked accounts have documents of their own: ben, cy" in captured.err
    ExportShape.model_validate(told)
    assert told.keys() == EXPORT.keys()
    assert {row["kind"] for row in told["events"]} == {"like", "rate", "review", "message"}
    assert [row["text"] for row in told["corrections"]] == ["Comedy"]
    assert [row["text"] for row in told["links"]] == ["ben"]
    assert [row["user_id"] for row in told["said_by_others"]] == ["cy"]
    assert told["beside"]["keys"] == ["phone"]
    assert [row["line"] for row in told["beside"]["refused_rows"]] == [1]
    turns = [turn for one in told["conversations"] for turn in one["turns"]]
    assert SAID in turns[0]["text"]
    assert len([turn for turn in turns if turn["slate"]]) == 2
    assert told["profile"]["pinned"] == {"Comedy": 0.3}
    with Store.open(folder) as store:
        assert sum(len(told[kind]) for kind in ("events", "corrections", "links")) == len(store.events_of("ada"))
        assert len(turns) == len(store.turns_of("ada"))
    assert "zed-other" not in captured.out
    assert "f07" not in json.dumps(told["events"])


def test_events_are_loaded_again_as_they_were(folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["--folder", str(folder), "export", "ada", "--events"]) == 0
    (tmp_path / "ada.jsonl").write_text(capsys.readouterr().out, encoding="utf-8")
    films_in(tmp_path / "again")
    assert run(["--folder", str(tmp_path / "again"), "load", str(tmp_path / "ada.jsonl"), "--events"]) == 0
    with Store.open(folder) as was, Store.open(tmp_path / "again") as again:
        assert again.events_of("ada") == was.events_of("ada")
        assert again.identity_of("ada").accounts == ("ada", "ben")


def test_nobody_has_an_empty_document(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["--folder", str(folder), "export", "nobody"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert not any(told[kind] for kind in ("events", "corrections", "links", "said_by_others", "conversations"))
