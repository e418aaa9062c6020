/** Bits of a stopped node's files that turn round, anywhere in them. */
import { closeSync, existsSync, openSync, readSync, statSync, writeSync } from "node:fs";
import { join } from "node:path";
import { below, pick, type Random } from "../src/base/random.js";

/** Turns one bit of the database, or of the log that a killed node left. Says which. */
export function flipBit(random: Random, dir: string): string {
  const files = ["store.db", "store.db-wal"].map((name) => join(dir, name));
  const file = pick(
    random,
    files.filter((each) => existsSync(each) && statSync(each).size > 0),
  );
  const offset = below(random, statSync(file).size);
  const bit = below(random, 8);
  const descriptor = openSync(file, "r+");
  const byte = Buffer.alloc(1);
  readSync(descriptor, byte, 0, 1, offset);
  writeSync(descriptor, Buffer.of((byte[0] as number) ^ (1 << bit)), 0, 1, offset);
  closeSync(descriptor);
  return `bit ${bit} of byte ${offset} of ${file}`;
}
