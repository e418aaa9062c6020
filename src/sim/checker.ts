/**
 * What a client may hold a cluster to, checked against every answer.
 *
 * For each key the checker keeps, per count of owners, the highest stamp known
 * to be held by so many, of all owners and of those in each datacenter. A read
 * of `r` of N must see every stamp that more than N - r of them held when it
 * began (R + W > N: Gifford 1979), whether a write put it there or an earlier
 * read (monotonic reads). A write counts the
 * same way, for who writes after an acknowledged write must win over it, and over all
 * that its context names. One stamp belongs to one write of one key, and a value
 * was written by somebody.
 */

import type { Level } from "../config.js";
import { type Context, lastStampOf } from "../lattice/context.js";
import type { View } from "../lattice/lattice.js";
import { compareStamps, type Stamp } from "../lattice/stamp.js";
import { ALL, type Owners, type Part } from "./owners.js";

/** What an operation must see, taken when it begins. */
export interface Ticket {
  readonly key: number;
  readonly name: string;
  /** How many owners answer at its level, at least, among which. */
  readonly parts: readonly Part[];
  readonly floor: Stamp | undefined;
  /** How many operations had begun. */
  readonly turn: number;
}

/** A delete, or a value that expires. */
export interface Vanishing {
  /** Undefined as long as nobody knows. */
  stamp: Stamp | undefined;
}

interface KeyHistory {
  /** Among whom, and by count: the highest stamp that so many of them are known to hold. */
  readonly held: ReadonlyMap<string, (Stamp | undefined)[]>;
  readonly values: Map<string, string>;
  readonly attempted: Set<string>;
  /** Attempts to make the key vanish that may have happened. */
  readonly vanishings: Set<Vanishing>;
  /** Values that may be gone by themselves. */
  readonly expiring: Set<string>;
  /** By stamp and judge: in which turn it was first found. */
  readonly expired: Map<string, number>;
  /** The true time of the last attempt to make the key vanish. */
  vanishedMs: number;
}

/** How far the stamp of a write may be above the time when it was attempted: its deadline, and skewed clocks. */
const ATTEMPT_MS_MAX = 3000;

const GONE = "-";

export class Checker {
  readonly violations: string[] = [];
  private readonly keys = new Map<number, KeyHistory>();
  /** Whose each stamp is, and which of them were given to a write that was acknowledged. */
  private readonly stamped = new Map<string, number>();
  private readonly acknowledged = new Set<string>();
  private turn = 0;

  /** `forgets`: the run is longer than its tombstones last. Nothing older than they may come back all the same. */
  constructor(
    readonly owners: Owners,
    private readonly forgets: boolean,
  ) {}

  /** An operation begins, at a node of this datacenter. */
  begin(key: number, name: string, level: Level, datacenter?: string): Ticket {
    const parts = this.owners.partsOf(key, level, datacenter);
    return { key, name, parts, floor: this.floorOf(key, parts), turn: ++this.turn };
  }

  /** A value is about to be written: from now on somebody may read it. */
  onAttempt(key: number, value: string, isExpiring: boolean): void {
    const history = this.historyOf(key);
    history.attempted.add(value);
    if (isExpiring) history.expiring.add(value);
  }

  /** A delete, or a value that expires, is about to be written: all may be forgotten up to it. */
  onVanish(key: number, wallMs: number): Vanishing {
    const history = this.historyOf(key);
    const vanishing = { stamp: undefined };
    history.vanishedMs = wallMs;
    history.vanishings.add(vanishing);
    return vanishing;
  }

  /** It certainly did not happen. */
  onNotVanished(key: number, vanishing: Vanishing): void {
    this.historyOf(key).vanishings.delete(vanishing);
  }

  /** A read says that there is nothing, and not what was there last. Returns whether something had been there. */
  onAbsent(ticket: Ticket): boolean {
    const { floor } = ticket;
    if (floor === undefined) return false;
    const isGone = [...this.historyOf(ticket.key).vanishings].some(
      ({ stamp }) => stamp === undefined || !isBelow(stamp, floor),
    );
    if (!isGone) this.violate(ticket, "passed over what was held", undefined);
    return true;
  }

  /** `seen`: the context that the write carried. */
  onWritten(ticket: Ticket, value: string | undefined, context: Context, seen: Context): void {
    const stamp = lastStampOf(context) as Stamp;
    const id = idOf(stamp);
    this.onValue(ticket, stamp, id, value ?? GONE);
    if (this.acknowledged.has(id)) this.violate(ticket, "two writes have one stamp", stamp);
    this.acknowledged.add(id);
    if (!isBelow(lastStampOf(seen), stamp)) this.violate(ticket, "acknowledged below its own context", stamp);
    if (isBelow(stamp, ticket.floor)) this.violate(ticket, "acknowledged below what was there", stamp);
    this.onHeld(ticket, stamp);
  }

  /**
   * `isMended`: who was behind was mended before the answer, so that so many hold it.
   * `judge`: the process that told what has expired, if its clock can be relied on not to go back.
   */
  onRead(ticket: Ticket, { contents, context }: View, isMended: boolean, judge?: string): void {
    const stamp = lastStampOf(context);
    const isForgotten = stamp === undefined && this.mayBeForgotten(ticket);
    if (isBelow(stamp, ticket.floor) && !isForgotten) this.violate(ticket, "read less than was held", stamp);
    if (stamp === undefined) return;
    const [content] = contents;
    const value = content === undefined ? GONE : Buffer.from(content.value).toString();
    const id = idOf(stamp);
    this.onValue(ticket, stamp, id, value);
    if (judge !== undefined) this.onJudged(ticket, stamp, value, `${id} ${judge}`);
    if (isMended) this.onHeld(ticket, stamp);
  }

  /** All hints have arrived and all replicas are equal: what hints alone had to keep is held by every owner now. */
  onHintsDelivered(): void {
    for (const key of this.keys.keys()) {
      const held = this.heldAmong(key, ALL);
      const { number } = this.owners;
      held[number] = later(held[number], held[0]);
    }
  }

  /** What a client that saw everything would send along. */
  lastSeen(key: number): Stamp | undefined {
    return this.floorOf(key, [{ among: ALL, count: this.owners.number }]);
  }

  /** Whether a delete, or a value that was to expire, may be above all that a read had to see. */
  private mayBeForgotten({ key, floor }: Ticket): boolean {
    if (!this.forgets) return false;
    return this.historyOf(key).vanishedMs + ATTEMPT_MS_MAX >= (floor?.timeUs ?? 0) / 1000;
  }

  /** The highest stamp that some of any so many must hold. */
  private floorOf(key: number, parts: readonly Part[]): Stamp | undefined {
    let floor: Stamp | undefined;
    for (const part of parts) {
      const held = this.heldAmong(key, part.among);
      const least = this.owners.leastHolders(key, part);
      if (least === undefined) continue;
      for (let holders = least; holders < held.length; holders++) floor = later(floor, held[holders]);
    }
    return floor;
  }

  private onHeld({ key, parts }: Ticket, stamp: Stamp): void {
    for (const { among, count } of parts) {
      const held = this.heldAmong(key, among);
      held[count] = later(held[count], stamp);
    }
  }

  private heldAmong(key: number, among: string): (Stamp | undefined)[] {
    return this.historyOf(key).held.get(among) as (Stamp | undefined)[];
  }

  private onValue(ticket: Ticket, stamp: Stamp, id: string, value: string): void {
    const { values, attempted, expiring } = this.historyOf(ticket.key);
    const known = values.get(id);
    if ((this.stamped.get(id) ?? ticket.key) !== ticket.key) this.violate(ticket, "two keys have one stamp", stamp);
    this.stamped.set(id, ticket.key);
    if (value !== GONE && !attempted.has(value)) this.violate(ticket, `read what nobody wrote: ${value}`, stamp);
    if (known === undefined) {
      if (value !== GONE || ticket.name.startsWith("delete")) values.set(id, value);
    } else if (known !== value && !(value === GONE && expiring.has(known))) {
      this.violate(ticket, `one stamp has two values: ${known} and ${value}`, stamp);
    }
  }

  /**
   * What has expired by one clock does not come back by it. `judged`: the stamp, and who judged it. A range judges its
   * first cells before it has read the last: so only what was known to have expired when it began must be gone.
   */
  private onJudged(ticket: Ticket, stamp: Stamp, value: string, judged: string): void {
    const { expired } = this.historyOf(ticket.key);
    const foundTurn = expired.get(judged);
    if (value === GONE) expired.set(judged, foundTurn ?? this.turn);
    else if (foundTurn !== undefined && foundTurn < ticket.turn) {
      this.violate(ticket, `read what had expired: ${value}`, stamp);
    }
  }

  private violate(ticket: Ticket, what: string, stamp: Stamp | undefined): void {
    this.violations.push(`${ticket.name}: ${what} (${textOf(stamp)}, expected at least ${textOf(ticket.floor)})`);
  }

  private historyOf(key: number): KeyHistory {
    const known = this.keys.get(key);
    if (known !== undefined) return known;
    const held = new Map([...this.owners.groupsOf(key).keys()].map((among) => [among, []]));
    const sets = { values: new Map(), attempted: new Set<string>(), expiring: new Set<string>() };
    const history = {
      held,
      ...sets,
      vanishings: new Set<Vanishing>(),
      expired: new Map<string, number>(),
      vanishedMs: Number.NEGATIVE_INFINITY,
    };
    this.keys.set(key, history);
    return history;
  }
}

function later(a: Stamp | undefined, b: Stamp | undefined): Stamp | undefined {
  return isBelow(a, b) ? b : a;
}

function isBelow(a: Stamp | undefined, b: Stamp | undefined): boolean {
  return b !== undefined && (a === undefined || compareStamps(a, b) < 0);
}

function idOf({ timeUs, actor }: Stamp): string {
  return `${timeUs}/${actor.toString(16)}`;
}

function textOf(stamp: Stamp | undefined): string {
  return stamp === undefined ? "nothing" : `${stamp.timeUs} by ${stamp.actor.toString(16)}`;
}
