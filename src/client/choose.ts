/**
 * Whom to ask: an owner of the key if one is fit, for it answers without a
 * further hop; else any node that is fit, for it can coordinate as well; else
 * the least bad. Pure.
 */
import type { Standing } from "./endpoint.js";

export interface Candidate {
  standing(nowMs: number): Standing;
}

/** `owners` in preference order; `others` are tried from `start` round. `tried` are left out. Undefined: all were tried. */
export function choose<Node extends Candidate>(
  owners: readonly Node[],
  others: readonly Node[],
  start: number,
  tried: readonly Node[],
  nowMs: number,
): Node | undefined {
  let best: Node | undefined;
  let bestCost = Number.POSITIVE_INFINITY;
  for (const node of owners) {
    const cost = tried.includes(node) ? Number.POSITIVE_INFINITY : 2 * node.standing(nowMs);
    if (cost === 0) return node;
    if (cost < bestCost) [best, bestCost] = [node, cost];
  }
  for (let step = 0; step < others.length; step++) {
    const node = others[(start + step) % others.length] as Node;
    if (tried.includes(node) || owners.includes(node)) continue;
    const cost = 2 * node.standing(nowMs) + 1;
    if (cost < bestCost) [best, bestCost] = [node, cost];
    if (bestCost === 1) break;
  }
  return best;
}
