"""A store whose words nobody reads without a key: written, read back, given another key, migrated, refused."""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
from pydantic import SecretStr

from agent import Settings
from agent.cli import run
from agent.errors import ConfigError, StoreError
from agent.store.opening import open_store, seal_anew
from agent.store.sealing import new_key, seal_of
from agent.store.store import FILE_NAME, Store
from agent.types import Event
from tests.support.promises import Say
from tests.support.talking import talking
from tests.support.traces import traces

ACTS = ("a film about MARKfirst", "MARKsecond in a review", "MARKthird wish")


def sealed(folder: Path, *keys: str) -> Settings:
    return Settings(folder=folder / "data", cache_folder=folder / "cache", encryption_key=SecretStr(",".join(keys)))


def write(settings: Settings) -> None:
    with open_store(settings) as store:
        store.put_events([Event(event_id=f"e{n}", user_id="ada", kind="review", text=t) for n, t in enumerate(ACTS)])
        store.add_turn("ada", "c", "user", ACTS[0])
        store.add_turn("ada", "c", "assistant", ACTS[1])


def texts(settings: Settings) -> list[str | None]:
    with open_store(settings) as store:
        return [*(event.text for event in store.events_of("ada")), *(turn.content for turn in store.turns_of("ada"))]


WRITTEN = [*ACTS, *ACTS[:2]]


def test_no_word_that_people_said_lies_in_any_file(tmp_path: Path, promise: Say) -> None:
    """Through events, conversations, slates, corrections, links, learning and a load whose rows are refused."""
    settings = sealed(tmp_path, new_key())
    words = ("MARKwish", "MARKsearch", "MARKmessage", "MARKreview", "MARKkind")
    with talking(settings.folder, settings=settings, plain=False) as talk:
        here = talk.recommender
        here.tell("ada", likes=["Toy Story", "Ratatouille"], dislikes=["Heat"])
        here.put_events(Event(user_id="ada", kind=w[4:], text=f"{w} is what I said") for w in words[1:4])
        here.correct("ada", "Comedy", 0.3)
        here.link("ada", "ben")
        here.recommend("ada", f"{words[0]} funny films", k=3, llm=False)
        list(talk.reply("ada", f"{words[0]}, something funny with animals", k=3, llm=False))
        said = json.dumps(here.export("ada"), ensure_ascii=False)
        assert all(word in said for word in words[:4])
    rows = [
        {"user_id": "ada", "item_id": "f01", "kind": "like"},
        {"user_id": "ada", "kind": words[4], "text": words[3]},
    ]
    (tmp_path / "acts.jsonl").write_text("".join(f"{json.dumps(row)}\n" for row in rows), encoding="utf-8")
    key = settings.encryption_key
    assert key is not None
    with pytest.MonkeyPatch.context() as patched:
        patched.setenv("PALATE_ENCRYPTION_KEY", key.get_secret_value())
        patched.setenv("PALATE_CACHE_FOLDER", str(settings.cache_folder))
        assert run(["--folder", str(settings.folder), "load", str(tmp_path / "acts.jsonl"), "--events"]) == 0
    (refused,) = (settings.folder / "refused").iterdir()
    assert refused.read_text(encoding="utf-8") == '{"line": 2}\n'
    folders = settings.folder, settings.cache_folder
    found = {word: traces(word, *folders) for word in (*words, "what I said", "something funny with animals")}
    assert found == {word: [] for word in found}
    files = sum(path.is_file() for folder in folders for path in folder.rglob("*"))
    promise(
        "Privacy", "with a key set, no file holds a word that people said", f"0 of {len(found)} in {files} files", True
    )


def test_what_was_sealed_is_read_back_alike(tmp_path: Path) -> None:
    settings = sealed(tmp_path, new_key())
    write(settings)
    assert texts(settings) == WRITTEN
    assert traces("MARK", tmp_path) == []


def test_a_store_with_a_key_is_refused_without_it_or_with_another(tmp_path: Path) -> None:
    write(sealed(tmp_path, new_key()))
    with pytest.raises(StoreError, match=r"is encrypted, and no key is given\. Set PALATE_ENCRYPTION_KEY"):
        Store.open(tmp_path / "data")
    with pytest.raises(StoreError, match="is encrypted with another key"):
        open_store(sealed(tmp_path, new_key()))


def test_a_store_in_clear_is_refused_with_a_key_until_it_is_encrypted(tmp_path: Path) -> None:
    plain = Settings(folder=tmp_path / "data")
    write(plain)
    settings = sealed(tmp_path, new_key())
    with pytest.raises(StoreError, match=r"is not encrypted yet, and a key is given\. Encrypt it once: palate encrypt"):
        open_store(settings)
    assert texts(plain) == WRITTEN
    assert seal_anew(settings) == (3, 2)
    assert texts(settings) == WRITTEN
    assert traces("MARK", tmp_path) == []
    assert seal_anew(settings, off=True) == (3, 2)
    assert texts(plain) == WRITTEN


def test_keys_are_changed_one_after_the_other(tmp_path: Path) -> None:
    old, new = new_key(), new_key()
    write(sealed(tmp_path, old))
    both = sealed(tmp_path, new, old)
    assert texts(both) == WRITTEN
    with pytest.raises(StoreError, match="another key"):
        open_store(sealed(tmp_path, new))
    assert seal_anew(both) == (3, 2)
    assert texts(sealed(tmp_path, new)) == WRITTEN
    with pytest.raises(StoreError, match="another key"):
        open_store(sealed(tmp_path, old))


def test_a_process_that_opened_it_before_writes_nothing_in_clear(tmp_path: Path) -> None:
    with open_store(Settings(folder=tmp_path / "data")) as before:
        before.put_events([Event(user_id="ada", kind="review", text=ACTS[0])])
        seal_anew(sealed(tmp_path, new_key()))
        with pytest.raises(StoreError, match="was encrypted in another way meanwhile"):
            before.put_events([Event(user_id="ada", kind="review", text=ACTS[1])])
    assert traces("MARK", tmp_path) == []


def test_what_is_no_key_is_refused_and_never_shown(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="number 2 of 2 is no key") as caught:
        seal_of(SecretStr(f"{new_key()},MARKnokey"))
    assert "MARK" not in str(caught.value)
    with pytest.raises(ConfigError, match="no encryption key is given"):
        seal_anew(Settings(folder=tmp_path))


def test_the_commands_encrypt_and_show_no_key(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "data"
    write(Settings(folder=folder))
    (folder / "refused").mkdir()
    (folder / "refused" / "a.jsonl").write_text('{"line": 4, "reason": "bad", "row": "MARKrow"}\n', encoding="utf-8")
    assert run(["encrypt", "--new-key"]) == 0
    key = capsys.readouterr().out.strip()
    assert run(["--folder", str(folder), "encrypt"]) == 2
    assert "no encryption key is given" in capsys.readouterr().err
    monkeypatch.setenv("PALATE_ENCRYPTION_KEY", key)
    assert run(["--folder", str(folder), "status"]) == 1
    assert "is not encrypted yet" in capsys.readouterr().err
    assert run(["--folder", str(folder), "encrypt", "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == {"encrypted": True, "events": 3, "turns": 2}
    assert traces("MARK", tmp_path) == []
    for arguments in (["config", "show"], ["config", "show", "--json"], ["--folder", str(folder), "status"]):
        assert run(arguments) == 0
        assert key not in capsys.readouterr().out
    assert run(["--folder", str(folder), "encrypt", "--off", "--yes"]) == 0
    monkeypatch.delenv("PALATE_ENCRYPTION_KEY")
    assert texts(Settings(folder=folder)) == WRITTEN


@pytest.mark.parametrize("key", ["typo", "A" * 43 + "="])
def test_encrypting_in_vain_leaves_refused_rows_as_they_are(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, key: str
) -> None:
    """Neither a word that is no key nor the key of another store changes a byte."""
    settings = sealed(tmp_path, new_key())
    write(settings)
    refused = settings.folder / "refused" / "a.jsonl"
    refused.parent.mkdir()
    refused.write_bytes(row := b'{"line": 3, "reason": "bad", "row": "kept"}\n')
    monkeypatch.setenv("PALATE_ENCRYPTION_KEY", key)
    assert run(["--folder", str(settings.folder), "encrypt"]) != 0
    assert refused.read_bytes() == row


def test_encrypting_beside_a_reader_says_what_is_done_and_what_may_remain(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "data"
    write(Settings(folder=folder))
    (folder / "refused").mkdir()
    (folder / "refused" / "a.jsonl").write_text('{"line": 4, "reason": "bad", "row": "MARKrow"}\n', encoding="utf-8")
    monkeypatch.setenv("PALATE_ENCRYPTION_KEY", new_key())
    with closing(sqlite3.connect(folder / FILE_NAME, isolation_level=None)) as reader:
        reader.execute("BEGIN")
        reader.execute("SELECT count(*) FROM events").fetchone()
        assert run(["--folder", str(folder), "encrypt"]) == 1
        said = " ".join(capsys.readouterr().err.split())
    assert "everything is encrypted, but old bytes may remain" in said
    assert "Run the same command again when the other process is done" in said
    assert (folder / "refused" / "a.jsonl").read_text(encoding="utf-8") == '{"line": 4}\n'
    assert run(["--folder", str(folder), "encrypt"]) == 0
    assert traces("MARK", tmp_path) == []
