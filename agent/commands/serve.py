"""`palate serve`: the server with its page, and the keys that open it."""

from __future__ import annotations

from contextlib import ExitStack
from typing import Annotated

import typer

from agent.commands import render
from agent.commands.interruption import INTERRUPTED
from agent.commands.options import JsonOption, Options, options_of, person

app = typer.Typer(invoke_without_command=True)
keys = typer.Typer(no_args_is_help=True, help="Add, list and remove the keys that a server asks for.")
app.add_typer(keys, name="keys")

NameArgument = Annotated[str, typer.Argument(metavar="NAME", help="What the key is called, such as: webui")]


@app.callback()
def serve(
    ctx: typer.Context,
    host: Annotated[str | None, typer.Option(metavar="HOST", help="Where to listen (default: 127.0.0.1).")] = None,
    port: Annotated[
        int | None, typer.Option(min=0, max=65_535, metavar="N", help="The port (default: 8710); 0: any free one.")
    ] = None,
    no_llm: Annotated[bool, typer.Option("--no-llm", help="Leave the language model out.")] = False,
    cors: Annotated[
        list[str] | None, typer.Option("--cors", metavar="ORIGIN", help="A site whose scripts may ask; repeatable.")
    ] = None,
) -> None:
    """Answer over HTTP, with a page to talk to.

    Writes its address as one line on stdout once it takes requests; Ctrl-C ends it. Without keys only this machine
    can reach it; to listen elsewhere, add one first: palate serve keys add NAME
    """
    if ctx.invoked_subcommand is not None:
        return
    given = {"serve.host": host, "serve.port": port, "serve.cors": tuple(cors) if cors else None}
    overrides = {key: value for key, value in given.items() if value is not None}
    flags = options_of(ctx)
    options = Options(flags.config, {**flags.overrides, **overrides, **({"serve.llm": False} if no_llm else {})})
    if _run(options):
        raise typer.Exit(INTERRUPTED)


def _run(options: Options) -> bool:
    """Serve until a signal; whether it was Ctrl-C."""
    from agent.converse.conversations import Conversations
    from agent.llm.files.reference import EndpointReference, parse
    from agent.observe.tracing import Tracing
    from agent.recommender import Recommender
    from agent.serve.app import create_app
    from agent.serve.running import bound, check_exposure, run

    settings = options.load().settings
    check_exposure(settings)
    with ExitStack() as stack:
        here = stack.enter_context(bound(settings.serve.host, settings.serve.port))
        recommender = stack.enter_context(Recommender.open(settings=settings, told=render.told))
        _ = recommender.index  # locks the data folder
        if settings.serve.llm and isinstance(parse(settings.model.reference), EndpointReference):
            _ = recommender.parts.reranker  # asks nothing yet: what its settings lack is told here, not to each client
        tracing = Tracing.opened(settings.otel)
        if tracing:
            stack.callback(tracing.close)
        app = create_app(recommender, Conversations(recommender), tracing=tracing)
        return run(app, here, settings, _announce)


def _announce(address: str) -> None:
    typer.echo(f"Palate answers on {address}")


@keys.command("add")
def add(
    ctx: typer.Context,
    name: NameArgument,
    user: Annotated[str | None, typer.Option(metavar="USER", help="The only person it may speak for.")] = None,
    rate: Annotated[str | None, typer.Option(metavar="N/min", help="How often it may ask, such as: 30/min")] = None,
    as_json: JsonOption = False,
) -> None:
    """Make a key and show it, this once: only its hash is kept. A server that runs knows it at once."""
    from agent.serve.keys import Keys, rate_in

    found = Keys(options_of(ctx).load().settings.folder)
    per_minute = rate_in(rate) if rate is not None else None
    secret = found.add(name, user=person(user) if user is not None else None, per_minute=per_minute)
    if as_json:
        render.write_json({"name": name, "key": secret, "user": user, "per_minute": per_minute})
        return
    render.note("it is shown this once; send it as: Authorization: Bearer KEY")
    typer.echo(secret)


@keys.command("list")
def listed(ctx: typer.Context, as_json: JsonOption = False) -> None:
    """List the keys: names, whom they speak for, how often they may ask."""
    from agent.serve.keys import Keys

    found = Keys(options_of(ctx).load().settings.folder).all()
    rows = [key.model_dump(mode="json", exclude={"sha256"}) for key in found]
    if as_json:
        render.write_json({"keys": rows})
    elif not rows:
        render.out().print("There are no keys: anyone on this machine may ask.")
    for row in rows if not as_json else ():
        rate = "" if row["per_minute"] is None else f", {row['per_minute']:g} a minute"
        whom = "anyone" if row["user"] is None else row["user"]
        typer.echo(f"{row['name']}  for {render.plain(whom)}{rate}, added {row['added'][:10]}")


@keys.command("remove")
def remove(ctx: typer.Context, name: NameArgument) -> None:
    """Take a key away; a server that runs refuses it at once."""
    from agent.serve.keys import Keys

    Keys(options_of(ctx).load().settings.folder).remove(name)
    render.out().print(f"Removed the key {render.plain(name)}.")
