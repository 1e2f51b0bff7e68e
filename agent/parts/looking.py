"""Opening the pictures of a catalogue as the settings say: which model looks at them, and how."""

from __future__ import annotations

import prompts
from agent.embed.base import Embedder
from agent.errors import ConfigError
from agent.images import openclip
from agent.images.describe import Describing
from agent.images.endpoint import Asking, Embedding
from agent.images.eye import Eye, Remembering
from agent.images.source import Source
from agent.parts.pictures import Pictures
from agent.recall.chroma import OpenCLIPEmbeddingFunction
from agent.recall.pictures import Contents, PictureIndex
from agent.settings import Settings
from agent.store.cache import Cache

_BYTES_PER_MB = 1_000_000


def open_pictures(settings: Settings, cache: Cache, embedder: Embedder) -> Pictures:
    """The pictures, their folder locked for this process; the model is loaded, or asked, at the first look.

    Raises ConfigError: no model or no address is named; StoreError, StoreLocked, PromptError.
    """
    images = settings.images
    own = _eye(settings, cache, embedder)
    eye = Remembering(own, cache, own.forgetful if isinstance(own, Describing) else own)
    source = Source(
        images.folder or settings.folder, int(images.max_mb * _BYTES_PER_MB), images.fetch, images.fetch_timeout_s
    )
    contents = Contents(eye.name)
    index = PictureIndex.open(settings.folder, contents, chroma=settings.chroma)
    return Pictures(images.source, eye, source, index, contents, cache)


def _eye(settings: Settings, cache: Cache, embedder: Embedder) -> Eye:
    images = settings.images
    if images.source == "openclip":
        model = images.model or openclip.MODEL
        return openclip.OpenClip(model, images.checkpoint, OpenCLIPEmbeddingFunction, openclip.decoded)
    if images.model is None:
        raise ConfigError(f"images.source is {images.source}, but no images.model is named", "Set images.model")
    if images.source == "endpoint":
        return Embedding(_asking(settings, "/embeddings", images.model), images.shape)
    prompt = prompts.load("image-describe", settings.language, folder=prompts.check(settings.prompts))
    return Describing(_asking(settings, "/chat/completions", images.model), prompt, embedder, cache, settings.noun)


def _asking(settings: Settings, path: str, model: str) -> Asking:
    images, endpoint = settings.images, settings.endpoint
    own = images.base_url is not None  # a server of its own never gets the other one's key
    return Asking(
        path,
        model,
        base_url=images.base_url or endpoint.base_url,
        api_key=images.api_key or (None if own else endpoint.api_key),
        timeout_s=images.timeout_s,
        retries=endpoint.retries,
        concurrency=endpoint.concurrency,
    )
