"""The line that a person types: with a history, completion, and a foot that says how things stand."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any

from prompt_toolkit import PromptSession
from prompt_toolkit.completion import CompleteEvent, Completer, Completion
from prompt_toolkit.document import Document
from prompt_toolkit.formatted_text import FormattedText
from prompt_toolkit.history import InMemoryHistory
from prompt_toolkit.shortcuts import CompleteStyle
from prompt_toolkit.styles import Style

from agent.commands.chatting.slash import Offer
from agent.commands.render import plain

Offers = Callable[[str], Iterable[Offer]]  # of the line up to the cursor

_STYLE = Style.from_dict(
    {
        "bottom-toolbar": "noreverse ansibrightblack",
        "completion-menu": "bg:default default",
        "completion-menu.completion": "bg:default default",
        "completion-menu.completion.current": "bg:default reverse",
        "completion-menu.meta.completion": "bg:default ansibrightblack",
        "completion-menu.meta.completion.current": "bg:default reverse",
    }
)


class Line:
    """Asks for one line after another at the terminal."""

    def __init__(self, history: Sequence[str], offers: Offers, foot: Callable[[], str]) -> None:
        kept = InMemoryHistory()
        for line in history:
            kept.append_string(line)
        self._session: PromptSession[str] = PromptSession(
            history=kept,
            completer=_Offering(offers),
            complete_while_typing=True,
            complete_style=CompleteStyle.COLUMN,
            bottom_toolbar=lambda: FormattedText([("class:bottom-toolbar", plain(foot()))]),
            reserve_space_for_menu=6,
            style=_STYLE,
        )

    def ask(self) -> str:
        """What was typed, trimmed. Raises EOFError for Ctrl-D and KeyboardInterrupt for Ctrl-C."""
        sign: Any = FormattedText([("bold ansicyan", "› ")])
        return self._session.prompt(sign).strip()

    @property
    def typed(self) -> str:
        """What stood on the line when it was left."""
        return self._session.default_buffer.text

    def redraw(self) -> None:
        """Draw the foot again; any thread may ask for it."""
        self._session.app.invalidate()

    def forget(self) -> None:
        """Let no line be called back."""
        self._session.history = self._session.default_buffer.history = InMemoryHistory()


class _Offering(Completer):
    """Completes by what is offered for the line."""

    def __init__(self, offers: Offers) -> None:
        self._offers = offers

    def get_completions(self, document: Document, complete_event: CompleteEvent) -> Iterable[Completion]:  # noqa: ARG002  # the library's
        """See `Completer.get_completions`."""
        for text, about, instead_of in self._offers(document.text_before_cursor):
            yield Completion(text, start_position=-instead_of, display=plain(text), display_meta=plain(about))
