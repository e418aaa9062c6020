/**
 * The hint book: states kept for owners that could not take them (Dynamo 4.6).
 *
 * A hint is no row: nobody reads it, no level but ANY counts it, and it goes
 * to its owner alone. There is one per owner and row, the merge of all that was
 * missed, with its own stamps; so the book is bounded by distinct keys, and by
 * age, bytes and count besides. At a bound it keeps no more and counts that: the
 * owner gets the rest by sync, which begins as soon as it is back.
 *
 * A hint counts as kept when it is durable. A disk that fails costs hints, never
 * writes. What a crash left is found again (hint-search.ts).
 */
import { bytesToMapKey, equalBytes, MalformedBytes } from "../base/bytes.js";
import type { AnyLattice } from "../lattice/registry.js";
import { type NodeId, StorageDamage } from "../ports.js";
import type { Entry } from "../wire/messages.js";
import type { Carriers } from "./carriers.js";
import { type Hint, type HintCounts, HintIndex, rowOfHint, type SentHint } from "./hint-index.js";
import { encodeHint, hintKey, hintOfRecord, type KeptHint } from "./hint-record.js";
import { findHints, type SearchParts } from "./hint-search.js";
import type { Mint } from "./mint.js";
import { bucketOfRow, isRow } from "./rows.js";
import { ownsAt } from "./votes.js";

export interface HintParts extends SearchParts {
  readonly latticeOf: (bucket: string) => AnyLattice;
  readonly mint: Pick<Mint, "observe">;
  readonly carriers: Carriers;
  readonly isAlive: (node: NodeId) => boolean;
}

/** Why a hint is not kept. */
type Refusal = "age" | "bytes" | "count" | "busy" | "disk" | "malformed";

/** Hints given up in one turn. */
const EXPIRED_PER_TURN = 1024;

export class HintBook {
  /** What an earlier life has left was found. */
  onLoaded: () => void = () => {};
  /** Something is kept durably for this owner. */
  onKept: (target: NodeId) => void = () => {};
  /** Of one hint: the writes from `first` on, up to but not including `next`, are delivered or given up. */
  onSettled: (first: number, next: number) => void = () => {};
  private readonly indexes = new Map<NodeId, HintIndex>();
  private writes = 0;
  private pendingBytes = 0;
  /** What was taken out while the search goes on, which may have met it before. */
  private goneMeanwhile: Set<string> | undefined = new Set();

  constructor(private readonly parts: HintParts) {}

  /** Finds what an earlier life has left. */
  load(): void {
    findHints(this.parts, (found) => {
      for (const [target, hints] of found) {
        this.indexOf(target).addFound(hints.filter(({ mapKey }) => !this.goneMeanwhile?.has(`${target} ${mapKey}`)));
        this.gauge(target);
        this.expire(target);
        this.onKept(target);
      }
      this.goneMeanwhile = undefined;
      this.onLoaded();
    });
  }

  /** How many hints there are, and the number of the last write in them. */
  get progress(): { readonly hints: number; readonly lastWrite: number } {
    const hints = [...this.indexes.values()].reduce((sum, { count }) => sum + count, 0);
    return { hints, lastWrite: this.writes };
  }

  /** For whom something is kept, or was too old. */
  counts(): HintCounts[] {
    const counts: HintCounts[] = [];
    for (const [node, { count, bytes, oldest, hasExpired }] of this.indexes) {
      const oldestAgeMs = oldest === undefined ? undefined : this.ageMs(oldest);
      if (count > 0 || hasExpired) counts.push({ node, hints: count, bytes, hasExpired, oldestAgeMs });
    }
    return counts;
  }

  /** Keeps each state for an owner; `onDone` tells which of them are durable. */
  keep(target: NodeId, entries: readonly Entry[], onDone: (kept: boolean[]) => void): void {
    const kept: boolean[] = new Array(entries.length);
    let left = entries.length;
    if (left === 0) onDone(kept);
    for (const [index, entry] of entries.entries()) {
      this.keepEntry(target, entry, (refusal) => {
        const { meter } = this.parts.world;
        if (refusal === undefined) meter.count("murmur_hints_kept_total");
        else meter.count("murmur_hints_refused_total", { reason: refusal });
        kept[index] = refusal === undefined;
        left--;
        if (left === 0) onDone(kept);
      });
    }
  }

  /** The oldest durable hints for an owner but so many, as many as one message may carry. */
  oldest(target: NodeId, passed = 0): SentHint[] {
    const { hintBatchRows, hintBatchBytes } = this.parts.limits;
    const sent: SentHint[] = [];
    let bytes = 0;
    for (const hint of this.indexOf(target).first(hintBatchRows, passed)) {
      if (sent.length > 0 && bytes + hint.bytes > hintBatchBytes) break;
      const each = this.read(target, hint);
      if (each === undefined) continue;
      sent.push(each);
      bytes += hint.bytes;
    }
    return sent;
  }

  /** The owner holds what it was sent, or will never take it: the hint goes, unless more was added since. */
  settle(target: NodeId, { hint, record, isNewest }: SentHint): void {
    const index = this.indexOf(target);
    const present = index.get(hint.mapKey);
    if (present === undefined) return;
    const latest = this.latest(hintKey(target, rowOfHint(hint)));
    // Under its index there is always something stored, unless it cannot be read any more.
    if (latest === undefined || equalBytes(latest, record)) this.remove(target, present);
    else if (isNewest && present.first <= hint.last) {
      index.set({ ...present, first: hint.last + 1 });
      this.onSettled(present.first, hint.last + 1);
    }
  }

  /** Gives up what is too old, or found beyond a bound: sync does the rest. False when more is left to do. */
  expire(target: NodeId): boolean {
    const { limits, isAlive, world, carriers } = this.parts;
    const index = this.indexOf(target);
    for (let left = EXPIRED_PER_TURN; left > 0; left--) {
      const { oldest } = index;
      if (oldest === undefined) return true;
      // Of an age by a clock that is not believed nobody knows whether it is one, and what is given up is gone.
      const isOld = !carriers.isClockOff && this.ageMs(oldest) > limits.hintAgeMsMax;
      if (!isOld && !index.isOver(limits)) return true;
      if (isOld) index.hasExpired = !isAlive(target);
      this.remove(target, oldest);
      if (isOld) world.meter.count("murmur_hints_expired_total");
      else world.meter.count("murmur_hints_dropped_total", { reason: "bound" });
    }
    return false;
  }

  /** The owner is back: what it misses from now on is worth keeping again. */
  onUp(target: NodeId): void {
    this.indexOf(target).hasExpired = false;
  }

  private keepEntry(target: NodeId, entry: Entry, onDone: (refusal?: Refusal) => void): void {
    const { latticeOf, carriers, mint, owners } = this.parts;
    const { row, state, bornAtUs } = entry;
    if (target === owners.self || !isRow(row) || !ownsAt(owners, row, target)) return onDone("malformed");
    if (carriers.refuses(bornAtUs)) return onDone("age");
    const lattice = latticeOf(bucketOfRow(row));
    try {
      mint.observe(lattice.lastStamp(lattice.decode(state)));
      this.join(target, row, { state, bornAtUs }, onDone);
    } catch (error) {
      if (!(error instanceof MalformedBytes)) throw error;
      onDone("malformed");
    }
  }

  private join(target: NodeId, row: Uint8Array, news: KeptHint, onDone: (refusal?: Refusal) => void): void {
    const present = this.present(hintKey(target, row));
    if (present === undefined) return this.commit(target, row, news, onDone);
    const lattice = this.parts.latticeOf(bucketOfRow(row));
    const [before, incoming] = [lattice.decode(present.state), lattice.decode(news.state)];
    const merged = lattice.merge(before, incoming);
    if (merged === before) {
      // Nothing new is not nothing pending: what absorbed this state may still be on its way to the disk.
      this.parts.world.storage.commit([], (error) => onDone(error === undefined ? undefined : "disk"));
      return;
    }
    // Where nothing is left of the older state, nothing is left of its age.
    if (merged === incoming) return this.commit(target, row, news, onDone);
    const bornAtUs = Math.min(present.bornAtUs, news.bornAtUs);
    this.commit(target, row, { bornAtUs, state: lattice.encode(merged) }, onDone);
  }

  private commit(target: NodeId, row: Uint8Array, hint: KeptHint, onDone: (refusal?: Refusal) => void): void {
    const [key, mapKey] = [hintKey(target, row), bytesToMapKey(row)];
    const record = encodeHint(key, hint);
    const index = this.indexOf(target);
    const before = index.get(mapKey);
    const refusal = this.refusalOf(target, before, record.length);
    if (refusal !== undefined) return onDone(refusal);
    const last = ++this.writes;
    index.set({ mapKey, bornAtUs: hint.bornAtUs, bytes: record.length, first: before?.first ?? last, last });
    this.gauge(target);
    this.pendingBytes += record.length;
    this.parts.world.storage.commit([{ key, value: record }], (error) => {
      this.pendingBytes -= record.length;
      if (error === undefined) this.onKept(target);
      else this.restore(target, mapKey);
      onDone(error === undefined ? undefined : "disk");
    });
  }

  private refusalOf(target: NodeId, before: Hint | undefined, bytes: number): Refusal | undefined {
    const { limits } = this.parts;
    const index = this.indexOf(target);
    if (index.hasExpired) return "age";
    const bound = index.boundAt(before, bytes, limits);
    if (bound !== undefined) return bound;
    return this.pendingBytes + bytes > limits.hintBytesPendingMax ? "busy" : undefined;
  }

  private remove(target: NodeId, hint: Hint): void {
    const onLeft = this.indexOf(target).leave(hint);
    this.goneMeanwhile?.add(`${target} ${hint.mapKey}`);
    this.gauge(target);
    this.onSettled(hint.first, this.writes + 1);
    this.parts.world.storage.commit([{ key: hintKey(target, rowOfHint(hint)), value: undefined }], (error) => {
      onLeft();
      if (error !== undefined) this.restore(target, hint.mapKey);
    });
  }

  /** A commit failed: the index follows what is stored. */
  private restore(target: NodeId, mapKey: string): void {
    const index = this.indexOf(target);
    const before = index.get(mapKey);
    const key = hintKey(target, rowOfHint({ mapKey }));
    const stored = this.present(key);
    if (stored === undefined) {
      index.delete(mapKey);
      if (before !== undefined) this.onSettled(before.first, this.writes + 1);
    } else {
      const first = before?.first ?? ++this.writes;
      const { length: bytes } = encodeHint(key, stored);
      index.set({ mapKey, bornAtUs: stored.bornAtUs, bytes, first, last: before?.last ?? first });
      this.onKept(target);
    }
    this.gauge(target);
  }

  private read(target: NodeId, hint: Hint): SentHint | undefined {
    const row = rowOfHint(hint);
    const key = hintKey(target, row);
    try {
      const record = this.parts.world.storage.durable(key);
      // Its first commit is still on its way.
      if (record === undefined) return undefined;
      const latest = this.latest(key);
      const isNewest = latest !== undefined && equalBytes(latest, record);
      return { hint, entry: { row, ...hintOfRecord(key, record) }, record, isNewest };
    } catch (error) {
      if (!(error instanceof StorageDamage)) throw error;
      this.countDamaged();
      this.remove(target, hint);
      return undefined;
    }
  }

  /** What is kept so far. A damaged hint is as good as none. */
  private present(key: Uint8Array): KeptHint | undefined {
    const record = this.latest(key);
    try {
      return record === undefined ? undefined : hintOfRecord(key, record);
    } catch (error) {
      if (!(error instanceof StorageDamage)) throw error;
      this.countDamaged();
      return undefined;
    }
  }

  private latest(key: Uint8Array): Uint8Array | undefined {
    try {
      return this.parts.world.storage.latest(key);
    } catch (error) {
      if (!(error instanceof StorageDamage)) throw error;
      this.countDamaged();
      return undefined;
    }
  }

  private ageMs({ bornAtUs }: Hint): number {
    return Math.max(0, (this.parts.carriers.nowUs() - bornAtUs) / 1000);
  }

  private indexOf(target: NodeId): HintIndex {
    const known = this.indexes.get(target);
    if (known !== undefined) return known;
    const index = new HintIndex();
    this.indexes.set(target, index);
    return index;
  }

  private gauge(target: NodeId): void {
    this.parts.world.meter.gauge("murmur_hints_pending", this.indexOf(target).count, { target });
  }

  private countDamaged(): void {
    this.parts.world.meter.count("murmur_hints_dropped_total", { reason: "damaged" });
  }
}
