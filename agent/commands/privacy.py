"""`palate export`, `palate encrypt` and `palate privacy`: what is known of people, and how it is kept."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from agent.commands import ask, render
from agent.commands.options import JsonOption, UserArgument, open_recommender, options_of, person

if TYPE_CHECKING:
    from agent.recommender import Recommender

EventsOption = Annotated[bool, typer.Option("--events", help="Only events, as lines that palate load --events reads.")]
AlwaysOption = Annotated[bool, typer.Option("--json", help="It is JSON anyway.")]
NewKeyOption = Annotated[bool, typer.Option("--new-key", help="Only print a new key.")]
OffOption = Annotated[bool, typer.Option("--off", help="Decrypt everything; the key can be left out then.")]
YesOption = Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")]


def export(ctx: typer.Context, user: UserArgument, events: EventsOption = False, as_json: AlwaysOption = True) -> None:
    """Write everything stored about a person as one document.

    Events, corrections, links, conversations with their slates, refused rows, keys, and the profile made of it all
    (docs/privacy.md).
    """
    from agent.people.exporting import lines_of

    _ = as_json
    user_id = person(user)
    with open_recommender(ctx) as recommender:
        document = recommender.export(user_id)
    if events:
        for row in lines_of(document):
            typer.echo(json.dumps(row, ensure_ascii=False))
    else:
        render.write_json(document)
    others = [account for account in document["accounts"] if account != user_id]
    if others:
        render.note(f"linked accounts have documents of their own: {', '.join(others)}")


def encrypt(
    ctx: typer.Context,
    new_key: NewKeyOption = False,
    off: OffOption = False,
    yes: YesOption = False,
    as_json: JsonOption = False,
) -> None:
    """Encrypt what people did and said, or change the key.

    The key is PALATE_ENCRYPTION_KEY; without it nothing is read again. Of several, separated by commas, the first one
    encrypts. Stop the server first.
    """
    from agent.catalogue.report import silence_refused
    from agent.store.opening import seal_anew
    from agent.store.sealing import new_key as made

    if new_key:
        render.write_json({"key": made()}) if as_json else typer.echo(made())
        return
    settings = options_of(ctx).load().settings
    if off and not yes:
        ask.confirm("decrypt everything that people did and said", "--yes")
    if off:
        done = seal_anew(settings, off=True)
    else:
        done = seal_anew(settings, sealed=lambda: silence_refused(settings.folder / "refused"))
    if as_json:
        render.write_json({"encrypted": not off, "events": done[0], "turns": done[1]})
    else:
        what = f"{render.count(done[0], 'event')} and {render.count(done[1], 'turn')} of conversation"
        render.out().print(f"{'Decrypted' if off else 'Encrypted'} {what}.")


def privacy(ctx: typer.Context, as_json: JsonOption = False) -> None:
    """Show what was released of people and what it cost, and receipts of forgetting.

    The receipts tell when and how much was erased, never who it was.
    """
    with open_recommender(ctx) as recommender:
        found = standing(recommender)
    if as_json:
        render.write_json(found)
        return
    rows = [("encrypted", "yes" if found["encrypted"] else "no"), ("epsilon", _epsilon(found))]
    rows += [(one["name"], f"epsilon {one['epsilon']:g} at {one['at']}") for one in found["releases"]]
    erased = [(one["at"], ", ".join(f"{n:,} {kind}" for kind, n in one["erased"].items())) for one in found["receipts"]]
    rows += [(f"forgotten at {at}", told) for at, told in erased]
    render.out().print(render.facts(rows))


def standing(recommender: Recommender) -> dict[str, Any]:
    """What was released and what it cost, whether the store is encrypted, and the receipts."""
    from agent.privacy.ledger import Ledger

    settings, book = recommender.settings, Ledger(recommender.store).book
    releases = [{"name": e.name, "at": e.at, "epsilon": e.epsilon, "sensitivity": e.sensitivity} for e in book.entries]
    return {
        "encrypted": settings.encryption_key is not None,
        "epsilon": settings.privacy.epsilon,
        "spent": book.spent,
        "budget": settings.privacy.budget,
        "releases": releases,
        "receipts": [receipt.as_json() for receipt in recommender.store.receipts()],
    }


def note_left_alone(folder: Path) -> None:
    """Name what forgetting does not reach, where such things usually lie."""
    from agent.people.beside import left_alone

    for path, what in left_alone(Path(), folder, folder.parent).items():
        render.note(f"not erased: {path} ({what})")


def _epsilon(found: dict[str, Any]) -> str:
    spent = f"{found['spent']:g} of {found['budget']:g} spent"
    return f"{spent}; {'off' if found['epsilon'] is None else format(found['epsilon'], 'g') + ' a release'}"
