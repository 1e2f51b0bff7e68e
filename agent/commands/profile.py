"""The command `palate profile`: what is known of a person's taste, what each interest rests on, and their own word."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Annotated, Any

import typer

from agent.commands import render
from agent.commands.options import JsonOption, UserArgument, open_recommender, person
from agent.errors import ConfigError, NotFound

if TYPE_CHECKING:
    from rich.console import RenderableType
    from rich.table import Table

    from agent.profile.interests import Interests
    from agent.recommender import Recommender
    from agent.types import Profile

MAX_BARS, MAX_LISTED, BAR_WIDTH = 12, 20, 24

WhyOption = Annotated[str | None, typer.Option("--why", metavar="TAG", help="What the interest in a tag rests on.")]
SetOption = Annotated[
    list[str] | None, typer.Option("--set", metavar="TAG=SHARE", help="Hold an interest to a share, as Comedy=0.3.")
]
RemoveOption = Annotated[list[str] | None, typer.Option("--remove", metavar="TAG", help="Take an interest out.")]
ResetOption = Annotated[
    list[str] | None, typer.Option("--reset", metavar="TAG", help="Give an interest back to the evidence.")
]

PlatformOption = Annotated[str | None, typer.Option(metavar="NAME", help="Interests on this platform.")]


def profile(
    ctx: typer.Context,
    user: UserArgument,
    why: WhyOption = None,
    set_to: SetOption = None,
    remove: RemoveOption = None,
    reset: ResetOption = None,
    platform: PlatformOption = None,
    as_json: JsonOption = False,
) -> None:
    """Draw what is known of a person's taste, or correct it.

    Bars show how likely each tag is in what the person takes up next, with the range in which the share lies 4 times in
    5; below stand the titles it rests on, newest first. Corrections are kept, dated, as the person's own events. With
    --platform, shares are those on one platform, by acts there and by what carries over from the person's others.
    """
    from agent import shapes

    user_id = person(user)
    told = _corrections(set_to or (), remove or (), reset or ())
    with open_recommender(ctx) as recommender:
        recommender.correct_all(user_id, told)
        taste, interests = recommender.profile(user_id), recommender.interests(user_id, platform=platform)
        if why is not None:
            _tell_why(recommender, user_id, why, interests, as_json)
            return
        names = shapes.names_in(recommender, taste)
        if as_json:
            render.write_json(shapes.profile_json(taste, interests, names))
        elif not (taste.liked or taste.disliked or taste.seen or taste.wishes or taste.pinned or told):
            raise NotFound(f"nothing is known about {user_id!r}", f"Try: palate tell {user_id} --like TITLE")
        else:
            console = render.out()
            for block in profile_blocks(taste, interests, names):
                console.print(block)


def _corrections(set_to: Sequence[str], remove: Sequence[str], reset: Sequence[str]) -> list[tuple[str, float | None]]:
    """What is taken back comes first, so that it makes room for what is set."""
    return [*((tag, None) for tag in reset), *((tag, 0.0) for tag in remove), *map(_share, set_to)]


def _share(text: str) -> tuple[str, float | None]:
    tag, equals, number = text.rpartition("=")
    try:
        share = float(number)
    except ValueError:
        share = math.nan
    if not equals or not tag.strip() or not math.isfinite(share):
        raise ConfigError(f"--set {render.plain(text)!r} is not TAG=SHARE", "Write for example: --set Comedy=0.3")
    return tag.strip(), share


def profile_blocks(taste: Profile, interests: Interests, names: Mapping[str, str]) -> Iterator[RenderableType]:
    """What is known of a taste: the largest interests as bars, and what they rest on, by the names of items."""
    from rich.text import Text

    yield Text(f"The taste of {render.plain(taste.user_id)}\n", style="bold")
    if interests.means:
        yield interest_table(interests)
        if len(interests.means) > MAX_BARS:
            yield Text(f"and {render.count(len(interests.means) - MAX_BARS, 'more tag')}", style="dim")
        yield ""
    sections = [(label, Text("\n".join(map(render.plain, lines)))) for label, lines in _sections(taste, names) if lines]
    yield render.facts(sections)


def interest_table(interests: Interests, most: int = MAX_BARS) -> Table:
    """The largest interests with bars, shares and credible intervals, and what the person said of them."""
    from rich.table import Table

    intervals = interests.posterior.intervals()
    shown = list(interests.means.items())[:most]
    largest = max((intervals[tag][1] for tag, _ in shown), default=0.0) or 1.0
    table = Table.grid(padding=(0, 2))
    table.add_column(no_wrap=True, max_width=24, overflow="ellipsis")
    table.add_column(style="cyan", no_wrap=True, width=BAR_WIDTH)
    table.add_column(justify="right", no_wrap=True)
    table.add_column(justify="right", style="dim", no_wrap=True)
    table.add_column(style="dim", no_wrap=True)
    for tag, share in shown:
        low, high = intervals[tag]
        word = _word(interests.pinned.get(tag))
        spread = "" if word else f"{low:.1%} – {high:.1%}"
        table.add_row(render.plain(tag), render.bar(share / largest, BAR_WIDTH), f"{share:.1%}", spread, word)
    return table


def _word(pinned: float | None) -> str:
    return "" if pinned is None else "set by hand" if pinned else "removed"


def _sections(taste: Profile, names: Mapping[str, str]) -> Iterator[tuple[str, Sequence[str]]]:
    for label, reactions in (("liked", taste.liked), ("disliked", taste.disliked)):
        yield label, [f"{r.strength:+.1f}  {names.get(r.item_id, r.item_id)}" for r in reversed(reactions)]
    yield "seen", [render.count(len(taste.seen), "title")] if taste.seen else []
    yield "wished for", [wish.text for wish in reversed(taste.wishes)]
    yield "set by hand", [f"{tag} {share:.0%}" for tag, share in taste.pinned.items() if share]
    yield "removed", [tag for tag, share in taste.pinned.items() if not share]


def _tell_why(recommender: Recommender, user_id: str, tag: str, interests: Interests, as_json: bool) -> None:
    from agent import shapes
    from agent.people.acts import tag_named

    name = tag_named(tag, interests.posterior.tags)
    standing = shapes.standing_json(name, interests)
    rows = shapes.contributions_json(recommender, user_id, name, interests)
    if as_json:
        render.write_json({"user": user_id, **standing, "contributions": rows})
    else:
        _draw_why(user_id, standing, rows)


def _draw_why(user_id: str, standing: Mapping[str, Any], rows: Sequence[Mapping[str, Any]]) -> None:
    from rich.text import Text

    console = render.out()
    spread = f"{standing['mean']:.1%}, {standing['low']:.1%} – {standing['high']:.1%}"
    word = _word(standing["pinned"])
    heading = (f"{render.plain(standing['tag'])}", "bold cyan"), f"  for {render.plain(user_id)}: {word or spread}"
    console.print(Text.assemble(*heading))
    lines = [(f"{row['amount']:.3f}", Text(render.plain(_about(row)))) for row in rows[:MAX_LISTED]]
    console.print(render.facts(lines))
    if len(rows) > MAX_LISTED:
        console.print(Text(f"and {len(rows) - MAX_LISTED} more, which --json lists", style="dim"))
    console.print(Text(f"together {standing['alpha']:.3f} pseudo-counts", style="dim"))


def _about(row: Mapping[str, Any]) -> str:
    if row["event_id"] is None:
        return "the catalogue: how common the tag is among its items, and what carries over from other platforms"
    value = "" if row["value"] is None else f" {row['value']:g}"
    named = row["title"] or (f"“{row['text'][:60]}”" if row["text"] else row["event_id"])
    return f"{row['kind']}{value}  {named}  {str(row['at'])[:10]}"
