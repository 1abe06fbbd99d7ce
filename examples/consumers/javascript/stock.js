#!/usr/bin/env node
// Keeps stock per item from `inventory.movement` events, each of them counted once.
//
//     npm install
//     node stock.js --server nats://127.0.0.1:4222 --stream ERP_ERP1 --state stock.jsonl
//
// How it stays exact: the server remembers what was acknowledged (a durable consumer), a message
// is acknowledged after it is stored, and what comes again is told by `ce-idempotencykey`, which
// is stored together with what the event did (see ledger.js). Quantities are decimals.

import { parseArgs } from "node:util";
import { AckPolicy, jetstream, jetstreamManager } from "@nats-io/jetstream";
import { connect, nanos } from "@nats-io/transport-node";
import { Decimal } from "./decimal.js";
import { Ledger } from "./ledger.js";

const MOVEMENTS = "erp.*.*.*.inventory.movement.*";

const { values: options } = parseArgs({
  options: {
    server: { type: "string", default: "nats://127.0.0.1:4222" },
    stream: { type: "string" }, // the stream of the source: ERP_<SOURCE>
    durable: { type: "string", default: "stock" },
    state: { type: "string", default: "stock.jsonl" },
    remember: { type: "string", default: "1000000" }, // how many keys to keep
    batch: { type: "string", default: "100" }, // how many messages to store at once
    "ack-wait": { type: "string", default: "30" }, // seconds until a message comes again
    once: { type: "boolean", default: false }, // end when nothing is left to read
  },
});
if (!options.stream) throw new Error("--stream is missing");
const batch = Number(options.batch);

/**
 * What a movement does to the stock of its item. The quantity of an event is not negative: the
 * places tell the direction. Taking a movement back is the movement the other way.
 */
function change(message) {
  const data = message.json();
  // `before` instead of `after`: the source removed the row.
  const { item, quantity: amount, to_location, from_location } = data.after ?? data.before;
  let quantity = Decimal.parse(amount.value);
  if (to_location && from_location) quantity = Decimal.ZERO;
  else if (from_location) quantity = quantity.negated();
  if (message.subject.endsWith(".reversed")) quantity = quantity.negated();
  return { key: message.headers.get("ce-idempotencykey"), item, unit: amount.unit, quantity };
}

let stopped = false;
for (const signal of ["SIGINT", "SIGTERM"]) process.on(signal, () => (stopped = true));

const ledger = new Ledger(options.state, Number(options.remember));
const connection = await connect({ servers: options.server });
try {
  const manager = await jetstreamManager(connection);
  await manager.consumers.add(options.stream, {
    durable_name: options.durable,
    filter_subject: MOVEMENTS,
    ack_policy: AckPolicy.Explicit,
    ack_wait: nanos(Number(options["ack-wait"]) * 1000),
    max_ack_pending: 10 * batch,
  });
  const consumer = await jetstream(connection).consumers.get(options.stream, options.durable);
  while (!stopped) {
    const messages = [];
    for await (const message of await consumer.fetch({ max_messages: batch, expires: 1000 })) {
      messages.push(message);
    }
    if (messages.length === 0) {
      const { num_pending, num_ack_pending } = await consumer.info();
      if (options.once && num_pending === 0 && num_ack_pending === 0) break;
      continue;
    }
    const fresh = ledger.apply(messages.map(change));
    // Stored: only now may the server forget them. An event that cannot be applied throws before
    // this line, and is not skipped.
    for (const message of messages) message.ack();
    console.log(`stored ${fresh} of ${messages.length}`);
  }
} finally {
  await connection.drain();
}
for (const [item, unit, quantity] of ledger.stock()) console.log(`stock ${item} ${unit} ${quantity}`);
