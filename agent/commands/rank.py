"""`palate rank` and `palate explain`: pieces of the path, for a person of the store or JSON lines on stdin."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from agent.commands import ask, lines, render
from agent.commands.options import JsonOption, NoModelOption, WishOption, open_recommender, person
from agent.errors import ConfigError

if TYPE_CHECKING:
    from agent.recommender import Recommender
    from agent.types import Slate

UserOrStdin = Annotated[
    str | None, typer.Argument(metavar="USER", help="Whose taste; leave it out to read JSON lines on stdin.")
]
ItemsOrStdin = Annotated[list[str] | None, typer.Argument(metavar="ITEM", help="Titles or item ids.")]


def rank(
    ctx: typer.Context,
    user: UserOrStdin = None,
    items: ItemsOrStdin = None,
    wish: WishOption = None,
    no_llm: NoModelOption = False,
    as_json: JsonOption = False,
) -> None:
    """Put given candidates in order for a person or a history.

    Without USER, JSON lines are read on stdin, {"history": [...], "candidates": [...], "wish": "..."} a line, and one
    JSON line is written for each; a bad line is answered by {"error", "line"} and makes the exit code 1.
    """
    with open_recommender(ctx) as recommender:
        if user is None:
            _refuse_wish(wish)
            _answer_lines("candidates", lambda r: recommender.rank(r.history, r.items, r.wish, llm=not no_llm))
        else:
            candidates = _ids(recommender, items)
            slate = recommender.rank_for(person(user), candidates, wish, llm=not no_llm)
            _show(slate, f"In order for {user}", as_json)


def explain(
    ctx: typer.Context,
    user: UserOrStdin = None,
    items: ItemsOrStdin = None,
    wish: WishOption = None,
    no_llm: NoModelOption = False,
    as_json: JsonOption = False,
) -> None:
    """Give reasons for items that any system chose.

    Without USER, JSON lines are read on stdin, {"history": [...], "items": [...], "wish": "..."} a line, and one JSON
    line is written for each; a bad line is answered by {"error", "line"} and makes the exit code 1.
    """
    with open_recommender(ctx) as recommender:
        if user is None:
            _refuse_wish(wish)
            _answer_lines("items", lambda r: recommender.explain_items(r.history, r.items, r.wish, llm=not no_llm))
        else:
            slate = recommender.explain(person(user), _ids(recommender, items), wish=wish, llm=not no_llm)
            _show(slate, f"Why {user} may like", as_json)


def _refuse_wish(wish: str | None) -> None:
    if wish is not None:
        raise ConfigError("--wish has no person", 'Name a USER, or write "wish" into each line on stdin')


def _answer_lines(key: str, answer: lines.Answer) -> None:
    if bad := lines.answer_all(key, answer):
        render.note(f"{render.count(bad, 'line')} could not be answered")
        raise typer.Exit(1)


def _ids(recommender: Recommender, items: list[str] | None) -> list[str]:
    if not items:
        raise ConfigError("no items named", "Give titles or item ids after the user")
    return ask.Finder(recommender).ids(items)


def _show(slate: Slate, heading: str, as_json: bool) -> None:
    if as_json:
        render.write_json(slate.as_json())
    else:
        render.draw_slate(slate, heading)
    render.require_model(slate)
