"""The command `palate chat`: talk with Palate at the terminal, or a line at a time through a pipe."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Annotated

import typer

from agent.commands import render
from agent.commands.chatting.standing import Standing
from agent.commands.options import NoModelOption, WhereOption, open_recommender, options_of, person
from agent.errors import ConfigError, NotFound
from agent.language import LANGUAGES, Language

if TYPE_CHECKING:
    from agent.commands.chatting.talk import Talk
    from agent.recommender import Recommender

NOBODY = "me"

UserArgument = Annotated[str, typer.Argument(metavar="[USER]", help="Whose taste: any name you choose.")]
ResumeOption = Annotated[bool, typer.Option("--resume", "-r", help="Go on with the last conversation.")]
CountOption = Annotated[int, typer.Option("-k", min=1, max=20, metavar="N", help="How many recommendations a reply.")]
LanguageOption = Annotated[
    str | None, typer.Option("--lang", metavar="en|zh", help="Answer in this language, whatever you write in.")
]
JsonOption = Annotated[bool, typer.Option("--json", help="Write each piece of a reply as a line of JSON.")]


def chat(
    ctx: typer.Context,
    user: UserArgument = NOBODY,
    resume: ResumeOption = False,
    k: CountOption = 5,
    where: WhereOption = None,
    lang: LanguageOption = None,
    no_llm: NoModelOption = False,
    as_json: JsonOption = False,
) -> None:
    """Talk with Palate: wishes, reactions, questions, reasons.

    Say what you are in the mood for, what you liked, what should be different. It answers with checked reasons, asks
    back where that pays, and notes what you say of titles. Slash commands such as /why 2, /like 2, /undo and /profile
    are listed by /help. Ctrl-C stops a reply, Ctrl-D ends the chat. Where stdin is no terminal, each line is a message,
    and the answer is plain text or, with --json, one line of JSON a piece.
    """
    user_id, language = person(user), _language(lang)
    at_terminal = sys.stdin.isatty() and sys.stdout.isatty() and not as_json
    standing = Standing(user_id, options_of(ctx).load().settings.model.reference) if at_terminal else None
    with _opened(ctx, standing) as recommender:
        talk = _talk(recommender, user_id, resume)
        talk.k, talk.where, talk.llm, talk.language = k, where, not no_llm, language
        if standing is not None:
            from agent.commands.chatting.loop import Loop

            Loop(talk, render.out(), standing).run()
        elif _answered(talk, as_json):
            raise typer.Exit(1)


def _opened(ctx: typer.Context, standing: Standing | None) -> Recommender:
    if standing is None:
        return open_recommender(ctx)
    from agent.recommender import Recommender

    settings = options_of(ctx).load().settings
    return Recommender.open(settings=settings, progress=standing.progress, told=standing.told)


def _talk(recommender: Recommender, user_id: str, resume: bool) -> Talk:
    """The talk to go on with. Raises NotFound for an empty catalogue, or where there is no conversation to resume."""
    from agent.commands.chatting.talk import Talk
    from agent.converse.conversations import Conversations

    recommender.parts.require_items()
    talk = Talk(recommender, Conversations(recommender), user_id)
    if resume:
        begun = talk.conversations.conversations(user_id)
        if not begun:
            raise NotFound(f"{user_id!r} has no conversation to go on with", f"Begin one: palate chat {user_id}")
        talk.resume(begun[0].conversation_id)
    return talk


def _answered(talk: Talk, as_json: bool) -> int:
    from agent.commands.chatting.piped import answer_lines

    return answer_lines(talk, as_json=as_json)


def _language(word: str | None) -> Language | None:
    for language in LANGUAGES:
        if word == language:
            return language
    if word is None:
        return None
    raise ConfigError(f"--lang {render.plain(word)!r} is none of {', '.join(LANGUAGES)}", "Leave it out for your own")
