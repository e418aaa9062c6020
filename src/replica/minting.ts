/**
 * Minting at an owner: a change that depends on what is there is made where it is held, and stamped there.
 *
 * An owner takes what it holds latest, what is on its way to the disk included, changes that, and commits it
 * in the same step: nothing comes between. Where the stamp has to wait for its bound (mint.ts), what is
 * held is looked at again. So a state never lacks anything that its minter minted before it, and
 * "of this actor, all up to here" is true of it (Preguiça and others 2012).
 *
 * The answer waits for the disk: a state that a crash could take back must not be merged anywhere else,
 * or its stamp could be minted a second time, for something else.
 *
 * Only an owner that votes mints: one that rebuilds may lack what it minted itself. And one without any record of
 * the row mints only for who has read what the other owners hold: a bit of the row's key may have turned round on its
 * disk, and what it made of nothing under its own name would then beat all that it had made before.
 */
import { equalBytes, MalformedBytes } from "../base/bytes.js";
import type { Limits } from "../config.js";
import { highestTimeUs } from "../lattice/context.js";
import { StateInBytes } from "../lattice/in-bytes.js";
import type { AnyLattice } from "../lattice/registry.js";
import type { Stamp } from "../lattice/stamp.js";
import type { StorageError, World } from "../ports.js";
import type { MintResult, Unminted, Wish } from "../wire/mint-messages.js";
import { bytesOfWish } from "../wire/minting.js";
import type { Carriers } from "./carriers.js";
import type { Mint } from "./mint.js";
import type { Held, Replica } from "./replica.js";
import { bucketOfRow } from "./rows.js";

export interface MintingParts {
  readonly world: Pick<World, "meter">;
  readonly limits: Limits;
  readonly latticeOf: (bucket: string) => AnyLattice;
  readonly mint: Mint;
  readonly carriers: Carriers;
  readonly replica: Pick<Replica, "counts" | "hasRoomFor" | "heldLatest" | "commit">;
  /** Why this node must not stamp now; undefined when it may. */
  readonly stampRefusal: () => string | undefined;
  /** Whether somebody has told since the start that this store is no old copy of itself, as far as can be known. */
  readonly isVouched: () => boolean;
}

type OnResult = (result: MintResult) => void;

export class Minting {
  constructor(private readonly parts: MintingParts) {}

  /** Makes these changes, or so many of the first as fit into one message; `onDone` comes when each is durable, or not made. */
  mint(wishes: readonly Wish[], onDone: (results: MintResult[]) => void): void {
    const begun = this.fitting(wishes);
    const results: MintResult[] = new Array(begun.length);
    let left = begun.length;
    if (left === 0) onDone(results);
    begun.forEach((wish, index) => {
      this.begin(wish, (result) => {
        this.parts.world.meter.count("murmur_mints_total", { status: result.status });
        results[index] = result;
        left--;
        if (left === 0) onDone(results);
      });
    });
  }

  /** The answer carries whole states, and what has been changed cannot be left out of it: so they are counted before. */
  private fitting(wishes: readonly Wish[]): readonly Wish[] {
    if (wishes.length === 1) return wishes;
    const { replica, limits } = this.parts;
    let bytes = 0;
    const end = wishes.findIndex((wish) => {
      if (bytes >= limits.syncBatchBytesMax) return true;
      const held = replica.counts(wish.row) ? replica.heldLatest(wish.row) : undefined;
      bytes += bytesOfWish(wish) + (held?.state?.length ?? 0);
      return false;
    });
    return end < 0 ? wishes : wishes.slice(0, end);
  }

  private begin(wish: Wish, onResult: OnResult): void {
    const { replica, carriers, latticeOf, stampRefusal, isVouched } = this.parts;
    if (!replica.counts(wish.row)) return onResult({ status: "not-voting" });
    if (stampRefusal() !== undefined) return onResult({ status: "clock-skew" });
    // An old copy of a store would count on top of less than it had told others under the same name.
    if (!isVouched()) return onResult({ status: "unvouched" });
    if (!replica.hasRoomFor(bytesOfWish(wish))) return onResult({ status: "overloaded" });
    if (wish.known !== undefined && carriers.refuses(wish.known.bornAtUs)) return onResult({ status: "stale" });
    new Changing(this.parts, latticeOf(bucketOfRow(wish.row)), wish, onResult).stamp();
  }
}

/** What a row is changed from. */
interface Ground {
  readonly held: Held;
  /** What the record holds, and that with what the asker knows besides. */
  readonly stored: StateInBytes<unknown>;
  readonly state: StateInBytes<unknown>;
  /** When that was changed last. */
  readonly lastUs: number;
  readonly bornAtUs: number;
}

/** One change, until it is durable or not made. */
class Changing {
  private ground: Ground | undefined;

  constructor(
    private readonly parts: MintingParts,
    private readonly lattice: AnyLattice,
    private readonly wish: Wish,
    private readonly onResult: OnResult,
  ) {}

  /** Above all that is there, and all that the client has seen. */
  stamp(): void {
    const ground = this.look();
    if (typeof ground === "string") return this.end(ground);
    this.parts.mint.mint(Math.max(ground.lastUs, highestTimeUs(this.wish.context)), (stamp) => {
      if (stamp === undefined) this.end("disk-full");
      else this.change(stamp);
    });
  }

  private change(stamp: Stamp): void {
    const { lattice, wish } = this;
    const { replica, limits } = this.parts;
    // The stamp may have come late: this life may have ended, and others have written meanwhile.
    if (!replica.counts(wish.row)) return this.end("not-voting");
    const ground = this.look();
    if (typeof ground === "string") return this.end(ground);
    if (stamp.timeUs <= ground.lastUs) return this.stamp();
    const change = { op: wish.op, stamp, context: wish.context, id: wish.id };
    const changed = lattice.accepts(wish.op.kind) ? ground.state.change(change, limits) : MISMATCH;
    if ("kind" in changed) return this.onResult({ status: "refused", ...changed });
    const { after, seen } = changed;
    // Its dot is in it: what was changed is never bottom.
    const state = after.bytes;
    this.commit(ground, after === ground.stored ? undefined : state, (votes) => {
      this.onResult({ status: "minted", votes, state, bornAtUs: ground.bornAtUs, seen });
    });
  }

  /** What the row holds latest, with what is known, or why it is not to be changed. Looked at once, unless it has changed. */
  private look(): Ground | Unminted["status"] {
    const { ground: former, wish } = this;
    // Read before the row is: nothing may seem younger than it is.
    const nowUs = this.parts.carriers.nowUs();
    const held = this.parts.replica.heldLatest(wish.row);
    if (held === undefined) return "damaged";
    if (held.record === undefined && !wish.hasRead) return "absent";
    if (former !== undefined && isSame(former.held.record, held.record)) return former;
    const stored = StateInBytes.of(this.lattice, held.state);
    const state = this.withKnown(stored);
    if (state === undefined) return "malformed";
    const bornAtUs = Math.min(nowUs, wish.known?.bornAtUs ?? nowUs);
    this.ground = { held, stored, state, lastUs: state.lastStamp?.timeUs ?? 0, bornAtUs };
    return this.ground;
  }

  /** What is stored, with what the asker knows; undefined when that is no state. */
  private withKnown(stored: StateInBytes<unknown>): StateInBytes<unknown> | undefined {
    const { known } = this.wish;
    if (known === undefined) return stored;
    try {
      const { both, theirLast } = stored.merge(StateInBytes.of(this.lattice, known.state));
      this.parts.mint.observe(theirLast);
      return both;
    } catch (error) {
      if (!(error instanceof MalformedBytes)) throw error;
      return undefined;
    }
  }

  /** Without `state` there is nothing new. */
  private commit({ held }: Ground, state: Uint8Array | undefined, onDurable: (votes: boolean) => void): void {
    const { replica } = this.parts;
    const { row } = this.wish;
    const onCommitted = (error?: StorageError) => {
      if (error !== undefined) this.end(error.kind === "full" ? "disk-full" : "damaged");
      else onDurable(replica.counts(row));
    };
    replica.commit(row, held, state, onCommitted);
  }

  private end(status: Unminted["status"]): void {
    this.onResult({ status });
  }
}

const MISMATCH = { kind: "type-mismatch", detail: "the bucket's type has no such operation" } as const;

function isSame(a: Uint8Array | undefined, b: Uint8Array | undefined): boolean {
  return a === undefined || b === undefined ? a === b : equalBytes(a, b);
}
