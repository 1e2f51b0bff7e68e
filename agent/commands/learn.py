"""`palate learn`: what everyone's behaviour teaches about items, for recall and ranking."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Annotated

import typer

from agent.commands import render
from agent.commands.options import JsonOption, open_recommender

if TYPE_CHECKING:
    from agent.parts.learning import Standing

IfDueOption = Annotated[bool, typer.Option("--if-due", help="Only where enough events came or went since last time.")]
DryOption = Annotated[bool, typer.Option("--dry-run", help="Only say how what was learned stands.")]


def learn(
    ctx: typer.Context, if_due: IfDueOption = False, dry_run: DryOption = False, as_json: JsonOption = False
) -> None:
    """Learn from everyone's events which items go together.

    Items that are taken up together and, with the extra `learn`, factors of items, join recall and ranking. What a
    person does later counts at once: only items that nobody had taken up wait for the next time. The setting
    learn.every_events says when that is due.
    """
    from agent.parts.learning import learn_now, standing

    with open_recommender(ctx) as recommender:
        began = time.perf_counter()
        found: Standing = standing(recommender.parts)
        notes: tuple[str, ...] = ()
        done = not dry_run and (found.due or not if_due)
        if done:
            found, notes = learn_now(recommender.parts)
        for note in notes:
            render.note(note)
        if as_json:
            seconds = round(time.perf_counter() - began, 2) if done else None
            render.write_json({"done": done, "seconds": seconds, **found.as_json(), "notes": list(notes)})
        else:
            render.out().print(_told(found, done))


def _told(found: Standing, done: bool) -> str:
    record = found.record
    if record is None:
        due = "it is due" if found.due else f"it is due at {found.threshold:,}"
        return f"nothing was learned yet; there are {render.count(found.changed, 'event')}, {due}"
    what = (
        f"{render.count(record.items, 'item')} of {record.people:,} people, "
        f"{render.count(record.pairs, 'pair')}, {record.factors} factors"
    )
    if done:
        return f"learned: {what}"
    state = found.problem or f"{render.count(found.changed, 'event')} came or went since, of {found.threshold:,}"
    return f"learned at {record.at}: {what}; {state}; {'it is due' if found.due else 'it is not due'}"
