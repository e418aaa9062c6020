/**
 * One store, one flipped bit at a time, every row read after each: what a single
 * owner makes of rot, without peers to help. A row may come back right, be an
 * error, or be gone from where it is looked for; it may never come back wrong.
 */
import { copyFileSync, mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { utf8 } from "../src/base/bytes.js";
import { tokenOf } from "../src/base/hash.js";
import { SeededRandom } from "../src/base/seeded.js";
import { DEFAULT_LIMITS } from "../src/config.js";
import { StorageDamage } from "../src/ports.js";
import { openStorage, type SqliteStorage } from "../src/real/storage.js";
import { StorageOpenError } from "../src/real/storage-errors.js";
import { encodeRecord, encodeRow, orderedToken, stateOfRecord } from "../src/replica/rows.js";
import { flipBit } from "./bit-rot.js";

export interface StoreRot {
  readonly flips: number;
  readonly rowsRead: number;
  /** How many flips left any row wrong, damaged, or absent, and how many the whole store. */
  wrong: number;
  damaged: number;
  absent: number;
  unopenable: number;
  /** All rows came back right: the bit was of no use, or SQLite did without it. */
  harmless: number;
}

const ROWS = 500;
const VALUE_BYTES = 100;

type Rows = ReadonlyMap<Uint8Array, Uint8Array>;

export async function rotStore(flips: number, seed: number): Promise<StoreRot> {
  const random = new SeededRandom(seed);
  const folder = mkdtempSync(join(tmpdir(), "murmur-rot-"));
  const [sound, rotten] = [join(folder, "sound"), join(folder, "rotten")];
  const rot: StoreRot = { flips, rowsRead: flips * ROWS, wrong: 0, damaged: 0, absent: 0, unopenable: 0, harmless: 0 };
  try {
    const rows = rowsOf();
    await fill(sound, rows);
    for (let flip = 0; flip < flips; flip++) {
      rmSync(rotten, { recursive: true, force: true });
      mkdirSync(rotten);
      copyFileSync(join(sound, "store.db"), join(rotten, "store.db"));
      flipBit(random, rotten);
      for (const finding of await findingsIn(rotten, rows)) rot[finding]++;
    }
    return rot;
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

function rowsOf(): Rows {
  const rows = new Map<Uint8Array, Uint8Array>();
  for (let number = 0; number < ROWS; number++) {
    const key = utf8(`key ${number}`);
    const token = orderedToken(tokenOf(key));
    const row = encodeRow({ placement: 0, token, bucket: "rot", key, sort: new Uint8Array() });
    rows.set(row, encodeRecord(row, Buffer.alloc(VALUE_BYTES, `state ${number} `)));
  }
  return rows;
}

async function fill(dir: string, rows: Rows): Promise<void> {
  const storage = openStorage({ dir, durability: "os", limits: DEFAULT_LIMITS });
  storage.commit(
    [...rows].map(([key, value]) => ({ key, value })),
    () => {},
  );
  storage.release();
  await closed(storage);
}

type Finding = Exclude<keyof StoreRot, "flips" | "rowsRead">;

async function findingsIn(dir: string, rows: Rows): Promise<ReadonlySet<Finding>> {
  let storage: SqliteStorage;
  try {
    storage = openStorage({ dir, durability: "os", limits: DEFAULT_LIMITS });
  } catch (error) {
    if (!(error instanceof StorageOpenError)) throw error;
    return new Set(["unopenable"]);
  }
  const findings = new Set<Finding>();
  for (const [row, record] of rows) {
    const finding = findingOf(storage, row, record);
    if (finding !== undefined) findings.add(finding);
  }
  await closed(storage);
  return findings.size === 0 ? new Set(["harmless"]) : findings;
}

function findingOf(storage: SqliteStorage, row: Uint8Array, record: Uint8Array): Finding | undefined {
  try {
    const found = storage.durable(row);
    if (found === undefined) return "absent";
    stateOfRecord(row, found);
    return Buffer.compare(found, record) === 0 ? undefined : "wrong";
  } catch (error) {
    if (error instanceof StorageDamage) return "damaged";
    throw error;
  }
}

function closed(storage: SqliteStorage): Promise<void> {
  return new Promise((resolve) => storage.close(resolve));
}
