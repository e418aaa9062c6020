/**
 * A model of one type of key: what its clients may be told, counted slowly and apart from the store.
 *
 * Three things are known of a change: it was acknowledged by so many, it
 * certainly did not happen, or it may have, then or later. A model demands what
 * was acknowledged, forbids what did not happen, and allows the rest.
 */
import type { Context } from "../lattice/context.js";
import type { View } from "../lattice/lattice.js";
import type { Op } from "../lattice/op.js";
import type { Owners, Part } from "./owners.js";
import type { Change } from "./script.js";

/** An operation as it is put to a cluster. */
export interface Asked {
  readonly name: string;
  /** The same each time that a client tries it. */
  readonly wish: string;
  readonly key: number;
  readonly client: number;
  /** Of whom its level means how many. */
  readonly parts: readonly Part[];
  /** Whom a change asks first that depends on what others hold. */
  readonly firstParts: readonly Part[];
}

/** A change on its way. Unless it is heard of again, it may have happened. */
export interface Attempt {
  readonly op: Op;
  /** What the client sends along. */
  readonly context: Context;
  /** `view`: what the key held then, if the client was told. */
  onAcknowledged(context: Context, view: View | undefined): void;
  /** It certainly did not happen, and will not. */
  onRefused(): void;
}

export interface Model {
  /** A client begins to read; to be called with what it is told. `isMended`: whoever was behind was mended before the answer. */
  read(asked: Asked, isMended: boolean): (view: View) => void;
  change(asked: Asked, change: Change): Attempt;
}

/** What all models are given. */
export interface ModelWorld {
  readonly owners: Owners;
  readonly violations: string[];
  /** Rare meetings that the store itself does not count. */
  readonly noted: Set<string>;
  /** The true time, in milliseconds since 1970. */
  nowMs(): number;
  /** By how much a node's clock may differ from it. */
  readonly clocksOffMs: number;
}

/** Something was acknowledged, by those, at this turn. */
export interface Fact {
  readonly turn: number;
  readonly parts: readonly Part[];
  /** Of what was taken away: who knew it as it was seen. */
  readonly known?: Known;
}

/**
 * Who knows something under the stamp that it was seen under; undefined: it has no other. What has an id may
 * have been made twice, and a context covers only the stamps that were known where it is from. So an owner that knows another alone
 * shows it beside what replaced it, until it hears that both are one.
 */
export type Known = readonly Part[] | undefined;

/** Whether a read that began at `turn` had to see one of these. */
export function mustSee(
  owners: Owners,
  facts: readonly Fact[],
  { key, parts }: Pick<Asked, "key" | "parts">,
  turn: number,
): boolean {
  return facts.some(
    (fact) =>
      fact.turn < turn &&
      owners.mustMeet(key, fact.parts, parts) &&
      (fact.known === undefined || owners.mustMeet(key, fact.known, parts)),
  );
}

/** The order of all that begins and ends at clients. */
export class Turns {
  private last = 0;

  next(): number {
    return ++this.last;
  }
}

/** The value in the JSON of a counter or a set; undefined when there is none. */
export function jsonValueOf({ contents }: View): unknown {
  const [content] = contents;
  return content === undefined ? undefined : JSON.parse(Buffer.from(content.value).toString()).value;
}
