/**
 * What is said about changes that are made at an owner, because they depend on what is there.
 *
 * Unlike a Merge, a Mint is not idempotent: made twice, it counts twice. So it travels in an
 * envelope that lets whoever answers tell a repeated frame (once.ts), and nobody asks a second
 * owner unless the first has said that it did nothing.
 */
import type { Context } from "../lattice/context.js";
import type { ChangeId, Op, OpRefusal } from "../lattice/op.js";
import type { Entry } from "./messages.js";

/** A change of one row that somebody wishes. */
export interface Wish {
  readonly row: Uint8Array;
  readonly op: Op;
  /** What the client has seen. */
  readonly context: Context;
  /** See Change. */
  readonly id: ChangeId | undefined;
  /** What the asker has read of other owners, to be merged before the change is made; undefined when it did not, or found nothing. */
  readonly known: Omit<Entry, "row"> | undefined;
  /** Whether it did: an owner without any record of the row makes no change for one that has not. */
  readonly hasRead: boolean;
}

/** Change these rows as you hold them, mint the stamps, and answer what came of it once that is durable. */
export interface Mint {
  readonly kind: "mint";
  readonly wishes: readonly Wish[];
}

/** Made, and durable. */
export interface Minted {
  readonly status: "minted";
  /** Whether the minter counts towards a level still. */
  readonly votes: boolean;
  /** The row's whole state, to be merged by all other owners. */
  readonly state: Uint8Array;
  readonly bornAtUs: number;
  /** What the client has seen now. */
  readonly seen: Context;
}

/** The row does not take the change as it is: no other owner is asked. */
export interface MintRefused extends OpRefusal {
  readonly status: "refused";
}

/**
 * Nothing was done: another owner may be asked. not-voting: it rebuilds, or does not own the row.
 * clock-skew: it must not stamp. unvouched: it has started, and nobody has told it yet what it may have forgotten.
 * absent: it has no record of the row, be it new or lost, and the asker has not read what others hold. stale: what the asker knew is too old. malformed: it could not read it.
 */
export const UNMINTED_STATUSES = [
  "not-voting",
  "clock-skew",
  "unvouched",
  "absent",
  "overloaded",
  "disk-full",
  "damaged",
  "stale",
  "malformed",
] as const;

export interface Unminted {
  readonly status: (typeof UNMINTED_STATUSES)[number];
}

export type MintResult = Minted | MintRefused | Unminted;

export interface MintReply {
  readonly kind: "mint-reply";
  /** Of the first wishes, at least one; the others were not looked at: their states would be too much for one message. */
  readonly results: readonly MintResult[];
}

/** Which of its asker's questions to one node this is. */
export interface Serial {
  /** Of the asker's process: random. */
  readonly life: bigint;
  /** Counts up from 1. */
  readonly number: number;
}

/** The envelope of a question that must not be worked on twice. */
export interface Once {
  readonly kind: "once";
  readonly serial: Serial;
  readonly question: Mint;
}
