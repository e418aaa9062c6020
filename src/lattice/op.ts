/**
 * What clients change: the operations of all lattices, and how one is put into effect.
 */
import type { Context } from "./context.js";
import type { Stamp } from "./stamp.js";

/** Replaces the value; milliseconds since 1970 after which it is gone, undefined: never. */
export interface Put {
  readonly kind: "put";
  readonly contentType: string;
  readonly value: Uint8Array;
  readonly expiresAtMs: number | undefined;
}

/** Empties the key. */
export interface Delete {
  readonly kind: "delete";
}

/** Counts up, or down. A safe integer. */
export interface Add {
  readonly kind: "add";
  readonly by: number;
}

/** Puts elements in and takes elements out of a set; no element is in both. */
export interface EditSet {
  readonly kind: "edit-set";
  readonly add: readonly string[];
  readonly remove: readonly string[];
}

/** Changes several fields of a map at once; no field is in two of them. */
export interface EditMap {
  readonly kind: "edit-map";
  /** Registers: a JSON text each. */
  readonly set: readonly (readonly [string, Uint8Array])[];
  readonly counters: readonly (readonly [string, Add])[];
  readonly sets: readonly (readonly [string, EditSet])[];
  readonly maps: readonly (readonly [string, EditMap])[];
  readonly remove: readonly string[];
}

/** A client's change to one key, whatever the lattice; each lattice accepts its own kinds. */
export type Op = Put | Delete | Add | EditSet | EditMap;

/** How a client named a change, so that a retry of it does not count again. */
export interface ChangeId {
  /** A hash of what the client called it. */
  readonly id: Uint8Array;
  /** A hash of the operation: another one under the same id is a mistake. */
  readonly body: Uint8Array;
}

export const ID_BYTES = 16;
export const BODY_BYTES = 8;

/** An operation with all that its effect depends on. */
export interface Change {
  readonly op: Op;
  /** Its dot, above all that its minter holds of the key. */
  readonly stamp: Stamp;
  /** What the client had seen; empty when it did not say. */
  readonly context: Context;
  /** Undefined: each time that it is asked for, it is another change. */
  readonly id?: ChangeId | undefined;
  /** Of a change with an id: up to which time ids are forgotten; see `replaced`. */
  readonly floorUs?: number;
}

/** Why a key does not take an operation as its state is. */
export interface OpRefusal {
  readonly kind: "type-mismatch" | "too-many-siblings" | "too-large" | "out-of-range" | "id-reused" | "too-many-ids";
  readonly detail: string;
}
