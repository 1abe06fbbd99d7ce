#!/usr/bin/env python3
"""Keeps stock per item from `inventory.movement` events, each of them counted once.

    pip install nats-py
    python3 stock.py --server nats://127.0.0.1:4222 --stream ERP_ERP1 --state stock.db

How it stays exact:

* The server remembers what was acknowledged (a durable consumer). A message is acknowledged after
  it is stored, so a crash gives it again; nothing is lost.
* What comes again is told by `ce-idempotencykey`. Key and stock are stored in one transaction of
  SQLite: either both are there or neither, whenever the process dies.
* Keys lie on disk, so memory does not grow with them. The last million is kept (`--remember`); an
  older one can only come again when a source is read anew from the beginning.
* Quantities are decimals, from the text of the event to the text in the table.
"""

import argparse
import asyncio
import json
import signal
import sqlite3
from decimal import Context, Decimal, Inexact

import nats
from nats.js.api import AckPolicy, ConsumerConfig

MOVEMENTS = "erp.*.*.*.inventory.movement.*"

# A hundred digits, and an exception instead of a rounded result.
EXACT = Context(prec=100, traps=[Inexact])

TABLES = """
CREATE TABLE IF NOT EXISTS applied (place INTEGER PRIMARY KEY, key TEXT NOT NULL UNIQUE);
CREATE TABLE IF NOT EXISTS stock (
    item TEXT NOT NULL, unit TEXT NOT NULL, quantity TEXT NOT NULL, PRIMARY KEY (item, unit));
"""


def change(subject: str, data: dict) -> tuple[str, str, Decimal]:
    """What a movement does to the stock of its item. The quantity of an event is not negative:
    the places tell the direction. Taking a movement back is the movement the other way."""
    # `before` instead of `after`: the source removed the row.
    movement = data.get("after") or data["before"]
    quantity = Decimal(movement["quantity"]["value"])
    comes, goes = movement.get("to_location"), movement.get("from_location")
    if comes and goes:
        quantity = Decimal(0)
    elif goes:
        quantity = -quantity
    if subject.endswith(".reversed"):
        quantity = -quantity
    return movement["item"], movement["quantity"]["unit"], quantity


class Ledger:
    """Stock, and the keys of the events in it."""

    def __init__(self, path: str, remember: int):
        self.database = sqlite3.connect(path, isolation_level=None)
        self.database.executescript("PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL;" + TABLES)
        self.remember = remember

    def apply(self, messages: list) -> int:
        """Stores a batch, all of it or nothing, and returns how many of it were new."""
        with self.database:
            self.database.execute("BEGIN IMMEDIATE")
            new = sum(self.apply_one(message) for message in messages)
            self.database.execute(
                "DELETE FROM applied WHERE place <= (SELECT max(place) FROM applied) - ?",
                (self.remember,),
            )
        return new

    def apply_one(self, message) -> bool:
        key = message.headers["ce-idempotencykey"]
        found = self.database.execute("INSERT OR IGNORE INTO applied (key) VALUES (?)", (key,))
        if found.rowcount == 0:
            return False
        item, unit, quantity = change(message.subject, json.loads(message.data))
        row = self.database.execute(
            "SELECT quantity FROM stock WHERE item = ? AND unit = ?", (item, unit)
        ).fetchone()
        total = EXACT.add(Decimal(row[0]) if row else Decimal(0), quantity)
        self.database.execute(
            "INSERT OR REPLACE INTO stock VALUES (?, ?, ?)", (item, unit, format(total, "f"))
        )
        return True

    def stock(self) -> list:
        return self.database.execute("SELECT item, unit, quantity FROM stock ORDER BY 1, 2").fetchall()


async def run(options: argparse.Namespace) -> None:
    stopped = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, stopped.set)
    ledger = Ledger(options.state, options.remember)
    connection = await nats.connect(options.server)
    try:
        jetstream = connection.jetstream()
        await jetstream.add_consumer(
            options.stream,
            ConsumerConfig(
                durable_name=options.durable,
                filter_subject=MOVEMENTS,
                ack_policy=AckPolicy.EXPLICIT,
                ack_wait=options.ack_wait,
                max_ack_pending=10 * options.batch,
            ),
        )
        consumer = await jetstream.pull_subscribe_bind(options.durable, options.stream)
        await follow(consumer, ledger, options, stopped)
    finally:
        await connection.close()


async def follow(
    consumer, ledger: Ledger, options: argparse.Namespace, stopped: asyncio.Event
) -> None:
    while not stopped.is_set():
        try:
            messages = await consumer.fetch(options.batch, timeout=1)
        # The client's own timeout is one of these; its last wait may end with the plain one.
        except TimeoutError:
            state = await consumer.consumer_info()
            if options.once and state.num_pending == 0 and state.num_ack_pending == 0:
                break
            continue
        new = ledger.apply(messages)
        # Stored: only now may the server forget them. An event that cannot be applied raises
        # before this line, and is not skipped.
        for message in messages:
            await message.ack()
        print(f"stored {new} of {len(messages)}", flush=True)
    for item, unit, quantity in ledger.stock():
        print(f"stock {item} {unit} {quantity}", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description="keeps stock per item from movements")
    parser.add_argument("--server", default="nats://127.0.0.1:4222")
    parser.add_argument("--stream", required=True, help="the stream of the source: ERP_<SOURCE>")
    parser.add_argument("--durable", default="stock", help="name of the durable consumer")
    parser.add_argument("--state", default="stock.db", help="file of the ledger")
    parser.add_argument("--remember", type=int, default=1_000_000, help="how many keys to keep")
    parser.add_argument("--batch", type=int, default=100, help="how many messages to store at once")
    parser.add_argument("--ack-wait", type=float, default=30, help="seconds until it comes again")
    parser.add_argument("--once", action="store_true", help="end when nothing is left to read")
    asyncio.run(run(parser.parse_args()))


if __name__ == "__main__":
    main()
