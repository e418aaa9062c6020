/**
 * What a client's request is, and what can come of it.
 *
 * Results are three-valued (FAULTS): it happened, it did not happen, or nobody
 * can know yet. A timeout is unknown; "not applied" is said only if nothing
 * was sent. Failures are values with counts; nothing here is thrown.
 */
import type { Hedge } from "../cluster-config.js";
import type { Level } from "../config.js";
import type { Context } from "../lattice/context.js";
import type { View } from "../lattice/lattice.js";
import type { ChangeId, Op } from "../lattice/op.js";
import type { NodeId } from "../ports.js";

export interface ReadRequest {
  readonly bucket: string;
  /** The partition key's bytes (UTF-8). */
  readonly key: Uint8Array;
  /** Of a cell within it, UTF-8; a plain key has none. */
  readonly sort?: Uint8Array | undefined;
  readonly level: Level;
  /** Milliseconds from now. */
  readonly deadlineMs: number;
  readonly hedge: Hedge;
  /** False: read without repairing, and take the first `level` answers as they are. */
  readonly mend: boolean;
}

export interface WriteRequest {
  readonly bucket: string;
  readonly key: Uint8Array;
  readonly sort?: Uint8Array | undefined;
  readonly op: Op;
  /** What the client has seen: the write is stamped above it. */
  readonly context: Context;
  /** Of a register whose bucket allows it: the client's own, in microseconds since 1970. It is kept, whatever it meets. */
  readonly stampUs?: number | undefined;
  /** Asked for again under the same id, it counts once. */
  readonly id?: ChangeId | undefined;
  readonly level: Level;
  readonly deadlineMs: number;
}

/** One replica's part in a request, for Server-Timing, the envelope and `--trace`. */
export interface Asked {
  readonly node: NodeId;
  /** When it was asked and when it answered, in milliseconds since the request began; answeredMs is undefined while silent. */
  readonly askedMs: number;
  readonly answeredMs: number | undefined;
  /**
   * first: asked at once. hedge: a spare. self: the coordinator's own replica. late: not heard when the client was answered.
   * hint: no replica, but who keeps a write for one that was down.
   */
  readonly role: "first" | "hedge" | "self" | "late" | "hint";
  /** same: holds the answer. behind: held less, and is mended. failed: refused or damaged. pending: silent so far. */
  readonly state: "same" | "behind" | "failed" | "pending";
}

export type FailureKind =
  /** Too few owners reachable; nothing was sent. */
  | "unavailable"
  /** Some answered, not enough before the deadline. */
  | "timeout"
  /** So many refused (a full disk, a damaged row) that the level cannot be met any more. */
  | "failed"
  /** Refused before any work: come back later. */
  | "overloaded"
  /** This node's clock is too far from its peers' to stamp anything. */
  | "clock-skew"
  /** Refused because a disk is full: as many owners as decide the level said so. */
  | "disk-full"
  /** The level cannot be asked of this bucket: more replicas than it has, or an unknown datacenter. */
  | "bad-level"
  /** The bucket's type does not know this operation. */
  | "type-mismatch"
  /** The key holds as many concurrent values as one may, and this write supersedes none of them. */
  | "too-many-siblings"
  /** The key as it is, and this change, come to more than a state may. Or, of a batch: one value has no room beside the others. */
  | "too-large"
  /** A sum would leave the safe integers. */
  | "out-of-range"
  /** Another operation was made under this Idempotency-Key. */
  | "id-reused"
  /** The key remembers as many Idempotency-Keys as it may. */
  | "too-many-ids";

export interface Failure {
  readonly kind: FailureKind;
  readonly detail: string;
  readonly level: Level;
  /** Answers the level needs, answers that came, owners thought alive. */
  readonly required: number;
  readonly received: number;
  readonly alive: number;
  /** False only when it is certain that no replica has or will have this write. Always false for reads. */
  readonly mayHaveApplied: boolean;
  readonly replicas: readonly Asked[];
}

export type ReadOutcome =
  | {
      readonly ok: true;
      readonly view: View;
      readonly replicas: readonly Asked[];
      /** Owners that were behind and were sent the merged state. */
      readonly mended: readonly NodeId[];
    }
  | { readonly ok: false; readonly failure: Failure };

export type WriteOutcome =
  | {
      readonly ok: true;
      readonly context: Context;
      /** What the key holds now, of a change that an owner minted; whoever put or deleted is not told. */
      readonly view?: View;
      readonly replicas: readonly Asked[];
    }
  | { readonly ok: false; readonly failure: Failure };
