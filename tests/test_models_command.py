"""`palate models` and `palate config` as a person runs them: what is printed where, JSON shapes, exit codes."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import pytest

from agent import cli
from agent.llm.files.cards import CARDS
from tests.support.gguf_files import sha256, tiny_gguf

TINY = tiny_gguf(file_type=7)
INFO = {
    "reference", "kind", "installed", "path", "bytes", "sha256", "license", "source", "file_type", "architecture",
    "context_tokens", "chat_template", "variant", "variant_note",
}  # fmt: skip


@pytest.fixture(autouse=True)
def _own_cache(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PALATE_CACHE_FOLDER", str(tmp_path / "cache"))
    monkeypatch.setenv("COLUMNS", "100")


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str]) -> Any:
    """Runs one command line: (exit code, stdout, stderr)."""

    def ran(*arguments: str) -> tuple[int, str, str]:
        capsys.readouterr()
        code = cli.run(list(arguments))
        said = capsys.readouterr()
        return code, said.out, said.err

    return ran


def test_the_list_names_the_known_models_and_the_chosen_one(run: Any) -> None:
    code, out, _ = run("models", "list")
    assert code == 0
    for card in CARDS:
        assert card.reference in out
    assert "→ smollm2-135m" in out
    code, out, err = run("models", "list", "--json")
    answer = json.loads(out)
    assert (code, err, answer["chosen"]) == (0, "", "smollm2-135m")
    first = answer["models"][0]
    assert set(first) == {"reference", "chosen", "installed", "path", "bytes", "sha256", "license", "about"}
    assert (first["chosen"], first["installed"]) == (True, True)


def test_another_chosen_model_is_listed_too(run: Any) -> None:
    Path("palate.toml").write_text('[model]\nreference = "openai:gpt"\n')
    assert "→ openai:gpt" in run("models", "list")[1]


@pytest.mark.thorough
def test_pull_makes_the_variant_and_info_shows_it(run: Any) -> None:
    code, out, _ = run("models", "info", "--json")
    before = json.loads(out)
    assert code == 0
    assert set(before) == INFO
    assert (before["sha256"], before["variant"]) == (CARDS[0].sha256, None)
    assert before["variant_note"] == "made on first use"
    code, out, err = run("models", "pull", "--json")
    assert code == 0
    assert "making the Q4_0 variant of smollm2-135m" in err
    pulled = json.loads(out)
    assert set(pulled["variant"]) == {"file_type", "path", "bytes", "sha256"}
    assert json.loads(run("models", "info", "--json")[1]) == pulled
    code, out, err = run("models", "info")
    assert (code, err) == (0, "")
    assert CARDS[0].sha256 in out
    assert pulled["variant"]["path"] in out


def test_info_on_a_file_a_server_and_what_is_not_here(run: Any) -> None:
    Path("m.gguf").write_bytes(TINY)
    answer = json.loads(run("models", "info", "./m.gguf", "--json")[1])
    assert (answer["sha256"], answer["file_type"]) == (sha256(TINY), "Q8_0")
    assert answer["variant_note"] == "none is made of Q8_0"
    answer = json.loads(run("models", "info", "openai:gpt", "--json")[1])
    assert answer == {"reference": "openai:gpt", "kind": "endpoint", "model": "gpt", "base_url": None}
    code, out, err = run("models", "info", "gemma3-270m")
    assert code == 0
    assert "installed         false" in out
    assert "palate models pull gemma3-270m" in err


@pytest.mark.parametrize(
    ("arguments", "code", "told"),
    [
        (["info", "smolm2"], 2, "Did you mean smollm2-135m?"),
        (["info", "./absent.gguf"], 1, "there is no file absent.gguf"),
        (["info", "."], 1, "is a folder"),
        (["pull", "openai:gpt"], 2, "nothing to pull"),
        (["pull", "hf:x"], 2, "is not a hub reference"),
        (["use", "smolm2"], 2, "Did you mean smollm2-135m?"),
        (["use", "./absent.gguf"], 1, "there is no file absent.gguf"),
        (["lst"], 2, "list"),
    ],
)
def test_bad_calls_get_one_line_and_an_exit_code(run: Any, arguments: list[str], code: int, told: str) -> None:
    got, out, err = run("models", *arguments)
    assert (got, out) == (code, "")
    assert told in err
    assert err.count("\n") == 1
    assert not Path("palate.toml").exists()


def test_pull_without_a_hub_fails_in_one_line(run: Any, tmp_path: Path) -> None:
    own = {**os.environ, "HF_ENDPOINT": "http://127.0.0.1:9", "HF_HOME": str(tmp_path)}
    command = [sys.executable, "-m", "agent.cli", "models", "pull", "hf:org/repo:Q4_K_M"]
    root = Path(cli.__file__).parents[1]
    answer = subprocess.run(command, capture_output=True, text=True, env=own, cwd=root, check=False, timeout=20)
    assert (answer.returncode, answer.stdout) == (1, "")
    lines = answer.stderr.splitlines()
    assert lines[-1].startswith("palate: the model hub cannot be reached: Connection refused. ")
    assert len(lines) == 2


def test_use_writes_one_value_and_says_what_comes_first(run: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    Path("palate.toml").write_text('# mine\nnoun = "films"\n')
    code, out, err = run("models", "use", "gemma3-270m")
    assert (code, out) == (0, "palate.toml: model.reference = gemma3-270m\n")
    assert "palate models pull gemma3-270m" in err
    text = Path("palate.toml").read_text()
    assert text.startswith('# mine\nnoun = "films"\n')
    assert tomllib.loads(text)["model"] == {"reference": "gemma3-270m"}
    monkeypatch.setenv("PALATE_MODEL_REFERENCE", "smollm2-135m")
    code, out, err = run("models", "use", "openai:gpt", "--json")
    assert json.loads(out) == {
        "reference": "openai:gpt", "file": "palate.toml", "previous": "smollm2-135m", "installed": True
    }  # fmt: skip
    assert "PALATE_MODEL_REFERENCE" in err


def test_use_warns_of_a_hash_that_was_set_for_another_model(run: Any) -> None:
    Path("palate.toml").write_text(f'[model]\nsha256 = "{CARDS[0].sha256}"\n')
    code, _, err = run("models", "use", "gemma3-270m")
    assert code == 0
    assert "model.sha256 is set" in err


def test_use_with_settings_elsewhere_writes_the_whole_path(run: Any, tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere" / "p.toml").touch()
    Path("m.gguf").write_bytes(TINY)
    assert run("--config", "elsewhere/p.toml", "models", "use", "./m.gguf")[0] == 0
    written = tomllib.loads((tmp_path / "elsewhere" / "p.toml").read_text())
    assert written["model"]["reference"] == str(tmp_path / "m.gguf")
    assert run("models", "use", "./m.gguf")[0] == 0
    assert tomllib.loads(Path("palate.toml").read_text())["model"]["reference"] == "./m.gguf"


def test_config_shows_every_value_with_its_origin_and_no_secret(run: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    Path("palate.toml").write_text('noun = "films"\n')
    monkeypatch.setenv("OPENAI_API_KEY", "sk-very-secret")
    code, out, err = run("--folder", "elsewhere", "config", "show", "--json")
    answer = json.loads(out)
    assert (code, err, answer["file"]) == (0, "", "palate.toml")
    rows = answer["settings"]
    assert rows["noun"] == {"value": "films", "origin": "file palate.toml"}
    assert rows["folder"] == {"value": "elsewhere", "origin": "flag"}
    assert rows["endpoint.api_key"] == {"value": "********", "origin": "env OPENAI_API_KEY"}
    assert rows["model.reference"] == {"value": "smollm2-135m", "origin": "default"}
    assert "sk-very" not in out + run("config", "show")[1]
    code, out, _ = run("config", "show", "--changed")
    assert "noun" in out
    assert "model.reference" not in out


def test_config_show_refuses_what_is_wrong(run: Any) -> None:
    Path("palate.toml").write_text("noum = 3\n")
    code, out, err = run("config", "show")
    assert (code, out) == (2, "")
    assert "palate.toml:1: there is no setting noum. Did you mean noun?" in err
