from pathlib import Path

import pytest

from agent.errors import ConfigError
from agent.rerank.weights import load_weights


def test_the_shipped_weights_say_how_they_were_fitted() -> None:
    weights = load_weights()
    learned = {"together", "factors", "popularity"}
    assert {"taste", "tags", "year", "wish", "wish_tags", *learned} == set(weights.prior)
    assert {"prior", "likelihood", "renown", "other"} == set(weights.blend)
    assert weights.fitted["dataset"]["n_run"] > 0
    assert weights.fitted["prompts"]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[prior", "cannot be read"),
        ("[prior]\ntaste = 1\n", "blend"),
        ("[prior]\ntaste = 'much'\n[blend]\n", "prior.taste"),
        ("[prior]\ntaste = nan\n[blend]\n", "prior.taste"),
        ("[prior]\n[blend]\n[other]\n", "other"),
    ],
)
def test_a_broken_weights_file_is_named(tmp_path: Path, text: str, said: str) -> None:
    path = tmp_path / "weights.toml"
    path.write_text(text)
    with pytest.raises(ConfigError, match=said) as caught:
        load_weights(path)
    assert str(path) in str(caught.value)
    assert "palate eval fit" in caught.value.hint


def test_a_missing_weights_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"none\.toml"):
        load_weights(tmp_path / "none.toml")
