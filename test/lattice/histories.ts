/**
 * Random histories of a few replicas, held against a slow and obvious model of what each of them knows.
 *
 * The network keeps every state that was ever sent and delivers any of them at
 * any time: late, again, out of order, or never. A replica may lose what it has
 * not sent and begin a new life under another actor. Clients send the context of
 * any earlier answer, or none.
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { equalBytes, NO_BYTES } from "../../src/base/bytes.js";
import { below, happens, pick, type Random, shuffled } from "../../src/base/random.js";
import { SeededRandom } from "../../src/base/seeded.js";
import { DEFAULT_LIMITS } from "../../src/config.js";
import { type Context, EMPTY_CONTEXT, highestTimeUs } from "../../src/lattice/context.js";
import type { Lattice } from "../../src/lattice/lattice.js";
import type { Change, ChangeId, Op } from "../../src/lattice/op.js";
import type { Actor, Stamp } from "../../src/lattice/stamp.js";
import { checkChangeInBytes, checkMergeInBytes } from "./in-bytes.js";

/** The model of a lattice: what a replica knows is a set of facts, and knowing more is their union. */
export interface Oracle<State, Facts> {
  readonly nothing: Facts;
  join(a: Facts, b: Facts): Facts;
  /** What a replica knows after `change`, made by a client that had seen what `seen` tells; undefined: it did not say. */
  change(facts: Facts, change: Change, seen: Facts | undefined): Facts;
  /** What the client has seen whose change led to `after`. */
  told(after: Facts, change: Change, seen: Facts | undefined): Facts;
  /** Fails unless `state` shows exactly what the facts do. */
  check(state: State, facts: Facts): void;
}

export interface Histories<State, Facts> {
  readonly oracle: Oracle<State, Facts>;
  op(random: Random): Op;
  /** Under what id a client asks for it; undefined: under none. */
  id?(random: Random, op: Op): ChangeId | undefined;
  /** Seeds and steps of histories that have failed, and never shall again. */
  readonly failedOnce?: [seed: number, steps: number][];
}

interface Known<State, Facts> {
  readonly state: State;
  readonly facts: Facts;
}

interface Seen<Facts> {
  readonly context: Context;
  readonly facts: Facts;
}

const REPLICAS = 3;
const STEPS_MAX = 30;
/** All of them where nothing may be left out; fewer while one waits for the tests. */
export const HISTORIES = process.env.MURMUR_REQUIRE_ALL === "1" ? 10_000 : 2_000;

export function testHistories<State, Facts>(
  lattice: Lattice<State>,
  histories: Histories<State, Facts>,
  count = HISTORIES,
): void {
  const seed = fc.integer({ min: 0, max: 2 ** 32 - 1 });
  const steps = fc.integer({ min: 1, max: STEPS_MAX });
  test(`${lattice.name}: ${count} histories end as a slow model of them does`, () => {
    fc.assert(
      fc.property(seed, steps, (seed, steps) => new History(lattice, histories, new SeededRandom(seed)).run(steps)),
      { numRuns: count, includeErrorInReport: true, examples: histories.failedOnce ?? [] },
    );
  });
}

class History<State, Facts> {
  private readonly replicas: Known<State, Facts>[];
  private readonly actors: Actor[] = [];
  private readonly sent: Known<State, Facts>[] = [];
  private readonly seen: Seen<Facts>[] = [];
  private readonly lastUs: number[] = new Array(REPLICAS).fill(0);
  private nextActor = 0n;

  constructor(
    private readonly lattice: Lattice<State>,
    private readonly histories: Histories<State, Facts>,
    private readonly random: Random,
  ) {
    const nothing = { state: lattice.bottom, facts: histories.oracle.nothing };
    this.replicas = new Array(REPLICAS).fill(nothing);
    for (let replica = 0; replica < REPLICAS; replica++) this.actors.push(this.nextActor++);
  }

  run(steps: number): void {
    for (let step = 0; step < steps; step++) this.step(below(this.random, REPLICAS));
    const everything = [...this.replicas, ...this.sent.slice(0, 2)];
    for (let replica = 0; replica < REPLICAS; replica++) this.deliver(replica, everything);
    const [first, ...others] = this.replicas as [Known<State, Facts>, ...Known<State, Facts>[]];
    for (const { state } of others) {
      // Who knows the same holds the same bytes, whatever way it came, and teaches the other nothing.
      assert.ok(equalBytes(this.bytesOf(state), this.bytesOf(first.state)));
      assert.equal(this.lattice.merge(first.state, state), first.state);
    }
  }

  /** In any order, and some of it twice. */
  private deliver(replica: number, everything: readonly Known<State, Facts>[]): void {
    for (const known of shuffled(this.random, [...everything, pick(this.random, everything)])) {
      this.replicas[replica] = this.join(this.replicas[replica] as Known<State, Facts>, known);
    }
    this.checkReplica(replica);
  }

  private bytesOf(state: State): Uint8Array {
    return state === this.lattice.bottom ? NO_BYTES : this.lattice.encode(state);
  }

  private step(replica: number): void {
    const known = this.replicas[replica] as Known<State, Facts>;
    const choice = below(this.random, 16);
    if (choice < 7) this.change(replica, known);
    else if (choice < 10) this.sent.push(known);
    else if (choice === 10) this.renew(replica);
    else if (choice < 13 && known.state !== this.lattice.bottom) this.look(known);
    else if (this.sent.length > 0) this.replicas[replica] = this.join(known, pick(this.random, this.sent));
    this.checkReplica(replica);
  }

  private checkReplica(replica: number): void {
    const { state, facts } = this.replicas[replica] as Known<State, Facts>;
    this.histories.oracle.check(state, facts);
  }

  private change(replica: number, known: Known<State, Facts>): void {
    const { lattice, random } = this;
    const { oracle } = this.histories;
    const seen = this.seen.length > 0 && happens(random, 0.5) ? pick(random, this.seen) : undefined;
    const context = seen?.context ?? EMPTY_CONTEXT;
    const op = this.histories.op(random);
    const id = this.histories.id?.(random, op);
    const change = { op, stamp: this.mint(replica, known.state, context), context, id };
    if (lattice.refusal(known.state, change, DEFAULT_LIMITS) !== undefined) return;
    const state = lattice.mutate(known.state, change);
    checkChangeInBytes(lattice, known.state, change, DEFAULT_LIMITS);
    const facts = oracle.change(known.facts, change, seen?.facts);
    this.replicas[replica] = { state, facts };
    this.seen.push({ context: lattice.seenBy(state, change), facts: oracle.told(facts, change, seen?.facts) });
  }

  /** Above what the actor, the key and the client know of, and no more in step with other actors than that. */
  private mint(replica: number, state: State, context: Context): Stamp {
    const knownUs = Math.max(this.lattice.lastStamp(state)?.timeUs ?? 0, highestTimeUs(context));
    const timeUs = Math.max(this.lastUs[replica] as number, knownUs) + 1 + below(this.random, 3);
    this.lastUs[replica] = timeUs;
    return { timeUs, actor: this.actors[replica] as Actor };
  }

  /** A client reads. */
  private look({ state, facts }: Known<State, Facts>): void {
    this.seen.push({ context: this.lattice.view(state, 0).context, facts });
  }

  /** A replica that lost its last changes: others may know of them, so it takes another name. */
  private renew(replica: number): void {
    const nothing = { state: this.lattice.bottom, facts: this.histories.oracle.nothing };
    this.actors[replica] = this.nextActor++;
    this.replicas[replica] = this.sent.length > 0 ? pick(this.random, this.sent) : nothing;
  }

  private join(a: Known<State, Facts>, b: Known<State, Facts>): Known<State, Facts> {
    // Every state that travels does so as bytes.
    const travelled = b.state === this.lattice.bottom ? b.state : this.lattice.decode(this.lattice.encode(b.state));
    const state = this.lattice.merge(a.state, travelled);
    checkMergeInBytes(this.lattice, a.state, b.state);
    return { state, facts: this.histories.oracle.join(a.facts, b.facts) };
  }
}
