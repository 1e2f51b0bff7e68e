"""The tables of the store, and what SQLAlchemy may log of their rows: nothing."""

from __future__ import annotations

import logging

import sqlalchemy as sa

VERSION_KEY, SEALED = "schema_version", "sealed"  # the notes that the database itself keeps

SCHEMA = sa.MetaData()
META = sa.Table(
    "meta", SCHEMA, sa.Column("key", sa.Text, primary_key=True), sa.Column("value", sa.Text, nullable=False)
)
ITEMS = sa.Table(
    "items",
    SCHEMA,
    sa.Column("item_id", sa.Text, primary_key=True),
    sa.Column("popularity", sa.Float, index=True),
    sa.Column("body", sa.Text, nullable=False),  # the whole item as JSON
)
EVENTS = sa.Table(
    "events",
    SCHEMA,
    sa.Column("event_id", sa.Text, primary_key=True),
    sa.Column("user_id", sa.Text, nullable=False),
    sa.Column("at", sa.BigInteger, nullable=False),  # microseconds since 1970, UTC
    sa.Column("body", sa.Text, nullable=False),  # the whole event as JSON
    sa.Index("events_by_user", "user_id", "at", "event_id"),
)
TURNS = sa.Table(
    "turns",
    SCHEMA,
    sa.Column("turn_id", sa.BigInteger().with_variant(sa.Integer, "sqlite"), primary_key=True, autoincrement=True),
    sa.Column("user_id", sa.Text, nullable=False),
    sa.Column("conversation_id", sa.Text, nullable=False),
    sa.Column("role", sa.Text, nullable=False),
    sa.Column("content", sa.Text, nullable=False),
    sa.Column("at", sa.BigInteger, nullable=False),  # microseconds since 1970, UTC
    sa.Index("turns_by_user", "user_id", "conversation_id", "turn_id"),
)
GENERATED = sa.Table(  # joined later: stores without it get it when they are next opened for writing
    "generated",
    SCHEMA,
    sa.Column("item_id", sa.Text, primary_key=True),
    sa.Column("body", sa.Text, nullable=False),  # what a model wrote about the item, as JSON
)
LINKS = sa.Table(  # joined later, as GENERATED: the events that speak of accounts, to be found by either account
    "links",
    SCHEMA,
    sa.Column("event_id", sa.Text, primary_key=True),
    sa.Column("user_id", sa.Text, nullable=False, index=True),
    sa.Column("other_id", sa.Text, nullable=False, index=True),  # the own account where none other is named
)
RECEIPTS = sa.Table(  # joined later too: that somebody was forgotten, never who
    "receipts",
    SCHEMA,
    sa.Column("number", sa.Text, primary_key=True),  # drawn at random
    sa.Column("at", sa.BigInteger, nullable=False),  # microseconds since 1970, UTC
    sa.Column("body", sa.Text, nullable=False),  # how much was erased of each kind, as JSON
)
JOINED_LATER = (GENERATED, LINKS, RECEIPTS)


def _no_rows(record: logging.LogRecord) -> bool:
    """Let warnings pass alone: SQLAlchemy's other lines hold the rows themselves, who it is and what they said."""
    return record.levelno >= logging.WARNING


logging.getLogger("sqlalchemy.engine.Engine").addFilter(_no_rows)
