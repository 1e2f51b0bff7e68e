"""The settings of logs and spans."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from agent.setting_values import Section, WebAddress, Word


class LogSettings(Section):
    """What is written on stderr while Palate works (docs/operations.md). No line names a person or what they said."""

    format: Literal["text", "json"] = Field(default="text", description="a line of text or a JSON object per entry")
    level: Literal["debug", "info", "warning", "error"] = Field(
        default="warning", description="info: also a line for every request that the server answers"
    )


class OtelSettings(Section):
    """OpenTelemetry: a span for each answer and each of its stages, sent nowhere unless `endpoint` is set."""

    endpoint: WebAddress | None = Field(
        default=None, description="where an OTLP receiver listens, such as http://localhost:4318"
    )
    service: Word = Field(default="palate", description="what spans call this process")
    timeout_s: float = Field(default=5, gt=0, le=60, description="what sending spans may take")
