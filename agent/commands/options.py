"""What the commands share: the global flags, and the arguments and options that several of them take."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from agent.commands import render
from agent.errors import ConfigError, fault_of

if TYPE_CHECKING:
    from agent.recommender import Recommender
    from agent.settings import Loaded, Settings


@dataclass(frozen=True)
class Options:
    """The flags given before the command: a settings file, and settings that override file and environment."""

    config: Path | None = None
    overrides: Mapping[str, object] = field(default_factory=dict)

    def load(self) -> Loaded:
        """The settings and the origin of each; what is logged is written as they say. Raises ConfigError."""
        from agent.observe.logs import configure
        from agent.settings import load_settings

        loaded = load_settings(self.config, overrides=self.overrides)
        configure(loaded.settings.log)
        return loaded

    def with_defaults(self, defaults: Mapping[str, object]) -> Options:
        """The same flags, and these settings where no flag says otherwise."""
        return Options(self.config, {**defaults, **self.overrides})


def options_of(ctx: typer.Context) -> Options:
    """The global flags of this call; the defaults where a command runs outside `palate`."""
    return ctx.find_object(Options) or Options()


def open_recommender(ctx: typer.Context) -> Recommender:
    """A recommender on the settings of this call, to be used in a `with`; slow first steps are shown on stderr.

    Raises PalateError.
    """
    from agent.recommender import Recommender

    settings = options_of(ctx).load().settings
    _trace(ctx, settings)
    return Recommender.open(settings=settings, progress=meter_of(ctx, "Indexing"), told=render.told)


def _trace(ctx: typer.Context, settings: Settings) -> None:
    """Make this command and the stages in it spans, where the settings say so."""
    from agent.observe.stages import watch_from_now
    from agent.observe.tracing import Tracing

    if tracing := Tracing.opened(settings.otel):
        ctx.call_on_close(tracing.close)
        spans = tracing.answer(ctx.command_path)
        ctx.call_on_close(spans.ended)
        watch_from_now(spans)


def meter_of(ctx: typer.Context, doing: str) -> render.Meter:
    """A meter that is closed at the latest when the command ends, whichever way it ends."""
    meter = render.Meter(doing)
    ctx.call_on_close(meter.close)
    return meter


def person(user_id: str) -> str:
    """The name of a person as given on the command line. Raises ConfigError when no store could hold it."""
    from pydantic import TypeAdapter, ValidationError

    from agent.types import Identifier

    try:
        return TypeAdapter(Identifier).validate_python(user_id)
    except ValidationError as error:
        raise ConfigError(
            f"{user_id[:40]!r} cannot name a person: {fault_of(error)}",
            "A user is 1 to 128 printable characters, such as: ada",
        ) from error


UserArgument = Annotated[str, typer.Argument(metavar="USER", help="Whose taste: any name you choose.")]
JsonOption = Annotated[bool, typer.Option("--json", help="Write the documented JSON shape instead of a drawing.")]
WhereOption = Annotated[str | None, typer.Option(metavar="TEST", help="Only items that pass, such as: year>=1990")]
WishOption = Annotated[str | None, typer.Option("--wish", metavar="TEXT", help="What the person is in the mood for.")]
NoModelOption = Annotated[
    bool, typer.Option("--no-llm", help="Leave the language model out: order and reasons come from the other signals.")
]
