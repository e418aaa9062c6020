/**
 * Shards: what each actor has counted, which is all of a counter (the state of a PN counter, Shapiro and
 * others 2011, section 3.1.3, with a reset that observes).
 *
 * An actor counts under its name alone and on top of all that it counted
 * before, so of two readings the later includes the earlier, and one signed sum
 * does for the two of the paper: nothing needs to grow for the join to know
 * which came last. A reset raises the base of every shard to the reading that
 * it saw. So it takes away exactly the additions that it saw: one that was
 * concurrent, even by the same actor, stays. A base is never above its total.
 *
 * An actor that counts without any record, because its owners are about to forget
 * it, begins with a base of its own just before: who still has what is to be
 * forgotten must not take its base away from the new sum.
 *
 * The sums are those of 64 bits; what a client sees is their sum, exactly.
 */
import { MalformedBytes, type Reader, type Writer } from "../base/bytes.js";
import type { Context } from "./context.js";
import { joinSorted } from "./join-sorted.js";
import type { OpRefusal } from "./op.js";
import type { Actor, Stamp } from "./stamp.js";

/** What an actor had counted by a time, since it has the name. */
interface Reading {
  readonly timeUs: number;
  readonly sum: bigint;
}

export interface Shard {
  readonly actor: Actor;
  readonly total: Reading;
  /** What resets have seen of it; undefined: nothing. */
  readonly base: Reading | undefined;
}

/** In ascending order of actors, none twice. */
export type Shards = readonly Shard[];

export const NO_SHARDS: Shards = [];

const VALUE_MAX = BigInt(Number.MAX_SAFE_INTEGER);
/** The most that one takes. */
export const SHARD_BYTES = 41;
/** What stands before a shard's base: there is none, it is all of the total, or it follows. */
export const BASE = { none: 0, all: 1, part: 2 } as const;

/** Who has counted, or reset, both. Returns `a` ITSELF when `b` adds nothing. */
export function mergeShards(a: Shards, b: Shards): Shards {
  if (a === b || b.length === 0) return a;
  return joinSorted(a, b, compareActors, mergeShard);
}

/** With `by` counted on top of all that the actor of `stamp` counted before. */
export function addToShards(shards: Shards, { actor, timeUs }: Stamp, by: number): Shards {
  const before = shards.find((shard) => shard.actor === actor);
  const total = { timeUs, sum: (before?.total.sum ?? 0n) + BigInt(by) };
  const base = before === undefined ? { timeUs: timeUs - 1, sum: 0n } : before.base;
  return mergeShards(shards, [{ actor, total, base }]);
}

/** Why `by` is not counted, where so much is counted `elsewhere`: nobody could be told the value, or this actor's sum has no room for it. */
export function refusalOfAdd(shards: Shards, { actor }: Stamp, by: number, elsewhere = 0n): OpRefusal | undefined {
  const before = valueOfShards(shards) + elsewhere;
  const after = before + BigInt(by);
  const sum = (shards.find((shard) => shard.actor === actor)?.total.sum ?? 0n) + BigInt(by);
  // Concurrent additions may have led beyond the bound: back from there is always open.
  const isOut = magnitude(after) > VALUE_MAX && magnitude(after) > magnitude(before);
  if (!isOut && BigInt.asIntN(64, sum) === sum) return undefined;
  const detail = `${before} and ${by} come to more than a counter holds: from -(2^53-1) to 2^53-1`;
  return { kind: "out-of-range", detail };
}

/** With all of it taken away. */
export function resetShards(shards: Shards): Shards {
  if (areReset(shards)) return shards;
  return shards.map((shard) => (isReset(shard) ? shard : { ...shard, base: shard.total }));
}

/** Whether nothing was counted since the last reset; true of no shards. */
export function areReset(shards: Shards): boolean {
  return shards.every(isReset);
}

/** What is counted and not taken away: any integer, though no client is let beyond 2^53 knowingly. */
export function valueOfShards(shards: Shards): bigint {
  return shards.reduce((value, { total, base }) => value + total.sum - (base?.sum ?? 0n), 0n);
}

/** What has been seen by whoever saw the shards. */
export function contextOfShards(shards: Shards): Context {
  return { vector: shards.map(({ actor, total }) => ({ actor, timeUs: total.timeUs })), dots: [] };
}

/** Canonical: equal shards <=> equal bytes. They go to the end of what is written: a store within another is prefixed by its length. */
export function writeShards(writer: Writer, shards: Shards): void {
  for (const shard of shards) {
    const { actor, total, base } = shard;
    writeReading(writer.u64(actor), total);
    writer.u8(base === undefined ? BASE.none : isReset(shard) ? BASE.all : BASE.part);
    if (base !== undefined && !isReset(shard)) writeReading(writer, base);
  }
}

/** The shards to the end of `reader`. Throws MalformedBytes on what `writeShards` cannot have written. */
export function readShards(reader: Reader): Shards {
  const shards: Shard[] = [];
  while (reader.remaining > 0) {
    const actor = reader.u64();
    const last = shards.at(-1);
    if (last !== undefined && last.actor >= actor) throw new MalformedBytes("shards out of order");
    const total = readReading(reader);
    shards.push({ actor, total, base: readBase(reader, total) });
  }
  return shards;
}

function readBase(reader: Reader, total: Reading): Reading | undefined {
  const kind = reader.u8();
  if (kind === BASE.none) return undefined;
  if (kind === BASE.all) return total;
  if (kind !== BASE.part) throw new MalformedBytes("no shard");
  const base = readReading(reader);
  if (compareReadings(base, total) >= 0) throw new MalformedBytes("a base that is not below its total");
  return base;
}

function writeReading(writer: Writer, { timeUs, sum }: Reading): void {
  writer.u53(timeUs).u64(BigInt.asUintN(64, sum));
}

function readReading(reader: Reader): Reading {
  return { timeUs: reader.u53(), sum: BigInt.asIntN(64, reader.u64()) };
}

function compareActors(a: Shard, b: Shard): number {
  return a.actor < b.actor ? -1 : a.actor > b.actor ? 1 : 0;
}

function mergeShard(a: Shard | undefined, b: Shard | undefined): Shard | undefined {
  if (a === undefined || b === undefined) return a ?? b;
  const total = later(a.total, b.total) as Reading;
  const base = later(a.base, b.base);
  if (total === a.total && base === a.base) return a;
  return total === b.total && base === b.base ? b : { actor: a.actor, total, base };
}

/** The first, unless the second is later. */
function later(a: Reading | undefined, b: Reading | undefined): Reading | undefined {
  if (a === undefined || b === undefined) return a ?? b;
  return compareReadings(a, b) >= 0 ? a : b;
}

/** An actor's times never repeat, so the sums decide only between damaged or hand-made states; the join must be total. */
function compareReadings(a: Reading, b: Reading): number {
  if (a.timeUs !== b.timeUs) return a.timeUs < b.timeUs ? -1 : 1;
  if (a.sum !== b.sum) return a.sum < b.sum ? -1 : 1;
  return 0;
}

/** Whether nothing was counted since the last reset. */
export function isReset({ total, base }: Shard): boolean {
  return base !== undefined && compareReadings(base, total) === 0;
}

function magnitude(value: bigint): bigint {
  return value < 0n ? -value : value;
}
