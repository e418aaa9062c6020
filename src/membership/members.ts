/**
 * The table of members: who lives, who is suspected, who is dead, and what each
 * says of itself. A join-semilattice like every stored value, so it may be
 * gossiped in any order, any number of times, and all come to the same table.
 *
 * Per member, later is (SWIM 4.2): the higher incarnation, which only the
 * member itself raises; within one incarnation suspect over alive, and dead
 * over both. So a member refutes whatever is said of it by one incarnation
 * more. Suspecters are part of the state: a suspicion that is confirmed by
 * others grows, by the same merge (Lifeguard, LHA-Suspicion).
 *
 * Members are fixed by the layout. The dead are not removed, and nothing here
 * decides who owns what.
 */
import { assert } from "../base/assert.js";
import { MalformedBytes, NO_BYTES, Reader, Writer } from "../base/bytes.js";
import type { Actor } from "../lattice/stamp.js";
import type { NodeId } from "../ports.js";

/** In the order in which they supersede each other within one incarnation. */
const STATUSES = ["alive", "suspect", "dead"] as const;
export type MemberStatus = (typeof STATUSES)[number];

/** What a member says of itself. Whenever it changes, the incarnation rises. */
export interface Life {
  readonly incarnation: number;
  /** Of its store's present life; 0n while that is not durable yet. */
  readonly actor: Actor;
  /** It does not vote in all that it owns. */
  readonly isRebuilding: boolean;
}

export interface MemberEntry extends Life {
  readonly status: MemberStatus;
  /** Who found a suspect silent, each by itself: sorted, at most `SUSPECTERS_MAX`. Empty unless suspect. */
  readonly suspecters: readonly NodeId[];
}

/** Absent: never heard of. Never written to. */
export type MemberTable = ReadonlyMap<NodeId, MemberEntry>;

/** The first suspecter and three who confirm it (Lifeguard 4.2: K = 3); more would change nothing. */
export const SUSPECTERS_MAX = 4;

export const NOBODY: readonly NodeId[] = [];

export const NO_MEMBERS: MemberTable = new Map();

/** All are made here, or read from bytes: of one shape, they are compared the fastest. */
export function entryOf(
  { incarnation, actor, isRebuilding }: Life,
  status: MemberStatus,
  suspecters: readonly NodeId[],
): MemberEntry {
  return { incarnation, actor, isRebuilding, status, suspecters };
}

/** The join of two tables. Returns `a` ITSELF when `b` adds nothing new. */
export function mergeTables(a: MemberTable, b: MemberTable): MemberTable {
  return mergeAmong(b, a, b);
}

/** As `mergeTables`, and takes from `b` only what it says of `known`. */
export function mergeAmong(known: { has(node: NodeId): boolean }, a: MemberTable, b: MemberTable): MemberTable {
  let merged: Map<NodeId, MemberEntry> | undefined;
  for (const [node, theirs] of b) {
    if (!known.has(node)) continue;
    const ours = a.get(node);
    const join = mergeEntries(ours, theirs);
    if (join === ours) continue;
    merged ??= new Map(a);
    merged.set(node, join);
  }
  return merged ?? a;
}

/** The join of what two know of one member. Returns `ours` ITSELF when `theirs` adds nothing new. */
export function mergeEntries(ours: MemberEntry | undefined, theirs: MemberEntry): MemberEntry {
  if (ours === undefined) return theirs;
  const order = compareLives(ours, theirs) || STATUSES.indexOf(ours.status) - STATUSES.indexOf(theirs.status);
  if (order !== 0) return order > 0 ? ours : theirs;
  if (theirs.suspecters.every((node) => ours.suspecters.includes(node))) return ours;
  // The first few of a union: which these are does not depend on the order of merging.
  const suspecters = [...new Set([...ours.suspecters, ...theirs.suspecters])].sort().slice(0, SUSPECTERS_MAX);
  return suspecters.every((node) => ours.suspecters.includes(node)) ? ours : entryOf(ours, ours.status, suspecters);
}

/** What `suspecter` makes of a member that it found silent: suspected, or the suspicion confirmed. The dead stay dead. */
export function suspected(entry: MemberEntry, suspecter: NodeId): MemberEntry {
  if (entry.status === "dead") return entry;
  return mergeEntries(entry, entryOf(entry, "suspect", [suspecter]));
}

export function died(entry: MemberEntry): MemberEntry {
  return entryOf(entry, "dead", NOBODY);
}

/** Equal incarnations of one member say the same, unless it forgot them in a restart: then any total order will do. */
function compareLives(a: Life, b: Life): number {
  if (a.incarnation !== b.incarnation) return a.incarnation - b.incarnation;
  if (a.actor !== b.actor) return a.actor > b.actor ? 1 : -1;
  return Number(a.isRebuilding) - Number(b.isRebuilding);
}

const STATUS_MASK = 3;
const IS_REBUILDING = 4;
const ENTRY_BYTES = 64;

/** Canonical: equal entries of equal members are equal bytes. */
export function encodeEntry(node: NodeId, entry: MemberEntry): Uint8Array {
  const writer = new Writer(ENTRY_BYTES).shortText(node).u53(entry.incarnation).u64(entry.actor);
  writer.u8(STATUSES.indexOf(entry.status) | (entry.isRebuilding ? IS_REBUILDING : 0));
  if (entry.status === "suspect") writer.u8(entry.suspecters.length);
  for (const suspecter of entry.suspecters) writer.shortText(suspecter);
  return writer.finish();
}

/** Members in the order of their names: equal tables are equal bytes. The bottom is no bytes. */
export function encodeTable(table: MemberTable): Uint8Array {
  if (table.size === 0) return NO_BYTES;
  const writer = new Writer(ENTRY_BYTES * table.size);
  for (const node of [...table.keys()].sort()) writer.raw(encodeEntry(node, table.get(node) as MemberEntry));
  return writer.finish();
}

/** Throws MalformedBytes on what no `encodeEntry`s in a row can have written. Of one name twice, both are merged. */
export function decodeTable(bytes: Uint8Array): MemberTable {
  if (bytes.length === 0) return NO_MEMBERS;
  const reader = new Reader(bytes);
  const table = new Map<NodeId, MemberEntry>();
  while (reader.remaining > 0) {
    const node = readName(reader);
    table.set(node, mergeEntries(table.get(node), readEntry(reader)));
  }
  return table;
}

function readEntry(reader: Reader): MemberEntry {
  const incarnation = reader.u53();
  const actor = reader.u64();
  const flags = reader.u8();
  const status = STATUSES[flags & STATUS_MASK];
  if (status === undefined || flags > (STATUS_MASK | IS_REBUILDING)) throw new MalformedBytes("no such member status");
  if (incarnation > INCARNATION_MAX) throw new MalformedBytes("an incarnation that no member can rise above");
  const suspecters = status === "suspect" ? readSuspecters(reader) : NOBODY;
  return { incarnation, actor, isRebuilding: (flags & IS_REBUILDING) !== 0, status, suspecters };
}

function readSuspecters(reader: Reader): readonly NodeId[] {
  const suspecters = Array.from({ length: reader.u8() }, () => readName(reader));
  const isSorted = suspecters.every((name, index) => index === 0 || name > (suspecters[index - 1] as string));
  const isWhole = suspecters.length > 0 && suspecters.length <= SUSPECTERS_MAX;
  if (!isSorted || !isWhole) throw new MalformedBytes("suspecters that cannot be");
  return suspecters;
}

/** A member must always have an incarnation left with which to say that it lives. */
const INCARNATION_MAX = 2 ** 52;

/** The life in which a member answers what was said of it in an earlier one. */
export function refuted(own: MemberEntry, said: MemberEntry): MemberEntry {
  const incarnation = Math.max(own.incarnation, said.incarnation) + 1;
  assert(Number.isSafeInteger(incarnation), "incarnations are counted by ones");
  return entryOf({ incarnation, actor: own.actor, isRebuilding: own.isRebuilding }, own.status, own.suspecters);
}

function readName(reader: Reader): string {
  const name = reader.shortText();
  if (name === undefined || name === "") throw new MalformedBytes("a member without a name");
  return name;
}
