"""The commands on a person's accounts: link, unlink, accounts."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from agent.commands import render
from agent.commands.options import JsonOption, UserArgument, open_recommender, person

if TYPE_CHECKING:
    from agent.profile.identity import Identity
    from agent.recommender import Recommender

OtherArgument = Annotated[str, typer.Argument(metavar="OTHER", help="The other account.")]
ApartOption = Annotated[
    bool | None,
    typer.Option("--apart/--together", help="Read each account alone, or all of them together.", show_default=False),
]


def link(ctx: typer.Context, user: UserArgument, other: OtherArgument, as_json: JsonOption = False) -> None:
    """Say that two accounts are one person's.

    From now on what is done under either counts for both, until unlink takes the link back. The link is kept, dated, as
    an event.
    """
    with open_recommender(ctx) as recommender:
        _tell(recommender, recommender.link(person(user), person(other)), as_json)


def unlink(ctx: typer.Context, user: UserArgument, other: OtherArgument, as_json: JsonOption = False) -> None:
    """Take the link of two accounts back.

    That link alone goes: accounts that others connect stay one person's.
    """
    with open_recommender(ctx) as recommender:
        _tell(recommender, recommender.unlink(person(user), person(other)), as_json)


def accounts(ctx: typer.Context, user: UserArgument, apart: ApartOption = None, as_json: JsonOption = False) -> None:
    """List a person's accounts, or keep them apart.

    The links in force are listed besides. With --apart each account is read alone from now on, linked as they are;
    --together takes that back.
    """
    user_id = person(user)
    with open_recommender(ctx) as recommender:
        found = recommender.identity(user_id) if apart is None else recommender.keep_apart(user_id, apart)
        _tell(recommender, found, as_json)


def _tell(recommender: Recommender, found: Identity, as_json: bool) -> None:
    counts = {account: recommender.store.standing_of(account).n_events for account in found.accounts}
    if as_json:
        render.write_json(_as_json(found, counts))
        return
    console = render.out()
    console.print(f"{render.plain(found.user_id)} is {_told(found)}")
    console.print(render.facts([(account, render.count(n, "event")) for account, n in counts.items()]))
    for (one, other), event in found.links.items():
        console.print(
            f"{render.plain(one)} and {render.plain(other)} linked at {event.at:%Y-%m-%d %H:%M} UTC", style="dim"
        )


def _told(found: Identity) -> str:
    if not found.others:
        return "one account, linked with no other"
    return f"{render.count(len(found.accounts), 'account')}, {'kept apart' if found.apart else 'read together'}"


def _as_json(found: Identity, counts: dict[str, int]) -> dict[str, Any]:
    return {
        "user": found.user_id,
        "apart": found.apart,
        "accounts": [{"account": account, "events": n} for account, n in counts.items()],
        "links": [
            {"between": list(pair), "event_id": event.event_id, "at": event.at.isoformat()}
            for pair, event in found.links.items()
        ],
    }
