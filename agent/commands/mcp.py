"""The command `palate mcp`: Palate as tools for the models of other programs, over stdin and stdout."""

from __future__ import annotations

from importlib.util import find_spec
from typing import Annotated

import typer

from agent.commands.options import NoModelOption, open_recommender, person
from agent.errors import ConfigError

UserOption = Annotated[str, typer.Option("--user", metavar="USER", help="Whose taste, where a call names nobody.")]


def mcp(ctx: typer.Context, user: UserOption = "me", no_llm: NoModelOption = False) -> None:
    """Serve Palate as tools to programs that speak MCP.

    The tools are recommend, search_items, explain and tell. The program starts this command and talks to it over stdin
    and stdout (Model Context Protocol); notes go to stderr. It ends when stdin does; docs/chat.md has an example.
    """
    if find_spec("mcp") is None:
        raise ConfigError("the package mcp is not installed", "Install it with: pip install 'palate[mcp]'")
    from agent.commands.ahead import open_ahead
    from agent.serve.tools import server_over
    from agent.supply.locked import version_of

    user_id = person(user)
    with open_recommender(ctx) as recommender:
        recommender.parts.require_items()
        open_ahead(recommender, llm=not no_llm)
        version = version_of("palate") or ""
        server_over(recommender, user_id, llm=not no_llm, version=version).run("stdio")
