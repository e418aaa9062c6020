/**
 * Minting stamps: a clock that never goes back, and an actor that vouches for its past.
 *
 * mint = max(last + 1, wall), so causality is kept while clocks are sane and
 * order is kept always. An upper bound of all stamps is persisted ahead of use:
 * after a crash the clock starts above it. The actor is renewed whenever the
 * store cannot vouch for its past (DESIGN 2): it is new; its files are a copy;
 * it stopped uncleanly with a kernel that was started anew, under `durability:
 * os`; damage was found; or a peer remembers more of it than it does itself. Riak lost acknowledged writes
 * for three years over dots minted twice.
 */
import { assert } from "../base/assert.js";
import { MalformedBytes, Reader, Writer } from "../base/bytes.js";
import { u64 } from "../base/random.js";
import type { Durability } from "../cluster-config.js";
import type { Limits } from "../config.js";
import type { Actor, Stamp } from "../lattice/stamp.js";
import type { Storage, World, Write } from "../ports.js";
import { ownRecord, readOwnRecord, SPACE } from "./rows.js";

const RECORD_KEY: Uint8Array = new Writer(8).u8(SPACE.self).text("mint").finish();
const RECORD_FORMAT = 2;
/** Without the name of the files. */
const RECORD_FORMAT_BEFORE = 1;
/** The least that a bound is raised by. While we are ahead of the wall, no more: restarts must not add up. */
const LEAST_STEP_US = 100_000;

interface MintRecord {
  readonly actor: Actor;
  readonly boundUs: number;
  /** The kernel's boot under which it ran, and whether it stopped in order. */
  readonly bootId: string;
  readonly stopped: boolean;
  /** The files in which it was written; undefined where nobody knows. */
  readonly identity: string | undefined;
}

type OnStamp = (stamp: Stamp | undefined) => void;

export class Mint {
  private present: Actor;
  private lastUs: number;
  /** No stamp above this may be used yet; it is durable. Zero while the actor itself is not. */
  private durableBoundUs = 0;
  private askedBoundUs = 0;
  /** The bound with which this process found its store; what was told of this actor before is not above it, unless the store is an old copy. */
  private foundUs = Number.POSITIVE_INFINITY;
  private highestWallMs: number;
  /** The process before this one was killed, or lost its power: what it wrote last may be torn. */
  readonly wasKilled: boolean;
  /** The highest stamp minted above an insane one, and by whom: neither must become our clock. */
  private aheadUs = 0;
  private aheadActor: Actor;
  /** Told of each new life, and whether the past is vouched for: if not, votes are earned anew. */
  onRenewed: (isVouched: boolean) => void = () => {};
  /** What holds under the name of the present life alone: it becomes durable with that name. */
  recordsOfLife: () => readonly Write[] = () => [];
  /** Each with the time at which it was asked for: that is soon within the bound, whatever the disk takes. */
  private readonly waiting: Array<{ aboveUs: number; askedUs: number; onStamp: OnStamp }> = [];

  /** Opens the store's life. */
  constructor(
    private readonly world: World,
    private readonly limits: Limits,
    durability: Durability,
  ) {
    const record = readRecord(world.storage);
    this.wasKilled = record !== undefined && !record.stopped;
    const powerLost = this.wasKilled && record?.bootId !== world.bootId;
    const isCopy = record?.identity !== undefined && record.identity !== world.storage.identity();
    const vouched = record !== undefined && !isCopy && !(powerLost && durability === "os");
    this.present = vouched ? record.actor : u64(world.random);
    this.aheadActor = u64(world.random);
    this.lastUs = record?.boundUs ?? 0;
    this.highestWallMs = world.clock.wallMs();
    if (vouched) {
      this.durableBoundUs = record.boundUs;
      this.askedBoundUs = record.boundUs;
      this.foundUs = record.boundUs;
    } else {
      const facts = { actor: this.actorName(), known: record !== undefined };
      if (isCopy)
        world.log.warn("the store's files are a copy, and may lack what others hold: a new life begins", facts);
      else world.log.info("a new life of this store", facts);
    }
    // Before anything else is committed, the disk must say that this life was not stopped in order.
    this.commitBound(vouched ? record.boundUs : this.nextBoundUs(0));
  }

  get actor(): Actor {
    return this.present;
  }

  actorName(): string {
    return this.present.toString(16).padStart(16, "0");
  }

  /** The bound of stamps that this actor may have minted: what peers remember of it. */
  get boundUs(): number {
    return this.durableBoundUs;
  }

  /** The same for a peer that has not told what it remembers: it is told no more than was found, or it would remember only that. */
  get foundBoundUs(): number {
    return Math.min(this.foundUs, this.durableBoundUs);
  }

  /**
   * Wall clock for expiry, in milliseconds: it does not go back while the node
   * runs, unless it was so far ahead that it must have been wrong.
   */
  nowMs(): number {
    const wallMs = this.world.clock.wallMs();
    const wasWrong = this.highestWallMs > wallMs + this.limits.clockSkewMsMax;
    this.highestWallMs = wasWrong ? wallMs : Math.max(this.highestWallMs, wallMs);
    return this.highestWallMs;
  }

  /** The latest time that a sane stamp may carry now. */
  latestSaneUs(): number {
    return (this.world.clock.wallMs() + this.limits.clockSkewMsMax) * 1000;
  }

  /** A fresh stamp above `aboveUs`; undefined when the disk refuses the bound. Mostly answers within the call. */
  mint(aboveUs: number, onStamp: OnStamp): void {
    this.mintFrom(this.wallUs(), aboveUs, onStamp);
  }

  private mintFrom(askedUs: number, aboveUs: number, onStamp: OnStamp): void {
    if (aboveUs > this.latestSaneUs()) {
      onStamp(this.mintAhead(aboveUs));
      return;
    }
    if (this.lastUs > this.latestSaneUs()) this.returnToWall();
    const timeUs = Math.max(this.lastUs + 1, aboveUs + 1, askedUs);
    if (this.waiting.length > 0 || timeUs > this.durableBoundUs) {
      this.waiting.push({ aboveUs, askedUs, onStamp });
      this.raiseBound(timeUs);
      return;
    }
    this.lastUs = timeUs;
    this.raiseBound(timeUs);
    onStamp({ timeUs, actor: this.present });
  }

  /** Learns of a stamp: sane ones raise the clock; others are only data. */
  observe(stamp: Stamp | undefined): void {
    if (stamp === undefined) return;
    if (stamp.timeUs <= this.lastUs) return;
    if (stamp.timeUs > this.latestSaneUs()) {
      this.world.meter.count("murmur_insane_stamps_total");
      return;
    }
    if (stamp.actor === this.present && stamp.timeUs > this.askedBoundUs) {
      this.renew("a state came back with a stamp of ours that we never minted");
    }
    this.lastUs = stamp.timeUs;
  }

  /** Raises the bound for peers to remember: a copy of this disk as it was before will know less of itself than they. */
  advance(): void {
    const boundUs = this.nextBoundUs(0);
    if (boundUs > this.askedBoundUs) this.commitBound(boundUs);
  }

  /** A peer remembers this bound of our present actor; at first, from before this process. */
  observeRemembered(boundUs: number, isFirst: boolean): void {
    if (boundUs > (isFirst ? this.foundUs : this.askedBoundUs))
      this.renew("a peer remembers more of this store than it does itself");
  }

  /** Begins a new life: stamps go on above all that were seen, under another actor; votes lapse with the old one. */
  renew(reason: string): void {
    this.beginLife(reason, false);
  }

  /** The same, and the votes stay: what was lost is nothing that was acknowledged. */
  renewVouched(reason: string): void {
    this.beginLife(reason, true);
  }

  /** Notes an orderly stop; nothing is minted afterwards. */
  stop(onStopped: () => void): void {
    this.world.storage.commit(this.writes(this.askedBoundUs, true), onStopped);
  }

  /** Our clock was wrong and is right again. Another actor may go back in time: it repeats no stamp, and nothing was lost. */
  private returnToWall(): void {
    this.lastUs = this.wallUs();
    this.beginLife("its clock was far ahead and was set back", true);
  }

  private beginLife(reason: string, isVouched: boolean): void {
    const former = this.actorName();
    this.present = u64(this.world.random);
    this.aheadActor = u64(this.world.random);
    this.durableBoundUs = 0;
    this.askedBoundUs = 0;
    this.foundUs = Number.POSITIVE_INFINITY;
    this.world.log.warn(`the store begins a new life: ${reason}`, { former, actor: this.actorName() });
    this.world.meter.count("murmur_incarnations_total");
    this.onRenewed(isVouched);
    this.commitBound(this.nextBoundUs(0));
  }

  /**
   * Some key holds a stamp from a clock gone wrong. It stays writable, above
   * that stamp, under an actor of its own that lives as long as this process.
   */
  private mintAhead(aboveUs: number): Stamp {
    this.aheadUs = Math.max(this.aheadUs, aboveUs) + 1;
    return { timeUs: this.aheadUs, actor: this.aheadActor };
  }

  private wallUs(): number {
    return Math.floor(this.world.clock.wallMs() * 1000);
  }

  /** Less than a quarter of what counts as insane, so that no restart makes our own stamps look so. */
  private stepUs(): number {
    return Math.min(this.limits.stampBoundStepMs, this.limits.clockSkewMsMax / 4) * 1000;
  }

  private nextBoundUs(atLeastUs: number): number {
    return Math.floor(Math.max(this.wallUs() + this.stepUs(), Math.max(this.lastUs, atLeastUs) + LEAST_STEP_US));
  }

  /** Keeps the bound well ahead of what is used next. */
  private raiseBound(usedUs: number): void {
    const dueUs = Math.max(this.wallUs() + this.stepUs() / 2, usedUs + LEAST_STEP_US / 2);
    if (this.askedBoundUs < dueUs) this.commitBound(this.nextBoundUs(usedUs));
  }

  private commitBound(boundUs: number): void {
    const actor = this.present;
    assert(Number.isSafeInteger(boundUs), "a stamp's time is a safe integer");
    this.askedBoundUs = boundUs;
    this.world.storage.commit(this.writes(boundUs, false), (error) => {
      if (actor !== this.present) return;
      if (error === undefined) this.durableBoundUs = Math.max(this.durableBoundUs, boundUs);
      else this.askedBoundUs = this.durableBoundUs;
      this.serveWaiting(error === undefined);
    });
  }

  private serveWaiting(granted: boolean): void {
    for (const { aboveUs, askedUs, onStamp } of this.waiting.splice(0)) {
      if (granted) this.mintFrom(Math.min(askedUs, this.wallUs()), aboveUs, onStamp);
      else onStamp(undefined);
    }
  }

  private writes(boundUs: number, stopped: boolean): readonly Write[] {
    const isDurable = this.durableBoundUs > 0;
    return [this.record(boundUs, stopped), ...(isDurable ? [] : this.recordsOfLife())];
  }

  private record(boundUs: number, stopped: boolean): Write {
    const writer = new Writer()
      .u8(RECORD_FORMAT)
      .u64(this.present)
      .u53(boundUs)
      .u8(stopped ? 1 : 0);
    return ownRecord(RECORD_KEY, writer.text(this.world.bootId).text(this.world.storage.identity()).finish());
  }
}

function readRecord(storage: Storage): MintRecord | undefined {
  const bytes = readOwnRecord(storage, RECORD_KEY);
  if (bytes === undefined) return undefined;
  const reader = new Reader(bytes);
  const format = reader.u8();
  if (format !== RECORD_FORMAT && format !== RECORD_FORMAT_BEFORE) {
    throw new MalformedBytes("the mint's record is of another format");
  }
  const life = { actor: reader.u64(), boundUs: reader.u53(), stopped: reader.u8() === 1, bootId: reader.text() };
  return { ...life, identity: format === RECORD_FORMAT ? reader.text() : undefined };
}
