"""The kinds of events; they stand alone because the settings name them, and settings are read before anything heavy."""

from __future__ import annotations

from enum import StrEnum


class EventKind(StrEnum):
    """What a person did."""

    VIEW = "view"
    CLICK = "click"
    LIKE = "like"
    DISLIKE = "dislike"
    RATE = "rate"
    PURCHASE = "purchase"
    SKIP = "skip"
    SEARCH = "search"
    REVIEW = "review"
    MESSAGE = "message"
    INTEREST = "interest"
    LINK = "link"
    UNLINK = "unlink"
    APART = "apart"
