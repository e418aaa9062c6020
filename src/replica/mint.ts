/**
 * Minting stamps: a clock that never goes back, and an actor that vouches for its past.
 *
 * mint = max(last + 1, wall), so causality is kept while clocks are sane and
 * order is kept always. An upper bound of all stamps is persisted ahead of use:
 * after a crash the clock starts above it. The actor is renewed whenever the
 * store cannot vouch for its past (DESIGN 2): it is new; it stopped uncleanly
 * with a kernel that was started anew, under `durability: os`; damage was found; or a
 * peer remembers more of it than it does itself. Riak lost acknowledged writes
 * for three years over dots minted twice.
 */
import { assert } from "../base/assert.js";
import { MalformedBytes, Reader, Writer } from "../base/bytes.js";
import { below, u64 } from "../base/random.js";
import type { Durability, Limits } from "../config.js";
import type { Actor, Stamp } from "../lattice/stamp.js";
import type { World } from "../ports.js";
import { SPACE } from "./rows.js";

const RECORD_KEY: Uint8Array = new Writer(8).u8(SPACE.self).text("mint").finish();
const RECORD_FORMAT = 1;
const AHEAD_SPREAD_US = 1_000_000;

interface MintRecord {
  readonly actor: Actor;
  readonly boundUs: number;
  /** The kernel's boot under which it ran, and whether it stopped in order. */
  readonly bootId: string;
  readonly stopped: boolean;
}

type OnStamp = (stamp: Stamp | undefined) => void;

export class Mint {
  private present: Actor;
  private lastUs: number;
  /** No stamp above this may be used yet; it is durable. */
  private durableBoundUs = 0;
  private askedBoundUs = 0;
  private highestWallMs: number;
  /** The highest stamp minted above an insane one: it must not become our clock. */
  private aheadUs = 0;
  /** Told of each new life: votes are earned anew. */
  onRenewed: () => void = () => {};
  private readonly waiting: Array<{ aboveUs: number; onStamp: OnStamp }> = [];

  /** Opens the store's life. Nothing is minted before the first bound is durable; `mint` waits for it. */
  constructor(
    private readonly world: World,
    private readonly limits: Limits,
    durability: Durability,
  ) {
    const record = readRecord(world.storage.durable(RECORD_KEY));
    const powerLost = record !== undefined && !record.stopped && record.bootId !== world.bootId;
    const vouched = record !== undefined && !(powerLost && durability === "os");
    this.present = vouched ? record.actor : u64(world.random);
    this.lastUs = record?.boundUs ?? 0;
    this.highestWallMs = world.clock.wallMs();
    if (!vouched) world.log.info("a new life of this store", { actor: this.actorName(), known: record !== undefined });
    this.raiseBound();
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

  /** Wall clock for expiry, in milliseconds: it never goes back while the node runs. */
  nowMs(): number {
    this.highestWallMs = Math.max(this.highestWallMs, this.world.clock.wallMs());
    return this.highestWallMs;
  }

  /** The latest time that a sane stamp may carry now. */
  latestSaneUs(): number {
    return (this.world.clock.wallMs() + this.limits.clockSkewMsMax) * 1000;
  }

  /** A fresh stamp above `aboveUs`; undefined when the disk refuses the bound. Mostly answers within the call. */
  mint(aboveUs: number, onStamp: OnStamp): void {
    if (aboveUs > this.latestSaneUs()) {
      onStamp(this.mintAhead(aboveUs));
      return;
    }
    const timeUs = Math.max(this.lastUs + 1, aboveUs + 1, Math.floor(this.world.clock.wallMs() * 1000));
    if (this.waiting.length > 0 || timeUs > this.durableBoundUs) {
      this.waiting.push({ aboveUs, onStamp });
      this.raiseBound(timeUs);
      return;
    }
    this.lastUs = timeUs;
    if (timeUs > this.durableBoundUs - this.stepUs() / 2) this.raiseBound();
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

  /** A peer remembers this bound of our present actor. */
  observeRemembered(boundUs: number): void {
    if (boundUs > this.askedBoundUs) this.renew("a peer remembers more of this store than it does itself");
  }

  /** Begins a new life: stamps go on above all that were seen, under another actor; votes lapse with the old one. */
  renew(reason: string): void {
    const former = this.actorName();
    this.present = u64(this.world.random);
    this.durableBoundUs = 0;
    this.askedBoundUs = 0;
    this.world.log.warn(`the store begins a new life: ${reason}`, { former, actor: this.actorName() });
    this.world.meter.count("murmur_incarnations_total");
    this.onRenewed();
    this.raiseBound();
  }

  /** Notes an orderly stop; nothing is minted afterwards. */
  stop(onStopped: () => void): void {
    this.world.storage.commit([this.record(this.askedBoundUs, true)], onStopped);
  }

  /**
   * Some key holds a stamp from a clock gone wrong. It stays writable, above
   * that stamp, but such times are not persisted as our bound: chance keeps a
   * stamp from being minted again after a crash.
   */
  private mintAhead(aboveUs: number): Stamp {
    this.aheadUs = Math.max(this.aheadUs, aboveUs) + 1 + below(this.world.random, AHEAD_SPREAD_US);
    return { timeUs: this.aheadUs, actor: this.present };
  }

  private stepUs(): number {
    return this.limits.stampBoundStepMs * 1000;
  }

  private raiseBound(atLeastUs = 0): void {
    const wallUs = Math.floor(this.world.clock.wallMs() * 1000);
    const floorUs = Math.max(this.lastUs, wallUs, atLeastUs);
    if (this.askedBoundUs > floorUs + this.stepUs() / 2) return;
    const boundUs = floorUs + this.stepUs();
    const actor = this.present;
    assert(Number.isSafeInteger(boundUs), "a stamp's time is a safe integer");
    this.askedBoundUs = boundUs;
    this.world.storage.commit([this.record(boundUs, false)], (error) => {
      if (actor !== this.present) return;
      if (error === undefined) this.durableBoundUs = boundUs;
      else this.askedBoundUs = this.durableBoundUs;
      this.serveWaiting(error === undefined);
    });
  }

  private serveWaiting(granted: boolean): void {
    for (const { aboveUs, onStamp } of this.waiting.splice(0)) {
      if (granted) this.mint(aboveUs, onStamp);
      else onStamp(undefined);
    }
  }

  private record(boundUs: number, stopped: boolean) {
    const writer = new Writer()
      .u8(RECORD_FORMAT)
      .u64(this.present)
      .u53(boundUs)
      .u8(stopped ? 1 : 0);
    return { key: RECORD_KEY, value: writer.text(this.world.bootId).finish() };
  }
}

function readRecord(bytes: Uint8Array | undefined): MintRecord | undefined {
  if (bytes === undefined) return undefined;
  const reader = new Reader(bytes);
  if (reader.u8() !== RECORD_FORMAT) throw new MalformedBytes("the mint's record is of another format");
  return { actor: reader.u64(), boundUs: reader.u53(), stopped: reader.u8() === 1, bootId: reader.text() };
}
