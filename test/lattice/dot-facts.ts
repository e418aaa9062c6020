/**
 * The slow and obvious model of all that is kept under dots: what was ever brought, by its dot, and what of it is gone.
 *
 * Nothing is forgotten and nothing is compact. Something is gone once a change
 * took it away that its client had seen it before, whether or not whoever made
 * the change had ever met it.
 */
import type { Change } from "../../src/lattice/op.js";

export interface Facts<Brought> {
  readonly brought: ReadonlyMap<string, Brought>;
  readonly gone: ReadonlySet<string>;
}

export const NO_FACTS: Facts<never> = { brought: new Map<string, never>(), gone: new Set() };

const pad = (value: number | bigint) => String(value).padStart(6, "0");

/** Ordered as stamps are. */
export const dotOf = ({ stamp: { timeUs, actor } }: Change) => `${pad(timeUs)} ${pad(actor)}`;

export function joinFacts<Brought>(a: Facts<Brought>, b: Facts<Brought>): Facts<Brought> {
  return { brought: new Map([...a.brought, ...b.brought]), gone: new Set([...a.gone, ...b.gone]) };
}

/** What is there, in the order of its dots. */
export function leftOf<Brought>({ brought, gone }: Facts<Brought>): [string, Brought][] {
  return [...brought].filter(([dot]) => !gone.has(dot)).sort(([a], [b]) => (a < b ? -1 : 1));
}

/** Without all that `seen` tells of: whoever makes such a change knows of it from then on. */
export function superseding<Brought>(facts: Facts<Brought>, seen: Facts<Brought>): Facts<Brought> {
  const brought = new Map([...facts.brought, ...seen.brought]);
  return { brought, gone: new Set([...facts.gone, ...seen.brought.keys()]) };
}

/** Without what `isMeant` of all that `seen` tells of, and knowing no more of anything else. */
export function without<Brought>(
  facts: Facts<Brought>,
  seen: Facts<Brought>,
  isMeant: (brought: Brought) => boolean,
): Facts<Brought> {
  const meant = [...seen.brought].filter(([, brought]) => isMeant(brought)).map(([dot]) => dot);
  return { brought: facts.brought, gone: new Set([...facts.gone, ...meant]) };
}

/** What a client has seen that was shown nothing but its own: when all that is left is that, it knows all there was. */
export function toldOf<Brought>(after: Facts<Brought>, own: Facts<Brought>): Facts<Brought> {
  return leftOf(after).every(([dot]) => own.brought.has(dot)) ? after : own;
}
