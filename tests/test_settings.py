"""Settings: precedence and origins, refusals that say what and where, and the settings file changed in one value."""

from __future__ import annotations

import tomllib
from pathlib import Path

import pytest
from pydantic import ValidationError

from agent.errors import ConfigError
from agent.settings import ECOSYSTEM, Settings, environment_name, load_settings
from agent.toml_file import line_of, read_toml, write_value

KEY = "sk-very-secret"


def write(text: str, path: Path = Path("palate.toml")) -> Path:
    path.write_bytes(text.encode())
    return path


def test_without_anything_every_value_is_the_default() -> None:
    loaded = load_settings(environment={})
    assert loaded.settings == Settings()
    assert set(loaded.origins.values()) == {"default"}
    assert loaded.file is None
    assert loaded.settings.model.reference == "smollm2-135m"
    assert loaded.settings.cache_folder == Path.home() / ".cache" / "palate"


def test_flag_beats_environment_beats_file_beats_default() -> None:
    write('folder = "a"\n[model]\nreference = "gemma3-270m"\nthreads = 1\ncontext_tokens = 512\n')
    loaded = load_settings(
        environment={"PALATE_MODEL_REFERENCE": "qwen2.5-coder-0.5b", "PALATE_MODEL_THREADS": "2"},
        overrides={"model.reference": "./x.gguf"},
    )
    model, origins = loaded.settings.model, loaded.origins
    assert (model.reference, model.threads, model.context_tokens, model.n_gpu_layers) == ("./x.gguf", 2, 512, -1)
    assert origins["model.reference"] == "flag"
    assert origins["model.threads"] == "env PALATE_MODEL_THREADS"
    assert origins["model.context_tokens"] == "file palate.toml"
    assert origins["model.n_gpu_layers"] == "default"
    assert loaded.file == Path("palate.toml")


def test_names_of_the_ecosystem_are_read_and_ours_come_first() -> None:
    loaded = load_settings(
        environment={
            "OPENAI_API_KEY": KEY,
            "OPENAI_BASE_URL": "http://one/v1/",
            "PALATE_ENDPOINT_BASE_URL": "http://two/v1/",
            "CHROMA_HOST": "chroma.example",
            "CHROMA_PORT": "9000",
        }
    )
    assert loaded.settings.endpoint.base_url == "http://two/v1"
    assert loaded.settings.chroma.port == 9000
    assert loaded.origins["endpoint.api_key"] == "env OPENAI_API_KEY"
    assert set(ECOSYSTEM.values()) <= set(loaded.origins)


def test_a_variable_set_to_nothing_is_not_set() -> None:
    loaded = load_settings(environment={"PALATE_MODEL_THREADS": "", "OPENAI_BASE_URL": ""})
    assert loaded.settings == Settings()


def test_every_setting_has_its_own_variable() -> None:
    keys = list(load_settings(environment={}).origins)
    assert len({environment_name(key) for key in keys}) == len(keys) > 25
    assert environment_name("model.n_gpu_layers") == "PALATE_MODEL_N_GPU_LAYERS"


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ('[model]\nrefrence = "x"\n', "palate.toml:2: there is no setting model.refrence. Did you mean reference?"),
        ('[modle]\nreference = "x"\n', "setting modle.reference. Did you mean model.reference?"),
        ('[recal]\n[chroma]\nhost = "h"\n', "palate.toml:1: there is no setting recal. Did you mean recall"),
        ("[explain]\nzzz = 1\n", "palate.toml:2: there is no setting explain.zzz. Known here: writer"),
        ("xyz = 1\n", "palate.toml:1: there is no setting xyz. Known here: folder, cache_folder"),
        ('# a note\nmodel = "smollm2-135m"\n', "palate.toml:2: model is a section, not a value"),
        ('[model]\nthreads = "4"\n', "palate.toml:2: model.threads = '4' should be a valid integer"),
        ("[model]\nrequantise = 1\n", "model.requantise = '1' should be 'auto', 'off', 'q4_0' or 'q8_0'"),
        ("[model]\ncontext_tokens = true\n", "model.context_tokens = 'True' should be a valid integer"),
        ("[model]\ntimeout_s = inf\n", "model.timeout_s = 'inf' should be a finite number"),
        ("[model]\ntimeout_s = -1\n", "model.timeout_s = '-1' should be greater than 0"),
        ("[model.reference]\nx = 1\n", "toml:1: model.reference = \"{'x': 1}\" should be a valid string"),
        ("[recall]\nn_candidates = 0\n", "should be greater than or equal to 1"),
        ("noun = 2020-01-01\n", "palate.toml:1: noun = '2020-01-01' should not be a date or a time"),
        ('language = "fr"\n', "language = 'fr' should be 'en' or 'zh'"),
        ('[rerank]\nstrategy = "likely"\n', "there is no strategy 'likely' at character 1 (Did you mean likelihood?)"),
        ('[endpoint]\nbase_url = "localhost:8080"\n', "should begin with http:// or https://"),
        ('[model]\nsha256 = "abc"\n', "model.sha256 = 'abc' "),
        ("[endpoint]\ntimeout_s = 5\n[model]\ntimeout_s = 0\n", "palate.toml:4: model.timeout_s"),
        ("[model]\nthreads =\n", "palate.toml is not valid TOML: invalid value (at line 2"),
        ("[model\n", "palate.toml is not valid TOML: expected ']' at the end of a table declaration (at line 1"),
        ("x = 1\ny = [1,\n", "is not valid TOML: invalid value (at line 2, the end"),
        ("a = " + "[" * 5_000, "palate.toml is "),
    ],
)
def test_a_bad_file_is_refused_with_line_and_remedy(text: str, told: str) -> None:
    write(text)
    with pytest.raises(ConfigError) as caught:
        load_settings(environment={})
    assert told in str(caught.value)
    assert caught.value.hint
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("environment", "told"),
    [
        ({"PALATE_MODEL": "x"}, "there is no environment variable PALATE_MODEL. Did you mean PALATE_MODEL_REFERENCE?"),
        ({"PALATE_MODEL_REFERENC": "x"}, "Did you mean PALATE_MODEL_REFERENCE?"),
        ({"PALATE_QQQQQQQQ": "x"}, "A variable is named after a setting"),
        ({"PALATE_MODEL_THREADS": "many"}, "PALATE_MODEL_THREADS: model.threads = 'many' should be a valid integer"),
        ({"CHROMA_PORT": "99999"}, "CHROMA_PORT: chroma.port = '99999' should be less than or equal to 65535"),
        ({"PALATE_MODEL_REQUANTISE": "perhaps"}, "should be 'auto', 'off', 'q4_0' or 'q8_0'"),
    ],
)
def test_a_bad_variable_is_refused(environment: dict[str, str], told: str) -> None:
    with pytest.raises(ConfigError) as caught:
        load_settings(environment=environment)
    assert told in str(caught.value)


def test_an_unknown_flag_and_a_flag_of_the_wrong_type_are_refused() -> None:
    with pytest.raises(ConfigError, match="Did you mean reference"):
        load_settings(environment={}, overrides={"model.referenc": "x"})
    with pytest.raises(ConfigError, match=r"flag: recall\.n_candidates"):
        load_settings(environment={}, overrides={"recall.n_candidates": 0})


@pytest.mark.parametrize("name", ["absent.toml", "."])
def test_a_file_that_cannot_be_read_is_refused(name: str) -> None:
    with pytest.raises(ConfigError, match="cannot be read"):
        load_settings(Path(name), environment={})


def test_a_file_that_is_not_text_is_refused() -> None:
    Path("palate.toml").write_bytes(b'noun = "\xff"\n')
    with pytest.raises(ConfigError, match=r"palate.toml is not UTF-8 text \(byte 8\)"):
        load_settings(environment={})


def test_a_byte_order_mark_and_windows_line_ends_are_read() -> None:
    write('\ufeff[model]\r\nreference = "gemma3-270m"\r\n')
    assert load_settings(environment={}).settings.model.reference == "gemma3-270m"


def test_relative_paths_in_a_file_are_relative_to_the_file(tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    path = write(
        'folder = "films"\ncache_folder = "~/c"\n[model]\nreference = "./m.gguf"\n[rerank]\nweights = "w.toml"\n',
        tmp_path / "elsewhere" / "p.toml",
    )
    settings = load_settings(path, environment={}).settings
    assert settings.folder == path.parent / "films"
    assert settings.cache_folder == Path.home() / "c"
    assert settings.model.reference == str(path.parent / "m.gguf")
    assert settings.rerank.weights == path.parent / "w.toml"


def test_secrets_are_masked_everywhere() -> None:
    write(f'[chroma]\napi_key = "{KEY}"\n')
    loaded = load_settings(environment={"OPENAI_API_KEY": KEY})
    assert loaded.settings.endpoint.api_key is not None
    assert loaded.settings.endpoint.api_key.get_secret_value() == KEY
    shown = {key: value for key, value, _ in loaded.rows()}
    assert shown["endpoint.api_key"] == shown["chroma.api_key"] == "********"
    assert KEY not in f"{list(loaded.rows())}{loaded}{loaded.settings.model_dump_json()}"
    write('[chroma]\napi_key = ["sk-very-secret"]\n')
    with pytest.raises(ConfigError) as caught:
        load_settings(environment={})
    assert KEY not in str(caught.value)


def test_settings_do_not_change() -> None:
    with pytest.raises(ValidationError):
        Settings().model.reference = "x"  # type: ignore[misc]
    with pytest.raises(ValidationError):
        Settings(fodler="x")  # type: ignore[call-arg]


COMMENTED = """# my settings
folder = "films"   # where

[model]
# reference = "old"
reference = "smollm2-135m"  # the default
threads = 2

[endpoint]
base_url = "http://127.0.0.1:8080/v1"
"""


@pytest.mark.parametrize(
    "text",
    [
        "",
        COMMENTED,
        COMMENTED.replace("\n", "\r\n"),
        COMMENTED.replace('reference = "smollm2-135m"  # the default\n', ""),
        "[ model ]\nthreads = 2",
        "model.threads = 2\n[recall]\nper_query = 5\n",
        'model.reference = "x"\n[recall]\nper_query = 5\n',
        'model = { reference = "x", threads = 2 }\n',
        "model = { threads = 2 }\n",
        "model = {}\n",
        '"model".\'reference\' = "x"\n',
        "[model]\n\"reference\" = 'x'\n",
        'noun = """\n[model]\nreference = "no"\n"""\n[model]\nreference = "x"\n',
        '[other]\nreference = "kept"\n',
        '\ufeff[model]\nreference = "x"\n',
        "[recall]\nper_query = 5 # no line end",
        '[model]\nreference = "a # b"\n',
    ],
)
@pytest.mark.parametrize("value", ["qwen2.5-coder-0.5b", 'C:\\models\\"x".gguf', "./影片.gguf"])
def test_one_value_is_written_and_the_rest_is_kept(text: str, value: str) -> None:
    path = write(text)
    before = read_toml(path)
    write_value(path, "model", "reference", value)
    after = read_toml(path)
    assert after["model"]["reference"] == value
    before.setdefault("model", {})["reference"] = value
    assert after == before
    old, new = text.splitlines(), path.read_bytes().decode().splitlines()
    changed = [line for line in old if line not in new]
    assert len(changed) <= 1
    assert all(line in new for line in old if line.lstrip().startswith("#"))
    assert list(Path.cwd().iterdir()) == [Path.cwd() / "palate.toml"]


def test_a_comment_on_the_line_that_changes_stays() -> None:
    path = write(COMMENTED)
    write_value(path, "model", "reference", "gemma3-270m")
    assert path.read_text() == COMMENTED.replace('"smollm2-135m"', '"gemma3-270m"')


@pytest.mark.parametrize(("text", "told"), [("[model\n", "line 1"), ("model = 3\n", "not a table")])
def test_a_file_that_cannot_be_changed_safely_is_left_alone(text: str, told: str) -> None:
    path = write(text)
    with pytest.raises(ConfigError, match=told):
        write_value(path, "model", "reference", "x")
    assert path.read_text() == text


def test_a_file_that_cannot_be_written_is_said() -> None:
    write("", Path("file"))
    with pytest.raises(ConfigError, match="cannot be"):
        write_value(Path("file") / "palate.toml", "model", "reference", "x")


def test_a_linked_file_is_changed_where_it_is_and_keeps_its_mode() -> None:
    Path("real").mkdir()
    real = write("[model]\n", Path("real/p.toml"))
    real.chmod(0o600)
    Path("palate.toml").symlink_to(real)
    write_value(Path("palate.toml"), "model", "reference", "x")
    assert Path("palate.toml").is_symlink()
    assert tomllib.loads(real.read_text()) == {"model": {"reference": "x"}}
    assert real.stat().st_mode & 0o777 == 0o600


def test_the_line_of_a_key_counts_its_table() -> None:
    path = write("x = 1\n[a]\nkey = 1\n[b]\n'key' = 2\nc.d = 3\n")
    assert [line_of(path, key) for key in ("x", "a", "a.key", "b.key", "b.c.d", "z")] == [1, 2, 3, 5, 6, None]


def test_the_key_of_the_store_stands_in_no_file_that_backups_hold() -> None:
    path = write(f'noun = "films"\nencryption_key = "{KEY}"\n')
    with pytest.raises(ConfigError, match=r"palate\.toml:2: encryption_key may not .* PALATE_ENCRYPTION_KEY") as caught:
        load_settings(path, environment={})
    assert KEY not in str(caught.value)
    write('noun = "films"\n')
    assert load_settings(path, environment={"PALATE_ENCRYPTION_KEY": KEY}).settings.encryption_key is not None
