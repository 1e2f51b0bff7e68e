"""Receipts of erasures: when, how much of each kind, and a number drawn at random. Who it was is not in them."""

from __future__ import annotations

import json
import secrets
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from agent.store.database import Database
from agent.store.stored import Receipt
from agent.store.tables import RECEIPTS
from agent.store.turns import micros, moment

if TYPE_CHECKING:
    from agent.store.database import Connection


def give(connection: Connection, erased: Mapping[str, int]) -> Receipt:
    """A receipt for what was erased within this transaction, kept with it."""
    receipt = Receipt(secrets.token_hex(8), datetime.now(UTC), dict(erased))
    row = {"number": receipt.number, "at": micros(receipt.at), "body": json.dumps(receipt.erased)}
    connection.execute(RECEIPTS.insert(), row)
    return receipt


def kept(database: Database) -> list[Receipt]:
    """Every receipt that was ever given, oldest first; ties by number."""
    if not database.has(RECEIPTS):
        return []
    rows = database.read(RECEIPTS.select().order_by(RECEIPTS.c.at, RECEIPTS.c.number))
    return [Receipt(row.number, moment(row.at), json.loads(row.body)) for row in rows]
