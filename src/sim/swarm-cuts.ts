/**
 * Which links a partition cuts: the four kinds that stores have failed under.
 */
import { below, between, type Random, shuffled } from "../base/random.js";

/** Nothing passes from these to those. */
interface Links {
  readonly from: readonly number[];
  readonly to: readonly number[];
}

export type Cut = (random: Random, nodes: number) => Links[];

/** One node against all others. */
export function isolated(random: Random, nodes: number): Links[] {
  return isolate(below(random, nodes), nodes);
}

export function isolate(node: number, nodes: number): Links[] {
  return apart([node], nodes);
}

export function nodesOf(nodes: number): number[] {
  return Array.from({ length: nodes }, (_, node) => node);
}

export function halves(random: Random, nodes: number): Links[] {
  return apart(some(random, nodes), nodes);
}

/** These are heard by nobody, and hear everybody. */
export function oneWay(random: Random, nodes: number): Links[] {
  const side = some(random, nodes);
  return [{ from: side, to: others(side, nodes) }];
}

/** Each hears its two neighbours and nobody else. */
export function ring(_random: Random, nodes: number): Links[] {
  const isFar = (a: number, b: number) => a !== b && (a + 1) % nodes !== b && (b + 1) % nodes !== a;
  const all = nodesOf(nodes);
  return all
    .map((node) => ({ from: [node], to: all.filter((other) => isFar(node, other)) }))
    .filter(({ to }) => to.length > 0);
}

/** Nothing passes between these and all others. */
export function apart(side: readonly number[], nodes: number): Links[] {
  const other = others(side, nodes);
  return [
    { from: side, to: other },
    { from: other, to: side },
  ];
}

/** At least one node, and not all. */
function some(random: Random, nodes: number): number[] {
  return shuffled(random, nodesOf(nodes)).slice(0, between(random, 1, nodes - 1));
}

function others(side: readonly number[], nodes: number): number[] {
  return nodesOf(nodes).filter((node) => !side.includes(node));
}
