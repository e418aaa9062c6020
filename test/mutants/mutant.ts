/**
 * A mutant: the store with one defect put in on purpose (DeMillo, Lipton, Sayward 1978).
 *
 * A checker that finds nothing in a broken store says nothing about a sound one.
 * So each guard of the core is taken out in turn, in the compiled JavaScript of a
 * copy that is never shipped, and the simulation has to notice.
 */

import type { MintedType, Script } from "../../src/sim/script.js";

/** What is found exactly once in a file of the build is replaced. */
export interface Edit {
  /** Below the build's `src`, with slashes. */
  readonly file: string;
  readonly find: string;
  readonly replace: string;
}

export interface Mutant {
  /** Lower case, with hyphens: as in the record, the docs and on the command line. */
  readonly name: string;
  /** What is wrong with this store, and which rule that breaks. */
  readonly defect: string;
  /** Together they are one defect; more than one where a second guard stands behind the first. */
  readonly edits: readonly Edit[];
  /** What a script must have for the defect to matter: seeds of others are passed over. */
  readonly needs?: (script: Script) => boolean;
  /** Its runs are wrong only against each other: a seed is run twice. */
  readonly isErratic?: boolean;
}

/** A text with its edits; throws when one of them no longer applies. */
export function edited(text: string, edits: readonly Edit[]): string {
  return edits.reduce((result, { file, find, replace }) => {
    const count = result.split(find).length - 1;
    if (count !== 1) throw new Error(`${file} holds ${count} times, not once: ${find}`);
    return result.replace(find, () => replace);
  }, text);
}

/** Scripts with one of these kinds of fault. */
export function withFault(...kinds: readonly string[]): (script: Script) => boolean {
  return ({ swarm }) => kinds.some((kind) => swarm.includes(kind));
}

/** Scripts in which clients change keys of one of these types. */
export function withChangesOf(...types: readonly MintedType[]): (script: Script) => boolean {
  return ({ steps }) => steps.some(({ deed }) => "change" in deed && types.includes(deed.change.type));
}
