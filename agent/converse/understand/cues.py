"""Hints at what a message is for, that need neither a catalogue nor a conversation: question words, feelings."""

from __future__ import annotations

import numpy as np

from agent.converse.understand.feelings import felt_in
from agent.converse.understand.message import Message
from agent.converse.understand.places import places_in, pronouns_in
from agent.converse.understand.words import RULES, TAGGED, any_of, rule
from agent.types import EventKind, Vector

_PATTERNS = [rule(name) for name in RULES if name.startswith("cue_")]
_TAGS = any_of([word for group in TAGGED.values() for word in (*group.nouns, *group.words)])
_SLATE = 5  # as if so many items had been shown: whether there were is no matter of the words
_FEW, _MANY = 3, 9  # words


def cues_of(said: str) -> Vector:
    """The hints of a message, each 0 or 1: the words of each list, and how it is made."""
    message = Message.of(said)
    felt = felt_in(message)
    words = message.word_count
    made = (
        message.questions,
        _TAGS.search(message.text) is not None,
        any(True for _ in places_in(message, _SLATE)),
        bool(pronouns_in(message)),
        any(one.kind is not EventKind.VIEW for one in felt),
        any(one.kind is EventKind.VIEW for one in felt),
        words <= _FEW,
        words >= _MANY,
        any(mark in message.text for mark in '《"“'),
    )
    named = (pattern.search(message.text) is not None for pattern in _PATTERNS)
    return np.array([*named, *made], dtype=np.float32)
