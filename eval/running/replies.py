"""Replies that refuse: told by how they begin, since a recommendation has no reason to begin so. Pure."""

from __future__ import annotations

import re

_REFUSAL = re.compile(
    r"\A\W*(?:"
    r"(?:i['’]?m|i am) (?:very |really |so )?(?:sorry|afraid|unable|not able)\b"
    r"|(?:sorry|unfortunately|apologies)\b.{0,60}\b(?:can['’]?t|cannot|can not|unable|not able)\b"
    r"|i (?:can['’]?t|cannot|can not|won['’]?t|will not)\b"
    r"|as an ai\b"
    r"|(?:非常|很)?(?:抱歉|对不起)"
    r"|我(?:无法|不能|没有办法)"
    r")",
    re.IGNORECASE | re.DOTALL,
)


def is_refusal(text: str) -> bool:
    """Whether the reply begins as refusals do, in English or Chinese."""
    return bool(_REFUSAL.match(text[:400]))
