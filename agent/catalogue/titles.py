"""Film titles as MovieLens writes them, put right: "Matrix, The (1999)" is "The Matrix" of 1999."""

from __future__ import annotations

import re

_YEAR = re.compile(r"(.*\S)\s*\(\s*(1[89]\d\d|20\d\d)\s*\)", re.DOTALL)
_ARTICLES = "The|A|An|Le|La|Les|L'|Il|Lo|Gli|El|Los|Las|Der|Die|Das|Den|Det|De|Het|Un|Une|Una|Uno|Ein|Eine|O|Os|As"
_MOVED = re.compile(rf"(?P<also>a\.k\.a\.\s+)?(?P<rest>[^()]+?),\s*(?P<article>{_ARTICLES})(?=\s*(?:\(|\)|$))")
_PART = re.compile(r"\([^()]*\)|[^()]+")


def split_year(title: str) -> tuple[str, int | None]:
    """The title without the year in brackets at its end, and that year (None where there is none)."""
    match = _YEAR.fullmatch(title.strip())
    return (match[1], int(match[2])) if match else (title.strip(), None)


def with_article_first(title: str) -> str:
    """The title with its trailing article in front: "City, The (Cité, La)" is "The City (La Cité)"."""
    return re.sub(_PART, lambda part: _put_first(part[0]), title).strip()


def _put_first(part: str) -> str:
    opening, closing = ("(", ")") if part.startswith("(") else ("", "")
    inner = part.removeprefix("(").removesuffix(")") if opening else part
    match = _MOVED.fullmatch(inner.strip())
    if not match:
        return part
    article, rest = match["article"], match["rest"].strip()
    joined = (match["also"] or "") + (f"{article}{rest}" if article.endswith("'") else f"{article} {rest}")
    trailing = " " if not opening and inner.endswith(" ") else ""
    return f"{opening}{joined}{closing}{trailing}"
