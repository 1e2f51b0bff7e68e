"""What answers to chat interfaces hold, in OpenAI's shapes: the schemas of the OpenAPI document."""

from __future__ import annotations

from typing import Literal

from agent.serve.shapes import Shape


class ModelShape(Shape):
    """The one model, as OpenAI's clients know models."""

    id: str
    object: Literal["model"]
    created: int
    owned_by: str


class ModelsShape(Shape):
    """All models there are."""

    object: Literal["list"]
    data: list[ModelShape]


class Spoke(Shape):
    """The assistant's message."""

    role: Literal["assistant"]
    content: str


class Choice(Shape):
    """The one answer."""

    index: int
    message: Spoke
    finish_reason: Literal["stop"]
    logprobs: None = None


class Usage(Shape):
    """Tokens that a model read and wrote."""

    prompt_tokens: int
    completion_tokens: int
    total_tokens: int


class CompletionShape(Shape):
    """A reply in OpenAI's shape."""

    id: str
    object: Literal["chat.completion"]
    created: int
    model: str
    choices: list[Choice]
    usage: Usage


class OpenaiFault(Shape):
    """What went wrong, in OpenAI's words."""

    message: str
    type: str
    param: str | None
    code: str | None


class OpenaiProblemShape(Shape):
    """An error as OpenAI's clients know it."""

    error: OpenaiFault
