from contextlib import closing
from pathlib import Path

import pytest

from agent.deadline import Deadline
from agent.errors import ModelUnavailable
from agent.llm.local.llama import Llama
from agent.llm.local.options import CacheType, Options, Switch
from tests.support.tiny_gguf import KINDS

NEVER = Deadline.never()


def opened(folder: Path, flash_attention: Switch = "auto", cache_type: CacheType = "f16") -> Llama:
    path = folder / "tiny.gguf"
    path.write_bytes(KINDS["llama"]())
    options = Options(flash_attention=flash_attention, cache_type=cache_type, n_gpu_layers=0, context_tokens=256)
    return Llama(path, name="tiny", sha256="", options=options)


def written(model: Llama) -> str:
    return model.complete("the", [" film"], NEVER, max_tokens=4)[0].text


@pytest.mark.parametrize(("flash_attention", "contexts"), [("auto", 2), ("on", 1), ("off", 1)])
def test_texts_are_written_in_a_context_of_their_own_where_the_choice_is_ours(
    tmp_path: Path, flash_attention: Switch, contexts: int
) -> None:
    with closing(opened(tmp_path, flash_attention)) as model:
        model.score("the", [" film"], NEVER)
        assert len(model._decoders.contexts) == 1
        before = model.tokens_decoded
        written(model)
        assert len(model._decoders.contexts) == contexts
        assert model.tokens_decoded > before


def test_a_quantised_cache_is_written_to_with_flash_attention(tmp_path: Path) -> None:
    with closing(opened(tmp_path, "auto", "q8_0")) as model:
        written(model)
        assert len(model._decoders.contexts) == 1


def test_all_ways_write_the_same(tmp_path: Path) -> None:
    texts = set()
    for flash_attention in ("auto", "on", "off"):
        with closing(opened(tmp_path, flash_attention)) as model:
            texts.add(written(model))
    assert len(texts) == 1


def test_a_model_that_was_stopped_opens_no_context_that_goes_on(tmp_path: Path) -> None:
    with closing(opened(tmp_path)) as model:
        model._decoders.stop()
        with pytest.raises(ModelUnavailable, match="closed"):
            written(model)
