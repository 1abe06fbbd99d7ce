// Stock, and the keys of the events in it, in one file.
//
// One line per event, with its key and what it does, is written and synced before the event is
// acknowledged: key and effect are on disk together or not at all. When the process starts, it
// reads the lines back; a last line that a crash cut short was not acknowledged, so it is dropped
// and comes again.
//
// Memory and file are bounded: when twice as many keys are held as are to be remembered, the file
// is written anew with the sums and the younger half. A key older than that can only come again
// when a source is read anew from the beginning.

import {
  closeSync, existsSync, fsyncSync, openSync, readFileSync, renameSync, truncateSync, writeSync,
} from "node:fs";
import { dirname } from "node:path";
import { Decimal } from "./decimal.js";

export class Ledger {
  constructor(path, remember) {
    this.path = path;
    this.remember = remember;
    this.keys = new Set(); // in the order they came
    this.sums = new Map();
    if (existsSync(path)) this.read();
    this.file = openSync(path, "a");
    syncDirectory(path);
  }

  read() {
    const bytes = readFileSync(this.path);
    const end = bytes.lastIndexOf("\n") + 1;
    if (end < bytes.length) truncateSync(this.path, end);
    for (const line of bytes.toString("utf8", 0, end).split("\n").slice(0, -1)) {
      const { keys, sums } = JSON.parse(line);
      this.add(keys, sums);
    }
  }

  add(keys, sums) {
    for (const key of keys) this.keys.add(key);
    for (const [item, unit, quantity] of sums) {
      const name = JSON.stringify([item, unit]);
      const sum = this.sums.get(name) ?? Decimal.ZERO;
      this.sums.set(name, sum.plus(Decimal.parse(quantity)));
    }
  }

  /** Stores a batch of { key, item, unit, quantity } and returns how many of it were new. */
  apply(events) {
    const fresh = new Map();
    for (const event of events) {
      if (!this.keys.has(event.key)) fresh.set(event.key, event);
    }
    let lines = "";
    for (const { key, item, unit, quantity } of fresh.values()) {
      const entry = { keys: [key], sums: [[item, unit, quantity.toString()]] };
      lines += JSON.stringify(entry) + "\n";
      this.add(entry.keys, entry.sums);
    }
    writeWhole(this.file, lines);
    if (this.keys.size >= 2 * this.remember) this.compact();
    return fresh.size;
  }

  compact() {
    this.keys = new Set([...this.keys].slice(-this.remember));
    const fresh = `${this.path}.new`;
    const file = openSync(fresh, "w");
    writeWhole(file, JSON.stringify({ keys: [...this.keys], sums: this.stock() }) + "\n");
    renameSync(fresh, this.path);
    syncDirectory(this.path);
    closeSync(this.file);
    this.file = file;
  }

  /** Item, unit and quantity, sorted. */
  stock() {
    const names = [...this.sums.keys()].sort();
    return names.map((name) => [...JSON.parse(name), this.sums.get(name).toString()]);
  }
}

function writeWhole(file, text) {
  const bytes = Buffer.from(text);
  let written = 0;
  while (written < bytes.length) written += writeSync(file, bytes, written);
  fsyncSync(file);
}

/** A new name of a file is on disk when its directory is. */
function syncDirectory(path) {
  const directory = openSync(dirname(path), "r");
  fsyncSync(directory);
  closeSync(directory);
}
