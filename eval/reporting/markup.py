"""HTML and SVG made from values. Text is escaped as it is put in, so no title or reply can become markup. Pure."""

from __future__ import annotations

import html
import unicodedata
from collections.abc import Iterable

_VOID = frozenset({"br", "col", "hr", "img", "meta"})
_KEPT = frozenset("\n\t")
_JOINERS = frozenset("\u200c\u200d")  # hold the parts of one sign together
_UNSEEN = frozenset({"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"})


class Markup(str):
    """Text that is markup already and is put in as it stands."""

    __slots__ = ()


Child = str | int | float | None | Iterable["Child"]


def element(tag: str, /, *children: Child, **attributes: object) -> Markup:
    """The element with its children in order: markup as it is, all else as escaped text; None is left out.

    In attribute names `_` stands for `-` and a final one is dropped (`class_`). None and False leave an attribute out,
    True gives it without a value.
    """
    given = "".join(_attribute(key, value) for key, value in attributes.items())
    if tag in _VOID:
        return Markup(f"<{tag}{given}>")
    return Markup(f"<{tag}{given}>{joined(children)}</{tag}>")


def joined(children: Iterable[Child]) -> Markup:
    """The children one after another."""
    return Markup("".join(_rendered(child) for child in children))


def escaped(text: object) -> Markup:
    """The text with the five signs of markup escaped, without characters that cannot be seen (controls, overrides)."""
    seen = (c for c in str(text) if c in _KEPT or c in _JOINERS or unicodedata.category(c) not in _UNSEEN)
    return Markup(html.escape("".join(seen), quote=True))


def _rendered(child: Child) -> str:
    if child is None:
        return ""
    if isinstance(child, Markup):
        return child
    if isinstance(child, str | int | float):
        return escaped(child)
    return joined(child)


def _attribute(key: str, value: object) -> str:
    if value is None or value is False:
        return ""
    name = key.removesuffix("_").replace("_", "-")
    return f" {name}" if value is True else f' {name}="{escaped(value)}"'
