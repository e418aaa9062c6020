/**
 * Swarm testing (Groce and others 2012): each seed enables its own few faults, at
 * its own rates, on a cluster of its own shape. With all of them on at once,
 * each would hide what the others could find.
 */
import { below, between, fraction, happens, pick, type Random } from "../base/random.js";
import type { HedgePolicy } from "../cluster-config.js";
import type { Level, Limits } from "../config.js";
import { forgetful, isForgetful } from "./forgetting.js";
import { SimRandom } from "./random.js";
import type { NodeTime, Operation, Script, Shape, Step } from "./script.js";
import { drawChanges, withExpiry, withIds } from "./swarm-changes.js";
import { drawDatacenterCuts, spread } from "./swarm-datacenters.js";
import { DATACENTER_CUT, drawFaults } from "./swarm-faults.js";
import { withRows } from "./swarm-rows.js";

const SECOND_MS = 1000;
const HOUR_MS = 3600 * SECOND_MS;
const CLIENTS = 4;
const USUAL_MS = 30 * SECOND_MS;
/** How often a kind of fault is enabled. */
const FAULT_CHANCE = 0.3;
const FORGETFUL_CHANCE = 0.3;

/** The script of a seed. */
export function drawScript(seed: number): Script {
  const random = new SimRandom(seed);
  const drawn = spread(random.fork("datacenters"), drawShape(random.fork("shape")));
  const memory = random.fork("memory");
  const shape = happens(memory, FORGETFUL_CHANCE) ? forgetful(memory, drawn) : drawn;
  // Now and then a run is long enough for the longest pause.
  const durationMs = happens(random, 0.15)
    ? between(random, 60 * SECOND_MS, 90 * SECOND_MS)
    : between(random, 8 * SECOND_MS, 30 * SECOND_MS);
  const drawnFaults = drawFaults(random.fork("faults"), shape, durationMs, FAULT_CHANCE);
  const cuts = drawDatacenterCuts(random.fork("datacenter cuts"), shape, durationMs, FAULT_CHANCE);
  const swarm = cuts.length === 0 ? drawnFaults.swarm : [...drawnFaults.swarm, DATACENTER_CUT];
  const operations = drawOperations(random.fork("operations"), shape, durationMs, swarm.includes("overload"));
  const changes = drawChanges(random.fork("changes"), shape, operations, durationMs);
  const minted = withExpiry(random.fork("expiry"), withIds(random.fork("ids"), changes, swarm));
  const requests = minted.steps.length === 0 ? withRows(random.fork("rows"), operations) : operations;
  const steps = [...drawnFaults.faults, ...cuts, ...requests, ...minted.steps].sort((a, b) => a.atMs - b.atMs);
  return { seed, shape: minted.shape, hedge: pick(random.fork("hedge"), HEDGES), swarm, steps };
}

const HEDGES: readonly HedgePolicy[] = [
  { kind: "never" },
  { kind: "always" },
  { kind: "after", ms: 1 },
  { kind: "after", ms: 20 },
  { kind: "quantile", share: 0.5 },
  {
    kind: "max",
    of: [
      { kind: "quantile", share: 0.95 },
      { kind: "after", ms: 2 },
    ],
  },
];

function drawShape(random: Random): Shape {
  const nodes = pick(random, [3, 3, 3, 4, 5, 5, 6, 7, 9, happens(random, 0.2) ? 25 : 5]);
  const datacenters = nodes >= 5 && happens(random, 0.3) ? 2 : 1;
  const replication = datacenters === 2 ? pick(random, [3, 5, { dc1: 3, dc2: 2 }]) : pick(random, [1, 2, 3, 3, 3, 3]);
  const partitions = pick(random, [1, 2, 16, 64]);
  const commitMs = happens(random, FAULT_CHANCE) ? pick(random, [20, 200]) : 1;
  const durability = pick(random, ["group", "os"] as const);
  const limits = drawLimits(random);
  return {
    nodes,
    datacenters,
    distanceMs: 0,
    replication,
    partitions,
    limits,
    durability,
    commitMs,
    clocks: drawClocks(random, nodes),
  };
}

/** At times all are somewhat wrong, and at times one of them badly. */
function drawClocks(random: Random, nodes: number): NodeTime[] {
  const isSkewed = happens(random, FAULT_CHANCE);
  const offsetMsMax = pick(random, [100, 1000, 4000]);
  const clocks = Array.from({ length: nodes }, () => ({
    offsetMs: isSkewed ? between(random, -offsetMsMax, offsetMsMax) : 0,
    driftPpm: isSkewed ? between(random, -500, 500) : 0,
  }));
  if (happens(random, 0.1))
    clocks[below(random, nodes)] = { offsetMs: between(random, -HOUR_MS, HOUR_MS), driftPpm: 0 };
  return clocks;
}

const TIGHT_SYNC = { syncBlockRowsMax: 8, syncBlocksMax: 4, syncBatchRowsMax: 8, treeLeavesMax: 32, scanRowsMax: 16 };

/** Small limits are reached soon. */
function drawLimits(random: Random): Partial<Limits> {
  const limits: { -readonly [Name in keyof Limits]?: number } = {};
  if (happens(random, 0.5)) Object.assign(limits, TIGHT_SYNC);
  if (happens(random, 0.3)) limits.settleMs = pick(random, [0, 100, 5000]);
  if (happens(random, 0.2)) limits.pendingCommitBytesMax = 1024 * 1024;
  if (happens(random, 0.3)) limits.hedgeTokensMax = 2;
  if (happens(random, 0.3)) limits.hintBatchRows = 2;
  if (happens(random, 0.2)) Object.assign(limits, pick(random, SMALL_HINT_BOUNDS));
  if (happens(random, 0.2)) limits.clockSkewMsMax = pick(random, [1000, 2000]);
  return limits;
}

const SMALL_HINT_BOUNDS: readonly Partial<Limits>[] = [
  { hintRowsMax: 2 },
  { hintBytesMax: 300 },
  { hintAgeMsMax: 2000 },
];

function drawOperations(random: Random, shape: Shape, durationMs: number, hasBursts: boolean): Step[] {
  // As many operations in a long run as in a short one.
  const gapMs = pick(random, [20, 60, 200]) * Math.max(1, durationMs / USUAL_MS);
  const mix: Mix = {
    keys: pick(random, isForgetful(shape) ? [3, 30, 100] : [1, 3, 30]),
    levels: drawLevels(random, shape),
    readShare: pick(random, [0.3, 0.5, 0.8]),
    deleteShare: pick(random, isForgetful(shape) ? [0.1, 0.3] : [0, 0.1, 0.3]),
    ttlShare: pick(random, [0, 0, 0.3]),
    carefulShare: pick(random, [0, 0.5, 1]),
    retries: pick(random, [0, 0, 1, 3]),
  };
  const operations: Step[] = [];
  for (let atMs = 0; atMs < durationMs; atMs += 2 * gapMs * fraction(random)) {
    const isBurst = hasBursts && happens(random, 0.005);
    for (let count = isBurst ? pick(random, [50, 200, 400]) : 1; count > 0; count--) {
      operations.push({ atMs, deed: { operation: drawOperation(random, shape, mix) } });
    }
  }
  return operations;
}

interface Mix {
  readonly keys: number;
  readonly levels: readonly Level[];
  readonly readShare: number;
  readonly deleteShare: number;
  readonly ttlShare: number;
  /** Of the clients: those whose writes carry contexts and whose reads mend. */
  readonly carefulShare: number;
  readonly retries: number;
}

function drawOperation(random: Random, shape: Shape, mix: Mix): Operation {
  const isRead = happens(random, mix.readShare);
  const kind = isRead ? "read" : happens(random, mix.deleteShare) ? "delete" : "put";
  const client = below(random, CLIENTS);
  const node = below(random, shape.nodes);
  const key = below(random, mix.keys);
  const level = isRead ? pick(random, mix.levels.filter(isOfReads)) : pick(random, mix.levels);
  const deadlineMs = pick(random, [100, 1000, 2000, 2000]);
  const isCareful = happens(random, mix.carefulShare);
  const expires = kind === "put" && happens(random, mix.ttlShare);
  const ttlMs = expires ? between(random, 100, 5 * SECOND_MS) : undefined;
  const { retries } = mix;
  return { kind, client, node, retries, key, level, deadlineMs, isAware: isCareful, mend: isCareful, ttlMs };
}

function isOfReads(level: Level): boolean {
  return level !== "ANY";
}

const LEVELS_OF_DATACENTERS: readonly (readonly Level[])[] = [
  ["EACH_QUORUM", "QUORUM", "LOCAL_QUORUM", "LOCAL_ONE"],
  ["EACH_QUORUM", "LOCAL_QUORUM"],
  ["LOCAL_QUORUM"],
];

/** Mostly levels that promise something together; at times any of them. */
function drawLevels(random: Random, { datacenters, replication }: Shape): readonly Level[] {
  const owners = typeof replication === "number" ? replication : 5;
  if (datacenters > 1 && happens(random, 0.6)) return pick(random, LEVELS_OF_DATACENTERS);
  if (happens(random, 0.6)) return ["QUORUM"];
  if (happens(random, 0.3)) return ["QUORUM", "ALL"];
  if (happens(random, 0.3)) return ["ANY", "ONE"];
  return ["ANY", "ONE", "QUORUM", "ALL", 1 + below(random, owners)];
}
