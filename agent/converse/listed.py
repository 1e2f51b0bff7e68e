"""A slate read back from a reply in plain text, as callers that keep the conversation themselves send it."""

from __future__ import annotations

import re

from agent.errors import Ambiguous, NotFound
from agent.titles import Titles

MAX_ROWS = 50
_ROW = re.compile(r"^\s{0,3}(\d{1,2})[.)、．]\s*(?P<rest>\S.*)$", re.MULTILINE)
_MARKUP = re.compile(r"[*_`]{1,3}")
_NAME_ENDS = re.compile(r"\s+(?:[–—|·:]|-)\s+|[:：]\s|——|\t")


def slate_in(text: str, titles: Titles) -> list[str]:
    """The item ids of a numbered list in the text, in its order, without rows that name no item of the catalogue."""
    found: list[str] = []
    for row in list(_ROW.finditer(text))[:MAX_ROWS]:
        rest = _MARKUP.sub("", row["rest"]).strip()
        ends = [match.start() for match in _NAME_ENDS.finditer(rest)]
        names = [rest[:end].strip() for end in [len(rest), *reversed(ends)]]
        item_id = next((item_id for name in names if (item_id := _item_called(name, titles))), None)
        if item_id is not None and item_id not in found:
            found.append(item_id)
    return found


def _item_called(name: str, titles: Titles) -> str | None:
    try:
        return titles.find(name).item_id
    except (NotFound, Ambiguous):
        return None
