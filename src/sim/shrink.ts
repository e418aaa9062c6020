/**
 * Shrinking: the same failure from less.
 *
 * Delta debugging (Zeller and Hildebrandt 2002) over the steps of a script: parts
 * are left out, halves first, then smaller ones, as long as the run still fails.
 * Then the cluster itself is made plainer: sound clocks, usual limits, and as few
 * nodes as it fails with. The number of runs is bounded; what is left then is small enough to read.
 */
import type { Script, Shape, Step } from "./script.js";

export interface Shrunk {
  readonly script: Script;
  /** Runs that it took. */
  readonly runs: number;
}

/** The smallest failing script found within `runsMax` runs. */
export function shrink(script: Script, fails: (script: Script) => boolean, runsMax: number): Shrunk {
  let runs = 0;
  const stillFails = (candidate: Script) => {
    if (runs >= runsMax) return false;
    runs++;
    return fails(candidate);
  };
  let smallest = withFewerSteps(script, stillFails);
  smallest = withPlainerShape(smallest, stillFails);
  smallest = withFewerSteps(smallest, stillFails);
  return { script: smallest, runs };
}

function withFewerSteps(script: Script, fails: (script: Script) => boolean): Script {
  let { steps } = script;
  for (let size = Math.ceil(steps.length / 2); size >= 1; size = size === 1 ? 0 : Math.ceil(size / 2)) {
    for (let first = 0; first < steps.length; ) {
      const rest: readonly Step[] = [...steps.slice(0, first), ...steps.slice(first + size)];
      if (fails({ ...script, steps: rest })) steps = rest;
      else first += size;
    }
  }
  return { ...script, steps };
}

/** Each of these makes a cluster easier to think about. */
const PLAINER: readonly ((shape: Shape) => Shape)[] = [
  (shape) => ({ ...shape, clocks: shape.clocks.map(() => ({ offsetMs: 0, driftPpm: 0 })) }),
  (shape) => ({ ...shape, limits: {} }),
  (shape) => ({ ...shape, commitMs: 1 }),
  (shape) => ({ ...shape, partitions: 1 }),
  (shape) => ({ ...shape, distanceMs: 0 }),
  (shape) => ({ ...shape, datacenters: 1, replication: typeof shape.replication === "number" ? shape.replication : 3 }),
  (shape) => ({ ...shape, durability: "group" }),
];

function withPlainerShape(script: Script, fails: (script: Script) => boolean): Script {
  let smallest = script;
  for (const plainer of PLAINER) {
    const candidate = { ...smallest, shape: plainer(smallest.shape) };
    if (JSON.stringify(candidate.shape) !== JSON.stringify(smallest.shape) && fails(candidate)) smallest = candidate;
  }
  return withFewerNodes(smallest, fails);
}

/** The least number of nodes with which it still fails. Steps that name a node beyond mean another (see faults.ts). */
function withFewerNodes(script: Script, fails: (script: Script) => boolean): Script {
  const { replication } = script.shape;
  const owners =
    typeof replication === "number" ? replication : Object.values(replication).reduce((sum, each) => sum + each);
  // A datacenter has one node of each round, and needs as many as the most owners in one.
  const { datacenters } = script.shape;
  const least = typeof replication === "number" ? owners : datacenters * Math.max(...Object.values(replication));
  for (let nodes = least; nodes < script.shape.nodes; nodes++) {
    const candidate = { ...script, shape: { ...script.shape, nodes } };
    if (fails(candidate)) return candidate;
  }
  return script;
}
