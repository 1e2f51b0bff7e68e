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
    from rich.table import Table

    from agent.profile.interests import Contribution, Interests
    from agent.recommender import Recommender
    from agent.types import Event, Item, Profile, Reaction

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
    user_id = person(user)
    told = _corrections(set_to or (), remove or (), reset or ())
    with open_recommender(ctx) as recommender:
        recommender.correct_all(user_id, told)
        taste, interests = recommender.profile(user_id), recommender.interests(user_id, platform=platform)
        if why is not None:
            _tell_why(recommender, user_id, why, interests, as_json)
            return
        named = {reaction.item_id for reaction in (*taste.liked, *taste.disliked)}
        names = {item.item_id: item.name for item in recommender.store.items(named)}
        if as_json:
            render.write_json(_profile_json(taste, interests, names))
        elif not (named or taste.seen or taste.wishes or taste.pinned or told):
            raise NotFound(f"nothing is known about {user_id!r}", f"Try: palate tell {user_id} --like TITLE")
        else:
            _draw_profile(taste, interests, names)


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


def _profile_json(taste: Profile, interests: Interests, names: Mapping[str, str]) -> dict[str, Any]:
    from agent.profile.posterior import LEVEL

    means = interests.means
    return {
        "user": taste.user_id,
        "interests": dict(means),
        "level": LEVEL,
        "intervals": {tag: list(interests.posterior.intervals()[tag]) for tag in means} if means else {},
        "entropy_nats": interests.posterior.entropy_nats if means else None,
        "pinned": dict(taste.pinned),
        "liked": [_reaction_json(reaction, names) for reaction in taste.liked],
        "disliked": [_reaction_json(reaction, names) for reaction in taste.disliked],
        "seen": sorted(taste.seen),
        "wishes": [{"text": wish.text, "at": wish.at.isoformat()} for wish in taste.wishes],
    }


def _reaction_json(reaction: Reaction, names: Mapping[str, str]) -> dict[str, Any]:
    return {
        "item_id": reaction.item_id,
        "title": names.get(reaction.item_id),
        "strength": reaction.strength,
        "at": reaction.at.isoformat(),
    }


def _draw_profile(taste: Profile, interests: Interests, names: Mapping[str, str]) -> None:
    from rich.text import Text

    console = render.out()
    console.print(Text(f"The taste of {render.plain(taste.user_id)}", style="bold"))
    if interests.means:
        console.print()
        console.print(interest_table(interests))
        if len(interests.means) > MAX_BARS:
            more = render.count(len(interests.means) - MAX_BARS, "more tag")
            console.print(Text(f"and {more}", style="dim"))
    console.print()
    sections = [(label, Text("\n".join(map(render.plain, lines)))) for label, lines in _sections(taste, names) if lines]
    console.print(render.facts(sections))


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
    from agent.acts import tag_named

    name = tag_named(tag, interests.posterior.tags)
    events = {event.event_id: event for event in recommender.events(user_id)}
    ids = {event.item_id for event in events.values() if event.item_id is not None}
    items = {item.item_id: item for item in recommender.store.items(ids)}
    rows = [_why_json(part, events, items) for part in interests.contributions(name)]
    if as_json:
        render.write_json({"user": user_id, **_standing(name, interests), "contributions": rows})
    else:
        _draw_why(user_id, _standing(name, interests), rows)


def _standing(tag: str, interests: Interests) -> dict[str, Any]:
    posterior = interests.posterior
    low, high = posterior.intervals().get(tag, (0.0, 0.0))
    return {
        "tag": tag,
        "mean": posterior.means.get(tag, 0.0),
        "low": low,
        "high": high,
        "pinned": interests.pinned.get(tag),
        "alpha": float(posterior.alpha[posterior.tags.index(tag)]),
    }


def _why_json(part: Contribution, events: Mapping[str, Event], items: Mapping[str, Item]) -> dict[str, Any]:
    event = events.get(part.event_id or "")
    item = items.get(event.item_id or "") if event is not None else None
    return {
        "event_id": part.event_id,
        "kind": None if event is None else event.kind.value,
        "title": None if item is None else item.name,
        "text": None if event is None else event.text,
        "value": None if event is None else event.value,
        "at": None if event is None else event.at.isoformat(),
        "amount": part.amount,
    }


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
