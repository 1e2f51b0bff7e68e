"""The commands about one person: tell, recommend, why, forget; `profile` has a file of its own."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Annotated

import typer

from agent.commands import ask, render
from agent.commands.options import JsonOption, NoModelOption, UserArgument, WhereOption, open_recommender, person
from agent.commands.privacy import note_left_alone
from agent.errors import ConfigError, NotFound

if TYPE_CHECKING:
    from agent.types import Event, Item

LikeOption = Annotated[list[str] | None, typer.Option("--like", metavar="TITLE", help="Liked; repeat for several.")]
DislikeOption = Annotated[list[str] | None, typer.Option("--dislike", metavar="TITLE", help="Disliked.")]
SeenOption = Annotated[list[str] | None, typer.Option("--seen", metavar="TITLE", help="Seen, without a verdict.")]
RateOption = Annotated[list[str] | None, typer.Option("--rate", metavar="TITLE=N", help="Rated, for example Heat=4.")]
CountOption = Annotated[int, typer.Option("-k", min=1, max=1_000, metavar="N", help="How many recommendations.")]
ImageOption = Annotated[
    str | None, typer.Option("--image", metavar="PATH|URL", help="A picture that what comes should look like.")
]


def tell(
    ctx: typer.Context,
    user: UserArgument,
    like: LikeOption = None,
    dislike: DislikeOption = None,
    rate: RateOption = None,
    seen: SeenOption = None,
    as_json: JsonOption = False,
) -> None:
    """Record what a person likes, dislikes, rated or has seen.

    Titles may be given without year, case or accents. Every title is found before anything is written; one that fits
    several items is listed (on a terminal: asked for), never guessed.
    """
    user_id = person(user)
    ratings = dict(map(_rating, rate or ()))
    if not (like or dislike or ratings or seen):
        raise ConfigError("nothing to record", f"Try: palate tell {user_id} --like 'Toy Story'")
    with open_recommender(ctx) as recommender:
        find = ask.Finder(recommender)
        events = recommender.tell(
            user_id,
            likes=find.ids(like or ()),
            dislikes=find.ids(dislike or ()),
            seen=find.ids(seen or ()),
            ratings={find.id(title): value for title, value in ratings.items()},
        )
        if as_json:
            from agent.shapes import event_json

            render.write_json({"user": user_id, "events": [event_json(event, find.found) for event in events]})
        else:
            _draw_told(user_id, events, find.found)


def _rating(text: str) -> tuple[str, float]:
    title, equals, number = text.rpartition("=")
    try:
        value = float(number)
    except ValueError:
        value = math.nan
    if not equals or not title.strip() or not math.isfinite(value):
        raise ConfigError(f"--rate {render.plain(text)!r} is not TITLE=NUMBER", "Write for example: --rate 'Heat=4'")
    return title.strip(), value


def _name(event: Event, items: Mapping[str, Item]) -> str | None:
    item = items.get(event.item_id or "")
    return None if item is None else item.name


def _draw_told(user_id: str, events: Sequence[Event], items: Mapping[str, Item]) -> None:
    from rich.text import Text

    rows = []
    for event in events:
        name = _name(event, items) or str(event.item_id)
        value = "" if event.value is None else f"  {event.value:g}"
        rows.append((event.kind.value, Text.assemble((render.plain(name), "bold cyan"), (value, "dim"))))
    console = render.out()
    console.print(f"Recorded {render.count(len(events), 'event')} of {render.plain(user_id)}:")
    console.print(render.facts(rows))


def recommend(
    ctx: typer.Context,
    user: UserArgument,
    wish: Annotated[str | None, typer.Argument(metavar="WISH", help="What the person is in the mood for.")] = None,
    k: CountOption = 5,
    where: WhereOption = None,
    image: ImageOption = None,
    no_llm: NoModelOption = False,
    as_json: JsonOption = False,
) -> None:
    """Recommend titles to a person, with checked reasons.

    Items the person has seen are left out. When the language model fails, the answer stands in the order of the other
    signals and says so; when there is no such model, the exit code is 1 besides.
    """
    user_id = person(user)
    with open_recommender(ctx) as recommender:
        slate = recommender.recommend(user_id, wish, k=k, where=where, image=image, llm=not no_llm)
        if as_json:
            render.write_json(slate.as_json())
        elif not len(slate):
            render.note_degraded(slate.degraded)
            raise NotFound(f"nothing is left to recommend to {user_id!r}", "Loosen --where, or load more items")
        else:
            render.draw_slate(slate, f"For {user_id}")
        render.require_model(slate)


def why(
    ctx: typer.Context,
    user: UserArgument,
    item: Annotated[str, typer.Argument(metavar="ITEM", help="A title or an item id.")],
    as_json: JsonOption = False,
) -> None:
    """Show the whole path of one item: every stage, score and rank.

    The path is that of the person's last recommendations where the item stood in them; otherwise it is computed now.
    """
    user_id = person(user)
    with open_recommender(ctx) as recommender:
        slate = recommender.why(user_id, ask.Finder(recommender).id(item))
        if as_json:
            render.write_json(slate.as_json() | {"prompts": dict(slate.prompts), "wish": slate.wish})
        else:
            render.draw_why(slate)


def forget(
    ctx: typer.Context,
    user: UserArgument,
    linked: Annotated[bool, typer.Option("--linked", help="And everything about accounts linked with it.")] = False,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Erase everything that is stored about a person.

    Events, links and conversations leave the database file for good, with refused rows and keys that name the person;
    a receipt, which does not tell who it was, is kept. What is stored of accounts linked with this one remains, unless
    --linked is given. Asks first on a terminal; elsewhere --yes is needed.
    """
    user_id = person(user)
    if not yes:
        others = " and all accounts linked with it" if linked else ""
        ask.confirm(f"erase everything stored about {user_id}{others}", "--yes")
    with open_recommender(ctx) as recommender:
        gone = recommender.forget(user_id, linked=linked)
        note_left_alone(recommender.settings.folder)
        if gone.remaining:
            render.note(f"still stored, linked with {user_id} before: {', '.join(gone.remaining)}")
        if as_json:
            from agent.shapes import forgotten_json

            render.write_json(forgotten_json(user_id, gone))
        elif gone.events or gone.turns:
            erased = f"{render.count(gone.events, 'event')} and {render.count(gone.turns, 'turn')} of conversation"
            render.out().print(f"Erased {erased} of {render.plain(user_id)}.")
            if gone.receipt:
                render.out().print(f"Receipt {gone.receipt.number}, which does not tell who it was.")
        else:
            render.out().print(f"Nothing was stored about {render.plain(user_id)}.")
