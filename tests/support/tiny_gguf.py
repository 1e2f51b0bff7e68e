"""Real GGUF models of a few kilobytes with random weights, one of each kind that llama.cpp can load."""

from __future__ import annotations

import math
import struct
from collections.abc import Callable, Mapping, Sequence

import numpy as np

Value = bool | int | float | str | Sequence[int] | Sequence[float] | Sequence[str]
Shape = tuple[int, ...]  # as ggml counts dimensions: the one that runs fastest first

WIDTH, HEADS, WIDE, LAYERS = 64, 2, 96, 2
HEAD = WIDTH // HEADS
CONTEXT = 512
WORDS = (
    "yes",
    "no",
    "film",
    "likes",
    "the",
    *"ABCDEFGHIJKLMNOPQRSTUVWXYZ",
    *"abcdefghijklmnopqrstuvwxyz.,:-0123456789",
)

_UNSIGNED, _INTEGER, _FLOAT, _TRUTH, _TEXT, _ARRAY = 4, 5, 6, 7, 8, 9  # the numbers of GGUF's value types
_NORMAL, _UNKNOWN, _CONTROL, _BYTE = 1, 2, 3, 6  # the numbers of llama.cpp's token types
_ALIGNMENT = 32


def gguf(metadata: Mapping[str, Value], shapes: Mapping[str, Shape], *, scale: float = 1.0) -> bytes:
    """A GGUF file (version 3) with this metadata and random F32 tensors of these shapes, the same every time.

    Tensors of one dimension, norms and biases, are all 1; all others keep the size of what passes through them, times
    the scale.
    """
    chance = np.random.default_rng(1)
    head = b"GGUF" + struct.pack("<IQQ", 3, len(shapes), len(metadata))
    head += b"".join(_text(key) + _typed(value) for key, value in metadata.items())
    body = b""
    for name, shape in shapes.items():
        head += _text(name) + struct.pack(f"<I{len(shape)}QIQ", len(shape), *shape, 0, len(body))
        size = math.prod(shape)
        weights = np.ones(size) if len(shape) == 1 else chance.normal(0, 1, size) * scale / math.sqrt(shape[0])
        body += _padded(weights.astype("<f4").tobytes())
    return _padded(head) + body


def llama(
    *, words: Sequence[str] = WORDS, context: int = CONTEXT, more: Mapping[str, Value] | None = None, scale: float = 1.0
) -> bytes:
    """A decoder of Llama's kind, without a chat template.

    Its vocabulary spells bytes, and these words with a space before them; the word "" is a space, and without words
    there are bytes alone. Its weights are `scale` times what they should be.
    """
    vocabulary = sentencepiece(words)
    return gguf(
        {
            **_common("llama", context),
            **vocabulary,
            "llama.attention.layer_norm_rms_epsilon": 1e-5,
            "llama.rope.dimension_count": HEAD,
            **(more or {}),
        },
        {**_ends(vocabulary), **_each(lambda _: _ATTENTION | _FEED_FORWARD)},
        scale=scale,
    )


def llama_wide(*, key: int, context: int) -> bytes:
    """A decoder of Llama's kind that keeps `key` numbers of each key and value of a head."""
    vocabulary = sentencepiece(WORDS)
    wide: dict[str, Shape] = {f"attn_{name}.weight": (WIDTH, HEADS * key) for name in "qkv"}
    wide |= {"attn_norm.weight": (WIDTH,), "attn_output.weight": (HEADS * key, WIDTH)}
    sizes = {"attention.key_length": key, "attention.value_length": key, "rope.dimension_count": key}
    return gguf(
        {
            **_common("llama", context),
            **vocabulary,
            "llama.attention.layer_norm_rms_epsilon": 1e-5,
            **{f"llama.{name}": size for name, size in sizes.items()},
        },
        {**_ends(vocabulary), **_each(lambda _: wide | _FEED_FORWARD)},
    )


def mamba() -> bytes:
    """A recurrent model."""
    vocabulary = sentencepiece(WORDS)
    kernel, inner, state, rank = 4, 2 * WIDTH, 16, 8
    layer: dict[str, Shape] = {
        "attn_norm.weight": (WIDTH,),
        "ssm_in.weight": (WIDTH, 2 * inner),
        "ssm_conv1d.weight": (kernel, inner),
        "ssm_conv1d.bias": (inner,),
        "ssm_x.weight": (inner, rank + 2 * state),
        "ssm_dt.weight": (rank, inner),
        "ssm_dt.bias": (inner,),
        "ssm_a": (state, inner),
        "ssm_d": (inner,),
        "ssm_out.weight": (inner, WIDTH),
    }
    sizes = {"conv_kernel": kernel, "inner_size": inner, "state_size": state, "time_step_rank": rank}
    return gguf(
        {
            **_common("mamba"),
            **vocabulary,
            "mamba.attention.layer_norm_rms_epsilon": 1e-5,
            **{f"mamba.ssm.{key}": size for key, size in sizes.items()},
        },
        {**_ends(vocabulary), **_each(lambda _: layer)},
    )


def lfm2() -> bytes:
    """A hybrid: its first layer is a short convolution with a state, its second attends."""
    vocabulary = sentencepiece(WORDS)
    convolution: dict[str, Shape] = {
        "attn_norm.weight": (WIDTH,),
        "shortconv.conv.weight": (3, WIDTH),
        "shortconv.in_proj.weight": (WIDTH, 3 * WIDTH),
        "shortconv.out_proj.weight": (WIDTH, WIDTH),
    }
    norms: dict[str, Shape] = {"attn_q_norm.weight": (HEAD,), "attn_k_norm.weight": (HEAD,)}
    ends = {name.replace("output_norm", "token_embd_norm"): shape for name, shape in _ends(vocabulary).items()}
    return gguf(
        {
            **_common("lfm2"),
            **vocabulary,
            "lfm2.attention.head_count_kv": [0, HEADS],
            "lfm2.attention.layer_norm_rms_epsilon": 1e-5,
            "lfm2.shortconv.l_cache": 3,
        },
        {**ends, **_each(lambda n: (_ATTENTION | norms if n else convolution) | _FEED_FORWARD)},
    )


def bert() -> bytes:
    """An encoder of Bert's kind, as embedding models are."""
    tokens = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *(f"▁{word}" for word in WORDS)]
    vocabulary: dict[str, Value] = {
        "tokenizer.ggml.model": "bert",
        "tokenizer.ggml.tokens": tokens,
        "tokenizer.ggml.token_type": [_CONTROL] * 5 + [_NORMAL] * len(WORDS),
        "tokenizer.ggml.token_type_count": 2,
        "tokenizer.ggml.bos_token_id": 2,
        "tokenizer.ggml.seperator_token_id": 3,  # so spelled in the format
    }
    layer: dict[str, Shape] = {f"attn_{name}.weight": (WIDTH, WIDTH) for name in ("q", "k", "v", "output")}
    layer |= {"ffn_up.weight": (WIDTH, WIDE), "ffn_down.weight": (WIDE, WIDTH)}
    layer |= {f"{name}_norm.{part}": (WIDTH,) for name in ("attn_output", "layer_output") for part in _NORM}
    ends: dict[str, Shape] = {"token_embd.weight": (WIDTH, len(tokens)), "position_embd.weight": (WIDTH, CONTEXT)}
    return gguf(
        {
            **_common("bert"),
            **vocabulary,
            "bert.attention.layer_norm_epsilon": 1e-5,
            "bert.attention.causal": False,
            "bert.pooling_type": 1,
        },
        {**ends, **{f"token_embd_norm.{part}": (WIDTH,) for part in _NORM}, **_each(lambda _: layer)},
    )


def t5() -> bytes:
    """An encoder and a decoder, as translators are."""
    vocabulary = sentencepiece(WORDS) | {"tokenizer.ggml.model": "t5"}
    buckets = 8
    ends = {name.replace("output_norm", "dec.output_norm"): shape for name, shape in _ends(vocabulary).items()}
    shapes: dict[str, Shape] = {**ends, "enc.output_norm.weight": (WIDTH,)}
    for side in ("enc", "dec"):
        for n in range(LAYERS):
            block = f"{side}.blk.{n}."
            for attention in ("attn", "cross_attn")[: 1 + (side == "dec")]:
                shapes |= {f"{block}{attention}_{part}.weight": (WIDTH, WIDTH) for part in "qkvo"}
                shapes |= {f"{block}{attention}_norm.weight": (WIDTH,)}
            shapes |= {f"{block}attn_rel_b.weight": (HEADS, buckets)}
            shapes |= {block + name: shape for name, shape in _FEED_FORWARD.items()}
    return gguf(
        {
            **_common("t5"),
            **vocabulary,
            "t5.attention.layer_norm_rms_epsilon": 1e-5,
            "t5.attention.relative_buckets_count": buckets,
            "t5.attention.key_length": HEAD,
            "t5.attention.value_length": HEAD,
            "t5.decoder_start_token_id": 0,
        },
        shapes,
    )


def embedder() -> bytes:
    """A decoder that was made to embed: its file names a pooling."""
    return llama(more={"llama.pooling_type": 3})


def wordless() -> bytes:
    """A decoder that knows how many tokens there are, and not how they are spelled."""
    return llama(more={"tokenizer.ggml.model": "no_vocab", "llama.vocab_size": len(_tokens(sentencepiece(WORDS)))})


KINDS: dict[str, Callable[[], bytes]] = {
    "llama": llama,
    "short": lambda: llama(context=64),
    "shortest": lambda: llama(context=8),
    "letterless": lambda: llama(words=("",)),
    "bytes": lambda: llama(words=()),
    "damaged": lambda: llama(scale=math.nan),
    "wordless": wordless,
    "mamba": mamba,
    "lfm2": lfm2,
    "bert": bert,
    "t5": t5,
    "embedder": embedder,
}

_NORM = ("weight", "bias")
_ATTENTION: dict[str, Shape] = {
    "attn_norm.weight": (WIDTH,),
    **{f"attn_{name}.weight": (WIDTH, WIDTH) for name in ("q", "k", "v", "output")},
}
_FEED_FORWARD: dict[str, Shape] = {
    "ffn_norm.weight": (WIDTH,),
    "ffn_gate.weight": (WIDTH, WIDE),
    "ffn_up.weight": (WIDTH, WIDE),
    "ffn_down.weight": (WIDE, WIDTH),
}


def sentencepiece(words: Sequence[str]) -> dict[str, Value]:
    """The metadata of a vocabulary of bytes and of these words, each with a space before it; longer tokens first."""
    pieces = dict.fromkeys(f"▁{word[:n]}" for word in words for n in range(len(word) + 1))
    pieces |= dict.fromkeys(letter for word in words for letter in word)
    tokens = ["<unk>", "<s>", "</s>", *(f"<0x{byte:02X}>" for byte in range(256)), *pieces]
    return {
        "tokenizer.ggml.model": "llama",
        "tokenizer.ggml.tokens": tokens,
        "tokenizer.ggml.scores": [0.0] * 259 + [float(len(piece)) for piece in pieces],
        "tokenizer.ggml.token_type": [_UNKNOWN, _CONTROL, _CONTROL] + [_BYTE] * 256 + [_NORMAL] * len(pieces),
        "tokenizer.ggml.bos_token_id": 1,
        "tokenizer.ggml.eos_token_id": 2,
        "tokenizer.ggml.unknown_token_id": 0,
    }


def _common(architecture: str, context: int = CONTEXT) -> dict[str, Value]:
    sizes = {
        "context_length": context,
        "embedding_length": WIDTH,
        "block_count": LAYERS,
        "feed_forward_length": WIDE,
        "attention.head_count": HEADS,
    }
    return {"general.architecture": architecture, **{f"{architecture}.{key}": size for key, size in sizes.items()}}


def _ends(vocabulary: Mapping[str, Value]) -> dict[str, Shape]:
    """The first and the last tensors of a model that writes."""
    size = len(_tokens(vocabulary))
    return {
        "token_embd.weight": (WIDTH, size),
        "output_norm.weight": (WIDTH,),
        "output.weight": (WIDTH, size),
    }


def _tokens(vocabulary: Mapping[str, Value]) -> Sequence[object]:
    tokens = vocabulary["tokenizer.ggml.tokens"]
    return tokens if isinstance(tokens, list) else []


def _each(layer: Callable[[int], Mapping[str, Shape]]) -> dict[str, Shape]:
    return {f"blk.{n}.{name}": shape for n in range(LAYERS) for name, shape in layer(n).items()}


def _typed(value: Value) -> bytes:
    """A value with its type before it."""
    if isinstance(value, (bool, int, float, str)):
        kind, raw = _scalar(value)
        return struct.pack("<I", kind) + raw
    scalars = [_scalar(one) for one in value]
    kind = _INTEGER if scalars[0][0] == _UNSIGNED else scalars[0][0]
    return struct.pack("<IIQ", _ARRAY, kind, len(scalars)) + b"".join(raw for _, raw in scalars)


def _scalar(value: bool | int | float | str) -> tuple[int, bytes]:
    """The number of a value's type, and its bytes."""
    if isinstance(value, bool):
        return _TRUTH, struct.pack("<?", value)
    if isinstance(value, int):
        return _UNSIGNED, struct.pack("<I", value)
    return (_FLOAT, struct.pack("<f", value)) if isinstance(value, float) else (_TEXT, _text(value))


def _text(text: str) -> bytes:
    raw = text.encode()
    return struct.pack("<Q", len(raw)) + raw


def _padded(raw: bytes) -> bytes:
    return raw + bytes(-len(raw) % _ALIGNMENT)
