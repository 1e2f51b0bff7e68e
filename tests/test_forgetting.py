"""Forgetting a person who left a marker everywhere: no byte of it stays, others notice nothing, a receipt is given."""

from __future__ import annotations

import json
import sqlite3
import time
import zipfile
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from agent import Recommender, Settings
from agent.cli import run
from agent.errors import StoreError
from agent.llm.scripted import Scripted
from agent.parts.learning import learn_now, standing
from agent.serve.keys import Keys
from agent.store.store import FILE_NAME
from agent.types import Event
from tests.support.promises import Say
from tests.support.serving import palate, serving
from tests.support.talking import On, talking
from tests.support.traces import traces, without_times

MARKER = "zoë-MARK-7f3a91"
WORDS = "MARKED-words-55e0"
BOB = "bob"
LIMIT_S = 60.0


def settings_in(root: Path) -> Settings:
    """A data folder and a cache folder of its own, with all that writes about people turned on."""
    return Settings.model_validate(
        {
            "folder": root / "data",
            "cache_folder": root / "cache",
            "noun": "films",
            "recall": {"generated": 2},
            "explain": {"writer": "write"},
        }
    )


def model() -> Scripted:
    """A model whose every reply repeats what it was told."""
    return Scripted(lambda prefix, suffix: f" {prefix[-200:]} {suffix}", scores=lambda *_: -1.0, fingerprint="m" * 64)


def live(root: Path, n: int) -> None:
    """Let the marked person do and say everything, n times over, and others live beside them."""
    with talking(root / "data", model(), settings_in(root)) as talk:
        here = talk.recommender
        for other in (BOB, "eve"):
            here.tell(other, likes=["Toy Story", "Ratatouille"], ratings={"Heat": 4})
        here.tell(MARKER, likes=["Toy Story", "Ratatouille", "Alien"], dislikes=["Heat"])
        here.put_events(_words(n))
        here.correct(MARKER, "Comedy", 0.3)
        here.link(BOB, MARKER)
        here.keep_apart(BOB, True)
        for k in range(n):
            here.recommend(MARKER, f"{WORDS} number {k}", k=3, llm=k % 2 == 0)
            list(talk.reply(MARKER, f"wish: a film of {WORDS} {k}", k=3, llm=k % 2 == 0))
        here.recommend(BOB, "a funny film", k=3)
        learn_now(here.parts)
    Keys(root / "data").add("phone", user=MARKER)


def _words(n: int) -> Iterator[Event]:
    for k in range(n):
        for kind in ("review", "search", "message"):
            yield Event(user_id=MARKER, kind=kind, text=f"{WORDS} {kind} {k} " * 20)


def refuse(root: Path) -> None:
    """Load a file of the person's events, of which rows are refused, one by its escaped id, one cut off before it."""
    escaped = json.dumps(MARKER)
    row = {"user_id": MARKER, "item_id": "f01", "kind": "like", "at": "2020-01-01T00:00:00Z"}
    rows = [json.dumps(row), f'{{"user_id": {escaped}, "kind": "{WORDS}", "item_id": "f01"}}']
    rows += [json.dumps({"text": WORDS * 40, "kind": "none", "user_id": MARKER}), f'{{"text": "{WORDS * 40}", "user']
    rows += [json.dumps({"user_id": BOB, "kind": "bad kind of bob", "item_id": "f01"})]
    (root / "acts.jsonl").write_text("\n".join(rows) + "\n", encoding="utf-8")
    palate(root / "data", "load", str(root / "acts.jsonl"), "--events")
    assert traces(WORDS, root / "data" / "refused")


def answers_of(root: Path, user: str) -> list[str]:
    """What a person is answered, and all that is stored about them, as text."""
    with Recommender(On(settings_in(root), model())) as here:
        slate = here.order(user, k=5)
        turns = [turn.content for turn in here.store.turns_of(user)]
        events = [event.model_dump_json() for event in here.store.events_of(user)]
        interests = json.dumps(dict(here.interests(user).means))
        return [json.dumps(slate.as_json()), *turns, *events, interests]


def serve_and_forget(root: Path) -> tuple[float, dict[str, object], str]:
    """Let the person speak over HTTP, then erase them by the command while the server runs; how long it took."""
    with serving(root / "data", "--no-llm", env={"PALATE_CACHE_FOLDER": str(root / "cache")}) as server:
        key = Keys(root / "data").add("admin")
        asked = {"user": MARKER, "message": f"a film about {WORDS}"}
        assert server.ask("POST", "/v1/converse", asked, authorization=f"Bearer {key}").status == 200
        begun = time.perf_counter()
        done = palate(root / "data", "forget", MARKER, "--yes", "--json")
        took = time.perf_counter() - begun
        assert done.returncode == 0, done.stderr
        assert server.ask("GET", f"/v1/profile?user={BOB}", authorization=f"Bearer {key}").json["liked"]
        noted = server.end()[1]
    return took, json.loads(done.stdout), noted


def lived_and_forgotten(root: Path, n: int) -> tuple[float, int, dict[str, object]]:
    """The whole life of the marked person, and their end: seconds it took, files searched, what was told of it."""
    live(root, n)
    refuse(root)
    folders = root / "data", root / "cache"
    before = answers_of(root, "eve")
    assert traces(MARKER, *folders)
    took, gone, noted = serve_and_forget(root)
    for marker in (MARKER, WORDS):
        assert traces(marker, *folders) == []
        assert marker not in noted
    after = answers_of(root, "eve")
    assert without_times(after) == without_times(before)
    assert after[1:] == before[1:]  # to the byte
    return took, sum(path.is_file() for folder in folders for path in folder.rglob("*")), gone


def told(say: Say, took: float, files: int) -> None:
    """The promise, with the figures of this run."""
    say(
        "Privacy",
        f"`forget` erases every byte of a person from every file of the data and cache folders within {LIMIT_S:.0f} s",
        f"0 traces in {files} files, after {took:.1f} s; the answers of others alike",
        took <= LIMIT_S,
    )


def test_forgetting_erases_every_byte(tmp_path: Path, promise: Say) -> None:
    took, files, gone = lived_and_forgotten(tmp_path, 2)
    receipt = gone["receipt"]
    assert isinstance(receipt, dict)
    erased = receipt["erased"]
    assert erased["events"] >= 12
    assert erased["turns"] >= 8
    assert erased["links"] == 1
    assert erased["refused_rows"] == 3
    assert erased["keys"] == 1
    kept = (tmp_path / "data" / "refused" / "acts.jsonl.events.jsonl").read_text(encoding="utf-8")
    assert "bad kind of bob" in kept
    told(promise, took, files)


@pytest.mark.thorough
def test_forgetting_a_long_life_erases_every_byte(tmp_path: Path, promise: Say) -> None:
    took, files, _ = lived_and_forgotten(tmp_path, 150)
    told(promise, took, files)


def test_receipts_are_kept_and_tell_nobody(tmp_path: Path) -> None:
    with talking(tmp_path) as talk:
        here = talk.recommender
        here.tell("ada", likes=["Heat"])
        first, second = here.forget("ada").receipt, here.forget("ada").receipt
        assert first is not None
        assert second is not None
        assert [r.number for r in here.store.receipts()] == [first.number, second.number]
        assert first.erased["events"] == 1
        assert second.erased["events"] == 0
        assert "ada" not in json.dumps([r.as_json() for r in here.store.receipts()])


def test_what_was_learned_from_somebody_forgotten_is_due_again(tmp_path: Path) -> None:
    with talking(tmp_path) as talk:
        here = talk.recommender
        here.tell("ada", likes=["Heat", "Alien"])
        here.tell("ben", likes=["Heat", "Alien"])
        learn_now(here.parts)
        here.forget("nobody")
        assert not standing(here.parts).due
        here.forget("ada")
        assert standing(here.parts).left == 1
        assert standing(here.parts).due
        assert standing(here.parts).trouble == ""
        learn_now(here.parts)
        assert not standing(here.parts).due


def test_a_key_bound_to_somebody_forgotten_speaks_for_nobody_and_stays_a_key(tmp_path: Path) -> None:
    keys = Keys(tmp_path)
    secret = keys.add("ada", user="ada")
    keys.add("shop")
    assert keys.forget("ada") == 1
    assert keys.forget("ada") == 0
    left = keys.find(secret)
    assert left is not None
    assert left.user is not None
    assert left.user.startswith("forgotten-")
    assert "ada" not in keys.path.read_text(encoding="utf-8")
    assert [key.name for key in keys.all()][1] == "shop"


def test_a_key_can_call_again_where_a_reader_was_in_the_way(tmp_path: Path) -> None:
    keys = Keys(tmp_path)
    secret = keys.add("phone", user="ada")
    with Recommender.open(settings=Settings(folder=tmp_path)) as here:
        here.store.put_events([Event(user_id="ada", kind="search", text=WORDS)])
        with closing(sqlite3.connect(tmp_path / FILE_NAME, isolation_level=None)) as reader:
            reader.execute("BEGIN")
            reader.execute("SELECT count(*) FROM events").fetchone()
            with pytest.raises(StoreError, match="old bytes may remain"):
                here.forget("ada")
        left = keys.find(secret)
        assert left is not None
        assert left.user == "ada"
        here.forget("ada")
    gone = keys.find(secret)
    assert gone is not None
    assert gone.user is not None
    assert gone.user.startswith("forgotten-")


def test_runs_and_backups_are_named_as_not_erased(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    written = tmp_path / "runs" / "eval-1"
    written.mkdir(parents=True)
    (written / "run.json").write_text("{}", encoding="utf-8")
    (tmp_path / "palate-20260101T000000Z.zip").touch()
    for name, members in {"today.zip": ("manifest.json", "palate.sqlite"), "photos.zip": ("manifest.json",)}.items():
        with zipfile.ZipFile(tmp_path / name, "w") as packed:
            for member in members:
                packed.writestr(member, "{}")
    (tmp_path / "broken.zip").write_bytes(b"PK")
    assert run(["--folder", str(tmp_path / "data"), "forget", "ada", "--yes"]) == 0
    told = capsys.readouterr()
    named = " ".join(told.err.split())
    assert f"not erased: {written.resolve()} (a run of palate eval)" in named
    assert "palate-20260101T000000Z.zip (a backup)" in named
    assert "today.zip (a backup)" in named
    assert "photos" not in named
    assert "broken" not in named
    assert "Nothing was stored about ada" in told.out
